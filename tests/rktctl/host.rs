//! The demo's host and a server of it, both real.

use rkt_sim::{
    example,
    live::{Player, step::Step},
};
use tempfile::TempDir;

use crate::support::{Server, command};

/// A running pod of the demo's host.
pub const POD: &str = "3f0b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8";

/// The demo's host, which can live.
pub struct Demo {
    player: Player,
    server: Server,
    temp: TempDir,
}

impl Demo {
    /// Writes the host, and serves it at a TCP port and on a Unix socket.
    pub fn start() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("rkt");
        let player = Player::begin(&dir, &example::host()).unwrap();
        let socket = format!("unix:{}", temp.path().join("api.sock").display());
        let server = Server::listen(command(&dir, &["--listen", &socket]));
        Self {
            player,
            server,
            temp,
        }
    }

    /// The address at which the server takes TCP connections.
    pub fn address(&self) -> String {
        let addresses = self.server.addresses();
        let tcp = addresses
            .iter()
            .find(|address| !address.starts_with("unix:"));
        tcp.unwrap().clone()
    }

    /// The address of its Unix socket.
    pub fn socket(&self) -> String {
        format!("unix:{}", self.temp.path().join("api.sock").display())
    }

    /// Plays one step of the host's life.
    pub fn play(&mut self, step: &Step) {
        self.player.play(step).unwrap();
    }

    /// Tells the server to end.
    pub fn end_server(&self) {
        self.server.signal(rustix::process::Signal::TERM);
    }
}
