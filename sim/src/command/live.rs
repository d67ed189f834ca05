//! `rkt-sim live`: a host on which pods and images come and go.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use rkt_sim::live::{
    OpenError, Player, StepError,
    pace::{Delay, Pace, Rate, Schedule, parse_span},
    random::Lives,
    record::Record,
    script::{self, ScriptError},
};
use serde::Serialize;
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::{
    signals::Signals,
    source::{Given, Source},
};

/// How many steps are played unless told otherwise.
const DEFAULT_RATE: &str = "5/s";

/// Play the life of a host: pods are created, prepared, run, exit, are marked and collected,
/// images are imported and removed, in the order of steps that rkt takes on disk.
///
/// Sets the host up when DIR is not there. Unless the steps are given, they are made up from
/// the seed: the same steps in the same order for the same seed on the same host. Holds the
/// locks that living pods need until it ends: after the last step, after --duration, or on
/// SIGINT or SIGTERM. Which locks those were is noted in DIR.rkt-sim.json, so that
/// `rkt-sim hold DIR`, or this command again, takes them anew.
///
/// A step is one JSON object, such as {"step":"create","pod":"UUID"}. Steps of a pod: create,
/// lock, unlock, prepare, write, prepared, abort, run, start, app-add, app-start, app-exit,
/// log, rotate, exit, mark, sweep; of the image store: import, remove, use. In a script, "at" or "after"
/// say when.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data directory; another file, DIR.rkt-sim.json, is kept beside it
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Play the steps of this file, one JSON object per line or all in an array; an impossible
    /// step ends the command
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "delay", "pods_max", "steps"])]
    script: Option<PathBuf>,

    /// Play the steps that come on standard input, one JSON object per line, until it ends,
    /// and answer each with one line on standard output when it is done: the record as in
    /// --step-log, or {"error": …}
    #[arg(long, conflicts_with_all = ["script", "rate", "delay", "pods_max", "steps", "seed"])]
    steps_from_stdin: bool,

    /// How many steps are played on average: 5/s, 30/m
    #[arg(long, value_name = "RATE", default_value = DEFAULT_RATE, conflicts_with = "delay")]
    rate: Rate,

    /// The time before each step, instead of a rate: 20ms, or 10ms..1s for anything between
    #[arg(long, value_name = "DELAY")]
    delay: Option<Delay>,

    /// What the random steps and delays follow from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// The most pods that there are at a time
    #[arg(long, value_name = "N", default_value_t = 50)]
    pods_max: usize,

    /// End after so many steps
    #[arg(long, value_name = "N")]
    steps: Option<u64>,

    /// End after this time: 60s, 5m
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    duration: Option<Duration>,

    /// Write one JSON line about each step to this file, which is made anew
    #[arg(long, value_name = "FILE")]
    step_log: Option<PathBuf>,
}

/// Why a host does not live, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read the script {}: {source}", path.display())]
    ReadScript { path: PathBuf, source: io::Error },
    #[error("failed to read the script {}: {source}", path.display())]
    Script { path: PathBuf, source: ScriptError },
    #[error("failed to write the step log {}: {source}", path.display())]
    StepLog { path: PathBuf, source: io::Error },
    #[error("failed to make up images: {0}")]
    Images(io::Error),
    #[error("failed to open the host {}: {source}", dir.display())]
    Open { dir: PathBuf, source: OpenError },
    #[error("step {number}: {source}")]
    Step { number: u64, source: StepError },
    #[error("failed to read standard input: {0}")]
    Stdin(io::Error),
    #[error("failed to answer on standard output: {0}")]
    Answer(io::Error),
    #[error("failed to wait for signals: {0}")]
    Runtime(io::Error),
}

/// Plays until the steps or the time are up, or SIGINT or SIGTERM comes.
pub fn run(args: Args) -> Result<(), Error> {
    // Steps are played on the one thread, between two waits: a signal never interrupts one.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(live(args))
}

async fn live(args: Args) -> Result<(), Error> {
    let mut signals = Signals::catch().map_err(Error::Runtime)?;
    let mut log = StepLog::create(args.step_log.clone())?;
    let mut source = source(&args)?;
    let mut player = Player::open(&args.dir).map_err(|source| Error::Open {
        dir: args.dir.clone(),
        source,
    })?;
    let end = args.duration.and_then(|d| Instant::now().checked_add(d));
    loop {
        // Steps without a delay between them would never let a signal come in.
        yield_now().await;
        let given = tokio::select! {
            biased;
            () = signals.next() => break,
            () = until(end) => break,
            given = source.next(player.state()) => given.map_err(Error::Stdin)?,
        };
        let Some(given) = given else { break };
        let played = match given {
            Given::Step(step) => player.play(&step),
            Given::Nonsense(error) => {
                answer(&Refused { error })?;
                continue;
            }
        };
        if let Ok(record) = &played {
            log.write(record)?;
        }
        match (args.steps_from_stdin, played) {
            (true, Ok(record)) => answer(&record)?,
            (true, Err(error)) => answer(&Refused {
                error: error.to_string(),
            })?,
            (false, Ok(_)) => {}
            (false, Err(source)) => {
                let number = player.steps() + 1;
                return Err(Error::Step { number, source });
            }
        }
    }
    summarize(&player);
    Ok(())
}

fn source(args: &Args) -> Result<Source, Error> {
    if args.steps_from_stdin {
        return Ok(Source::stdin());
    }
    if let Some(path) = &args.script {
        let text = fs::read_to_string(path).map_err(|source| Error::ReadScript {
            path: path.clone(),
            source,
        })?;
        let entries = script::parse(&text).map_err(|source| Error::Script {
            path: path.clone(),
            source,
        })?;
        return Ok(Source::Script {
            entries: entries.into_iter(),
            pace: Pace::new(args.seed),
            begin: Instant::now(),
        });
    }
    let lives = Lives::new(args.seed, args.pods_max).map_err(Error::Images)?;
    let delay = args.delay.unwrap_or_else(|| args.rate.delay());
    Ok(Source::Lives {
        lives: Box::new(lives),
        schedule: Schedule::new(args.seed, delay),
        begin: Instant::now(),
        left: args.steps,
    })
}

/// Waits for the end, if there is one.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// The answer to a line that was not played.
#[derive(Serialize)]
struct Refused {
    error: String,
}

fn answer(answer: &impl Serialize) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let written = write_line(&mut out, answer).and_then(|()| out.flush());
    written.map_err(Error::Answer)
}

/// One JSON line per step, whole lines only.
struct StepLog(Option<(PathBuf, File)>);

impl StepLog {
    fn create(path: Option<PathBuf>) -> Result<Self, Error> {
        let create = |path: PathBuf| match File::create(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(Error::StepLog { path, source }),
        };
        path.map(create).transpose().map(Self)
    }

    fn write(&mut self, record: &Record) -> Result<(), Error> {
        let Some((path, file)) = &mut self.0 else {
            return Ok(());
        };
        write_line(file, record).map_err(|source| Error::StepLog {
            path: path.clone(),
            source,
        })
    }
}

fn write_line(to: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Says on standard error what has come of it all; standard output is for answers.
fn summarize(player: &Player) {
    let state = player.state();
    let locked = state.pods.values().filter(|pod| pod.locked).count();
    let (steps, pods, images) = (player.steps(), state.pods.len(), state.images.len());
    // That nobody can read it changes nothing.
    let _ = writeln!(
        io::stderr(),
        "played {steps} steps; {pods} pods are left, {locked} of them were locked, \
         and {images} images"
    );
}
