//! The server is killed amid calls and streams, and started anew at the same addresses, while the
//! host lives on.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pretty_assertions::assert_eq;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rkt_api::{
    api::{Event, EventFilter, GetLogsRequest, GetLogsResponse, ListPodsRequest},
    layout::store,
};
use rkt_sim::{
    live::{Player, random::Lives},
    spec::Phase,
};
use tokio::{sync::Mutex, task::JoinHandle};
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use super::kill;
use crate::{
    events::{Listener, look},
    fresh::{check, images, inspect, list, setting, state},
    hosts::{self, TempHost},
    journals::{Journal, following, message},
    lives::{expected, of_pods, told},
    read_only::{tree, unchanged},
    support::{Client, Server, at_once, command, connect, eventually},
};

/// How many pods there are at most.
const PODS_MAX: usize = 12;

/// How many lines there are in a file of the journal.
const LINES_PER_FILE: usize = 40;

/// How long the host rests between two steps.
const REST: Duration = Duration::from_millis(2);

/// A host that lives, and one pod more that says something all the time.
struct Life {
    player: Player,
    lives: Lives,
    /// What listeners are to be told of pods.
    expected: Vec<(String, String)>,
    journal: Journal,
    /// When each line was written, in microseconds since the epoch.
    lines_us: Vec<u64>,
}

impl Life {
    /// Takes one step, and has one line be written.
    fn go_on(&mut self) {
        let step = self.lives.next(self.player.state());
        let before = self.player.state().clone();
        let record = self.player.play(&step).unwrap();
        let image = record.image_id.as_deref();
        self.expected.extend(expected(&step, &before, image));

        let number = self.lines_us.len();
        if number % LINES_PER_FILE == LINES_PER_FILE - 1 {
            self.journal.rotate();
        }
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now_us = u64::try_from(now_us.as_micros()).unwrap();
        self.journal.log_at(now_us, "web", format!("line {number}"));
        self.lines_us.push(now_us);
    }

    /// Checks the first answers of a server against what is known of the host.
    async fn check(&self, client: &mut Client, talker: Uuid, why: &str) {
        let known = &self.player.state().pods;
        let pods = list(client, true).await;
        let pods = pods.iter().filter(|pod| pod.id != talker.to_string());
        let states = pods.map(|pod| (pod.id.clone(), pod.state()));
        let expected = known.iter().map(|(id, pod)| (id.to_string(), state(pod)));
        assert_eq!(
            states.collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "{why}"
        );
        for (id, known) in known {
            let pod = inspect(client, &id.to_string()).await.unwrap();
            check(&pod, known, why);
        }
        let expected: Vec<_> = self.player.state().images.keys().cloned().collect();
        assert_eq!(images(client).await, expected, "{why}");
    }
}

/// A life that goes on by itself until this is dropped.
struct Living {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Living {
    fn begin(life: &Arc<Mutex<Life>>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = tokio::task::spawn_blocking({
            let (life, is_over) = (Arc::clone(life), Arc::clone(&is_over));
            move || {
                while !is_over.load(SeqCst) {
                    life.blocking_lock().go_on();
                    std::thread::sleep(REST);
                }
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }

    /// Ends it, in good order.
    async fn end(mut self) {
        self.is_over.store(true, SeqCst);
        self.thread.take().unwrap().await.unwrap();
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
    }
}

/// One who follows the lines, through all kills.
struct Follower {
    pod: Uuid,
    stream: Option<Streaming<GetLogsResponse>>,
    /// How many lines it has.
    lines: usize,
}

impl Follower {
    /// Comes back, and asks for what was written since its last line.
    async fn open(&mut self, client: &mut Client, life: &Life) {
        let last = self.lines.checked_sub(1).map(|last| life.lines_us[last]);
        let since_s = last.map_or(0, |last_us| last_us / 1_000_000);
        let request = GetLogsRequest {
            since_time: since_s.try_into().unwrap(),
            ..following(self.pod)
        };
        let stream = client.get_logs(request).await.unwrap();
        self.stream = Some(stream.into_inner());
    }

    /// Reads one message. Nothing is missing before it, and what came before the kill comes
    /// again at most.
    async fn read(&mut self) -> Result<(), Status> {
        let stream = self.stream.as_mut().unwrap();
        let response = at_once("more lines", stream.message()).await?;
        let response = response.expect("the stream does not end in good order");
        for line in &response.lines {
            let number = message(line).strip_prefix("line ").unwrap();
            let number: usize = number.parse().unwrap();
            assert!(number <= self.lines, "{} lines, then {line}", self.lines);
            self.lines = self.lines.max(number + 1);
        }
        Ok(())
    }

    /// Reads what is on its way, and tells how the stream ends.
    async fn read_out(&mut self) -> Status {
        loop {
            if let Err(status) = self.read().await {
                return status;
            }
        }
    }
}

/// Whoever is cut off gets to know it. The status is what the client's own side makes of a
/// connection that is gone: it depends on how far the call had come.
#[track_caller]
fn is_cut_off(status: &Status, why: &str) {
    let codes = [
        Code::Unavailable,
        Code::Unknown,
        Code::Internal,
        Code::Cancelled,
    ];
    assert!(codes.contains(&status.code()), "{why}: {status:?}");
    let source = std::error::Error::source(status);
    assert!(source.is_some(), "{why}: {status:?}");
}

/// Lists pods until the server is gone.
async fn list_to_the_end(mut client: Client) -> Status {
    loop {
        let request = ListPodsRequest::default();
        if let Err(status) = client.list_pods(request).await {
            return status;
        }
    }
}

/// What was told of each pod is what has happened to it, up to some point.
fn is_the_beginning(heard: &[Event], expected: &[(String, String)], talker: Uuid, why: &str) {
    let (heard, talker) = (told(heard), talker.to_string());
    let expected = of_pods(expected);
    for (id, told) in of_pods(&heard) {
        assert_ne!(id, talker, "{why}: {told:?}");
        let expected = expected.get(id).map(Vec::as_slice).unwrap_or_default();
        assert!(expected.starts_with(&told), "{why}: {told:?} {expected:?}");
    }
}

/// No lock is held but those that pods need.
fn locks_are_free(life: &Life) {
    let dir = life.player.dir();
    let pods = life.player.state().pods.iter();
    let unlocked = pods.filter(|(_, pod)| !pod.locked);
    let unlocked = unlocked.map(|(id, pod)| hosts::phase_dir(dir, pod.phase).join(id.to_string()));
    for dir in unlocked.chain([dir.join(store::DB_DIR)]) {
        let file = File::open(&dir).unwrap();
        // By name: what is only closed may still be open in a process that is just starting.
        eventually("a lock of the server's is free", || {
            file.try_lock().is_ok_and(|()| file.unlock().is_ok())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_goes_on() {
    let seed = setting("RKT_TEST_SEED", 20_181);
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let host = TempHost::create();
    let player = Player::open(host.dir()).unwrap();
    // One of which the player knows nothing.
    let talker = hosts::pod(0, Phase::Run);
    host.add(&talker);
    let talker = talker.id;
    let life = Arc::new(Mutex::new(Life {
        player,
        lives: Lives::new(seed, PODS_MAX).unwrap(),
        expected: Vec::new(),
        journal: Journal::create(host.dir(), talker),
        lines_us: Vec::new(),
    }));
    let living = Living::begin(&life);

    let unix = format!("unix:{}", host.beside("api.sock").display());
    // Nobody else takes ports of this address while the server is gone.
    let mut tcp = "127.77.0.1:0".to_owned();
    let mut follower = Follower {
        pod: talker,
        stream: None,
        lines: 0,
    };
    for round in 0..setting("RKT_TEST_KILLS", 10) {
        let why = format!("RKT_TEST_SEED={seed}, round {round}");
        let start =
            |tcp: &str| Server::spawn(command(host.dir(), &["--listen", tcp, "--listen", &unix]));
        let server = start(&tcp);
        tcp = server.addresses()[0].clone();
        let addresses = [format!("http://{tcp}"), unix.clone()];
        // All kinds of clients come by both ways in turn.
        let [mut one, mut other] = match round % 2 {
            0 => [connect(&addresses[0]).await, connect(&addresses[1]).await],
            _ => [connect(&addresses[1]).await, connect(&addresses[0]).await],
        };
        let mut listener = {
            let mut life = life.lock().await;
            life.check(&mut one, talker, &why).await;
            look(&mut one).await;
            life.expected.clear();
            follower.open(&mut other, &life).await;
            Listener::open(&mut one, EventFilter::default()).await
        };
        let lists =
            [one.clone(), other.clone()].map(|client| tokio::spawn(list_to_the_end(client)));
        let events = rng.random_range(1..10);
        listener.hear(&why, |heard| heard.len() >= events).await;
        let lines = follower.lines + rng.random_range(1..50);
        while follower.lines < lines {
            follower.read().await.unwrap();
        }

        kill(server).await;
        let (heard, end) = listener.hear_out().await;
        is_cut_off(&end.unwrap_err(), &why);
        is_cut_off(&follower.read_out().await, &why);
        for list in lists {
            is_cut_off(&list.await.unwrap(), &why);
        }
        let life = life.lock().await;
        is_the_beginning(&heard, &life.expected, talker, &why);
        locks_are_free(&life);

        // And once more while nothing happens: then whatever changes is the server's doing.
        let before = tree(host.dir());
        let server = start(&tcp);
        let [mut one, other] = [connect(&addresses[0]).await, connect(&addresses[1]).await];
        life.check(&mut one, talker, &why).await;
        follower.open(&mut other.clone(), &life).await;
        while follower.lines < life.lines_us.len() {
            follower.read().await.unwrap();
        }
        // E-7: however far back it asks, nothing is told of what was before.
        let since = EventFilter {
            since_time: 1,
            ..EventFilter::default()
        };
        let listener = Listener::open(&mut one, since).await;
        let lists = [one, other].map(|client| tokio::spawn(list_to_the_end(client)));
        tokio::time::sleep(rng.random_range(0..5) * REST).await;
        kill(server).await;
        let (heard, end) = listener.hear_out().await;
        assert_eq!(told(&heard), [], "{why}");
        is_cut_off(&end.unwrap_err(), &why);
        is_cut_off(&follower.read_out().await, &why);
        for list in lists {
            is_cut_off(&list.await.unwrap(), &why);
        }
        unchanged(&before, host.dir(), &why);
        locks_are_free(&life);
    }
    living.end().await;
}
