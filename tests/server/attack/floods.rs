//! Floods: far more of everything than anybody needs, each thing in itself allowed.

use std::{error::Error as _, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rkt_api::api::{
    EventFilter, GetInfoRequest, GetInfoResponse, GetLogsRequest, ImageFilter, InspectImageRequest,
    InspectPodRequest, KeyValue, ListImagesRequest, ListPodsRequest, ListenEventsRequest,
    PodFilter,
};
use tokio::{net::TcpStream, sync::Semaphore, task::JoinSet, time::timeout};
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{self, Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use super::{
    Target,
    tally::{Kind, NOT_CONNECTED},
    wire::Wire,
};
use crate::{
    frames::{CANCEL, begin_call, call, flag, frame, kind, number, settings},
    support::{Client, DEADLINE},
};

/// How many connections may be open by which calls can come.
pub const CONNECTIONS_MAX: usize = 1000;

/// How many connections at a time say nothing, and how many say what HTTP/2 begins with and no
/// more. The server has room for 512 and for [`CONNECTIONS_MAX`] such.
const IDLE: usize = 1500;

/// How many connections call as fast as they can.
const CALLERS: usize = 2;

/// How many calls a caller makes at a time.
const CALLS: usize = 10;

/// How many calls are begun and cancelled in one breath.
const RESETS: usize = 100;

/// How many frames of a kind are sent at a time.
const FRAMES: usize = 500;

pub fn begin(attackers: &mut JoinSet<()>, target: &Target) {
    attackers.spawn(connections_dropped(target.clone()));
    for speaks in [false, true] {
        attackers.spawn(idle_connections(target.clone(), speaks));
    }
    for _ in 0..CALLERS {
        attackers.spawn(calls(target.clone()));
    }
    attackers.spawn(calls_cancelled(target.clone()));
    attackers.spawn(rapid_resets(target.clone()));
    attackers.spawn(frames_by_the_hundred(target.clone()));
    attackers.spawn(odd_ids(target.clone()));
    attackers.spawn(odd_filters(target.clone()));
    attackers.spawn(no_such_methods(target.clone()));
    attackers.spawn(health_and_reflection(target.clone()));
}

/// A client that connects when it has to, again and again.
pub fn client(target: &Target) -> Client {
    Client::new(channel(target)).max_decoding_message_size(usize::MAX)
}

fn channel(target: &Target) -> Channel {
    let endpoint = Endpoint::from_shared(target.url.clone()).unwrap();
    endpoint.connect_lazy()
}

/// What came of a call.
pub async fn outcome<T>(call: impl Future<Output = Result<T, Status>>) -> String {
    match timeout(DEADLINE, call).await {
        Ok(Ok(_)) => "OK".to_owned(),
        Ok(Err(status)) if is_of_transport(&status) => NOT_CONNECTED.to_owned(),
        Ok(Err(status)) => format!("{:?}", status.code()),
        Err(_) => "no answer".to_owned(),
    }
}

/// Whether no call has come about: the connection was closed before it was let in.
fn is_of_transport(status: &Status) -> bool {
    let source = status.source();
    source.is_some_and(|source| source.is::<transport::Error>())
}

async fn connections_dropped(target: Target) {
    let orderly = target
        .tally
        .kind("flood: connections, hung up at once", &["connected"], &[]);
    let by_reset = target
        .tally
        .kind("flood: connections, reset at once", &["connected"], &[]);
    let mut turns = target.turns(Duration::from_millis(50));
    while turns.next().await {
        for _ in 0..8 {
            match TcpStream::connect(&target.address).await {
                Ok(_) => orderly.note("connected"),
                Err(_) => orderly.note(NOT_CONNECTED),
            }
            match Wire::open(&target.address).await {
                Some(_) => by_reset.note("connected"),
                None => by_reset.note(NOT_CONNECTED),
            }
        }
    }
}

/// Takes as many places as there are among those who speak, or have not said yet what they speak,
/// and more. The former so slowly that others have time to run into their limits meanwhile.
async fn idle_connections(target: Target, speaks: bool) {
    let (name, at_a_time) = match speaks {
        true => ("flood: connections that ask for nothing", 4),
        false => ("flood: connections that say nothing", 20),
    };
    let must: &[_] = match speaks && !target.is_long() {
        true => &[],
        false => &["closed"],
    };
    let kind = target
        .tally
        .kind(name, must, &["closed", "open to the end"]);
    let room = Arc::new(Semaphore::new(IDLE));
    let mut idle = JoinSet::new();
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        while idle.try_join_next().is_some() {}
        for _ in 0..at_a_time {
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                break;
            };
            let (target, kind) = (target.clone(), kind.clone());
            idle.spawn(async move {
                let connected = match speaks {
                    true => Wire::greet(&target.address, &[]).await,
                    false => Wire::open(&target.address).await,
                };
                match connected {
                    None => kind.note(NOT_CONNECTED),
                    Some(mut wire) => match wire.is_closed(target.until).await {
                        true => kind.note("closed"),
                        false => kind.note("open to the end"),
                    },
                }
                drop(permit);
            });
        }
    }
    while idle.join_next().await.is_some() {}
}

/// Calls of all kinds, as fast as they are answered.
async fn calls(target: Target) {
    let kind = target.tally.kind(
        "flood: unary calls",
        &["OK"],
        &["NotFound", "DataLoss", "ResourceExhausted"],
    );
    let client = client(&target);
    let mut turns = target.turns(Duration::from_millis(20));
    while turns.next().await {
        let calls = (0..CALLS).map(|number| {
            let mut client = client.clone();
            let id = target.pods[number % target.pods.len()].to_string();
            async move {
                match number % 8 {
                    0 => outcome(client.get_info(GetInfoRequest {})).await,
                    1 => outcome(client.list_pods(ListPodsRequest::default())).await,
                    2 => outcome(client.list_images(ListImagesRequest::default())).await,
                    3 => outcome(client.inspect_image(InspectImageRequest { id })).await,
                    _ => outcome(client.inspect_pod(InspectPodRequest { id })).await,
                }
            }
        });
        for outcome in join_all(calls).await {
            kind.note(outcome);
        }
    }
}

/// Streams that are opened and cancelled, and calls that are cancelled before they are answered.
async fn calls_cancelled(target: Target) {
    let streams = target.tally.kind(
        "flood: streams opened and cancelled",
        &["OK"],
        &["ResourceExhausted", "FailedPrecondition", "NotFound"],
    );
    let given_up = target.tally.kind(
        "flood: calls given up before they are answered",
        &["given up"],
        &["OK", "Cancelled", "ResourceExhausted"],
    );
    let client = client(&target);
    let mut turns = target.turns(Duration::from_millis(20));
    while turns.next().await {
        let opened = (0..CALLS).map(|number| {
            let mut client = client.clone();
            let pod_id = target.pods[number % target.pods.len()].to_string();
            async move {
                match number % 2 {
                    0 => outcome(client.listen_events(ListenEventsRequest::default())).await,
                    _ => {
                        let request = GetLogsRequest {
                            pod_id,
                            follow: true,
                            ..GetLogsRequest::default()
                        };
                        outcome(client.get_logs(request)).await
                    }
                }
            }
        });
        for outcome in join_all(opened).await {
            streams.note(outcome);
        }
        let short = (0..CALLS).map(|_| {
            let mut client = client.clone();
            async move {
                let call = client.list_pods(ListPodsRequest::default());
                let patience = Duration::from_millis(1);
                match timeout(patience, call).await {
                    Err(_) => "given up".to_owned(),
                    Ok(answer) => outcome(std::future::ready(answer)).await,
                }
            }
        });
        for outcome in join_all(short).await {
            given_up.note(outcome);
        }
    }
}

/// Calls that are begun and cancelled in one breath (CVE-2023-44487).
async fn rapid_resets(target: Target) {
    const METHODS: [&str; 4] = ["ListPods", "InspectPod", "ListenEvents", "GetLogs"];

    let kind = target.tally.kind(
        "flood: calls begun and cancelled in one breath",
        &["taken"],
        &["GOAWAY ENHANCE_YOUR_CALM", "closed"],
    );
    let mut turns = target.turns(Duration::from_millis(50));
    let mut wire = None;
    let mut next = 1;
    while turns.next().await {
        let Some(connected) = &mut wire else {
            wire = Wire::greet(&target.address, &[]).await;
            next = 1;
            if wire.is_none() {
                kind.note(NOT_CONNECTED);
            }
            continue;
        };
        let mut burst = Vec::new();
        for method in METHODS.into_iter().cycle().take(RESETS) {
            burst.extend(call(next, method, &[]));
            burst.extend(number(kind::RST_STREAM, next, CANCEL));
            next += 2;
        }
        connected.send(&burst).await;
        let fate = connected.fate().await;
        match fate.as_str() {
            "ignored" => kind.note_many("taken", RESETS),
            _ => {
                kind.note_many(fate, RESETS);
                wire = None;
            }
        }
    }
}

/// Frames that cost their sender nothing, by the hundred.
async fn frames_by_the_hundred(target: Target) {
    let empty = &[][..];
    let floods = [
        (
            "flood: PING",
            frame(kind::PING, flag::NONE, 0, b"it is me"),
            &["taken"][..],
        ),
        ("flood: SETTINGS", settings(&[(3, 1)]), &["taken"]),
        (
            "flood: WINDOW_UPDATE",
            number(kind::WINDOW_UPDATE, 0, 1),
            &["taken"],
        ),
        (
            "flood: PRIORITY",
            frame(kind::PRIORITY, flag::NONE, 5, &[0, 0, 0, 3, 9]),
            &["taken"],
        ),
        (
            "flood: frames of no known kind",
            frame(0xee, flag::NONE, 0, &[0; 64]),
            &["taken"],
        ),
        (
            "flood: empty DATA",
            frame(kind::DATA, flag::NONE, 1, empty),
            &["GOAWAY ENHANCE_YOUR_CALM"],
        ),
        (
            "flood: DATA of a byte",
            frame(kind::DATA, flag::NONE, 1, &[0]),
            &["taken"],
        ),
    ];
    let kinds = floods
        .each_ref()
        .map(|(name, _, must)| target.tally.kind(name, must, &["closed", "RST_STREAM"]));
    let mut turns = target.turns(Duration::from_millis(50));
    while turns.next().await {
        for ((_, frame, _), kind) in floods.iter().zip(&kinds) {
            flood(&target, frame, kind).await;
        }
    }
}

async fn flood(target: &Target, frame: &[u8], kind: &Kind) {
    let Some(mut wire) = Wire::greet(&target.address, &[]).await else {
        return kind.note(NOT_CONNECTED);
    };
    wire.send(&begin_call(1, "InspectPod")).await;
    wire.send(&frame.repeat(FRAMES)).await;
    let fate = wire.fate().await;
    match fate.as_str() {
        "ignored" => kind.note_many("taken", FRAMES),
        _ => kind.note_many(fate, FRAMES),
    }
}

/// Ids that are none.
async fn odd_ids(target: Target) {
    let pods = target.tally.kind(
        "flood: random texts as ids of pods",
        &["InvalidArgument"],
        &["NotFound"],
    );
    let images = target.tally.kind(
        "flood: random texts as ids of images",
        &["NotFound"],
        &["InvalidArgument"],
    );
    let unknown = target
        .tally
        .kind("flood: random ids of pods", &["NotFound"], &[]);
    let mut rng = ChaCha12Rng::seed_from_u64(target.seed);
    let mut client = client(&target);
    let mut turns = target.turns(Duration::from_millis(10));
    while turns.next().await {
        for _ in 0..10 {
            let length = rng.random_range(0..100);
            let id: String = (0..length).map(|_| rng.random::<char>()).collect();
            let request = InspectPodRequest { id: id.clone() };
            pods.note(outcome(client.inspect_pod(request)).await);
            let id = match rng.random_bool(0.5) {
                true => format!("sha512-{id}"),
                false => id,
            };
            let request = InspectImageRequest { id };
            images.note(outcome(client.inspect_image(request)).await);
            let id = uuid::Uuid::from_u128(rng.random()).to_string();
            let request = InspectPodRequest { id };
            unknown.note(outcome(client.inspect_pod(request)).await);
        }
    }
}

/// Filters that are a nuisance, and within the limits.
async fn odd_filters(target: Target) {
    let kind = target.tally.kind(
        "flood: filters of odd values",
        &["OK"],
        &["ResourceExhausted"],
    );
    let texts = ["", "\0", "../../..", "*", "\u{202e}", "%s%n", "a\nb"].map(str::to_owned);
    let pairs = texts.clone().map(|text| KeyValue {
        key: text.clone(),
        value: text,
    });
    let pods = PodFilter {
        ids: texts.to_vec(),
        states: vec![-1, 0, i32::MAX, i32::MIN],
        app_names: texts.to_vec(),
        image_ids: texts.to_vec(),
        network_names: texts.to_vec(),
        annotations: pairs.to_vec(),
        cgroups: texts.to_vec(),
        pod_sub_cgroups: texts.to_vec(),
    };
    let images = ImageFilter {
        ids: texts.to_vec(),
        prefixes: texts.to_vec(),
        base_names: texts.to_vec(),
        keywords: texts.to_vec(),
        labels: pairs.to_vec(),
        imported_after: i64::MIN,
        imported_before: i64::MAX,
        annotations: pairs.to_vec(),
        full_names: texts.to_vec(),
    };
    let events = EventFilter {
        types: vec![-1, i32::MAX],
        ids: texts.to_vec(),
        names: texts.to_vec(),
        since_time: i64::MIN,
        until_time: i64::MAX,
    };
    let mut client = client(&target);
    let mut turns = target.turns(Duration::from_millis(20));
    while turns.next().await {
        let request = ListPodsRequest {
            filters: vec![pods.clone(); 100],
            detail: true,
        };
        kind.note(outcome(client.list_pods(request)).await);
        let request = ListImagesRequest {
            filters: vec![images.clone(); 100],
            detail: true,
        };
        kind.note(outcome(client.list_images(request)).await);
        let request = ListenEventsRequest {
            filter: Some(events.clone()),
        };
        kind.note(outcome(client.listen_events(request)).await);
    }
}

/// Methods that the server does not have, and paths that are no methods.
async fn no_such_methods(target: Target) {
    let kind = target
        .tally
        .kind("flood: methods that are not there", &["Unimplemented"], &[]);
    let long = format!("/{}", "x".repeat(8000));
    let paths = [
        "/",
        "//",
        "/v1alpha.PublicAPI",
        "/v1alpha.PublicAPI/",
        "/v1alpha.PublicAPI/Shutdown",
        "/v1alpha.publicapi/GetInfo",
        "/../../etc/passwd",
        "/v1alpha.PublicAPI/%47etInfo",
        &long,
    ];
    let channel = channel(&target);
    let mut turns = target.turns(Duration::from_millis(20));
    while turns.next().await {
        for path in paths {
            let call = async {
                let mut client = Grpc::new(channel.clone());
                let unavailable = |_| Status::unavailable("not connected");
                client.ready().await.map_err(unavailable)?;
                let codec = ProstCodec::<GetInfoRequest, GetInfoResponse>::default();
                let path = PathAndQuery::try_from(path).unwrap();
                client
                    .unary(Request::new(GetInfoRequest {}), path, codec)
                    .await
            };
            kind.note(outcome(call).await);
        }
    }
}

async fn health_and_reflection(target: Target) {
    let health = target.tally.kind("flood: health", &["OK", "NotFound"], &[]);
    let reflection = target.tally.kind(
        "flood: reflection",
        &["OK"],
        &["ResourceExhausted", "NotFound"],
    );
    let channel = channel(&target);
    let mut turns = target.turns(Duration::from_millis(20));
    while turns.next().await {
        for service in ["", "v1alpha.PublicAPI", "no.such.Service"] {
            let service = service.to_owned();
            let mut client = HealthClient::new(channel.clone());
            health.note(outcome(client.check(HealthCheckRequest { service })).await);
        }
        for symbol in ["v1alpha.PublicAPI", "no.such.Symbol", "\u{202e}"] {
            let question = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::FileContainingSymbol(symbol.to_owned())),
            };
            let questions = tokio_stream::iter(vec![question; 50]);
            let mut client = ServerReflectionClient::new(channel.clone());
            let call = async {
                let mut answers = client.server_reflection_info(questions).await?.into_inner();
                while answers.message().await?.is_some() {}
                Ok(())
            };
            reflection.note(outcome(call).await);
        }
    }
}
