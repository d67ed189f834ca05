//! What the inventory counts: what keeping the picture current has cost since the start, and what
//! the picture is like now. Whoever scrapes reads what was noted when the picture was made, and
//! waits for nobody.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{store::Images, watching::Watch};
use crate::host::{Cause, State};

/// Counts, and what there is.
#[derive(Debug)]
pub(crate) struct Counters {
    /// How often all pods were looked for.
    pub(super) scans: Counter,
    /// How often the kernel's queue has overflowed.
    pub(super) overflows: Counter,
    /// How many pods were read.
    pub(super) pods_read: Counter,
    /// How many locks were probed, beside those of pods that were read.
    pub(super) probes: Counter,
    /// How often the image index was read.
    pub(super) indexes_read: Counter,
    /// How many image manifests were read.
    pub(super) manifests_read: Counter,
    /// How many directories are watched.
    pub(super) watches: Gauge,
    pods: Family<StateLabel, Gauge>,
    unwatched_pods: Gauge,
    is_watched: Gauge,
    images: Gauge,
    images_left_out: Family<CauseLabel, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// The kind of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CauseLabel {
    cause: &'static str,
}

impl CauseLabel {
    /// Those of all kinds.
    pub(super) const ALL: [Self; 5] = [
        Self { cause: "missing" },
        Self {
            cause: "not_regular",
        },
        Self { cause: "too_large" },
        Self {
            cause: "unreadable",
        },
        Self { cause: "malformed" },
    ];

    /// That of `cause`.
    pub(super) fn of(cause: &Cause) -> Self {
        let [missing, not_regular, too_large, unreadable, malformed] = Self::ALL;
        match cause {
            Cause::Missing => missing,
            Cause::NotRegular => not_regular,
            Cause::TooLarge(_) => too_large,
            Cause::Unreadable(_) => unreadable,
            Cause::Malformed(_) => malformed,
        }
    }
}

/// The name that the API has for a state, in lower case.
fn state_name(state: State) -> &'static str {
    match state {
        State::Unknown => "undefined",
        State::Embryo => "embryo",
        State::Preparing => "preparing",
        State::AbortedPrepare => "aborted_prepare",
        State::Prepared => "prepared",
        State::Running => "running",
        State::Exited => "exited",
        State::Deleting => "deleting",
        State::Garbage => "garbage",
    }
}

impl Default for Counters {
    fn default() -> Self {
        let counters = Self {
            scans: Counter::default(),
            overflows: Counter::default(),
            pods_read: Counter::default(),
            probes: Counter::default(),
            indexes_read: Counter::default(),
            manifests_read: Counter::default(),
            watches: Gauge::default(),
            pods: Family::default(),
            unwatched_pods: Gauge::default(),
            is_watched: Gauge::default(),
            images: Gauge::default(),
            images_left_out: Family::default(),
        };
        counters.set_pods(|_| 0);
        for cause in &CauseLabel::ALL {
            drop(counters.images_left_out.get_or_create(cause));
        }
        counters
    }
}

impl Counters {
    /// Adds these metrics to those that are told.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rkt_api_pods",
            "Pods, by state, as they were seen last",
            self.pods.clone(),
        );
        registry.register(
            "rkt_api_images",
            "Images in the store that can be shown, as they were seen last",
            self.images.clone(),
        );
        registry.register(
            "rkt_api_images_left_out",
            "Images in the store that cannot be shown, by what is wrong with their manifests",
            self.images_left_out.clone(),
        );
        registry.register(
            "rkt_api_watching",
            "1 if the data directory is watched for changes, 0 if it is read at each call",
            self.is_watched.clone(),
        );
        registry.register(
            "rkt_api_inotify_watches",
            "Directories that are watched for changes of pods and images",
            self.watches.clone(),
        );
        registry.register(
            "rkt_api_unwatched_pods",
            "Pods that are read at each call since not everything in them can be watched",
            self.unwatched_pods.clone(),
        );
        registry.register(
            "rkt_api_rescans",
            "How often all pods were looked for",
            self.scans.clone(),
        );
        registry.register(
            "rkt_api_queue_overflows",
            "How often changes came faster than they were read, and all was read anew",
            self.overflows.clone(),
        );
        registry.register(
            "rkt_api_pods_read",
            "Pods read from the disk",
            self.pods_read.clone(),
        );
        registry.register(
            "rkt_api_lock_probes",
            "Locks of pods that were probed, beside those of pods that were read",
            self.probes.clone(),
        );
        registry.register(
            "rkt_api_image_index_reads",
            "How often the image index was read",
            self.indexes_read.clone(),
        );
        registry.register(
            "rkt_api_image_manifests_read",
            "Image manifests read from the disk",
            self.manifests_read.clone(),
        );
    }

    /// Notes how many pods there are in each state.
    pub(super) fn set_pods(&self, count: impl Fn(State) -> usize) {
        for state in State::ALL {
            let label = StateLabel {
                state: state_name(state),
            };
            set(&self.pods.get_or_create(&label), count(state));
        }
    }

    /// Notes how many of all those pods are watched.
    pub(super) fn set_watch(&self, watch: &Watch, pods: usize) {
        self.is_watched.set(watch.watcher.is_some().into());
        let unwatched = watch.watcher.as_ref().map(|watcher| watcher.unwatched());
        set(
            &self.unwatched_pods,
            unwatched.map_or(pods, |unwatched| unwatched.len()),
        );
    }

    /// Notes how many images there are.
    pub(super) fn set_images<C>(&self, images: &Images<C>) {
        set(&self.images, images.all().len());
        for label in &CauseLabel::ALL {
            let faults = images.faults();
            let count = faults.filter(|fault| CauseLabel::of(&fault.cause) == *label);
            set(&self.images_left_out.get_or_create(label), count.count());
        }
    }
}

/// Sets a gauge to a number of things.
pub(super) fn set(gauge: &Gauge, count: usize) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}
