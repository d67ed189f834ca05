//! Which faults have been logged: each once per pod and cause, not once per call (P-15,
//! S-12).

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use uuid::Uuid;

use super::{
    counters::{CauseLabel, set},
    lock,
};
use crate::host::{Fault, PodFacts, Skipped, pod_id};

/// The faults that are known and logged, and have not gone away since.
#[derive(Debug)]
pub(super) struct Reported {
    /// Their kinds.
    pods: Mutex<HashMap<Uuid, HashSet<Fault>>>,
    skipped: Mutex<HashSet<Skipped>>,
    images: Mutex<HashSet<Fault>>,
    faults_count: Family<CauseLabel, Counter>,
    skipped_count: Family<ReasonLabel, Gauge>,
}

/// Why an entry is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl ReasonLabel {
    const NAME: Self = Self { reason: "name" };
    const TYPE: Self = Self { reason: "type" };

    fn of(skipped: &Skipped) -> Self {
        match pod_id(skipped.name.as_bytes()) {
            None => Self::NAME,
            Some(_) => Self::TYPE,
        }
    }
}

impl Default for Reported {
    fn default() -> Self {
        let reported = Self {
            pods: Mutex::default(),
            skipped: Mutex::default(),
            images: Mutex::default(),
            faults_count: Family::default(),
            skipped_count: Family::default(),
        };
        for cause in &CauseLabel::ALL {
            drop(reported.faults_count.get_or_create(cause));
        }
        reported.count_skipped(&HashSet::new());
        reported
    }
}

impl Reported {
    /// Adds what is counted of them to the metrics that are told.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rkt_api_pod_faults",
            "Parts of pods that could not be read, each counted once per pod, file and cause",
            self.faults_count.clone(),
        );
        registry.register(
            "rkt_api_skipped_entries",
            "Entries among the pods that are passed over: by their name, or since they are no \
             directories",
            self.skipped_count.clone(),
        );
    }

    /// Logs what is new among all entries that are no pods, and forgets what is gone.
    pub(super) fn all_skipped(&self, skipped: &[Skipped]) {
        let mut known = lock(&self.skipped);
        let current: HashSet<_> = skipped.iter().cloned().collect();
        for new in current.difference(&known) {
            say(new);
        }
        *known = current;
        self.count_skipped(&known);
    }

    /// Logs an entry that is no pod, unless it is known.
    pub(super) fn skipped(&self, skipped: &Skipped) {
        if lock(&self.skipped).insert(skipped.clone()) {
            say(skipped);
            let label = ReasonLabel::of(skipped);
            self.skipped_count.get_or_create(&label).inc();
        }
    }

    /// Forgets an entry that is no pod.
    pub(super) fn no_longer_skipped(&self, skipped: &Skipped) {
        if lock(&self.skipped).remove(skipped) {
            let label = ReasonLabel::of(skipped);
            self.skipped_count.get_or_create(&label).dec();
        }
    }

    fn count_skipped(&self, known: &HashSet<Skipped>) {
        for label in [ReasonLabel::NAME, ReasonLabel::TYPE] {
            let of_reason = known.iter().filter(|one| ReasonLabel::of(one) == label);
            set(&self.skipped_count.get_or_create(&label), of_reason.count());
        }
    }

    /// Forgets a pod.
    pub(super) fn gone(&self, id: Uuid) {
        lock(&self.pods).remove(&id);
    }

    /// Logs what is new in one pod. Faults stay known while the pod is: one that only a deeper
    /// look meets is not logged again after a shallow one.
    pub(super) fn pod(&self, pod: &PodFacts) {
        if pod.faults.is_empty() {
            return;
        }
        let mut pods = lock(&self.pods);
        let known = pods.entry(pod.id).or_default();
        for fault in &pod.faults {
            if known.insert(fault.kind()) {
                let Fault { file, cause } = fault;
                let label = CauseLabel::of(cause);
                self.faults_count.get_or_create(&label).inc();
                tracing::warn!(pod = %pod.id, phase = %pod.phase, file, %cause, "part of a pod cannot be read");
            }
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

fn say(skipped: &Skipped) {
    let Skipped { phase, name } = skipped;
    tracing::warn!(%phase, name, "passing over an entry that is no pod");
}
