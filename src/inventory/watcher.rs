//! What the kernel tells of changes below the data directory, by inotify(7): which directories
//! are watched, and what an event in each of them means. What follows from it is for
//! [`super::pods`] and [`super::store`] to say.
//!
//! Everything that happened before [`Watcher::drain`] is called is known when it returns: the
//! kernel queues an event before the system call that causes it returns.

use std::{
    collections::{HashMap, HashSet},
    ffi::CStr,
    io,
    mem::MaybeUninit,
    num::NonZero,
    os::fd::OwnedFd,
    path::Path,
    sync::Mutex,
};

use prometheus_client::metrics::gauge::Gauge;
use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};
use uuid::Uuid;

use super::lock;
use crate::{
    host::{Dir, NotWatched, PhaseDirs, ScanError, Skipped, pod_id},
    layout::{self, Phase, store},
};

/// How much is read from the kernel's queue at once.
const BUFFER_BYTES: usize = 64 << 10;

/// How many directories are watched for one pod. A manifest can name any number of apps.
const PLACES_PER_POD: usize = 256;

/// A directory is not what it was: moved, deleted, unmounted.
const GONE: WatchFlags = WatchFlags::DELETE_SELF
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Entries come and go.
const ENTRIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);

/// Entries are moved.
const MOVES: WatchFlags = WatchFlags::MOVED_FROM.union(WatchFlags::MOVED_TO);

/// Files change. CLOSE_WRITE is not needed: what is written is seen as it is written.
const FILES: WatchFlags = ENTRIES
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(GONE);

/// A phase directory: pods come, go and are opened, and may be made readable.
const PHASE: WatchFlags = ENTRIES
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::OPEN)
    .union(WatchFlags::CLOSE_NOWRITE)
    .union(GONE);

/// What has happened to pods, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PodChange {
    /// A pod's directory appeared in a phase, made there or moved there.
    Entered(Uuid, Phase, Rename),
    /// A pod's directory left a phase, moved or removed.
    Left(Uuid, Phase, Rename),
    /// Something that the pod's facts come from has changed.
    Touched(Uuid),
    /// Some process, perhaps this one, has opened the pod's directory.
    Opened(Uuid),
    /// Some process, perhaps this one, has closed it; and with it, perhaps, its lock goes.
    Closed(Uuid),
    /// An entry that is no pod has appeared.
    Odd(Skipped),
    /// It is no more.
    OddGone(Skipped),
}

/// Which renaming has moved a directory: both its ends have the same. `None` where it was
/// made or removed.
pub(super) type Rename = Option<NonZero<u32>>;

/// What has happened since one looked last.
#[derive(Debug, Default)]
pub(super) struct PodNews {
    /// In order.
    pub(super) changes: Vec<PodChange>,
    /// Changes are missing: everything has to be looked at anew.
    pub(super) overflowed: bool,
}

impl PodNews {
    fn overflow(&mut self) {
        self.changes.clear();
        self.overflowed = true;
    }
}

/// What has happened to the image store.
#[derive(Debug, Default)]
pub(super) struct StoreNews {
    /// The index may have changed.
    pub(super) index: bool,
    /// Manifests of these images, or of all, may have changed.
    pub(super) manifests: HashSet<String>,
    /// Everything may have.
    pub(super) all: bool,
}

/// What a watched directory is.
#[derive(Clone, Debug)]
enum Place {
    /// The data directory, `pods/`, `cas/` and those between: what they are counts, and which
    /// of their entries there are.
    Trunk,
    Phase(Phase),
    /// A directory that the facts about a pod come from.
    Pod(Uuid),
    Index,
    Manifests,
}

/// Why a data directory is not watched.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    /// The system will not, or no more.
    #[error(transparent)]
    System(#[from] Errno),
    /// A directory cannot be watched.
    #[error(transparent)]
    Unwatched(#[from] NotWatched),
    /// A directory cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// Watches on a data directory. Dropping it lets them all go.
#[derive(Debug)]
pub(super) struct Watcher(Mutex<State>);

#[derive(Debug)]
struct State {
    inotify: OwnedFd,
    known: Known,
}

/// What is watched, and what was told of it.
#[derive(Debug)]
struct Known {
    places: HashMap<i32, Place>,
    /// How many places there are.
    watches: Gauge,
    of_pods: HashMap<Uuid, HashSet<i32>>,
    /// Pods of which not everything could be watched.
    unwatched: HashSet<Uuid>,
    /// Whether it was logged that there are such.
    is_unwatched_logged: bool,
    /// How many changes may wait in `pods`.
    changes_max: usize,
    pods: PodNews,
    store: StoreNews,
    /// The directories are no longer those of the data directory.
    is_stale: bool,
}

impl Watcher {
    /// Watches the directories of pods in `data_dir`, and that of the image index. When more
    /// than `changes_max` changes of pods have come that nobody asked for, they are forgotten,
    /// as when the kernel's queue overflows. Directories that are watched are counted in `watches`,
    /// for as long as they are.
    ///
    /// # Errors
    ///
    /// When the system has no inotify, or not enough of it, or the directories cannot be read.
    pub(super) fn new(
        data_dir: &Path,
        changes_max: usize,
        watches: Gauge,
    ) -> Result<Self, WatchError> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let known = Known {
            places: HashMap::new(),
            watches,
            of_pods: HashMap::new(),
            unwatched: HashSet::new(),
            is_unwatched_logged: false,
            changes_max,
            pods: PodNews::default(),
            store: StoreNews::default(),
            is_stale: false,
        };
        let mut state = State { inotify, known };
        let trunks = [
            data_dir.to_owned(),
            data_dir.join(layout::PODS),
            data_dir.join(store::CAS),
        ];
        for path in trunks {
            match Dir::name(&path) {
                Ok(dir) => drop(state.add(&dir, ENTRIES | GONE, Place::Trunk)?),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        // After those above them: one that is replaced from now on is told of.
        for (phase, dir) in PhaseDirs::open(data_dir)?.dirs() {
            state.add(dir, PHASE, Place::Phase(phase))?;
        }
        match Dir::name(data_dir.join(store::DB_DIR)) {
            Ok(dir) => drop(state.add(&dir, FILES, Place::Index)?),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(Self(Mutex::new(state)))
    }

    /// Begins to watch a pod anew, before it is read: what is watched already stays so.
    pub(super) fn begin_pod(&self, id: Uuid) {
        lock(&self.0).known.unwatched.remove(&id);
    }

    /// Notes that some of the pod's files can change without anybody's telling.
    pub(super) fn cannot_watch(&self, id: Uuid) {
        lock(&self.0).known.unwatched.insert(id);
    }

    /// Watches the directory at `path` beneath the pod's directory `dir`, and those on the way
    /// to it, as far as they are there: what takes the place of one changes what is behind it.
    pub(super) fn watch_pod(&self, id: Uuid, dir: &Dir, path: &str) {
        let parents = path
            .match_indices('/')
            .map(|(end, _)| (&path[..end], ENTRIES | GONE));
        for (path, flags) in parents.chain([(path, FILES)]) {
            let Ok(place) = dir.name_beneath(path) else {
                return;
            };
            self.watch_place(id, &place, flags);
        }
    }

    fn watch_place(&self, id: Uuid, place: &Dir, flags: WatchFlags) {
        let mut state = lock(&self.0);
        let watched = state.known.of_pods.get(&id).map_or(0, HashSet::len);
        if watched >= PLACES_PER_POD {
            state.known.unwatched.insert(id);
            return;
        }
        match state.add(place, flags, Place::Pod(id)) {
            Ok(wd) => drop(state.known.of_pods.entry(id).or_default().insert(wd)),
            // What may not be entered cannot be read either, and when that changes, the
            // directory above tells.
            Err(NotWatched::System(Errno::ACCESS)) if place.may_be_searched().is_err() => {}
            Err(error) => {
                if !std::mem::replace(&mut state.known.is_unwatched_logged, true) {
                    tracing::warn!(
                        pod = %id,
                        %error,
                        "not everything can be watched; such pods are read at each call"
                    );
                }
                state.known.unwatched.insert(id);
            }
        }
    }

    /// Watches a directory of image manifests.
    ///
    /// # Errors
    ///
    /// When that is not possible; then it has to be looked at at each call.
    pub(super) fn watch_manifests(&self, dir: &Dir) -> Result<(), NotWatched> {
        lock(&self.0).add(dir, FILES, Place::Manifests)?;
        Ok(())
    }

    /// Watches a directory on the way to manifests: whether others take the place of what is
    /// in it.
    ///
    /// # Errors
    ///
    /// As for [`Self::watch_manifests`].
    pub(super) fn watch_way(&self, dir: &Dir) -> Result<(), NotWatched> {
        lock(&self.0).add(dir, MOVES | GONE, Place::Manifests)?;
        Ok(())
    }

    /// Forgets a pod that is no more.
    pub(super) fn forget_pod(&self, id: Uuid) {
        let State { inotify, known } = &mut *lock(&self.0);
        known.unwatched.remove(&id);
        for wd in known.of_pods.remove(&id).unwrap_or_default() {
            if matches!(known.places.get(&wd), Some(Place::Pod(of)) if *of == id) {
                known.remove(wd);
                // It may have gone with its directory by now.
                let _ = inotify::remove_watch(&*inotify, wd);
            }
        }
    }

    /// Takes in everything that has happened until now. `false` when the watched directories
    /// are no longer those of the data directory.
    pub(super) fn drain(&self) -> bool {
        let State { inotify, known } = &mut *lock(&self.0);
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(&*inotify, &mut buffer);
        while !known.is_stale {
            match events.next() {
                Ok(event) => {
                    let name = event.file_name().map(CStr::to_bytes);
                    let rename = NonZero::new(event.cookie());
                    known.note(event.wd(), event.events(), rename, name);
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => {
                    tracing::warn!(error = %errno, "changes cannot be had from the kernel");
                    known.is_stale = true;
                }
            }
        }
        !known.is_stale
    }

    /// Whether anything has happened to pods, and whether to images, that was not asked for
    /// yet.
    pub(super) fn has_news(&self) -> (bool, bool) {
        let Known { pods, store, .. } = &lock(&self.0).known;
        let pods = pods.overflowed || !pods.changes.is_empty();
        let store = store.all || store.index || !store.manifests.is_empty();
        (pods, store)
    }

    /// What has happened to pods, as far as it was taken in.
    pub(super) fn pod_news(&self) -> PodNews {
        std::mem::take(&mut lock(&self.0).known.pods)
    }

    /// Where pods have gone, as far as it was taken in and was not asked for: what else has
    /// happened to them shows when they are read anew.
    pub(super) fn moves(&self) -> PodNews {
        let mut news = self.pod_news();
        let arrivals = news.changes.iter().filter_map(|change| match change {
            PodChange::Entered(_, _, rename) => *rename,
            _ => None,
        });
        let arrivals: HashSet<_> = arrivals.collect();
        news.changes.retain(|change| match change {
            PodChange::Entered(..) | PodChange::Left(_, _, None) => true,
            // Where it has gone may not have been told yet, and then is not.
            PodChange::Left(_, _, Some(rename)) => arrivals.contains(rename),
            _ => false,
        });
        news
    }

    /// Takes in what another one was told before this one: a pod may have come and gone meanwhile.
    pub(super) fn begin_with(&self, moves: PodNews) {
        lock(&self.0).known.pods = moves;
    }

    /// What has happened to the image store, as far as it was taken in.
    pub(super) fn store_news(&self) -> StoreNews {
        std::mem::take(&mut lock(&self.0).known.store)
    }

    /// The pods of which not everything could be watched.
    pub(super) fn unwatched(&self) -> Vec<Uuid> {
        lock(&self.0).known.unwatched.iter().copied().collect()
    }

    /// A descriptor that becomes readable when something happens.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        lock(&self.0).inotify.try_clone()
    }
}

impl State {
    fn add(&mut self, dir: &Dir, flags: WatchFlags, place: Place) -> Result<i32, NotWatched> {
        let flags = flags | WatchFlags::MASK_ADD;
        let wd = dir.watch(&self.inotify, flags)?;
        match self.known.places.get(&wd) {
            // A trunk stays one, even where something hangs directly on it.
            Some(Place::Trunk | Place::Phase(_)) => {}
            // A pod's directory may have been given another pod's name.
            Some(_) | None => self.known.insert(wd, place),
        }
        Ok(wd)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let count = self.places.len();
        self.watches
            .dec_by(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

impl Known {
    fn insert(&mut self, wd: i32, place: Place) {
        if self.places.insert(wd, place).is_none() {
            self.watches.inc();
        }
    }

    fn remove(&mut self, wd: i32) {
        if self.places.remove(&wd).is_some() {
            self.watches.dec();
        }
    }

    fn note(&mut self, wd: i32, what: ReadFlags, rename: Rename, name: Option<&[u8]>) {
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.pods.overflow();
            self.store.all = true;
            return;
        }
        if self.pods.changes.len() >= self.changes_max {
            self.pods.overflow();
        }
        let Some(place) = self.places.get(&wd).cloned() else {
            return;
        };
        if what.contains(ReadFlags::IGNORED) {
            self.remove(wd);
            if let Place::Pod(id) = place
                && let Some(watched) = self.of_pods.get_mut(&id)
            {
                watched.remove(&wd);
            }
            return;
        }
        let is_gone =
            what.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT);
        match (place, name) {
            (Place::Trunk | Place::Phase(_), _) if is_gone => self.is_stale = true,
            (Place::Trunk, Some(name)) => self.is_stale |= is_trunk(name),
            (Place::Phase(phase), Some(name)) => self.note_in_phase(phase, what, rename, name),
            (Place::Trunk | Place::Phase(_), None) => {}
            (Place::Pod(id), _) => self.pods.changes.push(PodChange::Touched(id)),
            (Place::Index, _) if is_gone => self.is_stale = true,
            (Place::Index, _) => self.store.index = true,
            (Place::Manifests, Some(name)) => {
                // Names of images are ASCII; others are no image's.
                let name = String::from_utf8_lossy(name).into_owned();
                self.store.manifests.insert(name);
            }
            (Place::Manifests, None) => self.store.all |= is_gone,
        }
    }

    fn note_in_phase(&mut self, phase: Phase, what: ReadFlags, rename: Rename, name: &[u8]) {
        let has_come = what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        let has_gone = what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
        let is_dir = what.contains(ReadFlags::ISDIR);
        let changes = &mut self.pods.changes;
        let Some(id) = pod_id(name).filter(|_| is_dir) else {
            let name = String::from_utf8_lossy(name).into_owned();
            let skipped = Skipped { phase, name };
            if has_come {
                changes.push(PodChange::Odd(skipped));
            } else if has_gone {
                changes.push(PodChange::OddGone(skipped));
            }
            return;
        };
        if has_come {
            changes.push(PodChange::Entered(id, phase, rename));
        } else if has_gone {
            changes.push(PodChange::Left(id, phase, rename));
        } else if what.contains(ReadFlags::OPEN) {
            changes.push(PodChange::Opened(id));
        } else if what.contains(ReadFlags::CLOSE_NOWRITE) {
            changes.push(PodChange::Closed(id));
        } else {
            changes.push(PodChange::Touched(id));
        }
    }
}

/// Whether the entry of a trunk is one that holds pods or images.
fn is_trunk(name: &[u8]) -> bool {
    let phases = Phase::ALL.map(Phase::dir_name);
    let others = [layout::PODS, "cas", "db", "imageManifest"];
    let mut names = phases.iter().chain(&others);
    names.any(|trunk| trunk.as_bytes() == name)
}
