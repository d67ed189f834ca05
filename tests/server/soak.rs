//! What a busy host takes of the server, it gives back: after a long life with many readers and
//! listeners, memory, descriptors and watches are what they were.
//!
//! `RKT_TEST_SOAK_S` says how many seconds the host lives, 10 unless it is set.

use std::{
    env, fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{
        InspectPodRequest, ListImagesRequest, ListPodsRequest, ListenEventsRequest, PodFilter,
        PodState,
    },
    layout,
};
use rkt_sim::{
    live::{
        Player, PodState as Known,
        pace::{Rate, Schedule},
        random::Lives,
        step::{Ending, ImageRef, Step, Transaction},
    },
    spec::Phase,
};
use tokio::task::JoinSet;
use tonic::Code;
use uuid::Uuid;

use crate::{
    support::{Server, eventually},
    usage::Usage,
};

/// How fast the host lives.
const RATE: &str = "100/s";

/// How many pods there are at most.
const PODS_MAX: usize = 40;

/// How many clients read all the time.
const READERS: u64 = 3;

/// How many clients listen, and hang up after some messages to listen anew.
const LISTENERS: u64 = 10;

/// How much more memory may be resident than before: the allocator keeps some of what it is
/// given back.
const TOLERANCE_BYTES: u64 = 16 << 20;

/// What the server has of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    descriptors: usize,
    watches: usize,
}

impl Taken {
    fn of(server: &Server) -> Self {
        let proc = |name| fs::read_dir(format!("/proc/{}/{name}", server.pid())).unwrap();
        // They come and go while they are listed.
        let infos = proc("fdinfo").flatten();
        let infos = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
        let watches = infos.map(|info| info.matches("inotify wd:").count());
        Self {
            descriptors: proc("fd").count(),
            // Of one descriptor: others may be duplicates of it.
            watches: watches.max().unwrap_or(0),
        }
    }
}

/// What the server has when it has come to rest.
fn settled(server: &Server) -> Taken {
    let mut taken = Taken::of(server);
    let mut since = Instant::now();
    eventually("the server comes to rest", || {
        let now = Taken::of(server);
        if now != taken {
            (taken, since) = (now, Instant::now());
        }
        // Locks are suspect for a second after somebody had a pod open.
        since.elapsed() > Duration::from_secs(2)
    });
    taken
}

/// The next step on the way of a pod to its end.
fn onward(pod: Uuid, known: &Known) -> Step {
    match (known.phase, known.locked) {
        (Phase::Embryo, false) => Step::Lock { pod },
        (Phase::Embryo, true) => Step::Prepare { pod },
        (Phase::Prepare, true) => Step::Abort { pod },
        (Phase::Prepared, true) => Step::Unlock { pod },
        (Phase::Run, true) => Step::Exit {
            pod,
            by: Ending::default(),
        },
        (Phase::Prepare | Phase::Prepared | Phase::Run, false) => Step::Mark { pod },
        (Phase::ExitedGarbage | Phase::Garbage, _) => Step::Sweep { pod },
    }
}

/// Removes directories with nothing in them, as rkt's store does with those of manifests.
fn prune(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            prune(&path);
            // It stays where something is in it.
            let _ = fs::remove_dir(path);
        }
    }
}

/// Removes all pods and images.
fn empty(player: &mut Player) {
    while let Some((pod, known)) = player.state().pods.first_key_value() {
        let step = onward(*pod, known);
        player.play(&step).unwrap();
    }
    while let Some(id) = player.state().images.keys().next().cloned() {
        let image = ImageRef::Id(id);
        let via = Transaction::default();
        player.play(&Step::Remove { image, via }).unwrap();
    }
    prune(&player.dir().join(layout::store::IMAGE_MANIFESTS));
}

/// Plays a life of so long, and removes everything.
fn live(player: &mut Player, seed: u64, span: Duration) {
    let mut lives = Lives::new(seed, PODS_MAX).unwrap();
    let rate: Rate = RATE.parse().unwrap();
    let mut schedule = Schedule::new(seed, rate.delay());
    let start = Instant::now();
    while start.elapsed() < span {
        let due = schedule.next(start.elapsed());
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let step = lives.next(player.state());
        player.play(&step).unwrap();
    }
    empty(player);
}

/// Reads pods and images, over and over.
async fn read(url: String, stop: Arc<AtomicBool>, answers: Arc<AtomicU64>) {
    let mut client = crate::support::connect(&url).await;
    while !stop.load(SeqCst) {
        let running = PodFilter {
            states: vec![PodState::Running.into()],
            ..PodFilter::default()
        };
        for filters in [vec![], vec![running]] {
            let request = ListPodsRequest {
                filters,
                detail: true,
            };
            let pods = client.list_pods(request).await.unwrap().into_inner().pods;
            for id in pods.into_iter().map(|pod| pod.id) {
                match client.inspect_pod(InspectPodRequest { id }).await {
                    Ok(_) => {}
                    Err(status) => assert_eq!(status.code(), Code::NotFound, "{status}"),
                }
                answers.fetch_add(1, SeqCst);
            }
        }
        let request = ListImagesRequest::default();
        client.list_images(request).await.unwrap();
        answers.fetch_add(1, SeqCst);
    }
}

/// Listens, hangs up after so many messages, and listens anew.
async fn listen(url: String, messages: u64, stop: Arc<AtomicBool>, heard: Arc<AtomicU64>) {
    let mut client = crate::support::connect(&url).await;
    while !stop.load(SeqCst) {
        let stream = client.listen_events(ListenEventsRequest::default()).await;
        let mut stream = stream.unwrap().into_inner();
        for _ in 0..messages {
            // When nothing happens any more, it is time to look whether to stop.
            let message = tokio::time::timeout(Duration::from_secs(1), stream.message()).await;
            let Ok(message) = message else { break };
            let events = message.unwrap().unwrap().events;
            heard.fetch_add(events.len() as u64, SeqCst);
        }
    }
}

/// The host lives so long, with readers and listeners.
async fn soak(server: &Server, mut player: Player, seed: u64, span: Duration) -> Player {
    let stop = Arc::new(AtomicBool::new(false));
    let [answers, heard] = [0, 0].map(|zero| Arc::new(AtomicU64::new(zero)));
    let mut clients = JoinSet::new();
    for _ in 0..READERS {
        clients.spawn(read(server.url(), stop.clone(), answers.clone()));
    }
    for number in 1..=LISTENERS {
        let messages = number * number;
        clients.spawn(listen(server.url(), messages, stop.clone(), heard.clone()));
    }
    let life = tokio::task::spawn_blocking(move || {
        live(&mut player, seed, span);
        player
    });
    let player = life.await.unwrap();
    stop.store(true, SeqCst);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(answers.load(SeqCst) > 0 && heard.load(SeqCst) > 0);
    println!(
        "{} answers read, {} events heard, {} steps played; {} MiB resident, {:?}",
        answers.load(SeqCst),
        heard.load(SeqCst),
        player.steps(),
        Usage::of(server).resident_bytes >> 20,
        Taken::of(server),
    );
    player
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_given_back() {
    let span_s = env::var("RKT_TEST_SOAK_S").ok();
    let span = Duration::from_secs(span_s.map_or(10, |s| s.parse().unwrap()));
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    let player = Player::open(&dir).unwrap();
    // The history is full before memory is looked at first.
    let server = Server::start(&dir, &["--event-history=100"]);
    // In the first life everything reaches its size that is kept.
    let player = soak(&server, player, 1, span / 5).await;
    let before = settled(&server);
    let before_bytes = Usage::of(&server).resident_bytes;

    soak(&server, player, 2, span).await;
    assert_eq!(settled(&server), before);
    let after_bytes = Usage::of(&server).resident_bytes;
    assert!(
        after_bytes <= before_bytes + TOLERANCE_BYTES,
        "{after_bytes} bytes are resident, {before_bytes} were"
    );
    println!(
        "{before_bytes} bytes were resident on the empty host, then {after_bytes}; {before:?}"
    );
}
