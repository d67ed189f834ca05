//! Clients that take their time: they do not read what they have asked for, or do not come to the
//! end of what they say.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use rkt_api::api::{EventFilter, GetLogsRequest, ListPodsRequest, ListenEventsRequest};
use tokio::{task::JoinSet, time::Instant};

use super::{
    Target,
    tally::{Kind, NOT_CONNECTED},
    wire::{Heard, Wire},
};
use crate::{
    frames::{
        INITIAL_WINDOW_SIZE, PREFACE, begin_call, call, call_headers, field, flag, frame, kind,
        message_head,
    },
    support::DEADLINE,
};

/// How much room a client that does not read gives the server: at the beginning, and once and
/// for all.
const WINDOWS_BYTES: [u32; 3] = [0, 1, 100];

/// How many calls whose answers are not read are made on a connection.
const UNREAD_CALLS: usize = 12;

/// How many clients at a time send what never comes to an end.
const WRITERS: usize = 20;

/// How long a byte of a request comes after the other.
const DRIP: Duration = Duration::from_millis(20);

/// How long a byte of the first words comes after the other: all take longer than there is time
/// for a handshake.
const SLOW_DRIP: Duration = Duration::from_millis(300);

pub fn begin(attackers: &mut JoinSet<()>, target: &Target) {
    let list = ListPodsRequest {
        filters: vec![],
        detail: true,
    };
    let logs = GetLogsRequest {
        pod_id: target.talkative.to_string(),
        follow: true,
        ..GetLogsRequest::default()
    };
    let events = ListenEventsRequest {
        filter: Some(EventFilter {
            since_time: 1,
            ..EventFilter::default()
        }),
    };
    for window_bytes in WINDOWS_BYTES {
        for (name, method, message) in [
            (
                "slow: lists that are not read",
                "ListPods",
                list.encode_to_vec(),
            ),
            (
                "slow: logs that are not read",
                "GetLogs",
                logs.encode_to_vec(),
            ),
            (
                "slow: events that are not read",
                "ListenEvents",
                events.encode_to_vec(),
            ),
        ] {
            let must: &[_] = match method {
                // So large that not all of them can be held.
                "ListPods" if target.is_long() => &["begun, and cut off"],
                _ => &["begun"],
            };
            let may = &["begun", "refused", "not answered"];
            let kind = target.tally.kind(name, must, may);
            attackers.spawn(unread(target.clone(), kind, window_bytes, method, message));
        }
    }
    for _ in 0..WRITERS {
        attackers.spawn(byte_by_byte(target.clone()));
        attackers.spawn(preface_byte_by_byte(target.clone()));
    }
    attackers.spawn(headers_without_end(target.clone()));
}

/// How far a call has come whose answer is not read.
#[derive(Clone, Copy, PartialEq)]
enum Call {
    Asked,
    Begun,
}

/// Makes calls, and reads none of their answers; when they are all over, makes them anew.
async fn unread(
    target: Target,
    kind: Kind,
    window_bytes: u32,
    method: &'static str,
    message: Vec<u8>,
) {
    let mut turns = target.turns(Duration::from_millis(200));
    while turns.next().await {
        let settings = [(INITIAL_WINDOW_SIZE, window_bytes)];
        let Some(mut wire) = Wire::greet(&target.address, &settings).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        let streams = (1..).step_by(2).take(UNREAD_CALLS);
        let mut calls: BTreeMap<u32, Call> = streams.map(|stream| (stream, Call::Asked)).collect();
        for stream in calls.keys() {
            wire.send(&call(*stream, method, &message)).await;
        }
        let end = loop {
            // However busy the server is, it begins to answer.
            let until = match calls.values().any(|call| *call == Call::Begun) {
                true => target.until,
                false => target.until + DEADLINE,
            };
            let heard = match wire.hear(until).await {
                Heard::Closed => break "cut off",
                Heard::Nothing => break "open to the end",
                Heard::Frame(heard) => heard,
            };
            wire.acknowledge(&heard).await;
            if heard.ends_stream() {
                match calls.remove(&heard.stream) {
                    Some(Call::Asked) => kind.note("refused"),
                    Some(Call::Begun) => kind.note("begun, and ended"),
                    None => {}
                }
            } else if heard.kind == kind::HEADERS {
                calls.insert(heard.stream, Call::Begun);
            }
            if calls.is_empty() {
                break "over";
            }
        };
        let begun = calls.values().filter(|call| **call == Call::Begun).count();
        kind.note_many(format!("begun, and {end}"), begun);
        kind.note_many(format!("not answered, and {end}"), calls.len() - begun);
    }
}

/// A request of which there is one more byte every moment, and still no end.
async fn byte_by_byte(target: Target) {
    let must: &[_] = match target.is_long() {
        true => &["answered"],
        false => &["still heard out"],
    };
    let may = &["still heard out", "answered", "closed", "RST_STREAM"];
    let kind = target
        .tally
        .kind("slow: requests a byte at a time", must, may);
    let head = message_head(1 << 20);
    let request = frame(
        kind::DATA,
        flag::NONE,
        1,
        &[&head[..], &[b'0'; 8000]].concat(),
    );
    let mut turns = target.turns(Duration::from_millis(200));
    while turns.next().await {
        let Some(mut wire) = Wire::greet(&target.address, &[]).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        wire.send(&begin_call(1, "InspectPod")).await;
        let mut bytes = request.iter();
        let outcome = loop {
            match bytes.next() {
                Some(byte) if Instant::now() < target.until => {
                    wire.send(&[*byte]).await;
                }
                _ => break "still heard out".to_owned(),
            }
            match wire.hear(Instant::now() + DRIP).await {
                Heard::Frame(heard) if heard.is_answer() => break "answered".to_owned(),
                Heard::Closed => break "closed".to_owned(),
                Heard::Frame(_) | Heard::Nothing => {}
            }
        };
        kind.note(outcome);
    }
}

/// The first bytes of HTTP/2, one every moment.
async fn preface_byte_by_byte(target: Target) {
    let kind = target.tally.kind(
        "slow: first words a byte at a time",
        &["closed"],
        &["open to the end"],
    );
    let mut turns = target.turns(Duration::from_millis(200));
    while turns.next().await {
        let Some(mut wire) = Wire::open(&target.address).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        // It never gets to the last one.
        let mut bytes = PREFACE[..PREFACE.len() - 1].iter();
        let outcome = loop {
            if let Some(byte) = bytes.next() {
                wire.send(&[*byte]).await;
            }
            match wire.hear(Instant::now() + SLOW_DRIP).await {
                Heard::Closed => break "closed",
                _ if Instant::now() >= target.until => break "open to the end",
                _ => {}
            }
        };
        kind.note(outcome);
    }
}

/// Headers that go on and on (CVE-2024-27316).
async fn headers_without_end(target: Target) {
    let kind = target
        .tally
        .kind("slow: headers that never end", &["GOAWAY"], &["closed"]);
    let more = frame(
        kind::CONTINUATION,
        flag::NONE,
        1,
        &field("more", &"x".repeat(100)),
    );
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        let Some(mut wire) = Wire::greet(&target.address, &[]).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        let headers = call_headers("InspectPod");
        wire.send(&frame(kind::HEADERS, flag::NONE, 1, &headers))
            .await;
        while wire.send(&more.repeat(100)).await {}
        kind.note(wire.fate().await);
    }
}
