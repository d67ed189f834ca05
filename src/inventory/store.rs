//! The image store, as it is now: the index and the manifests that its rows name, kept until
//! something says that they have changed.
//!
//! While the index cannot be read, because rkt has it locked or it is damaged, the last one
//! that could be stands in (IM-7, IM-8).

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use super::{
    Unavailable,
    counters::Counters,
    history::{Event, EventKind},
    reported::Reported,
    watcher::{StoreNews, Watcher},
    watching::Watch,
};
use crate::{
    formats::ql::{Time, rkt},
    host::{self, Dir, Fault, ImageFacts, IndexError},
    layout::store,
};

/// How often index and manifests are read again when a manifest was removed between the two.
const TRIES: usize = 3;

/// An image that the store has.
#[derive(Debug)]
pub(crate) struct Image<C> {
    /// What the store says of it.
    pub(crate) facts: ImageFacts,
    /// What others make of that, for as long as it holds.
    pub(crate) cache: C,
}

/// The images of a store.
#[derive(Debug)]
pub(crate) struct Images<C> {
    /// In the order of the index: the row that was written last comes first.
    images: Vec<Arc<Image<C>>>,
    /// By id; of those that are left out, why.
    by_key: HashMap<String, Result<Arc<Image<C>>, Fault>>,
}

impl<C> Images<C> {
    /// Those with a readable manifest, the one whose row was written last first.
    pub(crate) fn all(&self) -> &[Arc<Image<C>>] {
        &self.images
    }

    /// What is wrong with each of the others.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.by_key
            .values()
            .filter_map(|image| image.as_ref().err())
    }

    /// The image with this id, or what is wrong with it.
    pub(super) fn get(&self, key: &str) -> Option<&Result<Arc<Image<C>>, Fault>> {
        self.by_key.get(key)
    }

    /// The ids that begin with this.
    pub(super) fn beginning(&self, beginning: &str) -> impl Iterator<Item = &str> {
        let keys = self.by_key.keys().map(String::as_str);
        keys.filter(move |key| key.starts_with(beginning))
    }
}

/// The image store, kept current.
#[derive(Debug)]
pub(super) struct LiveStore<C> {
    data_dir: PathBuf,
    generation: u64,
    /// The index may have changed since it was read.
    index_dirty: bool,
    rows: Option<Arc<[rkt::Image]>>,
    last_error: Option<IndexError>,
    /// Manifests of these images have to be read anew.
    dirty: HashSet<String>,
    all_dirty: bool,
    known: HashMap<String, Known<C>>,
    /// The images that were told of, and how.
    told: HashMap<String, Told>,
    is_beginning: bool,
    host: u64,
    /// What has happened and was not told of yet.
    happened: Vec<Event>,
    /// The directories of manifests that are watched.
    watched: HashSet<String>,
    /// Whether some of them could not be.
    has_unwatched: bool,
    picture: Option<Arc<Images<C>>>,
    /// Whether what is wrong with images was logged.
    is_reported: bool,
}

/// How an image was told of.
#[derive(Debug)]
struct Told {
    import_time: Time,
    name: String,
    version: Option<String>,
}

/// What is known of a row.
#[derive(Debug)]
struct Known<C> {
    row: rkt::Image,
    image: Result<Arc<Image<C>>, Fault>,
}

impl Told {
    /// An event of the image with this id (E-2, E-3, E-5).
    fn event(&self, kind: EventKind, id: String) -> Event {
        let version = self.version.clone();
        Event {
            kind,
            time_s: 0,
            id,
            from: self.name.clone(),
            data: version.map(|v| ("version", v)).into_iter().collect(),
        }
    }
}

impl<C: Default> LiveStore<C> {
    pub(super) fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            generation: 0,
            index_dirty: true,
            rows: None,
            last_error: None,
            dirty: HashSet::new(),
            all_dirty: true,
            known: HashMap::new(),
            told: HashMap::new(),
            is_beginning: true,
            host: 0,
            happened: Vec::new(),
            watched: HashSet::new(),
            has_unwatched: false,
            picture: None,
            is_reported: true,
        }
    }

    /// Takes in what watching has told. Cheap: nothing is looked at on disk.
    pub(super) fn take_in(&mut self, watch: &Watch) {
        if watch.store_host != self.host {
            self.host = watch.store_host;
            self.is_beginning = true;
        }
        if watch.generation != self.generation || watch.watcher.is_none() {
            self.generation = watch.generation;
            self.index_dirty = true;
            self.all_dirty = true;
            self.watched.clear();
            self.has_unwatched = false;
        }
        self.all_dirty |= self.has_unwatched;
        if let Some(watcher) = &watch.watcher {
            let StoreNews {
                index,
                manifests,
                all,
            } = watcher.store_news();
            self.index_dirty |= index || all;
            self.all_dirty |= all;
            for name in manifests {
                match name.starts_with(store::KEY_PREFIX) {
                    true => drop(self.dirty.insert(name)),
                    // A directory on the way to them.
                    false => {
                        self.all_dirty = true;
                        self.watched.clear();
                    }
                }
            }
        }
    }

    /// The images, unless something has to be looked at on disk first.
    pub(super) fn current(&self) -> Option<Arc<Images<C>>> {
        let is_current = !self.index_dirty && !self.all_dirty && self.dirty.is_empty();
        self.picture.clone().filter(|_| is_current)
    }

    /// Looks at everything on disk that has to be looked at. May take its time, and never
    /// waits for a lock.
    ///
    /// # Errors
    ///
    /// Why the index cannot be read: then [`Self::last_good`] may stand in.
    pub(super) fn look(
        &mut self,
        watch: &Watch,
        counters: &Counters,
    ) -> Result<Result<Arc<Images<C>>, Unavailable>, IndexError> {
        for _ in 1..TRIES {
            if self.index_dirty {
                counters.indexes_read.inc();
                let had_images = self.rows.as_ref().is_some_and(|rows| !rows.is_empty());
                let rows = host::image_index(&self.data_dir, had_images)?;
                self.rows = Some(rows.into());
                self.index_dirty = false;
                self.picture = None;
            }
            let is_whole = match self.read_manifests(watch.watcher.as_deref(), counters) {
                Ok(is_whole) => is_whole,
                Err(unavailable) => return Ok(Err(unavailable)),
            };
            if is_whole {
                break;
            }
            // rkt removes rows first, then files: a file without its row is no fault.
            match &watch.watcher {
                Some(watcher) => drop(watcher.drain()),
                None => self.index_dirty = true,
            }
            self.take_in(watch);
        }
        self.said(None);
        self.tell();
        Ok(Ok(self.picture()))
    }

    /// Notes what has happened to images (E-1): rows are gone, new, or imported anew. Where
    /// the store is another one than before, what is in it was there before.
    fn tell(&mut self) {
        let rows = self.rows.clone().unwrap_or_default();
        let keys: HashSet<&str> = rows.iter().map(|row| row.blob_key.as_str()).collect();
        let gone = self.told.extract_if(|key, _| !keys.contains(key.as_str()));
        let gone = gone.map(|(key, told)| told.event(EventKind::ImageRemoved, key));
        self.happened.extend(gone);
        // The row that was written last comes first.
        for row in rows.iter().rev() {
            let told = self.told.get(&row.blob_key);
            if told.is_some_and(|told| told.import_time == row.import_time) {
                continue;
            }
            let known = self.known.get(&row.blob_key);
            let manifest = known.and_then(|known| known.image.as_ref().ok());
            let manifest = manifest.map(|image| &image.facts.manifest);
            let told = Told {
                import_time: row.import_time,
                name: manifest
                    .map_or(&row.name, |manifest| &manifest.name)
                    .clone(),
                version: manifest.map(|manifest| manifest.version().to_owned()),
            };
            if !self.is_beginning {
                let event = told.event(EventKind::ImageImported, row.blob_key.clone());
                self.happened.push(event);
            }
            self.told.insert(row.blob_key.clone(), told);
        }
        self.is_beginning = false;
    }

    /// What has happened and was not told of yet.
    pub(super) fn take_happened(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.happened)
    }

    /// The images as they were when the index could be read last, while it cannot because of
    /// `error`.
    ///
    /// # Errors
    ///
    /// When it never could.
    pub(super) fn last_good(&mut self, error: IndexError) -> Result<Arc<Images<C>>, Unavailable> {
        let message = error.to_string();
        self.said(Some(error));
        self.picture.clone().ok_or(Unavailable(message))
    }

    fn said(&mut self, error: Option<IndexError>) {
        if let Some(error) = error.as_ref().filter(|_| self.last_error != error) {
            let error = error.to_string();
            tracing::warn!(error, "the image index cannot be read");
        }
        self.last_error = error;
    }

    /// Reads the manifests that are not known or may have changed. `false` when one of them
    /// is not there.
    fn read_manifests(
        &mut self,
        watcher: Option<&Watcher>,
        counters: &Counters,
    ) -> Result<bool, Unavailable> {
        let rows = self.rows.clone().unwrap_or_default();
        let keys: HashSet<&str> = rows.iter().map(|row| row.blob_key.as_str()).collect();
        self.known.retain(|key, _| keys.contains(key.as_str()));
        let mut is_whole = true;
        for row in &*rows {
            let key = &row.blob_key;
            let is_known = self.known.get(key).is_some_and(|known| known.row == *row);
            if is_known && !self.all_dirty && !self.dirty.contains(key) {
                continue;
            }
            if let Some(watcher) = watcher {
                self.watch(watcher, key);
            }
            counters.manifests_read.inc();
            let image = host::image(&self.data_dir, row);
            if let Some(fault) = image.as_ref().err()
                && fault.distress().is_some()
            {
                return Err(Unavailable(fault.to_string()));
            }
            is_whole &= !image.as_ref().is_err_and(Fault::is_missing);
            let image = image.map(|facts| {
                Arc::new(Image {
                    facts,
                    cache: C::default(),
                })
            });
            let row = row.clone();
            self.known.insert(key.clone(), Known { row, image });
            self.picture = None;
        }
        self.dirty.clear();
        self.all_dirty = false;
        Ok(is_whole)
    }

    /// Watches the directory of an image's manifest, or where that is not there, the one in
    /// which it would appear.
    fn watch(&mut self, watcher: &Watcher, key: &str) {
        let Some(file) = store::image_manifest(key) else {
            return;
        };
        let Some((dir, _)) = file.rsplit_once('/') else {
            return;
        };
        if self.watched.contains(dir) {
            return;
        }
        let Ok(cas) = Dir::name(self.data_dir.join(store::CAS)) else {
            return;
        };
        let mut watched = None;
        loop {
            let mut paths = std::iter::successors(Some(dir), |path| Some(path.rsplit_once('/')?.0));
            let found = paths.find_map(|path| Some((path, cas.name_beneath(path).ok()?)));
            let Some((path, place)) = found else {
                break;
            };
            // Nothing more has appeared before what is there was watched.
            if watched.replace(path) == Some(path) {
                break;
            }
            let mut way = paths.filter_map(|path| cas.name_beneath(path).ok());
            let way = way.try_for_each(|dir| watcher.watch_way(&dir));
            if let Err(error) = way.and_then(|()| watcher.watch_manifests(&place))
                && !std::mem::replace(&mut self.has_unwatched, true)
            {
                tracing::warn!(
                    %error,
                    path,
                    "not all manifests of images can be watched; they are read at each call"
                );
            }
        }
        self.watched.insert(dir.to_owned());
    }

    /// Logs what is wrong with images and was not logged yet. To be done for calls: what is
    /// seen in passing, while files come and go, is no fault.
    pub(super) fn report(&mut self, reported: &Reported) {
        if std::mem::replace(&mut self.is_reported, true) {
            return;
        }
        let faults = self.known.values();
        let faults = faults.filter_map(|known| known.image.as_ref().err().cloned());
        reported.all_images(faults.collect());
    }

    fn picture(&mut self) -> Arc<Images<C>> {
        if let Some(picture) = &self.picture {
            return Arc::clone(picture);
        }
        let rows = self.rows.clone().unwrap_or_default();
        let known = |row: &rkt::Image| self.known.get(&row.blob_key);
        let images = rows.iter().filter_map(known);
        let images = images.filter_map(|known| known.image.as_ref().ok().cloned());
        let by_key = self.known.iter();
        let by_key = by_key.map(|(key, known)| (key.clone(), known.image.clone()));
        let picture = Arc::new(Images {
            images: images.collect(),
            by_key: by_key.collect(),
        });
        self.is_reported = false;
        self.picture = Some(Arc::clone(&picture));
        picture
    }
}
