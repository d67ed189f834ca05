//! Where the server listens: TCP addresses, Unix sockets, and sockets that systemd hands
//! over (SV-1).

use std::{fmt, fs, future::Future, io, path::PathBuf, str::FromStr};

use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener, lookup_host};
use tokio_stream::{StreamExt as _, wrappers::UnixListenerStream};
use tonic::transport::{
    Error as TransportError,
    server::{Router, TcpIncoming},
};

use super::io::Cuttable;

/// An address to listen on: `HOST:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port on every address of a host. `localhost` is both loopback addresses. Port 0
    /// is any free one.
    Tcp {
        /// A host name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// The text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is HOST:PORT or unix:PATH")]
pub struct ParseListenAddressError;

const LOCALHOST: &str = "localhost";

impl Default for ListenAddress {
    fn default() -> Self {
        Self::Tcp {
            host: LOCALHOST.to_owned(),
            port: 15441,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ParseListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(ParseListenAddressError),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or(ParseListenAddressError)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => bracketed.strip_suffix(']').ok_or(ParseListenAddressError)?,
            None if host.contains(':') => return Err(ParseListenAddressError),
            None => host,
        };
        if host.is_empty() {
            return Err(ParseListenAddressError);
        }
        Ok(Self::Tcp {
            host: host.to_owned(),
            port: port.parse().map_err(|_| ParseListenAddressError)?,
        })
    }
}

/// Why the server cannot listen, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address cannot be bound.
    #[error("failed to listen on {address}: {source}")]
    Address {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A socket that was handed over cannot be listened on.
    #[error(
        "failed to listen on the socket with file descriptor {fd} that was handed over: {source}"
    )]
    Inherited {
        /// The file descriptor.
        fd: usize,
        /// What the system said.
        source: io::Error,
    },
    /// There is a choice of two.
    #[error("failed to listen: --listen is given, and sockets were handed over (LISTEN_FDS) too")]
    Both,
}

/// A socket that is bound.
pub(super) enum Listener {
    Tcp(TcpListener),
    /// Its path is removed in the end, if it is ours.
    Unix(UnixListener, Option<SocketFile>),
}

/// A socket's file that the server made and removes.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "failed to remove the socket's file");
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => write!(f, "an unknown address ({error})"),
            },
            Self::Unix(listener, _) => {
                let address = listener.local_addr().ok();
                match address.as_ref().and_then(|address| address.as_pathname()) {
                    Some(path) => write!(f, "unix:{}", path.display()),
                    None => f.write_str("unix:"),
                }
            }
        }
    }
}

impl Listener {
    /// Serves `router` until `stopped` is over and the last connection has ended.
    pub(super) async fn serve(
        self,
        router: Router,
        stopped: impl Future<Output = ()> + Send,
    ) -> Result<(), TransportError> {
        match self {
            Self::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                let incoming = incoming.map(|socket| socket.map(Cuttable::new));
                router.serve_with_incoming_shutdown(incoming, stopped).await
            }
            Self::Unix(listener, _file) => {
                let incoming = UnixListenerStream::new(listener);
                let incoming = incoming.map(|socket| socket.map(Cuttable::new));
                router.serve_with_incoming_shutdown(incoming, stopped).await
            }
        }
    }
}

/// Binds `addresses`, or what is to be listened on where there are none.
pub(super) async fn bind(addresses: &[ListenAddress]) -> Result<Vec<Listener>, BindError> {
    let inherited = inherited()?;
    match (inherited.is_empty(), addresses) {
        (false, []) => Ok(inherited),
        (false, _) => Err(BindError::Both),
        (true, []) => bind_all(&[ListenAddress::default()]).await,
        (true, addresses) => bind_all(addresses).await,
    }
}

async fn bind_all(addresses: &[ListenAddress]) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = match address {
            ListenAddress::Tcp { host, port } if host == LOCALHOST => bind_loopback(*port).await,
            ListenAddress::Tcp { host, port } => bind_tcp(host, *port).await,
            ListenAddress::Unix(path) => UnixListener::bind(path)
                .map(|socket| vec![Listener::Unix(socket, Some(SocketFile(path.clone())))]),
        };
        listeners.extend(bound.map_err(|source| BindError::Address {
            address: address.to_string(),
            source,
        })?);
    }
    Ok(listeners)
}

async fn bind_tcp(host: &str, port: u16) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for address in lookup_host((host, port)).await? {
        listeners.push(Listener::Tcp(TcpListener::bind(address).await?));
    }
    Ok(listeners)
}

/// Both loopback addresses, on one port; IPv4 alone where the system has no IPv6.
async fn bind_loopback(port: u16) -> io::Result<Vec<Listener>> {
    let v4 = TcpListener::bind(("127.0.0.1", port)).await?;
    let port = v4.local_addr()?.port();
    let mut listeners = vec![Listener::Tcp(v4)];
    match TcpListener::bind(("::1", port)).await {
        Ok(v6) => listeners.push(Listener::Tcp(v6)),
        Err(error) if lacks_ipv6(&error) => {
            tracing::info!(%error, "not listening on the IPv6 loopback address");
        }
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;

    error.kind() == io::ErrorKind::AddrNotAvailable
        || Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

/// The sockets that systemd hands over (sd_listen_fds(3)).
fn inherited() -> Result<Vec<Listener>, BindError> {
    let mut handed_over = ListenFd::from_env();
    (0..handed_over.len())
        .map(|index| {
            inherit(&mut handed_over, index).map_err(|source| BindError::Inherited {
                fd: FIRST_INHERITED_FD + index,
                source,
            })
        })
        .collect()
}

/// SD_LISTEN_FDS_START.
const FIRST_INHERITED_FD: usize = 3;

fn inherit(handed_over: &mut ListenFd, index: usize) -> io::Result<Listener> {
    if let Ok(Some(socket)) = handed_over.take_tcp_listener(index) {
        socket.set_nonblocking(true)?;
        return TcpListener::from_std(socket).map(Listener::Tcp);
    }
    match handed_over.take_unix_listener(index)? {
        Some(socket) => {
            socket.set_nonblocking(true)?;
            UnixListener::from_std(socket).map(|socket| Listener::Unix(socket, None))
        }
        None => Err(io::Error::other("it was handed over twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_are_written() {
        let tcp = |host: &str, port| ListenAddress::Tcp {
            host: host.to_owned(),
            port,
        };
        for (text, address) in [
            ("localhost:15441", ListenAddress::default()),
            ("127.0.0.1:0", tcp("127.0.0.1", 0)),
            ("[::1]:80", tcp("::1", 80)),
            (
                "unix:/run/api.sock",
                ListenAddress::Unix("/run/api.sock".into()),
            ),
            ("unix:a:b", ListenAddress::Unix("a:b".into())),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "localhost",
            ":80",
            "::1:80",
            "[::1:80",
            "h:",
            "h:65536",
            "unix:",
        ] {
            assert_eq!(
                text.parse::<ListenAddress>(),
                Err(ParseListenAddressError),
                "{text}"
            );
        }
    }
}
