//! The logs of pods, from all the files of their journals: opened ([`files`]), put in order and
//! read ([`pass`]), and watched for what is written later ([`tail`], [`watcher`]).
//!
//! Nothing is kept of what was read: everybody who reads does so at its own pace, so nobody waits
//! for anybody. What followers of one pod share is the watch on its directories and the handles
//! on the files that may still be written.
//!
//! Reading blocks, so it is done where that holds up nobody, by few at a time and for a short
//! while each. What lines look like is for those who answer to say.

mod files;
mod pass;
mod tail;
#[cfg(test)]
mod tests;
mod watcher;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinError, JoinSet},
};
use uuid::Uuid;

use crate::{
    formats::journal::read::ReadError,
    host::{Fault, JournalDirs, LogsError},
};
use files::Source;
pub(crate) use files::has_identifier;
pub(crate) use pass::{Back, Found, Pass, Query, Slice, Step};
pub(crate) use tail::Follower;
use tail::Tail;
use watcher::Watcher;

/// How many read at the same time.
const READERS: usize = 8;

/// How often files are looked for until all that were found could be opened.
const OPEN_ATTEMPTS: usize = 8;

/// How many faults are remembered as logged.
const REPORTED_LIMIT: usize = 10_000;

/// The logs of the pods of a data directory.
pub(crate) struct Logs {
    data_dir: PathBuf,
    readers: Arc<Semaphore>,
    /// `None` where changes are not told.
    watcher: Option<Arc<Watcher>>,
    /// How many directories are watched.
    watches: Gauge,
    /// How often everything was let go of.
    renewals: watch::Sender<u64>,
    /// The kinds of faults that were logged: once is enough.
    reported: Mutex<HashSet<(Uuid, Fault)>>,
    /// Takes in what is told, until this is dropped.
    _telling: JoinSet<()>,
}

impl Logs {
    /// The logs of the pods in `data_dir`. `watch`: whether followers are to be told of changes,
    /// if that is possible; without, they look every now and then.
    pub(crate) fn new(data_dir: PathBuf, watch: bool) -> Self {
        let mut telling = JoinSet::new();
        let watches = Gauge::default();
        let watcher = watch.then(|| Watcher::new(watches.clone()));
        let watcher = watcher.and_then(|watcher| match watcher {
            Ok(watcher) => {
                let watcher = Arc::new(watcher);
                telling.spawn(watcher::tell(Arc::downgrade(&watcher)));
                Some(watcher)
            }
            Err(error) => {
                tracing::warn!(%error, "journals cannot be watched; they are looked at instead");
                None
            }
        });
        Self {
            data_dir,
            readers: Arc::new(Semaphore::new(READERS)),
            watcher,
            watches,
            renewals: watch::Sender::default(),
            reported: Mutex::default(),
            _telling: telling,
        }
    }

    /// Adds what is counted here to the metrics that are told.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rkt_api_journal_watches",
            "Directories that are watched for changes of journals that are followed",
            self.watches.clone(),
        );
    }

    /// Begins anew: lets all watches go, and has those who read let go of their files, to go on
    /// with what is there then.
    pub(crate) fn begin_anew(&self) {
        if let Some(watcher) = &self.watcher {
            watcher.let_go();
        }
        self.renewals.send_modify(|renewals| *renewals += 1);
    }

    /// How often everything was to be let go of.
    fn renewed(&self) -> u64 {
        *self.renewals.borrow()
    }

    /// Tells those who read when to let go of their files.
    pub(crate) fn renewals(&self) -> watch::Receiver<u64> {
        self.renewals.subscribe()
    }

    /// Runs `work`, which may take its time on the disk, where it holds up nobody.
    pub(crate) async fn off_the_loop<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        // Never closed. Whoever goes away leaves its work, and its turn with it, to be done.
        let turn = Arc::clone(&self.readers).acquire_owned().await;
        let logs = Arc::clone(self);
        let work = move || {
            let done = work(&logs);
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await
    }

    /// All files of the journal of the pod `id`.
    pub(crate) fn files(&self, id: Uuid) -> Result<Vec<Source>, LogsError> {
        let dirs = JournalDirs::find(&self.data_dir, id)?;
        let mut sources = Vec::new();
        for _ in 0..OPEN_ATTEMPTS {
            let (files, faults) = dirs.files();
            for fault in faults {
                self.report(id, fault);
            }
            let has_moved;
            (sources, has_moved) = files::open(self, id, &dirs, files.iter())?;
            if !has_moved {
                break;
            }
        }
        Ok(sources)
    }

    /// Begins to watch the journal of the pod `id`, which others may be watching already.
    pub(crate) fn watch(&self, id: Uuid) -> Arc<Tail> {
        Tail::of(id, self.watcher.as_ref())
    }

    /// Logs that a file of the journal cannot be read at all. One that is being made is no
    /// fault.
    fn report_unreadable(&self, pod: Uuid, name: &str, error: &ReadError) {
        if !matches!(error, ReadError::NotAJournal) || name.contains('@') {
            self.report(pod, Fault::malformed(name, error));
        }
    }

    fn report(&self, pod: Uuid, fault: Fault) {
        let mut reported = lock(&self.reported);
        if reported.len() < REPORTED_LIMIT && reported.insert((pod, fault.kind())) {
            tracing::warn!(%pod, %fault, "not all of the journal can be read");
        }
    }
}

/// What the mutexes here guard stays whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
