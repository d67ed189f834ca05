//! Attacks on what monitoring asks, over HTTP.

use std::time::Duration;

use tokio::{task::JoinSet, time::Instant};

use super::{
    Target,
    tally::NOT_CONNECTED,
    wire::{Heard, Wire},
};
use crate::support::DEADLINE;

/// How many clients say nothing at a time, or a byte every moment.
const SLOW: usize = 150;

/// How long a byte comes after the other.
const DRIP: Duration = Duration::from_millis(200);

pub fn begin(attackers: &mut JoinSet<()>, target: &Target) {
    for number in 0..SLOW {
        attackers.spawn(slow(target.clone(), number % 2 == 0));
    }
    attackers.spawn(requests(target.clone()));
}

/// Says nothing, or a byte every moment.
async fn slow(target: Target, is_silent: bool) {
    let name = match is_silent {
        true => "monitoring: connections that say nothing",
        false => "monitoring: requests a byte at a time",
    };
    let kind = target.tally.kind(name, &["closed"], &["open to the end"]);
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        let Some(mut wire) = Wire::open(&target.metrics).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        let request = format!("GET /metrics HTTP/1.1\r\nk: {}", "v".repeat(10_000));
        let mut bytes = request.bytes();
        let outcome = loop {
            if let Some(byte) = bytes.next().filter(|_| !is_silent) {
                wire.send(&[byte]).await;
            }
            match wire.hear(Instant::now() + DRIP).await {
                Heard::Closed => break "closed",
                _ if Instant::now() >= target.until => break "open to the end",
                _ => {}
            }
        };
        kind.note(outcome);
    }
}

/// Requests that are too large or none, and pages that nobody reads.
async fn requests(target: Target) {
    let long = "x".repeat(100_000);
    let many: String = (0..1000).map(|n| format!("h{n}: v\r\n")).collect();
    let requests = [
        (
            "monitoring: a long path",
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        (
            "monitoring: a long header",
            format!("GET / HTTP/1.1\r\nlong: {long}\r\n\r\n"),
        ),
        (
            "monitoring: many headers",
            format!("GET / HTTP/1.1\r\n{many}\r\n"),
        ),
        (
            "monitoring: what is no HTTP",
            "\r\n\0\u{1}\u{2}hello\r\n\r\n".to_owned(),
        ),
        (
            "monitoring: a body of 4 GiB",
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 4294967296\r\n\r\n".to_owned(),
        ),
    ];
    let kinds = requests
        .each_ref()
        .map(|(name, _)| target.tally.kind(name, &["4"], &["hung up on"]));
    let unread = target
        .tally
        .kind("monitoring: pages that are not read", &["asked for"], &[]);
    let mut turns = target.turns(Duration::from_millis(50));
    while turns.next().await {
        for ((_, request), kind) in requests.iter().zip(&kinds) {
            kind.note(status(&target, request).await);
        }
        match Wire::open(&target.metrics).await {
            None => unread.note(NOT_CONNECTED),
            Some(mut wire) => {
                wire.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
                unread.note("asked for");
            }
        }
    }
}

/// The status that a request is answered with.
async fn status(target: &Target, request: &str) -> String {
    let Some(mut wire) = Wire::open(&target.metrics).await else {
        return NOT_CONNECTED.to_owned();
    };
    // It may be hung up on before it is all sent, and then not hear what is answered.
    wire.send(request.as_bytes()).await;
    let answer = wire.hear_out(Instant::now() + DEADLINE).await;
    let status = answer.get(9..12).map(String::from_utf8_lossy);
    status.map_or_else(|| "hung up on".to_owned(), |status| status.into_owned())
}
