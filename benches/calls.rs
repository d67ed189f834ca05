//! What calls cost a client on loopback, by the number of pods and images. The host lies in the
//! temporary directory, and the page cache is warm after the first call.
//!
//! `cargo bench --bench calls`; figures are kept in `benches/README.md`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rkt_api::{
    api::{
        InspectPodRequest, ListImagesRequest, ListPodsRequest, public_api_client::PublicApiClient,
    },
    server::{Config, Server},
};
use rkt_sim::{
    host::Host,
    spec::{App, Image, Network, Phase, Pod, Process, Started},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use uuid::Uuid;

type Client = PublicApiClient<Channel>;

/// A host that is served in this process until it is dropped.
struct Bench {
    runtime: Runtime,
    client: Client,
    _dir: TempDir,
}

impl Bench {
    fn new(pods: u32, images: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let host = Host::create(dir.path().join("rkt")).expect("a host");
        for number in 0..pods {
            host.write_pod(&pod(number)).expect("a pod");
        }
        let images: Vec<Image> = (0..images).map(image).collect();
        host.write_images(&images).expect("images");

        let runtime = Runtime::new().expect("a runtime");
        let client = runtime.block_on(async {
            let mut config = Config::new(host.dir());
            config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
            let server = Server::bind(config).await.expect("a server");
            let url = format!("http://{}", server.addresses()[0]);
            tokio::spawn(server.serve(std::future::pending()));
            let client = Client::connect(url).await.expect("a connection");
            client.max_decoding_message_size(usize::MAX)
        });
        Self {
            runtime,
            client,
            _dir: dir,
        }
    }

    fn list_pods(&self, detail: bool) -> usize {
        let request = ListPodsRequest {
            filters: Vec::new(),
            detail,
        };
        let mut client = self.client.clone();
        let answer = self.runtime.block_on(client.list_pods(request));
        answer.expect("an answer").into_inner().pods.len()
    }

    fn list_images(&self, detail: bool) -> usize {
        let request = ListImagesRequest {
            filters: Vec::new(),
            detail,
        };
        let mut client = self.client.clone();
        let answer = self.runtime.block_on(client.list_images(request));
        answer.expect("an answer").into_inner().images.len()
    }

    fn inspect_pod(&self, id: &str) {
        let request = InspectPodRequest { id: id.to_owned() };
        let mut client = self.client.clone();
        let answer = self.runtime.block_on(client.inspect_pod(request));
        answer.expect("an answer");
    }
}

/// Ids that are spread over the whole range, the same in every run.
fn id(number: u32) -> Uuid {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    Uuid::from_u128(u128::from(number + 1).wrapping_mul(ODD))
}

/// A pod that has exited, with two apps in one network, prepared for overlayfs: what most of
/// the pods on a host are that collects them once an hour.
fn pod(number: u32) -> Pod {
    let mut web = App::new("web", Image::new("example.com/web", "1.2.3"));
    web.exit_code = Some(0);
    let mut log = App::new("log", Image::new("example.com/fluentd", "0.14.5"));
    log.exit_code = Some(137);
    let mut pod = Pod::new(id(number), Phase::Run);
    pod.apps = vec![web, log];
    pod.overlay = true;
    pod.started = Some(Started {
        process: Process::Pid(4242),
        at_ns: pod.created_at_ns + 1_000_000_000,
    });
    pod.subcgroup = Some("machine.slice/machine-rkt.scope".to_owned());
    let [.., a, b] = number.to_be_bytes();
    pod.networks = Some(vec![Network::new("default", [172, 16, a, b])]);
    pod
}

fn image(number: u32) -> Image {
    Image::new(
        format!("example.com/team-{}/app-{number}", number % 17),
        "1.2.3",
    )
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ListPods");
    group.sample_size(10);
    for pods in [100, 1_000, 10_000] {
        let bench = Bench::new(pods, 0);
        group.throughput(Throughput::Elements(pods.into()));
        for (name, detail) in [("brief", false), ("detail", true)] {
            group.bench_function(BenchmarkId::new(name, pods), |bencher| {
                bencher.iter(|| assert_eq!(bench.list_pods(detail), pods as usize));
            });
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("ListImages");
    group.sample_size(20);
    for images in [100, 1_000] {
        let bench = Bench::new(0, images);
        group.throughput(Throughput::Elements(images.into()));
        for (name, detail) in [("brief", false), ("detail", true)] {
            group.bench_function(BenchmarkId::new(name, images), |bencher| {
                bencher.iter(|| assert_eq!(bench.list_images(detail), images as usize));
            });
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("InspectPod");
    let pods = 10_000;
    let bench = Bench::new(pods, 0);
    let whole = id(pods / 2).hyphenated().to_string();
    // Long enough to be the beginning of no other id.
    let beginning = whole[..13].to_owned();
    for (name, id) in [("id", whole), ("beginning", beginning)] {
        group.bench_function(BenchmarkId::new(name, pods), |bencher| {
            bencher.iter(|| bench.inspect_pod(&id));
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
