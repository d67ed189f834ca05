//! The counts of a run, and what they mean for its exit code.

use super::{CaseResult, Status};
use crate::{clause::Level, exit::Exit};

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that could not be tried.
    pub skipped: usize,
    /// Failed MUST cases.
    pub failed_must: usize,
    /// Failed SHOULD and MAY cases.
    pub failed_should: usize,
    /// Cases that failed as the list of known failures says.
    pub known: usize,
    /// Cases that are broken themselves.
    pub broken: usize,
    /// Entries of the list of known failures under which no case failed.
    pub stale: Vec<String>,
}

impl Summary {
    /// Counts a case.
    pub fn add(&mut self, result: &CaseResult<'_>) {
        let counter = match (result.status(), result.case.level()) {
            (Status::Passed, _) => &mut self.passed,
            (Status::Skipped, _) => &mut self.skipped,
            (Status::Known, _) => &mut self.known,
            (Status::Failed, Level::Must) => &mut self.failed_must,
            (Status::Failed, Level::Should | Level::May) => &mut self.failed_should,
            (Status::Broken, _) => &mut self.broken,
        };
        *counter += 1;
    }

    /// How many cases failed that were not known to.
    pub fn failed(&self) -> usize {
        self.failed_must + self.failed_should
    }

    /// How many cases were run.
    pub fn total(&self) -> usize {
        self.passed + self.skipped + self.failed() + self.known + self.broken
    }

    /// What the program exits with; `strict` holds the server to SHOULD as well. A list of
    /// known failures that is out of date fails: else nobody would take entries out of it.
    pub fn exit(&self, strict: bool) -> Exit {
        let should = if strict { self.failed_should } else { 0 };
        match (self.failed_must + self.broken + should, self.stale.len()) {
            (0, 0) => Exit::Passed,
            (0, _) => Exit::Stale,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        case::{Case, Failure, Method},
        clause::{self, Clause},
        run::Outcome,
    };

    fn summary(clause: &'static Clause, outcome: Outcome, known: Option<&str>) -> Summary {
        let case = Case::new(Method::ListPods, clause, "x", |_| async { Ok(()) });
        let mut summary = Summary::default();
        summary.add(&CaseResult {
            case: &case,
            outcome,
            duration: Duration::ZERO,
            exchanges: Vec::new(),
            server_output: String::new(),
            known: known.map(str::to_owned),
        });
        assert_eq!(summary.total(), 1);
        summary
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure {
            request: "ListPods {}".to_owned(),
            expected: "[a, b]".to_owned(),
            actual: "[b, a]".to_owned(),
        })
    }

    #[test]
    fn only_should_may_fail() {
        let should = summary(&clause::P_16, failed(), None);
        assert_eq!(should.exit(false), Exit::Passed);
        assert_eq!(should.exit(true), Exit::Failed);
        assert_eq!(
            summary(&clause::P_1, failed(), None).exit(false),
            Exit::Failed
        );
    }

    #[test]
    fn a_broken_case_is_no_pass() {
        let broken = summary(&clause::P_16, Outcome::Broken("a bug".to_owned()), None);
        assert_eq!(broken.exit(false), Exit::Failed);
    }

    #[test]
    fn known_failures_pass_until_they_are_none() {
        let mut known = summary(&clause::P_1, failed(), Some("of old"));
        assert_eq!(known.exit(true), Exit::Passed);
        known.stale.push("ListPods/P-2/*".to_owned());
        assert_eq!(known.exit(false), Exit::Stale);
        known.failed_must += 1;
        assert_eq!(known.exit(false), Exit::Failed);
        let passed = summary(&clause::P_1, Outcome::Passed, Some("of old"));
        assert_eq!(passed.passed, 1);
    }
}
