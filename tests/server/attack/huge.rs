//! Requests that are too large, or say that they are: at the limits and beyond them.

use std::time::Duration;

use rkt_api::api::{GetInfoRequest, GetLogsRequest, InspectPodRequest, ListPodsRequest, PodFilter};
use tokio::task::JoinSet;
use tonic::Request;

use super::{
    Target,
    floods::{client, outcome},
    tally::NOT_CONNECTED,
    wire::{Heard, Wire},
};
use crate::frames::{begin_call, call_headers, field, flag, frame, kind, message_head, text};

/// How many filters and values a request may have, as the server's limits are by default.
const FILTERS_MAX: usize = 1000;
const VALUES_MAX: usize = 10_000;

/// How large a request may be by default.
const REQUEST_BYTES_MAX: u32 = 4 << 20;

/// How much of a frame may be payload.
const FRAME_BYTES: usize = 16 << 10;

/// How many clients at a time send requests that have no end.
const UNFINISHED: usize = 20;

pub fn begin(attackers: &mut JoinSet<()>, target: &Target) {
    attackers.spawn(messages(target.clone()));
    attackers.spawn(filters(target.clone()));
    attackers.spawn(metadata(target.clone()));
    attackers.spawn(heads_that_lie(target.clone()));
    attackers.spawn(header_lists(target.clone()));
    for number in 0..UNFINISHED {
        let method = ["InspectPod", "GetLogs"][number % 2];
        attackers.spawn(unfinished(target.clone(), method));
    }
}

/// Messages around the limit, of calls and of streams.
async fn messages(target: Target) {
    let within = target.tally.kind(
        "huge: messages just within the limit",
        &["InvalidArgument"],
        &["ResourceExhausted"],
    );
    let beyond = target.tally.kind(
        "huge: messages beyond the limit",
        &["OutOfRange"],
        &["ResourceExhausted"],
    );
    let mut client = client(&target);
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        let limit = REQUEST_BYTES_MAX as usize;
        for (kind, length) in [(&within, limit - 100), (&beyond, limit + 1)] {
            let id = "0".repeat(length);
            let request = InspectPodRequest { id: id.clone() };
            kind.note(outcome(client.inspect_pod(request)).await);
            let request = GetLogsRequest {
                pod_id: id,
                ..GetLogsRequest::default()
            };
            kind.note(outcome(client.get_logs(request)).await);
        }
    }
}

/// As many filters and values as may be, and one more.
async fn filters(target: Target) {
    let within = target.tally.kind(
        "huge: as many filters and values as may be",
        &["OK"],
        &["ResourceExhausted"],
    );
    let beyond = target.tally.kind(
        "huge: more filters or values than may be",
        &["InvalidArgument"],
        &["ResourceExhausted"],
    );
    let filter = |values| PodFilter {
        app_names: vec!["x".to_owned(); values],
        ..PodFilter::default()
    };
    let mut client = client(&target);
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        for (kind, filters) in [
            (&within, vec![filter(VALUES_MAX / FILTERS_MAX); FILTERS_MAX]),
            (&beyond, vec![PodFilter::default(); FILTERS_MAX + 1]),
            (&beyond, vec![filter(VALUES_MAX + 1)]),
        ] {
            let request = ListPodsRequest {
                filters,
                detail: false,
            };
            kind.note(outcome(client.list_pods(request)).await);
        }
    }
}

/// More metadata than fits into the headers that may be.
async fn metadata(target: Target) {
    let kind = target.tally.kind(
        "huge: metadata beyond the limit",
        &["Unknown"],
        &["Internal", "Unavailable", "ResourceExhausted", "Cancelled"],
    );
    let mut client = client(&target);
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        for size_bytes in [17_000, 60_000] {
            let mut request = Request::new(GetInfoRequest {});
            let value = "v".repeat(size_bytes).parse().unwrap();
            request.metadata_mut().insert("k", value);
            kind.note(outcome(client.get_info(request)).await);
        }
    }
}

/// Messages that are said to be of 4 GiB, compressed, or what no flag stands for.
async fn heads_that_lie(target: Target) {
    let lies = [
        (
            "huge: messages said to be of 4 GiB",
            [0, 0xff, 0xff, 0xff, 0xff],
        ),
        ("huge: messages said to be compressed", [1, 0, 0, 0, 4]),
        (
            "huge: messages with flags that are none",
            [0xff, 0, 0, 0, 4],
        ),
    ]
    .map(|(name, head)| (target.tally.kind(name, &["answered"], &[]), head));
    let mut turns = target.turns(Duration::from_millis(50));
    while turns.next().await {
        for (kind, head) in &lies {
            for method in ["InspectPod", "ListenEvents"] {
                let Some(mut wire) = Wire::greet(&target.address, &[]).await else {
                    kind.note(NOT_CONNECTED);
                    continue;
                };
                wire.send(&begin_call(1, method)).await;
                let message = [&head[..], b"\x1f\x8b\x08\x00"].concat();
                wire.send(&frame(kind::DATA, flag::NONE, 1, &message)).await;
                kind.note(wire.fate_of_call().await);
            }
        }
    }
}

/// Lists of headers far beyond the limit: spelled out, and spelled out once and repeated, which
/// takes a byte for each 4 KiB.
async fn header_lists(target: Target) {
    const REPETITIONS: usize = 15_000;

    let long = target.tally.kind(
        "huge: headers beyond the limit",
        &["answered"],
        &["RST_STREAM"],
    );
    let bomb = target.tally.kind(
        "huge: headers that are repeated by reference",
        &["GOAWAY"],
        &["closed", "RST_STREAM", "answered"],
    );
    let headers = call_headers("GetInfo");
    let fields = field("k", &"v".repeat(5000)).repeat(3);
    // Put into the table, and then referred to as its newest entry.
    let into_table = [vec![0x40], text("k"), text(&"v".repeat(4000))].concat();
    let repeated = [into_table, vec![0x80 | 62; REPETITIONS]];
    let mut turns = target.turns(Duration::from_millis(50));
    while turns.next().await {
        for (kind, pieces) in [
            (&long, vec![headers.clone(), fields.clone(), fields.clone()]),
            (
                &bomb,
                vec![headers.clone(), repeated[0].clone(), repeated[1].clone()],
            ),
        ] {
            let Some(mut wire) = Wire::greet(&target.address, &[]).await else {
                kind.note(NOT_CONNECTED);
                continue;
            };
            let last = pieces.len() - 1;
            for (number, piece) in pieces.iter().enumerate() {
                let frame_kind = [kind::HEADERS, kind::CONTINUATION][usize::from(number > 0)];
                let flags = [flag::NONE, flag::END_HEADERS][usize::from(number == last)];
                wire.send(&frame(frame_kind, flags, 1, piece)).await;
            }
            kind.note(wire.fate_of_call().await);
        }
    }
}

/// Most of a large message, and never the rest.
async fn unfinished(target: Target, method: &'static str) {
    let must: &[_] = match target.is_long() {
        true => &["answered"],
        false => &[],
    };
    let may = &["answered", "still waited for", "closed", "not taken"];
    let kind = target
        .tally
        .kind("huge: messages that never end", must, may);
    let mut turns = target.turns(Duration::from_millis(200));
    while turns.next().await {
        let Some(mut wire) = Wire::greet(&target.address, &[]).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        wire.send(&begin_call(1, method)).await;
        let head = message_head(REQUEST_BYTES_MAX);
        wire.send(&frame(kind::DATA, flag::NONE, 1, &head)).await;
        let data = frame(kind::DATA, flag::NONE, 1, &[0; FRAME_BYTES]);
        // As much as HTTP/2 lets a client send before it is asked for more.
        wire.send(&data.repeat(60)).await;
        let outcome = loop {
            match wire.hear(target.until).await {
                Heard::Frame(heard) if heard.is_answer() => break "answered",
                Heard::Frame(heard) => wire.acknowledge(&heard).await,
                Heard::Closed => break "closed",
                Heard::Nothing => break "still waited for",
            }
        };
        kind.note(outcome);
    }
}
