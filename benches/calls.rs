//! What calls cost a client over loopback, by the number of pods and images. The host lies
//! in the temporary directory, and the page cache is warm.
//!
//! Each call is made of three servers, one after the other: `watching` is the server as it is,
//! `scanning` the one that looks at the disk at each call (`--no-watch`), and `yardstick` a bare
//! tonic server that has the very same bytes in memory. What counts is how they compare.
//!
//! `cargo bench --bench calls`; figures are kept in `benches/README.md`.

#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/raw.rs"]
mod raw;
#[path = "support/replay.rs"]
mod replay;

use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hosts::id;
use prost::Message;
use raw::{Client, INSPECT_POD, LIST_IMAGES, LIST_PODS, Method};
use replay::{GET_INFO, Replay};
use rkt_api::{
    api::{
        GetInfoRequest, InspectPodRequest, KeyValue, ListImagesRequest, ListPodsRequest, PodFilter,
        PodState,
    },
    server::{Config, Server},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, task::JoinHandle};

/// How many samples are taken of each call.
const SAMPLES: usize = 10;

/// How many of the calls are made of the server that looks at the disk each time: it takes its
/// time, and the same time for most of them.
const SCANNED: usize = 2;

/// A call, with a name for it.
struct Call {
    name: String,
    method: Method,
    request: Bytes,
}

impl Call {
    fn new(name: impl Into<String>, method: Method, request: &impl Message) -> Self {
        Self {
            name: name.into(),
            method,
            request: request.encode_to_vec().into(),
        }
    }
}

/// A host in the temporary directory, and a runtime for servers of it and their clients.
struct Bench {
    runtime: Runtime,
    dir: TempDir,
}

impl Bench {
    fn new(pods: u32, images: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        hosts::write(&dir.path().join("rkt"), pods, images);
        let runtime = Runtime::new().expect("a runtime");
        Self { runtime, dir }
    }

    /// The server, and a client of it. It ends when the task does.
    fn serve(&self, watch: bool) -> (JoinHandle<()>, Client) {
        self.runtime.block_on(async {
            let mut config = Config::new(self.dir.path().join("rkt"));
            config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
            config.watch = watch;
            let server = Server::bind(config).await.expect("a server");
            let address = format!("http://{}", server.addresses()[0]);
            let task = tokio::spawn(async {
                let served = server.serve(std::future::pending()).await;
                served.expect("it serves");
            });
            (task, Client::connect(address).await)
        })
    }

    fn end(&self, server: JoinHandle<()>) {
        server.abort();
        let ended = self.runtime.block_on(server);
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    fn call(&self, client: &Client, call: &Call) -> Bytes {
        let mut client = client.clone();
        let request = call.request.clone();
        self.runtime.block_on(client.call(call.method, request))
    }

    /// A server that gives the same answers as the one of `client`.
    fn yardstick(&self, client: &Client, calls: &[Call]) -> Client {
        let answers = calls.iter().map(|call| {
            let answer = self.call(client, call);
            ((call.method, call.request.clone()), answer)
        });
        let replay = Replay::new(answers);
        self.runtime.block_on(async {
            let socket = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
            let address = socket.local_addr().expect("an address");
            replay.serve(socket);
            Client::connect(format!("http://{address}")).await
        })
    }

    /// Measures these calls; of the server that does not watch, only the first few.
    fn measure(&self, criterion: &mut Criterion, group: &str, calls: &[Call]) {
        let mut group = criterion.benchmark_group(group);
        group.sample_size(SAMPLES);
        group.warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(2));
        let mut bench = |name, client: &Client, call: &Call| {
            group.bench_function(BenchmarkId::new(name, &call.name), |bencher| {
                bencher.iter(|| self.call(client, call));
            });
        };
        let (server, watching) = self.serve(true);
        let yardstick = self.yardstick(&watching, calls);
        for call in calls {
            assert_eq!(self.call(&watching, call), self.call(&yardstick, call));
            bench("yardstick", &yardstick, call);
            bench("watching", &watching, call);
        }
        // Beside one another they would see each other's looks.
        self.end(server);
        drop(watching);
        let (server, scanning) = self.serve(false);
        for call in calls.iter().take(SCANNED) {
            bench("scanning", &scanning, call);
        }
        self.end(server);
    }
}

/// ListPods, with filters that take all pods, one of them, and none, by what is indexed and by
/// what is not.
fn list_pods(pods: u32) -> Vec<Call> {
    let number = pods / 2;
    let none = PodFilter::default();
    let annotation = |value: u32| PodFilter {
        annotations: vec![KeyValue {
            key: "number".to_owned(),
            value: value.to_string(),
        }],
        ..none.clone()
    };
    let filters = [
        ("unfiltered", None),
        (
            "all-by-state",
            Some(PodFilter {
                states: vec![PodState::Exited.into()],
                ..none.clone()
            }),
        ),
        (
            "one-by-id",
            Some(PodFilter {
                ids: vec![id(number).to_string()],
                ..none.clone()
            }),
        ),
        ("one-by-annotation", Some(annotation(number))),
        (
            "none-by-name",
            Some(PodFilter {
                app_names: vec!["other".to_owned()],
                ..none.clone()
            }),
        ),
        ("none-by-annotation", Some(annotation(pods))),
    ];
    let mut calls = Vec::new();
    for (name, filter) in filters {
        for (shown, detail) in [("brief", false), ("detail", true)] {
            let request = ListPodsRequest {
                filters: filter.clone().into_iter().collect(),
                detail,
            };
            let call = Call::new(format!("{pods}/{name}/{shown}"), LIST_PODS, &request);
            calls.push(call);
        }
    }
    calls
}

fn inspect_pod(pods: u32) -> Vec<Call> {
    let whole = id(pods / 2).to_string();
    // Long enough to be the beginning of no other id.
    let beginning = whole[..13].to_owned();
    let calls = [("id", whole), ("beginning", beginning)];
    let call = |(name, id)| {
        let request = InspectPodRequest { id };
        Call::new(format!("{pods}/{name}"), INSPECT_POD, &request)
    };
    calls.map(call).into()
}

fn list_images(images: u32) -> Vec<Call> {
    let call = |(shown, detail)| {
        let request = ListImagesRequest {
            filters: Vec::new(),
            detail,
        };
        Call::new(format!("{images}/{shown}"), LIST_IMAGES, &request)
    };
    [("brief", false), ("detail", true)].map(call).into()
}

/// What every call costs, whatever it asks for.
fn get_info() -> Vec<Call> {
    vec![Call::new("alone", GET_INFO, &GetInfoRequest {})]
}

fn calls(criterion: &mut Criterion) {
    Bench::new(0, 0).measure(criterion, "GetInfo", &get_info());
    for pods in [100, 1_000, 10_000] {
        let bench = Bench::new(pods, 0);
        bench.measure(criterion, "ListPods", &list_pods(pods));
        if pods == 10_000 {
            bench.measure(criterion, "InspectPod", &inspect_pod(pods));
        }
    }
    for images in [100, 1_000] {
        let bench = Bench::new(0, images);
        bench.measure(criterion, "ListImages", &list_images(images));
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
