//! What a server is told when it starts.

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;
use semver::Version;

use super::{Dialect, Limits, ListenAddress, SocketPermissions, TlsFiles};
use crate::api::{GlobalFlags, Info};

/// The version of the API itself: that of the document.
const API_VERSION: &str = "1.0.0-alpha";

/// How long calls about images wait for a locked image index unless told otherwise (IM-7).
const DEFAULT_STORE_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How many changes of pods may wait unless told otherwise.
const DEFAULT_CHANGES_MAX: usize = 1 << 16;

/// The time zone of the times in logs (L-8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Timezone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// That of this machine, as rkt 1.30.0 has it.
    Local,
}

impl Timezone {
    /// What it is now on this machine.
    pub(super) fn time_zone(self) -> TimeZone {
        match self {
            Self::Utc => TimeZone::UTC,
            Self::Local => TimeZone::system(),
        }
    }
}

/// What a server is told when it starts. [`Config::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// rkt's data directory.
    pub data_dir: PathBuf,
    /// Where to listen. Empty: on the sockets that systemd hands over, and where it hands
    /// over none, on `localhost:15441`.
    pub listen: Vec<ListenAddress>,
    /// Who may connect to the Unix sockets that the server makes.
    pub socket_permissions: SocketPermissions,
    /// The certificates to listen on TCP addresses with. `None`: without TLS.
    pub tls: Option<TlsFiles>,
    /// Whether to listen without TLS also on addresses that are not loopback ones.
    pub insecure_listen: bool,
    /// Where to tell monitoring of metrics and readiness, over HTTP; empty for nowhere.
    pub metrics_listen: Vec<ListenAddress>,
    /// How to answer where the document and rkt 1.30.0 differ.
    pub dialect: Dialect,
    /// The time zone of the times in logs.
    pub timezone: Timezone,
    /// The version of rkt that the server says it is.
    pub rkt_version: Version,
    /// The version of the App Container specification that the server says it follows; also
    /// the format version of images that are no Docker images.
    pub appc_version: Version,
    /// rkt's system configuration directory. Only repeated in GetInfo, as are the following.
    pub system_config_dir: PathBuf,
    /// rkt's local configuration directory.
    pub local_config_dir: PathBuf,
    /// rkt's user configuration directory; empty for none.
    pub user_config_dir: PathBuf,
    /// The security features that rkt is told to switch off, by name; empty for none.
    pub insecure_options: Vec<String>,
    /// Whether rkt trusts keys that it fetched over HTTPS without asking.
    pub trust_keys_from_https: bool,
    /// How long calls about images wait for a locked image index.
    pub store_lock_timeout: Duration,
    /// Whether the data directory is watched for changes, where that is possible; without, it
    /// is read anew at each call.
    pub watch: bool,
    /// How many changes of pods may wait to be taken in, as a change waits in the kernel's queue
    /// before; when there are more, all pods are read anew.
    pub changes_max: usize,
    /// How much the server takes on.
    pub limits: Limits,
}

impl Config {
    /// The defaults, for this data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: Vec::new(),
            socket_permissions: SocketPermissions::default(),
            tls: None,
            insecure_listen: false,
            metrics_listen: Vec::new(),
            dialect: Dialect::default(),
            timezone: Timezone::default(),
            rkt_version: Version::new(1, 30, 0),
            appc_version: Version::new(0, 8, 11),
            system_config_dir: "/usr/lib/rkt".into(),
            local_config_dir: "/etc/rkt".into(),
            user_config_dir: PathBuf::new(),
            insecure_options: Vec::new(),
            trust_keys_from_https: false,
            store_lock_timeout: DEFAULT_STORE_LOCK_TIMEOUT,
            watch: true,
            changes_max: DEFAULT_CHANGES_MAX,
            limits: Limits::default(),
        }
    }

    /// What GetInfo answers (I-1, I-2).
    pub(super) fn info(&self) -> Info {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        Info {
            rkt_version: self.rkt_version.to_string(),
            appc_version: self.appc_version.to_string(),
            api_version: API_VERSION.to_owned(),
            global_flags: Some(GlobalFlags {
                dir: path(&self.data_dir),
                system_config_dir: path(&self.system_config_dir),
                local_config_dir: path(&self.local_config_dir),
                user_config_dir: path(&self.user_config_dir),
                insecure_flags: match self.insecure_options.is_empty() {
                    true => "none".to_owned(),
                    false => self.insecure_options.join(","),
                },
                trust_keys_from_https: self.trust_keys_from_https,
            }),
        }
    }
}
