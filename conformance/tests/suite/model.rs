//! The reference model against the real server: two readers of one description, which must
//! not differ in any answer about pods and images.

use std::path::Path;

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{
        InspectImageRequest, InspectPodRequest, ListImagesRequest, ListPodsRequest,
        public_api_client::PublicApiClient,
    },
    server::{Config, Dialect, Server},
};
use rkt_conformance::{
    clock::now_unix_ns,
    model::{World, images, pods},
    profile::Profile,
};
use rkt_sim::{host::Host, spec::HostSpec};
use tokio::sync::oneshot;
use tonic::transport::Channel;

/// How many are named to the calls that answer about one: enough for every kind, few enough for
/// a host with hundreds.
const NAMED: usize = 40;

const DIALECTS: [(Profile, Dialect); 2] = [
    (Profile::Documented, Dialect::Documented),
    (Profile::Rkt130, Dialect::Rkt130),
];

/// Writes the host, and compares every answer about it in both dialects.
async fn agree(name: &str, spec: &HostSpec) {
    let tmp = tempfile::tempdir().unwrap();
    let written_unix_ns = now_unix_ns();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    host.write(spec).unwrap();
    let _holds = host.hold_locked(spec).unwrap();
    for (profile, dialect) in DIALECTS {
        let world = World::new(spec, written_unix_ns, now_unix_ns()).unwrap();
        let (_running, mut client) = serve(host.dir(), dialect).await;
        let context = format!("{name}, {profile:?}");
        pods_agree(&context, &world, profile, &mut client).await;
        images_agree(&context, &world, profile, &mut client).await;
    }
}

/// The real server, which ends when the first of the two is dropped, and a client.
async fn serve(dir: &Path, dialect: Dialect) -> (oneshot::Sender<()>, PublicApiClient<Channel>) {
    let mut config = Config::new(dir);
    config.dialect = dialect;
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    let server = Server::bind(config).await.unwrap();
    let address = format!("http://{}", server.addresses().remove(0));
    let (running, ended) = oneshot::channel();
    let ended = async {
        // Nothing is ever sent: the sender is dropped.
        let _ = ended.await;
    };
    tokio::spawn(server.serve(ended));
    let client = PublicApiClient::connect(address).await.unwrap();
    (running, client.max_decoding_message_size(usize::MAX))
}

async fn pods_agree(
    context: &str,
    world: &World,
    profile: Profile,
    client: &mut PublicApiClient<Channel>,
) {
    let mut ids = Vec::new();
    for detail in [false, true] {
        let request = ListPodsRequest {
            detail,
            ..ListPodsRequest::default()
        };
        let expected = pods::list(world, profile, &request);
        let answer = client.list_pods(request).await.unwrap().into_inner();
        assert_eq!(answer.pods.len(), expected.len(), "{context}");
        for (seen, expected) in answer.pods.iter().zip(&expected) {
            assert_eq!(*seen, expected.seen_as(seen), "{context}, detail {detail}");
        }
        ids = answer.pods.into_iter().map(|pod| pod.id).collect();
        ids.truncate(NAMED);
    }
    let hidden = world.pods().map(|pod| pod.id.to_string());
    let beginnings: Vec<_> = ids
        .iter()
        .flat_map(|id| [&id[..1], &id[..4], &id[..9], &id[..35]])
        .map(str::to_uppercase)
        .collect();
    let odd = ["", "x", "-", "12345678x", "0000000000000000"].map(str::to_owned);
    for id in hidden.chain(beginnings).chain(odd).chain(ids) {
        let expected = pods::inspect(world, profile, &id);
        let request = InspectPodRequest { id: id.clone() };
        match (client.inspect_pod(request).await, expected) {
            (Ok(answer), Ok(expected)) => {
                let seen = answer.into_inner().pod.unwrap();
                assert_eq!(seen, expected.seen_as(&seen), "{context}, {id:?}");
            }
            (Err(status), Err(refusal)) => {
                assert!(refusal.takes(status.code()), "{context}, {id:?}: {status}");
            }
            (seen, expected) => panic!("{context}, {id:?}: {seen:?} instead of {expected:?}"),
        }
    }
}

async fn images_agree(
    context: &str,
    world: &World,
    profile: Profile,
    client: &mut PublicApiClient<Channel>,
) {
    let mut ids = Vec::new();
    for detail in [false, true] {
        let request = ListImagesRequest {
            detail,
            ..ListImagesRequest::default()
        };
        let expected = images::list(world, profile, &request);
        let answer = client.list_images(request).await.unwrap().into_inner();
        let mut seen = answer.images;
        seen.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(seen.len(), expected.len(), "{context}");
        for (seen, expected) in seen.iter().zip(&expected) {
            assert_eq!(*seen, expected.seen_as(seen), "{context}, detail {detail}");
        }
        ids = seen.into_iter().map(|image| image.id).collect();
        ids.truncate(NAMED);
    }
    let beginnings: Vec<_> = ids
        .iter()
        .flat_map(|id| [&id[..7], &id[..8], &id[..9], &id[..12], &id[..70]])
        .map(str::to_owned)
        .collect();
    let odd = ["", "x", "sha512", "sha512-", "sha512-zz", "SHA512-00"].map(str::to_owned);
    for id in beginnings.into_iter().chain(odd).chain(ids) {
        let expected = images::inspect(world, profile, &id);
        let request = InspectImageRequest { id: id.clone() };
        match (client.inspect_image(request).await, expected) {
            (Ok(answer), Ok(expected)) => {
                let seen = answer.into_inner().image.unwrap();
                assert_eq!(seen, expected.seen_as(&seen), "{context}, {id:?}");
            }
            (Err(status), Err(refusal)) => {
                assert!(refusal.takes(status.code()), "{context}, {id:?}: {status}");
            }
            (seen, expected) => panic!("{context}, {id:?}: {seen:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn on_the_example_hosts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts");
    let mut compared = 0;
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let spec = HostSpec::from_json(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if spec.faults.is_empty() {
            agree(&path.display().to_string(), &spec).await;
            compared += 1;
        }
    }
    assert!(compared >= 5, "{compared}");
    agree("the example", &rkt_sim::example::host()).await;
}

#[tokio::test]
async fn on_random_hosts() {
    for seed in 0..4 {
        let spec = HostSpec::random(30, 20, seed).unwrap();
        agree(&format!("seed {seed}"), &spec).await;
    }
}
