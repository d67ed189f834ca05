//! The server is read only (W-5): it serves as an ordinary user who may read the data
//! directory, no call changes anything in it, and no lock stays behind.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{GetLogsRequest, ListenEventsRequest},
    layout,
};
use rkt_sim::spec::{Image, Phase, Pod};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::{
    hosts::{self, TempHost, serve_unprivileged},
    json,
    support::{Client, Server, eventually},
};

/// All of a file or directory but when it was last read.
#[derive(Debug, PartialEq)]
pub struct Entry {
    mode: u32,
    owner: (u32, u32),
    inode: u64,
    links: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    content: Content,
}

#[derive(Debug, PartialEq)]
enum Content {
    Bytes(Vec<u8>),
    Target(PathBuf),
    Other,
}

/// Everything at and below `root`.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut tree = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            let children = fs::read_dir(&path).unwrap();
            pending.extend(children.map(|child| child.unwrap().path()));
        }
        let content = match meta.file_type() {
            kind if kind.is_file() => Content::Bytes(fs::read(&path).unwrap()),
            kind if kind.is_symlink() => Content::Target(fs::read_link(&path).unwrap()),
            _ => Content::Other,
        };
        let entry = Entry {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            inode: meta.ino(),
            links: meta.nlink(),
            size_bytes: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            content,
        };
        tree.insert(path, entry);
    }
    tree
}

/// Writes a pod in each phase, locked and not, some of them broken, and things that are none.
fn write(host: &TempHost) -> Vec<rkt_sim::host::Hold> {
    host.write_images(&images()).unwrap();
    let mut holds = vec![];
    let mut pods = vec![];
    for (number, phase) in (1..).zip(Phase::ALL) {
        for (locked, overlay) in [(false, false), (true, true)] {
            let pod = Pod {
                locked,
                overlay,
                ..hosts::pod(number << 8 | u32::from(locked), phase)
            };
            holds.extend(host.add(&pod));
            pods.push(host.pod_dir(&pod));
        }
    }
    let running = host.phase_dir(Phase::Run);
    let [exited, on_overlayfs] = [6, 7].map(|at: usize| &pods[at]);
    assert!(exited.starts_with(&running) && on_overlayfs.starts_with(&running));
    fs::write(exited.join("pod"), "{").unwrap();
    fs::remove_file(exited.join("pid")).unwrap();
    symlink("/etc/passwd", exited.join("pid")).unwrap();
    fs::remove_file(on_overlayfs.join("net-info.json")).unwrap();
    let fifo = on_overlayfs.join("net-info.json");
    mknodat(CWD, fifo, FileType::Fifo, Mode::from(0o640), 0).unwrap();
    symlink(exited, running.join(hosts::id(99).to_string())).unwrap();
    fs::create_dir(running.join("no-pod")).unwrap();
    holds
}

/// The images of the pods' apps.
fn images() -> Vec<Image> {
    let apps = hosts::pod(0, Phase::Run).apps;
    apps.into_iter().map(|app| app.image).collect()
}

/// The requests: every field of every filter, and what is an error.
fn requests() -> Vec<(&'static str, Value)> {
    let pair = json!({"Key": "color", "value": "green"});
    let pod_filters = [
        json!({}),
        json!({"ids": [hosts::id(0x400).to_string()]}),
        json!({"states": ["POD_STATE_RUNNING", "POD_STATE_EXITED"]}),
        json!({"states": [99]}),
        json!({"app_names": ["web"]}),
        json!({"image_ids": ["sha512-00"]}),
        json!({"network_names": ["default"]}),
        json!({"annotations": [pair]}),
        json!({"cgroups": ["/machine.slice/sound.scope"]}),
        json!({"pod_sub_cgroups": ["/machine.slice/sound.scope/system.slice/web.service"]}),
        json!({"app_names": ["web", "db"], "network_names": ["default"]}),
    ];
    let image_filters = [
        json!({}),
        json!({"ids": ["sha512-00"]}),
        json!({"prefixes": ["coreos.com"]}),
        json!({"base_names": ["etcd"]}),
        json!({"keywords": ["e"]}),
        json!({"labels": [pair]}),
        json!({"imported_after": "1", "imported_before": "1600000000"}),
        json!({"annotations": [pair]}),
        json!({"full_names": ["coreos.com/etcd"]}),
    ];
    let mut requests = vec![("GetInfo", json!({}))];
    for (method, filters) in [
        ("ListPods", &pod_filters[..]),
        ("ListImages", &image_filters),
    ] {
        for detail in [false, true] {
            requests.push((method, json!({"detail": detail})));
            for filter in filters {
                requests.push((method, json!({"detail": detail, "filters": [filter]})));
            }
        }
        requests.push((method, json!({"filters": filters})));
    }
    let mut pod_ids = vec!["00000004".to_owned(), "000003".to_owned()];
    for number in 1..=6 {
        pod_ids.extend([0, 1].map(|locked| hosts::id(number << 8 | locked).to_string()));
    }
    let wrong = ["", "zzz", "0", "ffff", "../run", &hosts::id(99).to_string()].map(str::to_owned);
    for id in pod_ids.into_iter().chain(wrong) {
        requests.push(("InspectPod", json!({"id": id})));
    }
    for image in images() {
        let key = image.blob_key().unwrap();
        requests.push(("InspectImage", json!({"id": key[..12]})));
        requests.push(("InspectImage", json!({"id": key})));
    }
    for id in ["", "sha512-", "sha512-00", "../../../etc/passwd"] {
        requests.push(("InspectImage", json!({"id": id})));
    }
    requests
}

/// Calls everything, and looks for changes after each call.
async fn check(server: &Server, host: &TempHost) {
    let before = tree(host.dir());
    let mut client = server.client().await;
    let (mut answers, mut errors) = (0, 0);
    for (method, request) in requests() {
        match json::call(&mut client, method, &request).await {
            Ok(_) => answers += 1,
            Err(_) => errors += 1,
        }
        unchanged(&before, host.dir(), &format!("{method} {request}"));
    }
    assert!(
        answers > 50 && errors > 5,
        "{answers} answers, {errors} errors"
    );
    call_streams(&mut client).await;
    unchanged(&before, host.dir(), "streams");
}

/// Calls the streaming methods, with requests after which a stream ends by itself.
async fn call_streams(client: &mut Client) {
    let pod_id = hosts::id(0x401).to_string();
    for app_name in ["", "web", "none"] {
        let request = GetLogsRequest {
            pod_id: pod_id.clone(),
            app_name: app_name.to_owned(),
            ..GetLogsRequest::default()
        };
        if let Ok(answer) = client.get_logs(request).await {
            let mut lines = answer.into_inner();
            while let Ok(Some(_)) = lines.message().await {}
        }
    }
    let past = rkt_api::api::EventFilter {
        until_time: 1,
        ..Default::default()
    };
    let request = ListenEventsRequest { filter: Some(past) };
    if let Ok(answer) = client.listen_events(request).await {
        let mut events = answer.into_inner();
        while let Ok(Some(_)) = events.message().await {}
    }
}

/// Fails unless everything at and below `root` is as it was before.
#[track_caller]
pub fn unchanged(before: &BTreeMap<PathBuf, Entry>, root: &Path, after: &str) {
    let now = tree(root);
    let paths = |tree: &BTreeMap<PathBuf, Entry>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&now), paths(before), "after {after}");
    for (path, entry) in &now {
        assert_eq!(*entry, before[path], "{} after {after}", path.display());
    }
}

#[tokio::test]
async fn no_call_changes_anything() {
    for dialect in ["documented", "rkt-1.30"] {
        let host = TempHost::create();
        let holds = write(&host);
        let args = ["--dialect", dialect];
        let ordinary = serve_unprivileged(&host, &args);
        assert_ne!(user_of(&ordinary), 0, "the server is root's");
        check(&ordinary, &host).await;
        // One who could change everything.
        let owner = Server::start(host.dir(), &args);
        check(&owner, &host).await;
        drop(holds);
        every_lock_is_free(&host);
    }
}

/// The effective user of the server.
fn user_of(server: &Server) -> u32 {
    let proc = format!("/proc/{}", server.pid());
    fs::metadata(proc).unwrap().uid()
}

/// The server is still there, and holds no lock.
fn every_lock_is_free(host: &TempHost) {
    let phases = Phase::ALL.map(|phase| fs::read_dir(host.phase_dir(phase)).unwrap());
    let pods = phases.into_iter().flatten().map(|entry| entry.unwrap());
    let pods = pods.filter(|entry| entry.file_type().unwrap().is_dir());
    let db = host.dir().join(layout::store::DB_DIR);
    for dir in pods.map(|entry| entry.path()).chain([db]) {
        let what = format!("the lock of {} is free", dir.display());
        let dir = File::open(dir).unwrap();
        eventually(&what, || dir.try_lock().is_ok());
    }
}
