//! An empty host, and holding pods on it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    fs::{self, File, TryLockError},
    io,
};

use common::{list, names};
use rkt_api::layout::Phase;
use rkt_sim::{
    host::Host,
    spec::{Pod, SET_UP_AT_S},
};
use uuid::Uuid;

#[test]
fn a_new_host_is_empty_and_complete() {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    let list = list(host.dir());
    assert_eq!(
        names(&list),
        [
            "0750 .",
            "0770 cas",
            "0770 cas/blob",
            "0770 cas/db",
            "0660 cas/db/ql.db",
            "0770 cas/imageManifest",
            "0770 cas/imagelocks",
            "0770 cas/tmp",
            "0755 cas/tree",
            "0755 cas/treestorelocks",
            "0750 locks",
            "0640 locks/prepareLock",
            "0750 pods",
            "0750 pods/embryo",
            "0750 pods/exited-garbage",
            "0750 pods/garbage",
            "0750 pods/prepare",
            "0750 pods/prepared",
            "0750 pods/run",
        ]
    );
    assert_eq!(list["cas/db/ql.db"].content.as_deref(), Some(&[][..]));
    for (path, entry) in &list {
        assert_eq!(entry.modified_ns, SET_UP_AT_S * 1_000_000_000, "{path}");
    }
}

#[test]
fn an_existing_directory_keeps_its_mode() {
    let tmp = tempfile::tempdir().unwrap();
    let before = fs::metadata(tmp.path()).unwrap().permissions();
    Host::create(tmp.path()).unwrap();
    assert_eq!(fs::metadata(tmp.path()).unwrap().permissions(), before);

    let again = Host::create(tmp.path()).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn a_held_pod_is_locked_until_the_hold_is_dropped() {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    let pod = Pod::new(Uuid::from_u128(1), Phase::Run);
    assert_eq!(host.hold(&pod).unwrap_err().kind(), io::ErrorKind::NotFound);

    host.write_pod(&pod).unwrap();
    let before = list(host.dir());
    let is_held = || {
        let probe = File::open(host.pod_dir(&pod)).unwrap();
        match probe.try_lock_shared() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => panic!("{error}"),
        }
    };
    assert!(!is_held());
    let hold = host.hold(&pod).unwrap();
    assert!(is_held());
    drop(hold);
    assert!(!is_held());
    assert_eq!(list(host.dir()), before);
}

#[test]
fn a_hold_waits_for_probes_to_pass() {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    let pod = Pod::new(Uuid::from_u128(1), Phase::Run);
    host.write_pod(&pod).unwrap();

    let probe = File::open(host.pod_dir(&pod)).unwrap();
    probe.lock_shared().unwrap();
    std::thread::scope(|scope| {
        let hold = scope.spawn(|| host.hold(&pod).map(drop));
        // Whether the other thread has come to the lock by now or not, it gets it.
        drop(probe);
        hold.join().unwrap().unwrap();
    });
}
