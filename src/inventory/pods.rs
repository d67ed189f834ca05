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
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

use super::{
    Unavailable,
    counters::Counters,
    history::{Event, EventKind},
    index::{Index, Traits},
    life::{App, Happening, Life, Sight, Step},
    lock,
    reported::Reported,
    watcher::{PodChange, PodNews, Rename, Watcher},
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

/// How often pods whose lock may change unseen are looked at when nobody asks.
const PROBES: Duration = Duration::from_millis(100);

/// How often pods that cannot be watched are read when nobody asks: events are told within a
/// second (E-4).
const UNWATCHED: Duration = Duration::from_millis(500);

/// How long an app's status that was just written may be empty because it is being written,
/// and where containers write through an overlay, older kernels do not tell when it is done.
const WRITING: Duration = Duration::from_millis(500);

/// How often a pod is looked for that moves while it is looked for, before the rest of the
/// answer counts more.
const TRIES: usize = 64;

/// Likewise, where nobody tells whether it moves.
const UNTOLD_TRIES: usize = 3;

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

/// Pods at one moment.
#[derive(Debug)]
pub(super) struct Picture<C> {
    /// In the order of their ids.
    pub(super) pods: Vec<Arc<Pod<C>>>,
    /// Those whose cgroup only `/proc` knows.
    pub(super) in_proc: Vec<(Uuid, Stage1)>,
}

impl<C> Picture<C> {
    fn of<'a>(tracked: impl Iterator<Item = &'a Tracked<C>>) -> Arc<Self>
    where
        C: 'a,
    {
        let pods: Vec<_> = tracked.map(|tracked| Arc::clone(&tracked.pod)).collect();
        let process = |pod: &Arc<Pod<C>>| Some((pod.facts.id, pod.facts.cgroup_process?));
        let in_proc = pods.iter().filter_map(process).collect();
        Arc::new(Self { pods, in_proc })
    }
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
    /// Whether some pods cannot be watched.
    has_unwatched: bool,
    tracked: BTreeMap<Uuid, Tracked<C>>,
    /// What those have.
    index: Index,
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
    /// Where pods went since they were read last.
    paths: HashMap<Uuid, Path>,
    /// Pods with an app whose exit code may be on its way.
    awaited: BTreeSet<Uuid>,
    /// The data directory is another one than before: what is in it was there before.
    is_beginning: bool,
    /// What has happened and was not told of yet.
    happened: Vec<Event>,
    /// Whether something is being looked at, or was when it came to a bad end.
    is_looking: bool,
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

/// Where a pod went.
#[derive(Debug, Default)]
struct Path {
    steps: Vec<Step>,
    has_begun: bool,
    /// Where it lay before the first of them, if it was there.
    origin: Option<Phase>,
    /// How many of them there were when the pod was looked for last.
    settled: usize,
    /// Whether there are more since.
    has_moved: bool,
    /// The renaming by which it has left the phase that it was in, and entered none yet.
    rename: Rename,
}

impl Path {
    fn enter(&mut self, phase: Phase, rename: Rename) {
        if rename.is_some() && self.rename == rename {
            // From one phase to the next.
            self.steps.pop();
        }
        self.has_begun = true;
        self.rename = None;
        self.has_moved = true;
        self.steps.push(Step::Entered(phase));
    }

    /// The steps by which the pod has come to lie in `phase`, where it was found; those after
    /// that are left. `was_there` says that it lay there before the first step, too.
    fn up_to(&mut self, phase: Phase, was_there: bool) -> Vec<Step> {
        let entered = |step: &Step| *step == Step::Entered(phase);
        let seen = match self.steps.iter().rposition(entered) {
            Some(last) => last + 1,
            None if was_there => 0,
            // It was seen before it was told of.
            None => self.steps.len(),
        };
        let seen = seen.max(self.settled).min(self.steps.len());
        self.settled = 0;
        self.steps.drain(..seen).collect()
    }

    fn leave(&mut self, phase: Phase, rename: Rename) {
        if !self.has_begun {
            self.origin = Some(phase);
        }
        self.has_begun = true;
        self.rename = rename;
        self.has_moved = true;
        self.steps.push(Step::Left(phase));
    }
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
    /// Takes in that someone has opened the directory; `true` when it was someone else.
    fn open(&mut self) -> bool {
        if self.our_opens > 0 {
            self.our_opens -= 1;
            return false;
        }
        self.others += 1;
        true
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
            has_unwatched: false,
            tracked: BTreeMap::new(),
            index: Index::default(),
            depth: Depth::Pod,
            dirty: BTreeSet::new(),
            all_dirty: true,
            skipped: HashSet::new(),
            opened: HashMap::new(),
            suspects: BTreeSet::new(),
            lives: HashMap::new(),
            paths: HashMap::new(),
            awaited: BTreeSet::new(),
            is_beginning: true,
            happened: Vec::new(),
            is_looking: false,
            unreported: BTreeSet::new(),
            probe_all_at: None,
            picture: None,
        }
    }

    /// Takes in what watching has told. Cheap: nothing is looked at on disk.
    pub(super) fn take_in(&mut self, watch: &Watch, reported: &Reported, counters: &Counters) {
        if std::mem::take(&mut self.is_looking) {
            self.begin_anew();
        }
        self.take_in_news(watch, reported, counters);
    }

    fn take_in_news(&mut self, watch: &Watch, reported: &Reported, counters: &Counters) {
        if watch.pods_host != self.host {
            self.host = watch.pods_host;
            self.is_beginning = true;
        }
        let Some(watcher) = &watch.watcher else {
            if watch.generation != self.generation {
                self.generation = watch.generation;
                self.begin_anew();
                self.probe_all_at = None;
            }
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
                PodChange::Entered(id, phase, rename) => {
                    self.paths.entry(id).or_default().enter(phase, rename);
                    self.dirty.insert(id);
                }
                PodChange::Left(id, phase, rename) => {
                    self.paths.entry(id).or_default().leave(phase, rename);
                    self.dirty.insert(id);
                }
                PodChange::Touched(id) => drop(self.dirty.insert(id)),
                PodChange::Opened(id) => {
                    // Our own probes must not lead to more of them.
                    if self.opened.entry(id).or_default().open() {
                        self.suspects.insert(id);
                    }
                }
                PodChange::Closed(id) => {
                    let opened = self.opened.entry(id).or_default();
                    let is_others = opened.close();
                    let is_over = *opened == Opened::default();
                    match self.tracked.get_mut(&id) {
                        Some(tracked) if is_others => {
                            tracked.suspect_until = Some(now + SUSPICION);
                            self.suspects.insert(id);
                        }
                        Some(_) => {}
                        // The last of a pod that is no more.
                        None if is_over => drop(self.opened.remove(&id)),
                        None => {}
                    }
                }
                PodChange::Odd(skipped) => {
                    if self.skipped.insert(skipped.clone()) {
                        reported.skipped(&skipped);
                    }
                }
                PodChange::OddGone(skipped) => {
                    self.skipped.remove(&skipped);
                    reported.no_longer_skipped(&skipped);
                }
            }
        }
        let unwatched = watcher.unwatched();
        self.has_unwatched = !unwatched.is_empty();
        self.dirty.extend(unwatched);
        self.dirty.extend(&self.awaited);
    }

    /// Nothing that was told before counts: everything is read anew. Someone may have had a
    /// pod open before anybody looked, and lock it now: all locks are probed once more when
    /// that must be over.
    fn begin_anew(&mut self) {
        self.all_dirty = true;
        self.has_unwatched = false;
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
        let is_all_dirty = std::mem::take(&mut self.all_dirty);
        // Still so next time when this ends by a panic.
        self.is_looking = true;
        let looked = self.look_at(watch, want, is_all_dirty, reported, counters);
        self.is_looking = false;
        if looked.is_err() {
            self.all_dirty |= is_all_dirty;
        }
        looked
    }

    fn look_at(
        &mut self,
        watch: &Watch,
        want: Want,
        is_all_dirty: bool,
        reported: &Reported,
        counters: &Counters,
    ) -> Result<(), Unavailable> {
        let phases = PhaseDirs::open(&self.data_dir)?;
        let watcher = watch.watcher.as_deref();
        if let Want::All(depth) = want {
            self.deepen(depth);
        }
        // Without watching, what is known of the others is worth nothing anyway.
        let is_for_one = matches!((want, watcher), (Want::One(..), None));
        if is_all_dirty && !is_for_one {
            let entries = phases.entries()?;
            reported.all_skipped(&entries.skipped);
            self.skipped = entries.skipped.into_iter().collect();
            self.dirty.extend(self.tracked.keys());
            self.dirty.extend(entries.pods.iter().map(|(id, _)| *id));
            Counters::add(&counters.scans);
        }
        if let Want::One(id, depth) = want {
            let known = self.tracked.get(&id);
            if is_for_one || known.is_none_or(|tracked| tracked.depth < depth) {
                self.dirty.insert(id);
            }
        }
        self.probe_suspects(&phases, watcher, counters)?;
        self.read_dirty(&phases, watch, want, reported, counters)?;
        if !is_for_one {
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
        watch: &Watch,
        want: Want,
        reported: &Reported,
        counters: &Counters,
    ) -> Result<(), ScanError> {
        let watcher = watch.watcher.as_deref();
        let mut wanted: Vec<_> = self.dirty.iter().map(|id| self.how(*id, want)).collect();
        let tries = watcher.map_or(UNTOLD_TRIES, |_| TRIES);
        for tried in 1..=tries {
            for (id, _) in &wanted {
                if let Some(path) = self.paths.get_mut(id) {
                    path.has_moved = false;
                    path.settled = path.steps.len();
                }
            }
            let readings = read_all(phases, watcher, &wanted)?;
            Counters::add_many(&counters.pods_read, readings.len());
            for (id, _) in &wanted {
                self.dirty.remove(id);
            }
            // What has been seen of a pod's way is told by now, but for the last step.
            if let Some(watcher) = watcher {
                watcher.drain();
                self.take_in_news(watch, reported, counters);
            }
            let are_many = readings.len() > KEPT_HANDLES;
            wanted.clear();
            for (id, reading) in readings {
                let has_moved = self.paths.get(&id).is_some_and(|path| path.has_moved);
                match reading {
                    Some(found) => self.keep(found, watcher, are_many),
                    None if tried < tries && (watcher.is_none() || has_moved) => {
                        wanted.push(self.how(id, want));
                    }
                    // It is still there, and what is known of it as good as anything.
                    None if has_moved => drop(self.dirty.insert(id)),
                    None => self.forget(id, watcher, reported),
                }
            }
            if wanted.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// How to read a pod of which so much is wanted.
    fn how(&self, id: Uuid, want: Want) -> (Uuid, How) {
        let known = self.tracked.get(&id).map_or(Depth::Pod, |pod| pod.depth);
        let asked = match want {
            Want::One(one, depth) if one == id => depth,
            Want::One(..) | Want::All(_) => Depth::Pod,
        };
        let how = How {
            depth: asked.max(known).max(self.depth),
            has_more_to_tell: match self.lives.get(&id) {
                Some(life) => !life.is_over(),
                None => !self.is_beginning,
            },
        };
        (id, how)
    }

    fn keep(&mut self, found: Found, watcher: Option<&Watcher>, is_one_of_many: bool) {
        let now = Instant::now();
        self.live_on(found.facts.id, Some(&found));
        let Found {
            mut facts,
            depth,
            handle,
            ..
        } = found;
        let id = facts.id;
        if !facts.faults.is_empty() {
            self.unreported.insert(id);
        }
        let old = self.tracked.remove(&id);
        let mut suspect_until = None;
        let mut kept_handle = None;
        if watcher.is_some() {
            let opened = self.opened.entry(id).or_default();
            opened.our_closes += u32::from(old.as_ref().is_some_and(|old| old.handle.is_some()));
            // By which the lock was probed, whether it was kept or not.
            if State::hangs_on_lock(facts.phase) {
                // Of two that open the pod at once the kernel may tell as of one, and the
                // other is about to lock it.
                opened.our_opens += 1;
                kept_handle =
                    handle.filter(|_| !is_one_of_many && self.suspects.len() < KEPT_HANDLES);
                if kept_handle.is_some() {
                    suspect_until = Some(now + SUSPICION);
                } else {
                    opened.our_closes += 1;
                    self.probe_all_at = Some(now + SUSPICION);
                }
            }
            self.suspects.insert(id);
        }
        let mut pod = None;
        if let Some(old) = old {
            suspect_until = suspect_until.max(old.suspect_until);
            // P-9: when the pod was first seen there; taking it apart changes its directory.
            if old.pod.facts.phase == facts.phase && old.pod.facts.marked_at_ns.is_some() {
                facts.marked_at_ns = old.pod.facts.marked_at_ns;
            }
            if old.pod.facts == facts && old.depth == depth {
                pod = Some(old.pod);
            } else {
                self.index.remove(&old.pod.facts);
            }
        }
        let pod = pod.unwrap_or_else(|| {
            self.index.insert(&facts);
            self.picture = None;
            Arc::new(Pod {
                facts,
                cache: C::default(),
            })
        });
        let tracked = Tracked {
            pod,
            depth,
            handle: kept_handle,
            suspect_until,
        };
        self.tracked.insert(id, tracked);
    }

    /// Notes what has happened to a pod since it was read last.
    fn live_on(&mut self, id: Uuid, now: Option<&Found>) {
        let mut waits_for_codes = false;
        if let Some(found) = now {
            waits_for_codes = is_writing_status(&found.facts);
        }
        match waits_for_codes {
            true => self.awaited.insert(id),
            false => self.awaited.remove(&id),
        };
        let sight = now.map(|found| Sight {
            facts: &found.facts,
            inode: found.inode,
            waits_for_codes,
        });
        if let Some(sight) = sight
            && self.is_beginning
            && !self.lives.contains_key(&id)
        {
            let life = match self.paths.get(&id) {
                None => Life::existing(sight),
                // It has come or gone since it is watched: that is told at the next look.
                Some(path) => {
                    self.dirty.insert(id);
                    path.origin
                        .map(|phase| Life::existing_in(phase, Some(sight)))
                        .unwrap_or_default()
                }
            };
            self.lives.insert(id, life);
            return;
        }
        let mut path = self.paths.remove(&id).unwrap_or_default();
        let origin = path.origin;
        let steps = match sight {
            Some(Sight { facts, .. }) => {
                let was_there = self
                    .lives
                    .get(&id)
                    .is_some_and(|life| life.is_in(facts.phase));
                path.up_to(facts.phase, was_there)
            }
            None => path.steps.split_off(0),
        };
        if !path.steps.is_empty() {
            self.dirty.insert(id);
            self.paths.insert(id, path);
        }
        if sight.is_none() && steps.is_empty() && !self.lives.contains_key(&id) {
            // It was never there.
            return;
        }
        let life = self.lives.entry(id).or_insert_with(|| {
            let existing = origin.map(|phase| Life::existing_in(phase, sight));
            existing.unwrap_or_default()
        });
        let happened = life.advance(&steps, sight);
        if sight.is_none() {
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
        if let Some(old) = self.tracked.remove(&id) {
            self.index.remove(&old.pod.facts);
            self.picture = None;
        }
        self.live_on(id, None);
        self.opened.remove(&id);
        self.suspects.remove(&id);
        self.unreported.remove(&id);
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
        let picture = self.picture.get_or_insert_with(|| Picture::of(tracked));
        Arc::clone(picture)
    }

    /// The pods that one of these filters may take, and perhaps others.
    pub(super) fn picture_of(&mut self, filters: &[Traits]) -> Arc<Picture<C>> {
        match self.index.candidates(&self.tracked, filters) {
            Some(candidates) => Picture::of(candidates.into_iter()),
            None => self.picture(),
        }
    }

    /// The pods whose ids lie between these two.
    pub(super) fn between(&self, ids: RangeInclusive<Uuid>) -> Vec<Arc<Pod<C>>> {
        let tracked = self.tracked.range(ids);
        tracked.map(|(_, pod)| Arc::clone(&pod.pod)).collect()
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

    /// When to look again, though nobody tells of any change.
    pub(super) fn patience(&self) -> Duration {
        let is_suspicious = !self.suspects.is_empty() || self.probe_all_at.is_some();
        // What is dirty now has changed while it was looked at.
        if is_suspicious || !self.awaited.is_empty() || !self.dirty.is_empty() || self.all_dirty {
            PROBES
        } else if self.has_unwatched {
            UNWATCHED
        } else {
            Duration::MAX
        }
    }
}

/// Whether the status of an app was just made and has nothing in it yet.
fn is_writing_status(facts: &PodFacts) -> bool {
    let apps = facts.manifest.iter().flat_map(|manifest| &manifest.apps);
    let mut empty = apps
        .filter_map(|app| app.status)
        .filter(|status| status.is_empty)
        .peekable();
    if empty.peek().is_none() {
        return false;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ns = now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    empty.any(|status| Duration::from_nanos(now_ns.abs_diff(status.written_at_ns)) < WRITING)
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

/// How to read a pod.
#[derive(Clone, Copy, Debug)]
struct How {
    /// At least so deep.
    depth: Depth,
    /// Whether what its apps have done is still to be told.
    has_more_to_tell: bool,
}

/// Reads these pods on as many threads as there are processors when
/// there are many.
fn read_all(
    phases: &PhaseDirs,
    watcher: Option<&Watcher>,
    wanted: &[(Uuid, How)],
) -> Result<Vec<Reading>, ScanError> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = wanted.len().div_ceil(processors).max(PODS_PER_DRAIN);
    let readings = Mutex::new(Vec::with_capacity(wanted.len()));
    let read_share = |share: &[(Uuid, How)]| -> Result<(), ScanError> {
        for some in share.chunks(PODS_PER_DRAIN) {
            for (id, how) in some {
                let mut reading = read_one(phases, watcher, *id, *how)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use Phase::{Garbage, Prepare, Prepared, Run};
    use Step::{Entered, Left};

    fn rename(number: u32) -> Rename {
        NonZero::new(number)
    }

    #[test]
    fn what_is_renamed_has_not_left() {
        let mut path = Path::default();
        path.leave(Prepare, rename(1));
        path.enter(Prepared, rename(1));
        path.leave(Prepared, rename(2));
        path.enter(Run, rename(2));
        assert_eq!(path.steps, [Entered(Prepared), Entered(Run)]);
        assert_eq!(path.origin, Some(Prepare));
        // Removed, moved away and made, each by the same name.
        path.leave(Run, None);
        path.enter(Prepare, None);
        path.leave(Prepare, rename(3));
        path.enter(Prepare, rename(4));
        let anew = [Left(Run), Entered(Prepare), Left(Prepare), Entered(Prepare)];
        assert_eq!(path.steps[2..], anew);
    }

    #[test]
    fn a_way_is_told_as_far_as_it_was_seen() {
        let path = |settled| Path {
            steps: vec![Entered(Prepared), Entered(Run), Entered(Garbage)],
            settled,
            ..Path::default()
        };
        for (seen_in, was_there, settled, told) in [
            (Run, false, 0, 2),
            (Run, false, 3, 3),
            // It has gone on since it was seen.
            (Prepare, true, 0, 0),
            (Prepare, true, 1, 1),
            // It was seen before the kernel had told of it.
            (Phase::ExitedGarbage, false, 0, 3),
        ] {
            let mut path = path(settled);
            let steps = path.up_to(seen_in, was_there);
            assert_eq!(steps.len(), told, "{seen_in}, {settled}");
            assert_eq!(steps.len() + path.steps.len(), 3);
        }
    }

    #[test]
    fn who_has_a_pod_open_is_counted_without_this_process() {
        let mut opened = Opened {
            our_opens: 1,
            our_closes: 1,
            ..Opened::default()
        };
        opened.open();
        opened.open();
        assert_eq!(opened.others, 1);
        assert!(!opened.close());
        assert!(opened.close());
        assert_eq!(opened, Opened::default());
    }
}
