//! TLS by flags, and listening where others can reach the server without it.

use std::path::PathBuf;

use clap::Args;
use rkt_api::server::TlsFiles;

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS, of TCP addresses")]
pub struct Tls {
    /// The server's certificate in PEM, and those that lead to one that clients know; read anew
    /// when it changes, and on SIGHUP, as are the following
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of the server's certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Let in only clients with a certificate of one of these authorities, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// Listen without TLS also where other machines can connect
    #[arg(long)]
    pub insecure_listen: bool,
}

impl Tls {
    /// Where the certificates are, when there is to be TLS.
    pub fn files(self) -> Option<TlsFiles> {
        Some(TlsFiles {
            cert: self.tls_cert?,
            key: self.tls_key?,
            client_ca: self.tls_client_ca,
        })
    }
}
