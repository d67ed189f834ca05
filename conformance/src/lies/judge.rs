//! Whether the suite finds lies out: each lie's server before the cases of its clause, until
//! one of them fails; and servers that are honest, with the liberties that they may take, before
//! all cases that those concern, of which none may fail.

use std::{
    collections::BTreeSet,
    io,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Bench, Lie, service};
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
    let mut first = First::default();
    let source = lie.source(bench)?;
    for mut batch in batches(lie, cases) {
        let source = match waits(batch[0]) {
            true => source.clone(),
            false => source.clone().described(),
        };
        while !batch.is_empty() {
            let props = props(source.clone(), Profile::Documented, bench.room);
            judge(props, cases, &batch, CASES_AT_ONCE, &mut first).await?;
            let Some(failed) = &first.failed else { break };
            let is_it = |case: &&Case| case.name() == failed;
            let Some(at) = batch.iter().position(is_it) else {
                break;
            };
            if !lie.is_process() || is_passed_by_process(batch[at], cases, bench).await? {
                break;
            }
            // That says nothing of the lie.
            first.failed = None;
            batch.drain(..=at);
        }
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

/// Whether the model passes the case in a process of its own, which keeps not all clauses about
/// the service.
async fn is_passed_by_process(
    case: &Case,
    cases: &[Case],
    bench: &Bench<'_>,
) -> Result<bool, Error> {
    let source = service::process(service::HONEST, bench)?;
    let props = props(source, Profile::Documented, bench.room);
    let mut honest = Honest::default();
    judge(props, cases, &[case], CASES_AT_ONCE, &mut honest).await?;
    Ok(honest.passed == 1)
}

/// Puts a server that takes a liberty before all quick cases of the calls in which it does.
///
/// # Errors
///
/// [`Error`].
pub async fn liberty(
    liberty: &Lie,
    cases: &[Case],
    at_once: NonZeroUsize,
    bench: &Bench<'_>,
) -> Result<Honest, Error> {
    let source = liberty.source(bench)?;
    let concerned = cases.iter();
    let concerned = concerned.filter(|case| case.is_quick() && liberty.is_told_by(case.method()));
    let concerned: Vec<&Case> = concerned.collect();
    let profile = Profile::Documented;
    let honest = honest(source, profile, cases, &concerned, at_once, bench.room);
    Ok(honest.await?)
}

/// Puts servers that do not lie before `cases`, which are some of `all`.
///
/// # Errors
///
/// When there is no server.
pub async fn honest(
    source: Source,
    profile: Profile,
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
    let described = props(source.clone().described(), profile, room);
    judge(described, all, &still, at_once, &mut told).await?;
    let written = props(source, profile, room);
    judge(written, all, &waiting, at_once, &mut told).await?;
    Ok(told)
}

/// The clauses that bind servers, and no lie breaks. What a server may do or leave, as clauses
/// of the level MAY say, it cannot break.
pub fn unbroken(lies: &[Lie]) -> Vec<&'static Clause> {
    let broken: BTreeSet<&str> = lies.iter().map(|lie| lie.clause.id).collect();
    let all = clause::ALL.iter().copied();
    all.filter(|clause| clause.level != Level::May && !broken.contains(clause.id))
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

fn props(source: Source, profile: Profile, room: &Path) -> Props {
    Props {
        source,
        profile,
        patience: PATIENCE,
        room: room.to_owned(),
    }
}

async fn judge(
    props: Props,
    all: &[Case],
    cases: &[&Case],
    jobs: NonZeroUsize,
    told: &mut dyn Told,
) -> Result<(), RunError> {
    let about = report::Run {
        target: props.source.to_string(),
        profile: props.profile,
        replay: Vec::new(),
        cases: cases.len(),
    };
    let options = Options {
        props: Arc::new(props),
        jobs,
        scenes: None,
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

/// The first case that fails.
#[derive(Default)]
struct First {
    failed: Option<String>,
    told: usize,
}

impl Told for First {
    fn hear(&mut self, result: &CaseResult<'_>) -> bool {
        self.told += 1;
        let is_caught = matches!(result.outcome, Outcome::Failed(_));
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
