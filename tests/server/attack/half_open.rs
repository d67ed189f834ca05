//! Connections that are left half open, or hung up on half way.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{
    Target,
    tally::NOT_CONNECTED,
    wire::{Heard, Wire},
};
use crate::frames::{HELLO, PREFACE, begin_call, call, frame, kind, message_head};

/// How many connections of each kind are open at a time.
const CONNECTIONS: usize = 20;

/// What is said before nothing more is, and whether the server may wait for more than the time
/// of a handshake.
fn beginnings() -> [(&'static str, Vec<u8>, bool); 6] {
    let call = call(1, "GetInfo", &[]);
    let half_a_frame = call[..call.len() / 2].to_vec();
    let unfinished = [
        begin_call(1, "InspectPod"),
        frame(kind::DATA, 0, 1, &message_head(100)),
    ];
    let said = |more: &[u8]| [HELLO, more].concat();
    [
        (
            "half open: half of the first words",
            PREFACE[..12].to_vec(),
            false,
        ),
        ("half open: the first words", PREFACE.to_vec(), true),
        ("half open: the first words and SETTINGS", said(&[]), true),
        ("half open: half of a frame", said(&half_a_frame), true),
        (
            "half open: the head of a frame",
            said(&[0, 0x3f, 0xff, 0, 0, 0, 0, 0, 1]),
            true,
        ),
        (
            "half open: a call without its message",
            said(&unfinished.concat()),
            true,
        ),
    ]
}

pub fn begin(attackers: &mut JoinSet<()>, target: &Target) {
    for (name, bytes, may_wait) in beginnings() {
        for _ in 0..CONNECTIONS {
            attackers.spawn(silence(target.clone(), name, bytes.clone(), may_wait));
        }
        attackers.spawn(hanging_up(target.clone(), bytes.clone()));
        attackers.spawn(end_of_sending(target.clone(), bytes));
    }
}

/// Says this much, and then nothing: not even that anybody is there.
async fn silence(target: Target, name: &'static str, bytes: Vec<u8>, may_wait: bool) {
    let must: &[_] = match may_wait && !target.is_long() {
        true => &["open to the end"],
        false => &["closed"],
    };
    let kind = target
        .tally
        .kind(name, must, &["open to the end", "closed"]);
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        let Some(mut wire) = Wire::open(&target.address).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        wire.send(&bytes).await;
        let outcome = loop {
            match wire.hear(target.until).await {
                Heard::Closed => break "closed",
                Heard::Nothing => break "open to the end",
                Heard::Frame(_) => {}
            }
        };
        kind.note(outcome);
    }
}

/// Says this much, and hangs up by a reset.
async fn hanging_up(target: Target, bytes: Vec<u8>) {
    let kind = target
        .tally
        .kind("half open: reset half way", &["reset"], &[]);
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        match Wire::open(&target.address).await {
            None => kind.note(NOT_CONNECTED),
            Some(mut wire) => {
                wire.send(&bytes).await;
                drop(wire);
                kind.note("reset");
            }
        }
    }
}

/// Says this much, and that nothing more comes: then there is nothing to wait for.
async fn end_of_sending(target: Target, bytes: Vec<u8>) {
    let kind = target
        .tally
        .kind("half open: the end of sending half way", &["closed"], &[]);
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        let Some(mut wire) = Wire::open(&target.address).await else {
            kind.note(NOT_CONNECTED);
            continue;
        };
        wire.send(&bytes).await;
        wire.end().await;
        let patience = tokio::time::Instant::now() + crate::support::DEADLINE;
        match wire.is_closed(patience).await {
            true => kind.note("closed"),
            false => kind.note("left open"),
        }
    }
}
