//! Clients that were not written in Rust, nor with any code of this repository: Python's grpcio
//! and Node's gRPC, in `tests/clients/`. `RKT_CLIENTS_PYTHON` names a Python that has grpcio; for
//! Node, `npm ci` puts what is needed beside the client.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rkt_sim::{
    live::{Player, step::Step},
    spec::HostSpec,
};
use tempfile::TempDir;
use uuid::{Uuid, uuid};

use crate::support::{Server, wait_for};

/// The pod of which the clients listen to events and logs.
const POD: Uuid = uuid!("c11e0001-8c1d-4a7e-9d26-6e1f07a4c501");

/// How long a client may take. Its own calls take 60 seconds at most.
const DEADLINE: Duration = Duration::from_secs(120);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// The host that the clients expect, and who plays on it.
fn living_host() -> (TempDir, Player) {
    let temp = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(folder().join("host.json")).unwrap();
    let spec = HostSpec::from_json(&text).unwrap();
    let player = Player::begin(temp.path().join("rkt"), &spec).unwrap();
    (temp, player)
}

/// Runs a client for each kind of address.
fn all_is_well(program: OsString, script: &str) {
    // What happens is heard by one client, so that each has a host of its own.
    for over_unix in [false, true] {
        let (temp, mut player) = living_host();
        let socket = temp.path().join("api.sock");
        let unix = format!("unix:{}", socket.display());
        let server = Server::start(player.dir(), &["--listen", &unix]);
        let address = match over_unix {
            true => unix,
            false => server.addresses()[1].clone(),
        };
        let client = Command::new(&program)
            .arg(folder().join(script))
            .args([address.as_ref(), player.dir()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut client = Running(client);
        let said = told(client.0.stdout.take().unwrap(), |stdout, line| {
            BufReader::new(stdout).read_line(line)
        });
        let found = told(client.0.stderr.take().unwrap(), Read::read_to_string);
        let said = said.recv_timeout(DEADLINE).unwrap_or_default();
        if said == "listening\n" {
            for step in [
                Step::Log {
                    pod: POD,
                    app: "web".into(),
                    text: "GET /cart 200".into(),
                },
                Step::AppExit {
                    pod: POD,
                    app: "web".into(),
                    code: 7,
                },
            ] {
                player.play(&step).unwrap();
            }
        }
        let found = found.recv_timeout(DEADLINE);
        let found = found.expect("the client ends");
        let status = wait_for(&mut client.0);
        assert!(
            status.success() && said == "listening\n",
            "{said}{found}{status}"
        );
    }
}

/// What `read` reads, as soon as it has.
fn told<R: Read + Send + 'static>(
    mut from: R,
    read: fn(&mut R, &mut String) -> io::Result<usize>,
) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        read(&mut from, &mut text).unwrap();
        // Whoever has waited long enough listens no more.
        let _ = sender.send(text);
    });
    receiver
}

/// A client, killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs Python's grpcio"]
fn python() {
    let python = env::var_os("RKT_CLIENTS_PYTHON").unwrap_or_else(|| "python3".into());
    all_is_well(python, "python/client.py");
}

#[test]
#[ignore = "needs Node's grpc-js"]
fn node() {
    all_is_well("node".into(), "node/client.js");
}
