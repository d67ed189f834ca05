//! The real server, in this process, and the suite as a process of its own.

use std::process::Command;

use rkt_api::server::{Config, Dialect, Server};
use tokio::sync::oneshot;

use crate::host::Example;

/// The real server on the example host. Ends when dropped.
pub struct Served {
    pub address: String,
    pub host: Example,
    _running: oneshot::Sender<()>,
}

impl Served {
    pub async fn start(dialect: Dialect) -> Self {
        let host = Example::write();
        let mut config = Config::new(host.dir());
        config.dialect = dialect;
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        let server = Server::bind(config).await.unwrap();
        let address = server.addresses().remove(0);
        let (running, ended) = oneshot::channel();
        let ended = async {
            // Nothing is ever sent: the sender is dropped.
            let _ = ended.await;
        };
        tokio::spawn(server.serve(ended));
        Self {
            address,
            host,
            _running: running,
        }
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The names of the cases that failed.
    pub fn failed(&self) -> Vec<&str> {
        let failures = self.stdout.lines().filter_map(|line| {
            let mut words = line.strip_prefix("FAIL ")?.split_whitespace();
            words.nth(1)
        });
        failures.collect()
    }
}

/// The suite's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_rkt-conformance");

/// Runs the program with `args`.
pub async fn program(args: &[&str]) -> Ran {
    let mut command = Command::new(PROGRAM);
    command.args(args);
    output(command).await
}

/// Runs `command` to its end.
pub async fn output(mut command: Command) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    Ran {
        exit: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs cases against the server at `address`.
pub async fn run(address: &str, args: &[&str]) -> Ran {
    program(&[&["run", "--connect", address], args].concat()).await
}
