//! Scraping while the host lives and clients call: counts only grow, and in the end they are those
//! of the calls that were made and of the events that were heard.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use pretty_assertions::assert_eq;
use rkt_api::api::{
    InspectImageRequest, InspectPodRequest, ListImagesRequest, ListPodsRequest, ListenEventsRequest,
};
use rkt_sim::live::{Player, random::Lives};
use tokio::task::JoinSet;
use tonic::{Code, Response, Status};

use super::{LISTEN, scrape::Metrics};
use crate::support::{Server, connect, eventually};

/// How many steps the host takes.
const STEPS: usize = 400;

/// How many pods there are at most.
const PODS_MAX: usize = 30;

const READERS: usize = 3;

const LISTENERS: usize = 4;

/// The calls that were made, by method and by what became of them.
type Made = Arc<Mutex<BTreeMap<(&'static str, &'static str), u64>>>;

fn note<T>(made: &Made, method: &'static str, answer: Result<Response<T>, Status>) -> Option<T> {
    let code = match &answer {
        Ok(_) => "OK",
        Err(status) if status.code() == Code::NotFound => "NOT_FOUND",
        Err(status) => panic!("{method}: {status}"),
    };
    *made.lock().unwrap().entry((method, code)).or_default() += 1;
    answer.ok().map(Response::into_inner)
}

/// Calls until it is time to stop.
async fn read(url: String, stop: Arc<AtomicBool>, made: Made) {
    let mut client = connect(&url).await;
    while !stop.load(SeqCst) {
        let pods = client.list_pods(ListPodsRequest::default()).await;
        let pods = note(&made, "ListPods", pods).unwrap().pods;
        for id in pods.into_iter().map(|pod| pod.id) {
            let pod = client.inspect_pod(InspectPodRequest { id }).await;
            note(&made, "InspectPod", pod);
        }
        let images = client.list_images(ListImagesRequest::default()).await;
        let images = note(&made, "ListImages", images).unwrap().images;
        for id in images.into_iter().map(|image| image.id).take(2) {
            let image = client.inspect_image(InspectImageRequest { id }).await;
            note(&made, "InspectImage", image);
        }
    }
}

/// Counts the events that come, until the server ends.
async fn listen(url: String, heard: Arc<AtomicU64>, begun: Arc<AtomicU64>) {
    let mut client = connect(&url).await;
    let stream = client.listen_events(ListenEventsRequest::default()).await;
    let mut stream = stream.unwrap().into_inner();
    begun.fetch_add(1, SeqCst);
    while let Ok(Some(message)) = stream.message().await {
        heard.fetch_add(message.events.len() as u64, SeqCst);
    }
}

/// Scrapes until it is time to stop; how often that was.
fn scrape(address: &str, stop: &AtomicBool) -> usize {
    let mut before = Metrics::at(address);
    let mut scrapes = 1;
    while !stop.load(SeqCst) {
        let now = Metrics::at(address);
        scrapes += 1;
        for (sample, value) in before.growing() {
            let later = now.value(sample);
            assert!(later >= value, "{sample} was {value} and is {later}");
        }
        assert_eq!(now.types, before.types);
        before = now;
    }
    scrapes
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_agree_with_what_was_done() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rkt");
    let mut player = Player::open(&dir).unwrap();
    let server = Server::start(&dir, &[LISTEN]);
    let address = server.metrics_address();
    let stop = Arc::new(AtomicBool::new(false));
    let made = Made::default();
    let [heard, begun] = [0, 0].map(|zero| Arc::new(AtomicU64::new(zero)));

    let mut listeners = JoinSet::new();
    for _ in 0..LISTENERS {
        listeners.spawn(listen(server.url(), heard.clone(), begun.clone()));
    }
    eventually("all listen", || begun.load(SeqCst) == LISTENERS as u64);
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(read(server.url(), stop.clone(), made.clone()));
    }
    let scraper = tokio::task::spawn_blocking({
        let (address, stop) = (address.clone(), stop.clone());
        move || scrape(&address, &stop)
    });
    let life = tokio::task::spawn_blocking(move || {
        let mut lives = Lives::new(7, PODS_MAX).unwrap();
        for _ in 0..STEPS {
            let step = lives.next(player.state());
            player.play(&step).unwrap();
        }
        player
    });
    let player = life.await.unwrap();
    stop.store(true, SeqCst);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    assert!(scraper.await.unwrap() > 1);

    let mut client = server.client().await;
    let listed = client.list_pods(ListPodsRequest::default()).await;
    let listed = note(&made, "ListPods", listed).unwrap().pods.len();
    assert_eq!(listed, player.state().pods.len());
    let metrics = Metrics::at(&address);
    assert_eq!(metrics.sum("rkt_api_pods"), listed as f64);
    let made = made.lock().unwrap().clone();
    for ((method, code), count) in &made {
        assert_eq!(
            metrics.requests(method, code),
            *count as f64,
            "{method} {code}"
        );
    }
    // Beside those, no call has ended.
    let all: u64 = made.values().sum();
    assert_eq!(metrics.sum("rkt_api_requests_total"), all as f64);
    let timed = metrics.sum("rkt_api_request_duration_seconds_count");
    assert_eq!(timed, (all + LISTENERS as u64) as f64);
    let open = "rkt_api_streams_open{method=\"ListenEvents\"}";
    assert_eq!(metrics.value(open), LISTENERS as f64);

    eventually("all have heard everything", || {
        let metrics = Metrics::at(&address);
        let happened = metrics.sum("rkt_api_events_total");
        assert!(happened > 0.0);
        let sent = metrics.value("rkt_api_events_sent_total");
        sent == happened * LISTENERS as f64 && heard.load(SeqCst) as f64 == sent
    });
}
