//! Honest clients: each asks for little, knows what the answer is, and gives the server up when
//! it does not come in time.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use pretty_assertions::assert_eq;
use rkt_api::api::{
    EventFilter, GetInfoRequest, GetInfoResponse, InspectPodRequest, ListPodsRequest, Pod,
    PodFilter,
};
use rkt_sim::{
    host::Host,
    spec::{App, Image, Phase, Pod as PodSpec},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::{Response, Status, transport::Endpoint};
use uuid::Uuid;

use crate::{
    events::{Listener, told_of},
    hosts::{self, phase_dir},
    journals::{Journal, following, next},
    metrics::scrape::{Metrics, page},
    support::{Client, DEADLINE, connect},
};

/// How long an honest client waits between two calls.
const PAUSE: Duration = Duration::from_millis(100);

/// How long it is between the lives of two pods: 10,000 listeners are woken by each event.
const PAUSE_OF_LIVES: Duration = Duration::from_secs(2);

/// How long a client waits before it tries again to connect.
const RETRY: Duration = Duration::from_millis(100);

/// The number of the first pod that is moved; each lives once.
const FIRST_MOVED: u32 = 10_000;

/// How many pods there are to move.
const MOVED_MAX: u32 = 1000;

/// How many lines there are in a file of the journal that is followed.
const LINES_PER_FILE: usize = 50;

/// How often something was answered, and how long that took at most.
#[derive(Clone, Default)]
pub struct Served(Arc<Mutex<BTreeMap<&'static str, (u64, Duration)>>>);

impl Served {
    /// What comes of `act`, which has to be over in time.
    async fn in_time<T>(&self, what: &'static str, act: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = timeout(DEADLINE, act).await;
        let done = done.unwrap_or_else(|_| panic!("an honest client waited in vain: {what}"));
        let mut served = self.0.lock().unwrap();
        let (count, longest) = served.entry(what).or_default();
        *count += 1;
        *longest = (*longest).max(began.elapsed());
        done
    }

    /// What a call answers, which has to be in time, and no error.
    async fn answer<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> T {
        let answer = self.in_time(what, call).await;
        let answer = answer.unwrap_or_else(|status| panic!("{what}: {status}"));
        answer.into_inner()
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| honest clients | times | longest |\n|---|--:|--:|")?;
        for (what, (count, longest)) in &*self.0.lock().unwrap() {
            writeln!(f, "| {what} | {count} | {} ms |", longest.as_millis())?;
        }
        Ok(())
    }
}

/// What honest clients ask, and the right answers.
#[derive(Clone)]
pub struct Questions {
    /// Where calls are answered, over TCP and by a Unix socket.
    pub doors: [String; 2],
    pub metrics: String,
    info: GetInfoResponse,
    pod: Pod,
    listed: Pod,
    pub served: Served,
    /// `true` when it is time to go.
    stop: watch::Receiver<bool>,
}

impl Questions {
    /// Asks for what does not change, while nobody disturbs.
    pub async fn prepare(
        doors: [String; 2],
        metrics: String,
        pod: Uuid,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let mut client = connect(&doors[0]).await;
        let info = client.get_info(GetInfoRequest {}).await.unwrap();
        let id = pod.to_string();
        let inspected = client.inspect_pod(InspectPodRequest { id }).await.unwrap();
        let listed = client.list_pods(only(pod)).await.unwrap().into_inner().pods;
        Self {
            doors,
            metrics,
            info: info.into_inner(),
            pod: inspected.into_inner().pod.unwrap(),
            listed: listed.into_iter().next().unwrap(),
            served: Served::default(),
            stop,
        }
    }

    fn go_on(&self) -> bool {
        !*self.stop.borrow()
    }

    /// The three questions, by a connection that is there.
    async fn ask(&self, client: &mut Client) {
        let info = client.get_info(GetInfoRequest {});
        assert_eq!(self.served.answer("GetInfo", info).await, self.info);
        let id = self.pod.id.clone();
        let pod = client.inspect_pod(InspectPodRequest { id });
        let pod = self.served.answer("InspectPod", pod).await.pod;
        assert_eq!(pod.as_ref(), Some(&self.pod));
        let id = self.pod.id.parse().unwrap();
        let listed = client.list_pods(only(id));
        let listed = self.served.answer("ListPods of one pod", listed).await.pods;
        assert_eq!(listed, std::slice::from_ref(&self.listed));
    }
}

fn only(pod: Uuid) -> ListPodsRequest {
    let filter = PodFilter {
        ids: vec![pod.to_string()],
        ..PodFilter::default()
    };
    ListPodsRequest {
        filters: vec![filter],
        detail: true,
    }
}

/// Asks by a connection that is there before the attack begins.
pub async fn regular(questions: Questions) {
    let mut client = connect(&questions.doors[0]).await;
    while questions.go_on() {
        questions.ask(&mut client).await;
        sleep(PAUSE).await;
    }
}

/// Asks by a new connection each time. A connection that is refused is tried again, as clients
/// do.
pub async fn newcomer(questions: Questions) {
    while questions.go_on() {
        for door in &questions.doors {
            let endpoint = Endpoint::from_shared(door.clone()).unwrap();
            let connecting = async {
                loop {
                    let Ok(channel) = endpoint.connect().await else {
                        sleep(RETRY).await;
                        continue;
                    };
                    let mut client = Client::new(channel);
                    match client.get_info(GetInfoRequest {}).await {
                        Ok(_) => return client,
                        Err(_) => sleep(RETRY).await,
                    }
                }
            };
            let served = &questions.served;
            let mut client = served
                .in_time("a new connection and GetInfo", connecting)
                .await;
            questions.ask(&mut client).await;
        }
        sleep(PAUSE).await;
    }
}

/// Listens to pods that live, one after the other, and misses nothing.
pub async fn listener(questions: Questions, dir: PathBuf, nursery: PathBuf) {
    let mut client = connect(&questions.doors[0]).await;
    let ids = (FIRST_MOVED..FIRST_MOVED + MOVED_MAX).map(|number| hosts::id(number).to_string());
    let filter = EventFilter {
        ids: ids.collect(),
        ..EventFilter::default()
    };
    let mut listener = Listener::open(&mut client, filter).await;
    let nursery = Arc::new(Host::create(nursery).unwrap());
    let mut numbers = FIRST_MOVED..FIRST_MOVED + MOVED_MAX;
    while questions.go_on() {
        let id = hosts::id(numbers.next().unwrap());
        let mut app = App::new("web", Image::new("example.com/web", "1.2"));
        app.exit_code = None;
        let pod = PodSpec {
            apps: vec![app],
            ..PodSpec::new(id, Phase::Prepared)
        };
        let mut place = nursery.pod_dir(&pod);
        let nursery = Arc::clone(&nursery);
        off_the_loop(move || nursery.write_pod(&pod).unwrap()).await;
        let mut told: Vec<&str> = Vec::new();
        for (phase, events) in [
            (Phase::Prepared, &["POD_PREPARED"][..]),
            (Phase::Run, &["POD_STARTED", "POD_EXITED"]),
            (Phase::ExitedGarbage, &["POD_GARBAGE_COLLECTED"]),
        ] {
            let from = place.clone();
            let to = phase_dir(&dir, phase).join(id.to_string());
            place = to.clone();
            off_the_loop(move || fs::rename(from, to).unwrap()).await;
            told.extend(events);
            let enough = |heard: &[rkt_api::api::Event]| heard.len() >= told.len();
            let hearing = listener.hear("an event of an honest pod", enough);
            questions
                .served
                .in_time("an event after a pod was moved", hearing)
                .await;
        }
        assert_eq!(told_of(&listener.heard, &id.to_string()), told);
        assert_eq!(listener.heard.len(), told.len());
        listener.heard.clear();
        off_the_loop(move || fs::remove_dir_all(place).unwrap()).await;
        sleep(PAUSE_OF_LIVES).await;
    }
}

/// Follows a journal that is written line by line, and misses none.
pub async fn follower(questions: Questions, mut journal: Journal, pod: Uuid) {
    let mut client = connect(&questions.doors[0]).await;
    let stream = client.get_logs(following(pod)).await;
    let mut stream = stream.unwrap().into_inner();
    let mut number = 0;
    while questions.go_on() {
        let line = format!("line {number}");
        journal = off_the_loop({
            let line = line.clone();
            move || {
                if number % LINES_PER_FILE == LINES_PER_FILE - 1 {
                    journal.rotate();
                }
                journal.log("web", &line);
                journal
            }
        })
        .await;
        let served = &questions.served;
        let lines = served.in_time("a line after it was written", next(&mut stream, 1));
        assert_eq!(lines.await, [line]);
        number += 1;
        sleep(PAUSE).await;
    }
}

/// Asks for metrics and readiness.
pub async fn monitor(questions: Questions) {
    while questions.go_on() {
        let address = questions.metrics.clone();
        let scraping = off_the_loop(move || {
            assert_eq!(page(&address, "/readyz").status, 200);
            Metrics::at(&address)
        });
        let metrics = questions
            .served
            .in_time("readiness and metrics", scraping)
            .await;
        assert!(metrics.sum("rkt_api_pods") > 0.0);
        sleep(PAUSE).await;
    }
}

async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Has all honest clients begin.
pub fn begin(
    clients: &mut JoinSet<()>,
    questions: &Questions,
    dir: PathBuf,
    nursery: PathBuf,
    journal: (Journal, Uuid),
) {
    clients.spawn(regular(questions.clone()));
    clients.spawn(newcomer(questions.clone()));
    clients.spawn(listener(questions.clone(), dir, nursery));
    clients.spawn(follower(questions.clone(), journal.0, journal.1));
    clients.spawn(monitor(questions.clone()));
}
