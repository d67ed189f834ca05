//! Accepting connections, each with so much time to say what it speaks. What is bound is
//! `listen`'s, what is said first is `handshake`'s, how many may stay is `places`'s, what comes
//! then is tonic's.
//!
//! Clients who connect and say nothing are told from those who may make calls: they take no
//! one's place among these, and when there are too many of them the oldest make room.

use std::{future::Future, io, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    select,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    counters::{Counters, Refusal},
    crowd::Crowd,
    handshake::{Misspoken, Stream, establish},
    io::Socket,
    limits::Limits,
    places::Places,
    tls::Tls,
};
use crate::trouble::Trouble;

/// How many connections of a listener may be about to say what they speak. Honest clients take
/// a moment for that: of those who take long, the oldest make room for newcomers.
const HANDSHAKES_MAX: usize = 512;

/// How long to wait after accepting has failed for want of something: it fails again as long as
/// there is none.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What new connections come from.
pub(super) trait Accept {
    type Socket: Socket;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Socket>> + Send;
}

impl Accept for TcpListener {
    type Socket = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (socket, _) = TcpListener::accept(self).await?;
        // Answers are written whole: there is nothing to wait for.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection gets its answers late");
        }
        Ok(socket)
    }
}

impl Accept for UnixListener {
    type Socket = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(UnixListener::accept(self).await?.0)
    }
}

/// Lets connections in, of all listeners together.
#[derive(Clone)]
pub(super) struct Door {
    places: Places,
    handshake_timeout: Duration,
    counters: Counters,
}

impl Door {
    pub(super) fn new(limits: &Limits, counters: Counters) -> Self {
        Self {
            places: Places::new(limits, counters.clone()),
            handshake_timeout: limits.handshake_timeout,
            counters,
        }
    }

    /// Sends connections that calls can come by to `admitted`, until nobody takes them any more.
    pub(super) async fn admit<L: Accept>(
        self,
        listener: L,
        tls: Option<Tls>,
        admitted: mpsc::Sender<io::Result<Stream<L::Socket>>>,
    ) {
        let mut handshakes = Crowd::new(HANDSHAKES_MAX);
        let mut shortage = Trouble::default();
        loop {
            let accepted = select! {
                biased;
                () = admitted.closed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(socket) => {
                    self.counters.connections_accepted.inc();
                    let over = handshakes.is_full().into();
                    self.displace(&mut handshakes, over);
                    let tls = tls.as_ref().map(Tls::acceptor);
                    let admission = self.clone().shake_hands(socket, tls, admitted.clone());
                    handshakes.begin(admission);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.counters.accept_errors.inc();
                    if shortage.is_news() {
                        tracing::error!(%error, "failed to accept connections: trying on");
                    }
                    // Connections that say nothing are the first that can be done without.
                    let half = handshakes.len().div_ceil(2);
                    self.displace(&mut handshakes, half);
                    select! {
                        () = admitted.closed() => return,
                        () = sleep(BACK_OFF) => {}
                    }
                }
            }
        }
    }

    async fn shake_hands<S: Socket>(
        self,
        socket: S,
        tls: Option<TlsAcceptor>,
        admitted: mpsc::Sender<io::Result<Stream<S>>>,
    ) {
        let establishing = establish(socket, tls);
        let refusal = match timeout(self.handshake_timeout, establishing).await {
            Ok(Ok(wire)) => match self.places.take(wire.connection()) {
                Some(place) => {
                    // When the server ends just now, so does the connection.
                    let _ = admitted.send(Ok(Stream::new(wire, place))).await;
                    return;
                }
                None => Refusal::Limit,
            },
            Ok(Err(Misspoken { reason, error })) => {
                tracing::debug!(%error, "a client does not speak as it should");
                reason
            }
            Err(_) => Refusal::Timeout,
        };
        self.counters.refuse_connection(refusal);
    }

    fn displace(&self, handshakes: &mut Crowd, count: usize) {
        for _ in 0..handshakes.end_oldest(count) {
            self.counters.refuse_connection(Refusal::Displaced);
        }
    }
}

/// Whether accepting can go on at once: what has failed is the connection, as accept(2) tells
/// it, and not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    const OF_ONE_CONNECTION: [Errno; 11] = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::INTR,
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
        Errno::PERM,
    ];
    Errno::from_io_error(error).is_some_and(|errno| OF_ONE_CONNECTION.contains(&errno))
}
