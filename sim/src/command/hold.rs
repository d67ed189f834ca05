//! `rkt-sim hold`: the locks that a host needs, for as long as the command runs.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use rkt_sim::live::{HoldError, Holding};
use uuid::Uuid;

use super::{generate, signals::Signals};

/// Hold the locks of a host's pods, so that they are running, being prepared or being deleted.
///
/// Which pods these are is read from DIR.rkt-sim.json, which the commands that write or play a
/// host keep beside it, unless pods are named, or the spec file that the host was generated
/// from. Prints `holding N locks` once it holds them
/// all, and holds them until SIGINT or SIGTERM.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// A pod to lock, by its UUID; may be given more than once
    #[arg(long = "pod", value_name = "UUID")]
    pods: Vec<Uuid>,

    /// Lock the pods that this spec file has as locked
    #[arg(long, value_name = "FILE", conflicts_with = "pods")]
    spec: Option<PathBuf>,
}

/// Why locks are not held, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to hold {}: {source}", dir.display())]
    Hold { dir: PathBuf, source: HoldError },
    #[error(transparent)]
    Spec(#[from] generate::Error),
    #[error("failed to say so: {0}")]
    Print(io::Error),
    #[error("failed to wait for signals: {0}")]
    Runtime(io::Error),
}

/// Holds the locks until SIGINT or SIGTERM.
pub fn run(args: Args) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(hold(args))
}

async fn hold(args: Args) -> Result<(), Error> {
    let mut signals = Signals::catch().map_err(Error::Runtime)?;
    let Args { dir, pods, spec } = args;
    let holding = match spec {
        Some(spec) => {
            let pods = generate::read(spec)?.pods.into_iter();
            let locked = pods.filter(|pod| pod.locked);
            Holding::of_pods(&dir, locked.map(|pod| pod.id))
        }
        None if pods.is_empty() => Holding::of_host(&dir),
        None => Holding::of_pods(&dir, pods),
    };
    let holding = holding.map_err(|source| Error::Hold { dir, source })?;
    let mut out = io::stdout().lock();
    writeln!(out, "holding {} locks", holding.count())
        .and_then(|()| out.flush())
        .map_err(Error::Print)?;
    signals.next().await;
    drop(holding);
    Ok(())
}
