//! Data directories with something missing, with something more, and with what may not be
//! read; and pods whose process is not what it should be.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    io::{BufRead as _, BufReader},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use pretty_assertions::assert_eq;
use rkt_sim::spec::{Phase, Pod, Process, Started};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    hosts::{self, NO_PROCESS, STARTED_AT_NS, TempHost, serve_unprivileged},
    json,
    support::{Client, Server, at_once},
};

async fn list(client: &mut Client, method: &str, field: &str) -> Vec<Value> {
    let request = json!({"detail": true});
    let answer = json::call(client, method, &request);
    let mut answer = at_once(method, answer).await.unwrap();
    serde_json::from_value(answer[field].take()).unwrap()
}

async fn inspect(client: &mut Client, id: &str) -> Result<Value, tonic::Status> {
    let request = json!({"id": id});
    let answer = json::call(client, "InspectPod", &request);
    at_once("InspectPod", answer)
        .await
        .map(|mut answer| answer["pod"].take())
}

/// Things that may be missing while the server runs. Then there is nothing in them.
#[tokio::test]
async fn what_is_missing_holds_nothing() {
    for (missing, pods_left) in [
        ("pods/embryo", 5),
        ("pods/prepare", 5),
        ("pods/prepared", 5),
        ("pods/run", 5),
        ("pods/exited-garbage", 5),
        ("pods/garbage", 5),
        ("pods", 0),
        ("cas/db/ql.db", 6),
        ("cas/db", 6),
        ("cas", 6),
        ("locks", 6),
        ("", 0),
    ] {
        let host = TempHost::create();
        for (number, phase) in (1..).zip(Phase::ALL) {
            host.write_pod(&hosts::pod(number, phase)).unwrap();
        }
        let server = Server::start(host.dir(), &[]);
        let mut client = server.client().await;
        assert_eq!(list(&mut client, "ListPods", "pods").await.len(), 6);
        assert_eq!(list(&mut client, "ListImages", "images").await.len(), 0);

        let path = host.dir().join(missing);
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
        let pods = list(&mut client, "ListPods", "pods").await;
        assert_eq!(pods.len(), pods_left, "without {missing:?}");
        let images = list(&mut client, "ListImages", "images").await;
        assert_eq!(images.len(), 0, "without {missing:?}");
        drop(client);

        // And where it is missing from the start.
        if !missing.is_empty() {
            let log = server.end().await;
            assert!(!log.contains("WARN"), "without {missing:?}: {log}");
            let server = Server::start(host.dir(), &[]);
            let mut client = server.client().await;
            let pods = list(&mut client, "ListPods", "pods").await;
            assert_eq!(pods.len(), pods_left, "started without {missing:?}");
            let images = list(&mut client, "ListImages", "images").await;
            assert_eq!(images.len(), 0, "started without {missing:?}");
        }
    }
}

/// S-12: what is no directory, or not named by a lower-case UUID with dashes.
#[tokio::test]
async fn entries_that_are_no_pods() {
    let host = TempHost::create();
    for (number, phase) in (1..).zip(Phase::ALL) {
        host.write_pod(&hosts::pod(number, phase)).unwrap();
    }
    let other = TempHost::create();
    let pod_elsewhere = hosts::pod(0xaa, Phase::Run);
    other.write_pod(&pod_elsewhere).unwrap();
    let pod_elsewhere = other.pod_dir(&pod_elsewhere);

    let id = |number: u32| hosts::id(number).to_string();
    let make_dir = |path: &Path| fs::create_dir(path).unwrap();
    let write = |path: &Path| fs::write(path, "").unwrap();
    let link_elsewhere = |path: &Path| symlink(&pod_elsewhere, path).unwrap();
    let link_to_pod = |path: &Path| symlink(id(4), path).unwrap();
    let dangle = |path: &Path| symlink("nowhere", path).unwrap();
    let fifo = |path: &Path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from(0o644), 0).unwrap();
    };
    type Make<'a> = &'a dyn Fn(&Path);
    let entries: [(Vec<u8>, Make); 14] = [
        (id(0xa1).into(), &write),
        (id(0xa2).into(), &link_elsewhere),
        (id(0xa3).into(), &link_to_pod),
        (id(0xa4).into(), &dangle),
        (id(0xa5).into(), &fifo),
        (id(0xa6).to_uppercase().into(), &make_dir),
        (id(0xa7).replace('-', "").into(), &make_dir),
        (format!("{{{}}}", id(0xa8)).into(), &make_dir),
        (format!("{}.tmp", id(0xa9)).into(), &make_dir),
        (format!(" {}", id(0xaa)).into(), &make_dir),
        ("lost+found".into(), &make_dir),
        (".hidden".into(), &write),
        (b"\xff\xfe".into(), &make_dir),
        (b"line\nbreak".into(), &write),
    ];
    for phase in Phase::ALL {
        for (name, make) in &entries {
            make(&host.phase_dir(phase).join(OsStr::from_bytes(name)));
        }
    }

    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    for _ in 0..3 {
        let pods = list(&mut client, "ListPods", "pods").await;
        let ids: Vec<_> = pods.iter().map(|pod| pod["id"].as_str().unwrap()).collect();
        assert_eq!(ids, (1..=6).map(id).collect::<Vec<_>>());
        for number in 0xa1..=0xaa {
            let error = inspect(&mut client, &id(number)).await.unwrap_err();
            assert_eq!(error.code(), Code::NotFound, "{number:x}: {error}");
        }
        let error = inspect(&mut client, "000000a").await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{error}");
        for number in 1..=6 {
            inspect(&mut client, &id(number)).await.unwrap();
        }
    }
    drop(client);
    let log = server.end().await;
    let passed_over = log.matches("passing over").count();
    assert_eq!(passed_over, entries.len() * Phase::ALL.len(), "{log}");
}

/// One id in every phase directory: the first counts, wherever one asks.
#[tokio::test]
async fn one_id_in_several_phases() {
    let host = TempHost::create();
    for phase in Phase::ALL {
        host.write_pod(&hosts::pod(1, phase)).unwrap();
    }
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    for (phase, state) in Phase::ALL.iter().zip([
        "POD_STATE_EMBRYO",
        "POD_STATE_ABORTED_PREPARE",
        "POD_STATE_PREPARED",
        "POD_STATE_EXITED",
        "POD_STATE_GARBAGE",
        "POD_STATE_GARBAGE",
    ]) {
        let pods = list(&mut client, "ListPods", "pods").await;
        assert_eq!(pods.len(), 1, "{phase}");
        assert_eq!(pods[0]["state"], state);
        let pod = inspect(&mut client, "00000001").await.unwrap();
        assert_eq!(pod["state"], state);
        fs::remove_dir_all(host.phase_dir(*phase).join(hosts::id(1).to_string())).unwrap();
    }
    assert_eq!(list(&mut client, "ListPods", "pods").await.len(), 0);
}

/// A pod's directory that may not be opened, one that may not be searched, and files that may
/// not be read. For an ordinary user: nothing keeps root out.
#[tokio::test]
async fn what_may_not_be_read() {
    let host = TempHost::create();
    let mut holds = vec![];
    for (number, phase) in (1..).zip(Phase::ALL) {
        holds.extend(host.add(&hosts::pod(number, phase)));
    }
    let closed = Pod {
        locked: true,
        ..hosts::pod(0x10, Phase::Run)
    };
    let unsearchable = hosts::pod(0x11, Phase::Run);
    let unreadable = hosts::pod(0x12, Phase::Run);
    for pod in [&closed, &unsearchable, &unreadable] {
        holds.extend(host.add(pod));
    }
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let server = serve_unprivileged(&host, &[]);
    let mut client = server.client().await;
    let sound = list(&mut client, "ListPods", "pods").await;
    assert_eq!(sound.len(), 9);

    let embryo = host.phase_dir(Phase::Embryo).join(hosts::id(1).to_string());
    let prepared = host
        .phase_dir(Phase::Prepared)
        .join(hosts::id(3).to_string());
    set_mode(&embryo, 0);
    set_mode(&prepared, 0);
    set_mode(&host.pod_dir(&closed), 0);
    set_mode(&host.pod_dir(&unsearchable), 0o440);
    for file in ["pod", "pid", "net-info.json", "appsinfo/web/manifest"] {
        set_mode(&host.pod_dir(&unreadable).join(file), 0);
    }
    set_mode(
        &host
            .pod_dir(&unreadable)
            .join("stage1/rootfs/rkt/status/web"),
        0,
    );

    for _ in 0..2 {
        let pods = list(&mut client, "ListPods", "pods").await;
        assert_eq!(pods.len(), 9);
        for (pod, sound) in pods.iter().zip(&sound) {
            let id = pod["id"].as_str().unwrap();
            let inspected = inspect(&mut client, id).await.unwrap();
            let state = match id {
                // Its lock cannot be probed.
                _ if id == closed.id.to_string() => "POD_STATE_UNDEFINED",
                _ => sound["state"].as_str().unwrap(),
            };
            assert_eq!(pod["state"], state, "{id}");
            assert_eq!(inspected["state"], state, "{id}");
        }
    }
    let closed = inspect(&mut client, "00000010").await.unwrap();
    assert_eq!(closed["apps"], json!([]));
    assert_eq!(closed["created_at"], "0");
    let unsearchable = inspect(&mut client, "00000011").await.unwrap();
    assert_eq!(unsearchable["state"], "POD_STATE_EXITED");
    assert_eq!(unsearchable["manifest"], "");
    let unreadable = inspect(&mut client, "00000012").await.unwrap();
    assert_eq!(unreadable["manifest"], "");
    assert_eq!(unreadable["pid"], 0);
    // Its time may be known all the same.
    assert_eq!(unreadable["started_at"], STARTED_AT_NS.to_string());
    drop(client);

    let log = server.end().await;
    let named = |number: u32| log.matches(&hosts::id(number).to_string()).count();
    assert_eq!(named(1), 1, "{log}");
    assert_eq!(named(3), 1, "{log}");
    assert_eq!(named(0x10), 1, "{log}");
    for phase in Phase::ALL {
        for entry in fs::read_dir(host.phase_dir(phase)).unwrap() {
            set_mode(&entry.unwrap().path(), 0o750);
        }
    }
}

/// A process with some children, each of which waits to be killed.
struct Parent(Child);

impl Parent {
    fn of(children: usize) -> Self {
        let children = "sleep 600 & ".repeat(children);
        // In a group of its own, which it ends once its input has ended.
        let script = format!("{children} echo ready; read _; kill 0");
        let mut parent = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = parent.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n");
        Self(parent)
    }

    fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// P-6: a running pod without `subcgroup`, whose cgroup is that of its process, if that can be
/// known at once.
#[tokio::test]
async fn processes_that_are_not_there() {
    let [none, one, two] = [0, 1, 2].map(Parent::of);
    let ours = own_cgroup();
    let cases = [
        ("no process noted", None, (0, "")),
        (
            "a process",
            Some(Process::Pid(none.pid())),
            (none.pid(), &*ours),
        ),
        (
            "a process that is not there",
            Some(Process::Pid(NO_PROCESS)),
            (NO_PROCESS, ""),
        ),
        (
            "a parent without child",
            Some(Process::Ppid(none.pid())),
            (none.pid(), ""),
        ),
        (
            "a parent of one",
            Some(Process::Ppid(one.pid())),
            (one.pid(), &ours),
        ),
        (
            "a parent of two",
            Some(Process::Ppid(two.pid())),
            (two.pid(), ""),
        ),
        (
            "a parent that is not there",
            Some(Process::Ppid(NO_PROCESS)),
            (NO_PROCESS, ""),
        ),
        ("no number of a process", Some(Process::Pid(0)), (0, "")),
        ("a negative number", Some(Process::Pid(-1)), (0, "")),
    ];
    let host = TempHost::create();
    let mut holds = vec![];
    for (number, (_, process, _)) in (1..).zip(&cases) {
        let started = process.map(|process| Started {
            process,
            at_ns: STARTED_AT_NS,
        });
        let pod = Pod {
            locked: true,
            subcgroup: None,
            started,
            ..hosts::pod(number, Phase::Run)
        };
        holds.extend(host.add(&pod));
    }
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let pods = list(&mut client, "ListPods", "pods").await;
    assert_eq!(pods.len(), cases.len());
    for (pod, (what, process, (pid, cgroup))) in pods.iter().zip(cases) {
        let started_at = process.map_or(0, |_| STARTED_AT_NS).to_string();
        assert_eq!(pod["state"], "POD_STATE_RUNNING", "{what}");
        assert_eq!(pod["pid"], pid, "{what}");
        assert_eq!(pod["cgroup"], cgroup, "{what}");
        assert_eq!(pod["started_at"], started_at, "{what}");
        let inspected = inspect(&mut client, pod["id"].as_str().unwrap()).await;
        assert_eq!(inspected.unwrap()["cgroup"], cgroup, "{what}");
    }
}

/// The cgroup of this process and its children, as far as the API would show it.
fn own_cgroup() -> String {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap();
    let of = |line: &str| line.rsplit_once(':').map(|(_, path)| path.to_owned());
    let lines: Vec<_> = text.lines().collect();
    let named = lines.iter().find(|line| line.contains("name=systemd:"));
    let path = match (named, &lines[..]) {
        (Some(line), _) => of(line),
        (None, [line]) if line.starts_with("0::") => of(line),
        _ => None,
    };
    let path = path.unwrap_or_default();
    path.strip_suffix("/init.scope").unwrap_or(&path).to_owned()
}
