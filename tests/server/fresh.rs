//! No answer is older than its call (S-13): after each step of a host's life, of all kinds in
//! all orders, the next answer has it.
//!
//! `RKT_TEST_STEPS` makes the lives longer (2,000 steps unless it is set), `RKT_TEST_SEED`
//! makes others.

use std::{collections::BTreeMap, env, str::FromStr, time::Duration};

use pretty_assertions::assert_eq;
use rkt_api::api::{
    AppState, InspectPodRequest, ListImagesRequest, ListPodsRequest, Pod, PodState,
};
use rkt_sim::{
    live::{Player, PodState as Known, random::Lives},
    spec::Phase,
};
use tonic::Code;

use crate::support::{Client, Server};

/// How many pods there are at most.
const PODS_MAX: usize = 30;

/// How long another client waits between two calls.
const PAUSE: Duration = Duration::from_millis(2);

/// How many steps lie between two comparisons with what is read anew. Reading opens pods,
/// which the watching server sees, so it is not done all the time.
const STEPS_PER_COMPARISON: usize = 500;

pub fn setting<T: FromStr>(name: &str, default: T) -> T {
    let value = env::var(name).ok().and_then(|value| value.parse().ok());
    value.unwrap_or(default)
}

/// The state of a pod, by S-1 to S-10.
pub fn state(pod: &Known) -> PodState {
    match (pod.phase, pod.locked) {
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

pub async fn list(client: &mut Client, detail: bool) -> Vec<Pod> {
    let request = ListPodsRequest {
        filters: vec![],
        detail,
    };
    client.list_pods(request).await.unwrap().into_inner().pods
}

pub async fn images(client: &mut Client) -> Vec<String> {
    let request = ListImagesRequest::default();
    let images = client.list_images(request).await.unwrap().into_inner();
    let mut ids: Vec<_> = images.images.into_iter().map(|image| image.id).collect();
    ids.sort();
    ids
}

pub async fn inspect(client: &mut Client, id: &str) -> Option<Pod> {
    let request = InspectPodRequest { id: id.to_owned() };
    match client.inspect_pod(request).await {
        Ok(answer) => answer.into_inner().pod,
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => panic!("{status}"),
    }
}

/// Checks what InspectPod says against what is known of the pod.
pub fn check(pod: &Pod, known: &Known, why: &str) {
    assert_eq!(pod.state(), state(known), "{why}");
    let has_run = matches!(known.phase, Phase::Run | Phase::ExitedGarbage);
    assert_eq!(pod.started_at != 0, has_run && known.started, "{why}");
    if matches!(known.phase, Phase::Embryo | Phase::Prepare) {
        return;
    }
    let actual: Vec<_> = pod.apps.iter().map(|app| app.name.as_str()).collect();
    let expected: Vec<_> = known.apps.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(actual, expected, "{why}");
    for (app, known_app) in pod.apps.iter().zip(&known.apps) {
        let exited = known_app.exit_code.is_some();
        let expected = match pod.state() {
            PodState::Running if !exited => AppState::Running,
            PodState::Running | PodState::Exited => AppState::Exited,
            _ if known.phase == Phase::ExitedGarbage => continue,
            _ => AppState::Undefined,
        };
        assert_eq!(app.state(), expected, "{why}");
        if expected == AppState::Exited {
            assert_eq!(app.exit_code, known_app.exit_code.unwrap_or(0), "{why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_in_the_next_answer() {
    steps_are_in_the_next_answer(setting("RKT_TEST_STEPS", 2_000), &[]).await;
}

/// The check on the check.
#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_in_the_next_answer_where_nothing_is_watched() {
    steps_are_in_the_next_answer(setting("RKT_TEST_STEPS", 2_000) / 10, &["--no-watch"]).await;
}

async fn steps_are_in_the_next_answer(steps: usize, args: &[&str]) {
    let seed = setting("RKT_TEST_SEED", 20_186);
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    let mut player = Player::open(&dir).unwrap();
    let mut lives = Lives::new(seed, PODS_MAX).unwrap();

    let watching = Server::start(&dir, &[&["--store-lock-timeout=1h"], args].concat());
    let mut client = watching.client().await;
    // Somebody else asks all the time, so that steps come while pods are being looked at.
    let mut other = watching.client().await;
    let others = tokio::spawn(async move {
        while other.list_pods(ListPodsRequest::default()).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
    });
    let mut scanning = None;
    for number in 0..steps {
        let step = lives.next(player.state());
        player.play(&step).unwrap();
        let why = format!("RKT_TEST_SEED={seed}, step {number}: {step:?}");

        let pods = list(&mut client, number % 2 == 0).await;
        let actual: BTreeMap<_, _> = pods
            .iter()
            .map(|pod| (pod.id.clone(), pod.state()))
            .collect();
        assert_eq!(actual.len(), pods.len(), "{why}");
        let known = &player.state().pods;
        let expected = known.iter().map(|(id, pod)| (id.to_string(), state(pod)));
        assert_eq!(actual, expected.collect(), "{why}");
        match step.pod() {
            Some(id) => {
                let pod = inspect(&mut client, &id.to_string()).await;
                assert_eq!(pod.is_some(), known.contains_key(&id), "{why}");
                if let Some(pod) = &pod {
                    check(pod, &known[&id], &why);
                }
            }
            None => {
                let expected: Vec<_> = player.state().images.keys().cloned().collect();
                assert_eq!(images(&mut client).await, expected, "{why}");
            }
        }

        if (number + 1) % STEPS_PER_COMPARISON == 0 {
            if scanning.is_none() {
                let server = Server::start(&dir, &["--no-watch"]);
                let client = server.client().await;
                scanning = Some((server, client));
            }
            let (_, scanning) = scanning.as_mut().unwrap();
            // The watching one first: it must not know by the other's looking.
            let ours = list(&mut client, true).await;
            // When a pod was marked is as it was first seen.
            let without_marks = |mut pods: Vec<Pod>| {
                pods.iter_mut().for_each(|pod| pod.gc_marked_at = 0);
                pods
            };
            let theirs = list(scanning, true).await;
            assert_eq!(without_marks(ours), without_marks(theirs), "{why}");
            for id in player.state().pods.keys() {
                let id = id.to_string();
                let ours = inspect(&mut client, &id).await.into_iter().collect();
                let theirs = inspect(scanning, &id).await.into_iter().collect();
                assert_eq!(without_marks(ours), without_marks(theirs), "{why}");
            }
        }
    }
    others.abort();
}
