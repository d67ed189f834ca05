//! Following the journal of a pod: what its followers share, and how far one of them has come.
//!
//! A file that may still be written is kept open while the pod is followed: what was written
//! last is there even when the pod is deleted at once. A file that was put away is read to
//! its end and let go.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Logs, files,
    files::Source,
    lock,
    pass::{Pass, Place, Query},
    watcher::Watcher,
};
use crate::host::{FileId, JournalDirs, JournalFile, LogsError};

/// What the followers of a pod share.
#[derive(Debug)]
pub(crate) struct Tail {
    id: Uuid,
    watcher: Option<Arc<Watcher>>,
    changed: watch::Sender<()>,
    /// Files may have come or gone, or the pod may have.
    is_stale: AtomicBool,
    listing: Mutex<Listing>,
}

/// The files of the journal.
#[derive(Clone, Debug, Default)]
struct Listing {
    files: BTreeMap<FileId, Listed>,
    /// The pod is no more.
    is_gone: bool,
    /// Not everything could be watched.
    is_unwatched: bool,
}

#[derive(Clone, Debug)]
struct Listed {
    file: JournalFile,
    /// Of a file that may still be written, or could be until just now.
    handle: Option<Arc<File>>,
}

impl Tail {
    /// The one of the pod `id`, which others may have already.
    pub(super) fn of(id: Uuid, watcher: Option<&Arc<Watcher>>) -> Arc<Self> {
        let make = || {
            Arc::new(Self {
                id,
                watcher: watcher.cloned(),
                changed: watch::Sender::default(),
                is_stale: AtomicBool::new(true),
                listing: Mutex::default(),
            })
        };
        match watcher {
            Some(watcher) => watcher.tail(id, make),
            None => make(),
        }
    }

    /// Tells of changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether changes may come untold.
    fn is_unwatched(&self) -> bool {
        self.watcher.is_none() || lock(&self.listing).is_unwatched
    }

    /// Something was written, or, where `is_stale`, files have come or gone, or the pod has.
    pub(super) fn tell(&self, is_stale: bool) {
        if is_stale {
            self.is_stale.store(true, Ordering::Release);
        }
        self.changed.send_replace(());
    }

    /// The files as they are now.
    fn listing(&self, logs: &Logs) -> Result<Listing, LogsError> {
        let mut listing = lock(&self.listing);
        if self.is_stale.swap(false, Ordering::AcqRel) || self.watcher.is_none() {
            let renewed = self.renew(logs, &mut listing);
            if renewed.is_err() {
                self.is_stale.store(true, Ordering::Release);
            }
            renewed?;
        }
        Ok(listing.clone())
    }

    fn renew(&self, logs: &Logs, listing: &mut Listing) -> Result<(), LogsError> {
        if let Some(watcher) = &self.watcher {
            watcher.watch_phases(&logs.data_dir)?;
        }
        let dirs = match JournalDirs::find(&logs.data_dir, self.id) {
            Ok(dirs) => dirs,
            Err(LogsError::NoPod) => {
                listing.is_gone = true;
                return Ok(());
            }
            Err(LogsError::NoJournal) => {
                listing.files.clear();
                return Ok(());
            }
            Err(error) if error.is_distress() => return Err(error),
            // It may be on its way out.
            Err(LogsError::Fault(fault)) => {
                logs.report(self.id, fault);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // Before they are listed: then nothing is missed.
        if let Some(watcher) = &self.watcher {
            listing.is_unwatched = !watcher.watch_journal(self.id, &dirs);
        }
        let (files, faults) = dirs.files();
        for fault in faults {
            logs.report(self.id, fault);
        }
        let is_new = |file: &&JournalFile| {
            file.is_active()
                && (listing.files.get(&file.id)).is_none_or(|listed| listed.handle.is_none())
        };
        let opened = files::open(logs, self.id, &dirs, files.iter().filter(is_new))?;
        let opened = opened.into_iter().map(|source| (source.id, source.file));
        let mut opened: BTreeMap<_, _> = opened.collect();
        let mut before = std::mem::take(&mut listing.files);
        let listed = files.into_iter().map(|file| {
            let before = before.remove(&file.id);
            // One that was put away just now is kept once more.
            let kept = before
                .filter(|it| it.file.is_active())
                .and_then(|it| it.handle);
            let handle = opened.remove(&file.id).or(kept);
            (file.id, Listed { file, handle })
        });
        listing.files = listed.collect();
        Ok(())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher.forget(self.id);
        }
    }
}

/// How far somebody has followed the journal of a pod.
#[derive(Debug)]
pub(crate) struct Follower {
    tail: Arc<Tail>,
    query: Query,
    places: BTreeMap<FileId, Place>,
    /// What was open the last time.
    held: BTreeMap<FileId, Source>,
    /// Files that were read, and will not be written any more.
    done: BTreeSet<FileId>,
}

impl Follower {
    /// Somebody who has read nothing yet.
    pub(crate) fn new(tail: Arc<Tail>, query: Query) -> Self {
        Self {
            tail,
            query,
            places: BTreeMap::new(),
            held: BTreeMap::new(),
            done: BTreeSet::new(),
        }
    }

    /// Begins a pass through what was written since the last one; and whether it is the last
    /// because the pod is gone.
    pub(crate) fn pass(&mut self, logs: &Logs) -> Result<(Pass, bool), LogsError> {
        let Listing { files, is_gone, .. } = self.tail.listing(logs)?;
        let mut sources = Vec::new();
        let mut missing = BTreeSet::new();
        let mut held = std::mem::take(&mut self.held);
        for (id, Listed { file, handle }) in &files {
            let source = match (handle, held.remove(id)) {
                (Some(handle), _) => {
                    let source = Source {
                        id: *id,
                        name: file.name.clone(),
                        file: Arc::clone(handle),
                        is_active: file.is_active(),
                    };
                    self.held.insert(*id, source.clone());
                    source
                }
                (None, Some(held)) => {
                    self.done.insert(*id);
                    held
                }
                (None, None) => {
                    if self.done.insert(*id) {
                        missing.insert(*id);
                    }
                    continue;
                }
            };
            self.done.extend((!file.is_active()).then_some(*id));
            sources.push(source);
        }
        // Those that were removed have something to say, too.
        sources.extend(held.into_values());
        if !missing.is_empty() {
            sources.extend(self.open(logs, &missing)?);
        }
        self.done.retain(|id| files.contains_key(id));
        let known = |id: &FileId| files.contains_key(id) || is_gone;
        let mut places = std::mem::take(&mut self.places);
        let pass = Pass::new(logs, self.tail.id, self.query.clone(), sources, &places);
        places.retain(|id, _| known(id));
        self.places = places;
        Ok((pass, is_gone))
    }

    /// Whether changes may come untold.
    pub(crate) fn is_unwatched(&self) -> bool {
        self.tail.is_unwatched()
    }

    /// Notes how far a pass went that has come to its end.
    pub(crate) fn end(&mut self, pass: &Pass) {
        for (id, place) in pass.places() {
            self.places.insert(id, place);
        }
    }

    fn open(&self, logs: &Logs, wanted: &BTreeSet<FileId>) -> Result<Vec<Source>, LogsError> {
        let dirs = match JournalDirs::find(&logs.data_dir, self.tail.id) {
            Ok(dirs) => dirs,
            Err(error) if error.is_distress() => return Err(error),
            // They are gone.
            Err(_) => return Ok(Vec::new()),
        };
        let (files, _) = dirs.files();
        let files = files.iter().filter(|file| wanted.contains(&file.id));
        files::open(logs, self.tail.id, &dirs, files)
    }
}
