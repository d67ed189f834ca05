//! What the service manager is told (sd_notify(3)), by a socket such as systemd has.

use std::{os::unix::net::UnixDatagram, path::Path, process::Command, time::Instant};

use rkt_api::api::ListPodsRequest;
use rkt_sim::spec::Phase;
use rustix::process::Signal;

use crate::{
    hosts::{self, TempHost},
    support::{DEADLINE, Server, command},
};

/// Who is told.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// Waits for the next message with a line that is `wanted`, and gives that message.
    fn wait_for(&self, wanted: &str) -> String {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        while start.elapsed() < DEADLINE {
            let Ok(length) = self.0.recv(&mut buffer) else {
                break;
            };
            let message = str::from_utf8(&buffer[..length]).unwrap();
            if message.lines().any(|line| line == wanted) {
                return message.to_owned();
            }
        }
        panic!("was not told {wanted:?}");
    }
}

/// The command that runs the server as a service manager would that listens beside the host.
fn service(host: &TempHost) -> (Manager, Command) {
    let socket = host.beside("notify");
    let manager = Manager::listen(&socket);
    let mut command = command(host.dir(), &["--listen=127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", socket);
    (manager, command)
}

fn monotonic_us() -> u128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    std::time::Duration::try_from(now).unwrap().as_micros()
}

#[tokio::test]
async fn it_is_told_of_the_life_of_the_server() {
    let host = TempHost::create();
    let (manager, command) = service(&host);
    let server = Server::spawn(command);
    manager.wait_for("READY=1");

    let before_us = monotonic_us();
    server.signal(Signal::HUP);
    let message = manager.wait_for("RELOADING=1");
    let mut lines = message.lines();
    let began_us = lines
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="))
        .unwrap();
    let began_us: u128 = began_us.parse().unwrap();
    assert!(
        (before_us..=monotonic_us()).contains(&began_us),
        "{message}"
    );
    manager.wait_for("READY=1");

    server.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
    assert_eq!(server.wait().await.code(), Some(0));
}

#[tokio::test]
async fn it_is_told_that_the_server_lives_and_how_many_pods_there_are() {
    let host = TempHost::create();
    host.add(&hosts::pod(1, Phase::Run));
    let (manager, mut command) = service(&host);
    command.env("WATCHDOG_USEC", "100000");
    let server = Server::spawn(command);
    manager.wait_for("STATUS=1 pod");
    host.add(&hosts::pod(2, Phase::Run));
    let mut client = server.client().await;
    client.list_pods(ListPodsRequest::default()).await.unwrap();
    manager.wait_for("STATUS=2 pods");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
}

#[tokio::test]
async fn one_that_is_gone_is_no_hindrance() {
    let host = TempHost::create();
    let (manager, mut command) = service(&host);
    drop(manager);
    command.env("WATCHDOG_USEC", "100000");
    let server = Server::spawn(command);
    server.wait_for_log("failed to tell the service manager");
    server.end().await;
}
