//! Who proves what to whom: certificates made for the test, and a server that wants them.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::{
    exit_codes::serve,
    program::{fails, printed},
};

/// An authority, and files in PEM.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    temp: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            temp: tempfile::tempdir().unwrap(),
        }
    }

    /// A certificate for this name, and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    fn file(&self, name: &str, pem: &str) -> String {
        let path: PathBuf = self.temp.path().join(name);
        fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// How a server proves that it is `localhost`.
    fn config(&self) -> ServerTlsConfig {
        let (cert, key) = self.issue("localhost");
        ServerTlsConfig::new().identity(Identity::from_pem(cert, key))
    }
}

/// A command that any server answers, with these flags.
fn ask<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&["images", "-o=name"], flags].concat()
}

/// The address by the name that the certificate is for.
async fn serve_by_name(config: ServerTlsConfig) -> String {
    let server = Server::builder().tls_config(config).unwrap();
    serve(server).await.replace("127.0.0.1", "localhost")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_is_trusted_is_asked() {
    let authority = Authority::new();
    let address = serve_by_name(authority.config()).await;
    let ca = authority.file("ca.pem", &authority.issuer.pem());
    let other = Authority::new();
    let other = other.file("ca.pem", &other.issuer.pem());

    assert_eq!(printed(&address, &ask(&["--tls-ca", &ca])), "");
    let by_url = format!("https://{address}");
    assert_eq!(printed(&by_url, &ask(&["--tls-ca", &ca])), "");
    let by_number = address.replace("localhost", "127.0.0.1");
    let named = ["--tls-ca", &ca, "--tls-server-name=localhost"];
    assert_eq!(printed(&by_number, &ask(&named)), "");

    fails(&by_number, &ask(&["--tls-ca", &ca]), 3);
    fails(&address, &ask(&["--tls-ca", &other]), 3);
    fails(&by_url, &ask(&[]), 3);
    let misnamed = ["--tls-ca", &ca, "--tls-server-name=other.example"];
    let stderr = fails(&address, &ask(&misnamed), 3);
    assert!(stderr.contains("certificate"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_can_ask_who_we_are() {
    let authority = Authority::new();
    let root = Certificate::from_pem(authority.issuer.pem());
    let address = serve_by_name(authority.config().client_ca_root(root)).await;
    let ca = authority.file("ca.pem", &authority.issuer.pem());
    let (cert, key) = authority.issue("client");
    let cert = authority.file("cert.pem", &cert);
    let key = authority.file("key.pem", &key);
    let proven = ["--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key];
    assert_eq!(printed(&address, &ask(&proven)), "");
    // Without a certificate, and with one whose key is missing.
    fails(&address, &ask(&proven[..2]), 3);
    fails(&address, &ask(&proven[..4]), 2);
}
