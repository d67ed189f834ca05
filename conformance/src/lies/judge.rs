//! Whether the suite finds lies out: each lie's server before the cases of its clause, until
//! one of them fails; and the honest model before all of those cases, which none may fail.

use std::{
    collections::BTreeSet,
    io,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Bench, Lie};
use crate::{
    case::{Case, On},
    clause::{self, Clause, Level},
    known::KnownFailing,
    profile::Profile,
    report::{self, CaseResult, ReportError, Reporter, Summary},
    run::{self, Options, Outcome, RunError},
    setting::Props,
    source::Source,
};

/// How long a server in this process may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many cases of a lie are run at once. Most of them are not needed, once one has failed.
const CASES_AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// Why nothing came of a lie.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no server.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It cannot be told here.
    #[error("failed to write what the lie needs: {0}")]
    Bench(#[from] io::Error),
}

/// What came of a lie.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The first case of the clause that failed; `None` when all passed.
    pub caught_by: Option<String>,
    /// How many cases were told of until then.
    pub cases: usize,
    /// How long that took.
    pub took: Duration,
}

/// What the honest model came to.
#[derive(Clone, Debug, Default)]
pub struct Honest {
    /// The cases that failed, with what they said. There should be none.
    pub failed: Vec<String>,
    /// How many passed.
    pub passed: usize,
    /// How many could not be tried in this process.
    pub skipped: usize,
}

/// Puts a lie before the cases of its clause, the quick ones and those that wait for nothing
/// first, and stops at the first that fails.
///
/// # Errors
///
/// [`Error`].
pub async fn lie(lie: &Lie, cases: &[Case], bench: &Bench<'_>) -> Result<Finding, Error> {
    let begin = Instant::now();
    let mut first = First {
        takes_skips: lie.clause.level == Level::May,
        ..First::default()
    };
    let source = lie.source(bench)?;
    for batch in batches(lie, cases) {
        let source = match waits(batch[0]) {
            true => source.clone(),
            false => source.clone().described(),
        };
        judge(source, cases, &batch, CASES_AT_ONCE, bench.room, &mut first).await?;
        if first.failed.is_some() {
            break;
        }
    }
    Ok(Finding {
        caught_by: first.failed,
        cases: first.told,
        took: begin.elapsed(),
    })
}

/// Puts a server that is honest, such as the model, before `cases`, which are some of `all`.
///
/// # Errors
///
/// When there is no server.
pub async fn honest(
    source: &Source,
    all: &[Case],
    cases: &[&Case],
    at_once: NonZeroUsize,
    room: &Path,
) -> Result<Honest, RunError> {
    let mut told = Honest::default();
    let (waiting, still) = cases
        .iter()
        .copied()
        .partition::<Vec<&Case>, _>(|case| waits(case));
    let described = source.clone().described();
    judge(described, all, &still, at_once, room, &mut told).await?;
    judge(source.clone(), all, &waiting, at_once, room, &mut told).await?;
    Ok(told)
}

/// The clauses that have cases but no lie that breaks them.
pub fn unbroken(lies: &[Lie], cases: &[Case]) -> Vec<&'static Clause> {
    let broken: BTreeSet<&str> = lies.iter().map(|lie| lie.clause.id).collect();
    let checked: BTreeSet<&str> = cases.iter().map(|case| case.clause().id).collect();
    let all = clause::ALL.iter().copied();
    all.filter(|clause| checked.contains(clause.id) && !broken.contains(clause.id))
        .collect()
}

/// The cases that may find a lie out, those that cost least first.
fn batches<'a>(lie: &Lie, cases: &'a [Case]) -> Vec<Vec<&'a Case>> {
    let mut batches = [const { Vec::new() }; 4];
    for case in cases.iter().filter(|case| lie.concerns(case)) {
        batches[usize::from(waits(case)) + 2 * usize::from(!case.is_quick())].push(case);
    }
    batches
        .into_iter()
        .filter(|batch| !batch.is_empty())
        .collect()
}

/// Whether the case changes its host, and waits for what comes of that.
fn waits(case: &Case) -> bool {
    matches!(case.host(), On::Own(_) | On::Scene(_))
}

async fn judge(
    source: Source,
    all: &[Case],
    cases: &[&Case],
    jobs: NonZeroUsize,
    room: &Path,
    told: &mut dyn Told,
) -> Result<(), RunError> {
    let profile = Profile::Documented;
    let about = report::Run {
        target: source.to_string(),
        profile,
        replay: Vec::new(),
        cases: cases.len(),
    };
    let options = Options {
        props: Arc::new(Props {
            source,
            profile,
            patience: PATIENCE,
            room: room.to_owned(),
        }),
        jobs,
        known: KnownFailing::default(),
        keeps_exchanges: false,
    };
    match run::run(&options, &about, all, cases, &mut Listener(told)).await {
        // It was the listener who had heard enough.
        Err(RunError::Report(_)) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Someone who is told of cases.
trait Told {
    /// Hears of a case, and says whether to go on.
    fn hear(&mut self, result: &CaseResult<'_>) -> bool;
}

/// The first case that fails, or otherwise says something else than of an honest server.
#[derive(Default)]
struct First {
    takes_skips: bool,
    failed: Option<String>,
    told: usize,
}

impl Told for First {
    fn hear(&mut self, result: &CaseResult<'_>) -> bool {
        self.told += 1;
        let is_caught = match result.outcome {
            Outcome::Failed(_) => true,
            // Of what a server may do, cases only say whether it does.
            Outcome::Skipped(_) => self.takes_skips,
            Outcome::Passed | Outcome::Broken(_) => false,
        };
        if is_caught {
            self.failed = Some(result.case.name().to_owned());
        }
        !is_caught
    }
}

impl Told for Honest {
    fn hear(&mut self, result: &CaseResult<'_>) -> bool {
        match &result.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
            Outcome::Failed(failure) => {
                let name = result.case.name();
                let text = format!("{name}: {} instead of {}", failure.actual, failure.expected);
                self.failed.push(text);
            }
            Outcome::Broken(why) => self.failed.push(format!("{}: {why}", result.case.name())),
        }
        true
    }
}

/// Hears of a run until it has heard enough.
struct Listener<'a>(&'a mut dyn Told);

impl Reporter for Listener<'_> {
    fn started(&mut self, _: &report::Run) -> Result<(), ReportError> {
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        match self.0.hear(result) {
            true => Ok(()),
            // The only way to end a run early.
            false => Err(io::Error::other("it has been told enough").into()),
        }
    }

    fn ended(&mut self, _: &Summary) -> Result<(), ReportError> {
        Ok(())
    }
}
