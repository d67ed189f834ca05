//! What came out of a run: counted, and told to people. Other reporters (JSON, JUnit) would
//! stand beside [`Terminal`]; the runner feeds them all alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use crate::{
    case::Case,
    clause::{self, Level},
    exit::Exit,
    run::Outcome,
    text,
};

/// How many skipped cases of one reason are named, unless all are to be.
const SKIPS_NAMED: usize = 3;

/// Someone who is told of a run as it goes.
pub trait Reporter {
    /// A case has come to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be told on.
    fn finished(&mut self, case: &Case, outcome: &Outcome) -> io::Result<()>;

    /// The run has.
    ///
    /// # Errors
    ///
    /// When it cannot be told on.
    fn ended(&mut self, summary: &Summary) -> io::Result<()>;
}

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that could not be tried.
    pub skipped: usize,
    /// Failed MUST cases.
    pub failed_must: usize,
    /// Failed SHOULD cases.
    pub failed_should: usize,
    /// Cases that are broken themselves.
    pub broken: usize,
}

impl Summary {
    /// Counts a case.
    pub fn add(&mut self, case: &Case, outcome: &Outcome) {
        let counter = match (outcome, case.level()) {
            (Outcome::Passed, _) => &mut self.passed,
            (Outcome::Skipped(_), _) => &mut self.skipped,
            (Outcome::Failed(_), Level::Must) => &mut self.failed_must,
            (Outcome::Failed(_), Level::Should | Level::May) => &mut self.failed_should,
            (Outcome::Broken(_), _) => &mut self.broken,
        };
        *counter += 1;
    }

    /// How many cases were run.
    pub fn total(&self) -> usize {
        self.passed + self.skipped + self.failed_must + self.failed_should + self.broken
    }

    /// What the program exits with; `strict` holds the server to SHOULD as well.
    pub fn exit(&self, strict: bool) -> Exit {
        let failed = self.failed_must + self.broken;
        match failed > 0 || (strict && self.failed_should > 0) {
            true => Exit::Failed,
            false => Exit::Passed,
        }
    }
}

/// Tells people, line by line.
pub struct Terminal<W> {
    out: W,
    verbose: bool,
    skips: BTreeMap<String, Vec<String>>,
    failed: BTreeSet<&'static str>,
}

impl<W: Write> Terminal<W> {
    /// A reporter that writes to `out`: failures and a summary; when `verbose`, every case.
    pub fn new(out: W, verbose: bool) -> Self {
        Self {
            out,
            verbose,
            skips: BTreeMap::new(),
            failed: BTreeSet::new(),
        }
    }

    fn skips(&mut self) -> io::Result<()> {
        for (reason, names) in &self.skips {
            let mut named = names[..names.len().min(SKIPS_NAMED)].join(", ");
            if names.len() > SKIPS_NAMED {
                named = format!("{named} and {} more", names.len() - SKIPS_NAMED);
            }
            writeln!(self.out, "skipped, because {reason}: {named}")?;
        }
        Ok(())
    }

    fn clauses(&mut self) -> io::Result<()> {
        for clause in clause::ALL.iter().filter(|c| self.failed.contains(c.id)) {
            writeln!(self.out, "not kept: {}, {}", clause.id, clause.text)?;
        }
        Ok(())
    }
}

impl<W: Write> Reporter for Terminal<W> {
    fn finished(&mut self, case: &Case, outcome: &Outcome) -> io::Result<()> {
        let name = case.name();
        let level = case.level();
        match outcome {
            Outcome::Passed if self.verbose => writeln!(self.out, "pass {level:6} {name}"),
            Outcome::Passed => Ok(()),
            Outcome::Skipped(reason) if self.verbose => {
                writeln!(self.out, "skip {level:6} {name}: {reason}")
            }
            Outcome::Skipped(reason) => {
                let names = self.skips.entry(reason.clone()).or_default();
                names.push(name.to_owned());
                Ok(())
            }
            Outcome::Failed(failure) => {
                self.failed.insert(case.clause().id);
                writeln!(
                    self.out,
                    "FAIL {level:6} {name}: {}: expected {}, got {}",
                    failure.request,
                    text::short(&failure.expected),
                    text::short(&failure.actual)
                )
            }
            Outcome::Broken(why) => {
                writeln!(
                    self.out,
                    "BUG  {level:6} {name}: the case itself failed: {why}"
                )
            }
        }
    }

    fn ended(&mut self, summary: &Summary) -> io::Result<()> {
        self.skips()?;
        self.clauses()?;
        write!(
            self.out,
            "{} cases: {} passed, {} failed ({} MUST, {} SHOULD), {} skipped",
            summary.total(),
            summary.passed,
            summary.failed_must + summary.failed_should,
            summary.failed_must,
            summary.failed_should,
            summary.skipped,
        )?;
        if summary.broken > 0 {
            write!(self.out, ", {} broken by bugs of the suite", summary.broken)?;
        }
        writeln!(self.out)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Failure, Method};

    fn case(content: &str) -> Case {
        Case::new(Method::ListPods, &clause::P_16, content, |_| async {
            Ok(())
        })
    }

    fn report(verbose: bool, outcomes: &[(&str, Outcome)]) -> String {
        let mut out = Vec::new();
        let mut terminal = Terminal::new(&mut out, verbose);
        let mut summary = Summary::default();
        for (content, outcome) in outcomes {
            let case = case(content);
            terminal.finished(&case, outcome).unwrap();
            summary.add(&case, outcome);
        }
        terminal.ended(&summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure {
            request: "ListPods {}".to_owned(),
            expected: "[a, b]".to_owned(),
            actual: "[b, a]".to_owned(),
        })
    }

    #[test]
    fn a_failure_is_one_line() {
        assert_eq!(
            report(false, &[("x", failed()), ("y", Outcome::Passed)]),
            "FAIL SHOULD ListPods/P-16/x: ListPods {}: expected [a, b], got [b, a]\n\
             not kept: P-16, ListPods orders by id\n\
             2 cases: 1 passed, 1 failed (0 MUST, 1 SHOULD), 0 skipped\n"
        );
    }

    #[test]
    fn skips_are_counted_and_named() {
        let skipped = |content| (content, Outcome::Skipped("no pod is listed".to_owned()));
        assert_eq!(
            report(false, &["a", "b", "c", "d"].map(skipped)),
            "skipped, because no pod is listed: ListPods/P-16/a, ListPods/P-16/b, \
             ListPods/P-16/c and 1 more\n\
             4 cases: 0 passed, 0 failed (0 MUST, 0 SHOULD), 4 skipped\n"
        );
        let verbose = report(true, &[skipped("a")]);
        assert!(verbose.starts_with("skip SHOULD ListPods/P-16/a: no pod is listed\n"));
    }

    #[test]
    fn a_broken_case_is_no_pass() {
        let summary = |outcome: &Outcome| {
            let mut summary = Summary::default();
            summary.add(&case("x"), outcome);
            summary
        };
        assert_eq!(summary(&Outcome::Passed).exit(true), Exit::Passed);
        assert_eq!(summary(&failed()).exit(false), Exit::Passed);
        assert_eq!(summary(&failed()).exit(true), Exit::Failed);
        let broken = Outcome::Broken("a bug".to_owned());
        assert_eq!(summary(&broken).exit(false), Exit::Failed);
    }
}
