//! Hosts for tests to start from: sound pods in directories of their own.

use std::{
    fs::{self, Permissions},
    net::Ipv4Addr,
    ops::Deref,
    os::unix::{
        fs::{PermissionsExt as _, lchown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rkt_sim::{
    host::{Hold, Host},
    spec::{App, Image, Network, Phase, Pod, Process, Started},
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{PROGRAM, Server, command_of};

/// The id of the user and of the group who own nothing.
const NOBODY: u32 = 65534;

pub const CREATED_AT_NS: i64 = 1_530_000_000_123_456_789;
pub const STARTED_AT_NS: i64 = 1_530_000_060_000_000_001;

/// Above the largest process id that Linux gives out.
pub const NO_PROCESS: i32 = 1 << 30;

/// A data directory in a temporary one, which has room for more beside it.
pub struct TempHost {
    host: Host,
    temp: TempDir,
}

impl TempHost {
    pub fn create() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let host = Host::create(temp.path().join("rkt")).unwrap();
        Self { host, temp }
    }

    /// A path beside the data directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// The directory of a phase.
    pub fn phase_dir(&self, phase: Phase) -> PathBuf {
        phase_dir(self.dir(), phase)
    }

    /// Writes the pod, and takes its lock if it is to be locked.
    pub fn add(&self, pod: &Pod) -> Option<Hold> {
        self.write_pod(pod).unwrap();
        pod.locked.then(|| self.hold(pod).unwrap())
    }
}

impl Deref for TempHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// Starts the server on the host as an ordinary user: one of the group that may read the data
/// directory when the tests are root's, else the one who runs them.
pub fn serve_unprivileged(host: &TempHost, args: &[&str]) -> Server {
    if !rustix::process::geteuid().is_root() {
        return Server::start(host.dir(), args);
    }
    give_to_group(host.dir(), NOBODY);
    Server::listen(command_of_nobody(host.temp.path(), host.dir(), args))
}

/// The command that runs the server on `dir` as a user who owns nothing. That takes root.
/// The program is copied into `temp`, where that user can reach it.
pub fn command_of_nobody(temp: &Path, dir: &Path, args: &[&str]) -> Command {
    fs::set_permissions(temp, Permissions::from_mode(0o711)).unwrap();
    let program = temp.join("rkt-api-service");
    // By another process: what one of ours writes is also open in those that other tests are
    // just starting, and cannot be run as long as it is.
    let copied = Command::new("cp").arg(PROGRAM).arg(&program).status();
    assert!(copied.unwrap().success());
    let mut command = command_of(program, dir, args);
    command.uid(NOBODY).gid(NOBODY);
    command
}

fn give_to_group(path: &Path, group: u32) {
    lchown(path, None, Some(group)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_to_group(&entry.unwrap().path(), group);
        }
    }
}

/// The directory of a phase in a data directory.
pub fn phase_dir(dir: &Path, phase: Phase) -> PathBuf {
    dir.join(rkt_api::layout::PODS).join(phase.dir_name())
}

/// A pod with two apps, the first of which has exited, and with everything else that a pod
/// can have; noted is a process that does not exist.
pub fn pod(number: u32, phase: Phase) -> Pod {
    let docker = |name: &str, value: &str| (format!("appc.io/docker/{name}"), value.to_owned());
    let mut web = App::new("web", Image::new("example.com/web", "1.2"));
    web.image.annotations = vec![docker("tag", "1.2"), docker("imageid", "sha256:0f3a")];
    web.annotations = vec![("role".to_owned(), "front".to_owned())];
    web.exit_code = Some(37);
    Pod {
        apps: vec![web, App::new("db", Image::new("coreos.com/etcd", "v3.1.0"))],
        annotations: vec![("color".to_owned(), "green".to_owned())],
        created_at_ns: CREATED_AT_NS,
        started: Some(Started {
            process: Process::Pid(NO_PROCESS),
            at_ns: STARTED_AT_NS,
        }),
        subcgroup: Some("machine.slice/sound.scope".to_owned()),
        networks: Some(vec![Network::new("default", Ipv4Addr::new(172, 16, 28, 2))]),
        ..Pod::new(id(number), phase)
    }
}

/// The id of the pod with this number.
pub fn id(number: u32) -> Uuid {
    Uuid::from_fields(number, 0x1111, 0x4222, b"\x83\x33\x44\x44\x55\x55\x66\x66")
}
