//! Which locks may change unseen, and the handles by which they are probed.
//!
//! Taking a lock makes no event, only opening and closing the pod's directory does, and a close
//! is told just before the lock goes. So a pod is *suspect* while its lock may change unseen:
//! for a second after someone has closed it, and while someone has it open; where rkt's
//! processes hold the lock for life, in `run/`, a held one is trusted until the next close.
//! The locks of suspects are probed at each call.
//!
//! This process opens and closes pods too, to probe them, and the kernel does not say who did.
//! So every opening is noted here before the kernel's word of it is taken in. Of two that
//! follow each other at once the kernel may tell as of one, and another's would be missed:
//! after an opening of ours a pod is suspect for as long as after a close, and one whose lock
//! is trusted stays open, so that a close of it is never ours. Beyond as many handles as may be
//! kept at once ([`HANDLES_MAX`]) a trusted one is closed too: a close by another that follows
//! in the same instant is then missed until the pod is touched again.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit};
use uuid::Uuid;

use super::{counters::Counters, watcher::Watcher};
use crate::{
    host::{Lock, LockHandle, PhaseDirs, PodFacts, ScanError, State},
    layout::Phase,
};

/// How long a pod stays suspect after a handle on it was closed.
pub(super) const SUSPICION: Duration = Duration::from_secs(1);

/// How many pods are probed at once by handles that stay open. Of more, each is opened for the
/// moment, so that a look at all pods does not open them all.
pub(super) const FEW: usize = 256;

/// How many handles are kept at most, if that is not too much for the process.
const HANDLES_MAX: usize = 4096;

/// How much of the descriptors that the process may have handles may be, one in so many.
const HANDLES_SHARE: u64 = 4;

/// How many pods are opened and closed before the kernel's word of it is taken in, so that its
/// queue does not overflow by it.
pub(super) const PODS_PER_DRAIN: usize = 64;

/// What is known of the locks of pods.
#[derive(Debug)]
pub(super) struct Locks {
    opened: HashMap<Uuid, Opened>,
    handles: HashMap<Uuid, LockHandle>,
    handles_max: usize,
    suspects: BTreeSet<Uuid>,
    /// When to probe every lock once.
    probe_all_at: Option<Instant>,
}

/// Who has a pod's directory open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Opened {
    /// Handles of other processes.
    others: u32,
    /// What this process has done and the kernel has not told of yet.
    our_opens: u32,
    our_closes: u32,
    /// Until when the lock may change without another word.
    suspect_until: Option<Instant>,
}

impl Locks {
    pub(super) fn new() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current;
        let share = descriptors.map_or(HANDLES_MAX as u64, |descriptors| {
            descriptors / HANDLES_SHARE
        });
        Self {
            opened: HashMap::new(),
            handles: HashMap::new(),
            handles_max: usize::try_from(share).map_or(HANDLES_MAX, |share| share.min(HANDLES_MAX)),
            suspects: BTreeSet::new(),
            probe_all_at: None,
        }
    }

    /// Forgets who has opened what, and lets all handles go. Someone may have had a pod open
    /// before anybody looked, and lock it now: all locks are to be probed once more when that
    /// must be over.
    pub(super) fn begin_anew(&mut self) {
        self.opened.clear();
        self.suspects.clear();
        self.handles.clear();
        self.probe_all_at = Some(Instant::now() + SUSPICION);
    }

    /// Likewise, where some of what the kernel had to tell was lost.
    pub(super) fn begin_anew_in_midstream(&mut self) {
        let open = std::mem::take(&mut self.handles);
        self.begin_anew();
        for id in open.keys() {
            self.opened.entry(*id).or_default().our_closes = 1;
        }
    }

    /// What is known is worth nothing, as nobody tells of changes.
    pub(super) fn give_up(&mut self) {
        self.begin_anew();
        self.probe_all_at = None;
    }

    /// Whether it is time to probe every lock once. Then it is done.
    pub(super) fn take_probe_all(&mut self) -> bool {
        self.probe_all_at
            .take_if(|at| *at <= Instant::now())
            .is_some()
    }

    /// Has the locks of these pods probed.
    pub(super) fn suspect(&mut self, ids: impl Iterator<Item = Uuid>) {
        self.suspects.extend(ids);
    }

    /// Whether there is a lock to be probed at the next call.
    pub(super) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether there is a lock to be probed at some time, though nobody calls.
    pub(super) fn is_restless(&self) -> bool {
        self.has_suspects() || self.probe_all_at.is_some()
    }

    /// Takes in that some process, perhaps this one, has opened a pod.
    pub(super) fn note_open(&mut self, id: Uuid) {
        let opened = self.opened.entry(id).or_default();
        match opened.our_opens {
            0 => {
                opened.others += 1;
                self.suspects.insert(id);
            }
            // Our own probes must not lead to more of them.
            _ => opened.our_opens -= 1,
        }
    }

    /// Takes in that some process, perhaps this one, has closed a pod.
    pub(super) fn note_close(&mut self, id: Uuid, is_known: bool) {
        let opened = self.opened.entry(id).or_default();
        match opened.our_closes {
            0 => {
                // One that was open before anybody looked is closed, too.
                opened.others = opened.others.saturating_sub(1);
                if is_known {
                    opened.suspect_until = Some(Instant::now() + SUSPICION);
                    self.suspects.insert(id);
                }
            }
            _ => opened.our_closes -= 1,
        }
        // The last of a pod that is no more.
        if !is_known && *opened == Opened::default() {
            self.opened.remove(&id);
        }
    }

    /// Notes that this process has opened a pod to read it, and whether it has closed it again.
    pub(super) fn note_reading(&mut self, id: Uuid, is_closed: bool) {
        let opened = self.opened.entry(id).or_default();
        opened.our_opens += 1;
        opened.our_closes += u32::from(is_closed);
    }

    /// A pod was read, and its lock probed by `handle` if that is still open.
    pub(super) fn keep(&mut self, facts: &PodFacts, handle: Option<LockHandle>) {
        let id = facts.id;
        self.close(id);
        if !State::hangs_on_lock(facts.phase) {
            if handle.is_some() {
                self.opened.entry(id).or_default().our_closes += 1;
            }
            return;
        }
        self.suspects.insert(id);
        let has_room = self.suspects.len() <= FEW || stays_open(facts);
        match handle {
            Some(handle) if has_room && self.handles.len() < self.handles_max => {
                let opened = self.opened.entry(id).or_default();
                opened.suspect_until = Some(Instant::now() + SUSPICION);
                self.handles.insert(id, handle);
                return;
            }
            Some(_) => self.opened.entry(id).or_default().our_closes += 1,
            None => {}
        }
        self.probe_all_at = Some(Instant::now() + SUSPICION);
    }

    /// A pod is no more.
    pub(super) fn forget(&mut self, id: Uuid) {
        self.handles.remove(&id);
        self.opened.remove(&id);
        self.suspects.remove(&id);
    }

    /// Probes the locks of the suspects that `facts` has facts of.
    ///
    /// Returns those whose lock is another than that.
    ///
    /// # Errors
    ///
    /// When the process has run out of something.
    pub(super) fn probe<'a>(
        &mut self,
        phases: &PhaseDirs,
        watcher: Option<&Watcher>,
        facts: impl Fn(Uuid) -> Option<&'a PodFacts>,
        counters: &Counters,
    ) -> Result<Vec<Uuid>, ScanError> {
        let are_few = self.suspects.len() <= FEW;
        let mut changed = Vec::new();
        let probed = self.suspects.iter().filter_map(|id| facts(*id));
        for (number, facts) in probed.enumerate() {
            let id = facts.id;
            if !self.handles.contains_key(&id)
                && let Some(handle) = phases.lock_handle(id, facts.phase)?
            {
                self.opened.entry(id).or_default().our_opens += 1;
                self.handles.insert(id, handle);
            }
            let probe = self.handles.get(&id).map(LockHandle::probe);
            counters.probes.inc();
            if !matches!(probe, Some(Ok(lock)) if lock == facts.lock) {
                changed.push(id);
            }
            if self.handles.len() > self.handles_max || !(are_few || stays_open(facts)) {
                close(&mut self.handles, &mut self.opened, id);
                if let Some(watcher) = watcher.filter(|_| number % PODS_PER_DRAIN == 0) {
                    watcher.drain();
                }
            }
        }
        Ok(changed)
    }

    /// Leaves suspects alone that are none any more, and lets go of the handles on all but
    /// those whose lock is trusted.
    pub(super) fn calm_down<'a>(
        &mut self,
        watcher: Option<&Watcher>,
        facts: impl Fn(Uuid) -> Option<&'a PodFacts>,
    ) {
        let now = Instant::now();
        let Self {
            opened,
            handles,
            suspects,
            ..
        } = self;
        suspects.retain(|id| {
            let Some(facts) = facts(*id) else {
                return false;
            };
            let stays = opened
                .get_mut(id)
                .is_some_and(|opened| opened.is_suspect(facts, now));
            if !stays && !stays_open(facts) {
                close(handles, opened, *id);
            }
            stays
        });
        // Before another close can follow ours.
        if let Some(watcher) = watcher {
            watcher.drain();
        }
    }

    fn close(&mut self, id: Uuid) {
        close(&mut self.handles, &mut self.opened, id);
    }
}

fn close(handles: &mut HashMap<Uuid, LockHandle>, opened: &mut HashMap<Uuid, Opened>, id: Uuid) {
    if handles.remove(&id).is_some() {
        opened.entry(id).or_default().our_closes += 1;
    }
}

/// Whether a handle stays although the pod is no suspect: its lock is trusted until someone
/// closes the pod, and that must not be us.
pub(super) fn stays_open(facts: &PodFacts) -> bool {
    facts.phase == Phase::Run && facts.lock == Lock::Held
}

impl Opened {
    /// Whether the lock may change without an event.
    fn is_suspect(&mut self, facts: &PodFacts, now: Instant) -> bool {
        if !State::hangs_on_lock(facts.phase) {
            return false;
        }
        if self.suspect_until.is_some_and(|until| now < until) {
            // A lock that was let go is seen free; then only those who open the pod count.
            return true;
        }
        self.suspect_until = None;
        let is_held = facts.lock == Lock::Held;
        match facts.phase {
            Phase::Run => !is_held && self.others > 0,
            _ => is_held || self.others > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_pod_open_is_counted_without_this_process() {
        let id = Uuid::nil();
        let mut locks = Locks::new();
        let others = |locks: &Locks| locks.opened[&id].others;
        locks.note_reading(id, true);
        locks.note_open(id);
        assert!(!locks.has_suspects());
        locks.note_open(id);
        assert_eq!(others(&locks), 1);
        locks.note_close(id, true);
        assert_eq!(others(&locks), 1);
        locks.note_close(id, false);
        assert!(locks.opened.is_empty(), "{locks:?}");
    }
}
