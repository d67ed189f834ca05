//! `rkt-conformance self-test`: the suite against itself. Servers that are wrong on purpose
//! have to be found out, and the honest model must not be found fault with.

use std::{
    io::{self, Write as _},
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use rkt_conformance::{
    case::Case,
    cases,
    exit::Exit,
    lies::{
        self, Bench, Lie,
        judge::{self, Finding},
    },
    report::ReportError,
    select::Unmatched,
    source::Source,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Error;
use crate::cli::SelfTest;

/// How many lies are told at once: mostly they wait, for time to pass or for disks.
const JOBS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(5);

/// Tells lies, and says which case finds each out.
pub fn self_test(args: &SelfTest) -> Result<Exit, Error> {
    let cases = cases::all();
    let all = lies::all();
    let unbroken = judge::unbroken(&all, &cases);
    let lies: Vec<Lie> = select(all, &args.lies)?;
    let room = TempDir::with_prefix("rkt-conformance-").map_err(Error::Begin)?;
    let runtime = Runtime::new().map_err(Error::Begin)?;
    let is_whole = args.lies.is_empty();
    let result = runtime.block_on(async {
        let begin = Instant::now();
        let mut out = io::stdout();
        let mut missed = 0;
        let jobs = args.jobs.unwrap_or(JOBS);
        let (cases, room) = (&cases, room.path());
        let program = std::env::current_exe().map_err(Error::Begin)?;
        let bench = &Bench {
            room,
            program: &program,
        };
        let findings = futures_util::stream::iter(&lies).map(|lie| async move {
            let finding = judge::lie(lie, cases, bench).await;
            (lie, finding)
        });
        let mut findings = findings.buffered(jobs.get());
        while let Some((lie, finding)) = findings.next().await {
            let finding = finding?;
            missed += usize::from(finding.caught_by.is_none());
            writeln!(out, "{}", row(lie, &finding)).map_err(ReportError::from)?;
        }
        let honest = match args.skip_honest {
            true => judge::Honest::default(),
            false => {
                let concerned = cases
                    .iter()
                    .filter(|case| case.is_quick() && lies.iter().any(|lie| lie.concerns(case)));
                let concerned: Vec<&Case> = concerned.collect();
                judge::honest(&Source::model(), cases, &concerned, jobs, room).await?
            }
        };
        for failed in &honest.failed {
            writeln!(out, "FAIL the honest model: {failed}").map_err(ReportError::from)?;
        }
        let mut is_good = missed == 0 && honest.failed.is_empty();
        if is_whole {
            for clause in &unbroken {
                writeln!(out, "FAIL {}: there is no lie about it", clause.id)
                    .map_err(ReportError::from)?;
            }
            is_good &= unbroken.is_empty();
        }
        writeln!(
            out,
            "{} lies, {missed} not caught; the honest model passed {} cases, {} failed, {} skipped \
             ({})",
            lies.len(),
            honest.passed,
            honest.failed.len(),
            honest.skipped,
            seconds(begin.elapsed()),
        )
        .map_err(ReportError::from)?;
        Ok::<_, Error>(match is_good {
            true => Exit::Passed,
            false => Exit::Failed,
        })
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    room.close().map_err(Error::Begin)?;
    result
}

/// The lies whose titles begin with one of the patterns; all where there is none.
fn select(all: Vec<Lie>, patterns: &[String]) -> Result<Vec<Lie>, Error> {
    let mut alone = patterns.iter();
    let is_meant = |lie: &Lie, pattern: &String| lie.title().starts_with(pattern.as_str());
    if let Some(pattern) = alone.find(|pattern| !all.iter().any(|lie| is_meant(lie, pattern))) {
        return Err(Unmatched(pattern.clone()).into());
    }
    let chosen = all
        .into_iter()
        .filter(|lie| patterns.is_empty() || patterns.iter().any(|pattern| is_meant(lie, pattern)));
    Ok(chosen.collect())
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
