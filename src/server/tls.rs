//! TLS: certificates, read when the server starts and again when they change. Connections that
//! are open keep what they were opened with.

use std::{
    error::Error,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{select, sync::Notify, time::sleep};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
        server::{NoServerSessionStorage, WebPkiClientVerifier},
    },
};

use super::counters::Counters;

/// How often to look whether the files have changed. Looking works wherever they lie, and
/// whatever links to them: Kubernetes and certbot put new certificates in place by links.
const LOOK: Duration = Duration::from_secs(2);

/// What gRPC speaks, as TLS names it (ALPN).
const HTTP2: &[u8] = b"h2";

/// Where certificates are, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, and those that lead from it to one that clients know.
    pub cert: PathBuf,
    /// The private key of the server's certificate.
    pub key: PathBuf,
    /// The authorities one of which must have signed a client's certificate. `None`: clients
    /// need none.
    pub client_ca: Option<PathBuf>,
}

/// Why certificates cannot be used, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not PEM, or has not what it should have.
    #[error("failed to find {what} in {}: {source}", path.display())]
    Pem {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The certificate is none, or the key is not that of the certificate.
    #[error("failed to use the certificate {} with its key: {source}", path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// An authority's certificate is none.
    #[error("failed to use the authorities in {}: {source}", path.display())]
    Authority {
        /// The authorities' file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The certificates that are in use.
#[derive(Clone)]
pub(super) struct Tls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    /// Those of the files when they were read first.
    first: Vec<Option<Stamp>>,
    config: RwLock<Arc<ServerConfig>>,
    /// Asks for the files to be read anew, changed or not.
    reload: Notify,
    counters: Counters,
}

impl Tls {
    /// Reads the certificates.
    pub(super) fn load(files: TlsFiles, counters: Counters) -> Result<Self, TlsError> {
        let first = stamps(&files);
        let config = read(&files)?;
        Ok(Self(Arc::new(Inner {
            files,
            first,
            config: RwLock::new(config),
            reload: Notify::new(),
            counters,
        })))
    }

    /// What shakes hands by the certificates that are in use now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.0.config.read();
        let config = config.unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }

    /// Has the files read anew.
    pub(super) fn reload(&self) {
        self.0.reload.notify_one();
    }

    /// Reads the files anew when they change, or when [`Self::reload`] asks for it. What cannot
    /// be used is logged, and what is in use stays; it is tried again until it can be, since what
    /// is wrong need not be with the files.
    pub(super) async fn watch(self) {
        let mut seen = self.0.first.clone();
        let mut failure = None;
        loop {
            let is_asked = select! {
                () = self.0.reload.notified() => true,
                () = sleep(LOOK) => false,
            };
            // Before they are read: what changes meanwhile is seen next time.
            let stamps = self.off_the_loop(|tls| stamps(&tls.files)).await;
            let is_new = is_asked || stamps != seen;
            if is_new || failure.is_some() {
                seen = stamps;
                let known = failure.take().filter(|_| !is_new);
                failure = self.off_the_loop(|tls| tls.read_anew(known)).await;
            }
        }
    }

    /// Does something on a thread where it may wait for a disk.
    async fn off_the_loop<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> T {
        let inner = Arc::clone(&self.0);
        // It fails only when the server is at its end.
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_default()
    }
}

impl Inner {
    /// Reads the files. What is wrong if they cannot be used, which is told unless it is `known`
    /// already.
    fn read_anew(&self, known: Option<String>) -> Option<String> {
        match read(&self.files) {
            Ok(new) => {
                let config = self.config.write();
                *config.unwrap_or_else(PoisonError::into_inner) = new;
                self.counters.tls_reloads.inc();
                tracing::info!("the certificates are read anew");
                None
            }
            Err(error) => {
                let failure = error.to_string();
                if known.as_ref() != Some(&failure) {
                    self.counters.tls_reload_failures.inc();
                    tracing::error!(%error, "new certificates cannot be used, the old ones stay");
                }
                Some(failure)
            }
        }
    }
}

/// What changes when the files do.
fn stamps(files: &TlsFiles) -> Vec<Option<Stamp>> {
    let TlsFiles {
        cert,
        key,
        client_ca,
    } = files;
    let files = [cert, key].into_iter().chain(client_ca);
    files.map(|path| Stamp::of(path)).collect()
}

/// What tells a file from one that has taken its place, or from itself before it was written.
#[derive(Clone, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    changed_at: (i64, i64),
}

impl Stamp {
    /// Of the file that `path` leads to, by however many links.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let pair = |source| TlsError::Pair {
        path: files.cert.clone(),
        source,
    };
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| TlsError::Authority {
                path: path.clone(),
                source: error.into(),
            })?)
        }
    };
    let certificates = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&contents(&files.key)?).map_err(|source| {
        let path = files.key.clone();
        TlsError::Pem {
            what: "a private key",
            path,
            source,
        }
    })?;
    let mut config = builder.with_single_cert(certificates, key).map_err(pair)?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    // Who resumes a session shows no certificate: it could have expired. Connections that last
    // gain nothing by it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::Authority {
                path: path.to_owned(),
                source: error.into(),
            })?;
    }
    Ok(roots)
}

/// The certificates in a file, of which there is one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = contents(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.and_then(|certificates| match certificates[..] {
        [] => Err(pem::Error::NoItemsFound),
        [..] => Ok(certificates),
    });
    certificates.map_err(|source| TlsError::Pem {
        what: "a certificate",
        path: path.to_owned(),
        source,
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            cert: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
            client_ca: None,
        };
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.cert, pair.cert.pem()).unwrap();
        fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
        let counters = Counters::default();
        let tls = Tls::load(files.clone(), counters.clone()).unwrap();

        fs::write(&files.cert, "none").unwrap();
        let failure = tls.0.read_anew(None);
        assert!(failure.is_some());
        let same = tls.0.read_anew(failure.clone());
        assert_eq!(same, failure);
        assert_eq!(counters.tls_reload_failures.get(), 1);
        fs::remove_file(&files.cert).unwrap();
        let other = tls.0.read_anew(same);
        assert_ne!(other, failure);
        assert_eq!(counters.tls_reload_failures.get(), 2);

        fs::write(&files.cert, pair.cert.pem()).unwrap();
        assert_eq!(tls.0.read_anew(other), None);
        assert_eq!(counters.tls_reloads.get(), 1);
    }
}
