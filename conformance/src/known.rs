//! Failures that are known: a list of cases with reasons, kept in a file beside the server that
//! has them. It is made to grow shorter: an entry that is out of date fails the run.
//!
//! One entry a line, a glob and a reason, `ListenEvents/*  # not there yet`; other lines are
//! empty or begin with `#`. Which files there are, and when one is written, is not known here.

use globset::{Glob, GlobMatcher};

use crate::{case::Case, random, report::Status};

/// The reason that new entries are given, for somebody to replace.
const NEW: &str = "new";

/// Why a list cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct KnownError {
    line: usize,
    why: String,
}

/// A list of known failures.
#[derive(Clone, Debug, Default)]
pub struct KnownFailing {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
enum Line {
    /// What is no entry: a remark, or nothing.
    Other(String),
    Entry(Entry),
}

#[derive(Clone, Debug)]
struct Entry {
    line: String,
    glob: GlobMatcher,
    reason: String,
}

impl Entry {
    fn parse(line: &str) -> Result<Self, String> {
        let (glob, reason) = line
            .split_once('#')
            .map(|(glob, reason)| (glob.trim(), reason.trim()))
            .filter(|(_, reason)| !reason.is_empty())
            .ok_or("an entry is a glob, a `#` and a reason")?;
        let parsed = Glob::new(glob).map_err(|error| error.to_string())?;
        Ok(Self {
            line: line.to_owned(),
            glob: parsed.compile_matcher(),
            reason: reason.to_owned(),
        })
    }

    fn matches(&self, case: &Case) -> bool {
        self.glob.is_match(case.name())
    }

    fn glob(&self) -> &str {
        self.glob.glob().glob()
    }
}

impl std::str::FromStr for KnownFailing {
    type Err = KnownError;

    fn from_str(text: &str) -> Result<Self, KnownError> {
        let line = |(index, line): (usize, &str)| match line.trim() {
            "" => Ok(Line::Other(line.to_owned())),
            remark if remark.starts_with('#') => Ok(Line::Other(line.to_owned())),
            _ => Entry::parse(line)
                .map(Line::Entry)
                .map_err(|why| KnownError {
                    line: index + 1,
                    why,
                }),
        };
        let lines = text.lines().enumerate().map(line);
        Ok(Self {
            lines: lines.collect::<Result<_, _>>()?,
        })
    }
}

impl KnownFailing {
    /// Why the case is known to fail; `None` when it is not.
    pub fn reason(&self, case: &Case) -> Option<&str> {
        let mut entries = self.entries();
        let entry = entries.find(|entry| entry.matches(case))?;
        Some(&entry.reason)
    }

    /// The entries that are out of date, in order: those that no case of `all` matches, and
    /// those all of whose cases were `run` and none of which failed, though not all were
    /// skipped. Of random cases there is no end, so entries that are about nothing else are
    /// out of date only if they name one, and that one has passed.
    pub fn stale(&self, all: &[Case], run: &[(&Case, Status)]) -> Vec<String> {
        let is_stale = |entry: &&Entry| {
            if entry.glob().contains(random::PART) {
                let passed = |(case, status): &(&Case, Status)| {
                    case.name() == entry.glob() && *status == Status::Passed
                };
                return run.iter().any(passed);
            }
            let meant = all.iter().filter(|case| entry.matches(case)).count();
            let ran = run.iter().filter(|(case, _)| entry.matches(case));
            let ran: Vec<_> = ran.map(|(_, status)| *status).collect();
            let has_failed =
                |status: &Status| matches!(status, Status::Failed | Status::Known | Status::Broken);
            match meant {
                0 => true,
                _ => {
                    ran.len() == meant
                        && ran.contains(&Status::Passed)
                        && !ran.iter().any(has_failed)
                }
            }
        };
        let stale = self.entries().filter(is_stale);
        stale.map(|entry| entry.glob().to_owned()).collect()
    }

    /// The same list without stale entries, and with the cases that failed and are not on it.
    pub fn fixed(&self, stale: &[String], run: &[(&Case, Status)]) -> String {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Entry(entry) if stale.iter().any(|glob| glob == entry.glob()) => {}
                Line::Entry(Entry { line, .. }) | Line::Other(line) => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        for (case, status) in run {
            if *status == Status::Failed {
                text.push_str(&format!("{}  # {NEW}\n", case.name()));
            }
        }
        text
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Other(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{case::Method, clause};

    const LIST: &str = "\
# What is missing
ListPods/P-16/a*  # not there yet

ListPods/P-16/b  # nobody asks
ListPods/P-17/*  # of old
";

    fn cases() -> Vec<Case> {
        let case = |content| {
            Case::new(Method::ListPods, &clause::P_16, content, |_| async {
                Ok(())
            })
        };
        ["a1", "a2", "b", "c"].map(case).into()
    }

    fn list() -> KnownFailing {
        LIST.parse().unwrap()
    }

    #[test]
    fn entries_are_globs_of_whole_names() {
        let (list, cases) = (list(), cases());
        let reasons: Vec<_> = cases.iter().map(|case| list.reason(case)).collect();
        let expected = [
            Some("not there yet"),
            Some("not there yet"),
            Some("nobody asks"),
            None,
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn an_entry_has_a_reason() {
        for line in ["ListPods/*", "ListPods/* #", "[ # broken"] {
            let text = format!("\n{line}\n");
            assert_eq!(text.parse::<KnownFailing>().unwrap_err().line, 2, "{line}");
        }
    }

    #[test]
    fn entries_grow_stale() {
        use Status::{Failed, Known, Passed, Skipped};
        let (list, cases) = (list(), cases());
        let stale = |statuses: &[Status]| {
            let run: Vec<_> = cases.iter().zip(statuses.iter().copied()).collect();
            list.stale(&cases, &run)
        };
        let gone = "ListPods/P-17/*";
        assert_eq!(stale(&[Known, Passed, Skipped, Passed]), [gone]);
        assert_eq!(
            stale(&[Passed, Skipped, Known, Failed]),
            ["ListPods/P-16/a*", gone]
        );
        // Half of what the first one is about was not run.
        assert_eq!(stale(&[Passed]), [gone]);
    }

    #[test]
    fn random_cases_prove_no_entry_wrong_but_their_own() {
        use Status::{Failed, Passed};
        let text = "*/random/*  # any\n*/F-P9/random/4  # one\n*/F-P9/random/8  # another\n\
                    ListPods/*  # all\nListPods/F-P9/random/4  # by name\n";
        let list: KnownFailing = text.parse().unwrap();
        let random = random::named("ListPods/F-P9/random/4").unwrap();
        let mut all = cases();
        all.push(random);
        let random = all.last().unwrap();
        let stale = |status: Option<Status>| {
            let run: Vec<_> = status.map(|status| (random, status)).into_iter().collect();
            list.stale(&all, &run)
        };
        assert_eq!(stale(None), [""; 0]);
        assert_eq!(stale(Some(Failed)), [""; 0]);
        assert_eq!(stale(Some(Passed)), ["ListPods/F-P9/random/4"]);
        assert_eq!(list.reason(random), Some("any"));
    }

    #[test]
    fn fixing_keeps_what_people_wrote() {
        use Status::{Failed, Known, Passed};
        let (list, cases) = (list(), cases());
        let run: Vec<_> = cases.iter().zip([Known, Known, Passed, Failed]).collect();
        let stale = list.stale(&cases, &run);
        let fixed = list.fixed(&stale, &run);
        let expected = "\
# What is missing
ListPods/P-16/a*  # not there yet

ListPods/P-16/c  # new
";
        assert_eq!(fixed, expected);
        let list: KnownFailing = fixed.parse().unwrap();
        assert_eq!(list.reason(&cases[3]), Some(NEW));
    }
}
