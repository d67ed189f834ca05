//! Clients that were not written in Rust, nor with any code of this repository: Python's grpcio
//! and Node's gRPC, in `tests/clients/`. `RKT_CLIENTS_PYTHON` names a Python that has grpcio; for
//! Node, `npm ci` puts what is needed beside the client.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
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
        let mut client = Command::new(&program)
            .arg(folder().join(script))
            .args([address.as_ref(), player.dir()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = first_line(client.stdout.take().unwrap());
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
        let mut found = String::new();
        let mut stderr = client.stderr.take().unwrap();
        stderr.read_to_string(&mut found).unwrap();
        let status = wait_for(&mut client);
        assert!(
            status.success() && said == "listening\n",
            "{said}{found}{status}"
        );
    }
}

/// What the client says first; nothing if it ends before.
fn first_line(stdout: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    line
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
