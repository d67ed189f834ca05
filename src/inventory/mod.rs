//! The picture of the host that calls answer from.
//!
//! Every call looks at the disk anew, on a thread of its own, so that an answer is never
//! older than its call. Kept between calls is only what the disk does not say twice: the last
//! image index that could be read, when pods were first seen marked for removal, and which
//! faults have been logged.

mod images;
mod reported;

use std::{
    collections::HashMap,
    error::Error,
    num::NonZero,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(crate) use images::ImageError;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    host::{self, Depth, PodFacts, ScanError},
    layout::Phase,
};
use images::LastIndex;
use reported::Reported;

/// What a data directory holds, for calls to answer from.
pub(crate) struct Inventory {
    shared: Arc<Shared>,
    store_lock_timeout: Duration,
    /// Whoever has it may read the image index. Shared locks that overlap without end would
    /// keep rkt from ever getting its exclusive one; and a read that began earlier must not
    /// end later, or the older index would be the last good one.
    index_turn: tokio::sync::Mutex<()>,
    /// One permit for each look at the disk that may be under way.
    looks: Arc<Semaphore>,
}

/// How many looks at the disk may be under way for each processor. More would not end
/// earlier, and each takes memory and descriptors. A call that is given up while it waits for
/// its turn costs nothing.
const LOOKS_PER_PROCESSOR: usize = 2;

struct Shared {
    data_dir: PathBuf,
    last_index: LastIndex,
    marks: Mutex<HashMap<(Uuid, Phase), Mark>>,
    reported: Reported,
}

/// When a pod was marked for removal.
struct Mark {
    /// The change time of its directory when it was first seen there, in nanoseconds since
    /// the epoch.
    at_ns: i64,
    /// When it was last seen there.
    seen: Instant,
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

impl Inventory {
    /// The inventory of `data_dir`. Calls about images wait `store_lock_timeout` for a
    /// locked index.
    pub(crate) fn new(data_dir: PathBuf, store_lock_timeout: Duration) -> Self {
        let shared = Shared {
            data_dir,
            last_index: LastIndex::default(),
            marks: Mutex::default(),
            reported: Reported::default(),
        };
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            shared: Arc::new(shared),
            store_lock_timeout,
            index_turn: tokio::sync::Mutex::default(),
            looks: Arc::new(Semaphore::new(LOOKS_PER_PROCESSOR * processors)),
        }
    }

    /// What `shape` makes of every pod, which come in no order. It runs where it holds up
    /// nobody.
    pub(crate) async fn pods<T: Send + 'static>(
        &self,
        depth: Depth,
        shape: impl FnOnce(Vec<PodFacts>) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.look(move |shared| {
            let begin = Instant::now();
            let scan = host::pods(&shared.data_dir, depth)?;
            shared.reported.all_pods(&scan);
            let mut pods = scan.pods;
            pods.iter_mut().for_each(|pod| shared.keep_mark(pod));
            shared.forget_marks(begin);
            Ok(shape(pods))
        })
        .await
    }

    /// The pod `id`, if there is one.
    pub(crate) async fn pod(
        &self,
        id: Uuid,
        depth: Depth,
    ) -> Result<Option<PodFacts>, Unavailable> {
        self.look(move |shared| {
            let mut pod = host::pod(&shared.data_dir, id, depth)?;
            if let Some(pod) = &mut pod {
                shared.reported.pod(pod);
                shared.keep_mark(pod);
            }
            Ok(pod)
        })
        .await
    }

    /// The ids of all pods and where each lies.
    pub(crate) async fn pod_ids(&self) -> Result<Vec<(Uuid, Phase)>, Unavailable> {
        self.look(|shared| Ok(host::pod_ids(&shared.data_dir)?))
            .await
    }

    /// Runs `look`, which may take its time on the disk, where it holds up nobody.
    async fn look<T, E>(
        &self,
        look: impl FnOnce(&Shared) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Unavailable> + Send + 'static,
    {
        let unavailable = |error: &dyn Error| E::from(Unavailable(error.to_string()));
        let looks = Arc::clone(&self.looks);
        let permit = looks.acquire_owned().await.map_err(|e| unavailable(&e))?;
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || {
            let result = look(&shared);
            drop(permit);
            result
        })
        .await
        .map_err(|error| unavailable(&error))?
    }
}

impl Shared {
    /// Replaces the change time of a marked pod by the one first seen (P-9): taking a pod
    /// apart changes its directory further.
    fn keep_mark(&self, pod: &mut PodFacts) {
        if let Some(mark_ns) = &mut pod.marked_at_ns {
            let seen = Instant::now();
            let at_ns = *mark_ns;
            let mut marks = lock(&self.marks);
            let mark = marks
                .entry((pod.id, pod.phase))
                .or_insert(Mark { at_ns, seen });
            mark.seen = seen;
            *mark_ns = mark.at_ns;
        }
    }

    /// Forgets the marks of pods that were not seen since `begin`, when a look at all pods
    /// began.
    fn forget_marks(&self, begin: Instant) {
        lock(&self.marks).retain(|_, mark| mark.seen >= begin);
    }
}

/// What the mutexes here guard stays whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
