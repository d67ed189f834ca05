//! Bytes that are no HTTP/2, frames that are none, and frames where they may not be (RFC 9113,
//! RFC 7541).

use std::time::Duration;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tokio::{task::JoinSet, time::Instant};

use super::{
    Target,
    tally::{Kind, NOT_CONNECTED},
    wire::Wire,
};
use crate::{
    frames::{
        HELLO, begin_call, call, call_headers, field, flag, frame, kind, number, path, settings,
    },
    support::DEADLINE,
};

/// What the server says when the connection cannot go on.
const GOODBYE: &[&str] = &["GOAWAY"];

/// What it says when the call cannot.
const NO_CALL: &[&str] = &["RST_STREAM"];

/// What it says to a request that it can read, and that is none.
const REFUSAL: &[&str] = &["answered"];

/// What it says of what it does not know.
const NOTHING: &[&str] = &["ignored"];

/// A mistake, what comes of it, and what else may.
type Mistake = (
    &'static str,
    Vec<u8>,
    &'static [&'static str],
    &'static [&'static str],
);

pub fn begin(attackers: &mut JoinSet<()>, target: &Target) {
    attackers.spawn(other_protocols(target.clone()));
    attackers.spawn(mistakes(target.clone()));
    attackers.spawn(random_frames(target.clone()));
    attackers.spawn(flipped_bits(target.clone()));
}

/// What does not begin like HTTP/2.
async fn other_protocols(target: Target) {
    let mut rng = ChaCha12Rng::seed_from_u64(target.seed);
    let hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let beginnings = [
        (
            "malformed: HTTP/1.1 requests",
            &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        ),
        (
            "malformed: HTTP/1.1 upgrades",
            b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        ),
        ("malformed: TLS", hello),
        ("malformed: HTTP/2.1", b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"),
    ]
    .map(|(name, bytes)| (target.tally.kind(name, &["closed"], &[]), bytes));
    let random = target
        .tally
        .kind("malformed: random bytes", &["closed"], &[]);
    let mut turns = target.turns(Duration::from_millis(50));
    while turns.next().await {
        for (kind, bytes) in &beginnings {
            is_hung_up_on(&target, kind, bytes).await;
        }
        let mut bytes = vec![0; 24 + rng.random_range(0..100)];
        rng.fill_bytes(&mut bytes);
        is_hung_up_on(&target, &random, &bytes).await;
    }
}

async fn is_hung_up_on(target: &Target, kind: &Kind, bytes: &[u8]) {
    match Wire::open(&target.address).await {
        None => kind.note(NOT_CONNECTED),
        Some(mut wire) => {
            wire.send(bytes).await;
            match wire.is_closed(Instant::now() + DEADLINE).await {
                true => kind.note("closed"),
                false => kind.note("left open"),
            }
        }
    }
}

/// HEADERS of a call that is over with them.
fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
    let flags = flag::END_HEADERS | flag::END_STREAM;
    frame(kind::HEADERS, flags, stream, block)
}

/// Frames of the wrong size, or with what may not be in them.
fn mistakes_in_frames() -> Vec<Mistake> {
    let bare = |kind, payload: &[u8]| frame(kind, flag::NONE, 0, payload);
    let on_stream = |kind, payload: &[u8]| frame(kind, flag::NONE, 1, payload);
    let with_call = |bytes: Vec<u8>| [begin_call(1, "InspectPod"), bytes].concat();
    vec![
        (
            "malformed: a frame larger than may be",
            with_call(on_stream(kind::DATA, &[0; (16 << 10) + 1])),
            GOODBYE,
            &[],
        ),
        (
            "malformed: PING of 7 bytes",
            bare(kind::PING, &[0; 7]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: PING on a stream",
            on_stream(kind::PING, &[0; 8]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: SETTINGS of 5 bytes",
            bare(kind::SETTINGS, &[0; 5]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: SETTINGS on a stream",
            on_stream(kind::SETTINGS, &[]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: acknowledged SETTINGS with values",
            frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: SETTINGS acknowledged that nobody sent",
            frame(kind::SETTINGS, flag::ACK, 0, &[]).repeat(3),
            GOODBYE,
            NOTHING,
        ),
        (
            "malformed: push neither on nor off",
            settings(&[(2, 2)]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a window of 2 GiB",
            settings(&[(4, 1 << 31)]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: frames of a byte at most",
            settings(&[(5, 1)]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: settings that are none",
            settings(&[(0xffff, 7), (0, 0)]),
            NOTHING,
            &[],
        ),
        (
            "malformed: WINDOW_UPDATE of 3 bytes",
            bare(kind::WINDOW_UPDATE, &[0; 3]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a window that grows by nothing",
            number(kind::WINDOW_UPDATE, 0, 0),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a window that grows beyond 2 GiB",
            number(kind::WINDOW_UPDATE, 0, (1 << 31) - 1).repeat(2),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a stream's window that grows beyond 2 GiB",
            with_call(number(kind::WINDOW_UPDATE, 1, (1 << 31) - 1).repeat(2)),
            NO_CALL,
            GOODBYE,
        ),
        (
            "malformed: RST_STREAM of 3 bytes",
            with_call(on_stream(kind::RST_STREAM, &[0; 3])),
            GOODBYE,
            &[],
        ),
        (
            "malformed: padding that is longer than the frame",
            with_call(frame(kind::DATA, flag::PADDED, 1, &[9, 0])),
            GOODBYE,
            &[],
        ),
        (
            "malformed: GOAWAY on a stream",
            on_stream(kind::GOAWAY, &[0; 8]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a stream that depends on itself",
            frame(kind::PRIORITY, flag::NONE, 1, &[0, 0, 0, 1, 9]),
            NOTHING,
            &[],
        ),
    ]
}

/// Frames where they may not be.
fn mistakes_of_order() -> Vec<Mistake> {
    let on_stream = |kind, payload: &[u8]| frame(kind, flag::NONE, 1, payload);
    let info = call_headers("GetInfo");
    vec![
        (
            "malformed: DATA of no call",
            on_stream(kind::DATA, b"data"),
            GOODBYE,
            &[],
        ),
        (
            "malformed: DATA on stream 0",
            frame(kind::DATA, flag::NONE, 0, b"data"),
            GOODBYE,
            &[],
        ),
        (
            "malformed: HEADERS on stream 0",
            headers(0, &info),
            GOODBYE,
            &[],
        ),
        (
            "malformed: HEADERS on an even stream",
            headers(2, &info),
            GOODBYE,
            &[],
        ),
        (
            "malformed: HEADERS of a stream before the last one",
            [headers(5, &info), headers(3, &info)].concat(),
            GOODBYE,
            &["answered"],
        ),
        (
            "malformed: RST_STREAM of no call",
            number(kind::RST_STREAM, 1, 8),
            GOODBYE,
            &[],
        ),
        (
            "malformed: RST_STREAM on stream 0",
            number(kind::RST_STREAM, 0, 8),
            GOODBYE,
            &[],
        ),
        (
            "malformed: WINDOW_UPDATE of no call",
            number(kind::WINDOW_UPDATE, 1, 8),
            GOODBYE,
            &[],
        ),
        (
            "malformed: PUSH_PROMISE of a client",
            on_stream(kind::PUSH_PROMISE, &[0, 0, 0, 2]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: CONTINUATION of nothing",
            on_stream(kind::CONTINUATION, &info),
            GOODBYE,
            &[],
        ),
        (
            "malformed: DATA between headers",
            [
                frame(kind::HEADERS, flag::NONE, 1, &info),
                on_stream(kind::DATA, b"data"),
            ]
            .concat(),
            GOODBYE,
            &[],
        ),
        (
            "malformed: DATA after the end of a call",
            [headers(1, &info), on_stream(kind::DATA, b"data")].concat(),
            GOODBYE,
            &[],
        ),
    ]
}

/// Headers that cannot be read, or are none of a request.
fn mistakes_in_headers() -> Vec<Mistake> {
    let info = call_headers("GetInfo");
    let with = |more: &[u8]| headers(1, &[&info, more].concat());
    let only = |fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| field(name, value));
        headers(1, &fields.collect::<Vec<_>>().concat())
    };
    let path = path("GetInfo");
    vec![
        ("malformed: header field 0", with(&[0x80]), GOODBYE, &[]),
        (
            "malformed: a header field beyond the table",
            with(&[0xff, 0x7f]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a number without end in headers",
            with(&[0xff; 20]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a text longer than its headers",
            with(&[0, 1, b'k', 100, b'v']),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a text that is no Huffman code",
            with(&[0, 1, b'k', 0x84, 0xff, 0xff, 0xff, 0xff]),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a table larger than may be",
            headers(1, &[&[0x3f, 0xff, 0xff, 0x7f][..], &info].concat()),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a header's name in capitals",
            with(&field("Name", "value")),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a header's name with a space",
            with(&field("na me", "value")),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a header's value with ends of lines",
            with(&field("name", "va\r\nlue")),
            GOODBYE,
            &[],
        ),
        (
            "malformed: a header of connections",
            with(&field("connection", "close")),
            NO_CALL,
            &[],
        ),
        (
            "malformed: a pseudo-header after headers",
            with(&field(":path", "/")),
            NO_CALL,
            &[],
        ),
        (
            "malformed: no path",
            only(&[(":method", "POST"), (":scheme", "http")]),
            REFUSAL,
            &[],
        ),
        (
            "malformed: no method",
            only(&[(":path", &path), (":scheme", "http")]),
            NO_CALL,
            &[],
        ),
        (
            "malformed: a path that is none",
            only(&[(":method", "POST"), (":scheme", "http"), (":path", "\u{1}")]),
            NO_CALL,
            &[],
        ),
        (
            "malformed: a pseudo-header of answers",
            only(&[(":status", "200"), (":path", &path)]),
            NO_CALL,
            &[],
        ),
        (
            "malformed: a length that is not that of the data",
            [
                frame(
                    kind::HEADERS,
                    flag::END_HEADERS,
                    1,
                    &[info, field("content-length", "1000")].concat(),
                ),
                frame(kind::DATA, flag::END_STREAM, 1, &[0; 5]),
            ]
            .concat(),
            NO_CALL,
            &[],
        ),
        (
            "malformed: a call that is not of gRPC",
            only(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", &path),
                ("content-type", "text/html"),
            ]),
            REFUSAL,
            &[],
        ),
    ]
}

async fn mistakes(target: Target) {
    let mistakes = [
        mistakes_in_frames(),
        mistakes_of_order(),
        mistakes_in_headers(),
    ];
    let mistakes: Vec<_> = mistakes
        .concat()
        .into_iter()
        .map(|(name, bytes, must, may)| {
            let is_of_call = [NO_CALL, REFUSAL].contains(&must);
            (target.tally.kind(name, must, may), bytes, is_of_call)
        })
        .collect();
    let mut turns = target.turns(Duration::from_millis(100));
    while turns.next().await {
        for (kind, bytes, is_of_call) in &mistakes {
            kind.note(answer_to(&target, bytes, *is_of_call).await);
        }
    }
}

/// What the server makes of a connection that begins as it should, and goes on with `bytes`.
async fn answer_to(target: &Target, bytes: &[u8], is_of_call: bool) -> String {
    match Wire::greet(&target.address, &[]).await {
        None => NOT_CONNECTED.to_owned(),
        Some(mut wire) => {
            wire.send(bytes).await;
            match is_of_call {
                true => wire.fate_of_call().await,
                false => wire.fate().await,
            }
        }
    }
}

/// Frames of any kind, with any flags, on any stream, with any payload.
async fn random_frames(target: Target) {
    let kind = target.tally.kind(
        "malformed: random frames",
        &["GOAWAY"],
        &["RST_STREAM", "closed", "answered", "ignored"],
    );
    let mut rng = ChaCha12Rng::seed_from_u64(target.seed);
    let mut turns = target.turns(Duration::from_millis(25));
    while turns.next().await {
        let mut bytes = begin_call(1, "InspectPod");
        for _ in 0..rng.random_range(1..20) {
            let mut payload = vec![0; rng.random_range(0..64)];
            rng.fill_bytes(&mut payload);
            let [frame_kind, flags] = [rng.random_range(0..12), rng.random()];
            bytes.extend(frame(frame_kind, flags, rng.random_range(0..6), &payload));
        }
        kind.note(answer_to(&target, &bytes, false).await);
    }
}

/// Calls as they should be, but for a few bits.
async fn flipped_bits(target: Target) {
    let kind = target.tally.kind(
        "malformed: calls with some bits flipped",
        &["GOAWAY", "ignored"],
        &["RST_STREAM", "closed", "ignored", "left alone"],
    );
    let mut rng = ChaCha12Rng::seed_from_u64(target.seed);
    let mut turns = target.turns(Duration::from_millis(25));
    while turns.next().await {
        let mut bytes = HELLO.to_vec();
        for (stream, method) in [(1, "GetInfo"), (3, "ListPods"), (5, "ListenEvents")] {
            bytes.extend(call(stream, method, &[]));
        }
        for _ in 0..rng.random_range(1..5) {
            // What it begins with is looked at before all else.
            let at = rng.random_range(24..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        match Wire::open(&target.address).await {
            None => kind.note(NOT_CONNECTED),
            Some(mut wire) => {
                wire.send(&bytes).await;
                // What a length that is too large swallows.
                wire.send(&frame(kind::PING, flag::NONE, 0, &[0; 8]).repeat(1000))
                    .await;
                kind.note(wire.fate().await);
            }
        }
    }
}
