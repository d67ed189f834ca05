//! Pods with a damaged file: every file that the server looks at, and some that it does not,
//! damaged in every way, in pods of every kind (S-14, P-15). Such a pod is still answered with
//! everything that does not hang on that file, the pods beside it are answered in full and at
//! once, and the log names each fault once.

use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use pretty_assertions::assert_eq;
use rkt_api::layout::pod as names;
use rkt_sim::{
    host::{Hold, Host},
    spec::{Image, Phase, Pod},
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::{
    hosts::{self, CREATED_AT_NS, NO_PROCESS, STARTED_AT_NS, TempHost},
    json,
    support::{Client, Server, at_once, log_lines},
};

/// The modification time of the pod manifest, which counts where `pod-created` does not.
const WRITTEN_AT_NS: i64 = CREATED_AT_NS + 7_000_000_000;
/// The modification time of `ppid`, which counts where `pid` does not.
const PPID_AT_NS: i64 = STARTED_AT_NS + 7_000_000_000;
const PPID: i32 = NO_PROCESS + 1;

/// What becomes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Missing,
    Directory,
    Fifo,
    /// A link to a sound file outside of the data directory.
    LinkOut,
    RelativeLinkOut,
    /// A link to the file itself, which has another name now.
    LinkWithin,
    Empty,
    /// The first half is left.
    Truncated,
    NotUtf8,
    /// JSON nested 100,000 deep.
    Nested,
    /// 1 GiB of zeros that take no space.
    Sparse,
}

use Damage::{
    Directory, Empty, Fifo, LinkOut, LinkWithin, Missing, Nested, NotUtf8, RelativeLinkOut, Sparse,
    Truncated,
};

impl Damage {
    pub const ALL: [Self; 11] = [
        Missing,
        Directory,
        Fifo,
        LinkOut,
        RelativeLinkOut,
        LinkWithin,
        Empty,
        Truncated,
        NotUtf8,
        Nested,
        Sparse,
    ];

    fn is_link(self) -> bool {
        matches!(self, LinkOut | RelativeLinkOut | LinkWithin)
    }

    /// Whether something is left, but no regular file.
    fn is_odd(self) -> bool {
        self.is_link() || matches!(self, Directory | Fifo)
    }

    fn is_regular(self) -> bool {
        !self.is_odd() && self != Missing
    }

    /// Damages `dir/file`; links out lead to `other_dir/file`. A regular file keeps its time.
    pub fn inflict(self, dir: &Path, file: &str, other_dir: &Path) -> Damaged {
        let path = &dir.join(file);
        let existed = path.exists();
        if !existed {
            fs::write(path, "").unwrap();
        }
        let modified = path.metadata().unwrap().modified().unwrap();
        let half = match fs::read(path) {
            Ok(content) => content[..content.len() / 2].to_owned(),
            Err(_) => vec![],
        };
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).unwrap();
        let depth = dir.components().count() + Path::new(file).components().count() - 1;
        let to_root = "../".repeat(depth - 1);
        match self {
            Missing => {}
            Directory => fs::create_dir(path).unwrap(),
            Fifo => mknodat(CWD, path, FileType::Fifo, Mode::from(0o644), 0).unwrap(),
            LinkOut => symlink(other_dir.join(file), path).unwrap(),
            RelativeLinkOut => {
                let other = other_dir.join(file);
                let other = other.strip_prefix("/").unwrap();
                symlink(Path::new(&to_root).join(other), path).unwrap();
            }
            LinkWithin => symlink(aside.file_name().unwrap(), path).unwrap(),
            Empty => fs::write(path, "").unwrap(),
            Truncated => fs::write(path, half).unwrap(),
            NotUtf8 => fs::write(path, b"\xff\xfe\n").unwrap(),
            Nested => fs::write(path, "[".repeat(100_000)).unwrap(),
            Sparse => File::create(path).unwrap().set_len(1 << 30).unwrap(),
        }
        if self.is_link() {
            assert!(path.exists(), "{self:?} {file} dangles");
        }
        if self.is_regular() {
            set_modified(path, modified);
        }
        Damaged {
            path: path.clone(),
            aside,
            existed,
        }
    }
}

/// Something that is damaged. Made good when dropped.
#[must_use = "the damage is made good when this is dropped"]
pub struct Damaged {
    path: PathBuf,
    aside: PathBuf,
    existed: bool,
}

impl Drop for Damaged {
    fn drop(&mut self) {
        let remove = |path: &Path| match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => fs::remove_dir(path).unwrap(),
            Ok(_) => fs::remove_file(path).unwrap(),
            Err(_) => {}
        };
        remove(&self.path);
        match self.existed {
            true => fs::rename(&self.aside, &self.path).unwrap(),
            false => remove(&self.aside),
        }
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

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

/// What is expected of a pod.
struct Expected {
    pod: Value,
    /// The files that the log names.
    faults: Vec<String>,
}

impl Expected {
    /// What InspectPod answers of the pod in `dir` as long as it is sound.
    fn sound(kind: Kind, dir: &Path) -> Self {
        let id = dir.file_name().and_then(|name| name.to_str());
        let manifest = fs::read(dir.join(names::MANIFEST)).unwrap();
        let image = |name: &str, version: &str, id: &str, format: (&str, &str)| {
            json!({
                "base_format": {"type": format.0, "version": format.1},
                "id": id, "name": name, "version": version,
                "import_timestamp": "0", "manifest": "", "size": "0",
                "annotations": [], "labels": [],
            })
        };
        let app_state = |running| match running {
            true => "APP_STATE_RUNNING",
            false => "APP_STATE_EXITED",
        };
        let apps = kind.pod(0).apps;
        let [web, db] = [0, 1].map(|i: usize| apps[i].image.blob_key().unwrap());
        let pod = json!({
            "id": id,
            "pid": NO_PROCESS,
            "state": match kind.running {
                true => "POD_STATE_RUNNING",
                false => "POD_STATE_EXITED",
            },
            "apps": [
                {
                    "name": "web",
                    "image": image("example.com/web", "1.2", &web, ("IMAGE_TYPE_DOCKER", "2")),
                    "state": "APP_STATE_EXITED",
                    "exit_code": 37,
                    "annotations": [{"Key": "role", "value": "front"}],
                },
                {
                    "name": "db",
                    "image": image("coreos.com/etcd", "v3.1.0", &db, ("IMAGE_TYPE_APPC", "0.8.11")),
                    "state": app_state(kind.running),
                    "exit_code": 0,
                    "annotations": [],
                },
            ],
            "networks": match kind.running {
                true => json!([{"name": "default", "ipv4": "172.16.28.2", "ipv6": ""}]),
                false => json!([]),
            },
            "manifest": json::bytes(manifest),
            "annotations": [{"Key": "color", "value": "green"}],
            "cgroup": if kind.running { "/machine.slice/sound.scope" } else { "" },
            "created_at": CREATED_AT_NS.to_string(),
            "started_at": STARTED_AT_NS.to_string(),
            "gc_marked_at": "0",
        });
        let faults = vec![];
        Self { pod, faults }
    }

    /// What follows from damage to a file: what InspectPod does not know any more, and what
    /// is logged.
    fn after(mut self, kind: Kind, file: &str, damage: Damage) -> Self {
        let pod = &mut self.pod;
        let rootfs = kind.stage1_rootfs();
        let mut faults = vec![];
        let mut fault_if = |faulty: bool| faults.extend(faulty.then(|| file.to_owned()));
        match file {
            names::MANIFEST => {
                pod["manifest"] = json!("");
                pod["apps"] = json!([]);
                pod["annotations"] = json!([]);
                fault_if(true);
            }
            names::CREATED => {
                if !damage.is_regular() {
                    pod["created_at"] = json!(WRITTEN_AT_NS.to_string());
                }
                fault_if(damage.is_odd());
            }
            names::PID => {
                pod["pid"] = json!(match damage {
                    Truncated => 10737,
                    _ => PPID,
                });
                if !damage.is_regular() {
                    pod["started_at"] = json!(PPID_AT_NS.to_string());
                }
                fault_if(!matches!(damage, Missing | Truncated));
            }
            names::PPID => {
                pod["pid"] = json!(if damage == Truncated { 10737 } else { 0 });
                pod["started_at"] = match damage.is_regular() {
                    true => json!(PPID_AT_NS.to_string()),
                    false => json!("0"),
                };
                fault_if(!matches!(damage, Missing | Truncated));
            }
            names::SUBCGROUP if kind.running => {
                // The process that is noted does not exist, so there is nothing else to go by.
                pod["cgroup"] = json!(match damage {
                    Empty => "/",
                    Truncated => "/machine.slic",
                    _ => "",
                });
                fault_if(!matches!(damage, Missing | Empty | Truncated));
            }
            names::NET_INFO => {
                pod["networks"] = json!([]);
                fault_if(damage != Missing);
            }
            names::OVERLAY_PREPARED => {
                // The status files are where overlayfs is, or is not.
                if damage.is_regular() != kind.overlay {
                    lose_status(pod, kind);
                }
                fault_if(damage.is_odd());
            }
            names::STAGE1_TREE_STORE_ID if kind.overlay => {
                lose_status(pod, kind);
                // Half an id leads nowhere, and no status file is no news.
                fault_if(damage != Truncated);
            }
            _ if file.starts_with("appsinfo") => {
                lose_image(&mut pod["apps"][0]);
                faults.push(names::app_image_manifest("web"));
                if file == "appsinfo" {
                    lose_image(&mut pod["apps"][1]);
                    faults.push(names::app_image_manifest("db"));
                }
            }
            _ if kind.status("web") == file => {
                match damage {
                    Truncated => pod["apps"][0]["exit_code"] = json!(3),
                    _ if damage.is_regular() => pod["apps"][0]["exit_code"] = json!(0),
                    _ => lose_status(pod, kind),
                }
                fault_if(damage.is_odd() || matches!(damage, Nested | Sparse));
            }
            _ if Path::new(&rootfs).starts_with(file) || file.starts_with(&rootfs) => {
                lose_status(pod, kind);
                if damage.is_link() {
                    faults.extend(["web", "db"].map(|app| kind.status(app)));
                }
            }
            // The server has no need of it.
            _ => {}
        }
        self.faults = faults;
        self
    }

    /// What ListPods answers of the pod that InspectPod answers.
    fn listed(&self, detail: bool) -> Value {
        let mut pod = self.pod.clone();
        if !detail {
            pod["manifest"] = json!("");
            pod["apps"] = json!([]);
        }
        for app in pod["apps"].as_array_mut().unwrap() {
            app["state"] = json!("APP_STATE_UNDEFINED");
            app["exit_code"] = json!(0);
        }
        pod
    }
}

fn lose_status(pod: &mut Value, kind: Kind) {
    pod["apps"][0]["exit_code"] = json!(0);
    if kind.running {
        pod["apps"][0]["state"] = json!("APP_STATE_RUNNING");
    }
}

fn lose_image(app: &mut Value) {
    app["image"]["name"] = json!("");
    app["image"]["version"] = json!("");
    app["image"]["base_format"] = json!({"type": "IMAGE_TYPE_APPC", "version": "0.8.11"});
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
            damaged.push(Missing.inflict(&dir, names::PID, &self.other_dir));
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
