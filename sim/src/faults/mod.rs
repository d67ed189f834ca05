//! Breaking hosts, in every way that a server has to live with.
//!
//! There are many kinds of faults, each with a stable name such as `net-info/fifo` and a
//! sentence ([`Kind`]). [`apply`] does one of them to a data directory: one that was written
//! here, one that lives, or one of rkt itself. It changes what its sentence says and nothing
//! else, never follows a link, and with the same seed always does the same.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let host = rkt_sim::host::Host::create(dir.path().join("rkt"))?;
//! # let spec = rkt_sim::example::host();
//! # for pod in &spec.pods { host.write_pod(pod)?; }
//! use rkt_sim::faults::{self, Kind};
//!
//! let kind: Kind = "net-info/fifo".parse()?;
//! let applied = faults::apply(host.dir(), kind, None, 0)?;
//! println!("{applied}");
//! # Ok(())
//! # }
//! ```
//!
//! A fault is planned before anything is changed: `look` finds out what is on the host, and
//! the fault makes a list of changes (`change`), which `beneath` carries out. Most faults are
//! one of the damages in `damage` to one of the targets in `target`; the others are in
//! `special`. A new fault is one more row in one of these tables.

mod beneath;
mod change;
mod damage;
mod kind;
mod look;
mod special;
mod target;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use rand::SeedableRng as _;
use uuid::Uuid;

pub use kind::{Kind, UnknownKind};

use self::{beneath::Root, change::Change};

/// Where everything random comes from: an algorithm that is the same everywhere.
type Rng = rand_chacha::ChaCha8Rng;

/// What has been done to a host. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The fault.
    pub kind: Kind,
    /// The pod that has it, for a fault of a pod.
    pub pod: Option<Uuid>,
    /// What was changed, made or removed, below the data directory, in that order. For a
    /// directory, that is with everything in it.
    pub paths: Vec<PathBuf>,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many paths are worth a place in the line.
        const SHOWN: usize = 2;

        write!(f, "{}: {} Changed: ", self.kind, self.kind.sentence())?;
        for (index, path) in self.paths.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", path.display())?;
        }
        match self.paths.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Why a fault was not made. Nothing has changed, except where a change itself failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be opened.
    #[error("failed to open the data directory: {0}")]
    Open(io::Error),
    /// A pod was named for a fault that is not about pods.
    #[error("{0} is no fault of a pod")]
    NotAboutPod(Kind),
    /// The named pod is not on the host.
    #[error("there is no pod {0}")]
    NoPod(Uuid),
    /// The host, or the named pod, cannot have the fault.
    #[error("{kind} does not fit: {why}")]
    Unfit {
        /// The fault.
        kind: Kind,
        /// What it would take.
        why: String,
    },
    /// No pod of the host can have the fault.
    #[error("{kind} fits none of the {pods} pods; for the last one: {why}")]
    FitsNoPod {
        /// The fault.
        kind: Kind,
        /// How many pods there are.
        pods: usize,
        /// What it would take.
        why: String,
    },
    /// The system refused a change.
    #[error("failed to make {kind}: {error}")]
    Change {
        /// The fault.
        kind: Kind,
        /// What the system says.
        error: io::Error,
    },
}

/// Makes a fault in a data directory.
///
/// A fault of a pod is made in the pod that is named, or else in the first, by id, that it
/// fits. The seed decides what there is to choose: places, bytes, names, which of several apps
/// or images.
///
/// Nothing outside of the data directory is ever touched, and no link in it followed.
/// Modification times stay as they are, also those of directories; what is new gets that of
/// the directory that it is in.
///
/// # Errors
///
/// [`Error::Unfit`] and [`Error::FitsNoPod`] when what the fault is about is not there or not
/// sound; the others as they say.
pub fn apply(host_dir: &Path, kind: Kind, pod: Option<Uuid>, seed: u64) -> Result<Applied, Error> {
    let root = Root::open(host_dir).map_err(Error::Open)?;
    let (pod, changes) = plan(&root, kind, pod, seed)?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for change in changes {
        root.apply(&change)
            .map_err(|error| Error::Change { kind, error })?;
        for path in change.paths() {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    Ok(Applied { kind, pod, paths })
}

/// Decides what to change, and in which pod.
fn plan(
    root: &Root,
    kind: Kind,
    pod: Option<Uuid>,
    seed: u64,
) -> Result<(Option<Uuid>, Vec<Change>), Error> {
    let rng = || Rng::seed_from_u64(seed);
    let unfit = |why: change::Unfit| {
        let why = why.to_string();
        Error::Unfit { kind, why }
    };
    match pod {
        None if !kind.is_about_pod() => {
            let changes = kind.plan_for_host(root, &mut rng()).map_err(unfit)?;
            Ok((None, changes))
        }
        Some(_) if !kind.is_about_pod() => Err(Error::NotAboutPod(kind)),
        Some(id) => {
            let pods = look::pods(root);
            let pod = pods.iter().find(|pod| pod.id == id);
            let pod = pod.ok_or(Error::NoPod(id))?;
            let changes = kind.plan_for_pod(pod, &mut rng()).map_err(unfit)?;
            Ok((Some(id), changes))
        }
        None => {
            let pods = look::pods(root);
            let mut why = "there is none".to_owned();
            for pod in &pods {
                match kind.plan_for_pod(pod, &mut rng()) {
                    Ok(changes) => return Ok((Some(pod.id), changes)),
                    Err(unfit) => why = unfit.to_string(),
                }
            }
            let pods = pods.len();
            Err(Error::FitsNoPod { kind, pods, why })
        }
    }
}
