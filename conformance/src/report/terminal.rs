//! The report that people read as it comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use super::{CaseResult, ReportError, Reporter, Run, Summary};
use crate::{clause, run::Outcome, text};

/// How many skipped cases of one reason are named, unless all are to be.
const SKIPS_NAMED: usize = 3;

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
            writeln!(self.out, "not kept: {}, {}", clause.id, clause.gist)?;
        }
        Ok(())
    }
}

impl<W: Write> Reporter for Terminal<W> {
    fn started(&mut self, _run: &Run) -> Result<(), ReportError> {
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        let case = result.case;
        let name = case.name();
        let level = case.level();
        match &result.outcome {
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
        }?;
        Ok(())
    }

    fn ended(&mut self, summary: &Summary) -> Result<(), ReportError> {
        self.skips()?;
        self.clauses()?;
        write!(
            self.out,
            "{} cases: {} passed, {} failed ({} MUST, {} SHOULD), {} skipped",
            summary.total(),
            summary.passed,
            summary.failed(),
            summary.failed_must,
            summary.failed_should,
            summary.skipped,
        )?;
        if summary.broken > 0 {
            write!(self.out, ", {} broken by bugs of the suite", summary.broken)?;
        }
        writeln!(self.out)?;
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::case::{Case, Failure, Method};

    fn case(content: &str) -> Case {
        Case::new(Method::ListPods, &clause::P_16, content, |_| async {
            Ok(())
        })
    }

    fn result<'a>(case: &'a Case, outcome: &Outcome) -> CaseResult<'a> {
        CaseResult {
            case,
            outcome: outcome.clone(),
            duration: Duration::from_millis(12),
            exchanges: Vec::new(),
            server_output: String::new(),
            known: None,
        }
    }

    fn report(verbose: bool, outcomes: &[(&str, Outcome)]) -> String {
        let mut out = Vec::new();
        let mut terminal = Terminal::new(&mut out, verbose);
        let mut summary = Summary::default();
        for (content, outcome) in outcomes {
            let case = case(content);
            let result = result(&case, outcome);
            terminal.finished(&result).unwrap();
            summary.add(&result);
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
}
