//! Which server to ask, and how to get there.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::values::duration;

/// Which server to ask, and how to get there.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Address of the server: HOST:PORT, unix:PATH, http://HOST:PORT or https://HOST:PORT
    #[arg(
        long,
        global = true,
        value_name = "ADDR",
        env = "RKT_API_ADDRESS",
        hide_env_values = true,
        default_value = "localhost:15441"
    )]
    pub address: String,

    /// How long connecting may take, and an answer. Streams that follow may go on for longer
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration
    )]
    pub timeout: Duration,

    #[command(flatten)]
    pub tls: Tls,
}

/// How server and client prove who they are. With any of these HOST:PORT is asked by TLS.
#[derive(Clone, Debug, Args)]
pub struct Tls {
    /// Certificates of the authorities to trust, in PEM [default: those that the system trusts]
    #[arg(
        long = "tls-ca",
        global = true,
        value_name = "FILE",
        env = "RKT_API_TLS_CA",
        hide_env_values = true
    )]
    pub ca: Option<PathBuf>,

    /// The client's certificate, in PEM
    #[arg(
        long = "tls-cert",
        global = true,
        value_name = "FILE",
        env = "RKT_API_TLS_CERT",
        hide_env_values = true
    )]
    pub cert: Option<PathBuf>,

    /// The key of the client's certificate, in PEM
    #[arg(
        long = "tls-key",
        global = true,
        value_name = "FILE",
        env = "RKT_API_TLS_KEY",
        hide_env_values = true
    )]
    pub key: Option<PathBuf>,

    /// Name that the server's certificate is for [default: the host of the address]
    #[arg(
        long = "tls-server-name",
        global = true,
        value_name = "NAME",
        env = "RKT_API_TLS_SERVER_NAME",
        hide_env_values = true
    )]
    pub server_name: Option<String>,
}

impl Tls {
    /// Whether TLS is asked for.
    pub fn is_given(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some() || self.server_name.is_some()
    }
}
