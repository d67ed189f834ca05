//! A pod's life step by step: what lies where after each step, who holds the lock, what the
//! step log says, and which steps are refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use common::{list, names};
use rkt_api::layout::Phase;
use rkt_sim::{
    live::{
        Player, StepError,
        memory::Memory,
        record::{ActionKind, Record},
        step::Step,
    },
    spec::Image,
};
use serde_json::{Value, json};
use uuid::Uuid;

const ID: &str = "668ecca0-3487-4c27-9134-b769a546e375";

/// A host with a player on it.
struct Live {
    _tmp: tempfile::TempDir,
    player: Player,
}

impl Live {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let player = Player::open(tmp.path().join("rkt")).unwrap();
        Self { _tmp: tmp, player }
    }

    /// Tries a step about the one pod of these tests.
    fn try_play(&mut self, step: &str, more: Value) -> Result<Record, StepError> {
        let mut json = json!({"step": step, "pod": ID});
        let keys = json.as_object_mut().unwrap();
        keys.extend(more.as_object().cloned().unwrap_or_default());
        let step: Step = serde_json::from_value(json).unwrap();
        self.player.play(&step)
    }

    #[track_caller]
    fn play(&mut self, step: &str, more: Value) -> Record {
        self.try_play(step, more).unwrap()
    }

    #[track_caller]
    fn play_all(&mut self, steps: &[&str]) {
        for step in steps {
            self.play(step, Value::Null);
        }
    }

    /// Where the pod is, by the directory alone: it must be in one place.
    fn phases(&self) -> Vec<Phase> {
        let there = |phase: &Phase| self.dir_in(*phase).is_dir();
        Phase::ALL.into_iter().filter(there).collect()
    }

    fn dir_in(&self, phase: Phase) -> PathBuf {
        let pods = self.player.dir().join("pods");
        pods.join(phase.dir_name()).join(ID)
    }

    /// Checks where the pod is, whether it is locked, and that the player knows.
    #[track_caller]
    fn check(&self, phase: Phase, locked: bool) {
        assert_eq!(self.phases(), [phase]);
        assert_eq!(is_locked(&self.dir_in(phase)), locked);
        let id: Uuid = ID.parse().unwrap();
        let state = &self.player.state().pods[&id];
        assert_eq!((state.phase, state.locked), (phase, locked));
        let held = Memory::load(self.player.dir()).unwrap().unwrap_or_default();
        assert_eq!(held.held.contains(&id), locked);
    }

    /// The names in the pod's directory, with the ids of trees made readable.
    fn names(&self, phase: Phase) -> Vec<String> {
        let shown = names(&list(&self.dir_in(phase))).join("\n");
        let web = Image::new("example.com/web", "1");
        let shown = shown.replace(&Image::stage1().tree_store_id().unwrap(), "STAGE1");
        let shown = shown.replace(&web.tree_store_id().unwrap(), "WEB");
        shown.lines().map(str::to_owned).collect()
    }

    fn file(&self, phase: Phase, name: &str) -> String {
        fs::read_to_string(self.dir_in(phase).join(name)).unwrap()
    }
}

/// Whether some process holds an exclusive lock.
fn is_locked(dir: &Path) -> bool {
    match File::open(dir).unwrap().try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(error) => panic!("{error}"),
    }
}

/// What was done, as `kind path`, the pod's id shortened.
fn actions(record: &Record) -> Vec<String> {
    let action = |action: &rkt_sim::live::record::Action| {
        let kind = serde_json::to_value(action.action).unwrap();
        let path = action.path.replace(ID, "ID").replace("pods/", "");
        format!("{} {path}", kind.as_str().unwrap())
    };
    record.actions.iter().map(action).collect()
}

fn web() -> Value {
    json!({"apps": [{"name": "web", "image": "example.com/web:1"}]})
}

#[test]
fn a_pod_lives_from_embryo_to_nothing() {
    let mut live = Live::new();
    let record = live.play("create", Value::Null);
    assert_eq!(actions(&record), ["mkdir embryo/ID"]);
    live.check(Phase::Embryo, false);
    assert_eq!(live.names(Phase::Embryo), ["0750 ."]);

    let record = live.play("lock", Value::Null);
    assert_eq!(actions(&record), ["lock embryo/ID"]);
    live.check(Phase::Embryo, true);

    let record = live.play("prepare", Value::Null);
    assert_eq!(actions(&record), ["rename embryo/ID", "sync prepare"]);
    assert_eq!(
        record.actions[0].to.as_deref().unwrap(),
        format!("pods/prepare/{ID}")
    );
    live.check(Phase::Prepare, true);

    let record = live.play("write", web());
    let stage1 = Image::stage1().tree_store_id().unwrap();
    let shown = actions(&record).join("\n").replace(&stage1, "STAGE1");
    assert_eq!(
        shown.lines().collect::<Vec<_>>(),
        [
            "lock-shared locks/prepareLock",
            "write cas/treestorelocks/STAGE1",
            "lock cas/treestorelocks/STAGE1",
            "mkdir cas/tree/STAGE1",
            "write cas/tree/STAGE1/manifest",
            "mkdir cas/tree/STAGE1/rootfs",
            "mkdir cas/tree/STAGE1/rootfs/etc",
            "write cas/tree/STAGE1/rootfs/etc/os-release",
            "write cas/tree/STAGE1/hash",
            "write cas/tree/STAGE1/rendered",
            "write cas/tree/STAGE1/image",
            "close cas/treestorelocks/STAGE1",
            "mkdir prepare/ID/appsinfo",
            "mkdir prepare/ID/stage1",
            "write prepare/ID/stage1/manifest",
            "write prepare/ID/stage1TreeStoreID",
            "mkdir prepare/ID/stage1/rootfs",
            "mkdir prepare/ID/stage1/rootfs/opt",
            "mkdir prepare/ID/stage1/rootfs/opt/stage2",
            "mkdir prepare/ID/stage1/rootfs/rkt",
            "mkdir prepare/ID/stage1/rootfs/rkt/status",
            "mkdir prepare/ID/appsinfo/web",
            "write prepare/ID/appsinfo/web/manifest",
            "mkdir prepare/ID/stage1/rootfs/opt/stage2/web",
            "write prepare/ID/stage1/rootfs/opt/stage2/web/manifest",
            "mkdir prepare/ID/stage1/rootfs/opt/stage2/web/rootfs",
            "mkdir prepare/ID/stage1/rootfs/opt/stage2/web/rootfs/etc",
            "write prepare/ID/stage1/rootfs/opt/stage2/web/rootfs/etc/os-release",
            "write prepare/ID/pod.lck",
            "write prepare/ID/pod",
            "write prepare/ID/pod-created",
            "close locks/prepareLock",
        ]
    );
    live.check(Phase::Prepare, true);

    let record = live.play("prepared", Value::Null);
    assert_eq!(
        actions(&record),
        [
            "rename prepare/ID",
            "unlock prepared/ID",
            "close prepared/ID"
        ]
    );
    live.check(Phase::Prepared, false);

    let record = live.play("run", Value::Null);
    assert_eq!(actions(&record), ["lock prepared/ID", "rename prepared/ID"]);
    live.check(Phase::Run, true);

    let networks = json!({"networks": [{"name": "default", "ip": "172.16.28.2"}]});
    let record = live.play("start", networks);
    assert_eq!(
        actions(&record),
        [
            "write run/ID/net-info.json",
            "write run/ID/subcgroup",
            "write run/ID/pid"
        ]
    );
    assert_eq!(
        live.file(Phase::Run, "subcgroup"),
        r"machine.slice/machine-rkt\x2d668ecca0\x2d3487\x2d4c27\x2d9134\x2db769a546e375.scope"
    );
    let pid = format!("{}\n", std::process::id());
    assert_eq!(live.file(Phase::Run, "pid"), pid);

    let record = live.play("app-exit", json!({"app": "web", "code": 3}));
    assert_eq!(
        actions(&record),
        ["write run/ID/stage1/rootfs/rkt/status/web"]
    );
    let status = "stage1/rootfs/rkt/status/web";
    assert_eq!(live.file(Phase::Run, status), "3\n");
    live.check(Phase::Run, true);

    let record = live.play("exit", Value::Null);
    assert_eq!(actions(&record), ["close run/ID"]);
    live.check(Phase::Run, false);

    let record = live.play("mark", Value::Null);
    assert_eq!(actions(&record), ["rename run/ID"]);
    live.check(Phase::ExitedGarbage, false);

    live.play("lock", Value::Null);
    live.check(Phase::ExitedGarbage, true);
    let record = live.play("sweep", Value::Null);
    let swept = actions(&record);
    assert_eq!(swept[0], "remove-tree exited-garbage/ID/stage1/rootfs");
    assert_eq!(
        swept[swept.len() - 2..],
        ["rmdir exited-garbage/ID", "close exited-garbage/ID"]
    );
    assert_eq!(live.phases(), []);
    assert!(live.player.state().pods.is_empty());
    assert_eq!(live.player.steps(), 12);
}

#[test]
fn modes_are_those_of_a_host_written_at_once() {
    use rkt_sim::{
        host::Host,
        spec::{App, Network, Pod, Process, Started},
    };

    for overlay in [false, true] {
        let mut live = Live::new();
        live.play_all(&["create", "lock", "prepare"]);
        let mut write = web();
        write["overlay"] = overlay.into();
        live.play("write", write);
        live.play("run", Value::Null);
        live.play("start", json!({"networks": [{"name": "default"}]}));
        live.play("app-exit", json!({"app": "web", "code": 0}));

        let mut app = App::new("web", Image::new("example.com/web", "1"));
        app.exit_code = Some(0);
        let pod = Pod {
            apps: vec![app],
            overlay,
            networks: Some(vec![Network {
                name: "default".to_owned(),
                ip: None,
            }]),
            subcgroup: Some(String::new()),
            started: Some(Started {
                process: Process::Pid(1),
                at_ns: 0,
            }),
            ..Pod::new(ID.parse().unwrap(), Phase::Run)
        };
        let tmp = tempfile::tempdir().unwrap();
        let host = Host::create(tmp.path().join("rkt")).unwrap();
        host.write_pod(&pod).unwrap();
        let at_once = list(&host.pod_dir(&pod));
        let lived = list(&live.dir_in(Phase::Run));
        assert_eq!(names(&lived), names(&at_once), "overlay: {overlay}");
        for name in ["pod", "appsinfo/web/manifest", "net-info.json"] {
            assert_eq!(lived[name].content, at_once[name].content, "{name}");
        }
    }
}

#[test]
fn a_preparation_can_be_given_up_before_and_after_it_is_written() {
    for written in [false, true] {
        let mut live = Live::new();
        live.play_all(&["create", "lock", "prepare"]);
        if written {
            live.play("write", web());
        }
        let record = live.play("abort", Value::Null);
        assert_eq!(actions(&record), ["close prepare/ID"]);
        live.check(Phase::Prepare, false);
        live.play("mark", Value::Null);
        live.check(Phase::Garbage, false);
        live.play("sweep", Value::Null);
        assert_eq!(live.phases(), []);
    }
}

#[test]
fn prepared_pods_expire() {
    let mut live = Live::new();
    live.play_all(&["create", "lock", "prepare", "write", "prepared", "mark"]);
    live.check(Phase::Garbage, false);
    live.play("lock", Value::Null);
    live.play("unlock", Value::Null);
    live.check(Phase::Garbage, false);
}

#[test]
fn a_mutable_pod_gets_apps_while_it_runs() {
    for overlay in [false, true] {
        let mut live = Live::new();
        live.play_all(&["create", "lock", "prepare"]);
        live.play("write", json!({"mutable": true, "overlay": overlay}));
        live.play_all(&["run", "start"]);
        let app = web()["apps"][0].clone();
        live.play("app-add", json!({"app": app}));
        let exit = json!({"app": "web", "code": 1});
        assert!(live.try_play("app-exit", exit).is_err());
        live.play("app-start", json!({"app": "web"}));
        let start = json!({"app": "web"});
        assert!(live.try_play("app-start", start).is_err());
        live.play("app-exit", json!({"app": "web", "code": 1}));
        let rootfs = match overlay {
            false => "stage1/rootfs",
            true => "overlay/STAGE1/upper",
        };
        let names = live.names(Phase::Run);
        let has = |name: &str| names.contains(&format!("0644 {rootfs}/rkt/status/{name}"));
        for name in ["web", "web-created", "web-started"] {
            assert!(has(name), "{name}: {names:#?}");
        }
        assert!(live.file(Phase::Run, "pod").contains(r#""name":"web""#));
        // It starts anew, and so has no status any more.
        live.play("app-start", json!({"app": "web"}));
        let status = format!("0644 {rootfs}/rkt/status/web");
        assert!(!live.names(Phase::Run).contains(&status));
        assert!(live.try_play("app-add", json!({"app": app})).is_err());
    }
}

#[test]
fn what_cannot_follow_is_refused_and_changes_nothing() {
    let mut live = Live::new();
    let refused = |live: &mut Live, steps: &[&str]| {
        let before = list(live.player.dir());
        for step in steps {
            let more = match *step {
                "app-exit" => json!({"app": "web", "code": 0}),
                "app-start" => json!({"app": "web"}),
                "app-add" => json!({"app": {"name": "x", "image": "x:1"}}),
                _ => Value::Null,
            };
            let error = live.try_play(step, more).unwrap_err();
            assert!(matches!(error, StepError::Impossible { .. }), "{error}");
            assert!(error.to_string().starts_with(step), "{error}");
        }
        assert_eq!(list(live.player.dir()), before);
    };
    const ALL: &[&str] = &[
        "create",
        "lock",
        "unlock",
        "prepare",
        "write",
        "prepared",
        "abort",
        "run",
        "start",
        "app-add",
        "app-start",
        "app-exit",
        "exit",
        "mark",
        "sweep",
    ];
    let all_but = |live: &mut Live, possible: &[&str]| {
        let steps = ALL.iter().filter(|step| !possible.contains(step)).copied();
        refused(live, &steps.collect::<Vec<_>>());
    };
    all_but(&mut live, &["create"]);
    live.play_all(&["create"]);
    all_but(&mut live, &["lock"]);
    live.play_all(&["lock"]);
    all_but(&mut live, &["prepare", "unlock"]);
    live.play_all(&["prepare"]);
    all_but(&mut live, &["write", "abort", "unlock"]);
    live.play("write", web());
    all_but(&mut live, &["prepared", "run", "abort", "unlock"]);
    live.play_all(&["prepared"]);
    all_but(&mut live, &["run", "lock", "mark"]);
    live.play_all(&["run"]);
    all_but(&mut live, &["start", "exit"]);
    live.play_all(&["start"]);
    all_but(&mut live, &["app-exit", "exit"]);
    live.play_all(&["exit"]);
    all_but(&mut live, &["mark"]);
    live.play_all(&["mark"]);
    all_but(&mut live, &["sweep", "lock"]);
}

#[test]
fn names_that_are_no_file_names_and_twins_are_refused() {
    let mut live = Live::new();
    live.play_all(&["create", "lock", "prepare"]);
    let app = |name: &str| json!({"name": name, "image": "a:1"});
    for apps in [json!([app("../x")]), json!([app("a"), app("a")])] {
        let error = live.try_play("write", json!({"apps": apps})).unwrap_err();
        assert!(matches!(error, StepError::Impossible { .. }), "{error}");
    }
    assert_eq!(live.names(Phase::Prepare), ["0750 ."]);
}

#[test]
fn records_count_and_their_times_frame_the_actions() {
    let mut live = Live::new();
    let mut last_ns = 0;
    for (seq, step) in ["create", "lock", "prepare", "write", "run", "start", "exit"]
        .into_iter()
        .enumerate()
    {
        let record = live.play(step, Value::Null);
        assert_eq!(record.seq, seq as u64);
        assert_eq!(record.step.name(), step);
        let actions = record.actions.iter().map(|action| action.at_unix_ns);
        let times: Vec<_> = [last_ns, record.before_unix_ns]
            .into_iter()
            .chain(actions)
            .chain([record.after_unix_ns])
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        last_ns = record.after_unix_ns;
        // A refused step counts for nothing.
        assert!(live.try_play("create", Value::Null).is_err());
    }
}

#[test]
fn a_player_that_comes_later_knows_the_host_and_takes_its_locks() {
    let Live { _tmp, mut player } = {
        let mut live = Live::new();
        live.play_all(&["create", "lock", "prepare"]);
        let mut write = web();
        write["mutable"] = true.into();
        live.play("write", write);
        live.play_all(&["run", "start"]);
        live.play("app-start", json!({"app": "web"}));
        live.play("app-exit", json!({"app": "web", "code": 7}));
        live
    };
    let other = Step::Create {
        pod: Uuid::from_u128(1),
    };
    player.play(&other).unwrap();
    let (dir, mut state) = (player.dir().to_owned(), player.state().clone());
    drop(player);
    // It was another player that wrote the pod.
    let pod = state.pods.get_mut(&ID.parse().unwrap()).unwrap();
    assert!(std::mem::take(&mut pod.described));
    let run = dir.join("pods/run").join(ID);
    assert!(!is_locked(&run));

    let player = Player::open(&dir).unwrap();
    assert!(is_locked(&run));
    assert_eq!(player.state(), &state);
    let mut live = Live { _tmp, player };
    live.play_all(&["exit", "mark", "sweep"]);
    assert_eq!(live.phases(), []);
}

#[test]
fn what_the_disk_refuses_is_an_error_and_the_player_knows_what_is_there() {
    let mut live = Live::new();
    live.play_all(&["create", "lock", "prepare"]);
    // Somebody is in the way.
    fs::create_dir(live.dir_in(Phase::Prepared)).unwrap();
    fs::write(live.dir_in(Phase::Prepared).join("x"), "").unwrap();
    live.play("write", web());
    let error = live.try_play("prepared", Value::Null).unwrap_err();
    assert!(matches!(error, StepError::Disk { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("pods/prepare/668ecca0"), "{text}");
    fs::remove_dir_all(live.dir_in(Phase::Prepared)).unwrap();
    let record = live.play("prepared", Value::Null);
    assert_eq!(record.actions[0].action, ActionKind::Rename);
    live.check(Phase::Prepared, false);
}
