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
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) use images::ImageError;
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
}

struct Shared {
    data_dir: PathBuf,
    last_index: LastIndex,
    marks: Mutex<HashMap<(Uuid, Phase), i64>>,
    reported: Reported,
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
        Self {
            shared: Arc::new(shared),
            store_lock_timeout,
        }
    }

    /// Every pod, in no order.
    pub(crate) async fn pods(&self, depth: Depth) -> Result<Vec<PodFacts>, Unavailable> {
        self.look(move |shared| {
            let scan = host::pods(&shared.data_dir, depth)?;
            shared.reported.all_pods(&scan);
            let mut pods = scan.pods;
            shared.keep_marks(&mut pods);
            Ok(pods)
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
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || look(&shared))
            .await
            .unwrap_or_else(|error| Err(Unavailable(error.to_string()).into()))
    }
}

impl Shared {
    /// Replaces the change times of marked pods by those first seen (P-9): taking a pod
    /// apart changes its directory further. Forgets pods that are gone.
    fn keep_marks(&self, pods: &mut [PodFacts]) {
        let mut marks = lock(&self.marks);
        let mut current = HashMap::new();
        for pod in pods {
            if let Some(mark_ns) = &mut pod.marked_at_ns {
                let key = (pod.id, pod.phase);
                *mark_ns = *marks.get(&key).unwrap_or(mark_ns);
                current.insert(key, *mark_ns);
            }
        }
        *marks = current;
    }

    fn keep_mark(&self, pod: &mut PodFacts) {
        if let Some(mark_ns) = &mut pod.marked_at_ns {
            *mark_ns = *lock(&self.marks)
                .entry((pod.id, pod.phase))
                .or_insert(*mark_ns);
        }
    }
}

/// What the mutexes here guard stays whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
