//! Reading pods, many of them in parallel, each watched from before it is read.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

use uuid::Uuid;

use super::{
    lock,
    locks::{Locks, PODS_PER_DRAIN, stays_open},
    watcher::Watcher,
};
use crate::host::{Depth, Dir, Found, PhaseDirs, ScanError, State};

/// What was read of a pod.
pub(super) struct Reading {
    pub(super) id: Uuid,
    /// `None` when it is not there.
    pub(super) found: Option<Found>,
    /// Whether it was opened to probe its lock.
    was_opened: bool,
}

impl Reading {
    fn new(id: Uuid, mut found: Option<Found>, is_one_of_few: bool) -> Self {
        let mut was_opened = false;
        if let Some(found) = &mut found {
            was_opened = found.handle.is_some();
            if !is_one_of_few && !stays_open(&found.facts) {
                found.handle = None;
            }
        }
        Self {
            id,
            found,
            was_opened,
        }
    }

    /// Notes how the pod was opened and closed: to be done before the kernel's word of that is
    /// taken in.
    pub(super) fn note_in(&self, locks: &mut Locks) {
        if self.was_opened {
            let handle = self.found.as_ref().and_then(|found| found.handle.as_ref());
            locks.note_reading(self.id, handle.is_none());
        }
    }
}

/// How to read a pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// At least so deep.
    pub(super) depth: Depth,
    /// Whether what its apps have done is still to be told.
    pub(super) has_more_to_tell: bool,
}

/// Reads these pods, on as many threads as there are processors when there are many. Where
/// `are_few`, those that were opened stay open.
pub(super) fn read_all(
    phases: &PhaseDirs,
    watcher: Option<&Watcher>,
    wanted: &[(Uuid, How)],
    are_few: bool,
) -> Result<Vec<Reading>, ScanError> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = wanted.len().div_ceil(processors).max(PODS_PER_DRAIN);
    let readings = Mutex::new(Vec::with_capacity(wanted.len()));
    let read_share = |share: &[(Uuid, How)]| -> Result<(), ScanError> {
        for some in share.chunks(PODS_PER_DRAIN) {
            for (id, how) in some {
                let found = read_one(phases, watcher, *id, *how)?;
                lock(&readings).push(Reading::new(*id, found, are_few));
            }
            if let Some(watcher) = watcher {
                watcher.drain();
            }
        }
        Ok(())
    };
    let mut shares = wanted.chunks(share);
    let first = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| scope.spawn(|| read_share(share)))
            .collect();
        let mut result = read_share(first);
        for other in others {
            let other = other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(other);
        }
        result
    })?;
    Ok(readings
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

/// Reads a pod: whole where what its apps do is told of.
fn read_one(
    phases: &PhaseDirs,
    watcher: Option<&Watcher>,
    id: Uuid,
    how: How,
) -> Result<Option<Found>, ScanError> {
    if let Some(watcher) = watcher {
        watcher.begin_pod(id);
    }
    let mut visit = |dir: &Dir, path: &str| {
        if let Some(watcher) = watcher {
            watcher.watch_pod(id, dir, path);
        }
    };
    let depth = |state| match state {
        State::Running => Depth::Statuses,
        State::Exited | State::Deleting | State::Garbage if how.has_more_to_tell => Depth::Statuses,
        _ => how.depth,
    };
    let found = phases.read(id, depth, &mut visit)?;
    if let (Some(watcher), Some(found)) = (watcher, &found)
        && found.has_shared_files
    {
        watcher.cannot_watch(id);
    }
    Ok(found)
}
