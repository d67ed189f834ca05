//! Following the journal of a pod: what its followers share, and how far one of them has come.
//!
//! A file that may still be written is kept open while the pod is followed: what was written
//! last is there even when the pod is deleted at once. A file that was put away is read to
//! its end and let go. When everything is to be let go of ([`Logs::begin_anew`]), files are opened
//! anew and read from where one had come to.

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

/// How often the directories of journals are looked for until they stay the same.
const FIND_ATTEMPTS: usize = 8;

/// How many files' places are kept that are there no more: one that was moved away may come back.
const PLACES_LIMIT: usize = 1024;

/// What the followers of a pod share.
#[derive(Debug)]
pub(crate) struct Tail {
    id: Uuid,
    watcher: Option<Arc<Watcher>>,
    changed: watch::Sender<()>,
    /// Files may have come or gone, or the pod may have.
    is_stale: AtomicBool,
    /// Not everything could be watched.
    is_unwatched: AtomicBool,
    listing: Mutex<Listing>,
}

/// The files of the journal.
#[derive(Clone, Debug, Default)]
struct Listing {
    files: BTreeMap<FileId, Listed>,
    /// The pod is no more.
    is_gone: bool,
    /// How often everything had been let go of.
    renewals: u64,
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
                is_unwatched: AtomicBool::new(watcher.is_none()),
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
        self.is_unwatched.load(Ordering::Acquire)
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
        self.let_go_of(logs, &mut listing);
        if self.is_stale.swap(false, Ordering::AcqRel) || self.is_unwatched() {
            let renewed = self.renew(logs, &mut listing);
            if renewed.is_err() {
                self.is_stale.store(true, Ordering::Release);
            }
            renewed?;
        }
        Ok(listing.clone())
    }

    /// Lets go of all files, if that was asked for since.
    pub(crate) fn let_go(&self, logs: &Logs) {
        self.let_go_of(logs, &mut lock(&self.listing));
    }

    fn let_go_of(&self, logs: &Logs, listing: &mut Listing) {
        let renewals = logs.renewed();
        if listing.renewals != renewals {
            listing.renewals = renewals;
            for listed in listing.files.values_mut() {
                listed.handle = None;
            }
            self.is_stale.store(true, Ordering::Release);
        }
    }

    /// Finds the directories of the journals and has them watched, so that nothing is missed that
    /// comes later. They are looked for until they are those that were watched before.
    fn find(&self, logs: &Logs) -> Result<JournalDirs, LogsError> {
        let are_phases_watched = match &self.watcher {
            Some(watcher) => watcher.watch_phases(&logs.data_dir)?,
            None => false,
        };
        let mut watched = None;
        for _ in 0..FIND_ATTEMPTS {
            let found = JournalDirs::find(&logs.data_dir, self.id);
            let ids = match &found {
                Ok(dirs) => dirs.ids(),
                Err(LogsError::NoJournal) => Vec::new(),
                Err(_) => return found,
            };
            let Some(watcher) = &self.watcher else {
                return found;
            };
            if watched.as_ref() == Some(&ids) {
                return found;
            }
            let is_whole = match &found {
                Ok(dirs) => watcher.watch_journal(self.id, dirs),
                Err(_) => watcher.watch_way(self.id, &logs.data_dir)?,
            };
            let is_whole = is_whole && are_phases_watched;
            self.is_unwatched.store(!is_whole, Ordering::Release);
            watched = Some(ids);
        }
        // Somebody makes and deletes them all the time.
        self.is_unwatched.store(true, Ordering::Release);
        JournalDirs::find(&logs.data_dir, self.id)
    }

    fn renew(&self, logs: &Logs, listing: &mut Listing) -> Result<(), LogsError> {
        let dirs = match self.find(logs) {
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
            // It may be on its way out, or be made readable again.
            Err(LogsError::Fault(fault)) => {
                self.is_unwatched.store(true, Ordering::Release);
                logs.report(self.id, fault);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let (files, faults) = dirs.files();
        for fault in faults {
            logs.report(self.id, fault);
        }
        let is_new = |file: &&JournalFile| {
            file.is_active()
                && (listing.files.get(&file.id)).is_none_or(|listed| listed.handle.is_none())
        };
        let (opened, _) = files::open(logs, self.id, &dirs, files.iter().filter(is_new))?;
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
        listing.is_gone = false;
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
    /// Files that were read, and will not be written any more; with their names, since one that
    /// is removed may leave what it is told by to another.
    done: BTreeMap<FileId, String>,
    /// How often everything had been let go of.
    renewals: u64,
}

impl Follower {
    /// Somebody who has read nothing yet.
    pub(crate) fn new(tail: Arc<Tail>, query: Query) -> Self {
        Self {
            tail,
            query,
            places: BTreeMap::new(),
            held: BTreeMap::new(),
            done: BTreeMap::new(),
            renewals: 0,
        }
    }

    /// Begins a pass through what was written since the last one; and whether it is the last
    /// because the pod is gone.
    pub(crate) fn pass(&mut self, logs: &Logs) -> Result<(Pass, bool), LogsError> {
        let Listing {
            files,
            is_gone,
            renewals,
        } = self.tail.listing(logs)?;
        if std::mem::replace(&mut self.renewals, renewals) != renewals {
            self.held.clear();
        }
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
                    self.done.insert(*id, file.name.clone());
                    held
                }
                (None, None) => {
                    if self.done.insert(*id, file.name.clone()).as_ref() != Some(&file.name) {
                        missing.insert(*id);
                    }
                    continue;
                }
            };
            if !file.is_active() {
                self.done.insert(*id, file.name.clone());
            }
            sources.push(source);
        }
        // Those that were removed have something to say, too.
        sources.extend(held.into_values());
        if !missing.is_empty() {
            sources.extend(self.open(logs, &missing)?);
        }
        self.done.retain(|id, _| files.contains_key(id));
        let are_many = self.places.len() > PLACES_LIMIT;
        let known = |id: &FileId| files.contains_key(id) || is_gone || !are_many;
        let mut places = std::mem::take(&mut self.places);
        let pass = Pass::new(logs, self.tail.id, self.query.clone(), sources, &places);
        places.retain(|id, _| known(id));
        self.places = places;
        Ok((pass, is_gone))
    }

    /// Lets go of all files but those of `pass`, which notes how far it has come: it may go on
    /// without some of them, which may come back. What all who follow the pod share has to be let
    /// go of, too.
    pub(crate) fn let_go(&mut self, pass: &mut Pass) -> Arc<Tail> {
        pass.stop();
        self.end(pass);
        self.held.clear();
        Arc::clone(&self.tail)
    }

    /// Whether changes may come untold.
    pub(crate) fn is_unwatched(&self) -> bool {
        self.tail.is_unwatched()
    }

    /// Notes how far a pass went that has come to its end, or was stopped.
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
        let (opened, _) = files::open(logs, self.tail.id, &dirs, files)?;
        Ok(opened)
    }
}
