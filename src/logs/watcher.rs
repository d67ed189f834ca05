//! Watching journals by inotify(7): one instance for all pods that are followed, with a watch for
//! each directory that has journals. Whoever follows a pod is told that there is something to
//! look at, not what.
//!
//! journald writes through a map, which tells nobody; but after each entry it sets the length of
//! the file to what it is, and that is told.

use std::{
    collections::{HashMap, HashSet},
    ffi::CStr,
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::Path,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};
use uuid::Uuid;

use super::{lock, tail::Tail};
use crate::{
    host::{Dir, JournalDirs, LogsError, PhaseDirs, ScanError, pod_id},
    inventory::register,
    trouble::Trouble,
};

/// How much is read from the kernel's queue at once.
const BUFFER_BYTES: usize = 16 << 10;

/// How long to wait before what cannot be waited for is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Entries come and go.
const ENTRIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR);

/// Beside that, files are written.
const JOURNALS: WatchFlags = ENTRIES
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// Watches the journals of pods that are followed.
#[derive(Debug)]
pub(super) struct Watcher {
    inotify: OwnedFd,
    state: Mutex<State>,
    /// How many directories are watched.
    watches: Gauge,
}

#[derive(Debug, Default)]
struct State {
    /// The watches of phase directories.
    phases: HashSet<i32>,
    /// The watches of directories of journals and of those on the way there, and whose they are.
    journals: HashMap<i32, Uuid>,
    tails: HashMap<Uuid, Weak<Tail>>,
    /// It was logged that not everything can be watched: once is enough.
    has_warned: bool,
}

impl Watcher {
    /// Watches nothing yet. `watches` says how many directories are watched.
    pub(super) fn new(watches: Gauge) -> io::Result<Self> {
        Ok(Self {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            state: Mutex::default(),
            watches,
        })
    }

    /// What is shared by those who follow the pod `id`.
    pub(super) fn tail(&self, id: Uuid, make: impl FnOnce() -> Arc<Tail>) -> Arc<Tail> {
        let mut state = lock(&self.state);
        if let Some(tail) = state.tails.get(&id).and_then(Weak::upgrade) {
            return tail;
        }
        let tail = make();
        state.tails.insert(id, Arc::downgrade(&tail));
        tail
    }

    /// Forgets the pod `id`, unless somebody follows it again.
    pub(super) fn forget(&self, id: Uuid) {
        let mut state = lock(&self.state);
        let is_followed = |tail: &Weak<Tail>| tail.strong_count() > 0;
        if state.tails.get(&id).is_none_or(is_followed) {
            return;
        }
        state.tails.remove(&id);
        let of_pod = |(wd, of): (&i32, &Uuid)| (*of == id).then_some(*wd);
        let watches: Vec<i32> = state.journals.iter().filter_map(of_pod).collect();
        for wd in watches {
            state.journals.remove(&wd);
            // It may have gone with its directory by now.
            let _ = inotify::remove_watch(&self.inotify, wd);
        }
        self.count(&state);
    }

    fn count(&self, state: &State) {
        let count = state.phases.len() + state.journals.len();
        self.watches.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Watches where pods lie: they are moved, and deleted. `false` if that is not possible.
    pub(super) fn watch_phases(&self, data_dir: &Path) -> Result<bool, ScanError> {
        let phases = PhaseDirs::open(data_dir)?;
        let mut state = lock(&self.state);
        let mut is_whole = true;
        for (_, dir) in phases.dirs() {
            match dir.watch(&self.inotify, ENTRIES) {
                Ok(wd) => drop(state.phases.insert(wd)),
                Err(_) => is_whole = false,
            }
        }
        self.count(&state);
        Ok(is_whole)
    }

    /// Watches the journals of the pod `id`. `false` if that is not possible.
    pub(super) fn watch_journal(&self, id: Uuid, dirs: &JournalDirs) -> bool {
        let mut is_whole = true;
        for dir in dirs.dirs() {
            is_whole &= self.add(id, dir, JOURNALS);
        }
        is_whole
    }

    /// Watches the way to where the journals of the pod `id` will lie. `false` if that is not
    /// possible.
    pub(super) fn watch_way(&self, id: Uuid, data_dir: &Path) -> Result<bool, LogsError> {
        let mut is_whole = true;
        JournalDirs::way(data_dir, id, |dir| is_whole &= self.add(id, dir, ENTRIES))?;
        Ok(is_whole)
    }

    /// Lets all watches go. Nothing is told until there are new ones.
    pub(super) fn let_go(&self) {
        let mut state = lock(&self.state);
        let phases = std::mem::take(&mut state.phases).into_iter();
        let journals = std::mem::take(&mut state.journals).into_keys();
        for wd in phases.chain(journals) {
            // It may have gone with its directory by now.
            let _ = inotify::remove_watch(&self.inotify, wd);
        }
        self.count(&state);
    }

    fn add(&self, id: Uuid, dir: &Dir, flags: WatchFlags) -> bool {
        let mut state = lock(&self.state);
        match dir.watch(&self.inotify, flags) {
            Ok(wd) => {
                state.journals.insert(wd, id);
                self.count(&state);
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut state.has_warned, true) {
                    tracing::warn!(
                        pod = %id,
                        %error,
                        "not all journals can be watched; the others are looked at every now \
                         and then"
                    );
                }
                false
            }
        }
    }

    /// Tells followers of all that has happened until now.
    fn drain(&self) {
        // Whether files have come or gone, by pod.
        let mut news: HashMap<Uuid, bool> = HashMap::new();
        let mut state = lock(&self.state);
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => break,
                Err(errno) => {
                    tracing::warn!(error = %errno, "changes of journals cannot be had");
                    break;
                }
            };
            let (wd, what) = (event.wd(), event.events());
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                news.extend(state.tails.keys().map(|id| (*id, true)));
                continue;
            }
            let id = match state.journals.get(&wd) {
                Some(id) => Some(*id),
                None => event.file_name().map(CStr::to_bytes).and_then(pod_id),
            };
            if what.contains(ReadFlags::IGNORED) {
                state.journals.remove(&wd);
                state.phases.remove(&wd);
                self.count(&state);
            }
            if let Some(id) = id {
                *news.entry(id).or_default() |= what != ReadFlags::MODIFY;
            }
        }
        let tails = news.into_iter().filter_map(|(id, is_stale)| {
            let tail = state.tails.get(&id)?.upgrade()?;
            Some((tail, is_stale))
        });
        let tails: Vec<_> = tails.collect();
        // The last one to let go of a tail comes back here.
        drop(state);
        for (tail, is_stale) in tails {
            tail.tell(is_stale);
        }
    }
}

/// Takes in what the kernel tells, until the watcher is dropped.
pub(super) async fn tell(watcher: Weak<Watcher>) {
    let mut shortage = Trouble::default();
    while let Some(strong) = watcher.upgrade() {
        let descriptor = strong.inotify.try_clone().and_then(register);
        drop(strong);
        let told = match &descriptor {
            Ok(descriptor) => descriptor.readable().await.map(drop),
            Err(error) => Err(io::Error::from(error.kind())),
        };
        if let Err(error) = told {
            if shortage.is_news() {
                tracing::warn!(%error, "cannot wait for changes of journals");
            }
            tokio::time::sleep(RETRY).await;
        }
        if let Some(watcher) = watcher.upgrade() {
            watcher.drain();
        }
    }
}
