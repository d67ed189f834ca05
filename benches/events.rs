//! How soon events arrive: a thousand listeners on a living host, and the time from a pod's
//! renaming on disk until each of them has been told. Fails when a listener misses anything.
//!
//! `cargo bench --bench events`; figures are kept in `benches/README.md`. `RKT_BENCH_LISTENERS`
//! and `RKT_BENCH_STEPS` change the numbers.

#[path = "support/process.rs"]
mod process;

use std::{
    collections::{HashMap, HashSet},
    env,
    str::FromStr,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;
use process::Process;
use rkt_api::{
    api::{Event, EventType, ListenEventsRequest, public_api_client::PublicApiClient},
    layout::Phase,
};
use rkt_sim::live::{
    Player,
    pace::{Rate, Schedule},
    random::Lives,
    record::{ActionKind, Record},
    step::{Step, Write},
};
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// How many steps are played in a second, on average.
const RATE: &str = "100/s";

/// How many pods there are at most.
const PODS_MAX: usize = 200;

/// How many listeners share a connection.
const LISTENERS_PER_CONNECTION: usize = 50;

/// The steps and their times follow from it.
const SEED: u64 = 1;

/// The pod that is prepared when all is over.
const LAST: Uuid = Uuid::from_u128(0x1a57);

/// How long a listener may take for the last event.
const DEADLINE: Duration = Duration::from_secs(60);

type Client = PublicApiClient<Channel>;

/// What a listener has received.
#[derive(Default)]
struct Received {
    events: Vec<Event>,
    /// When each of them came, in nanoseconds since the epoch.
    at_unix_ns: Vec<i64>,
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let value = env::var(name).ok().and_then(|value| value.parse().ok());
    value.unwrap_or(default)
}

fn now_unix_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.expect("a clock").as_nanos()).expect("a time")
}

fn main() {
    let listeners: usize = setting("RKT_BENCH_LISTENERS", 1_000);
    let steps: u64 = setting("RKT_BENCH_STEPS", 3_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().join("rkt");
    let mut player = Player::open(&data_dir).expect("a host");
    let server = Process::start(&data_dir, &dir.path().join("api.sock"));
    let runtime = Runtime::new().expect("a runtime");

    let mut listening = runtime.block_on(listen(server.address.clone(), listeners));
    let before = server.cpu();
    let start = Instant::now();
    let renamed = play(&mut player, steps);
    let took_s = start.elapsed().as_secs_f64();
    let used_s = (server.cpu() - before).as_secs_f64();
    finish(&mut player);
    let received = runtime.block_on(async {
        let all = async {
            let mut received = Vec::new();
            while let Some(one) = listening.join_next().await {
                received.push(one.expect("a listener"));
            }
            received
        };
        let received = timeout(DEADLINE, all).await;
        received.expect("every listener gets every event")
    });

    let events = &received[0].events;
    for other in &received {
        assert!(other.events == *events, "listeners differ in what they got");
    }
    let (times, repeated) = latencies(&received, renamed);
    println!(
        "{} listeners, {steps} steps in {took_s:.1} s, {} events each, none lost; \
         the server used {used_s:.1} s of processor time",
        received.len(),
        events.len(),
    );
    println!(
        "then {} MiB are resident, {} descriptors open, {} directories watched",
        server.resident_bytes() >> 20,
        server.descriptors(),
        server.watches(),
    );
    println!(
        "from rename to receipt: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms, of {}",
        ms(times.value_at_quantile(0.5)),
        ms(times.value_at_quantile(0.9)),
        ms(times.value_at_quantile(0.99)),
        ms(times.max()),
        times.len(),
    );
    println!("{repeated} renamings were told of more than once");
}

fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// Starts so many listeners, who listen from now on until the last event.
async fn listen(address: String, listeners: usize) -> JoinSet<Received> {
    let mut listening = JoinSet::new();
    let mut client: Option<Client> = None;
    for number in 0..listeners {
        if number % LISTENERS_PER_CONNECTION == 0 {
            let endpoint = Endpoint::from_shared(address.clone()).expect("an address");
            let channel = endpoint.connect().await.expect("a connection");
            client = Some(Client::new(channel));
        }
        let mut client = client.clone().expect("the first has connected");
        let stream = client.listen_events(ListenEventsRequest::default()).await;
        let mut stream = stream.expect("a stream").into_inner();
        listening.spawn(async move {
            // The connection lasts as long as one of its clients.
            let _client = client;
            let mut received = Received::default();
            while let Some(message) = stream.message().await.expect("a message") {
                let now_ns = now_unix_ns();
                for event in message.events {
                    let is_last = event.id == LAST.to_string();
                    received.at_unix_ns.push(now_ns);
                    received.events.push(event);
                    if is_last {
                        return received;
                    }
                }
            }
            received
        });
    }
    listening
}

/// Plays so many steps. Returns when pods were renamed, by the events that tell of it.
fn play(player: &mut Player, steps: u64) -> HashMap<(String, EventType), i64> {
    let rate: Rate = RATE.parse().expect("a rate");
    let mut schedule = Schedule::new(SEED, rate.delay());
    let mut lives = Lives::new(SEED, PODS_MAX).expect("lives");
    let mut renamed = HashMap::new();
    let start = Instant::now();
    for _ in 0..steps {
        let due = schedule.next(start.elapsed());
        thread::sleep(due.saturating_sub(start.elapsed()));
        let step = lives.next(player.state());
        let record = player.play(&step).expect("a step");
        renamed.extend(renames(&record));
    }
    renamed
}

/// The events that the step's renamings make, and when that was.
fn renames(record: &Record) -> Vec<((String, EventType), i64)> {
    let renames = record.actions.iter().filter_map(|action| {
        let to = action.to.as_deref()?;
        let (phase, id) = to.strip_prefix("pods/")?.split_once('/')?;
        let kind = match phase {
            _ if action.action != ActionKind::Rename || id.contains('/') => return None,
            _ if phase == Phase::Run.dir_name() => EventType::PodStarted,
            _ if phase == Phase::Prepared.dir_name() => EventType::PodPrepared,
            _ if phase == Phase::ExitedGarbage.dir_name() => EventType::PodGarbageCollected,
            _ => return None,
        };
        Some(((id.to_owned(), kind), action.at_unix_ns))
    });
    renames.collect()
}

/// Prepares the last pod, after all else has been told.
fn finish(player: &mut Player) {
    // Locks that are let go are noticed within a second.
    thread::sleep(Duration::from_secs(2));
    let pod = LAST;
    let steps = [
        Step::Create { pod },
        Step::Lock { pod },
        Step::Prepare { pod },
        Step::Write(Write::new(pod)),
        Step::Prepared { pod },
    ];
    for step in steps {
        player.play(&step).expect("a step");
    }
}

/// How long it took from the renamings until they were told, in microseconds; and how many were
/// told of more than once.
///
/// # Panics
///
/// When one of them was never told.
fn latencies(
    received: &[Received],
    mut renamed: HashMap<(String, EventType), i64>,
) -> (Histogram<u64>, usize) {
    let mut times = Histogram::new(3).expect("a histogram");
    let mut told = HashSet::new();
    let mut repeated = 0;
    for (number, event) in received[0].events.iter().enumerate() {
        let key = (event.id.clone(), event.r#type());
        let Some(at_unix_ns) = renamed.remove(&key) else {
            repeated += usize::from(told.contains(&key));
            continue;
        };
        told.insert(key);
        for listener in received {
            // A clock may be set back meanwhile.
            let took_ns = u64::try_from(listener.at_unix_ns[number] - at_unix_ns).unwrap_or(0);
            times.record(took_ns / 1_000).expect("a time");
        }
    }
    assert!(renamed.is_empty(), "never told of: {renamed:?}");
    (times, repeated)
}
