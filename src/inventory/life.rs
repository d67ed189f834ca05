//! What happens to a pod, told from where it is seen: each event once, in causal order, those
//! that nobody has seen implied (clauses E-1 and E-12). Pure: looking is others' business, and
//! so is the time.

use std::collections::HashMap;

use crate::{
    host::{AppStatus, Lock, PodFacts},
    layout::Phase,
};

/// Something that has happened to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// The pod has left `prepare/` for `prepared/` or `run/`.
    Prepared,
    /// The lock was let go in `prepare/`.
    PrepareAborted,
    /// The pod has entered `run/`.
    Started,
    /// An app of it has started.
    AppStarted(App),
    /// An app of it has ended, with this exit code where that is known.
    AppExited(App, Option<i32>),
    /// The lock was let go in `run/`.
    Exited,
    /// The pod was marked for removal, or has vanished.
    GarbageCollected,
}

/// An app, as its events name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) image_id: String,
    /// Where the image's manifest can be read.
    pub(super) image_name: Option<String>,
}

/// Where a pod was seen to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its directory has appeared in a phase.
    Entered(Phase),
    /// Its directory has left this phase, and not for another one: it was removed, or moved
    /// away.
    Left(Phase),
}

/// What a look at a pod's directory has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub(super) facts: &'a PodFacts,
    /// The directory's inode.
    pub(super) inode: u64,
    /// Whether exit codes that are missing may still be on their way.
    pub(super) waits_for_codes: bool,
}

/// How far a pod has come, as far as events were told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    phase: Option<Phase>,
    /// Of the directory that was seen last.
    inode: Option<u64>,
    is_prepared: bool,
    is_aborted: bool,
    is_started: bool,
    is_exited: bool,
    is_collected: bool,
    /// The apps, as they were seen last.
    apps: Vec<AppLife>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct AppLife {
    app: App,
    /// When it was told to have started, by its own mark or its pod's.
    started_at_ns: Option<i64>,
    /// When its status was written that was told last.
    exited_at_ns: Option<i64>,
    is_running: bool,
}

impl Life {
    /// A pod that was there before anybody looked: how it came there makes no events.
    pub(super) fn existing(sight: Sight<'_>) -> Self {
        let mut life = Self::default();
        // What has happened before is told nobody.
        life.advance(&[], Some(sight));
        life
    }

    /// A pod that lay in `phase` before anybody looked, and has gone on before it was seen.
    pub(super) fn existing_in(phase: Phase, sight: Option<Sight<'_>>) -> Self {
        let mut life = Self::default();
        if phase >= Phase::Run {
            // Its apps may have started long ago, and pods are marked long after they exited.
            life = sight.map(Self::existing).unwrap_or_default();
            life.is_exited |= sight.is_none();
        }
        life.is_collected = phase > Phase::Run;
        life.enter(phase, &mut Vec::new());
        life
    }

    /// Goes on: the pod has gone the way of `path` since this was called last, and is now as
    /// `now` says; `None` when it is no more. Returns what has happened.
    pub(super) fn advance(&mut self, path: &[Step], now: Option<Sight<'_>>) -> Vec<Happening> {
        let mut told = Vec::new();
        let mut has_left = false;
        for step in path {
            match step {
                Step::Left(_) => has_left = true,
                Step::Entered(phase) => {
                    // What comes back is another one by the same name.
                    if std::mem::take(&mut has_left) {
                        self.leave(&mut told);
                    }
                    self.enter(*phase, &mut told);
                }
            }
        }
        match now {
            Some(sight) => {
                // Pods go on, not back. One whose way nobody saw has taken the place of another.
                let is_another = self.inode.is_some_and(|inode| inode != sight.inode);
                let is_back = self.phase.is_some_and(|phase| sight.facts.phase < phase);
                if is_another && is_back {
                    self.leave(&mut told);
                }
                self.inode = Some(sight.inode);
                self.enter(sight.facts.phase, &mut told);
                self.see(sight, &mut told);
            }
            None => self.leave(&mut told),
        }
        told
    }

    /// Whether the pod was seen last in `phase`.
    pub(super) fn is_in(&self, phase: Phase) -> bool {
        self.phase == Some(phase)
    }

    /// Whether the pod has ended, so that its apps have nothing more to tell.
    pub(super) fn is_over(&self) -> bool {
        self.is_exited
    }

    fn enter(&mut self, phase: Phase, told: &mut Vec<Happening>) {
        let had_aborted = self.phase == Some(Phase::Prepare) && !self.is_prepared;
        match phase {
            Phase::Embryo | Phase::Prepare => {}
            Phase::Prepared => self.prepared(told),
            Phase::Run | Phase::ExitedGarbage => {
                self.prepared(told);
                if !std::mem::replace(&mut self.is_started, true) {
                    told.push(Happening::Started);
                }
            }
            Phase::Garbage if had_aborted => self.aborted(told),
            Phase::Garbage => {}
        }
        self.phase = Some(phase);
    }

    fn see(&mut self, sight: Sight<'_>, told: &mut Vec<Happening>) {
        let facts = sight.facts;
        match (facts.phase, facts.lock) {
            (Phase::Prepare, Lock::Free) => self.aborted(told),
            // Someone tries again.
            (Phase::Prepare, Lock::Held) => self.is_aborted = false,
            _ => {}
        }
        // Of apps of a pod that has ended nothing is told, whenever more of them is read.
        if self.is_started && !self.is_exited {
            self.see_apps(sight, told);
        }
        let is_let_go = facts.phase == Phase::Run && facts.lock == Lock::Free;
        if is_let_go || facts.phase == Phase::ExitedGarbage {
            self.exited(told);
        }
        if matches!(facts.phase, Phase::ExitedGarbage | Phase::Garbage) {
            self.collected(told);
        }
    }

    /// Starts and ends of apps, in the order of their times, and where these are the same, in
    /// the manifest's.
    fn see_apps(&mut self, sight: Sight<'_>, told: &mut Vec<Happening>) {
        let facts = sight.facts;
        let Some(manifest) = &facts.manifest else {
            return;
        };
        let is_mutable = manifest.is_mutable();
        // Files are read one after the other: where one app has ended, all have been started,
        // whether the file that says so was read or not.
        let ended = manifest.apps.iter().filter_map(|app| app.status);
        let ended_ns = ended.map(|status| status.written_at_ns);
        let all_started_at_ns = ended_ns.chain(facts.started_at_ns).min();
        let known = std::mem::take(&mut self.apps).into_iter();
        let mut known: HashMap<_, _> = known.map(|life| (life.app.name.clone(), life)).collect();
        let mut changes = Vec::new();
        for (app, more) in manifest.manifest.apps.iter().zip(&manifest.apps) {
            let life = known.remove(&app.name);
            let mut life = life.unwrap_or_else(|| AppLife::new(&app.name, &app.image_id));
            if let Some(image) = &more.image {
                life.app.image_name = Some(image.name.clone());
            }
            let started_at_ns = match is_mutable {
                true => more.started_at_ns,
                // It starts but once, whatever becomes of `pid`.
                false => life.started_at_ns.or(all_started_at_ns),
            };
            let is_awaited =
                |status: &AppStatus| sight.waits_for_codes && status.exit_code.is_none();
            let status = more.status.filter(|status| !is_awaited(status));
            let at = self.apps.len();
            let was_running = life.is_running;
            let seen = life.see(started_at_ns, status).into_iter();
            changes.extend(seen.map(|(at_ns, change)| {
                // Clocks of files are coarse. Of what bears the same time, the ends of apps that
                // were running come before starts, and those of apps that were not, after.
                let order = match change {
                    Change::End(_) if was_running => 0,
                    Change::Start => 1,
                    Change::End(_) => 2,
                };
                (at_ns, order, at, change)
            }));
            self.apps.push(life);
        }
        changes.sort_by_key(|(at_ns, order, at, _)| (*at_ns, *order, *at));
        for (_, _, at, change) in changes {
            match change {
                Change::Start => self.apps[at].start(told),
                Change::End(exit_code) => self.apps[at].end(exit_code, told),
            }
        }
        // Apps that were taken from the pod.
        for mut life in known.into_values() {
            life.end(None, told);
        }
    }

    /// The pod is no more; what comes after it is another.
    fn leave(&mut self, told: &mut Vec<Happening>) {
        if self.phase.is_some() {
            if self.phase == Some(Phase::Prepare) && !self.is_prepared {
                self.aborted(told);
            }
            self.collected(told);
        }
        *self = Self::default();
    }

    fn prepared(&mut self, told: &mut Vec<Happening>) {
        if !std::mem::replace(&mut self.is_prepared, true) {
            told.push(Happening::Prepared);
        }
    }

    fn aborted(&mut self, told: &mut Vec<Happening>) {
        if !std::mem::replace(&mut self.is_aborted, true) {
            told.push(Happening::PrepareAborted);
        }
    }

    fn exited(&mut self, told: &mut Vec<Happening>) {
        if !std::mem::replace(&mut self.is_exited, true) {
            for app in &mut self.apps {
                app.end(None, told);
            }
            told.push(Happening::Exited);
        }
    }

    fn collected(&mut self, told: &mut Vec<Happening>) {
        if self.is_started {
            self.exited(told);
        }
        if !std::mem::replace(&mut self.is_collected, true) {
            told.push(Happening::GarbageCollected);
        }
    }
}

/// What an app does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Start,
    End(Option<i32>),
}

impl AppLife {
    fn new(name: &str, image_id: &str) -> Self {
        Self {
            app: App {
                name: name.to_owned(),
                image_id: image_id.to_owned(),
                image_name: None,
            },
            started_at_ns: None,
            exited_at_ns: None,
            is_running: false,
        }
    }

    /// What is new in when the app was started last, and in its status, each with its time.
    fn see(&mut self, started_at_ns: Option<i64>, status: Option<AppStatus>) -> Vec<(i64, Change)> {
        // An end can have been read, and told, before its start is.
        let was_told = |at_ns| self.started_at_ns.is_none() && Some(at_ns) <= self.exited_at_ns;
        let started =
            started_at_ns.filter(|at_ns| Some(*at_ns) != self.started_at_ns && !was_told(*at_ns));
        self.started_at_ns = started_at_ns.or(self.started_at_ns);
        let status = status.filter(|status| self.exited_at_ns != Some(status.written_at_ns));
        // A status of an earlier run may lie there still, made anew without any run.
        let has_run = self.is_running || self.exited_at_ns.is_none() || started.is_some();
        let mut changes = Vec::new();
        if let Some(status) = status {
            self.exited_at_ns = Some(status.written_at_ns);
            if has_run {
                // It ended after the start that is new, or else after one that nobody saw.
                let began_at_ns = started.filter(|at_ns| *at_ns <= status.written_at_ns);
                if !self.is_running {
                    changes.push((began_at_ns.unwrap_or(status.written_at_ns), Change::Start));
                }
                changes.push((status.written_at_ns, Change::End(status.exit_code)));
            }
        }
        if let Some(at_ns) = started
            && changes.first() != Some(&(at_ns, Change::Start))
        {
            if self.is_running && changes.is_empty() {
                changes.push((at_ns.saturating_sub(1), Change::End(None)));
            }
            changes.push((at_ns, Change::Start));
        }
        changes
    }

    fn start(&mut self, told: &mut Vec<Happening>) {
        if !std::mem::replace(&mut self.is_running, true) {
            told.push(Happening::AppStarted(self.app.clone()));
        }
    }

    fn end(&mut self, exit_code: Option<i32>, told: &mut Vec<Happening>) {
        if std::mem::replace(&mut self.is_running, false) {
            told.push(Happening::AppExited(self.app.clone(), exit_code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        formats::appc::{NameValue, PodManifest},
        host::{AppFacts, ManifestFacts, State},
        layout,
    };
    use Happening::{AppExited, AppStarted, Exited, GarbageCollected, Prepared, Started};

    const MANIFEST: &str = r#"{"acVersion": "0.8.11", "acKind": "PodManifest", "apps": [
        {"name": "web", "image": {"id": "sha512-00"}}]}"#;

    const TWO_APPS: &str = r#"{"acVersion": "0.8.11", "acKind": "PodManifest", "apps": [
        {"name": "log", "image": {"id": "sha512-00"}},
        {"name": "web", "image": {"id": "sha512-00"}}]}"#;

    fn facts(phase: Phase, lock: Lock) -> PodFacts {
        PodFacts {
            id: uuid::Uuid::nil(),
            phase,
            state: State::of(phase, lock),
            lock,
            manifest: Some(ManifestFacts {
                bytes: MANIFEST.into(),
                manifest: PodManifest::parse(MANIFEST.as_bytes()).unwrap(),
                apps: vec![AppFacts::default()],
            }),
            created_at_ns: None,
            started_at_ns: (phase == Phase::Run).then_some(1),
            marked_at_ns: None,
            pid: None,
            cgroup: None,
            cgroup_process: None,
            networks: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn sight(facts: &PodFacts) -> Option<Sight<'_>> {
        Some(Sight {
            facts,
            inode: 1,
            waits_for_codes: false,
        })
    }

    fn web() -> App {
        App {
            name: "web".to_owned(),
            image_id: "sha512-00".to_owned(),
            image_name: None,
        }
    }

    #[test]
    fn what_nobody_saw_is_implied_once() {
        let mut life = Life::default();
        let exited = facts(Phase::Run, Lock::Free);
        let told = life.advance(&[], sight(&exited));
        let all = [
            Prepared,
            Started,
            AppStarted(web()),
            AppExited(web(), None),
            Exited,
        ];
        assert_eq!(told, all);
        assert_eq!(life.advance(&[], sight(&exited)), []);
        assert_eq!(life.advance(&[], None), [GarbageCollected]);
        assert_eq!(life.advance(&[], None), []);
    }

    #[test]
    fn garbage_has_exited_before() {
        let mut life = Life::existing(sight(&facts(Phase::Run, Lock::Held)).unwrap());
        let told = life.advance(&[], sight(&facts(Phase::Garbage, Lock::Free)));
        assert_eq!(told, [AppExited(web(), None), Exited, GarbageCollected]);
    }

    #[test]
    fn another_by_the_same_name_has_a_life_of_its_own() {
        let running = facts(Phase::Run, Lock::Held);
        let prepared = facts(Phase::Prepared, Lock::Free);
        let all = [AppExited(web(), None), Exited, GarbageCollected, Prepared];
        // By the way that was seen.
        let mut life = Life::existing(sight(&running).unwrap());
        let way = [Step::Left(Phase::Run), Step::Entered(Phase::Prepared)];
        assert_eq!(life.advance(&way, sight(&prepared)), all);
        // By its directory.
        let mut life = Life::existing(sight(&running).unwrap());
        let mut other = sight(&prepared).unwrap();
        other.inode = 2;
        assert_eq!(life.advance(&[], Some(other)), all);
        // One that was moved back is the same.
        let mut life = Life::existing(sight(&running).unwrap());
        assert_eq!(life.advance(&[], sight(&prepared)), []);
    }

    #[test]
    fn a_start_that_is_read_after_its_end_is_none() {
        let status = |written_at_ns| AppStatus {
            exit_code: Some(1),
            written_at_ns,
            is_empty: false,
        };
        let mut running = facts(Phase::Run, Lock::Held);
        running.started_at_ns = None;
        running.manifest.as_mut().unwrap().apps[0].status = Some(status(5));
        let mut life = Life::default();
        let told = life.advance(&[], sight(&running));
        let all = [
            Prepared,
            Started,
            AppStarted(web()),
            AppExited(web(), Some(1)),
        ];
        assert_eq!(told, all);
        running.started_at_ns = Some(5);
        assert_eq!(life.advance(&[], sight(&running)), []);
        // Nor when somebody touches what is left of it.
        running.manifest.as_mut().unwrap().apps[0].status = Some(status(6));
        assert_eq!(life.advance(&[], sight(&running)), []);
    }

    #[test]
    fn where_one_has_ended_all_have_started() {
        let mut running = facts(Phase::Run, Lock::Held);
        running.started_at_ns = None;
        let ended = AppFacts {
            status: Some(AppStatus {
                exit_code: Some(1),
                written_at_ns: 5,
                is_empty: false,
            }),
            ..AppFacts::default()
        };
        running.manifest = Some(ManifestFacts {
            bytes: TWO_APPS.into(),
            manifest: PodManifest::parse(TWO_APPS.as_bytes()).unwrap(),
            apps: vec![AppFacts::default(), ended],
        });
        let log = App {
            name: "log".to_owned(),
            ..web()
        };
        let mut life = Life::default();
        let told = life.advance(&[], sight(&running));
        let all = [
            Prepared,
            Started,
            AppStarted(log),
            AppStarted(web()),
            AppExited(web(), Some(1)),
        ];
        assert_eq!(told, all);
        running.started_at_ns = Some(4);
        assert_eq!(life.advance(&[], sight(&running)), []);
    }

    /// E-11: more is read of a pod when a call asks for it.
    #[test]
    fn what_apps_did_in_a_pod_that_had_ended_is_told_nobody() {
        let mut exited = facts(Phase::Run, Lock::Free);
        let manifest = exited.manifest.as_mut().unwrap();
        let mutable = NameValue {
            name: layout::pod::MUTABLE_ANNOTATION.to_owned(),
            value: "true".to_owned(),
        };
        manifest.manifest.annotations.push(mutable);
        let mut life = Life::existing(sight(&exited).unwrap());
        exited.manifest.as_mut().unwrap().apps[0].started_at_ns = Some(5);
        assert_eq!(life.advance(&[], sight(&exited)), []);
    }

    #[test]
    fn an_exit_code_is_waited_for() {
        let mut running = facts(Phase::Run, Lock::Held);
        let mut life = Life::existing(sight(&running).unwrap());
        let mut set = |exit_code: Option<i32>| {
            let status = AppStatus {
                exit_code,
                written_at_ns: 5,
                is_empty: exit_code.is_none(),
            };
            running.manifest.as_mut().unwrap().apps[0].status = Some(status);
            running.clone()
        };
        let empty = set(None);
        let mut waiting = sight(&empty).unwrap();
        waiting.waits_for_codes = true;
        assert_eq!(life.advance(&[], Some(waiting)), []);
        let written = set(Some(7));
        let told = life.advance(&[], sight(&written));
        assert_eq!(told, [AppExited(web(), Some(7))]);
    }
}
