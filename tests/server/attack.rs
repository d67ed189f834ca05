//! The server under attack from all sides at once, on a data directory that is hostile itself
//! (`fixtures/hosts/hostile.json`, and a host that goes on doing harm to it).
//!
//! What is promised, and tested here:
//!
//! * The server lives: nothing in it panics, and when the attackers have gone it has about as many
//!   descriptors and threads as before, and ends in good order.
//! * Its memory is bounded by its limits: see [`MEMORY_BYTES`].
//! * Honest clients are served in time, and rightly: those that were there before the attack, and
//!   newcomers, by TCP and by a Unix socket. A listener misses no event, a follower of logs no
//!   line, monitoring no page.
//! * 10,000 streams are open all the while. Those that are more than may be are RESOURCE_EXHAUSTED,
//!   and calls that are no streams are none the worse for it.
//!
//! What is not promised: a place among `--max-streams`, and that a connection stays open where
//! there are too many and nothing is asked by it. One that is closed is tried again, by honest
//! clients too.
//!
//! What was tried, how often, and what came back is counted (`tally`), printed, and has to be what
//! is expected of each kind of attack. Attackers are few tasks that rest for as long as they
//! work: it is the server that is to be worn out, not the machine.
//!
//! `RKT_TEST_ATTACK_S` says how many seconds the attack lasts, 10 unless it is set;
//! `RKT_TEST_SEED` makes other random bytes.

mod floods;
mod half_open;
mod honest;
mod host;
mod huge;
mod malformed;
mod monitoring;
mod slow;
mod streams;
mod tally;
mod wire;

use std::{fs, path::Path, time::Duration};

use rkt_api::{api::GetInfoRequest, layout};
use rkt_sim::spec::Phase;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use crate::{
    fixtures,
    fresh::setting,
    hosts::{self, TempHost},
    journals::Journal,
    metrics::{self, scrape::Metrics},
    support::{Client, DEADLINE, Server, at_once, command, eventually},
    usage::Usage,
};
use floods::CONNECTIONS_MAX;
use honest::{Questions, Served};
use streams::STREAMS_MAX;
use tally::Tally;

/// How much memory may ever be resident: 10,600 streams of 16 KiB, 32 MiB of requests and 64 MiB of
/// answers, the next response of each who does not read logs, and as much again as is in use for
/// what the allocator keeps.
const MEMORY_BYTES: u64 = 512 << 20;

/// How long an attack is at least in which everything times out that has to.
const LONG: Duration = Duration::from_secs(45);

/// How many more descriptors and threads there may be after the attack than before, when honest
/// clients were just coming: pods that run are kept open, and threads stay a while that have read.
const LEFTOVERS: usize = 50;

/// How many pods there are whose manifests are large.
const FAT_PODS: u32 = 12;

/// How large each of these is.
const FAT_BYTES: usize = 256 << 10;

/// How many lines the journal has that slow clients ask for, and how long each is.
const LINES: usize = 100;
const LINE_BYTES: usize = 20_000;

/// What is attacked, and for how long.
#[derive(Clone)]
struct Target {
    address: String,
    url: String,
    metrics: String,
    until: Instant,
    span: Duration,
    seed: u64,
    tally: Tally,
    /// Pods that attackers ask for.
    pods: Vec<Uuid>,
    /// One with a large journal.
    talkative: Uuid,
}

impl Target {
    /// Whether the attack is long enough for everything to time out that has to.
    fn is_long(&self) -> bool {
        self.span >= LONG
    }

    /// The turns of an attacker, with a pause of at least so long between two.
    fn turns(&self, pause: Duration) -> Turns {
        Turns {
            until: self.until,
            pause,
            began: None,
        }
    }
}

/// The turns of an attacker: between two it rests for as long as the last one took.
struct Turns {
    until: Instant,
    pause: Duration,
    began: Option<Instant>,
}

impl Turns {
    /// Waits for the next turn; `false` when the attack is over. There is one turn in any case.
    async fn next(&mut self) -> bool {
        if let Some(began) = self.began {
            let pause = began.elapsed().max(self.pause);
            sleep(pause.min(self.until.saturating_duration_since(Instant::now()))).await;
            if Instant::now() >= self.until {
                return false;
            }
        }
        self.began = Some(Instant::now());
        true
    }
}

/// Lets this process have as many descriptors as it may: attackers have thousands.
fn allow_all_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// A pod with a manifest that makes lists large.
fn write_fat_pod(host: &TempHost, number: u32) {
    let pod = hosts::pod(number, Phase::Prepared);
    host.write_pod(&pod).unwrap();
    let manifest = json!({
        "acKind": "PodManifest",
        "acVersion": "1.30.0",
        "apps": [],
        "annotations": [{"name": "fat", "value": "x".repeat(FAT_BYTES)}],
    });
    let path = host.pod_dir(&pod).join(layout::pod::MANIFEST);
    fs::write(path, manifest.to_string()).unwrap();
}

/// A running pod with an empty journal.
fn pod_with_journal(host: &TempHost, number: u32) -> (Journal, Uuid) {
    let pod = hosts::pod(number, Phase::Run);
    host.write_pod(&pod).unwrap();
    (Journal::create(host.dir(), pod.id), pod.id)
}

/// The server, with limits that an attack of ten seconds meets.
fn serve(dir: &Path, unix: &str) -> Server {
    let mut command = command(dir, &[metrics::LISTEN]);
    command.arg(format!("--max-streams={STREAMS_MAX}"));
    command.arg(format!("--max-connections={CONNECTIONS_MAX}"));
    command.args([
        "--handshake-timeout=3s",
        "--keepalive-interval=5s",
        "--call-timeout=15s",
        "--request-buffer-bytes=33554432",
        "--answer-buffer-bytes=67108864",
    ]);
    // The Unix socket comes second.
    command.args(["--listen", "127.0.0.1:0", "--listen", unix]);
    Server::spawn(command)
}

/// What is told of the attack, however it ends.
struct Report<'a> {
    server: &'a Server,
    tally: Tally,
    served: Served,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        let usage = Usage::of(self.server);
        println!("\n{}\n{}\n{usage:?}", self.tally, self.served);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_clients_are_served_while_the_server_is_attacked() {
    allow_all_descriptors();
    let span = Duration::from_secs(setting("RKT_TEST_ATTACK_S", 10));
    let host = TempHost::create();
    let spec = fixtures::spec("hostile");
    host.write(&spec).unwrap();
    let _holds = host.hold_locked(&spec).unwrap();
    let steady = pod_with_journal(&host, 1);
    let (mut talkative_journal, talkative) = pod_with_journal(&host, 2);
    for _ in 0..LINES {
        talkative_journal.log("web", &"x".repeat(LINE_BYTES));
    }
    let (mut torn_journal, torn) = pod_with_journal(&host, host::TORN);
    torn_journal.log("web", "torn soon");
    for number in 0..FAT_PODS {
        write_fat_pod(&host, 100 + number);
    }
    let unix = format!("unix:{}", host.beside("api.sock").display());
    let server = serve(host.dir(), &unix);

    let (stop, stopped) = watch::channel(false);
    let doors = [server.url(), unix];
    let questions = Questions::prepare(doors, server.metrics_address(), steady.1, stopped).await;
    let mut clients = JoinSet::new();
    let (dir, nursery) = (host.dir().to_owned(), host.beside("nursery"));
    honest::begin(&mut clients, &questions, dir, nursery, steady);
    let before = Usage::of(&server);

    let tally = Tally::default();
    let report = Report {
        server: &server,
        tally: tally.clone(),
        served: questions.served.clone(),
    };
    let held = streams::hold(&server.url(), &tally, talkative).await;
    let open = tokio::task::block_in_place(|| Metrics::of(&server).sum("rkt_api_streams_open"));
    assert!(open >= streams::TRIED as f64, "{open} streams are open");
    let target = Target {
        address: server.addresses()[0].clone(),
        url: server.url(),
        metrics: server.metrics_address(),
        until: Instant::now() + span,
        span,
        seed: setting("RKT_TEST_SEED", 1_468),
        tally: tally.clone(),
        pods: spec.pods.iter().map(|pod| pod.id).chain([torn]).collect(),
        talkative,
    };
    let mut attackers = JoinSet::new();
    slow::begin(&mut attackers, &target);
    floods::begin(&mut attackers, &target);
    half_open::begin(&mut attackers, &target);
    huge::begin(&mut attackers, &target);
    malformed::begin(&mut attackers, &target);
    monitoring::begin(&mut attackers, &target);
    host::begin(
        &mut attackers,
        &target,
        host.dir(),
        &spec,
        torn_journal.path(),
    );
    let attack = async {
        while let Some(attacker) = attackers.join_next().await {
            attacker.unwrap();
        }
    };
    tokio::select! {
        attacked = timeout(span + 6 * DEADLINE, attack) => {
            attacked.expect("attackers come to their end");
        }
        Some(client) = clients.join_next() => {
            client.unwrap();
            panic!("an honest client has gone");
        }
    }
    held.let_go();
    stop.send_replace(true);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }

    let after = Usage::of(&server);
    if target.is_long() {
        let displaced = "rkt_api_connections_displaced_total";
        let displaced = tokio::task::block_in_place(|| Metrics::of(&server).value(displaced));
        assert!(displaced > 0.0, "all had room");
    }
    drop(report);
    tally.check();
    assert!(after.peak_bytes < MEMORY_BYTES, "{after:?}");
    tokio::task::block_in_place(|| {
        eventually("what was taken is given back", || {
            let now = Usage::of(&server);
            now.descriptors < before.descriptors + LEFTOVERS
                && now.threads < before.threads + LEFTOVERS
        });
    });
    let mut client: Client = server.client().await;
    let info = at_once("GetInfo", client.get_info(GetInfoRequest {})).await;
    assert!(info.unwrap().into_inner().info.is_some());
    drop(client);
    let log = server.end().await;
    assert!(!log.contains("panicked"), "{log}");
    println!("{} lines of log, {} bytes", log.lines().count(), log.len());
}
