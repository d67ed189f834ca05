//! Holding the locks of a host that nobody plays on: its pods stay as they are, running or
//! being prepared, for as long as the guard lives.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{
    lock::PodLock,
    memory::Memory,
    state::{find_pod, pod_path},
};
use crate::tree::at;

/// Why the locks of a host cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Nobody knows which pods are to be locked.
    #[error("{}: there is no note of which pods to hold; name them with --pod, or the host's spec file with --spec", .0.display())]
    Unknown(PathBuf),
    /// A pod is not there.
    #[error("there is no pod {0}")]
    NoPod(Uuid),
    /// The system, or another holder: that is [`io::ErrorKind::WouldBlock`].
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Held locks. Dropping it lets them go.
#[derive(Debug)]
#[must_use = "the locks are let go when this is dropped"]
pub struct Holding(Vec<PodLock>);

impl Holding {
    /// Takes the exclusive locks on these pods, wherever each lies.
    ///
    /// # Errors
    ///
    /// [`HoldError::NoPod`], or [`HoldError::Io`]; then none is held.
    pub fn of_pods(
        data_dir: &Path,
        pods: impl IntoIterator<Item = Uuid>,
    ) -> Result<Self, HoldError> {
        let pods: BTreeSet<_> = pods.into_iter().collect();
        let hold = |id| {
            let pod = find_pod(data_dir, id)?.ok_or(HoldError::NoPod(id))?;
            let path = data_dir.join(pod_path(pod.phase, id));
            Ok(PodLock::take(&path).map_err(at(&path))?)
        };
        pods.into_iter()
            .map(hold)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Takes the locks that whoever wrote or played the host last has noted beside it.
    ///
    /// # Errors
    ///
    /// [`HoldError::Unknown`] when there is no such note, and as [`Holding::of_pods`].
    pub fn of_host(data_dir: &Path) -> Result<Self, HoldError> {
        match Memory::load(data_dir)? {
            Some(memory) => Self::of_pods(data_dir, memory.held),
            None => Err(HoldError::Unknown(Memory::path(data_dir)?)),
        }
    }

    /// How many locks are held.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
