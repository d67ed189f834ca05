//! The server on a living host: while pods come and go as fast as they can, every answer has
//! each pod once, and every pod that was there during the whole call.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rkt_api::{
    api::{ListImagesRequest, ListPodsRequest, public_api_client::PublicApiClient},
    server::{Config, Server},
};
use rkt_sim::live::{Player, random::Lives, record::Record, step::Step};
use tokio::sync::oneshot;

/// How long the host lives.
const LIFE: Duration = Duration::from_secs(3);

/// How many pods there are at most.
const PODS_MAX: usize = 40;

/// An answer of ListPods, and when it was asked for and had.
struct Answer {
    before_unix_ns: i64,
    after_unix_ns: i64,
    ids: Vec<String>,
}

/// Between these times a pod was there. The end is missing for one that is left.
#[derive(Clone, Copy)]
struct Existed {
    from_unix_ns: i64,
    until_unix_ns: i64,
}

fn now_unix_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_nanos().try_into().unwrap()
}

fn live(mut player: Player, stop: &AtomicBool) -> Vec<Record> {
    let mut lives = Lives::new(20_181, PODS_MAX).unwrap();
    let mut records = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let step = lives.next(player.state());
        records.push(player.play(&step).unwrap());
    }
    records
}

/// When each pod was there for sure, by the step log.
fn existed(records: &[Record]) -> BTreeMap<String, Existed> {
    let mut pods = BTreeMap::new();
    for record in records {
        match record.step {
            Step::Create { pod } => {
                let existed = Existed {
                    from_unix_ns: record.after_unix_ns,
                    until_unix_ns: i64::MAX,
                };
                pods.insert(pod.to_string(), existed);
            }
            Step::Sweep { pod } => {
                let existed = pods.get_mut(&pod.to_string()).unwrap();
                existed.until_unix_ns = record.before_unix_ns;
            }
            _ => {}
        }
    }
    pods
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_is_missing_and_none_comes_twice() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    let player = Player::open(&dir).unwrap();

    let config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ..Config::new(&dir)
    };
    let server = Server::bind(config).await.unwrap();
    let address = format!("http://{}", server.addresses()[0]);
    let (end, ended) = oneshot::channel::<()>();
    let served = tokio::spawn(server.serve(async {
        // Either way it is the end.
        let _ = ended.await;
    }));
    let mut client = PublicApiClient::connect(address).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let lived = thread::spawn({
        let stop = Arc::clone(&stop);
        move || live(player, &stop)
    });
    let deadline = Instant::now() + LIFE;
    let mut answers = Vec::new();
    while Instant::now() < deadline {
        let before_unix_ns = now_unix_ns();
        let request = ListPodsRequest {
            detail: answers.len() % 2 == 0,
            ..ListPodsRequest::default()
        };
        let pods = client.list_pods(request).await.unwrap().into_inner().pods;
        answers.push(Answer {
            before_unix_ns,
            after_unix_ns: now_unix_ns(),
            ids: pods.into_iter().map(|pod| pod.id).collect(),
        });
        let images = client.list_images(ListImagesRequest::default()).await;
        images.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let records = lived.join().unwrap();
    drop(client);
    drop(end);
    served.await.unwrap().unwrap();

    let pods = existed(&records);
    for answer in &answers {
        let once: HashSet<_> = answer.ids.iter().collect();
        assert_eq!(once.len(), answer.ids.len(), "a pod comes twice");
        for (id, existed) in &pods {
            let throughout = existed.from_unix_ns <= answer.before_unix_ns
                && answer.after_unix_ns <= existed.until_unix_ns;
            assert!(!throughout || once.contains(id), "pod {id} is missing");
        }
        for id in once {
            let existed = pods.get(id);
            assert!(existed.is_some(), "there never was a pod {id}");
        }
    }
    // It has been worth the while.
    assert!(answers.iter().any(|answer| answer.ids.len() > 5));
    assert!(records.len() > 100, "{} steps", records.len());
    eprintln!("{} steps, {} answers", records.len(), answers.len());
}
