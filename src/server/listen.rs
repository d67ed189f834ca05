//! Where the server listens: TCP addresses, Unix sockets, and sockets that systemd hands
//! over (SV-1).

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    str::FromStr,
};

use listenfd::ListenFd;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, UnixListener, lookup_host};

use super::socket_file::{self, SocketFile, SocketPermissions};

/// An address to listen on: `HOST:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port on every address of a host. `localhost` is both loopback addresses, `0.0.0.0`
    /// every IPv4 address and `::` every IPv6 address alone. Port 0 is any free one.
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

/// How many connections may wait to be accepted, unless the system allows fewer
/// (`net.core.somaxconn`).
pub(super) const BACKLOG: i32 = 1024;

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
            // gRPC's own spelling has an authority, which is empty.
            let path = path.strip_prefix("//").unwrap_or(path);
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

impl ListenAddress {
    /// The addresses that a host's name stands for now; `localhost` stays. Looking it up may take
    /// files and servers that the server needs no more.
    ///
    /// # Errors
    ///
    /// When there is no such host.
    pub fn look_up(self) -> Result<Vec<Self>, BindError> {
        match &self {
            Self::Tcp { host, port } if host != LOCALHOST => {
                let found = (host.as_str(), *port).to_socket_addrs();
                let found = found.map_err(|source| BindError::Address {
                    address: self.to_string(),
                    source,
                })?;
                let address = |found: SocketAddr| Self::Tcp {
                    host: match found {
                        // A link-local address says nothing without its interface.
                        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
                            format!("{}%{}", v6.ip(), v6.scope_id())
                        }
                        _ => found.ip().to_string(),
                    },
                    port: *port,
                };
                Ok(found.map(address).collect())
            }
            _ => Ok(vec![self]),
        }
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
    /// A group that is to own sockets cannot be found.
    #[error("failed to look up the group {group:?}: {source}")]
    Group {
        /// Its name.
        group: String,
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
    /// Others could listen in.
    #[error(
        "failed to listen on {address}: other machines can connect there, and there is no TLS; \
         give --tls-cert and --tls-key, or --insecure-listen"
    )]
    Insecure {
        /// The address.
        address: String,
    },
}

/// A socket that is bound.
pub(super) enum Listener {
    Tcp(TcpListener),
    /// Its file is removed in the end, if it is ours.
    Unix(UnixListener, Option<SocketFile>),
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
    /// Whether other machines can connect, as far as the address tells.
    fn is_remote(&self) -> bool {
        match self {
            Self::Tcp(listener) => !listener
                .local_addr()
                .is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            Self::Unix(..) => false,
        }
    }
}

/// Binds `addresses`, or what is to be listened on where there are none.
pub(super) async fn bind(
    addresses: &[ListenAddress],
    permissions: &SocketPermissions,
) -> Result<Vec<Listener>, BindError> {
    let inherited = inherited()?;
    match (inherited.is_empty(), addresses) {
        (false, []) => Ok(inherited),
        (false, _) => Err(BindError::Both),
        (true, []) => bind_all(&[ListenAddress::default()], permissions).await,
        (true, addresses) => bind_all(addresses, permissions).await,
    }
}

/// Binds `addresses`, each at least once.
pub(super) async fn bind_all(
    addresses: &[ListenAddress],
    permissions: &SocketPermissions,
) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = match address {
            ListenAddress::Tcp { host, port } if host == LOCALHOST => bind_loopback(*port),
            ListenAddress::Tcp { host, port } => bind_host(host, *port).await,
            ListenAddress::Unix(path) => socket_file::bind(path, permissions)
                .await
                .map(|(socket, file)| vec![Listener::Unix(socket, Some(file))]),
        };
        listeners.extend(bound.map_err(|source| BindError::Address {
            address: address.to_string(),
            source,
        })?);
    }
    Ok(listeners)
}

async fn bind_host(host: &str, port: u16) -> io::Result<Vec<Listener>> {
    let addresses = lookup_host((host, port)).await?;
    addresses
        .map(|address| bind_tcp(address).map(Listener::Tcp))
        .collect()
}

/// Both loopback addresses, on one port; IPv4 alone where the system has no IPv6.
fn bind_loopback(port: u16) -> io::Result<Vec<Listener>> {
    let v4 = bind_tcp((Ipv4Addr::LOCALHOST, port).into())?;
    let port = v4.local_addr()?.port();
    let mut listeners = vec![Listener::Tcp(v4)];
    match bind_tcp((Ipv6Addr::LOCALHOST, port).into()) {
        Ok(v6) => listeners.push(Listener::Tcp(v6)),
        Err(error) if lacks_ipv6(&error) => {
            tracing::info!(%error, "not listening on the IPv6 loopback address");
        }
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // Else `[::]` takes the port on all IPv4 addresses too, and `0.0.0.0` cannot be bound
        // beside it.
        socket.set_only_v6(true)?;
    }
    // A server that starts anew does not wait for the connections of the old one to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;

    error.kind() == io::ErrorKind::AddrNotAvailable
        || Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

/// The addresses of those of `listeners` to which other machines can connect.
pub(super) fn remote_addresses(listeners: &[Listener]) -> impl Iterator<Item = String> {
    let remote = listeners.iter().filter(|listener| listener.is_remote());
    remote.map(ToString::to_string)
}

/// Sees to it that other machines can connect without TLS only where that is wanted, and known.
pub(super) fn check_reach(listeners: &[Listener], is_wanted: bool) -> Result<(), BindError> {
    for address in remote_addresses(listeners) {
        if !is_wanted {
            return Err(BindError::Insecure { address });
        }
        tracing::warn!(address, "other machines can connect, without TLS");
    }
    Ok(())
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
    fn names_are_looked_up_and_nothing_else() {
        for address in [
            "localhost:0",
            "unix:/run/api.sock",
            "127.0.0.1:80",
            "[::1]:80",
        ] {
            let address: ListenAddress = address.parse().unwrap();
            assert_eq!(address.clone().look_up().unwrap(), [address]);
        }
        // A name of the loopback address, as inet_aton(3) has it, that needs no name server.
        let short: ListenAddress = "127.1:80".parse().unwrap();
        assert_eq!(short.look_up().unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        // An interface's address keeps its interface.
        let scoped: ListenAddress = "[fe80::1%1]:80".parse().unwrap();
        assert_eq!(scoped.clone().look_up().unwrap(), [scoped]);
        // What no name server would be asked for.
        let nowhere: ListenAddress = "no\0host:80".parse().unwrap();
        let error = nowhere.look_up().unwrap_err().to_string();
        assert!(error.contains("failed to listen on no\0host:80"), "{error}");
    }

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
        let address: ListenAddress = "unix:///run/api.sock".parse().unwrap();
        assert_eq!(address.to_string(), "unix:/run/api.sock");
        for text in [
            "",
            "localhost",
            ":80",
            "::1:80",
            "[::1:80",
            "h:",
            "h:65536",
            "unix:",
            "unix://",
        ] {
            assert_eq!(
                text.parse::<ListenAddress>(),
                Err(ParseListenAddressError),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn all_addresses_of_both_families_are_bound_side_by_side() {
        let v4 = bind_tcp((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        let port = v4.local_addr().unwrap().port();
        match bind_tcp((Ipv6Addr::UNSPECIFIED, port).into()) {
            Ok(v6) => assert_eq!(v6.local_addr().unwrap().port(), port),
            Err(error) => assert!(lacks_ipv6(&error), "{error}"),
        }
    }
}
