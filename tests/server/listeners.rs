//! Listeners of all kinds at once, against a model of what happens to a host that knows nothing
//! of how the server finds out; and those who do not read what they have asked for (E-14).
//!
//! `RKT_TEST_LIVES` sets how many hosts live (4 unless it is set), `RKT_TEST_SEED` which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use pretty_assertions::assert_eq;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rkt_api::{
    api::{Event, EventFilter, EventType, ListPodsRequest},
    layout,
};
use rkt_sim::{
    live::{HostState, Player, PodState, random::Lives, step::Step},
    spec::Phase,
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    events::{Listener, look, short, told_of},
    frames::{INITIAL_WINDOW_SIZE, PREFACE, call, kind, number, settings},
    fresh::setting,
    hosts::{self, TempHost},
    metrics::{self, scrape::Metrics},
    support::{DEADLINE, Server, at_once, eventually},
};

/// How many steps a host lives.
const STEPS: usize = 250;

/// What a step of a host's life does, told naively: by the step, and what is known of the pod
/// before it. Whether anything of it was told before does not matter: the simulator's lives
/// never go back.
pub fn expected(step: &Step, before: &HostState, image: Option<&str>) -> Vec<(String, String)> {
    let names = |apps: &PodState, running: bool| -> Vec<String> {
        let is =
            |app: &&rkt_sim::live::AppState| !running || (app.started && app.exit_code.is_none());
        apps.apps
            .iter()
            .filter(is)
            .map(|app| app.name.clone())
            .collect()
    };
    let Some(id) = step.pod() else {
        let kind = match step {
            Step::Import(_) => "IMAGE_IMPORTED",
            Step::Remove { .. } => "IMAGE_REMOVED",
            _ => return vec![],
        };
        return vec![(image.unwrap().to_owned(), kind.to_owned())];
    };
    let pod = before.pods.get(&id);
    let all: Vec<String> = match step {
        Step::Prepared { .. } => vec!["POD_PREPARED".into()],
        Step::Abort { .. } => vec!["POD_PREPARE_ABORTED".into()],
        Step::Run { .. } => match pod.unwrap().phase {
            Phase::Prepare => vec!["POD_PREPARED".into(), "POD_STARTED".into()],
            _ => vec!["POD_STARTED".into()],
        },
        Step::Start(_) if !pod.unwrap().mutable => {
            let names = names(pod.unwrap(), false);
            names
                .iter()
                .map(|app| format!("APP_STARTED {app}"))
                .collect()
        }
        Step::AppStart { app, .. } => vec![format!("APP_STARTED {app}")],
        Step::AppExit { app, code, .. } => vec![format!("APP_EXITED {app} {code}")],
        Step::Exit { .. } => {
            let names = names(pod.unwrap(), true);
            let apps = names.iter().map(|app| format!("APP_EXITED {app}"));
            apps.chain(["POD_EXITED".into()]).collect()
        }
        Step::Mark { .. } => vec!["POD_GARBAGE_COLLECTED".into()],
        _ => vec![],
    };
    let id = id.to_string();
    all.into_iter().map(|event| (id.clone(), event)).collect()
}

pub fn told(events: &[Event]) -> Vec<(String, String)> {
    events
        .iter()
        .map(|event| (event.id.clone(), short(event)))
        .collect()
}

/// What listeners of some kind ask for; the times apart.
fn random_filter(rng: &mut ChaCha12Rng, heard: &[Event]) -> EventFilter {
    let mut filter = EventFilter::default();
    let some = |rng: &mut ChaCha12Rng| match heard.is_empty() || rng.random_bool(0.5) {
        true => None,
        false => Some(heard[rng.random_range(0..heard.len())].clone()),
    };
    for _ in 0..3 {
        filter.types.extend(some(rng).map(|event| event.r#type));
    }
    for _ in 0..8 {
        filter.ids.extend(some(rng).map(|event| event.id));
        filter.names.extend(some(rng).map(|event| event.from));
    }
    for list in 0..3 {
        if rng.random_bool(0.6) {
            match list {
                0 => filter.types.clear(),
                1 => filter.ids.clear(),
                _ => filter.names.clear(),
            }
        }
    }
    filter
}

fn takes(filter: &EventFilter, event: &Event) -> bool {
    (filter.types.is_empty() || filter.types.contains(&event.r#type))
        && (filter.ids.is_empty() || filter.ids.contains(&event.id))
        && (filter.names.is_empty() || filter.names.contains(&event.from))
}

#[tokio::test]
async fn everyone_hears_everything_once_and_in_order() {
    let first_seed: u64 = setting("RKT_TEST_SEED", 1_468);
    for seed in (first_seed..).take(setting("RKT_TEST_LIVES", 4)) {
        one_life(seed).await;
    }
}

async fn one_life(seed: u64) {
    let why = format!("RKT_TEST_SEED={seed}");
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let tmp = tempfile::tempdir().unwrap();
    let mut player = Player::open(tmp.path().join("rkt")).unwrap();
    let mut lives = Lives::new(seed, 8).unwrap();
    // What was there before makes no events.
    for _ in 0..rng.random_range(0..40) {
        let step = lives.next(player.state());
        player.play(&step).unwrap();
    }
    let server = Server::start(player.dir(), &[]);
    let mut client = server.client().await;
    look(&mut client).await;
    let mut all = Listener::open(&mut client, EventFilter::default()).await;
    let mut expectation = Vec::new();
    // Each with the number of the first event that it is to hear.
    let mut others = Vec::new();
    for _ in 0..STEPS {
        if rng.random_bool(0.05) {
            all.hear(&why, |heard| heard.len() >= expectation.len())
                .await;
            let mut filter = random_filter(&mut rng, &all.heard);
            let first = match rng.random_bool(0.5) {
                true => all.heard.len(),
                false => {
                    filter.since_time = 1;
                    0
                }
            };
            let listener = Listener::open(&mut client, filter.clone()).await;
            others.push((first, filter, listener));
        }
        let step = lives.next(player.state());
        let before = player.state().clone();
        let record = player.play(&step).unwrap();
        expectation.extend(expected(&step, &before, record.image_id.as_deref()));
        // So that none of it has to be implied, and even the order of several pods is known.
        look(&mut client).await;
    }
    all.hear(&why, |heard| heard.len() >= expectation.len())
        .await;
    // One who asks for the past up to some second gets that, and the end.
    let last_s = all.heard.last().map_or(1, |event| event.time);
    let past = EventFilter {
        since_time: 1,
        until_time: last_s,
        ..EventFilter::default()
    };
    let past = Listener::open(&mut client, past).await.hear_out().await;

    let (_, (heard, end)) = tokio::join!(server.end(), all.hear_out());
    assert_eq!(end.unwrap_err().code(), Code::Unavailable, "{why}");
    assert_eq!(told(&heard), expectation, "{why}");
    assert!(heard.is_sorted_by_key(|event| event.time), "{why}");
    let before_last: Vec<_> = heard.iter().filter(|event| event.time < last_s).collect();
    assert!(past.1.is_ok(), "{why}");
    assert_eq!(past.0.iter().collect::<Vec<_>>(), before_last, "{why}");
    for (first, filter, listener) in others {
        let (its, _) = listener.hear_out().await;
        let wanted = heard[first..].iter().filter(|event| takes(&filter, event));
        assert_eq!(
            its.iter().collect::<Vec<_>>(),
            wanted.collect::<Vec<_>>(),
            "{why}: {filter:?}"
        );
    }
}

/// What happens to a pod as a whole, which can be told even of one that was never read.
pub fn of_pods(told: &[(String, String)]) -> BTreeMap<&str, Vec<&str>> {
    let mut pods = BTreeMap::<_, Vec<_>>::new();
    for (id, event) in told {
        if event.starts_with("POD_") {
            pods.entry(id.as_str()).or_default().push(event.as_str());
        }
    }
    pods
}

/// Whether `some` are among `all`, in the same order.
fn is_among<T: PartialEq>(some: &[T], all: &[T]) -> bool {
    let mut all = all.iter();
    some.iter().all(|one| all.any(|other| other == one))
}

/// Lives that nobody waits for: steps are found several at once, also while the server starts.
async fn rush(seed: u64, args: &[&str]) -> (Vec<(String, String)>, Vec<(String, String)>) {
    let tmp = tempfile::tempdir().unwrap();
    let mut player = Player::open(tmp.path().join("rkt")).unwrap();
    let mut lives = Lives::new(seed, 20).unwrap();
    let server = Server::start(player.dir(), args);
    let mut client = server.client().await;
    look(&mut client).await;
    let mut expectation = Vec::new();
    let mut all = Listener::open(&mut client, EventFilter::default()).await;
    let state = tokio::task::block_in_place(|| {
        for _ in 0..4 * STEPS {
            let step = lives.next(player.state());
            let before = player.state().clone();
            let record = player.play(&step).unwrap();
            expectation.extend(expected(&step, &before, record.image_id.as_deref()));
        }
        player.state().clone()
    });
    look(&mut client).await;
    let last = |heard: &[Event]| {
        // All that has to be told of those pods that are there still.
        state.pods.iter().all(|(id, pod)| {
            let told = told_of(heard, &id.to_string());
            let has = |event: &str| told.iter().any(|told| told == event);
            match (pod.phase, pod.locked) {
                (Phase::Embryo, _) | (Phase::Prepare, true) => true,
                (Phase::Prepare, false) => has("POD_PREPARE_ABORTED"),
                (Phase::Prepared, _) => has("POD_PREPARED"),
                (Phase::Run, true) => has("POD_STARTED"),
                (Phase::Run, false) => has("POD_EXITED"),
                (Phase::ExitedGarbage | Phase::Garbage, _) => has("POD_GARBAGE_COLLECTED"),
            }
        })
    };
    all.hear("what has become of the pods", last).await;
    let (_, (heard, _)) = tokio::join!(server.end(), all.hear_out());
    (told(&heard), expectation)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_a_rush_is_told() {
    let (told, expected) = rush(7, &[]).await;
    assert_eq!(of_pods(&told), of_pods(&expected));
    for id in of_pods(&expected).keys() {
        let of = |all: &[(String, String)]| -> Vec<String> {
            let all = all.iter().filter(|(of, _)| of == id);
            all.map(|(_, event)| event.clone()).collect()
        };
        // Of apps that were restarted, or were gone, before anybody looked, less can be known.
        let without_codes = |events: Vec<String>| -> BTreeSet<String> {
            let name = |event: String| event.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
            events.into_iter().map(name).collect()
        };
        let (told, expected) = (without_codes(of(&told)), without_codes(of(&expected)));
        assert!(told.is_subset(&expected), "{id}: {told:?} {expected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_queue_overflows_nothing_comes_twice_or_out_of_order() {
    let (told, expected) = rush(8, &["--changes-max=2"]).await;
    // How a pod that is next seen in `garbage/` came out of `prepare/`, nobody can know.
    let known = |mut events: Vec<(String, String)>| {
        for (_, event) in &mut events {
            if event == "POD_PREPARE_ABORTED" {
                *event = "POD_PREPARED".to_owned();
            }
        }
        events
    };
    let (told, expected) = (known(told), known(expected));
    let (told, expected) = (of_pods(&told), of_pods(&expected));
    for (id, told) in told {
        assert!(
            is_among(&told, &expected[id]),
            "{id}: {told:?} {:?}",
            expected[id]
        );
    }
}

/// A client that speaks HTTP/2 by hand, so that nothing is read that it does not read itself.
struct Deaf(TcpStream);

impl Deaf {
    /// Listens, with room for so many bytes on the stream and on the connection.
    fn listen(address: &str, window_bytes: u32) -> Self {
        let for_connection = window_bytes.saturating_sub(65_535).max(1);
        let bytes = [
            PREFACE.to_vec(),
            settings(&[(INITIAL_WINDOW_SIZE, window_bytes)]),
            number(kind::WINDOW_UPDATE, 0, for_connection),
            call(1, "ListenEvents", &[]),
        ];
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(&bytes.concat()).unwrap();
        Self(socket)
    }

    /// Reads on until the connection is at its end; whether that was a reset.
    fn ends_by_reset(mut self) -> bool {
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}

/// A pod of which there is much to tell.
fn long_winded(dir: &Path, id: Uuid) {
    let run = hosts::phase_dir(dir, Phase::Run).join(id.to_string());
    let beside = dir.parent().unwrap().join(id.to_string());
    fs::create_dir(&beside).unwrap();
    let image = format!("sha512-{}", "0".repeat(200_000));
    let manifest = serde_json::json!({
        "acVersion": "0.8.11",
        "acKind": "PodManifest",
        "apps": [{"name": "web", "image": {"id": image}}],
    });
    fs::write(beside.join(layout::pod::MANIFEST), manifest.to_string()).unwrap();
    fs::write(beside.join(layout::pod::PID), "4711").unwrap();
    fs::rename(&beside, run).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_cut_off_and_harms_nobody() {
    const PODS: u32 = 60;
    const WINDOWS: [u32; 2] = [65_535, i32::MAX as u32];

    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--stream-buffer=20", metrics::LISTEN]);
    let mut client = server.client().await;
    look(&mut client).await;
    let reads = EventFilter {
        types: vec![EventType::PodExited.into()],
        ..EventFilter::default()
    };
    let mut reader = Listener::open(&mut client, reads).await;
    let sockets = || {
        let fds = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
        fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    };
    let before = sockets();
    // One has no room for more, as HTTP/2 counts it; the other has, and yet does not read.
    let deaf = WINDOWS.map(|bytes| Deaf::listen(&server.addresses()[0], bytes));
    let mut number = 0;
    let mut told = 0;
    let start = std::time::Instant::now();
    while told < WINDOWS.len() {
        assert!(start.elapsed() < 3 * DEADLINE, "{}", server.log());
        if number < PODS {
            let id = hosts::id(number);
            tokio::task::block_in_place(|| long_winded(host.dir(), id));
            number += 1;
            let all = number as usize;
            reader
                .hear("the others hear on", |heard| heard.len() >= all)
                .await;
        }
        let list = client.list_pods(ListPodsRequest::default());
        at_once("ListPods", list).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        told = server.log().matches("is cut off").count();
    }
    tokio::task::block_in_place(|| {
        eventually("their sockets are closed", || sockets() <= before);
        for deaf in deaf {
            assert!(deaf.ends_by_reset(), "a reset");
        }
        let lost = Metrics::of(&server).value("rkt_api_event_losses_total{reason=\"too_slow\"}");
        assert_eq!(lost, WINDOWS.len() as f64);
    });
    // And who has read is a listener still.
    tokio::task::block_in_place(|| long_winded(host.dir(), hosts::id(PODS)));
    let all = reader.heard.len() + 1;
    reader
        .hear("the others hear on", |heard| heard.len() >= all)
        .await;
}
