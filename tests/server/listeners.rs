//! Listeners who do not read what they have asked for (E-14).

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use rkt_api::{
    api::{EventFilter, EventType, ListPodsRequest},
    layout,
};
use rkt_sim::spec::Phase;
use tonic::Code;
use uuid::Uuid;

use crate::{
    events::{Listener, look},
    frames::{INITIAL_WINDOW_SIZE, PREFACE, call, kind, number, settings},
    hosts::{self, TempHost},
    metrics::{self, scrape::Metrics},
    support::{DEADLINE, Server, at_once, eventually},
};

/// A client that speaks HTTP/2 by hand, so that nothing is read that it does not read itself.
struct Deaf(TcpStream);

impl Deaf {
    /// Listens, with room for so many bytes on the stream and on the connection.
    fn listen(address: &str, window_bytes: u32) -> Self {
        let for_connection = window_bytes.saturating_sub(65_535).max(1);
        let bytes = [
            PREFACE.to_vec(),
            settings(&[(INITIAL_WINDOW_SIZE, window_bytes)]),
            number(kind::WINDOW_UPDATE, 0, for_connection),
            call(1, "ListenEvents", &[]),
        ];
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(&bytes.concat()).unwrap();
        Self(socket)
    }

    /// Reads on until the connection is at its end; whether that was a reset.
    fn ends_by_reset(mut self) -> bool {
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}

/// A pod of which there is much to tell.
fn long_winded(dir: &Path, id: Uuid) {
    let run = hosts::phase_dir(dir, Phase::Run).join(id.to_string());
    let beside = dir.parent().unwrap().join(id.to_string());
    fs::create_dir(&beside).unwrap();
    let image = format!("sha512-{}", "0".repeat(200_000));
    let manifest = serde_json::json!({
        "acVersion": "0.8.11",
        "acKind": "PodManifest",
        "apps": [{"name": "web", "image": {"id": image}}],
    });
    fs::write(beside.join(layout::pod::MANIFEST), manifest.to_string()).unwrap();
    fs::write(beside.join(layout::pod::PID), "4711").unwrap();
    fs::rename(&beside, run).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_cut_off_and_harms_nobody() {
    const PODS: u32 = 60;
    const WINDOWS: [u32; 2] = [65_535, i32::MAX as u32];

    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--stream-buffer=20", metrics::LISTEN]);
    let mut client = server.client().await;
    look(&mut client).await;
    let reads = EventFilter {
        types: vec![EventType::PodExited.into()],
        ..EventFilter::default()
    };
    let mut reader = Listener::open(&mut client, reads).await;
    let sockets = || {
        let fds = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
        fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    };
    let before = sockets();
    // One has no room for more, as HTTP/2 counts it; the other has, and yet does not read.
    let deaf = WINDOWS.map(|bytes| Deaf::listen(&server.addresses()[0], bytes));
    let mut number = 0;
    let mut told = 0;
    let start = std::time::Instant::now();
    while told < WINDOWS.len() {
        assert!(start.elapsed() < 3 * DEADLINE, "{}", server.log());
        if number < PODS {
            let id = hosts::id(number);
            tokio::task::block_in_place(|| long_winded(host.dir(), id));
            number += 1;
            let all = number as usize;
            reader
                .hear("the others hear on", |heard| heard.len() >= all)
                .await;
        }
        let list = client.list_pods(ListPodsRequest::default());
        at_once("ListPods", list).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        told = server.log().matches("is cut off").count();
    }
    tokio::task::block_in_place(|| {
        eventually("their sockets are closed", || sockets() <= before);
        for deaf in deaf {
            assert!(deaf.ends_by_reset(), "a reset");
        }
        assert_eq!(too_slow(&server), WINDOWS.len() as f64);
    });
    // And who has read is a listener still.
    tokio::task::block_in_place(|| long_winded(host.dir(), hosts::id(PODS)));
    let all = reader.heard.len() + 1;
    reader
        .hear("the others hear on", |heard| heard.len() >= all)
        .await;
}

/// How many listeners were too slow.
fn too_slow(server: &Server) -> f64 {
    Metrics::of(server).value("rkt_api_event_losses_total{reason=\"too_slow\"}")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_does_not_keep_the_server_from_ending() {
    // Whether it had been too slow already, and was being told so, or not yet.
    for (buffer, lost) in [("--stream-buffer=20", 1.0), ("--stream-buffer=100", 0.0)] {
        let host = TempHost::create();
        let server = Server::start(host.dir(), &[buffer, metrics::LISTEN]);
        let mut client = server.client().await;
        look(&mut client).await;
        let deaf = Deaf::listen(&server.addresses()[0], 65_535);
        let mut reader = Listener::open(&mut client, EventFilter::default()).await;
        // More than there is room for.
        for number in 0..10 {
            tokio::task::block_in_place(|| long_winded(host.dir(), hosts::id(number)));
            let all = 5 * (number as usize + 1);
            reader.hear("it reads", |heard| heard.len() >= all).await;
        }
        tokio::task::block_in_place(|| {
            eventually("it is too slow", || too_slow(&server) == lost);
        });
        let (log, (_, end)) = tokio::join!(server.end(), reader.hear_out());
        assert_eq!(end.unwrap_err().code(), Code::Unavailable);
        assert!(log.contains("stream of events, and is cut off"), "{log}");
        assert!(!log.contains("still connected"), "{log}");
        tokio::task::block_in_place(|| assert!(deaf.ends_by_reset(), "a reset"));
    }
}
