//! How much the server takes on: what happens at each limit, and that those who ask for too much
//! are nobody else's trouble.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use rkt_api::api::{GetInfoRequest, InspectPodRequest};
use rkt_sim::spec::Phase;

use crate::{
    hosts::{self, TempHost},
    support::{Client, DEADLINE, PROGRAM, Server, at_once, command, connect},
};

/// The first bytes of HTTP/2, and empty SETTINGS.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

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
    let server = Server::start(host.dir(), &["--max-connections=2"]);
    let address = &server.addresses()[0];
    let [mut first, mut second] = [server.client().await, server.client().await];
    get_info(&mut first).await;
    get_info(&mut second).await;
    for _ in 0..3 {
        is_closed(silent(address)).await;
        is_closed(greeting(address)).await;
    }
    get_info(&mut first).await;

    drop(second);
    let has_room = async {
        let endpoint = tonic::transport::Endpoint::from_shared(server.url()).unwrap();
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
    drop(first);
    let log = server.end().await;
    assert_eq!(log.matches("refusing more").count(), 1, "{log}");
}

#[tokio::test]
async fn who_does_not_begin_to_speak_is_hung_up_on() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &["--handshake-timeout=200ms"]);
    let address = &server.addresses()[0];
    let mut client = server.client().await;
    let half = silent(address);
    (&half).write_all(&HELLO[..23]).unwrap();
    let http1 = silent(address);
    (&http1).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    for socket in [silent(address), half, http1] {
        is_closed(socket).await;
    }
    get_info(&mut client).await;
}

/// More than there is time for: newcomers who speak are let in all the same, and the oldest of
/// those who do not make room.
#[tokio::test]
async fn many_who_do_not_begin_to_speak_keep_nobody_out() {
    let host = TempHost::create();
    let args = ["--handshake-timeout=1h", "--max-connections=3"];
    let server = Server::start(host.dir(), &args);
    let address = &server.addresses()[0];
    let mut client = server.client().await;
    get_info(&mut client).await;
    let mut silent: Vec<_> = (0..800).map(|_| silent(address)).collect();
    get_info(&mut client).await;
    get_info(&mut connect(&server.url()).await).await;
    is_closed(silent.swap_remove(0)).await;
}

/// The server with so few descriptors.
fn with_descriptors(count: u32, host: &TempHost) -> Server {
    let server = command(host.dir(), &[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {count}; exec \"$@\""), "sh"]);
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
    for _ in 0..20 {
        get_info(&mut client).await;
    }
    drop(connections);
    let again = async {
        let mut newcomer = connect(&server.url()).await;
        get_info(&mut newcomer).await;
        while inspect(&mut newcomer).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    at_once("there are descriptors again", again).await;
    drop(client);
    let log = server.end().await;
    let told = log.matches("failed to accept connections").count();
    assert_eq!(told, 1, "{log}");
}
