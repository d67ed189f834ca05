//! What a data directory says at this moment.
//!
//! Everything here reads the disk, decides nothing for the API and remembers nothing between
//! two looks: facts come back together with the faults that were met, for the caller to log.
//! Nothing below a pod's directory is trusted ([`beneath`]).

mod beneath;
mod fault;
mod image;
mod lock;
mod logs;
mod pod;
mod process;
mod scan;
mod state;
mod watch;

pub(crate) use beneath::Dir;
pub(crate) use fault::{Cause, Fault};
pub(crate) use image::{ImageFacts, IndexError, image, image_index};
pub(crate) use logs::{FileId, JournalDirs, JournalFile, LogsError};
#[cfg(test)]
pub(crate) use pod::ManifestFacts;
pub(crate) use pod::{AppFacts, AppImage, AppStatus, Depth, Found, LockHandle, PodFacts, Stage1};
pub(crate) use scan::{PhaseDirs, ScanError, Skipped, pod_id};
pub(crate) use state::{Lock, State};
pub(crate) use watch::NotWatched;
