//! The picture of the host that calls answer from, in memory and never older than the call.
//!
//! The kernel tells of changes ([`watcher`], [`watching`]), and has told of all that came
//! before a call when the call takes them in; what has changed is looked at again before the
//! call is answered ([`pods`], [`store`]). So a call costs what has changed since the last
//! one, not what there is. Where changes are not told, everything is looked at each time.
//!
//! What calls make of the facts is theirs; they may leave it beside them, where it stays for as
//! long as the facts do.

mod counters;
mod follow;
mod history;
mod index;
mod life;
mod locks;
mod pods;
mod reading;
mod reported;
mod route;
mod store;
#[cfg(test)]
mod tests;
mod watcher;
mod watching;

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::registry::Registry;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use uuid::Uuid;

use crate::{
    clock::Clock,
    host::{Depth, Fault, IndexError, ScanError},
    layout::store::KEY_PREFIX,
};
use counters::Counters;
pub(crate) use follow::register;
pub(crate) use history::{Event, EventKind, History, Lost};
pub(crate) use index::Traits;
pub(crate) use pods::Pod;
use pods::{LivePods, Picture, Want};
use reported::Reported;
use store::LiveStore;
pub(crate) use store::{Image, Images};
use watching::Watching;

/// How long to wait before trying a locked index again. rkt's transactions take a few
/// milliseconds.
const RETRY: Duration = Duration::from_millis(2);

/// How many hexadecimal digits of an id are a beginning worth looking for (IM-6).
const MIN_DIGITS: usize = 2;

/// What a data directory holds, for calls to answer from. `P` and `I` are what calls leave
/// beside the facts of a pod and of an image.
pub(crate) struct Inventory<P, I> {
    shared: Arc<Shared>,
    /// Whoever has it brings the picture up to date.
    pods: Arc<tokio::sync::Mutex<LivePods<P>>>,
    /// Likewise. Beside that, shared locks on the index that overlap without end would keep
    /// rkt from ever getting its exclusive one.
    store: Arc<tokio::sync::Mutex<LiveStore<I>>>,
    store_lock_timeout: Duration,
    /// Those who follow what happens, until this is dropped.
    followers: Mutex<JoinSet<()>>,
}

struct Shared {
    watching: Watching,
    /// How many looks at the pods have begun.
    looks: AtomicU64,
    history: Arc<History>,
    reported: Reported,
    counters: Counters,
    condition: watch::Sender<Condition>,
}

/// Whether pods can be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    /// They were not read yet.
    #[default]
    Beginning,
    /// They were read.
    Readable,
    /// They cannot be read, or the data directory is gone.
    Unreadable,
}

impl Shared {
    /// Notes whether all pods are known as they are now.
    fn set_condition(&self, is_readable: bool) {
        let condition = match is_readable {
            true => Condition::Readable,
            false => Condition::Unreadable,
        };
        if *self.condition.borrow() != condition {
            self.condition.send_replace(condition);
            // Though nothing changes and nobody calls, it is looked at again.
            self.watching.pods_changed.notify_one();
        }
    }
}

/// The host cannot be looked at.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unavailable(String);

impl From<ScanError> for Unavailable {
    fn from(error: ScanError) -> Self {
        Self(error.to_string())
    }
}

/// Why there is no answer about one image.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("no image {0:?}")]
    Unknown(String),
    #[error("{0:?} is too short for the beginning of an image's id")]
    TooShort(String),
    #[error("{count} images begin with {id:?}")]
    Ambiguous { id: String, count: usize },
    #[error("image {key} is broken: {fault}")]
    Broken { key: String, fault: Fault },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Pods at one moment.
#[derive(Debug)]
pub(crate) struct Pods<P> {
    picture: Arc<Picture<P>>,
    /// The cgroups that were looked up for this answer.
    cgroups: BTreeMap<Uuid, String>,
}

impl<P> Pods<P> {
    /// All that there are, in the order of their ids; `None` when these are not all.
    pub(crate) fn all(&self) -> Option<&[Arc<Pod<P>>]> {
        self.picture.is_whole.then_some(&self.picture.pods)
    }

    /// Each pod, in the order of their ids, with its cgroup where that is not among its facts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<Pod<P>>, Option<&str>)> {
        // Mostly there are none, and each pod lies elsewhere in memory.
        let cgroups = Some(&self.cgroups).filter(|cgroups| !cgroups.is_empty());
        let pods = self.picture.pods.iter();
        pods.map(move |pod| {
            (
                pod,
                cgroups.and_then(|cgroups| Some(cgroups.get(&pod.facts.id)?.as_str())),
            )
        })
    }
}

impl<P, I> Inventory<P, I>
where
    P: Default + Send + Sync + 'static,
    I: Default + Send + Sync + 'static,
{
    /// The inventory of `data_dir`, which is watched for changes unless `watch` is false. Calls
    /// about images wait `store_lock_timeout` for a locked index. Of what happens, the newest
    /// `event_history` events are kept, and `event_buffer` for those who are behind, with the times
    /// that `clock` shows. Up to `changes_max` changes wait to be taken in.
    pub(crate) fn new(
        data_dir: PathBuf,
        watch: bool,
        changes_max: usize,
        store_lock_timeout: Duration,
        event_history: usize,
        event_buffer: usize,
        clock: Clock,
    ) -> Self {
        let counters = Counters::default();
        let watches = counters.watches.clone();
        Self {
            pods: Arc::new(tokio::sync::Mutex::new(LivePods::new(data_dir.clone()))),
            store: Arc::new(tokio::sync::Mutex::new(LiveStore::new(data_dir.clone()))),
            shared: Arc::new(Shared {
                watching: Watching::new(data_dir, watch, changes_max, watches),
                looks: AtomicU64::new(0),
                history: Arc::new(History::new(event_history, event_buffer, clock)),
                reported: Reported::default(),
                counters,
                condition: watch::Sender::default(),
            }),
            store_lock_timeout,
            followers: Mutex::default(),
        }
    }

    /// Adds what is counted here to the metrics that are told.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.shared.counters.register(registry);
        self.shared.reported.register(registry);
        self.shared.history.register(registry);
    }

    /// Whether pods can be told of, as was found out last.
    pub(crate) fn condition(&self) -> watch::Receiver<Condition> {
        self.shared.condition.subscribe()
    }

    /// Begins anew: lets all watches and handles go, and reads everything again.
    pub(crate) fn begin_anew(&self) {
        self.shared.watching.begin_anew();
    }

    /// How many pods there were when last looked at. Waits for nothing: `None` when that is not
    /// known yet, or just being found out.
    pub(crate) fn pods_known(&self) -> Option<usize> {
        self.pods.try_lock().ok()?.known()
    }

    /// All pods, each read at least so deep, that may be taken by one of `filters`; where there
    /// are none, simply all. Others may be among them.
    pub(crate) async fn pods(
        &self,
        filters: Vec<Traits>,
        depth: Depth,
    ) -> Result<Pods<P>, Unavailable> {
        let asked = asked(&self.shared, move |live: &mut LivePods<P>| {
            live.picture_of(&filters)
        });
        let picture = self.current(Want::All(depth), asked).await?;
        let cgroups = match picture.in_proc.is_empty() {
            true => BTreeMap::new(),
            false => {
                let picture = Arc::clone(&picture);
                let cgroups = move || {
                    let asked = picture.in_proc.iter();
                    let found = asked.filter_map(|(id, process)| Some((*id, process.cgroup()?)));
                    found.collect()
                };
                off_the_loop(cgroups).await?
            }
        };
        Ok(Pods { picture, cgroups })
    }

    /// The pods whose ids lie between these two, both included.
    pub(crate) async fn pods_between(
        &self,
        ids: RangeInclusive<Uuid>,
    ) -> Result<Vec<Arc<Pod<P>>>, Unavailable> {
        let asked = asked(&self.shared, move |live: &mut LivePods<P>| {
            live.between(ids)
        });
        self.current(Want::All(Depth::Pod), asked).await
    }

    /// The pod `id`, if there is one, read at least so deep; and its cgroup where that is not
    /// among its facts.
    pub(crate) async fn pod(
        &self,
        id: Uuid,
        depth: Depth,
    ) -> Result<Option<(Arc<Pod<P>>, Option<String>)>, Unavailable> {
        let asked = asked(&self.shared, move |live: &mut LivePods<P>| live.pod(id));
        let Some(pod) = self.current(Want::One(id, depth), asked).await? else {
            return Ok(None);
        };
        let cgroup = match pod.facts.cgroup_process {
            Some(process) => off_the_loop(move || process.cgroup()).await?,
            None => None,
        };
        Ok(Some((pod, cgroup)))
    }

    /// What `take` finds in the pods when those that are wanted are as they are now. Whoever has
    /// waited for a look that began after its call shares what that has found: so of many calls
    /// on a host that never rests, none waits for more than two looks.
    async fn current<T: Send + 'static>(
        &self,
        want: Want,
        take: impl FnOnce(&mut LivePods<P>) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let before = self.shared.looks.load(Ordering::SeqCst);
        let mut live = Arc::clone(&self.pods).lock_owned().await;
        if live.is_known_after(before, want) {
            return Ok(take(&mut live));
        }
        let shared = Arc::clone(&self.shared);
        // Before anything is taken in: who calls from now on may have seen what is not.
        let look = shared.looks.fetch_add(1, Ordering::SeqCst) + 1;
        let watch = shared.watching.look();
        live.take_in(&watch, &shared.reported, &shared.counters);
        if !live.needs_looks(want) {
            live.note_known(look, want, &watch);
            shared.set_condition(watch.is_there);
            return Ok(take(&mut live));
        }
        off_the_loop(move || {
            let looked = live.look(&watch, want, &shared.reported, &shared.counters);
            if looked.is_ok() {
                live.note_known(look, want, &watch);
            }
            // Whatever has become of the rest.
            shared.history.add(live.take_happened());
            shared.counters.set_pods(|state| live.count(state));
            shared.counters.set_watch(&watch, live.len());
            if matches!(want, Want::All(_)) {
                shared.set_condition(looked.is_ok() && watch.is_there);
            }
            looked.map(|()| take(&mut live))
        })
        .await?
    }

    /// All images.
    pub(crate) async fn images(&self) -> Result<Arc<Images<I>>, Unavailable> {
        let images = self.current_images().await?;
        self.store.lock().await.report(&self.shared.reported);
        Ok(images)
    }

    async fn current_images(&self) -> Result<Arc<Images<I>>, Unavailable> {
        // None lies beyond all time.
        let deadline = Instant::now().checked_add(self.store_lock_timeout);
        loop {
            let mut live = Arc::clone(&self.store).lock_owned().await;
            let shared = Arc::clone(&self.shared);
            let watch = shared.watching.look();
            live.take_in(&watch);
            if let Some(images) = live.current() {
                return Ok(images);
            }
            let looked = off_the_loop(move || {
                let result = live.look(&watch, &shared.counters);
                shared.history.add(live.take_happened());
                if let Ok(Ok(images)) = &result {
                    shared.counters.set_images(images);
                }
                (live, result)
            });
            let (mut live, result) = looked.await?;
            match result {
                Ok(images) => return images,
                Err(IndexError::Locked) if deadline.is_none_or(|at| Instant::now() < at) => {
                    drop(live);
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return live.last_good(error),
            }
        }
    }

    /// What has happened, all until now: whoever reads on from here misses nothing that comes
    /// later.
    pub(crate) async fn history(&self) -> Result<Arc<History>, Unavailable> {
        self.current(Want::All(Depth::Pod), |_| ()).await?;
        // What cannot be known of images is told when it can.
        let _ = self.current_images().await;
        Ok(Arc::clone(&self.shared.history))
    }

    /// The image whose id is `id` or alone begins with it.
    pub(crate) async fn image(&self, id: &str) -> Result<Arc<Image<I>>, ImageError> {
        let images = self.images().await?;
        let key = resolve(&images, id)?;
        match images.get(key) {
            Some(Ok(image)) => Ok(Arc::clone(image)),
            Some(Err(fault)) => Err(ImageError::Broken {
                key: key.to_owned(),
                fault: fault.clone(),
            }),
            None => Err(ImageError::Unknown(id.to_owned())),
        }
    }
}

/// `take` for a call: then faults are logged.
fn asked<P: Default, T, F>(
    shared: &Arc<Shared>,
    take: F,
) -> impl FnOnce(&mut LivePods<P>) -> T + use<P, T, F>
where
    F: FnOnce(&mut LivePods<P>) -> T,
{
    let shared = Arc::clone(shared);
    move |live| {
        live.report(&shared.reported);
        take(live)
    }
}

/// Runs `work`, which may take its time on the disk, where it holds up nobody.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unavailable> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Unavailable(error.to_string()))
}

/// The id of the image whose id is `id` or alone begins with it.
fn resolve<'a, I>(images: &'a Images<I>, id: &'a str) -> Result<&'a str, ImageError> {
    if images.get(id).is_some() {
        return Ok(id);
    }
    match id.strip_prefix(KEY_PREFIX) {
        Some(digits) if digits.len() < MIN_DIGITS => {
            return Err(ImageError::TooShort(id.to_owned()));
        }
        Some(_) => {}
        None => return Err(ImageError::Unknown(id.to_owned())),
    }
    let mut begins = images.beginning(id);
    match (begins.next(), begins.count()) {
        (None, _) => Err(ImageError::Unknown(id.to_owned())),
        (Some(key), 0) => Ok(key),
        (Some(_), more) => Err(ImageError::Ambiguous {
            id: id.to_owned(),
            count: more + 1,
        }),
    }
}

/// What the mutexes here guard stays whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
