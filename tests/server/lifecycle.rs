//! Starting, listening and ending (clauses SV), health and reflection.

use std::{
    fs::{self, File},
    io::Read as _,
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, net::UnixListener},
    path::Path,
};

use rkt_api::api::{GetInfoRequest, ListPodsRequest, ListenEventsRequest};
use rkt_sim::host::Host;
use rustix::process::{Signal, getegid, geteuid};
use tempfile::TempDir;
use tonic::{Code, Streaming};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    held_up::held_up,
    hosts::command_of_nobody,
    support::{Server, answers, at_once, command, eventually, failed_start, handed_over, skip},
};

const SERVICE: &str = "v1alpha.PublicAPI";

/// A host where rkt has been set up and never run.
fn empty_host() -> (TempDir, Host) {
    let temp = tempfile::tempdir().unwrap();
    let host = Host::create(temp.path().join("rkt")).unwrap();
    (temp, host)
}

#[tokio::test]
async fn localhost_is_both_loopback_addresses_on_one_port() {
    let (_temp, host) = empty_host();
    let mut command = command(host.dir(), &[]);
    command.arg("--listen=localhost:0");
    let server = Server::spawn(command);
    let addresses = server.addresses();
    let port = addresses[0].strip_prefix("127.0.0.1:").unwrap();
    assert_eq!(addresses[1], format!("[::1]:{port}"));
    for address in &addresses {
        answers(&format!("http://{address}")).await;
    }
}

#[tokio::test]
async fn unix_sockets_and_several_addresses() {
    let (temp, host) = empty_host();
    let path = temp.path().join("api.sock");
    let unix = format!("unix:{}", path.display());
    let server = Server::start(host.dir(), &["--listen", &unix]);
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[0], unix);
    answers(&unix).await;
    answers(&format!("http://{}", addresses[1])).await;

    server.signal(Signal::TERM);
    assert!(server.wait().await.success());
    assert!(!path.exists());
}

#[tokio::test]
async fn what_a_killed_server_left_is_replaced() {
    let (temp, host) = empty_host();
    let path = temp.path().join("api.sock");
    let unix = format!("unix:{}", path.display());
    let start = || {
        let mut command = command(host.dir(), &[]);
        command.args(["--listen", &unix]);
        Server::spawn(command)
    };
    let server = start();
    answers(&unix).await;
    server.signal(Signal::KILL);
    assert!(!server.wait().await.success());
    assert!(path.exists(), "it was killed");

    let server = start();
    answers(&unix).await;
    drop(server.end().await);
    assert!(!path.exists());
}

#[tokio::test]
async fn mode_and_group_of_unix_sockets() {
    let (temp, host) = empty_host();
    let path = temp.path().join("api.sock");
    // Of an ordinary user's groups one is known.
    let group = match geteuid().is_root() {
        true => 65534,
        false => getegid().as_raw(),
    };
    let unix = format!("--listen=unix:{}", path.display());
    let socket_group = format!("--socket-group={group}");
    let args = [&*unix, "--socket-mode=0620", &socket_group];
    let server = Server::spawn(command(host.dir(), &args));
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o620, group));
    drop(server);

    let args = [&*unix, "--socket-group=no-such-group"];
    let said = failed_start(command(host.dir(), &args));
    assert!(said.contains("no-such-group"), "{said}");
}

#[tokio::test]
async fn sockets_that_are_handed_over() {
    let (temp, host) = empty_host();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let server = Server::spawn(handed_over(host.dir(), tcp, &[]));
    assert_eq!(server.addresses(), [address.as_str()]);
    answers(&format!("http://{address}")).await;

    let path = temp.path().join("api.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let server = Server::spawn(handed_over(host.dir(), unix, &[]));
    let address = format!("unix:{}", path.display());
    assert_eq!(server.addresses(), [address.as_str()]);
    answers(&address).await;
    server.signal(Signal::TERM);
    assert!(server.wait().await.success());
    assert!(
        path.exists(),
        "the socket belongs to whoever handed it over"
    );
}

#[test]
fn an_address_beside_sockets_that_are_handed_over_is_an_error() {
    let (_temp, host) = empty_host();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = failed_start(handed_over(host.dir(), tcp, &["--listen=127.0.0.1:0"]));
    assert!(
        said.contains("--listen") && said.contains("LISTEN_FDS"),
        "{said}"
    );
}

#[test]
fn an_address_in_use_is_an_error() {
    let (temp, host) = empty_host();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = temp.path().join("api.sock");
    let _unix = UnixListener::bind(&path).unwrap();
    for address in [
        tcp.local_addr().unwrap().to_string(),
        format!("unix:{}", path.display()),
    ] {
        let said = failed_start(command(host.dir(), &["--listen", &address]));
        assert!(said.contains(&address) && said.contains("in use"), "{said}");
    }
    assert!(path.exists());
}

#[test]
fn a_data_directory_that_cannot_be_read_is_an_error() {
    let (temp, host) = empty_host();
    let start = |dir: &Path| command(dir, &["--listen=127.0.0.1:0"]);
    let missing = temp.path().join("none");
    let said = failed_start(start(&missing));
    assert!(said.contains(missing.to_str().unwrap()), "{said}");

    let file = temp.path().join("file");
    File::create(&file).unwrap();
    assert!(failed_start(start(&file)).contains("directory"));

    let pods = host.dir().join("pods");
    fs::remove_dir_all(&pods).unwrap();
    File::create(&pods).unwrap();
    let said = failed_start(start(host.dir()));
    assert!(said.contains(pods.to_str().unwrap()), "{said}");
}

#[test]
fn a_data_directory_of_somebody_else_is_an_error() {
    if !geteuid().is_root() {
        skip("only root can be somebody else");
        return;
    }
    let (temp, host) = empty_host();
    let args = ["--listen=127.0.0.1:0"];
    let said = failed_start(command_of_nobody(temp.path(), host.dir(), &args));
    assert!(said.contains("ermission denied"), "{said}");
}

/// Waits until health says that the server is ready. Before, it may say that it is not yet.
async fn wait_until_serving(watch: &mut Streaming<HealthCheckResponse>) {
    let serving = async {
        loop {
            let status = watch.message().await.unwrap().unwrap().status();
            match status {
                ServingStatus::Serving => return,
                _ => assert_eq!(status, ServingStatus::NotServing),
            }
        }
    };
    at_once("the server is ready", serving).await;
}

#[tokio::test]
async fn health_and_reflection_know_the_service() {
    let (_temp, host) = empty_host();
    let server = Server::start(host.dir(), &[]);
    let channel = tonic::transport::Endpoint::from_shared(server.url())
        .unwrap()
        .connect()
        .await
        .unwrap();

    let mut health = HealthClient::new(channel.clone());
    for service in ["", SERVICE] {
        let service = service.to_owned();
        let watch = health.watch(HealthCheckRequest {
            service: service.clone(),
        });
        wait_until_serving(&mut watch.await.unwrap().into_inner()).await;
        let answer = health.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    assert!(list.service.iter().any(|service| service.name == SERVICE));
}

#[tokio::test]
async fn get_info_does_not_need_the_disk() {
    let (_temp, host) = empty_host();
    let args = [
        "--rkt-version=1.2.3",
        "--appc-version=0.8.0",
        "--system-config=/s",
        "--local-config=/l",
        "--user-config=/u",
        "--insecure-options=image,tls",
        "--trust-keys-from-https",
    ];
    let server = Server::start(host.dir(), &args);
    let mut client = server.client().await;
    fs::remove_dir_all(host.dir()).unwrap();

    let answer = client
        .get_info(GetInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    let info = answer.info.unwrap();
    let flags = info.global_flags.unwrap();
    assert_eq!(
        [&info.rkt_version, &info.appc_version, &info.api_version],
        ["1.2.3", "0.8.0", "1.0.0-alpha"]
    );
    assert_eq!(Path::new(&flags.dir), host.dir());
    assert_eq!(
        [
            &flags.system_config_dir,
            &flags.local_config_dir,
            &flags.user_config_dir
        ],
        ["/s", "/l", "/u"]
    );
    assert_eq!(flags.insecure_flags, "image,tls");
    assert!(flags.trust_keys_from_https);
}

/// SV-2: streams are told that the server goes down, and do not hold it up.
#[tokio::test]
async fn streams_end_when_the_server_does() {
    let (_temp, host) = empty_host();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let events = client.listen_events(ListenEventsRequest::default()).await;
    let mut events = events.unwrap().into_inner();
    server.signal(Signal::TERM);
    let status = events.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(server.wait().await.code(), Some(0));
}

#[tokio::test]
async fn signals_end_the_server_in_good_order() {
    let (_temp, host) = empty_host();
    for signal in [Signal::INT, Signal::TERM] {
        let server = Server::start(host.dir(), &[]);
        // An idle connection does not hold it up.
        let mut client = server.client().await;
        client.list_pods(ListPodsRequest::default()).await.unwrap();
        server.signal(signal);
        assert_eq!(server.wait().await.code(), Some(0));
        assert!(client.get_info(GetInfoRequest {}).await.is_err());
    }
}

#[tokio::test]
async fn those_who_watch_its_health_are_told_and_let_go() {
    let (_temp, host) = empty_host();
    let server = Server::start(host.dir(), &[]);
    let channel = tonic::transport::Endpoint::from_shared(server.url()).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    let service = SERVICE.to_owned();
    let watch = health.watch(HealthCheckRequest { service }).await.unwrap();
    let mut watch = watch.into_inner();
    wait_until_serving(&mut watch).await;
    let mut next = async || watch.message().await.map(|m| m.map(|m| m.status()));
    server.signal(Signal::TERM);
    assert_eq!(next().await.unwrap(), Some(ServingStatus::NotServing));
    assert!(matches!(next().await, Ok(None) | Err(_)));
    assert_eq!(server.wait().await.code(), Some(0));
}

#[tokio::test]
async fn a_call_under_way_finishes() {
    let (_temp, host) = empty_host();
    let server = Server::start(host.dir(), &["--store-lock-timeout=60s"]);
    let (lock, call) = held_up(&server.client().await, host.dir()).await;

    server.signal(Signal::TERM);
    // It takes no new connections any more: it is ending.
    eventually("the server stops listening", || {
        std::net::TcpStream::connect(&server.addresses()[0]).is_err()
    });
    assert!(!call.is_finished());
    lock.unlock().unwrap();
    assert!(call.await.unwrap().is_ok());
    assert_eq!(server.wait().await.code(), Some(0));
}

const HELD_UP: &str = "some clients are still connected";

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    let (_temp, host) = empty_host();
    let server = Server::start(host.dir(), &["--store-lock-timeout=60s"]);
    let (_lock, call) = held_up(&server.client().await, host.dir()).await;
    server.signal(Signal::TERM);
    eventually("the server stops listening", || {
        std::net::TcpStream::connect(&server.addresses()[0]).is_err()
    });
    server.signal(Signal::INT);
    let log = server.end_of_log().await;
    assert!(call.await.unwrap().is_err());
    assert!(!log.contains(HELD_UP), "{log}");
}

#[tokio::test]
async fn who_says_nothing_does_not_hold_up_the_end() {
    let (_temp, host) = empty_host();
    let server = Server::start(host.dir(), &["--handshake-timeout=60s"]);
    let mut silent = std::net::TcpStream::connect(&server.addresses()[0]).unwrap();
    // Those who come later are let in later.
    answers(&server.url()).await;
    let log = server.end().await;
    assert!(!log.contains(HELD_UP), "{log}");
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
}
