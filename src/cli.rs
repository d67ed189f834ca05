//! The command line of `rkt-api-service`, and what it means for a server.

mod limits;
mod sockets;
mod tls;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use jiff::SignedDuration;
use limits::Limits;
use rkt_api::{
    layout::DEFAULT_DATA_DIR,
    server::{Config, Dialect, ListenAddress, Sandbox, Timezone},
};
use semver::Version;
use sockets::Sockets;
use tls::Tls;

/// Serves rkt's read-only gRPC API from its data directory.
///
/// Exits with 0 after SIGINT or SIGTERM, 2 when the command line is wrong, and 254 when the
/// server cannot start. RUST_LOG sets what is logged (default: info).
#[derive(Debug, Parser)]
#[command(name = "rkt-api-service", version)]
pub struct Cli {
    /// rkt's data directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA_DIR)]
    dir: PathBuf,

    /// Address to listen on, HOST:PORT or unix:PATH; may be repeated [default: the sockets
    /// that systemd hands over, else localhost:15441]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<ListenAddress>,

    /// Address at which to tell monitoring of metrics and readiness over HTTP, HOST:PORT or
    /// unix:PATH; may be repeated [default: none]
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Vec<ListenAddress>,

    /// How to answer where the API's document and rkt 1.30.0 differ
    #[arg(long, value_enum, default_value_t)]
    dialect: Dialect,

    /// Time zone of the times in logs
    #[arg(long, value_enum, default_value_t)]
    timezone: Timezone,

    /// Version of rkt to report
    #[arg(long, value_name = "SEMVER", default_value = "1.30.0")]
    rkt_version: Version,

    /// Version of the App Container specification to report
    #[arg(long, value_name = "SEMVER", default_value = "0.8.11")]
    appc_version: Version,

    /// rkt's system configuration directory, to report
    #[arg(long, value_name = "DIR", default_value = "/usr/lib/rkt")]
    system_config: PathBuf,

    /// rkt's local configuration directory, to report
    #[arg(long, value_name = "DIR", default_value = "/etc/rkt")]
    local_config: PathBuf,

    /// rkt's user configuration directory, to report
    #[arg(long, value_name = "DIR")]
    user_config: Option<PathBuf>,

    /// rkt's insecure options, to report, separated by commas; may be repeated
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    insecure_options: Vec<String>,

    /// Report that rkt trusts keys fetched over HTTPS without asking
    #[arg(long)]
    trust_keys_from_https: bool,

    /// How long calls about images wait while another process locks the image index
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    store_lock_timeout: Duration,

    /// Read the data directory anew at each call instead of watching it for changes
    #[arg(long)]
    no_watch: bool,

    /// How many changes of pods may wait before all are read anew: tests let it happen by this
    #[arg(long, value_name = "CHANGES", default_value_t = 1 << 16, hide = true)]
    changes_max: usize,

    /// Whether to give up what the server does not need: privileges, writing, and reading
    /// outside of the directory that the data directory is in
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub sandbox: Sandbox,

    /// How to write logs, on standard error
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,

    #[command(flatten)]
    sockets: Sockets,

    #[command(flatten)]
    tls: Tls,

    #[command(flatten)]
    limits: Limits,
}

/// How to write logs.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl From<Cli> for Config {
    fn from(cli: Cli) -> Self {
        Self {
            data_dir: cli.dir,
            listen: cli.listen,
            socket_permissions: cli.sockets.into(),
            insecure_listen: cli.tls.insecure_listen,
            tls: cli.tls.files(),
            metrics_listen: cli.metrics_listen,
            dialect: cli.dialect,
            timezone: cli.timezone,
            rkt_version: cli.rkt_version,
            appc_version: cli.appc_version,
            system_config_dir: cli.system_config,
            local_config_dir: cli.local_config,
            user_config_dir: cli.user_config.unwrap_or_default(),
            insecure_options: cli
                .insecure_options
                .into_iter()
                .filter(|name| !name.is_empty())
                .collect(),
            trust_keys_from_https: cli.trust_keys_from_https,
            store_lock_timeout: cli.store_lock_timeout,
            watch: !cli.no_watch,
            changes_max: cli.changes_max,
            limits: cli.limits.into(),
        }
    }
}

/// A duration such as `2s`, `500ms` or `1m30s`, not negative.
fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    duration
        .try_into()
        .map_err(|_| "a duration is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn config(args: &[&str]) -> Config {
        let program = ["rkt-api-service"];
        Cli::try_parse_from(program.iter().chain(args))
            .unwrap()
            .into()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_servers() {
        let ours = config(&[]);
        let theirs = Config::new(DEFAULT_DATA_DIR);
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }

    #[test]
    fn every_flag_arrives() {
        let config = config(&[
            "--dir=/data",
            "--listen=unix:/a",
            "--listen=[::1]:1",
            "--metrics-listen=localhost:9102",
            "--dialect=rkt-1.30",
            "--timezone=local",
            "--rkt-version=1.2.3-x",
            "--appc-version=4.5.6",
            "--system-config=/s",
            "--local-config=/l",
            "--user-config=/u",
            "--insecure-options=image,tls",
            "--insecure-options=paths",
            "--trust-keys-from-https",
            "--store-lock-timeout=1m500ms",
            "--socket-mode=660",
            "--socket-group=rkt",
            "--tls-cert=/c",
            "--tls-key=/k",
            "--tls-client-ca=/ca",
            "--insecure-listen",
            "--max-connections=1",
            "--handshake-timeout=2s",
            "--keepalive-interval=3s",
            "--keepalive-timeout=4s",
            "--max-calls-per-connection=5",
            "--max-streams=6",
            "--call-timeout=7s",
            "--max-header-bytes=8",
            "--max-request-bytes=9",
            "--request-buffer-bytes=10",
            "--answer-buffer-bytes=15",
            "--max-filters=11",
            "--max-filter-values=12",
            "--event-history=13",
            "--stream-buffer=14",
        ]);
        assert_eq!(config.data_dir, PathBuf::from("/data"));
        let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["unix:/a", "[::1]:1"]);
        let metrics = config.metrics_listen.iter().map(ToString::to_string);
        assert_eq!(metrics.collect::<Vec<_>>(), ["localhost:9102"]);
        assert_eq!(config.dialect, Dialect::Rkt130);
        assert_eq!(config.timezone, Timezone::Local);
        assert_eq!(config.rkt_version.to_string(), "1.2.3-x");
        assert_eq!(config.appc_version.to_string(), "4.5.6");
        assert_eq!(config.system_config_dir, PathBuf::from("/s"));
        assert_eq!(config.local_config_dir, PathBuf::from("/l"));
        assert_eq!(config.user_config_dir, PathBuf::from("/u"));
        assert_eq!(config.insecure_options, ["image", "tls", "paths"]);
        assert!(config.trust_keys_from_https);
        assert_eq!(config.store_lock_timeout, Duration::from_millis(60_500));
        assert_eq!(config.socket_permissions.mode, Some(0o660));
        assert_eq!(config.socket_permissions.group.as_deref(), Some("rkt"));
        let tls = config.tls.unwrap();
        assert_eq!(tls.cert, PathBuf::from("/c"));
        assert_eq!(tls.key, PathBuf::from("/k"));
        assert_eq!(tls.client_ca, Some(PathBuf::from("/ca")));
        assert!(config.insecure_listen);
        let limits = config.limits;
        let seconds = [
            limits.handshake_timeout,
            limits.keepalive_interval,
            limits.keepalive_timeout,
            limits.call_timeout,
        ];
        assert_eq!(seconds.map(|time| time.as_secs()), [2, 3, 4, 7]);
        let counts = [
            limits.connections,
            limits.streams,
            limits.request_bytes,
            limits.request_buffer_bytes,
            limits.answer_buffer_bytes,
            limits.filters,
            limits.filter_values,
            limits.event_history,
            limits.stream_buffer,
        ];
        assert_eq!(counts, [1, 6, 9, 10, 15, 11, 12, 13, 14]);
        assert_eq!([limits.calls_per_connection, limits.header_bytes], [5, 8]);
    }

    #[test]
    fn no_insecure_options_are_none() {
        assert!(config(&["--insecure-options="]).insecure_options.is_empty());
    }

    #[test]
    fn wrong_values_are_refused() {
        for arg in [
            "--listen=nowhere",
            "--metrics-listen=9102",
            "--rkt-version=1.30",
            "--appc-version=v1.0.0",
            "--dialect=other",
            "--store-lock-timeout=-1s",
            "--store-lock-timeout=soon",
            "--socket-mode=0888",
            "--socket-mode=u+w",
            "--socket-mode=7777",
            "--tls-cert=/c",
            "--tls-key=/k",
            "--tls-client-ca=/ca",
            "--sandbox=maybe",
        ] {
            assert!(
                Cli::try_parse_from(["rkt-api-service", arg]).is_err(),
                "{arg}"
            );
        }
    }
}
