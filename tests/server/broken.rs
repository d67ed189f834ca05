//! Pods with a damaged file: every file that the server looks at, and some that it does not,
//! damaged in every way, in pods of every kind (S-14, P-15). Such a pod is still answered with
//! everything that does not hang on that file, the pods beside it are answered in full and at
//! once, and the log names each fault once.

mod damage;
mod expected;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use pretty_assertions::assert_eq;
use rkt_api::layout::pod as names;
use rkt_sim::{
    host::{Hold, Host},
    spec::{Image, Phase, Pod},
};
use serde_json::{Value, json};

use crate::{
    hosts::{self, CREATED_AT_NS, NO_PROCESS, STARTED_AT_NS, TempHost},
    json,
    support::{Client, Server, at_once, log_lines},
};
pub use damage::Damage;
use damage::{Damaged, set_modified};
use expected::Expected;

/// The modification time of the pod manifest, which counts where `pod-created` does not.
const WRITTEN_AT_NS: i64 = CREATED_AT_NS + 7_000_000_000;
/// The modification time of `ppid`, which counts where `pid` does not.
const PPID_AT_NS: i64 = STARTED_AT_NS + 7_000_000_000;
const PPID: i32 = NO_PROCESS + 1;

/// What kind of pod is damaged. All lie in `run/`.
#[derive(Clone, Copy)]
struct Kind {
    running: bool,
    overlay: bool,
}

impl Kind {
    fn pod(self, number: u32) -> Pod {
        Pod {
            locked: self.running,
            overlay: self.overlay,
            ..hosts::pod(number, Phase::Run)
        }
    }

    /// Writes a sound pod, with all files that can stand in for another.
    fn write(self, host: &TempHost, pod: &Pod) -> Option<Hold> {
        let hold = host.add(pod);
        let dir = host.pod_dir(pod);
        fs::write(dir.join(names::PPID), format!("{PPID}\n")).unwrap();
        for (file, time_ns) in [(names::MANIFEST, WRITTEN_AT_NS), (names::PPID, PPID_AT_NS)] {
            let time_ns = u64::try_from(time_ns).unwrap();
            set_modified(
                &dir.join(file),
                SystemTime::UNIX_EPOCH + Duration::from_nanos(time_ns),
            );
        }
        hold
    }

    fn stage1_rootfs(self) -> String {
        match self.overlay {
            true => names::stage1_overlay_rootfs(&stage1_tree()),
            false => names::STAGE1_ROOTFS.to_owned(),
        }
    }

    fn status(self, app: &str) -> String {
        names::app_status(&self.stage1_rootfs(), app)
    }

    /// The files and directories to damage.
    fn targets(self) -> Vec<String> {
        let rootfs = self.stage1_rootfs();
        let mut targets: Vec<String> = [
            names::MANIFEST,
            names::CREATED,
            names::PID,
            names::PPID,
            names::SUBCGROUP,
            names::NET_INFO,
            names::OVERLAY_PREPARED,
            names::STAGE1_TREE_STORE_ID,
            names::LOCK,
            names::STAGE1_MANIFEST,
            names::APPS_INFO,
            "appsinfo/web",
            "appsinfo/web/manifest",
            names::STAGE1,
        ]
        .map(str::to_owned)
        .into();
        if self.overlay {
            targets.extend(["overlay".to_owned(), format!("overlay/{}", stage1_tree())]);
        }
        targets.extend([
            rootfs.clone(),
            format!("{rootfs}/rkt"),
            format!("{rootfs}/rkt/status"),
            self.status("web"),
        ]);
        targets
    }
}

fn stage1_tree() -> String {
    Image::stage1().tree_store_id().unwrap()
}

/// A host with a pod to damage and a sound one, and elsewhere a pod that links out lead to.
struct Bench {
    kind: Kind,
    host: TempHost,
    dir: PathBuf,
    sound: Expected,
    other_dir: PathBuf,
    _holds: Vec<Hold>,
}

impl Bench {
    fn new(kind: Kind) -> Self {
        let host = TempHost::create();
        let [pod, sound] = [kind.pod(0), kind.pod(u32::MAX)];
        let holds = [&pod, &sound].map(|pod| kind.write(&host, pod));
        let other_host = Host::create(host.beside("other")).unwrap();
        let other = secret(kind.pod(0));
        other_host.write_pod(&other).unwrap();
        let other_dir = other_host.pod_dir(&other);
        for file in [names::PPID, names::OVERLAY_PREPARED] {
            fs::write(other_dir.join(file), "31337").unwrap();
        }
        Self {
            kind,
            dir: host.pod_dir(&pod),
            sound: Expected::sound(kind, &host.pod_dir(&sound)),
            host,
            other_dir,
            _holds: holds.into_iter().flatten().collect(),
        }
    }

    /// Every damage to every file.
    fn cases(&self) -> impl Iterator<Item = (String, Damage)> + use<> {
        let damages = |file: String| Damage::ALL.map(|damage| (file.clone(), damage));
        self.kind.targets().into_iter().flat_map(damages)
    }

    /// Makes the pod another one, with this number, and damages it.
    fn damage(&mut self, number: u32, file: &str, damage: Damage) -> (Expected, Vec<Damaged>) {
        let dir = self.dir.with_file_name(hosts::id(number).to_string());
        fs::rename(&self.dir, &dir).unwrap();
        let expected = Expected::sound(self.kind, &dir).after(self.kind, file, damage);
        let mut damaged = vec![damage.inflict(&dir, file, &self.other_dir)];
        if file == names::PPID {
            // As long as there is a pid, nobody asks for it.
            damaged.push(Damage::Missing.inflict(&dir, names::PID, &self.other_dir));
        }
        self.dir = dir;
        (expected, damaged)
    }
}

/// The pod, with another value wherever one would show.
fn secret(mut pod: Pod) -> Pod {
    pod.created_at_ns += 99;
    pod.started.as_mut().unwrap().at_ns += 99;
    pod.annotations = vec![("secret".to_owned(), "secret".to_owned())];
    pod.apps[0].image.name = "example.com/secret".to_owned();
    pod.apps[0].exit_code = Some(99);
    pod.apps[1].exit_code = Some(99);
    pod.subcgroup = Some("secret.slice".to_owned());
    pod
}

async fn check(kind: Kind) {
    let mut bench = Bench::new(kind);
    let server = Server::start(bench.host.dir(), &[]);
    let mut client = server.client().await;
    let mut cases = vec![];
    for (number, (file, damage)) in (1..).zip(bench.cases()) {
        let what = format!("{file} {damage:?}");
        let (expected, _damaged) = bench.damage(number, &file, damage);
        let id = expected.pod["id"].as_str().unwrap();
        for detail in [false, true] {
            let pod = inspect(&mut client, id, &what).await;
            assert_eq!(pod, expected.pod, "InspectPod: {what}");
            let pods = list(&mut client, detail, &what).await;
            let both = [&expected, &bench.sound].map(|pod| pod.listed(detail));
            assert_eq!(pods, both, "ListPods: {what}");
        }
        cases.push((what, expected));
    }
    drop(client);

    let mut logged = faults(&server.end().await);
    for (what, mut expected) in cases {
        let id = expected.pod["id"].as_str().unwrap();
        let mut logged = logged.remove(id).unwrap_or_default();
        logged.sort();
        expected.faults.sort();
        assert_eq!(logged, expected.faults, "logged: {what}");
    }
    assert_eq!(logged, BTreeMap::new());
}

/// The dialect of rkt 1.30.0 looks at more; no damage costs it a pod either.
#[tokio::test]
async fn in_the_dialect_of_rkt() {
    let mut bench = Bench::new(Kind {
        running: false,
        overlay: true,
    });
    let server = Server::start(bench.host.dir(), &["--dialect=rkt-1.30"]);
    let mut client = server.client().await;
    for (number, (file, damage)) in (1..).zip(bench.cases()) {
        let what = format!("{file} {damage:?}");
        let (expected, _damaged) = bench.damage(number, &file, damage);
        let pods = list(&mut client, true, &what).await;
        assert_eq!(pods.len(), 2, "{what}");
        let id = expected.pod["id"].as_str().unwrap();
        assert_eq!(pods[0], inspect(&mut client, id, &what).await, "{what}");
        for field in ["id", "state", "manifest", "created_at", "started_at"] {
            assert_eq!(pods[0][field], expected.pod[field], "{what}: {field}");
        }
        let text = pods[0].to_string();
        assert!(!text.contains("secret"), "{what}: {text}");
    }
}

async fn inspect(client: &mut Client, id: &str, what: &str) -> Value {
    let request = json!({"id": id});
    let answer = at_once(what, json::call(client, "InspectPod", &request)).await;
    answer.unwrap_or_else(|status| panic!("{what}: {status}"))["pod"].take()
}

async fn list(client: &mut Client, detail: bool, what: &str) -> Vec<Value> {
    let request = json!({"detail": detail});
    let answer = at_once(what, json::call(client, "ListPods", &request)).await;
    let mut answer = answer.unwrap_or_else(|status| panic!("{what}: {status}"));
    serde_json::from_value(answer["pods"].take()).unwrap()
}

/// The faults that a log tells: of each pod, the files.
fn faults(log: &str) -> BTreeMap<String, Vec<String>> {
    let mut faults = BTreeMap::<String, Vec<String>>::new();
    for line in log_lines(log) {
        if line["level"] == "WARN" || line["level"] == "ERROR" {
            let field = |name: &str| line["fields"][name].as_str().unwrap_or_default().to_owned();
            faults.entry(field("pod")).or_default().push(field("file"));
        }
    }
    faults
}

#[tokio::test]
async fn a_running_pod_with_a_damaged_file() {
    check(Kind {
        running: true,
        overlay: false,
    })
    .await;
}

#[tokio::test]
async fn an_exited_pod_with_a_damaged_file() {
    check(Kind {
        running: false,
        overlay: false,
    })
    .await;
}

#[tokio::test]
async fn a_running_pod_on_overlayfs_with_a_damaged_file() {
    check(Kind {
        running: true,
        overlay: true,
    })
    .await;
}

#[tokio::test]
async fn an_exited_pod_on_overlayfs_with_a_damaged_file() {
    check(Kind {
        running: false,
        overlay: true,
    })
    .await;
}
