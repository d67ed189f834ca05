//! The server on a living host: while pods and images come and go, every answer has each pod
//! once, every pod that was there during the whole call, and of each that no step touched
//! meanwhile the state that the steps before imply.
//!
//! The host lives twice: with its steps following each other at once, and at the rate that
//! `RKT_TEST_LIFE_RATE` names (as `rkt-sim live --rate` does; 50/s by default). Each life
//! takes `RKT_TEST_LIFE_S` seconds, 3 by default.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod serving;

use std::{
    collections::BTreeMap,
    env,
    str::FromStr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rkt_api::{
    api::{ListImagesRequest, ListPodsRequest, PodState, public_api_client::PublicApiClient},
    layout::Phase,
    server::Dialect,
};
use rkt_sim::live::{
    Player,
    pace::{Delay, Rate, Schedule},
    random::Lives,
    record::Record,
    step::Step,
};
use serving::Serving;
use tonic::transport::Channel;

/// What the steps, and the delays between them, follow from.
const SEED: u64 = 20_181;

/// How many pods there are at most.
const PODS_MAX: usize = 40;

/// How many steps and answers a life has at least, however slow the machine.
const AT_LEAST: usize = 100;

/// How long a life may take beyond its time until it has had those.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer of ListPods, and when it was asked for and had.
struct Answer {
    before_unix_ns: i64,
    after_unix_ns: i64,
    /// The pods, in the answer's order.
    pods: Vec<(String, PodState)>,
}

/// What the steps say of a pod: from the end of the one to the beginning of the other, none
/// touched it, and it had that state; `None` while it was not there.
struct Rest {
    from_unix_ns: i64,
    until_unix_ns: i64,
    state: Option<PodState>,
}

/// The value of an environment variable, or the default.
fn setting<T: FromStr>(name: &str, default: &str) -> T {
    let text = env::var(name).unwrap_or_else(|_| default.to_owned());
    let value = text.parse();
    value.unwrap_or_else(|_| panic!("{name} cannot be {text:?}"))
}

fn now_unix_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_nanos().try_into().unwrap()
}

/// Plays until it is told to stop.
fn live(mut player: Player, delay: Delay, stop: &AtomicBool, records: &Mutex<Vec<Record>>) {
    let mut lives = Lives::new(SEED, PODS_MAX).unwrap();
    let mut schedule = Schedule::new(SEED, delay);
    let begin = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let elapsed = begin.elapsed();
        thread::sleep(schedule.next(elapsed).saturating_sub(elapsed));
        let step = lives.next(player.state());
        let record = player.play(&step).unwrap();
        records.lock().unwrap().push(record);
    }
}

/// Asks for the pods, and for the images so that their index is read, too.
async fn ask(client: &mut PublicApiClient<Channel>, detail: bool) -> Answer {
    let filters = Vec::new();
    let before_unix_ns = now_unix_ns();
    let answer = client.list_pods(ListPodsRequest { filters, detail }).await;
    let after_unix_ns = now_unix_ns();
    let pods = answer.unwrap().into_inner().pods;
    let images = client.list_images(ListImagesRequest::default()).await;
    images.unwrap();
    Answer {
        before_unix_ns,
        after_unix_ns,
        pods: pods
            .iter()
            .map(|pod| (pod.id.clone(), pod.state()))
            .collect(),
    }
}

/// Where a pod lies and whether it is locked after a step; `None` once it is gone.
fn after(step: &Step, before: Option<(Phase, bool)>) -> Option<(Phase, bool)> {
    match step {
        Step::Create { .. } => Some((Phase::Embryo, false)),
        Step::Lock { .. } => Some((before?.0, true)),
        Step::Unlock { .. } => Some((before?.0, false)),
        Step::Prepare { .. } => Some((Phase::Prepare, true)),
        Step::Prepared { .. } => Some((Phase::Prepared, false)),
        Step::Abort { .. } => Some((Phase::Prepare, false)),
        Step::Run { .. } => Some((Phase::Run, true)),
        Step::Exit { .. } => Some((Phase::Run, false)),
        Step::Mark { .. } if before?.0 == Phase::Run => Some((Phase::ExitedGarbage, false)),
        Step::Mark { .. } => Some((Phase::Garbage, false)),
        Step::Sweep { .. } => None,
        Step::Write(_) | Step::Start(_) | Step::AppAdd { .. } => before,
        Step::AppStart { .. } | Step::AppExit { .. } => before,
        Step::Log { .. } | Step::LogEntry { .. } | Step::Rotate { .. } => before,
        Step::Import(_) | Step::Remove { .. } | Step::Use { .. } => before,
    }
}

/// S-1 to S-10.
fn state((phase, locked): (Phase, bool)) -> PodState {
    match (phase, locked) {
        (Phase::Embryo, _) => PodState::Embryo,
        (Phase::Prepare, true) => PodState::Preparing,
        (Phase::Prepare, false) => PodState::AbortedPrepare,
        (Phase::Prepared, _) => PodState::Prepared,
        (Phase::Run, true) => PodState::Running,
        (Phase::Run, false) => PodState::Exited,
        (Phase::ExitedGarbage | Phase::Garbage, true) => PodState::Deleting,
        (Phase::ExitedGarbage | Phase::Garbage, false) => PodState::Garbage,
    }
}

/// When each pod was left alone, in order.
fn rests(records: &[Record]) -> BTreeMap<String, Vec<Rest>> {
    let mut pods = BTreeMap::<String, (Option<(Phase, bool)>, Vec<Rest>)>::new();
    for record in records {
        let Some(id) = record.step.pod() else {
            continue;
        };
        let (now, rests) = pods.entry(id.to_string()).or_insert_with(|| {
            let never_there = Rest {
                from_unix_ns: i64::MIN,
                until_unix_ns: i64::MAX,
                state: None,
            };
            (None, vec![never_there])
        });
        *now = after(&record.step, *now);
        rests.last_mut().unwrap().until_unix_ns = record.before_unix_ns;
        rests.push(Rest {
            from_unix_ns: record.after_unix_ns,
            until_unix_ns: i64::MAX,
            state: now.map(state),
        });
    }
    let pods = pods.into_iter();
    pods.map(|(id, (_, rests))| (id, rests)).collect()
}

/// The last steps before an answer was asked for.
fn last_steps(records: &[Record], answer: &Answer) -> String {
    let before = records.partition_point(|record| record.before_unix_ns < answer.before_unix_ns);
    let last = records[..before].iter().rev().take(10).rev();
    let lines = last.map(|record| {
        let ago_us = (answer.before_unix_ns - record.after_unix_ns) / 1000;
        let pod = record.step.pod().unwrap_or_default();
        format!("{} {pod}, done {ago_us} us before\n", record.step.name())
    });
    lines.collect()
}

/// Compares an answer with what the steps say. How many pods could be compared.
fn check(answer: &Answer, pods: &BTreeMap<String, Vec<Rest>>, records: &[Record]) -> usize {
    let listed: BTreeMap<_, _> = answer.pods.iter().cloned().collect();
    assert_eq!(listed.len(), answer.pods.len(), "a pod comes twice");
    for id in listed.keys() {
        assert!(pods.contains_key(id), "there never was a pod {id}");
    }
    let mut compared = 0;
    for (id, rests) in pods {
        let mut rests = rests.iter();
        let untouched = rests.find(|rest| {
            rest.from_unix_ns <= answer.before_unix_ns && answer.after_unix_ns <= rest.until_unix_ns
        });
        if let Some(rest) = untouched {
            let state = listed.get(id).copied();
            let last_steps = || last_steps(records, answer);
            assert_eq!(state, rest.state, "pod {id}\n{}", last_steps());
            compared += usize::from(rest.state.is_some());
        }
    }
    compared
}

/// Lets a host live for so long, and the server answer meanwhile.
async fn check_life(life: Duration, rate: Option<Rate>) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    let player = Player::open(&dir).unwrap();
    let mut serving = Serving::start(&dir, Dialect::Documented).await;

    let delay = rate.map_or(Delay::NONE, Rate::delay);
    let stop = Arc::new(AtomicBool::new(false));
    let records = Arc::new(Mutex::new(Vec::new()));
    let lived = thread::spawn({
        let (stop, records) = (Arc::clone(&stop), Arc::clone(&records));
        move || live(player, delay, &stop, &records)
    });
    let begin = Instant::now();
    let mut answers = Vec::new();
    let is_enough = |answers: &[Answer]| {
        let enough = records.lock().unwrap().len().min(answers.len()) >= AT_LEAST;
        (enough && begin.elapsed() >= life) || begin.elapsed() >= life + PATIENCE
    };
    while !is_enough(&answers) && !lived.is_finished() {
        answers.push(ask(&mut serving.client, answers.len() % 2 == 0).await);
    }
    stop.store(true, Ordering::Relaxed);
    lived.join().unwrap();
    serving.end().await;

    let records = records.lock().unwrap();
    let pods = rests(&records);
    let compared: usize = answers
        .iter()
        .map(|answer| check(answer, &pods, &records))
        .sum();
    let listed: usize = answers.iter().map(|answer| answer.pods.len()).sum();
    let most = answers.iter().map(|answer| answer.pods.len()).max();
    let rate = rate.map_or("at once".to_owned(), |rate| rate.to_string());
    eprintln!(
        "{:.1} s, steps {rate}: {} steps, {} pods; {} answers with {listed} pods, {} at most, \
         of which {compared} were left alone",
        begin.elapsed().as_secs_f64(),
        records.len(),
        pods.len(),
        answers.len(),
        most.unwrap_or(0),
    );
    // It has been worth the while.
    assert!(records.len() >= AT_LEAST && answers.len() >= AT_LEAST);
    assert!(most > Some(5) && compared > AT_LEAST);
}

/// One life after the other: where children are started by several threads, a lock lives on
/// in a child of another thread until that executes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_true() {
    let life = Duration::from_secs(setting("RKT_TEST_LIFE_S", "3"));
    let rate = setting("RKT_TEST_LIFE_RATE", "50/s");
    for rate in [None, Some(rate)] {
        check_life(life, rate).await;
    }
}
