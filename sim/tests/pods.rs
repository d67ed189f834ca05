//! What a written pod looks like on disk: names, modes, times and content, for each phase.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use common::{List, list, names, times_ns};
use rkt_api::{
    formats::{appc, netinfo},
    layout::Phase,
};
use rkt_sim::{
    host::Host,
    spec::{App, Image, LogLine, Network, Pod, Process, SET_UP_AT_S, Started},
};
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x668ecca0_3487_4c27_9134_b769a546e375);
const CREATED_AT_NS: i64 = 1_530_000_000_123_456_789;
const STARTED_AT_NS: i64 = 1_530_000_060_000_000_001;

fn pod(phase: Phase, overlay: bool) -> Pod {
    let mut web = App::new("web", Image::new("example.com/web", "1"));
    web.exit_code = Some(3);
    web.annotations
        .push(("role".to_owned(), "front".to_owned()));
    Pod {
        apps: vec![web, App::new("db", Image::new("coreos.com/etcd", "v3.1.0"))],
        overlay,
        created_at_ns: CREATED_AT_NS,
        started: Some(Started {
            process: Process::Pid(4021),
            at_ns: STARTED_AT_NS,
        }),
        subcgroup: Some(r"machine.slice/machine-rkt\x2d668ecca0.scope".to_owned()),
        networks: Some(vec![
            Network::new("default", Ipv4Addr::new(172, 16, 28, 27)),
            Network::new("v6", Ipv6Addr::LOCALHOST),
        ]),
        ..Pod::new(ID, phase)
    }
}

fn written(pod: &Pod) -> (tempfile::TempDir, Host) {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    host.write_pod(pod).unwrap();
    (tmp, host)
}

/// Checks the files of a pod's directory: `permissions path`, with names for tree store ids.
#[track_caller]
fn check(pod: &Pod, expected: &[&str]) {
    let (_tmp, host) = written(pod);
    let shown = names(&list(&host.pod_dir(pod)));
    let tree_ids = [
        ("STAGE1", Image::stage1().tree_store_id().unwrap()),
        ("WEB", pod.apps[0].image.tree_store_id().unwrap()),
        ("DB", pod.apps[1].image.tree_store_id().unwrap()),
    ];
    let mut shown = shown.join("\n");
    for (short, id) in tree_ids {
        shown = shown.replace(&id, short);
    }
    let mut shown: Vec<_> = shown.lines().collect();
    let mut expected = expected.to_vec();
    let by_path = |line: &&str| line.split_once(' ').unwrap().1.to_owned();
    shown.sort_by_key(by_path);
    expected.sort_by_key(by_path);
    assert_eq!(shown, expected);
}

const PREPARED: &[&str] = &[
    "0750 .",
    "0750 appsinfo",
    "0750 appsinfo/db",
    "0640 appsinfo/db/manifest",
    "0750 appsinfo/web",
    "0640 appsinfo/web/manifest",
    "0640 pod",
    "0640 pod-created",
    "0600 pod.lck",
    "0750 stage1",
    "0640 stage1/manifest",
    "0640 stage1TreeStoreID",
];

const STAGE1_ROOTFS: &[&str] = &[
    "0755 stage1/rootfs",
    "0755 stage1/rootfs/opt",
    "0755 stage1/rootfs/opt/stage2",
    "0755 stage1/rootfs/rkt",
    "0755 stage1/rootfs/rkt/status",
];

const APPS_ROOTFS: &[&str] = &[
    "0755 stage1/rootfs/opt/stage2/db",
    "0644 stage1/rootfs/opt/stage2/db/manifest",
    "0755 stage1/rootfs/opt/stage2/db/rootfs",
    "0755 stage1/rootfs/opt/stage2/db/rootfs/etc",
    "0644 stage1/rootfs/opt/stage2/db/rootfs/etc/os-release",
    "0755 stage1/rootfs/opt/stage2/web",
    "0644 stage1/rootfs/opt/stage2/web/manifest",
    "0755 stage1/rootfs/opt/stage2/web/rootfs",
    "0755 stage1/rootfs/opt/stage2/web/rootfs/etc",
    "0644 stage1/rootfs/opt/stage2/web/rootfs/etc/os-release",
];

const OVERLAY_PREPARED: &[&str] = &[
    "0640 appsinfo/db/treeStoreID",
    "0640 appsinfo/web/treeStoreID",
    "0644 overlay-prepared",
];

const RUN: &[&str] = &["0644 net-info.json", "0644 pid", "0644 subcgroup"];

#[test]
fn embryos_are_empty() {
    check(&pod(Phase::Embryo, false), &["0750 ."]);
    check(&pod(Phase::Embryo, true), &["0750 ."]);
}

#[test]
fn in_prepare_the_manifest_is_still_missing() {
    let begun = [
        "0750 .",
        "0750 appsinfo",
        "0750 appsinfo/web",
        "0750 stage1",
        "0640 stage1/manifest",
        "0640 stage1TreeStoreID",
    ];
    check(
        &pod(Phase::Prepare, false),
        &[&begun, STAGE1_ROOTFS].concat(),
    );
    check(&pod(Phase::Prepare, true), &begun);

    let at_the_end = Pod {
        manifest: Some(true),
        ..pod(Phase::Prepare, false)
    };
    check(
        &at_the_end,
        &[PREPARED, STAGE1_ROOTFS, APPS_ROOTFS].concat(),
    );
}

#[test]
fn pods_that_never_ran_have_nothing_of_running() {
    for phase in [Phase::Prepared, Phase::Garbage] {
        check(
            &pod(phase, false),
            &[PREPARED, STAGE1_ROOTFS, APPS_ROOTFS].concat(),
        );
        check(&pod(phase, true), &[PREPARED, OVERLAY_PREPARED].concat());
    }
}

#[test]
fn pods_that_ran_have_what_stage1_leaves() {
    for phase in [Phase::Run, Phase::ExitedGarbage] {
        let status = ["0644 stage1/rootfs/rkt/status/web"];
        let expected = [PREPARED, STAGE1_ROOTFS, APPS_ROOTFS, RUN, &status].concat();
        check(&pod(phase, false), &expected);

        let overlay = [
            "0750 overlay",
            "0750 overlay/DB",
            "0755 overlay/DB/upper",
            "0750 overlay/DB/work",
            "0750 overlay/STAGE1",
            "0755 overlay/STAGE1/upper",
            "0755 overlay/STAGE1/upper/rkt",
            "0755 overlay/STAGE1/upper/rkt/status",
            "0644 overlay/STAGE1/upper/rkt/status/web",
            "0750 overlay/STAGE1/work",
            "0750 overlay/WEB",
            "0755 overlay/WEB/upper",
            "0750 overlay/WEB/work",
            "0755 stage1/rootfs",
        ];
        let expected = [PREPARED, OVERLAY_PREPARED, RUN, &overlay].concat();
        check(&pod(phase, true), &expected);
    }
}

#[test]
fn the_content_is_what_was_described() {
    let pod = pod(Phase::Run, true);
    let (_tmp, host) = written(&pod);
    let dir = host.pod_dir(&pod);
    assert_eq!(
        dir,
        host.dir()
            .join("pods/run/668ecca0-3487-4c27-9134-b769a546e375")
    );
    let read = |path: &str| fs::read(dir.join(path)).unwrap();
    let text = |path: &str| String::from_utf8(read(path)).unwrap();

    let manifest = appc::PodManifest::parse(&read("pod")).unwrap();
    let names: Vec<_> = manifest.apps.iter().map(|app| &app.name).collect();
    assert_eq!(names, ["web", "db"]);
    assert_eq!(
        manifest.apps[0].image_id,
        pod.apps[0].image.blob_key().unwrap()
    );
    assert_eq!(manifest.apps[0].annotations[0].value, "front");
    let mutable = &manifest.annotations[0];
    assert_eq!(mutable.name, "coreos.com/rkt/stage1/mutable");

    let image = appc::ImageManifest::parse(&read("appsinfo/db/manifest")).unwrap();
    assert_eq!(
        (image.name.as_str(), image.version()),
        ("coreos.com/etcd", "v3.1.0")
    );

    let networks = netinfo::parse(&read("net-info.json")).unwrap();
    assert_eq!(networks[1].address, Some(Ipv6Addr::LOCALHOST.into()));

    assert_eq!(text("pid"), "4021\n");
    assert_eq!(
        text("subcgroup"),
        r"machine.slice/machine-rkt\x2d668ecca0.scope"
    );
    let stage1 = text("stage1TreeStoreID");
    assert_eq!(stage1, Image::stage1().tree_store_id().unwrap());
    assert_eq!(
        text(&format!("overlay/{stage1}/upper/rkt/status/web")),
        "3\n"
    );
}

#[test]
fn a_parent_process_stands_in_a_file_of_its_own() {
    let pod = Pod {
        started: Some(Started {
            process: Process::Ppid(77),
            at_ns: STARTED_AT_NS,
        }),
        ..pod(Phase::Run, false)
    };
    let (_tmp, host) = written(&pod);
    let dir = host.pod_dir(&pod);
    assert_eq!(fs::read_to_string(dir.join("ppid")).unwrap(), "77\n");
    assert!(!dir.join("pid").exists());
}

#[test]
fn users_may_shorten_image_ids() {
    let mut pod = pod(Phase::Prepared, false);
    pod.apps[0].image_id = Some("sha512-4fc4".to_owned());
    let (_tmp, host) = written(&pod);
    let manifest = fs::read(host.pod_dir(&pod).join("pod")).unwrap();
    let manifest = appc::PodManifest::parse(&manifest).unwrap();
    assert_eq!(manifest.apps[0].image_id, "sha512-4fc4");
}

#[test]
fn times_are_those_asked_for() {
    let pod = pod(Phase::Run, true);
    let (_tmp, host) = written(&pod);
    let dir = host.pod_dir(&pod);
    let of = |path: &str| times_ns(&dir.join(path));
    for path in ["pod", "pod-created", "appsinfo", "stage1/manifest"] {
        assert_eq!(of(path), (CREATED_AT_NS, CREATED_AT_NS), "{path}");
    }
    for path in ["pid", "subcgroup", "net-info.json", "overlay", ""] {
        assert_eq!(of(path), (STARTED_AT_NS, STARTED_AT_NS), "{path}");
    }
    let phase = |phase: &str| times_ns(&host.dir().join("pods").join(phase)).0;
    assert_eq!(phase("run"), STARTED_AT_NS);
    assert_eq!(phase("prepared"), SET_UP_AT_S * 1_000_000_000);
}

#[test]
fn times_before_the_epoch_are_times() {
    let pod = Pod {
        created_at_ns: -1,
        ..pod(Phase::Prepared, false)
    };
    let (_tmp, host) = written(&pod);
    assert_eq!(times_ns(&host.pod_dir(&pod).join("pod-created")), (-1, -1));
}

#[test]
fn equal_descriptions_make_equal_trees_in_any_order() {
    let other = Pod {
        id: Uuid::from_u128(1),
        created_at_ns: CREATED_AT_NS + 1,
        started: None,
        ..pod(Phase::Run, true)
    };
    let mut pods: Vec<_> = Phase::ALL
        .map(|phase| pod(phase, phase > Phase::Prepared))
        .into();
    pods.push(other);
    let written = |dir: &Path, pods: &mut dyn Iterator<Item = &Pod>| -> List {
        let host = Host::create(dir).unwrap();
        pods.for_each(|pod| host.write_pod(pod).unwrap());
        list(host.dir())
    };
    let tmp = tempfile::tempdir().unwrap();
    let one = written(&tmp.path().join("one"), &mut pods.iter());
    let two = written(&tmp.path().join("two"), &mut pods.iter().rev());
    assert_eq!(one, two);
}

#[test]
fn a_pod_is_written_once_and_stays_within_its_directory() {
    let mut pod = pod(Phase::Run, false);
    let (_tmp, host) = written(&pod);
    let again = host.write_pod(&pod).unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);

    let before = list(host.dir());
    pod.id = Uuid::nil();
    pod.apps[1].name = "../../escape".to_owned();
    let outside = host.write_pod(&pod).unwrap_err();
    assert_eq!(outside.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(list(host.dir()), before);
}

#[test]
fn what_exits_has_the_time_of_its_exit() {
    const WEB_AT_NS: i64 = STARTED_AT_NS + 5_000_000_007;
    const POD_AT_NS: i64 = STARTED_AT_NS + 9_000_000_000;
    for overlay in [false, true] {
        let mut pod = pod(Phase::Run, overlay);
        pod.exited_at_ns = Some(POD_AT_NS);
        pod.apps[0].exited_at_ns = Some(WEB_AT_NS);
        pod.apps[0].logs.push(LogLine {
            at_us: STARTED_AT_NS / 1000 + 1,
            message: "begun".to_owned(),
        });
        // Its exit status is not known, so nothing tells when it came.
        pod.apps[1].exited_at_ns = Some(POD_AT_NS);
        let modified_ns = |pod: &Pod, name: &str| {
            let (_tmp, host) = written(pod);
            let found = list(&host.pod_dir(pod));
            let mut found = found.iter().filter(|(path, _)| path.ends_with(name));
            found.next().unwrap().1.modified_ns
        };
        assert_eq!(modified_ns(&pod, "rkt/status/web"), WEB_AT_NS);
        assert_eq!(modified_ns(&pod, "rkt/status"), WEB_AT_NS);
        assert_eq!(modified_ns(&pod, "system.journal"), POD_AT_NS);
        assert_eq!(modified_ns(&pod, "pid"), STARTED_AT_NS);
        pod.locked = true;
        let last_line_ns = (STARTED_AT_NS / 1000 + 1) * 1000;
        assert_eq!(modified_ns(&pod, "system.journal"), last_line_ns);
    }
}
