//! The pods, as they are now: what was read of each, kept until something says that it has
//! changed. What says so comes from [`super::watcher`] and [`super::locks`]; what is on the disk
//! is read by [`super::reading`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

use super::{
    Unavailable,
    counters::Counters,
    history::{Event, EventKind},
    index::{Index, Traits},
    life::{App, Happening, Life, Sight},
    locks::{FEW, Locks},
    reading::{How, Reading, read_all},
    reported::Reported,
    route::Route,
    watcher::{PodChange, PodNews, Watcher},
    watching::Watch,
};
use crate::{
    host::{Depth, Found, PhaseDirs, PodFacts, ScanError, Skipped, Stage1, State},
    trouble::Trouble,
};

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

/// How many pods are read before what was known of them is let go.
const PODS_AT_ONCE: usize = 1024;

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
    /// Whether these are all.
    pub(super) is_whole: bool,
}

impl<C> Picture<C> {
    fn of<'a>(tracked: impl Iterator<Item = &'a Tracked<C>>, is_whole: bool) -> Arc<Self>
    where
        C: 'a,
    {
        let pods: Vec<_> = tracked.map(|tracked| Arc::clone(&tracked.pod)).collect();
        let process = |pod: &Arc<Pod<C>>| Some((pod.facts.id, pod.facts.cgroup_process?));
        let in_proc = pods.iter().filter_map(process).collect();
        Arc::new(Self {
            pods,
            in_proc,
            is_whole,
        })
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
    overflows: Trouble,
    locks: Locks,
    lives: HashMap<Uuid, Life>,
    /// Where pods went since they were read last.
    routes: HashMap<Uuid, Route>,
    /// Pods with an app whose exit code may be on its way.
    awaited: BTreeSet<Uuid>,
    /// The data directory is another one than before: what is in it was there before.
    is_beginning: bool,
    /// What has happened and was not told of yet.
    happened: Vec<Event>,
    /// Whether something is being looked at, or was when it came to a bad end.
    is_looking: bool,
    /// The number of the last look after which all pods were known as they were when it began.
    known_since: u64,
    /// Pods whose faults were not logged yet.
    unreported: BTreeSet<Uuid>,
    picture: Option<Arc<Picture<C>>>,
}

#[derive(Debug)]
struct Tracked<C> {
    pod: Arc<Pod<C>>,
    depth: Depth,
}

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
            overflows: Trouble::default(),
            locks: Locks::new(),
            lives: HashMap::new(),
            routes: HashMap::new(),
            awaited: BTreeSet::new(),
            is_beginning: true,
            happened: Vec::new(),
            is_looking: false,
            known_since: 0,
            unreported: BTreeSet::new(),
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
                self.locks.give_up();
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
        if self.locks.take_probe_all() {
            self.locks.suspect(self.tracked.keys().copied());
        }
        for change in changes {
            match change {
                PodChange::Entered(id, phase, rename) => {
                    self.routes.entry(id).or_default().enter(phase, rename);
                    self.dirty.insert(id);
                }
                PodChange::Left(id, phase, rename) => {
                    self.routes.entry(id).or_default().leave(phase, rename);
                    self.dirty.insert(id);
                }
                PodChange::Touched(id) => drop(self.dirty.insert(id)),
                PodChange::Opened(id) => self.locks.note_open(id),
                PodChange::Closed(id) => {
                    let is_known = self.tracked.contains_key(&id);
                    self.locks.note_close(id, is_known);
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
        if overflowed {
            counters.overflows.inc();
            if self.overflows.is_news() {
                tracing::warn!("changes came faster than they were read; reading everything anew");
            }
            // With what came after those that are missing: who has which pod open is unknown.
            self.all_dirty = true;
            self.locks.begin_anew_in_midstream();
        }
        let unwatched = watcher.unwatched();
        self.has_unwatched = !unwatched.is_empty();
        self.dirty.extend(unwatched);
        self.dirty.extend(&self.awaited);
    }

    /// Nothing that was told before counts: everything is read anew.
    fn begin_anew(&mut self) {
        self.all_dirty = true;
        self.has_unwatched = false;
        self.locks.begin_anew();
    }

    /// Whether something has to be looked at on disk before the pods that are wanted are known.
    pub(super) fn needs_looks(&self, want: Want) -> bool {
        self.all_dirty
            || !self.dirty.is_empty()
            || self.locks.has_suspects()
            || !self.is_deep_enough(want)
    }

    /// Whether what is wanted is known as it was when the look after this one began, or later.
    pub(super) fn is_known_after(&self, look: u64, want: Want) -> bool {
        self.known_since > look && self.is_deep_enough(want)
    }

    /// Notes that everything was found to be known, or made to be, by the look with this number.
    pub(super) fn note_known(&mut self, look: u64, want: Want, watch: &Watch) {
        let is_for_one = matches!(want, Want::One(..)) && watch.watcher.is_none();
        if !is_for_one {
            self.known_since = look;
        }
    }

    fn is_deep_enough(&self, want: Want) -> bool {
        match want {
            Want::All(depth) => self.depth >= depth,
            Want::One(id, depth) => {
                let tracked = self.tracked.get(&id);
                tracked.is_none_or(|tracked| tracked.depth >= depth)
            }
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
            counters.scans.inc();
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
        let Self { locks, tracked, .. } = self;
        locks.calm_down(watcher, |id| Some(&tracked.get(&id)?.pod.facts));
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
        let Self {
            locks,
            tracked,
            dirty,
            ..
        } = self;
        let facts = |id: Uuid| {
            let facts = &tracked.get(&id)?.pod.facts;
            let is_in_question = State::hangs_on_lock(facts.phase) && !dirty.contains(&id);
            is_in_question.then_some(facts)
        };
        let changed = locks.probe(phases, watcher, facts, counters)?;
        dirty.extend(changed);
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
            let are_few = wanted.len() <= FEW;
            let mut missed = Vec::new();
            for some in wanted.chunks(PODS_AT_ONCE) {
                for (id, _) in some {
                    if let Some(route) = self.routes.get_mut(id) {
                        route.settle();
                    }
                }
                let readings = read_all(phases, watcher, some, are_few)?;
                counters.pods_read.inc_by(readings.len() as u64);
                for (id, _) in some {
                    self.dirty.remove(id);
                }
                // What has been seen of a pod's way is told by now, but for the last step.
                if let Some(watcher) = watcher {
                    // First, else they would be taken for others'.
                    for reading in &readings {
                        reading.note_in(&mut self.locks);
                    }
                    watcher.drain();
                    self.take_in_news(watch, reported, counters);
                }
                for Reading { id, found, .. } in readings {
                    let has_moved = self.routes.get(&id).is_some_and(|route| route.has_moved);
                    match found {
                        Some(found) => self.keep(found, watcher),
                        None if tried < tries && (watcher.is_none() || has_moved) => {
                            missed.push(self.how(id, want));
                        }
                        // It is still there, and what is known of it as good as anything.
                        None if has_moved => drop(self.dirty.insert(id)),
                        None => self.forget(id, watcher, reported),
                    }
                }
            }
            if missed.is_empty() {
                break;
            }
            wanted = missed;
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

    fn keep(&mut self, found: Found, watcher: Option<&Watcher>) {
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
        if watcher.is_some() {
            self.locks.keep(&facts, handle);
        }
        let old = self.tracked.remove(&id);
        let mut pod = None;
        if let Some(old) = old {
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
        self.tracked.insert(id, Tracked { pod, depth });
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
            let life = match self.routes.get(&id) {
                None => Life::existing(sight),
                // It has come or gone since it is watched: that is told at the next look.
                Some(route) => {
                    self.dirty.insert(id);
                    route
                        .origin
                        .map(|phase| Life::existing_in(phase, Some(sight)))
                        .unwrap_or_default()
                }
            };
            self.lives.insert(id, life);
            return;
        }
        let mut route = self.routes.remove(&id).unwrap_or_default();
        let origin = route.origin;
        let steps = match sight {
            Some(Sight { facts, .. }) => {
                let was_there = self
                    .lives
                    .get(&id)
                    .is_some_and(|life| life.is_in(facts.phase));
                route.up_to(facts.phase, was_there)
            }
            None => route.steps.split_off(0),
        };
        if !route.steps.is_empty() {
            self.dirty.insert(id);
            self.routes.insert(id, route);
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
        self.locks.forget(id);
        self.unreported.remove(&id);
        reported.gone(id);
        if let Some(watcher) = watcher {
            watcher.forget_pod(id);
        }
    }

    /// All pods.
    pub(super) fn picture(&mut self) -> Arc<Picture<C>> {
        let tracked = self.tracked.values();
        let picture = self
            .picture
            .get_or_insert_with(|| Picture::of(tracked, true));
        Arc::clone(picture)
    }

    /// How many pods there are in `state`, as far as is known.
    pub(super) fn count(&self, state: State) -> usize {
        self.index.count(state)
    }

    /// How many pods there are, as far as is known.
    pub(super) fn len(&self) -> usize {
        self.tracked.len()
    }

    /// The pods that one of these filters may take, and perhaps others.
    pub(super) fn picture_of(&mut self, filters: &[Traits]) -> Arc<Picture<C>> {
        match self.index.candidates(&self.tracked, filters) {
            Some(candidates) => Picture::of(candidates.into_iter(), false),
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

    /// How many pods there were at the last look at all of them.
    pub(super) fn known(&self) -> Option<usize> {
        (!self.is_beginning).then_some(self.tracked.len())
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
        // What is dirty now has changed while it was looked at.
        if self.locks.is_restless()
            || !self.awaited.is_empty()
            || !self.dirty.is_empty()
            || self.all_dirty
        {
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
