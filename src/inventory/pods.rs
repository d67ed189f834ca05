//! The pods, as they are now: what was read of each, kept until something says that it has
//! changed. What says so comes from [`super::watcher`]; what is on the disk is read by
//! [`crate::host`].
//!
//! Locks make no events, only closing a handle does, and that is told just before the lock
//! goes. So a pod is *suspect* while its lock may change unseen, and its lock is probed at each
//! call: for a second after someone has closed it, and while someone has it open; where rkt's
//! processes hold the lock for life, in `run/`, a held one is trusted until the next close.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    num::NonZero,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    Unavailable,
    counters::Counters,
    history::{Event, EventKind},
    life::{App, Happening, Life},
    lock,
    reported::Reported,
    watcher::{PodChange, PodNews, Watcher},
    watching::Watch,
};
use crate::{
    host::{
        Depth, Dir, Found, Lock, LockHandle, PhaseDirs, PodFacts, ScanError, Skipped, Stage1, State,
    },
    layout::Phase,
};

/// How long a pod stays suspect after a handle on it was closed: the kernel tells of the close
/// just before it lets the lock go.
const SUSPICION: Duration = Duration::from_secs(1);

/// How many pods one thread reads before it takes in what has happened meanwhile, its own
/// opening and closing included, so that the kernel's queue does not overflow by it.
const PODS_PER_DRAIN: usize = 64;

/// How many handles on pods are kept at most. Where there are more suspects, their
/// directories are opened for each probe.
const KEPT_HANDLES: usize = 256;

/// A pod as it is.
#[derive(Debug)]
pub(crate) struct Pod<C> {
    /// What its directory says.
    pub(crate) facts: PodFacts,
    /// What others make of that, for as long as it holds.
    pub(crate) cache: C,
}

/// All pods.
#[derive(Debug)]
pub(super) struct Picture<C> {
    /// In the order of their ids.
    pub(super) pods: Vec<Arc<Pod<C>>>,
    /// Those whose cgroup only `/proc` knows.
    pub(super) in_proc: Vec<(Uuid, Stage1)>,
}

/// Which pods an answer needs, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// All of them.
    All(Depth),
    /// One.
    One(Uuid, Depth),
}

/// The pods of a data directory, kept current.
#[derive(Debug)]
pub(super) struct LivePods<C> {
    data_dir: PathBuf,
    generation: u64,
    host: u64,
    tracked: BTreeMap<Uuid, Tracked<C>>,
    /// How much of each pod is kept read.
    depth: Depth,
    /// Pods that have to be read anew.
    dirty: BTreeSet<Uuid>,
    /// Everything has to be, and which pods there are is not known.
    all_dirty: bool,
    /// Entries that are no pods and were seen.
    skipped: HashSet<Skipped>,
    opened: HashMap<Uuid, Opened>,
    suspects: BTreeSet<Uuid>,
    lives: HashMap<Uuid, Life>,
    /// The phases that pods have entered since they were read last.
    paths: HashMap<Uuid, Vec<Phase>>,
    /// The data directory is another one than before: what is in it was there before.
    is_beginning: bool,
    /// What has happened and was not told of yet.
    happened: Vec<Event>,
    /// Pods whose faults were not logged yet.
    unreported: BTreeSet<Uuid>,
    /// When to probe every lock once.
    probe_all_at: Option<Instant>,
    picture: Option<Arc<Picture<C>>>,
}

#[derive(Debug)]
struct Tracked<C> {
    pod: Arc<Pod<C>>,
    depth: Depth,
    /// To probe the lock with, while the pod is suspect.
    handle: Option<LockHandle>,
    suspect_until: Option<Instant>,
}

/// Who has a pod's directory open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Opened {
    /// Handles of other processes.
    others: u32,
    /// What this process has done and the kernel has not told of yet.
    our_opens: u32,
    our_closes: u32,
}

impl Opened {
    /// Takes in that someone has opened the directory.
    fn open(&mut self) {
        match self.our_opens {
            0 => self.others += 1,
            _ => self.our_opens -= 1,
        }
    }

    /// Takes in that someone has closed it; `true` when it was someone else.
    fn close(&mut self) -> bool {
        if self.our_closes > 0 {
            self.our_closes -= 1;
            return false;
        }
        // One that was open before anybody looked is closed, too.
        self.others = self.others.saturating_sub(1);
        true
    }
}

/// What was read of a pod; `None` when it is not there.
type Reading = (Uuid, Option<Found>);

impl<C: Default> LivePods<C> {
    pub(super) fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            generation: 0,
            host: 0,
            tracked: BTreeMap::new(),
            depth: Depth::Pod,
            dirty: BTreeSet::new(),
            all_dirty: true,
            skipped: HashSet::new(),
            opened: HashMap::new(),
            suspects: BTreeSet::new(),
            lives: HashMap::new(),
            paths: HashMap::new(),
            is_beginning: true,
            happened: Vec::new(),
            unreported: BTreeSet::new(),
            probe_all_at: None,
            picture: None,
        }
    }

    /// Takes in what watching has told. Cheap: nothing is looked at on disk.
    pub(super) fn take_in(&mut self, watch: &Watch, reported: &Reported, counters: &Counters) {
        if watch.host != self.host {
            self.host = watch.host;
            self.is_beginning = true;
        }
        let Some(watcher) = &watch.watcher else {
            self.generation = watch.generation;
            self.all_dirty = true;
            return;
        };
        if watch.generation != self.generation {
            self.generation = watch.generation;
            self.begin_anew();
        }
        let PodNews {
            changes,
            overflowed,
        } = watcher.pod_news();
        if overflowed {
            Counters::add(&counters.overflows);
            tracing::warn!("changes came faster than they were read; reading everything anew");
            self.begin_anew();
        }
        let now = Instant::now();
        if self.probe_all_at.is_some_and(|at| at <= now) {
            self.probe_all_at = None;
            self.suspects.extend(self.tracked.keys());
        }
        for change in changes {
            match change {
                PodChange::Entered(id, phase) => {
                    self.paths.entry(id).or_default().push(phase);
                    self.dirty.insert(id);
                }
                PodChange::Left(id) | PodChange::Touched(id) => {
                    self.dirty.insert(id);
                }
                PodChange::Opened(id) => {
                    self.opened.entry(id).or_default().open();
                    self.suspects.insert(id);
                }
                PodChange::Closed(id) => {
                    if self.opened.entry(id).or_default().close() {
                        if let Some(tracked) = self.tracked.get_mut(&id) {
                            tracked.suspect_until = Some(now + SUSPICION);
                        }
                        self.suspects.insert(id);
                    }
                }
                PodChange::Odd(skipped) => {
                    if self.skipped.insert(skipped.clone()) {
                        reported.skipped(&skipped);
                    }
                }
            }
        }
        self.dirty.extend(watcher.unwatched());
    }

    /// Nothing that was told before counts: everything is read anew. Someone may have had a
    /// pod open before anybody looked, and lock it now: all locks are probed once more when
    /// that must be over.
    fn begin_anew(&mut self) {
        self.all_dirty = true;
        self.opened.clear();
        self.suspects.clear();
        for tracked in self.tracked.values_mut() {
            tracked.handle = None;
        }
        self.probe_all_at = Some(Instant::now() + SUSPICION);
    }

    /// Whether something has to be looked at on disk before the pods that are wanted are known.
    pub(super) fn needs_looks(&self, want: Want) -> bool {
        let deep_enough = |id: Uuid, depth| {
            let tracked = self.tracked.get(&id);
            tracked.is_none_or(|tracked| tracked.depth >= depth)
        };
        self.all_dirty
            || !self.dirty.is_empty()
            || !self.suspects.is_empty()
            || match want {
                Want::All(depth) => self.depth < depth,
                Want::One(id, depth) => !deep_enough(id, depth),
            }
    }

    /// Looks at everything on disk that has to be looked at. May take its time.
    ///
    /// # Errors
    ///
    /// When a directory of pods cannot be read, or the server has run out of something; what
    /// was to be looked at is, next time.
    pub(super) fn look(
        &mut self,
        watch: &Watch,
        want: Want,
        reported: &Reported,
        counters: &Counters,
    ) -> Result<(), Unavailable> {
        let phases = PhaseDirs::open(&self.data_dir)?;
        let watcher = watch.watcher.as_deref();
        if let Want::All(depth) = want {
            self.deepen(depth);
        }
        if let (Want::One(id, _), None) = (want, watcher) {
            // Without watching, what is known of the others is worth nothing anyway.
            self.dirty.insert(id);
        } else if self.all_dirty {
            let entries = phases.entries()?;
            reported.all_skipped(&entries.skipped);
            self.skipped = entries.skipped.into_iter().collect();
            self.dirty.extend(self.tracked.keys());
            self.dirty.extend(entries.pods.iter().map(|(id, _)| *id));
            Counters::add(&counters.scans);
        }
        if let Want::One(id, depth) = want
            && self
                .tracked
                .get(&id)
                .is_none_or(|tracked| tracked.depth < depth)
        {
            self.dirty.insert(id);
        }
        self.probe_suspects(&phases, watcher, counters)?;
        self.read_dirty(&phases, watcher, want, reported, counters)?;
        if !matches!((want, watcher), (Want::One(..), None)) {
            self.all_dirty = false;
            self.is_beginning = false;
        }
        self.calm_down();
        Ok(())
    }

    /// Makes every pod be read at least so deep from now on.
    fn deepen(&mut self, depth: Depth) {
        if self.depth < depth {
            self.depth = depth;
            let shallow = self.tracked.iter().filter(|(_, pod)| pod.depth < depth);
            self.dirty.extend(shallow.map(|(id, _)| *id));
        }
    }

    /// Probes the locks of the suspects; pods whose lock has changed are to be read anew.
    fn probe_suspects(
        &mut self,
        phases: &PhaseDirs,
        watcher: Option<&Watcher>,
        counters: &Counters,
    ) -> Result<(), ScanError> {
        let keeps_handles = self.suspects.len() <= KEPT_HANDLES;
        for (probed, id) in self.suspects.iter().enumerate() {
            let Some(tracked) = self.tracked.get_mut(id) else {
                continue;
            };
            let facts = &tracked.pod.facts;
            if self.dirty.contains(id) || !State::hangs_on_lock(facts.phase) {
                continue;
            }
            let opened = self.opened.entry(*id).or_default();
            if tracked.handle.is_none() {
                tracked.handle = phases.lock_handle(*id, facts.phase)?;
                opened.our_opens += u32::from(tracked.handle.is_some());
            }
            let probe = tracked.handle.as_ref().map(LockHandle::probe);
            Counters::add(&counters.probes);
            if !matches!(probe, Some(Ok(lock)) if lock == facts.lock) {
                self.dirty.insert(*id);
            }
            if !keeps_handles {
                opened.our_closes += u32::from(tracked.handle.take().is_some());
                if let Some(watcher) = watcher.filter(|_| probed % PODS_PER_DRAIN == 0) {
                    watcher.drain();
                }
            }
        }
        Ok(())
    }

    /// Reads the dirty pods, many of them in parallel.
    fn read_dirty(
        &mut self,
        phases: &PhaseDirs,
        watcher: Option<&Watcher>,
        want: Want,
        reported: &Reported,
        counters: &Counters,
    ) -> Result<(), ScanError> {
        let wanted: Vec<(Uuid, Depth)> = self
            .dirty
            .iter()
            .map(|id| {
                let known = match self.tracked.get(id) {
                    Some(pod) => pod.depth,
                    // What it has run is told of.
                    None if self.paths.contains_key(id) => Depth::Statuses,
                    None => Depth::Pod,
                };
                let depth = match want {
                    Want::One(one, depth) if one == *id => depth,
                    Want::One(..) | Want::All(_) => Depth::Pod,
                };
                (*id, depth.max(known).max(self.depth))
            })
            .collect();
        let readings = read_all(phases, watcher, &wanted)?;
        Counters::add_many(&counters.pods_read, readings.len());
        for (id, reading) in readings {
            match reading {
                Some(found) => self.keep(found),
                None => self.forget(id, watcher, reported),
            }
            self.dirty.remove(&id);
        }
        Ok(())
    }

    fn keep(&mut self, found: Found) {
        let Found {
            mut facts,
            depth,
            handle,
        } = found;
        let id = facts.id;
        if !facts.faults.is_empty() {
            self.unreported.insert(id);
        }
        self.live_on(id, Some(&facts));
        let old = self.tracked.remove(&id);
        let opened = self.opened.entry(id).or_default();
        if State::hangs_on_lock(facts.phase) {
            // By which the lock was probed, whether it was kept or not.
            opened.our_opens += 1;
            opened.our_closes += u32::from(handle.is_none());
        }
        let mut suspect_until = None;
        let mut pod = None;
        if let Some(old) = old {
            opened.our_closes += u32::from(old.handle.is_some());
            suspect_until = old.suspect_until;
            // P-9: when the pod was first seen there; taking it apart changes its directory.
            if old.pod.facts.phase == facts.phase && old.pod.facts.marked_at_ns.is_some() {
                facts.marked_at_ns = old.pod.facts.marked_at_ns;
            }
            if old.pod.facts == facts && old.depth == depth {
                pod = Some(old.pod);
            }
        }
        let pod = pod.unwrap_or_else(|| {
            self.picture = None;
            Arc::new(Pod {
                facts,
                cache: C::default(),
            })
        });
        let tracked = Tracked {
            pod,
            depth,
            handle,
            suspect_until,
        };
        self.tracked.insert(id, tracked);
        self.suspects.insert(id);
    }

    /// Notes what has happened to a pod since it was read last.
    fn live_on(&mut self, id: Uuid, now: Option<&PodFacts>) {
        let path = self.paths.remove(&id).unwrap_or_default();
        let happened = match (self.lives.get_mut(&id), now) {
            (Some(life), _) => life.advance(&path, now),
            (None, Some(facts)) if self.is_beginning => {
                self.lives.insert(id, Life::existing(facts));
                return;
            }
            // It was never there but as a name in between.
            (None, None) if path.is_empty() => return,
            (None, _) => self.lives.entry(id).or_default().advance(&path, now),
        };
        if now.is_none() {
            self.lives.remove(&id);
        }
        let events = happened.into_iter().map(|happening| event(id, happening));
        self.happened.extend(events);
    }

    /// What has happened and was not told of yet.
    pub(super) fn take_happened(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.happened)
    }

    fn forget(&mut self, id: Uuid, watcher: Option<&Watcher>, reported: &Reported) {
        if self.tracked.remove(&id).is_some() {
            self.picture = None;
        }
        self.live_on(id, None);
        self.opened.remove(&id);
        self.suspects.remove(&id);
        reported.gone(id);
        if let Some(watcher) = watcher {
            watcher.forget_pod(id);
        }
    }

    /// Leaves suspects alone that are none any more, and lets go of their handles.
    fn calm_down(&mut self) {
        let now = Instant::now();
        let Self {
            suspects,
            tracked,
            opened,
            ..
        } = self;
        suspects.retain(|id| {
            let Some(pod) = tracked.get_mut(id) else {
                return false;
            };
            let others = opened.get(id).map_or(0, |opened| opened.others);
            let stays = pod.is_suspect(others, now);
            if !stays && pod.handle.take().is_some() {
                opened.entry(*id).or_default().our_closes += 1;
            }
            stays
        });
    }

    /// All pods.
    pub(super) fn picture(&mut self) -> Arc<Picture<C>> {
        let tracked = self.tracked.values();
        let picture = self.picture.get_or_insert_with(|| {
            let pods: Vec<_> = tracked.map(|tracked| Arc::clone(&tracked.pod)).collect();
            let process = |pod: &Arc<Pod<C>>| Some((pod.facts.id, pod.facts.cgroup_process?));
            let in_proc = pods.iter().filter_map(process).collect();
            Arc::new(Picture { pods, in_proc })
        });
        Arc::clone(picture)
    }

    /// The pod `id`.
    pub(super) fn pod(&self, id: Uuid) -> Option<Arc<Pod<C>>> {
        Some(Arc::clone(&self.tracked.get(&id)?.pod))
    }

    /// Logs the faults that pods have and that were not logged yet. To be done for calls: what
    /// is seen in passing, while files come and go, is no fault.
    pub(super) fn report(&mut self, reported: &Reported) {
        for id in std::mem::take(&mut self.unreported) {
            if let Some(tracked) = self.tracked.get(&id) {
                reported.pod(&tracked.pod.facts);
            }
        }
    }

    /// Whether there are pods whose locks may change without anybody's telling.
    pub(super) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty() || self.probe_all_at.is_some()
    }
}

/// An event of a pod (E-2, E-3, E-5). rkt names a pod's machine, and by default its host,
/// `rkt-` and its UUID.
fn event(id: Uuid, happening: Happening) -> Event {
    let (kind, app, exit_code) = match happening {
        Happening::Prepared => (EventKind::PodPrepared, None, None),
        Happening::PrepareAborted => (EventKind::PodPrepareAborted, None, None),
        Happening::Started => (EventKind::PodStarted, None, None),
        Happening::Exited => (EventKind::PodExited, None, None),
        Happening::GarbageCollected => (EventKind::PodGarbageCollected, None, None),
        Happening::AppStarted(app) => (EventKind::AppStarted, Some(app), None),
        Happening::AppExited(app, code) => (EventKind::AppExited, Some(app), code),
    };
    let mut data = Vec::new();
    let from = match app {
        None => format!("rkt-{}", id.hyphenated()),
        Some(App {
            name,
            image_id,
            image_name,
        }) => {
            data.push(("image_id", image_id));
            data.extend(image_name.map(|name| ("image_name", name)));
            data.extend(exit_code.map(|code| ("exit_code", code.to_string())));
            name
        }
    };
    Event {
        kind,
        time_s: 0,
        id: id.hyphenated().to_string(),
        from,
        data,
    }
}

impl<C> Tracked<C> {
    /// Whether the lock may change without an event.
    fn is_suspect(&mut self, others: u32, now: Instant) -> bool {
        let facts = &self.pod.facts;
        if !State::hangs_on_lock(facts.phase) {
            return false;
        }
        let is_held = facts.lock == Lock::Held;
        if self.suspect_until.is_some_and(|until| now < until) {
            // A lock that was let go is seen free; then only those who open the pod count.
            return true;
        }
        self.suspect_until = None;
        match facts.phase {
            Phase::Run => !is_held && others > 0,
            _ => is_held || others > 0,
        }
    }
}

/// Reads these pods, each at least so deep, on as many threads as there are processors when
/// there are many.
fn read_all(
    phases: &PhaseDirs,
    watcher: Option<&Watcher>,
    wanted: &[(Uuid, Depth)],
) -> Result<Vec<Reading>, ScanError> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = wanted.len().div_ceil(processors).max(PODS_PER_DRAIN);
    let readings = Mutex::new(Vec::with_capacity(wanted.len()));
    let read_share = |share: &[(Uuid, Depth)]| -> Result<(), ScanError> {
        for some in share.chunks(PODS_PER_DRAIN) {
            for (id, depth) in some {
                let mut reading = read_one(phases, watcher, *id, *depth)?;
                if let Some(found) = &mut reading
                    && wanted.len() > KEPT_HANDLES
                {
                    found.handle = None;
                }
                lock(&readings).push((*id, reading));
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
        .unwrap_or_else(|poison| poison.into_inner()))
}

/// Reads a pod: running ones whole, since what their apps do is told of.
fn read_one(
    phases: &PhaseDirs,
    watcher: Option<&Watcher>,
    id: Uuid,
    depth: Depth,
) -> Result<Option<Found>, ScanError> {
    let mut visit = |dir: &Dir, path: &str| {
        if let Some(watcher) = watcher {
            watcher.watch_pod(id, dir, path);
        }
    };
    let depth = |state| match state {
        State::Running => Depth::Statuses,
        _ => depth,
    };
    phases.read(id, depth, &mut visit)
}
