//! The player: plays steps on a data directory one at a time, and knows what has come of them.
//!
//! What a step does on disk is told in `pods`, `logs` and `images`; here are the checks that it is
//! possible, the books, and the record of it.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use rkt_api::{
    formats::{journal::Writer, ql},
    layout,
};
use uuid::Uuid;

use super::{
    disk::Disk,
    lock::PodLock,
    memory::Memory,
    record::{Record, now_unix_ns},
    state::{self, HostState, PodState},
    step::{ImageName, Step},
};
use crate::{
    aci::Known,
    host::Host,
    spec::{self, HostSpec},
    tree::at,
};

/// Why a step was not played.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The host is not such that the step could follow. Nothing was done.
    #[error("{step} is impossible: {why}")]
    Impossible {
        /// The step's name.
        step: &'static str,
        /// What is in the way.
        why: String,
    },
    /// The system refused an action. Those before it were done.
    #[error("failed to {action} {path}: {source}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what, relative to the data directory.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The image index cannot be read, or cannot hold what it is to hold.
    #[error("failed to change the image index: {0}")]
    Index(ql::Error),
    /// What the simulator remembers of the host could not be kept. The step was played.
    #[error("failed to note which locks are held: {0}")]
    Memory(io::Error),
}

/// Why a host cannot be played on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be set up or read, or a lock that was held last is held by others: that is
    /// [`io::ErrorKind::WouldBlock`].
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its image index cannot be read.
    #[error(transparent)]
    Images(#[from] StepError),
}

/// Plays steps on one data directory, and holds the locks of its living pods. Dropping it lets
/// them go.
///
/// One player plays on a directory at a time: what others do to its pods and images it learns
/// only where that is in its way.
#[derive(Debug)]
pub struct Player {
    pub(super) dir: PathBuf,
    pub(super) state: HostState,
    pub(super) locks: BTreeMap<Uuid, PodLock>,
    /// The journals that lines went into, and those that were put away since.
    pub(super) journals: BTreeMap<Uuid, Writer>,
    /// What follows from the images that were met.
    pub(super) known: Known,
    /// The pods that were written here, as descriptions.
    pub(super) written: BTreeMap<Uuid, spec::Pod>,
    /// The images that were imported here, as descriptions.
    pub(super) imported: BTreeMap<ImageName, spec::Image>,
    next_seq: u64,
}

impl Player {
    /// A player on this data directory. One that is not there is set up; in one that is, pods
    /// and images are read, and the locks that were held last are taken again.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let dir = dir.into();
        if !dir.join(layout::PODS).exists() {
            Host::create(&dir)?;
        }
        let state = HostState {
            pods: state::pods(&dir)?,
            images: BTreeMap::new(),
        };
        let mut player = Self {
            dir,
            state,
            locks: BTreeMap::new(),
            journals: BTreeMap::new(),
            known: Known::default(),
            written: BTreeMap::new(),
            imported: BTreeMap::new(),
            next_seq: 0,
        };
        for id in Memory::load(&player.dir)?.unwrap_or_default().held {
            // Pods that somebody has removed meanwhile need no lock.
            if let Some(pod) = player.state.pods.get_mut(&id) {
                let path = player.dir.join(state::pod_path(pod.phase, id));
                let lock = PodLock::take(&path).map_err(at(&path))?;
                player.locks.insert(id, lock);
                pod.locked = true;
            }
        }
        player.look_at_images()?;
        Ok(player)
    }

    /// A player on a host that is written first, to a data directory that is not there yet. The
    /// locks of pods that are locked in the description are taken.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. What was written until then stays.
    pub fn begin(dir: impl Into<PathBuf>, spec: &HostSpec) -> Result<Self, OpenError> {
        let dir = dir.into();
        Host::create(&dir)?.write(spec)?;
        let locked = spec.pods.iter().filter(|pod| pod.locked);
        let held = locked.map(|pod| pod.id).collect();
        // What is noted is what the player locks.
        Memory { held }.save(&dir)?;
        Self::open(dir)
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What has come of the host.
    pub fn state(&self) -> &HostState {
        &self.state
    }

    /// How many steps were played.
    pub fn steps(&self) -> u64 {
        self.next_seq
    }

    /// Plays a step. When this returns, all of it is on disk.
    ///
    /// # Errors
    ///
    /// [`StepError`]; whether anything was done then, its variants tell. What is on disk is
    /// known again afterwards in any case.
    pub fn play(&mut self, step: &Step) -> Result<Record, StepError> {
        let mut disk = Disk::new(&self.dir);
        let locked_before: Vec<_> = self.locks.keys().copied().collect();
        let before_unix_ns = now_unix_ns();
        let played = match step.pod() {
            Some(_) => self.play_pod(step, &mut disk).map(|()| None),
            None => self.play_image(step, &mut disk).map(Some),
        };
        let after_unix_ns = now_unix_ns();
        if let Err(StepError::Disk { .. } | StepError::Index(_)) = &played {
            self.look_again(step);
        }
        if !self.locks.keys().eq(&locked_before) {
            self.remember().map_err(StepError::Memory)?;
        }
        let image_id = played?;
        let seq = self.next_seq;
        self.next_seq += 1;
        Ok(Record {
            seq,
            before_unix_ns,
            after_unix_ns,
            step: step.clone(),
            image_id,
            noted_unix_us: self.noted_unix_us(step),
            actions: disk.into_actions(),
        })
    }

    /// The pod that a step is about.
    pub(super) fn pod(&self, step: &Step, id: Uuid) -> Result<&PodState, StepError> {
        let pod = self.state.pods.get(&id);
        pod.ok_or_else(|| impossible(step, format!("there is no pod {id}")))
    }

    /// Fails unless the pod is as a step needs it.
    pub(super) fn need(
        &self,
        step: &Step,
        id: Uuid,
        needed: &str,
        is: impl FnOnce(&PodState) -> bool,
    ) -> Result<PodState, StepError> {
        let pod = self.pod(step, id)?;
        match is(pod) {
            true => Ok(pod.clone()),
            false => Err(impossible(
                step,
                format!("it needs {needed}, and pod {id} is {}", Shown(pod)),
            )),
        }
    }

    /// The time that a step which was just played has put down.
    fn noted_unix_us(&self, step: &Step) -> Option<i64> {
        match step {
            Step::Log { pod, .. } | Step::LogEntry { pod, .. } => {
                let span = self.journals.get(pod).and_then(Writer::span)?;
                i64::try_from(span.last_realtime_us).ok()
            }
            Step::Import(import) => {
                let image = self.imported.get(&import.image)?;
                Some(image.imported_at_s.saturating_mul(1_000_000))
            }
            _ => None,
        }
    }

    /// Finds out what is there of what a step was about, after something went wrong.
    fn look_again(&mut self, step: &Step) {
        let Some(id) = step.pod() else {
            // Where that fails, what was known last has to do.
            let _ = self.look_at_images();
            return;
        };
        // A journal that was half changed is to be looked at before more comes into it.
        self.journals.remove(&id);
        match state::find_pod(&self.dir, id) {
            Ok(Some(mut pod)) => {
                let lock = self.locks.get(&id);
                pod.locked = lock.is_some();
                pod.held_by_child = lock.is_some_and(PodLock::is_child);
                pod.described = self.written.contains_key(&id);
                self.state.pods.insert(id, pod);
            }
            Ok(None) => {
                self.locks.remove(&id);
                self.state.pods.remove(&id);
            }
            // Then what was known last has to do.
            Err(_) => {}
        }
    }

    fn remember(&self) -> io::Result<()> {
        let held = self.locks.keys().copied().collect();
        Memory { held }.save(&self.dir)
    }
}

/// Says that a step is impossible.
pub(super) fn impossible(step: &Step, why: impl Into<String>) -> StepError {
    StepError::Impossible {
        step: step.name(),
        why: why.into(),
    }
}

/// How far a pod has come, in words.
struct Shown<'a>(&'a PodState);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(pod) = self;
        let lock = if pod.locked { "locked" } else { "unlocked" };
        write!(f, "in {}, {lock}", pod.phase)?;
        for (is, word) in [
            (pod.written, "written"),
            (pod.started, "started"),
            (pod.mutable, "mutable"),
        ] {
            if is {
                write!(f, ", {word}")?;
            }
        }
        Ok(())
    }
}
