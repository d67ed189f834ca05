//! Giving up what the server does not need, before it begins: privileges that programs could
//! bring, the content and the entries of files that are not its own to read, writing to any,
//! TCP connections, abstract sockets and signals to others. Linux's Landlock takes
//! that away for good, also from what an attacker might have the process do. It knows nothing of
//! owners, modes and times of files, nor of UDP, nor of Unix sockets that have a path: who runs the
//! server as an ordinary user and confines it by its unit has these too. What the server needs
//! follows from its [`Config`].

use std::{
    env,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};

use super::{Config, ListenAddress, Timezone, notify};
use crate::layout::{self, Phase, store};

/// What is known of Landlock here. It came with Linux 6.12; older ones take away less.
const KNOWN: ABI = ABI::V6;

/// Where the system keeps time zones.
const TIME_ZONES: [&str; 3] = ["/etc/localtime", "/usr/share/zoneinfo", "/etc/zoneinfo"];

/// The environment variable that says where else.
const TIME_ZONES_VARIABLE: &str = "TZDIR";

/// Whether the server gives up what it does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Sandbox {
    /// As far as the kernel has the means.
    #[default]
    Auto,
    /// Wholly, or it does not start.
    Require,
    /// It keeps everything.
    Off,
}

/// How far everything was given up that is not needed.
#[derive(Debug)]
pub enum Confinement {
    /// Wholly.
    Full,
    /// In part: this kernel has not all the means.
    Partial,
    /// Only that programs bring new privileges: this kernel has no Landlock, or it is off.
    Lacking,
    /// The kernel refused.
    Refused(RulesetError),
    /// Nothing, as it was asked for.
    Off,
}

/// Why the server does not start without being confined, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel has not all the means.
    #[error("failed to enter the sandbox: it takes Linux 6.12 with Landlock")]
    Kernel,
    /// The kernel refused.
    #[error("failed to enter the sandbox: {0}")]
    Refused(RulesetError),
}

impl Confinement {
    /// Logs it: once, when the server starts.
    pub fn log(&self) {
        match self {
            Self::Full => tracing::info!("confined to what it needs"),
            Self::Partial => {
                tracing::info!("confined to what it needs as far as this kernel can");
            }
            Self::Lacking => tracing::warn!("not confined: this kernel has no Landlock"),
            Self::Refused(error) => tracing::warn!(%error, "not confined: the kernel refuses it"),
            Self::Off => tracing::info!("not confined"),
        }
    }
}

/// What the server goes on needing.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Files and directories to read, with all below them.
    read: Vec<PathBuf>,
    /// Directories in which sockets are made and removed.
    sockets: Vec<PathBuf>,
    /// TCP ports to listen on; 0 is any.
    ports: Vec<u16>,
    /// Connecting to Unix sockets without a path: the service manager listens on one.
    abstract_sockets: bool,
}

impl Needs {
    /// What a server with this configuration needs.
    pub fn of(config: &Config) -> Self {
        let mut needs = Self {
            // The processes of pods, and what this one has open.
            read: vec!["/proc".into()],
            abstract_sockets: notify::socket_is_abstract(),
            ..Self::default()
        };
        needs.read_anew(&config.data_dir);
        // Each of these may be a link to another file system.
        let phases = Phase::ALL.map(|phase| format!("{}/{}", layout::PODS, phase.dir_name()));
        let phases = phases.iter().map(String::as_str);
        for path in [layout::PODS, store::CAS, store::DB_DIR]
            .into_iter()
            .chain(phases)
        {
            needs.read_target(&config.data_dir.join(path));
        }
        if config.timezone == Timezone::Local {
            needs.read.extend(TIME_ZONES.map(PathBuf::from));
            needs
                .read
                .extend(env::var_os(TIME_ZONES_VARIABLE).map(PathBuf::from));
        }
        if let Some(tls) = &config.tls {
            let files = [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()];
            for file in files.into_iter().flatten() {
                needs.read_anew(file);
            }
        }
        let default = [ListenAddress::default()];
        let listen = match config.listen.as_slice() {
            [] => &default,
            addresses => addresses,
        };
        for address in listen.iter().chain(&config.metrics_listen) {
            match address {
                ListenAddress::Tcp { port, .. } => needs.ports.push(*port),
                ListenAddress::Unix(path) => needs.sockets.push(parent(path)),
            }
        }
        needs
    }

    /// Reading `path`, also when it is deleted and made anew: Landlock knows files, not names, so
    /// all that is beside it can be read, too.
    fn read_anew(&mut self, path: &Path) {
        self.read.push(parent(path));
        self.read_target(path);
    }

    /// Reading what the links in `path` lead to, also when it is deleted and made anew.
    fn read_target(&mut self, path: &Path) {
        let target = path.canonicalize().map(|target| parent(&target));
        // Most lead nowhere else.
        self.read
            .extend(target.ok().filter(|target| !self.read.contains(target)));
    }
}

/// The directory that `path` is in.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent == Path::new("") => ".".into(),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    }
}

/// Gives everything up but what is needed: for this thread, and those that it starts from then on.
/// So it is called before there are others.
///
/// # Errors
///
/// [`SandboxError`], only if the sandbox is required.
pub fn confine(sandbox: Sandbox, needs: &Needs) -> Result<Confinement, SandboxError> {
    if sandbox == Sandbox::Off {
        return Ok(Confinement::Off);
    }
    let confinement = match restrict(needs) {
        Ok(status) => match status.ruleset {
            RulesetStatus::FullyEnforced => Confinement::Full,
            RulesetStatus::PartiallyEnforced => Confinement::Partial,
            RulesetStatus::NotEnforced => Confinement::Lacking,
        },
        Err(error) => Confinement::Refused(error),
    };
    match (sandbox, confinement) {
        (Sandbox::Require, Confinement::Refused(error)) => Err(SandboxError::Refused(error)),
        (Sandbox::Require, Confinement::Partial | Confinement::Lacking) => {
            Err(SandboxError::Kernel)
        }
        (_, confinement) => Ok(confinement),
    }
}

/// As far as the kernel has the means. Even where it has no Landlock, no program brings this thread
/// privileges any more.
fn restrict(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    let mut net = AccessNet::from_all(KNOWN);
    let mut ports = needs.ports.as_slice();
    if ports.contains(&0) {
        // The system chooses one, and the other loopback address gets the same.
        net.remove(AccessNet::BindTcp);
        ports = &[];
    }
    let ports = ports.iter();
    let ports = ports.map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::BindTcp)));
    let mut scope = Scope::from_all(KNOWN);
    if needs.abstract_sockets {
        scope.remove(Scope::AbstractUnixSocket);
    }
    let read: BitFlags<_> = AccessFs::ReadFile | AccessFs::ReadDir;
    let sockets: BitFlags<_> = AccessFs::MakeSock | AccessFs::RemoveFile;
    Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(net)?
        .scope(scope)?
        .create()?
        // What is not there is left out.
        .add_rules(path_beneath_rules(&needs.read, read))?
        .add_rules(path_beneath_rules(&needs.sockets, sockets))?
        .add_rules(ports)?
        .restrict_self()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File, OpenOptions},
        io::{self, ErrorKind, Write as _},
        net::{TcpListener, TcpStream},
        os::{
            linux::net::SocketAddrExt as _,
            unix::{
                fs::symlink,
                net::{SocketAddr, UnixListener, UnixStream},
            },
        },
        process::Command,
        sync::mpsc,
        thread,
    };

    use rustix::process::{getppid, test_kill_process};
    use tempfile::TempDir;

    use super::*;

    /// A directory with a data directory in it, `rkt`, and one that is none of the server's.
    fn directories() -> (TempDir, PathBuf, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let ours = temp.path().join("ours/rkt");
        fs::create_dir_all(ours.join("pods")).unwrap();
        fs::write(ours.join("file"), "ours").unwrap();
        let others = temp.path().join("others");
        fs::create_dir(&others).unwrap();
        fs::write(others.join("file"), "others'").unwrap();
        (temp, ours, others)
    }

    fn needs(data_dir: &Path, listen: &[&str]) -> Needs {
        let mut config = Config::new(data_dir);
        config.listen = listen.iter().map(|text| text.parse().unwrap()).collect();
        Needs::of(&config)
    }

    /// Runs `attempts` in a thread that is confined to `needs`; the thread takes that with it.
    /// `false`, told, where the kernel has not the means.
    fn confined(needs: &Needs, attempts: impl FnOnce() + Send) -> bool {
        let lacking = thread::scope(|scope| {
            let thread = scope.spawn(|| match confine(Sandbox::Auto, needs).unwrap() {
                Confinement::Full => {
                    attempts();
                    None
                }
                lacking => Some(lacking),
            });
            thread.join().unwrap()
        });
        if let Some(lacking) = &lacking {
            let thread = thread::current();
            let test = thread.name().unwrap_or("a test");
            let why = format!("the kernel has not the means: {lacking:?}");
            // What `eprintln!` says is shown of tests alone that fail.
            let _ = writeln!(io::stderr(), "{test} is skipped: {why}");
        }
        lacking.is_none()
    }

    fn refused<T>(what: &str, result: io::Result<T>) {
        match result {
            Ok(_) => panic!("it may {what}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}"),
        }
    }

    #[test]
    fn it_may_read_where_its_data_is_and_nowhere_else() {
        let (_temp, ours, others) = directories();
        confined(&needs(&ours, &[]), || {
            assert_eq!(fs::read_to_string(ours.join("file")).unwrap(), "ours");
            assert_eq!(fs::read_dir(&ours).unwrap().count(), 2);
            File::open(&ours).unwrap().try_lock_shared().unwrap();
            fs::read_to_string("/proc/self/status").unwrap();
            fs::read_to_string("/proc/1/cgroup").unwrap();

            refused("read", fs::read(others.join("file")));
            refused("list", fs::read_dir(&others));
            refused("read what is the system's", fs::read("/etc/passwd"));
            refused("list all", fs::read_dir("/"));
        });
    }

    #[test]
    fn it_sees_what_is_deleted_and_made_anew() {
        let (_temp, ours, _) = directories();
        let ours = &ours;
        let needs = needs(ours, &[]);
        let (ready, is_ready) = mpsc::channel();
        let (made, is_made) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                confined(&needs, move || {
                    ready.send(()).unwrap();
                    is_made.recv().unwrap();
                    assert_eq!(fs::read_to_string(ours.join("file")).unwrap(), "new");
                })
            });
            // Nobody is ready where the kernel has not the means.
            if is_ready.recv().is_ok() {
                fs::remove_dir_all(ours).unwrap();
                fs::create_dir(ours).unwrap();
                fs::write(ours.join("file"), "new").unwrap();
                made.send(()).unwrap();
            }
        });
    }

    #[test]
    fn it_reads_through_a_link_from_elsewhere() {
        let (temp, ours, _) = directories();
        let link = temp.path().join("link");
        symlink(&ours, &link).unwrap();
        confined(&needs(&link, &[]), || {
            assert_eq!(fs::read_to_string(link.join("file")).unwrap(), "ours");
        });
    }

    #[test]
    fn parts_of_the_data_directory_may_lie_elsewhere() {
        let parts = [layout::PODS, store::CAS, "pods/run"];
        for part in parts {
            let (_temp, ours, others) = directories();
            let part = ours.join(part);
            if part.exists() {
                fs::remove_dir(&part).unwrap();
            }
            symlink(&others, &part).unwrap();
            confined(&needs(&ours, &[]), || {
                assert_eq!(fs::read_to_string(part.join("file")).unwrap(), "others'");
            });
        }
    }

    #[test]
    fn it_may_change_nothing() {
        let (_temp, ours, _) = directories();
        let file = ours.join("file");
        let beside = ours.join("beside");
        confined(&needs(&ours, &[]), || {
            refused("write", OpenOptions::new().append(true).open(&file));
            refused("cut short", OpenOptions::new().write(true).open(&file));
            refused("create", File::create(&beside));
            refused("make directories", fs::create_dir(&beside));
            refused("make links", symlink(&file, &beside));
            refused("link", fs::hard_link(&file, &beside));
            refused("rename", fs::rename(&file, &beside));
            refused("remove", fs::remove_file(&file));
            refused("remove directories", fs::remove_dir(ours.join("pods")));
            refused("make sockets", UnixListener::bind(&beside));
            refused("write elsewhere", File::create("/tmp/rkt-api-service"));
        });
        assert_eq!(fs::read_to_string(file).unwrap(), "ours");
    }

    #[test]
    fn it_may_run_nothing() {
        let (_temp, ours, _) = directories();
        confined(&needs(&ours, &[]), || {
            refused("run", Command::new("/bin/true").spawn());
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
        });
    }

    #[test]
    fn it_may_listen_where_it_was_told_to() {
        let (temp, ours, others) = directories();
        let run = temp.path().join("run");
        fs::create_dir(&run).unwrap();
        let socket = run.join("api.sock");
        let [port, other_port] = [(); 2].map(|()| {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        });
        let tcp = format!("127.0.0.1:{port}");
        let unix = format!("unix:{}", socket.display());
        confined(&needs(&ours, &[&tcp, &unix]), || {
            // Others may have taken the port since.
            if let Err(error) = TcpListener::bind(&tcp) {
                assert_eq!(error.kind(), ErrorKind::AddrInUse);
            }
            drop(UnixListener::bind(&socket).unwrap());
            fs::remove_file(&socket).unwrap();

            refused("listen", TcpListener::bind(("127.0.0.1", other_port)));
            refused(
                "listen elsewhere",
                UnixListener::bind(others.join("a.sock")),
            );
            refused("write beside sockets", File::create(&socket));
        });
        // The other loopback address gets the port that was chosen for the first one.
        confined(&needs(&ours, &["localhost:0"]), || {
            TcpListener::bind(("127.0.0.1", 0)).unwrap();
            if let Err(error) = TcpListener::bind(("127.0.0.1", other_port)) {
                assert_eq!(error.kind(), ErrorKind::AddrInUse);
            }
        });
    }

    #[test]
    fn it_may_reach_nobody() {
        let (_temp, ours, _) = directories();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let name = ours.display().to_string();
        let name = SocketAddr::from_abstract_name(name).unwrap();
        let _listener = UnixListener::bind_addr(&name).unwrap();
        confined(&needs(&ours, &[&address.to_string()]), || {
            refused("connect", TcpStream::connect(address));
            refused("connect within", UnixStream::connect_addr(&name));
            let parent = getppid().unwrap();
            refused("signal", test_kill_process(parent).map_err(io::Error::from));
        });
        // But for a service manager that is told there.
        let needs = Needs {
            abstract_sockets: true,
            ..needs(&ours, &[])
        };
        confined(&needs, || {
            UnixStream::connect_addr(&name).unwrap();
            refused("connect", TcpStream::connect(address));
        });
    }

    /// So many sandboxes can lie within each other.
    const LAYERS_MAX: u32 = 16;

    #[test]
    fn what_is_required_is_not_done_without() {
        let (_temp, ours, _) = directories();
        let needs = needs(&ours, &[]);
        let is_supported = confined(&needs, || {
            for _ in 1..LAYERS_MAX {
                confine(Sandbox::Require, &needs).unwrap();
            }
            let refused = confine(Sandbox::Require, &needs).unwrap_err();
            assert!(matches!(refused, SandboxError::Refused(_)), "{refused}");
            let refused = confine(Sandbox::Auto, &needs).unwrap();
            assert!(matches!(refused, Confinement::Refused(_)), "{refused:?}");
        });
        if !is_supported {
            let lacking = confine(Sandbox::Require, &needs).unwrap_err();
            assert!(matches!(lacking, SandboxError::Kernel), "{lacking}");
        }
    }

    #[test]
    fn nothing_is_given_up_unasked() {
        let (_temp, ours, others) = directories();
        let confinement = confine(Sandbox::Off, &needs(&ours, &[])).unwrap();
        assert!(matches!(confinement, Confinement::Off));
        fs::write(others.join("file"), "written").unwrap();
    }

    #[test]
    fn time_zones_are_read_where_they_are_told() {
        let mut config = Config::new("/var/lib/rkt");
        let zones = Path::new("/usr/share/zoneinfo");
        let reads = |config: &Config| Needs::of(config).read.iter().any(|path| path == zones);
        assert!(!reads(&config));
        config.timezone = Timezone::Local;
        assert!(reads(&config));
    }
}
