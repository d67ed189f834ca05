//! systemd's own programs, on the units in `dist/`, and on the server: `systemd-socket-activate`
//! hands sockets over as systemd does.

use std::{
    fmt::Display,
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    thread,
};

use pretty_assertions::assert_eq;
use rustix::process::Signal;

use crate::{
    hosts::TempHost,
    support::{PROGRAM, Server, answers, command, eventually},
};

/// Where the units expect the server.
const INSTALLED: &str = "/usr/local/bin/rkt-api-service";

const SERVICE: &str = "rkt-api-service.service";

/// The most that `systemd-analyze security` may find the service exposed, of 100.
const EXPOSURE_MAX: u32 = 19;

fn dist(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("dist")
        .join(path)
}

/// What the program says, which must have nothing to complain of.
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stderr, "");
    stdout
}

#[test]
#[ignore = "needs systemd"]
fn units_are_sound() {
    let temp = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(dist("systemd")).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let unit = temp.path().join(entry.file_name());
        // What a unit runs must be there.
        fs::write(&unit, text.replace(INSTALLED, PROGRAM)).unwrap();
        units.push(unit);
    }
    assert_eq!(units.len(), 3, "a service and two sockets");
    let service = fs::read_to_string(temp.path().join(SERVICE)).unwrap();
    assert!(service.contains(&format!("ExecStart={PROGRAM} ")));
    let mut verify = Command::new("systemd-analyze");
    assert_eq!(output(verify.arg("verify").args(units)), "");
}

#[test]
#[ignore = "needs systemd"]
fn the_service_is_hardly_exposed() {
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let mut security = Command::new("systemd-analyze");
    security
        .args(["security", "--offline=true", "--no-pager", &threshold])
        .arg(dist("systemd").join(SERVICE));
    let said = output(&mut security);
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
#[ignore = "needs systemd"]
fn its_user_is_in_the_group_of_the_data_directory() {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    fs::create_dir(&etc).unwrap();
    // As rkt's set-up script leaves it.
    fs::write(etc.join("group"), "rkt:x:4711:\n").unwrap();
    let sysusers = Command::new("systemd-sysusers")
        .arg("--root")
        .arg(root.path())
        .arg(dist("sysusers.d/rkt-api-service.conf"))
        .output()
        .unwrap();
    assert!(sysusers.status.success(), "{sysusers:?}");
    let read = |name: &str| fs::read_to_string(etc.join(name)).unwrap();
    assert!(read("group").contains("rkt:x:4711:rkt-api\n"));
    assert!(read("passwd").starts_with("rkt-api:"), "{}", read("passwd"));
    let service = fs::read_to_string(dist("systemd").join(SERVICE)).unwrap();
    assert!(service.contains("\nUser=rkt-api\nGroup=rkt\n"));
}

/// Everything else is read-only for it.
#[test]
fn sockets_that_it_makes_have_a_place() {
    let service = fs::read_to_string(dist("systemd").join(SERVICE)).unwrap();
    let place = service
        .lines()
        .find_map(|line| line.strip_prefix("RuntimeDirectory="));
    let readme = fs::read_to_string(dist("README.md")).unwrap();
    let mut addresses = readme.split("unix:").skip(1).peekable();
    assert!(addresses.peek().is_some());
    for address in addresses {
        let place = format!("/run/{}/", place.unwrap());
        assert!(address.starts_with(&place), "{address}");
    }
}

/// A socket that systemd listens on.
enum Socket {
    Tcp(SocketAddrV4),
    Unix(PathBuf),
}

impl Socket {
    /// A TCP address that no other process listens on. There is no saying "any port" to systemd.
    fn tcp(number: u8) -> Self {
        let [_, high, middle, low] = process::id().to_be_bytes();
        let ip = Ipv4Addr::new(127, 128 | high, middle, low);
        Self::Tcp(SocketAddrV4::new(ip, 15441 + u16::from(number)))
    }

    fn listen_stream(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(path) => path.display().to_string(),
        }
    }

    /// As the server calls it.
    fn address(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Unix(_) => self.address(),
        }
    }

    /// Whether somebody listens. systemd starts the server for whoever asks.
    fn connects(&self) -> bool {
        match self {
            Self::Tcp(address) => TcpStream::connect(address).is_ok(),
            Self::Unix(path) => UnixStream::connect(path).is_ok(),
        }
    }
}

async fn started_for(sockets: &[Socket], host: &TempHost, who: impl Display) {
    let server = command(host.dir(), &[]);
    let mut activate = Command::new("systemd-socket-activate");
    for socket in sockets {
        activate.arg("--listen").arg(socket.listen_stream());
    }
    activate.arg(server.get_program()).args(server.get_args());
    let first = &sockets[0];
    let server = thread::scope(|scope| {
        scope.spawn(|| eventually("systemd listens", || first.connects()));
        Server::spawn(activate)
    });
    let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
    assert_eq!(server.addresses(), addresses, "{who}");
    for socket in sockets {
        answers(&socket.url()).await;
    }
    server.signal(Signal::TERM);
    assert!(server.wait().await.success(), "{who}");
    for socket in sockets {
        if let Socket::Unix(path) = socket {
            assert!(path.exists(), "the socket is systemd's: {who}");
        }
    }
}

#[tokio::test]
#[ignore = "needs systemd"]
async fn systemd_starts_the_server_for_any_socket() {
    let host = TempHost::create();
    let unix = |name: &str| Socket::Unix(host.beside(name));
    started_for(&[Socket::tcp(0)], &host, "TCP").await;
    started_for(&[unix("a.sock")], &host, "Unix").await;
    started_for(&[Socket::tcp(1), unix("b.sock")], &host, "both").await;
    let many = [
        unix("c.sock"),
        Socket::tcp(2),
        unix("d.sock"),
        Socket::tcp(3),
    ];
    started_for(&many, &host, "several of both").await;
}
