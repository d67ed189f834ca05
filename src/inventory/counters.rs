//! What keeping the picture current has cost: counts since the start, for tests and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// How often all pods were looked for.
    pub(crate) scans: AtomicU64,
    /// How often the kernel's queue has overflowed.
    pub(crate) overflows: AtomicU64,
    /// How many pods were read.
    pub(crate) pods_read: AtomicU64,
    /// How many locks were probed, beside those of pods that were read.
    pub(crate) probes: AtomicU64,
    /// How often the image index was read.
    pub(crate) indexes_read: AtomicU64,
    /// How many image manifests were read.
    pub(crate) manifests_read: AtomicU64,
}

impl Counters {
    /// Counts one more.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts so many more.
    pub(super) fn add_many(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}
