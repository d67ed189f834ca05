//! Which faults have been logged: each once per pod and cause, not once per call (P-15,
//! S-12).

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use uuid::Uuid;

use super::lock;
use crate::host::{Fault, PodFacts, Skipped};

/// The faults that are known and logged, and have not gone away since.
#[derive(Debug, Default)]
pub(super) struct Reported {
    pods: Mutex<HashMap<Uuid, HashSet<Fault>>>,
    skipped: Mutex<HashSet<Skipped>>,
    images: Mutex<HashSet<Fault>>,
}

impl Reported {
    /// Logs what is new among all entries that are no pods, and forgets what is gone.
    pub(super) fn all_skipped(&self, skipped: &[Skipped]) {
        let mut known = lock(&self.skipped);
        known.retain(|old| skipped.contains(old));
        for new in skipped {
            say(&mut known, new);
        }
    }

    /// Logs an entry that is no pod, unless it is known.
    pub(super) fn skipped(&self, skipped: &Skipped) {
        say(&mut lock(&self.skipped), skipped);
    }

    /// Forgets an entry that is no pod.
    pub(super) fn no_longer_skipped(&self, skipped: &Skipped) {
        lock(&self.skipped).remove(skipped);
    }

    /// Forgets a pod.
    pub(super) fn gone(&self, id: Uuid) {
        lock(&self.pods).remove(&id);
    }

    /// Logs what is new in one pod.
    pub(super) fn pod(&self, pod: &PodFacts) {
        let mut known = lock(&self.pods);
        let faults = log_new(pod, known.remove(&pod.id).unwrap_or_default());
        if !faults.is_empty() {
            known.insert(pod.id, faults);
        }
    }

    /// Logs what is new in all images, and forgets what is gone.
    pub(super) fn all_images(&self, faults: Vec<Fault>) {
        let mut known = lock(&self.images);
        let current: HashSet<_> = faults.into_iter().collect();
        for Fault { file, cause } in current.difference(&known) {
            tracing::warn!(file, %cause, "leaving out an image");
        }
        *known = current;
    }
}

fn say(known: &mut HashSet<Skipped>, skipped: &Skipped) {
    if known.insert(skipped.clone()) {
        let Skipped { phase, name } = skipped;
        tracing::warn!(%phase, name, "passing over an entry that is no pod");
    }
}

/// Logs those faults of `pod` that are not `known`. Faults stay known while the pod is: one
/// that only a deeper look meets is not logged again after a shallow one.
fn log_new(pod: &PodFacts, mut known: HashSet<Fault>) -> HashSet<Fault> {
    for fault in &pod.faults {
        if known.insert(fault.clone()) {
            let Fault { file, cause } = fault;
            tracing::warn!(pod = %pod.id, phase = %pod.phase, file, %cause, "part of a pod cannot be read");
        }
    }
    known
}
