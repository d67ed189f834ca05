//! How much the server takes on: what happens at each limit, and that those who ask for too much
//! are nobody else's trouble.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use pretty_assertions::assert_eq;
use prost::Message as _;
use rkt_api::{
    api::{
        EventFilter, GetInfoRequest, ImageFilter, InspectPodRequest, KeyValue, ListImagesRequest,
        ListPodsRequest, ListenEventsRequest, ListenEventsResponse, PodFilter,
    },
    layout::{self, store},
};
use rkt_sim::spec::Phase;
use serde_json::json;
use tonic::{Code, Request, Status, Streaming, transport::Endpoint};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use crate::{
    frames::{
        CANCEL, HELLO, INITIAL_WINDOW_SIZE, PREFACE, begin_call, call, flag, frame, kind,
        message_head, number, settings,
    },
    hosts::{self, TempHost},
    metrics::{
        LISTEN as METRICS,
        scrape::{Metrics, becomes, refused_connections},
    },
    support::{Client, DEADLINE, PROGRAM, Server, at_once, command, connect, eventually, warnings},
};

async fn get_info(client: &mut Client) {
    let info = at_once("GetInfo", client.get_info(GetInfoRequest {})).await;
    assert!(info.unwrap().into_inner().info.is_some());
}

/// A connection that says nothing by itself.
fn silent(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// A connection by which calls could come.
fn greeting(address: &str) -> TcpStream {
    let mut socket = silent(address);
    // When the server has closed it already, that shows when it is read.
    let _ = socket.write_all(HELLO);
    socket
}

/// Waits until the server has closed the connection.
async fn is_closed(mut socket: TcpStream) {
    let closed = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 1024];
        loop {
            match socket.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("it is not closed: {error}"),
            }
        }
    });
    closed.await.unwrap();
}

#[tokio::test]
async fn more_connections_than_may_be_are_closed() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--max-connections=2", METRICS]);
    let address = &server.addresses()[0];
    let [mut first, mut second] = [server.client().await, server.client().await];
    let _stays = listen(&mut first).await.unwrap();
    let stream = listen(&mut second).await.unwrap();
    for _ in 0..3 {
        is_closed(greeting(address)).await;
    }
    refused_connections(&server, "limit", 3.0);
    get_info(&mut first).await;

    drop((stream, second));
    let has_room = async {
        let endpoint = Endpoint::from_shared(server.url()).unwrap();
        loop {
            if let Ok(channel) = endpoint.connect().await {
                let answer = Client::new(channel).get_info(GetInfoRequest {}).await;
                if answer.is_ok() {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    at_once("there is room again", has_room).await;
    get_info(&mut first).await;
    let log = server.end().await;
    assert_eq!(log.matches("as many connections").count(), 1, "{log}");
}

/// Those by which nothing is asked make room, and only those.
#[tokio::test]
async fn many_who_ask_for_nothing_keep_nobody_out() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--max-connections=5", METRICS]);
    let address = &server.addresses()[0];
    let mut client = server.client().await;
    let mut stays = listen(&mut client).await.unwrap();
    let mut idle: Vec<_> = (0..50).map(|_| greeting(address)).collect();
    let displaced = || Metrics::of(&server).value("rkt_api_connections_displaced_total");
    eventually("all but the last four have made room", || {
        displaced() == 46.0
    });
    for _ in 0..10 {
        get_info(&mut connect(&server.url()).await).await;
    }
    is_closed(idle.swap_remove(0)).await;
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    let told = at_once("the stream is open still", stays.message()).await;
    assert!(told.unwrap().is_some());
}

/// Nor do those who have streams, who ask by halves, or who do not read what they are told.
#[tokio::test]
async fn many_who_are_busy_keep_nobody_out() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--max-connections=16", METRICS]);
    let address = &server.addresses()[0];
    let mut client = server.client().await;
    let mut stays = listen(&mut client).await.unwrap();
    let no_room = settings(&[(INITIAL_WINDOW_SIZE, 0)]);
    let deaf = [no_room, call(1, "GetInfo", &[])];
    let open = "rkt_api_connections_open";
    let refused = "rkt_api_calls_refused_total{reason=\"connections\"}";
    for (call, metric, at_least) in [
        (call(1, "ListenEvents", &[]), refused, 1.0),
        (begin_call(1, "InspectPod"), open, 16.0),
        (begin_call(1, "GetLogs"), open, 16.0),
        (deaf.concat(), open, 16.0),
    ] {
        let ask = || {
            let mut socket = silent(address);
            // It may be closed already.
            let _ = socket.write_all(&[HELLO, &call].concat());
            socket
        };
        let _busy: Vec<_> = (0..30).map(|_| ask()).collect();
        let are_too_many = || Metrics::of(&server).value(metric) >= at_least;
        eventually("there are too many", are_too_many);
        for _ in 0..10 {
            let newcomer = async {
                // It takes its turn after those that came before it.
                let endpoint = Endpoint::from_shared(server.url()).unwrap();
                while (Client::new(endpoint.connect_lazy())
                    .get_info(GetInfoRequest {})
                    .await)
                    .is_err()
                {}
            };
            at_once("GetInfo", newcomer).await;
        }
    }
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    let told = at_once("the stream is open still", stays.message()).await;
    assert!(told.unwrap().is_some());
}

#[tokio::test]
async fn who_does_not_begin_to_speak_is_hung_up_on() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--handshake-timeout=200ms", METRICS]);
    let address = &server.addresses()[0];
    let mut client = server.client().await;
    let half = silent(address);
    (&half).write_all(&PREFACE[..23]).unwrap();
    let http1 = silent(address);
    (&http1).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    for socket in [silent(address), half, http1] {
        is_closed(socket).await;
    }
    refused_connections(&server, "timeout", 2.0);
    refused_connections(&server, "protocol", 1.0);
    get_info(&mut client).await;
}

/// More than there is time for: newcomers who speak are let in all the same, and the oldest of
/// those who do not make room.
#[tokio::test]
async fn many_who_do_not_begin_to_speak_keep_nobody_out() {
    let host = TempHost::create();
    let args = ["--handshake-timeout=1h", "--max-connections=3", METRICS];
    let server = Server::start(host.dir(), &args);
    let address = &server.addresses()[0];
    let mut client = server.client().await;
    get_info(&mut client).await;
    let mut silent: Vec<_> = (0..800).map(|_| silent(address)).collect();
    get_info(&mut client).await;
    get_info(&mut connect(&server.url()).await).await;
    is_closed(silent.swap_remove(0)).await;
    // 512 have a place: all others have lost theirs, one of them to who came last and spoke.
    refused_connections(&server, "displaced", 289.0);
}

/// The server where the system lets it have so few descriptors, and has it ask for the last of them.
fn with_descriptors(count: u32, host: &TempHost) -> Server {
    let server = command(host.dir(), &[METRICS]);
    let mut limited = Command::new("sh");
    let limits = format!("ulimit -Sn {}; ulimit -Hn {count}", count / 2);
    limited.args(["-c", &format!("{limits}; exec \"$@\""), "sh"]);
    limited.arg(PROGRAM).args(server.get_args());
    limited.env_remove("RUST_LOG");
    Server::listen(limited)
}

#[tokio::test]
async fn descriptors_that_run_out_and_come_back() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.write_pod(&pod).unwrap();
    let server = with_descriptors(60, &host);
    assert!(server.log().contains(r#""open_files_max":60"#));
    let mut client = server.client().await;
    let inspect = async |client: &mut Client| {
        let id = pod.id.to_string();
        client.inspect_pod(InspectPodRequest { id }).await
    };
    inspect(&mut client).await.unwrap();

    let address = &server.addresses()[0];
    let connections: Vec<_> = (0..100).map(|_| greeting(address)).collect();
    server.wait_for_log("failed to accept connections");
    let monitoring = server.metrics_address();
    let monitoring: Vec<_> = (0..100).map(|_| silent(&monitoring)).collect();
    server.wait_for_log("failed to take a connection of monitoring");
    let refused = async {
        loop {
            // So that it is to be read.
            fs::write(host.pod_dir(&pod).join("changed"), "").unwrap();
            if let Err(refused) = inspect(&mut client).await {
                return refused;
            }
        }
    };
    let refused = at_once("a call that needs descriptors", refused).await;
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    // Meanwhile each listener tries again several times.
    let short_since = Instant::now();
    while short_since.elapsed() < Duration::from_millis(500) {
        get_info(&mut client).await;
    }

    drop((connections, monitoring));
    let again = async {
        let mut newcomer = connect(&server.url()).await;
        get_info(&mut newcomer).await;
        while let Err(refused) = inspect(&mut newcomer).await {
            assert_eq!(refused.code(), Code::Unavailable, "{refused}");
            tokio::task::yield_now().await;
        }
    };
    at_once("there are descriptors again", again).await;
    let failures = "rkt_api_accept_errors_total";
    assert!(Metrics::of(&server).value(failures) > 1.0);
    drop(client);
    let log = server.end().await;
    for (line, times) in warnings(&log) {
        assert_eq!(times, 1, "{line}");
    }
}

async fn listen(client: &mut Client) -> Result<Streaming<ListenEventsResponse>, Status> {
    let call = client.listen_events(ListenEventsRequest::default());
    Ok(at_once("ListenEvents", call).await?.into_inner())
}

#[tokio::test]
async fn more_streams_than_may_be_are_refused() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--max-streams=2", METRICS]);
    let [mut one, mut other] = [server.client().await, server.client().await];
    let first = listen(&mut one).await.unwrap();
    let _second = listen(&mut other).await.unwrap();
    for client in [&mut one, &mut other] {
        let refused = listen(client).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        get_info(client).await;
    }
    assert_eq!(Metrics::of(&server).calls_refused("streams"), 2.0);
    drop(first);
    let has_room = async {
        while listen(&mut one).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    at_once("there is room for a stream", has_room).await;
}

#[tokio::test]
async fn more_calls_on_a_connection_than_may_be_wait() {
    let host = TempHost::create();
    let args = ["--max-calls-per-connection=2", METRICS];
    let server = Server::start(host.dir(), &args);
    let mut client = server.client().await;
    let first = listen(&mut client).await.unwrap();
    let filled = || Metrics::of(&server).value("rkt_api_connections_filled_total");
    assert_eq!(filled(), 0.0);
    let _second = listen(&mut client).await.unwrap();
    assert_eq!(filled(), 1.0);
    let waiting = tokio::spawn(async move { get_info(&mut client).await });
    get_info(&mut server.client().await).await;
    assert!(!waiting.is_finished());
    drop(first);
    waiting.await.unwrap();
}

#[tokio::test]
async fn streams_that_are_ended_do_not_end_their_connection() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let mut stays = listen(&mut client).await.unwrap();
    for _ in 0..3000 {
        drop(listen(&mut client).await.unwrap());
    }
    let hung_up: Vec<_> = (0..500)
        .map(|_| {
            let mut client = client.clone();
            async move { drop(listen(&mut client).await.unwrap()) }
        })
        .collect();
    futures_util::future::join_all(hung_up).await;
    get_info(&mut client).await;
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    let told = at_once("the stream is open still", stays.message()).await;
    assert!(!told.unwrap().unwrap().events.is_empty());
}

#[tokio::test]
async fn requests_that_are_too_large() {
    let host = TempHost::create();
    let args = [
        "--max-request-bytes=1000",
        "--max-header-bytes=2000",
        METRICS,
    ];
    let server = Server::start(host.dir(), &args);
    let mut client = server.client().await;
    let inspect = async |client: &mut Client, length| {
        let id = "0".repeat(length);
        let call = client.inspect_pod(InspectPodRequest { id });
        at_once("InspectPod", call).await.unwrap_err().code()
    };
    assert_eq!(inspect(&mut client, 900).await, Code::InvalidArgument);
    assert_eq!(inspect(&mut client, 1001).await, Code::OutOfRange);
    assert_eq!(Metrics::of(&server).calls_refused("request_size"), 1.0);

    let mut stays = listen(&mut client).await.unwrap();
    for (length, expected) in [
        (1000, Code::Ok),
        (3000, Code::ResourceExhausted),
        // HTTP/2 has no words for gRPC.
        (5000, Code::Unknown),
    ] {
        let mut request = Request::new(GetInfoRequest {});
        let value = "v".repeat(length).parse().unwrap();
        request.metadata_mut().insert("k", value);
        let answer = at_once("GetInfo", client.get_info(request)).await;
        let code = answer.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(code, expected, "{length}");
    }
    get_info(&mut client).await;
    assert_eq!(Metrics::of(&server).calls_refused("headers"), 1.0);
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    at_once("the stream is open still", stays.message())
        .await
        .unwrap();
}

#[tokio::test]
async fn more_filters_and_values_than_may_be_are_refused() {
    let host = TempHost::create();
    let args = ["--max-filters=2", "--max-filter-values=3", METRICS];
    let server = Server::start(host.dir(), &args);
    let mut client = server.client().await;
    let text = |count| vec!["x".to_owned(); count];
    for (filters, ids, states, is_taken) in [
        (2, 1, 0, true),
        (1, 2, 1, true),
        (3, 0, 0, false),
        (2, 2, 0, false),
        (1, 2, 2, false),
    ] {
        let why = format!("{filters} filters with {ids} and {states} values");
        let code = |answer: Result<(), Status>| answer.err().map(|status| status.code());
        let expected = (!is_taken).then_some(Code::InvalidArgument);
        let filter = PodFilter {
            ids: text(ids),
            states: vec![0; states],
            ..PodFilter::default()
        };
        let request = ListPodsRequest {
            filters: vec![filter; filters],
            detail: false,
        };
        let answer = client.list_pods(request).await.map(drop);
        assert_eq!(code(answer), expected, "ListPods: {why}");

        let filter = ImageFilter {
            ids: text(ids),
            labels: vec![KeyValue::default(); states],
            ..ImageFilter::default()
        };
        let request = ListImagesRequest {
            filters: vec![filter; filters],
            detail: false,
        };
        let answer = client.list_images(request).await.map(drop);
        assert_eq!(code(answer), expected, "ListImages: {why}");
    }
    let request = |ids, types| ListenEventsRequest {
        filter: Some(EventFilter {
            ids: text(ids),
            types: vec![0; types],
            ..EventFilter::default()
        }),
    };
    client.listen_events(request(2, 1)).await.unwrap();
    let refused = client.listen_events(request(2, 2)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert_eq!(Metrics::of(&server).calls_refused("filters"), 7.0);
}

/// A call that is cut off leaves nothing locked: those that come after it are answered.
#[tokio::test]
async fn calls_that_take_too_long_are_cut_off() {
    let host = TempHost::create();
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    let args = ["--call-timeout=300ms", "--store-lock-timeout=1h", METRICS];
    let server = Server::start(host.dir(), &args);
    let mut client = server.client().await;
    let mut stays = listen(&mut client).await.unwrap();
    let lock = File::open(host.dir().join(store::DB_DIR)).unwrap();
    lock.lock().unwrap();
    fs::write(host.dir().join(store::DB_DIR).join(store::DB), "").unwrap();
    for _ in 0..3 {
        let images = client.list_images(ListImagesRequest::default());
        let cut_off = at_once("ListImages", images).await.unwrap_err();
        assert_eq!(cut_off.code(), Code::DeadlineExceeded, "{cut_off}");
        let pods = client.list_pods(ListPodsRequest::default());
        let pods = at_once("ListPods", pods).await.unwrap();
        assert_eq!(pods.into_inner().pods.len(), 1);
        get_info(&mut client).await;
    }
    assert_eq!(Metrics::of(&server).calls_refused("timeout"), 3.0);
    lock.unlock().unwrap();
    let again = async {
        while let Err(status) = client.list_images(ListImagesRequest::default()).await {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        }
    };
    at_once("ListImages", again).await;
    // Streams are no such calls.
    host.write_pod(&hosts::pod(2, Phase::Run)).unwrap();
    let told = at_once("the stream is open still", stays.message()).await;
    assert!(told.unwrap().is_some());
}

#[tokio::test]
async fn who_does_not_say_that_it_is_there_is_hung_up_on() {
    let host = TempHost::create();
    let args = [
        "--keepalive-interval=200ms",
        "--keepalive-timeout=5s",
        METRICS,
    ];
    let server = Server::start(host.dir(), &args);
    let mut client = server.client().await;
    let mut stays = listen(&mut client).await.unwrap();
    // Who hangs up has not been waited for.
    drop(greeting(&server.addresses()[0]));
    // It does not answer the PING.
    is_closed(greeting(&server.addresses()[0])).await;
    becomes(&server, "rkt_api_keepalive_timeouts_total", 1.0);
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    let told = at_once("the stream is open still", stays.message()).await;
    assert!(told.unwrap().is_some());
    get_info(&mut client).await;
}

/// Requests that never come to an end fill what there is for large ones, and nothing else.
#[tokio::test]
async fn many_large_requests_keep_no_small_one_out() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--request-buffer-bytes=1000000", METRICS]);
    let mut client = server.client().await;
    assert_eq!(ask_at_length(&mut client).await, Code::InvalidArgument);
    for method in ["InspectPod", "GetLogs", "ListenEvents"] {
        let before = Metrics::of(&server).calls_refused("request_buffer");
        fill_request_buffer(&server, &mut client, method).await;
        assert!(Metrics::of(&server).calls_refused("request_buffer") > before);
    }
}

/// What comes of a large request, which there is nothing like.
async fn ask_at_length(client: &mut Client) -> Code {
    let id = "0".repeat(300_000);
    let call = client.inspect_pod(InspectPodRequest { id });
    at_once("InspectPod", call).await.unwrap_err().code()
}

/// Begins a call of `method` with a message of 1 MiB, of which the last part never comes.
fn begin_at_length(server: &Server, method: &str) -> TcpStream {
    const DATA: [u8; 16 << 10] = [0; 16 << 10];

    let mut socket = greeting(&server.addresses()[0]);
    // The server's SETTINGS, which give room for more than 64 KiB once they are taken.
    assert_ne!(socket.read(&mut [0; 1024]).unwrap(), 0);
    let mut bytes = frame(kind::SETTINGS, flag::ACK, 0, &[]);
    bytes.extend(begin_call(1, method));
    let head = message_head(1 << 20);
    bytes.extend(frame(kind::DATA, flag::NONE, 1, &head));
    for _ in 0..60 {
        bytes.extend(frame(kind::DATA, flag::NONE, 1, &DATA));
    }
    // It may be refused before it is all sent.
    let _ = socket.write_all(&bytes);
    socket
}

/// Fills what there is for large requests by those of `method`, and lets it go again.
async fn fill_request_buffer(server: &Server, client: &mut Client, method: &str) {
    let mut flood = vec![];
    let refused = async {
        // Those that come at the same time may all be refused.
        while ask_at_length(client).await != Code::ResourceExhausted {
            flood.push(begin_at_length(server, method));
        }
    };
    at_once("the buffer is full", refused).await;
    get_info(client).await;
    get_info(&mut connect(&server.url()).await).await;

    drop(flood);
    let again = async {
        while ask_at_length(client).await != Code::InvalidArgument {
            tokio::task::yield_now().await;
        }
    };
    at_once("the buffer is empty", again).await;
}

/// However many come one after the other: it is each of them that may not be large.
#[tokio::test]
async fn calls_may_have_many_small_requests() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--request-buffer-bytes=1"]);
    let endpoint = Endpoint::from_shared(server.url()).unwrap();
    let reflection = ServerReflectionClient::new(endpoint.connect().await.unwrap());
    let answers = async |length: usize, count: usize| {
        let request = ServerReflectionRequest {
            host: "h".repeat(length),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let requests = tokio_stream::iter(vec![request; count]);
        let call = reflection.clone().server_reflection_info(requests).await;
        let mut answers = call.unwrap().into_inner();
        let mut count = 0;
        while let Ok(Some(_)) = at_once("an answer", answers.message()).await {
            count += 1;
        }
        count
    };
    assert_eq!(answers(1000, 100).await, 100);
    assert_eq!(answers(16 << 10, 1).await, 0);
}

/// A pod whose manifest is so long.
fn long_winded(host: &TempHost, length_bytes: usize) -> String {
    let pod = hosts::pod(1, Phase::Run);
    host.write_pod(&pod).unwrap();
    let manifest = json!({
        "acKind": "PodManifest",
        "acVersion": "1.30.0",
        "apps": [],
        "annotations": [{"name": "long", "value": "x".repeat(length_bytes)}],
    });
    let path = host.pod_dir(&pod).join(layout::pod::MANIFEST);
    fs::write(path, manifest.to_string()).unwrap();
    pod.id.to_string()
}

/// Who leaves a large answer unread is disconnected when others want one.
#[tokio::test]
async fn answers_that_nobody_reads_make_room_for_those_that_are_read() {
    let host = TempHost::create();
    let id = long_winded(&host, 300_000);
    // For one answer, which has the manifest and its annotation, but not for two.
    let server = Server::start(host.dir(), &["--answer-buffer-bytes=1000000", METRICS]);
    let mut client = server.client().await;
    let request = InspectPodRequest { id };
    let mut socket = silent(&server.addresses()[0]);
    let hello = [
        PREFACE.to_vec(),
        settings(&[(INITIAL_WINDOW_SIZE, 0)]),
        call(1, "InspectPod", &request.encode_to_vec()),
    ];
    socket.write_all(&hello.concat()).unwrap();
    let answered = tokio::task::spawn_blocking(move || {
        answer(&socket);
        socket
    });
    let closed = tokio::spawn(is_closed(answered.await.unwrap()));
    let mut refused = 0.0;
    let reading = async {
        while !closed.is_finished() {
            let pod = client.inspect_pod(request.clone()).await;
            if let Err(status) = pod {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                refused += 1.0;
            }
            get_info(&mut client).await;
        }
        client.inspect_pod(request.clone()).await.unwrap();
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap();
    closed.await.unwrap();
    assert!(refused > 0.0);
    assert_eq!(Metrics::of(&server).calls_refused("answer_buffer"), refused);
    let log = server.end().await;
    assert!(log.contains("does not read its answers"), "{log}");
}

/// Reads until the server answers a call, or ends it.
fn answer(mut socket: &TcpStream) {
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        io::copy(&mut socket.take(length.into()), &mut io::sink()).unwrap();
        if [kind::HEADERS, kind::RST_STREAM].contains(&head[3]) {
            return;
        }
    }
}

/// A stream that is never asked for to the end takes the place of another one, but not for long.
#[tokio::test]
async fn streams_whose_requests_never_end_are_given_up() {
    let host = TempHost::create();
    let args = ["--max-streams=1", "--call-timeout=300ms"];
    let server = Server::start(host.dir(), &args);
    let socket = greeting(&server.addresses()[0]);
    let mut request = begin_call(1, "GetLogs");
    request.extend(frame(kind::DATA, flag::NONE, 1, &message_head(1000)));
    (&socket).write_all(&request).unwrap();
    let answered = tokio::task::spawn_blocking(move || {
        answer(&socket);
        socket
    });
    let _socket = answered.await.unwrap();
    let mut client = server.client().await;
    let has_room = async {
        while listen(&mut client).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    at_once("there is room for a stream", has_room).await;
}

/// Calls that are ended before the server has looked at them, as many as may be under way.
#[tokio::test]
async fn a_burst_of_ended_calls_does_not_end_its_connection() {
    const PING: &[u8; 8] = b"is it ok";

    let host = TempHost::create();
    let server = Server::start(host.dir(), &[]);
    let mut socket = greeting(&server.addresses()[0]);
    let mut bytes = vec![];
    for stream in (1..2000).step_by(2) {
        bytes.extend(begin_call(stream, "InspectPod"));
        bytes.extend(number(kind::RST_STREAM, stream, CANCEL));
    }
    bytes.extend(frame(kind::PING, flag::NONE, 0, PING));
    socket.write_all(&bytes).unwrap();
    let answered = tokio::task::spawn_blocking(move || {
        let mut answer = Vec::<u8>::new();
        let mut buffer = [0; 1024];
        while !answer.windows(PING.len()).any(|window| window == PING) {
            match socket.read(&mut buffer).unwrap() {
                0 => panic!("the connection has ended"),
                length => answer.extend(&buffer[..length]),
            }
        }
    });
    answered.await.unwrap();
    get_info(&mut server.client().await).await;
}
