//! The disk is full: whoever writes leaves files empty or torn, and the server's own words reach
//! nobody.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{GetInfoRequest, ListPodsRequest},
    layout,
};
use rkt_sim::{
    live::{Player, random::Lives},
    spec::Phase,
};
use rustix::process::Signal;
use uuid::Uuid;

use super::Namespaces;
use crate::{
    events::look,
    fresh::{check, images, inspect, list, setting, state},
    hosts::{self, TempHost},
    support::{Client, PROGRAM, command, connect, eventually, failed_start, wait_for},
};

/// How much the disk of a host takes. Blocks are of 4 KiB.
const DISK: &str = "size=16m";

/// How many steps a host lives before the disk is full, while it is, and afterwards.
const STEPS: usize = 60;

/// What keeps others from writing.
struct Ballast(PathBuf);

impl Ballast {
    /// Fills the disk but for so many blocks.
    fn fill(path: PathBuf, free_blocks: u64) -> Self {
        let mut file = File::create(&path).unwrap();
        let error = loop {
            if let Err(error) = file.write_all(&[0; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        let length = file.metadata().unwrap().len();
        file.set_len(length - free_blocks * 4096).unwrap();
        Self(path)
    }

    fn remove(self) {
        fs::remove_file(self.0).unwrap();
    }
}

/// A host that lives on, whatever fails.
struct Life {
    player: Player,
    lives: Lives,
    /// The pods that were not left as they should be.
    harmed: BTreeSet<Uuid>,
    failures: usize,
}

impl Life {
    /// Takes a step. What it could not do, it has left undone.
    fn go_on(&mut self) -> String {
        let step = self.lives.next(self.player.state());
        match self.player.play(&step) {
            Ok(_) => format!("{step:?}"),
            Err(error) => {
                self.harmed.extend(step.pod());
                self.failures += 1;
                format!("{step:?}: {error}")
            }
        }
    }

    /// Checks all answers against what is known of the host. Of pods that were harmed, how far they
    /// have come is known.
    async fn check(&self, client: &mut Client, why: &str) {
        let known = &self.player.state().pods;
        let pods = list(client, true).await;
        let states: Vec<_> = pods
            .iter()
            .map(|pod| (pod.id.clone(), pod.state()))
            .collect();
        let expected = known.iter().map(|(id, pod)| (id.to_string(), state(pod)));
        assert_eq!(states, expected.collect::<Vec<_>>(), "{why}");
        for (id, known) in known {
            let pod = inspect(client, &id.to_string()).await.unwrap();
            if !self.harmed.contains(id) {
                check(&pod, known, why);
            }
        }
        let expected: Vec<_> = self.player.state().images.keys().cloned().collect();
        assert_eq!(images(client).await, expected, "{why}");
    }
}

/// All that a server says of its pods, when they were marked apart: that is as it was first seen.
async fn all_pods(client: &mut Client) -> Vec<rkt_api::api::Pod> {
    let mut pods = Vec::new();
    for listed in list(client, true).await {
        pods.extend(inspect(client, &listed.id).await);
        pods.push(listed);
    }
    pods.iter_mut().for_each(|pod| pod.gc_marked_at = 0);
    pods
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_disk_is_full_for_a_while() {
    let seed = setting("RKT_TEST_SEED", 28);
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rkt");
    fs::create_dir(&dir).unwrap();
    let mount = format!("mount -t tmpfs -o {DISK} none '{}'", dir.display());
    let Some(namespaces) = Namespaces::after(&mount) else {
        return;
    };
    let inside = namespaces.at(&dir);
    let mut life = Life {
        player: Player::open(&inside).unwrap(),
        lives: Lives::new(seed, 12).unwrap(),
        harmed: BTreeSet::new(),
        failures: 0,
    };
    let server = namespaces.serve(&dir, &[]);
    let mut client = server.client().await;
    for number in 0..STEPS {
        let step = life.go_on();
        life.check(
            &mut client,
            &format!("RKT_TEST_SEED={seed}, step {number}: {step}"),
        )
        .await;
    }
    assert_eq!(life.failures, 0, "there is room enough");

    // With nothing left, what is written stays empty; else it is torn.
    for free_blocks in [0, 1, 2] {
        let ballast = Ballast::fill(inside.join("ballast"), free_blocks);
        let failures = life.failures;
        for number in 0..STEPS {
            let step = life.go_on();
            let why = format!("RKT_TEST_SEED={seed}, {free_blocks} blocks, step {number}: {step}");
            life.check(&mut client, &why).await;
        }
        assert!(life.failures > failures, "{free_blocks} blocks");
        // One that begins now sees it the same way.
        let fresh = namespaces.serve(&dir, &["--no-watch"]);
        let mut fresh = fresh.client().await;
        let why = format!("RKT_TEST_SEED={seed}, {free_blocks} blocks");
        life.check(&mut fresh, &why).await;
        assert_eq!(
            all_pods(&mut client).await,
            all_pods(&mut fresh).await,
            "{why}"
        );
        ballast.remove();
    }

    // Nobody else comes to harm any more.
    let harmed = life.harmed.clone();
    for number in 0..STEPS {
        let step = life.go_on();
        life.check(
            &mut client,
            &format!("RKT_TEST_SEED={seed}, later, step {number}: {step}"),
        )
        .await;
    }
    assert_eq!(life.harmed, harmed);
    let log = server.end().await;
    assert!(!log.contains("panicked"), "{log}");
}

/// Something to log: a pod with a broken file.
fn broken(host: &TempHost, number: u32) {
    let pod = hosts::pod(number, Phase::Run);
    host.add(&pod);
    fs::write(host.pod_dir(&pod).join(layout::pod::PID), "no number").unwrap();
}

/// Runs the server with this as standard error, where everything that it says is lost.
async fn serves_without_a_log(stderr: impl Into<Stdio>, format: &str) {
    let host = TempHost::create();
    let socket = host.beside("api.sock");
    let address = format!("unix:{}", socket.display());
    broken(&host, 1);
    let mut server = Command::new(PROGRAM)
        .arg("--dir")
        .arg(host.dir())
        .args(["--listen", &address, "--log-format", format])
        .env("RUST_LOG", "debug")
        .stderr(stderr)
        .spawn()
        .unwrap();
    let listens = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
    eventually("the server listens", || {
        assert_eq!(server.try_wait().unwrap(), None, "it goes on");
        listens()
    });
    let mut client = connect(&address).await;
    let pid = rustix::process::Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    for number in 2..5 {
        look(&mut client).await;
        broken(&host, number);
        let pods = client.list_pods(ListPodsRequest::default()).await.unwrap();
        assert_eq!(pods.into_inner().pods.len(), number as usize);
        rustix::process::kill_process(pid, Signal::HUP).unwrap();
        client.get_info(GetInfoRequest {}).await.unwrap();
    }
    drop(client);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let status = tokio::task::spawn_blocking(move || wait_for(&mut server));
    assert_eq!(status.await.unwrap().code(), Some(0));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_log_on_a_full_disk_is_lost_and_nothing_else() {
    for format in ["text", "json"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        serves_without_a_log(full, format).await;
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_is_lost_and_nothing_else() {
    for format in ["text", "json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        serves_without_a_log(writer, format).await;
    }
}

/// A start that fails says so by its status, if by nothing else.
#[test]
fn what_cannot_be_said_does_not_change_the_exit_status() {
    let host = TempHost::create();
    let missing = host.beside("none");
    for (args, code) in [
        (&["--listen=127.0.0.1:0"][..], 254),
        (&["--no-such-flag"], 2),
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut child = command(&missing, args).stderr(full).spawn().unwrap();
        assert_eq!(wait_for(&mut child).code(), Some(code), "{args:?}");
    }
}

/// Where there is no room for the socket's file, the server says so, and does not start.
#[test]
fn a_socket_on_a_full_disk() {
    let host = TempHost::create();
    let run = host.beside("run");
    fs::create_dir(&run).unwrap();
    let mount = format!("mount -t tmpfs -o nr_inodes=1 none '{}'", run.display());
    let Some(namespaces) = Namespaces::after(&mount) else {
        return;
    };
    let listen = format!("--listen=unix:{}", run.join("api.sock").display());
    let said = failed_start(namespaces.command(host.dir(), &[&listen]));
    assert!(
        said.contains("api.sock") && said.contains("No space left"),
        "{said}"
    );
    let left = |dir: &Path| fs::read_dir(namespaces.at(dir)).unwrap().count();
    assert_eq!(left(&run), 0);
}
