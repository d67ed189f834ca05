//! What monitoring is told: the pages, what is counted of calls and of the host, and readiness.

mod documents;
mod load;
pub mod scrape;

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
};

use pretty_assertions::assert_eq;
use rkt_api::api::{
    EventFilter, GetInfoRequest, GetInfoResponse, InspectPodRequest, ListPodsRequest,
    ListenEventsRequest,
};
use rkt_sim::spec::{Image, Phase, Pod};
use rustix::process::Signal;
use tonic::{
    Code, Request,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;

use crate::{
    held_up::held_up,
    hosts::{self, TempHost, phase_dir},
    support::{Server, at_once, command, connect, eventually},
};
use scrape::{Metrics, becomes, page, send};

/// Where the server tells of its metrics in tests.
pub const LISTEN: &str = "--metrics-listen=127.0.0.1:0";

/// More connections than are served at once.
const CONNECTIONS: usize = 300;

fn serve(host: &TempHost, args: &[&str]) -> Server {
    Server::start(host.dir(), &[args, &[LISTEN]].concat())
}

/// Waits until the server knows its pods.
fn wait_until_ready(server: &Server) {
    let address = server.metrics_address();
    eventually("the server is ready", || {
        page(&address, "/readyz").status == 200
    });
}

#[test]
fn pages_and_what_is_none() {
    let host = TempHost::create();
    let server = serve(&host, &[]);
    let address = server.metrics_address();
    wait_until_ready(&server);
    assert_eq!(page(&address, "/healthz").body, "alive\n");
    assert_eq!(page(&address, "/readyz").body, "ready\n");
    assert_eq!(page(&address, "/readyz?verbose").status, 200);
    assert_eq!(page(&address, "/").status, 404);
    assert_eq!(page(&address, "/metrics/").status, 404);

    let request = |line: &str| send(&address, &format!("{line}\r\nHost: server\r\n\r\n"));
    for path in ["/metrics", "/healthz", "/readyz"] {
        let head = request(&format!("HEAD {path} HTTP/1.1")).unwrap();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert!(head.head.contains("content-length: "), "{}", head.head);
        assert!(request(&format!("GET {path} HTTP/1.0")).unwrap().status == 200);
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let refused = request(&format!("{method} {path} HTTP/1.1")).unwrap();
            assert_eq!(refused.status, 405, "{method}");
            assert!(refused.head.contains("allow: get, head"));
        }
    }
    // It is answered, and its body left alone.
    let with_body = "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(send(&address, with_body).unwrap().status, 200);
}

#[test]
fn requests_that_are_none() {
    let host = TempHost::create();
    let server = serve(&host, &[]);
    let address = server.metrics_address();
    let long = "x".repeat(100_000);
    let many: String = (0..1000).map(|n| format!("h{n}: v\r\n")).collect();
    for (request, status) in [
        ("\r\n\r\nhello\r\n\r\n".to_owned(), Some(400)),
        ("GET /metrics\r\n\r\n".to_owned(), Some(400)),
        // HTTP/2 is hung up on.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), None),
        (
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            Some(431),
        ),
        (format!("GET / HTTP/1.1\r\nlong: {long}\r\n\r\n"), Some(431)),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), Some(431)),
    ] {
        let answer = send(&address, &request).map(|answer| answer.status);
        // Whoever goes on writing may not get to see the answer.
        if answer.is_some() || status != Some(431) {
            assert_eq!(answer, status, "{request:.40}");
        }
        assert_eq!(page(&address, "/healthz").status, 200);
    }
}

/// Whoever says nothing, or says it slowly, is hung up on, and meanwhile keeps nobody else from
/// being answered.
#[test]
fn clients_that_take_their_time() {
    let host = TempHost::create();
    let server = serve(&host, &[]);
    let address = server.metrics_address();
    let mut slow: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let mut socket = scrape::connect(&address);
            if number % 2 == 0 {
                socket.write_all(b"GET /metrics HT").unwrap();
            }
            socket
        })
        .collect();
    assert_eq!(page(&address, "/healthz").status, 200);
    for socket in &mut slow {
        let mut rest = Vec::new();
        // Either way it is over.
        let _ = socket.read_to_end(&mut rest);
    }
    assert_eq!(page(&address, "/healthz").status, 200);
}

#[tokio::test]
async fn by_a_unix_socket() {
    let host = TempHost::create();
    let path = host.beside("metrics.sock");
    let listen = format!("--metrics-listen=unix:{}", path.display());
    let server = Server::start(host.dir(), &[&listen]);
    assert_eq!(server.metrics_address(), format!("unix:{}", path.display()));
    wait_until_ready(&server);
    assert_eq!(Metrics::of(&server).value("rkt_api_rescans_total"), 1.0);
    server.signal(Signal::TERM);
    assert!(server.wait().await.success());
    assert!(!path.exists());
}

#[test]
fn nowhere_unless_it_is_wanted() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &[]);
    assert!(!server.log().contains("telling metrics"));
}

/// Every call is counted once, by what became of it, and logged with whose it was.
#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_and_logged() {
    let host = TempHost::create();
    host.add(&hosts::pod(1, Phase::Prepared));
    let socket = host.beside("api.sock");
    let unix = format!("unix:{}", socket.display());
    let mut command = command(host.dir(), &[LISTEN]);
    command.env("RUST_LOG", "info,rkt_api=debug");
    command.args(["--listen", &unix]);
    let server = Server::listen(command);
    let mut by_unix = connect(&unix).await;
    let url = format!("http://{}", server.addresses()[1]);
    let mut by_tcp = connect(&url).await;

    let info = GetInfoRequest {};
    by_unix.get_info(info).await.unwrap();
    for _ in 0..3 {
        by_tcp.get_info(info).await.unwrap();
        by_tcp.list_pods(ListPodsRequest::default()).await.unwrap();
    }
    for (id, code) in [
        (hosts::id(1).to_string(), Code::Ok),
        (hosts::id(2).to_string(), Code::NotFound),
        (String::new(), Code::InvalidArgument),
    ] {
        let answer = by_tcp.inspect_pod(InspectPodRequest { id }).await;
        assert_eq!(
            answer.map_or_else(|status| status.code(), |_| Code::Ok),
            code
        );
    }
    let past = EventFilter {
        until_time: 1,
        ..EventFilter::default()
    };
    let past = ListenEventsRequest { filter: Some(past) };
    let mut ended = by_tcp.listen_events(past).await.unwrap().into_inner();
    assert!(ended.message().await.unwrap().is_none());
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    for number in 0..20 {
        ask_for(&channel, &format!("/v1alpha.PublicAPI/Method{number}")).await;
    }

    let metrics = Metrics::of(&server);
    assert_eq!(metrics.requests("GetInfo", "OK"), 4.0);
    assert_eq!(metrics.requests("ListPods", "OK"), 3.0);
    assert_eq!(metrics.requests("InspectPod", "OK"), 1.0);
    assert_eq!(metrics.requests("InspectPod", "NOT_FOUND"), 1.0);
    assert_eq!(metrics.requests("InspectPod", "INVALID_ARGUMENT"), 1.0);
    assert_eq!(metrics.requests("ListenEvents", "OK"), 1.0);
    assert_eq!(metrics.requests("other", "UNIMPLEMENTED"), 20.0);
    assert_eq!(metrics.sum("rkt_api_requests_total"), 31.0);
    assert_eq!(metrics.value("rkt_api_connections_accepted_total"), 3.0);
    assert_eq!(metrics.value("rkt_api_connections_open"), 3.0);
    assert!(!metrics.text.contains("Method1"), "{}", metrics.text);
    let seconds = "rkt_api_request_duration_seconds";
    assert_eq!(metrics.sum(&format!("{seconds}_count")), 31.0);
    let all = format!("{seconds}_bucket{{le=\"+Inf\",method=\"InspectPod\"}}");
    assert_eq!(metrics.value(&all), 3.0);

    // A stream is open until its client goes.
    let open = "rkt_api_streams_open{method=\"ListenEvents\"}";
    assert_eq!(metrics.value(open), 0.0);
    let events = by_tcp.listen_events(ListenEventsRequest::default()).await;
    let metrics = Metrics::of(&server);
    assert_eq!(metrics.value(open), 1.0);
    assert_eq!(metrics.requests("ListenEvents", "OK"), 1.0);
    let timed = format!("{seconds}_count{{method=\"ListenEvents\"}}");
    assert_eq!(metrics.value(&timed), 2.0);
    drop(events);
    becomes(&server, open, 0.0);
    assert_eq!(
        Metrics::of(&server).requests("ListenEvents", "CANCELLED"),
        1.0
    );

    // So it is with a call that its client gives up.
    let (lock, call) = held_up(&by_tcp, host.dir()).await;
    call.abort();
    eventually("the call is over", || {
        let metrics = Metrics::of(&server);
        let codes = ["CANCELLED", "OK", "UNAVAILABLE"];
        codes
            .map(|code| metrics.requests("ListImages", code))
            .iter()
            .sum::<f64>()
            == 1.0
    });
    assert_eq!(
        Metrics::of(&server).requests("ListImages", "CANCELLED"),
        1.0
    );
    lock.unlock().unwrap();

    drop((by_unix, by_tcp, channel));
    let log = server.end().await;
    let logged = |parts: &[&str]| {
        let calls = log
            .lines()
            .filter(|line| line.contains(r#""message":"call""#));
        let matching = calls.filter(|line| parts.iter().all(|part| line.contains(part)));
        matching.count()
    };
    let tcp = r#""peer":"127.0.0.1:"#;
    let duration = r#""duration_us":"#;
    assert_eq!(
        logged(&[r#""method":"GetInfo""#, r#""code":"OK""#, duration, tcp]),
        4
    );
    assert_eq!(logged(&[r#""method":"GetInfo""#, r#""peer":"unix""#]), 1);
    assert_eq!(
        logged(&[r#""code":"NOT_FOUND""#, r#""method":"InspectPod""#, tcp]),
        1
    );
    assert_eq!(
        logged(&[r#""code":"CANCELLED""#, r#""method":"ListenEvents""#]),
        1
    );
    let unknown = r#""method":"/v1alpha.PublicAPI/Method7""#;
    assert_eq!(logged(&[unknown, r#""code":"UNIMPLEMENTED""#]), 1);
}

/// Calls a method that is not there.
async fn ask_for(channel: &Channel, path: &str) {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let codec = ProstCodec::<GetInfoRequest, GetInfoResponse>::default();
    let path = PathAndQuery::try_from(path).unwrap();
    let request = Request::new(GetInfoRequest {});
    let refused = client.unary(request, path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

/// What there is on the host is told although nobody calls.
#[test]
fn what_there_is_on_the_host() {
    for args in [&[][..], &["--no-watch"]] {
        let host = TempHost::create();
        let mut running = hosts::pod(1, Phase::Run);
        running.locked = true;
        let hold = host.add(&running);
        host.add(&hosts::pod(2, Phase::Run));
        host.add(&hosts::pod(3, Phase::Prepared));
        host.write_images(&[Image::new("example.com/a", "1")])
            .unwrap();
        let pods = phase_dir(host.dir(), Phase::Prepared);
        fs::create_dir(pods.join("no-uuid")).unwrap();
        File::create(pods.join(hosts::id(9).to_string())).unwrap();
        let server = serve(&host, args);
        wait_until_ready(&server);
        let is = |sample: &str, value| becomes(&server, sample, value);
        let state = |state: &str| format!("rkt_api_pods{{state=\"{state}\"}}");
        is(&state("running"), 1.0);
        is(&state("exited"), 1.0);
        is(&state("prepared"), 1.0);
        is("rkt_api_images", 1.0);
        is("rkt_api_skipped_entries{reason=\"name\"}", 1.0);
        is("rkt_api_skipped_entries{reason=\"type\"}", 1.0);
        let is_watched = args.is_empty();
        is("rkt_api_watching", f64::from(is_watched));
        is("rkt_api_unwatched_pods", if is_watched { 0.0 } else { 3.0 });
        let metrics = Metrics::of(&server);
        assert_eq!(metrics.sum("rkt_api_pods"), 3.0);
        assert_eq!(metrics.value("rkt_api_inotify_watches") > 3.0, is_watched);
        assert_eq!(metrics.sum("rkt_api_events_total"), 0.0);
        if is_watched {
            // Each once: nothing has changed since.
            assert_eq!(metrics.value("rkt_api_pods_read_total"), 3.0);
            assert_eq!(metrics.value("rkt_api_image_index_reads_total"), 1.0);
            assert_eq!(metrics.value("rkt_api_image_manifests_read_total"), 1.0);
        }

        drop(hold);
        host.add(&hosts::pod(4, Phase::Run));
        fs::remove_dir(pods.join("no-uuid")).unwrap();
        is(&state("running"), 0.0);
        is(&state("exited"), 3.0);
        is("rkt_api_skipped_entries{reason=\"name\"}", 0.0);
        let exited = "rkt_api_events_total{type=\"pod_exited\"}";
        is(exited, 2.0);
        let metrics = Metrics::of(&server);
        assert_eq!(metrics.sum("rkt_api_pods"), 4.0);
        let events = metrics.sum("rkt_api_events_total");
        assert_eq!(metrics.value("rkt_api_events_kept"), events);
        assert_eq!(metrics.value("rkt_api_events_sent_total"), 0.0);
        // That the lock was let go, only a probe tells.
        let probes = metrics.value("rkt_api_lock_probes_total");
        assert_eq!(probes > 0.0, is_watched);
    }
}

/// What the process takes is what the system says of it, and watches are those that the kernel has.
#[test]
fn what_the_server_takes() {
    let host = TempHost::create();
    for number in 0..20 {
        host.add(&hosts::pod(number, Phase::Prepared));
    }
    let server = serve(&host, &["--dialect=rkt-1.30"]);
    wait_until_ready(&server);
    let proc = |name| fs::read_dir(format!("/proc/{}/{name}", server.pid())).unwrap();
    eventually("watches and descriptors are those of the system", || {
        let metrics = Metrics::of(&server);
        let infos = proc("fdinfo").flatten();
        let infos = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
        let watches = infos.map(|info| info.matches("inotify wd:").count());
        // The connection of the scrape is gone by now.
        let descriptors = proc("fd").count() as f64 + 1.0;
        metrics.value("rkt_api_inotify_watches") == watches.max().unwrap() as f64
            && metrics.value("process_open_fds") == descriptors
    });
    let metrics = Metrics::of(&server);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("rkt_api_build_info{{version=\"{version}\",dialect=\"rkt-1.30\"}}");
    assert_eq!(metrics.value(&build), 1.0);
    assert!(metrics.value("process_resident_memory_bytes") > 1e6);
    assert!(metrics.value("process_cpu_seconds_total") > 0.0);
    assert!(metrics.value("process_max_fds") >= metrics.value("process_open_fds"));
    let now = std::time::SystemTime::now();
    let now_s = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(metrics.value("process_start_time_seconds") <= now_s.as_secs_f64());
}

/// A listener who cannot have all events is counted.
#[tokio::test]
async fn events_sent_and_lost() {
    let host = TempHost::create();
    let server = serve(&host, &["--event-history=0"]);
    wait_until_ready(&server);
    let mut client = server.client().await;
    let events = client.listen_events(ListenEventsRequest::default()).await;
    let mut events = events.unwrap().into_inner();
    host.add(&Pod::new(hosts::id(1), Phase::Prepared));
    let told = events.message().await.unwrap().unwrap().events;
    let since = EventFilter {
        since_time: told[0].time - 1,
        ..EventFilter::default()
    };
    let since = ListenEventsRequest {
        filter: Some(since),
    };
    let refused = client.listen_events(since).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    let metrics = Metrics::of(&server);
    let lost = |reason| {
        metrics.value(&format!(
            "rkt_api_event_losses_total{{reason=\"{reason}\"}}"
        ))
    };
    assert_eq!((lost("not_kept"), lost("too_slow")), (1.0, 0.0));
    let sent = metrics.value("rkt_api_events_sent_total");
    assert!(sent >= told.len() as f64);
    assert_eq!(sent, metrics.sum("rkt_api_events_total"));
    assert_eq!(metrics.requests("ListenEvents", "OUT_OF_RANGE"), 1.0);
}

/// A server whose data directory is gone is not ready, and is again when it is back; health says
/// the same.
#[tokio::test]
async fn readiness_follows_the_data_directory() {
    let host = TempHost::create();
    let server = serve(&host, &[]);
    let address = server.metrics_address();
    let channel = Endpoint::from_shared(server.url()).unwrap().connect().await;
    let mut health = HealthClient::new(channel.unwrap());
    let service = "v1alpha.PublicAPI".to_owned();
    let watch = health.watch(HealthCheckRequest { service }).await.unwrap();
    let mut watch = watch.into_inner();
    let mut becomes = async |wanted| {
        let told = async { while watch.message().await.unwrap().unwrap().status() != wanted {} };
        at_once("health is told", told).await;
    };
    becomes(ServingStatus::Serving).await;
    wait_until_ready(&server);
    for _ in 0..2 {
        fs::rename(host.dir(), host.beside("away")).unwrap();
        becomes(ServingStatus::NotServing).await;
        let readyz = page(&address, "/readyz");
        assert_eq!(readyz.status, 503);
        assert!(readyz.body.contains("data directory"), "{}", readyz.body);
        assert_eq!(page(&address, "/healthz").status, 200);
        fs::rename(host.beside("away"), host.dir()).unwrap();
        becomes(ServingStatus::Serving).await;
        assert_eq!(page(&address, "/readyz").status, 200);
    }
}

/// While a call is finished the server lives, and is not ready for others.
#[tokio::test]
async fn a_server_that_drains_is_not_ready() {
    let host = TempHost::create();
    let server = serve(&host, &["--store-lock-timeout=60s"]);
    let address = server.metrics_address();
    wait_until_ready(&server);
    let (lock, call) = held_up(&server.client().await, host.dir()).await;

    server.signal(Signal::TERM);
    eventually("the server drains", || {
        page(&address, "/readyz").status == 503
    });
    assert!(page(&address, "/readyz").body.contains("going down"));
    assert_eq!(page(&address, "/healthz").status, 200);
    lock.unlock().unwrap();
    assert!(call.await.unwrap().is_ok());
    assert!(server.wait().await.success());
}
