//! Accepting connections: so many at a time, each with so much time to say what it speaks. What
//! is bound is `listen`'s, what is said first is `handshake`'s, what comes then is tonic's.
//!
//! Clients who connect and say nothing are told from those who may make calls: they take no
//! one's place among these, and when there are too many of them the oldest make room.

use std::{
    future::Future,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    select,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    counters::{Counters, Refusal},
    crowd::Crowd,
    handshake::{Misspoken, Stream, establish},
    io::Socket,
    limits::{Limits, permits},
    tls::Tls,
};

/// How many connections of a listener may be about to say what they speak. Honest clients take
/// a moment for that: of those who take long, the oldest make room for newcomers.
const HANDSHAKES_MAX: usize = 512;

/// How long to wait after accepting has failed for want of something: it fails again as long as
/// there is none.
const BACK_OFF: Duration = Duration::from_millis(50);

/// How long there must have been no trouble for the next to be news, and logged.
const QUIET: Duration = Duration::from_secs(60);

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
    /// One permit for each connection that may still be opened.
    room: Arc<Semaphore>,
    handshake_timeout: Duration,
    /// How long a client may say nothing before HTTP/2 ends its connection.
    silence_max: Option<Duration>,
    counters: Counters,
}

/// A connection's place among those that may be open.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    silence_max: Option<Duration>,
    counters: Counters,
}

impl Place {
    /// Notes that the server has ended the connection, whose client had said nothing for so long.
    pub(super) fn leave_client_silent_for(&self, silence: Duration) {
        if self.silence_max.is_some_and(|max| silence >= max) {
            self.counters.keepalive_timeouts.inc();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.connections_open.dec();
    }
}

impl Door {
    pub(super) fn new(limits: &Limits, counters: Counters) -> Self {
        Self {
            room: permits(limits.connections),
            handshake_timeout: limits.handshake_timeout,
            silence_max: limits.silence_max(),
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
        let mut crowd = Trouble::default();
        let mut shortage = Trouble::default();
        loop {
            let accepted = select! {
                biased;
                () = admitted.closed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(_) if self.room.available_permits() == 0 => {
                    self.counters.connections_accepted.inc();
                    self.counters.refuse_connection(Refusal::Limit);
                    if crowd.is_news() {
                        tracing::warn!("as many connections are open as may be: refusing more");
                    }
                }
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
            Ok(Ok(wire)) => match self.place() {
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

    fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        self.counters.connections_open.inc();
        Some(Place {
            _permit: permit,
            silence_max: self.silence_max,
            counters: self.counters.clone(),
        })
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

/// Trouble that comes again and again, and is told once.
#[derive(Default)]
struct Trouble(Option<Instant>);

impl Trouble {
    /// Notes that it has come, and tells whether it had been quiet for long.
    fn is_news(&mut self) -> bool {
        let last = self.0.replace(Instant::now());
        last.is_none_or(|last| last.elapsed() >= QUIET)
    }
}
