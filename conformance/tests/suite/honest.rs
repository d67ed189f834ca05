//! The real server passes, in both dialects, and on a host that lives meanwhile.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rkt_api::{layout::Phase, server::Dialect};

use crate::{
    host,
    support::{Ran, Served, run},
};

/// The cases that are tried: those of other calls have tests of their own, and what takes long
/// is tried on hosts that are described.
const UNARY: &[&str] = &[
    "--quick",
    "GetInfo",
    "ListPods",
    "InspectPod",
    "ListImages",
    "InspectImage",
];

/// Why cases are not tried on a host that nobody has described.
const NEEDS_HOST: &[&str] = &["host that is described", "host that the suite may make"];

fn assert_passed(ran: &Ran) {
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.stdout.contains(" 0 failed "), "{ran:?}");
    assert_eq!(ran.stderr, "");
}

/// Whatever the example host is made for has to be tried, or passing says little.
fn assert_skips_only(ran: &Ran, reasons: &[&str]) {
    let skips = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("skipped"));
    for skip in skips {
        // The host is this test's, so cases that make their own cannot be tried.
        let is_known = skip.contains("host that the suite may make")
            || reasons.iter().any(|reason| skip.contains(reason));
        assert!(is_known, "{skip}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_dialect_passes() {
    let server = Served::start(Dialect::Documented).await;
    let ran = run(&server.address, &[&["--strict"], UNARY].concat()).await;
    assert_passed(&ran);
    let reasons = ["app that has a state", "profile is not rkt-1.30"];
    assert_skips_only(&ran, &[&reasons[..], NEEDS_HOST].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialect_of_rkt_passes_in_its_profile() {
    let server = Served::start(Dialect::Rkt130).await;
    let args = ["--strict", "--profile", "rkt-1.30"];
    let ran = run(&server.address, &[&args, UNARY].concat()).await;
    assert_passed(&ran);
    let reasons = ["profile lists states", "GARBAGE"];
    assert_skips_only(&ran, &[&reasons[..], NEEDS_HOST].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialect_fails_in_the_other_profile() {
    let server = Served::start(Dialect::Rkt130).await;
    let ran = run(&server.address, &["ListPods/P-", "InspectPod"]).await;
    assert_eq!(ran.exit, 1, "{ran:?}");
    for case in ["ListPods/P-1/only-id-and-state", "ListPods/P-13/not-listed"] {
        assert!(ran.failed().contains(&case), "{case}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_host_raises_no_false_alarm() {
    let server = Served::start(Dialect::Documented).await;
    let ended = Arc::new(AtomicBool::new(false));
    let address = server.address.clone();
    let life = thread::spawn({
        let ended = Arc::clone(&ended);
        move || {
            // Pods are prepared and given up again, until the run is over. Some calls fall
            // between two changes, some do not.
            for number in 0x100.. {
                if ended.load(Ordering::Relaxed) {
                    return number;
                }
                let mut pod = host::pod(number % 0x1000, Phase::Prepared, false);
                server.host.host.write_pod(&pod).unwrap();
                let before = server.host.host.pod_dir(&pod);
                thread::sleep(Duration::from_millis(7));
                pod.phase = Phase::Garbage;
                let after = server.host.host.pod_dir(&pod);
                fs::rename(before, &after).unwrap();
                thread::sleep(Duration::from_millis(7));
                fs::remove_dir_all(after).unwrap();
            }
            unreachable!("numbers do not end");
        }
    });
    let cases = [
        "InspectPod",
        "ListPods/P-",
        "ListPods/S-",
        "ListPods/F-P9/states",
    ];
    let ran = run(&address, &[&["--strict", "--verbose"][..], &cases].concat()).await;
    ended.store(true, Ordering::Relaxed);
    assert!(life.join().unwrap() > 0x110, "the host has lived");
    assert_passed(&ran);
    assert!(
        ran.stdout.lines().any(|line| line.starts_with("pass ")),
        "{ran:?}"
    );
}
