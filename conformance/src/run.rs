//! Running cases: one after the other, each for itself and with a deadline, so that whatever
//! one of them meets, the run goes on to its end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    case::{Case, Failure, Objection, Verdict},
    report::{self, CaseResult, ReportError, Reporter, Summary},
    stage::Stage,
    target::Target,
};

/// How long one case may take. The slowest asks for each pod of the host; a server that needs
/// a millisecond for each would have tens of thousands of them.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server kept the clause.
    Passed,
    /// It did not.
    Failed(Failure),
    /// The case could not be tried, for this reason.
    Skipped(String),
    /// The case itself failed, with this message: a bug of the suite. Nobody should take that
    /// for a pass, so it counts as failed, whatever the level.
    Broken(String),
}

/// Runs `cases` against `target`, which is what the run is `about`, and tells `reporter` of each.
///
/// # Errors
///
/// When the reporter cannot write.
pub async fn run(
    target: Target,
    about: &report::Run,
    cases: &[&Case],
    reporter: &mut dyn Reporter,
) -> Result<Summary, ReportError> {
    let stage = Stage::unknown(Arc::new(target));
    let mut summary = Summary::default();
    reporter.started(about)?;
    for case in cases {
        let started = Instant::now();
        let outcome = outcome(case.check(stage.clone())).await;
        let result = CaseResult {
            case,
            outcome,
            duration: started.elapsed(),
            exchanges: Vec::new(),
            server_output: String::new(),
            known: None,
        };
        reporter.finished(&result)?;
        summary.add(&result);
    }
    reporter.ended(&summary)?;
    Ok(summary)
}

/// Checks on a task of its own, where a panic is contained.
async fn outcome(check: impl Future<Output = Verdict> + Send + 'static) -> Outcome {
    let mut task = tokio::spawn(check);
    match tokio::time::timeout(DEADLINE, &mut task).await {
        Ok(Ok(Ok(()))) => Outcome::Passed,
        Ok(Ok(Err(Objection::Fail(failure)))) => Outcome::Failed(failure),
        Ok(Ok(Err(Objection::Skip(reason)))) => Outcome::Skipped(reason),
        Ok(Err(error)) => Outcome::Broken(error.to_string()),
        Err(_) => {
            task.abort();
            Outcome::Failed(Failure {
                request: "the calls of this case".to_owned(),
                expected: format!("answers within {} s", DEADLINE.as_secs()),
                actual: "none by then".to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn verdicts_become_outcomes() {
        assert_eq!(outcome(async { Ok(()) }).await, Outcome::Passed);
        let failed = outcome(async { Err(Objection::fail("r", "e", "a")) }).await;
        assert!(matches!(failed, Outcome::Failed(failure) if failure.expected == "e"));
        let skipped = outcome(async { Err(Objection::skip("why")) }).await;
        assert_eq!(skipped, Outcome::Skipped("why".to_owned()));
    }

    #[tokio::test]
    async fn a_case_that_panics_is_broken() {
        let broken = outcome(async { panic!("a bug") }).await;
        assert!(matches!(broken, Outcome::Broken(why) if why.contains("a bug")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_case_that_hangs_fails() {
        let hung = outcome(std::future::pending()).await;
        assert!(matches!(hung, Outcome::Failed(failure) if failure.expected.contains("60 s")));
    }
}
