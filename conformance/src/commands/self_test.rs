//! `rkt-conformance self-test`: the suite against itself. Servers that are wrong on purpose
//! have to be found out, and the honest model must not be found fault with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, Write as _},
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use rkt_conformance::{
    case::Case,
    cases,
    exit::Exit,
    lies::{
        self, Bench, Lie,
        judge::{self, Finding, Honest},
    },
    profile::Profile,
    report::ReportError,
    select::Unmatched,
    source::Source,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Error;
use crate::cli::SelfTest;

/// How many lies are told at once: mostly they wait, for time to pass or for disks.
const JOBS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// How many cases are tried at once on servers that are honest, beside scenes, which mostly
/// wait: a clock is part of many, and such a server must not run late.
const HONEST_JOBS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(5);

/// Tells lies, and says which case finds each out.
pub fn self_test(args: &SelfTest) -> Result<Exit, Error> {
    let (mut lies, mut liberties) = (lies::all(), lies::liberties::all());
    let is_there = |pattern: &String| {
        let mut all = lies.iter().chain(&liberties);
        all.any(|lie| is_meant(lie, pattern))
    };
    if let Some(alone) = args.lies.iter().find(|pattern| !is_there(pattern)) {
        return Err(Unmatched(alone.clone()).into());
    }
    select(&mut lies, &args.lies);
    select(&mut liberties, &args.lies);
    let room = TempDir::with_prefix("rkt-conformance-").map_err(Error::Begin)?;
    let runtime = Runtime::new().map_err(Error::Begin)?;
    let result = runtime.block_on(async {
        let begin = Instant::now();
        let test = Test {
            cases: &cases::all(),
            bench: &Bench {
                room: room.path(),
                program: &std::env::current_exe().map_err(Error::Begin)?,
            },
            jobs: args.jobs.unwrap_or(JOBS),
        };
        let missed = test.lies(&lies).await?;
        let unfair = match args.skip_honest {
            true => 0,
            false => test.liberties(&liberties).await? + test.model(&lies).await?,
        };
        let unbroken = match args.lies.is_empty() {
            true => judge::unbroken(&lies),
            false => Vec::new(),
        };
        for clause in &unbroken {
            tell(format_args!("FAIL {}: there is no lie about it", clause.id))?;
        }
        let clauses: BTreeSet<&str> = lies.iter().map(|lie| lie.clause.id).collect();
        tell(format_args!(
            "{} lies about {} clauses, {missed} not caught; {unfair} cases failed before honest \
             servers ({})",
            lies.len(),
            clauses.len(),
            seconds(begin.elapsed()),
        ))?;
        Ok::<_, Error>(match missed + unfair + unbroken.len() {
            0 => Exit::Passed,
            _ => Exit::Failed,
        })
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    room.close().map_err(Error::Begin)?;
    result
}

/// What servers are tried with.
struct Test<'a> {
    cases: &'a [Case],
    bench: &'a Bench<'a>,
    jobs: NonZeroUsize,
}

impl Test<'_> {
    /// Tells each lie, and a row about it, in their order. Returns how many were not caught.
    async fn lies(&self, lies: &[Lie]) -> Result<usize, Error> {
        let findings = stream::iter(lies.iter().enumerate()).map(|(number, lie)| async move {
            (number, judge::lie(lie, self.cases, self.bench).await)
        });
        let mut findings = findings.buffer_unordered(self.jobs.get());
        let (mut missed, mut told) = (0, 0);
        let mut early = BTreeMap::new();
        while let Some((number, finding)) = findings.next().await {
            early.insert(number, finding?);
            while let Some(finding) = early.remove(&told) {
                missed += usize::from(finding.caught_by.is_none());
                tell(format_args!("{}", row(&lies[told], &finding)))?;
                told += 1;
            }
        }
        Ok(missed)
    }

    /// Has servers take liberties. Returns how many cases find fault with one.
    async fn liberties(&self, liberties: &[Lie]) -> Result<usize, Error> {
        let mut failed = 0;
        for liberty in liberties {
            let begin = Instant::now();
            let honest = judge::liberty(liberty, self.cases, HONEST_JOBS, self.bench).await?;
            failed += honest.failed.len();
            tell_honest(&liberty.title(), &honest, begin.elapsed())?;
        }
        Ok(failed)
    }

    /// Has the model itself tried in both dialects, with what is tried on lies. Returns how
    /// many cases find fault with it.
    async fn model(&self, lies: &[Lie]) -> Result<usize, Error> {
        let concerned = self
            .cases
            .iter()
            .filter(|case| case.is_quick() && lies.iter().any(|lie| lie.concerns(case)));
        let concerned: Vec<&Case> = concerned.collect();
        let mut failed = 0;
        for profile in [Profile::Documented, Profile::Rkt130] {
            let begin = Instant::now();
            let room = self.bench.room;
            let (model, all) = (Source::model(), self.cases);
            let honest = judge::honest(model, profile, all, &concerned, HONEST_JOBS, room).await?;
            failed += honest.failed.len();
            tell_honest(&format!("the model, {profile}"), &honest, begin.elapsed())?;
        }
        Ok(failed)
    }
}

/// A line to those who watch.
fn tell(line: fmt::Arguments<'_>) -> Result<(), Error> {
    Ok(writeln!(io::stdout(), "{line}").map_err(ReportError::from)?)
}

fn tell_honest(name: &str, honest: &Honest, took: Duration) -> Result<(), Error> {
    for failed in &honest.failed {
        tell(format_args!("FAIL {name}: {failed}"))?;
    }
    let word = match honest.failed.is_empty() {
        true => "passed",
        false => "BLAMED",
    };
    tell(format_args!(
        "{word} {:>8}  {name:48} {} passed, {} failed, {} skipped",
        seconds(took),
        honest.passed,
        honest.failed.len(),
        honest.skipped
    ))
}

/// Keeps the lies whose titles begin with one of the patterns; all where there is none.
fn select(lies: &mut Vec<Lie>, patterns: &[String]) {
    lies.retain(|lie| patterns.is_empty() || patterns.iter().any(|it| is_meant(lie, it)));
}

fn is_meant(lie: &Lie, pattern: &str) -> bool {
    lie.title().starts_with(pattern)
}

fn row(lie: &Lie, finding: &Finding) -> String {
    let Finding {
        caught_by,
        cases,
        took,
    } = finding;
    let (word, by) = match caught_by {
        Some(case) => ("caught", case.clone()),
        None => ("MISSED", format!("{cases} cases passed")),
    };
    format!("{word} {:>8}  {:48} {by}", seconds(*took), lie.title())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
