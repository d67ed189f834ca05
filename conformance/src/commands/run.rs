//! `rkt-conformance run`: cases against a server.

use std::{fs, num::NonZeroUsize, path::Path, process, sync::Arc, thread, time::Duration};

use rkt_conformance::{
    case::Case,
    cases,
    exit::Exit,
    known::{KnownError, KnownFailing},
    lent::Lent,
    random, report,
    run::{self, Judged, Options},
    select,
    setting::Props,
    source::Source,
};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use super::Error;
use crate::cli::Run;

/// How long what is under way may take to end after a signal.
const GRACE: Duration = Duration::from_secs(5);

/// Runs cases, and says what came of them.
pub fn run(args: &Run) -> Result<Exit, Error> {
    let source = args.target.source();
    let source = source.map_err(|error| Error::Usage(error.to_string()))?;
    let mut all = cases::all();
    let listed = all.len();
    match args.random.cases() {
        Some(random) => all.extend(random),
        None => {
            let named = args.cases.iter();
            all.extend(named.filter_map(|pattern| random::named(pattern.text())));
        }
    }
    // Random cases are tried instead of those that are listed, which known failures are about
    // all the same.
    let first = args.random.random.map_or(0, |_| listed);
    let mut cases = select::select(&all[first..], &args.cases)?;
    if args.quick {
        cases.retain(|case| case.is_quick());
    }
    if cases.is_empty() {
        return Err(Error::NothingQuick);
    }
    let known = match &args.known_failing {
        Some(path) => read_known(path)?,
        None => KnownFailing::default(),
    };
    let lent = match &source {
        Source::Lent { data_dir, .. } => Some(Lent::take(data_dir)?),
        _ => None,
    };
    // All hosts are in here: when it goes they go, whatever has become of their cases.
    let room = TempDir::with_prefix("rkt-conformance-").map_err(Error::Begin)?;
    let options = Options {
        props: Arc::new(Props {
            source,
            profile: args.profile,
            patience: args.target.start_timeout,
            room: room.path().to_owned(),
        }),
        jobs: args.jobs.unwrap_or_else(default_jobs),
        scenes: args.jobs,
        known,
        keeps_exchanges: false,
    };
    let runtime = Runtime::new().map_err(Error::Begin)?;
    let result = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Begin)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Begin)?;
        tokio::select! {
            result = judge(args, &options, &all, &cases) => result.map(Ok),
            _ = interrupt.recv() => Ok(Err(SignalKind::interrupt())),
            _ = terminate.recv() => Ok(Err(SignalKind::terminate())),
        }
    });
    // Whatever is still under way ends now, and with it servers and locks.
    runtime.shutdown_timeout(GRACE);
    if let Some(lent) = lent {
        lent.give_back()?;
    }
    room.close().map_err(Error::Begin)?;
    match result? {
        Ok(exit) => Ok(exit),
        // As shells name the end by a signal.
        Err(signal) => process::exit(128 + signal.as_raw_value()),
    }
}

async fn judge(
    args: &Run,
    options: &Options,
    all: &[Case],
    cases: &[&Case],
) -> Result<Exit, Error> {
    let mut replay = vec!["rkt-conformance".to_owned(), "run".to_owned()];
    replay.extend(args.target.replay());
    replay.extend(["--profile".to_owned(), args.profile.to_string()]);
    let about = report::Run {
        target: options.props.source.to_string(),
        profile: args.profile,
        replay,
        cases: cases.len(),
    };
    let mut reporters = args.report.reporters()?;
    let Judged {
        mut summary,
        statuses,
    } = run::run(options, &about, all, cases, &mut reporters).await?;
    if let (true, Some(path)) = (args.fix, &args.known_failing) {
        let fixed = options.known.fixed(&summary.stale, &statuses);
        fs::write(path, fixed).map_err(|cause| Error::File {
            path: path.clone(),
            cause: cause.to_string(),
        })?;
        // All of this is known from now on.
        summary.stale.clear();
        summary.known += summary.failed();
        (summary.failed_must, summary.failed_should) = (0, 0);
    }
    Ok(summary.exit(args.strict))
}

fn read_known(path: &Path) -> Result<KnownFailing, Error> {
    let unreadable = |cause: String| Error::File {
        path: path.to_owned(),
        cause,
    };
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    text.parse()
        .map_err(|error: KnownError| unreadable(error.to_string()))
}

/// Two for each processor: cases wait for servers, and servers for cases.
fn default_jobs() -> NonZeroUsize {
    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
    thread::available_parallelism().map_or(TWO, |processors| processors.saturating_mul(TWO))
}
