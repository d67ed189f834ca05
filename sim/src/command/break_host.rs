//! `rkt-sim break`: one fault in a data directory. What faults there are and how they are made
//! is in [`rkt_sim::faults`].

use std::{error::Error, path::PathBuf};

use rkt_sim::faults::{self, Kind};
use uuid::Uuid;

use super::print::to_stdout;

/// Make a fault in a data directory.
///
/// Changes what the fault is about and nothing else, and says in one line what it did. Never
/// follows a link, never leaves the directory. `rkt-sim faults` lists the kinds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data directory
    dir: PathBuf,
    /// The kind of fault, such as net-info/fifo
    kind: Kind,
    /// The pod to break, for a fault of a pod; without it the first, by id, that it fits
    #[arg(long, value_name = "UUID")]
    pod: Option<Uuid>,
    /// What decides where there is something to choose
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Makes the fault.
pub fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let applied = faults::apply(&args.dir, args.kind, args.pod, args.seed)?;
    Ok(to_stdout(|out| writeln!(out, "{applied}"))?)
}
