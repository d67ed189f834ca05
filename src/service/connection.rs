//! A client's connection, as far as calls have a say in it: one whose client does not read can
//! be cut, or one that is not used. A stream alone cannot: what is to be sent on it waits until its
//! client reads.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Peer {
    /// It had gone before anybody asked.
    #[default]
    Unknown,
    /// A client at this address.
    Tcp(SocketAddr),
    /// A process of this machine, by a Unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The connection that a call came by. The transport heeds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(Arc<State>);

#[derive(Debug, Default)]
struct State {
    peer: Peer,
    calls: Mutex<Calls>,
    is_cut: watch::Sender<bool>,
    is_stuck: watch::Sender<bool>,
}

/// The calls that have come by a connection.
#[derive(Debug)]
struct Calls {
    under_way: u32,
    /// When the last one began or ended, or else when they could come.
    used_at: Instant,
    /// What all streams that are open share.
    streaming: Weak<OwnedSemaphorePermit>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            under_way: 0,
            used_at: Instant::now(),
            streaming: Weak::new(),
        }
    }
}

impl Connection {
    /// A connection with this client.
    pub(crate) fn with(peer: Peer) -> Self {
        Self(Arc::new(State {
            peer,
            ..State::default()
        }))
    }

    /// Whose connection it is.
    pub(crate) fn peer(&self) -> Peer {
        self.0.peer
    }

    /// Notes that calls can come by it from now on.
    pub(crate) fn open(&self) {
        self.calls().used_at = Instant::now();
    }

    /// Notes that a call has come by it. Returns how many are under way, this one included.
    pub(crate) fn begin_call(&self) -> u32 {
        let mut calls = self.calls();
        calls.under_way += 1;
        calls.used_at = Instant::now();
        calls.under_way
    }

    /// Notes that one of the calls has ended.
    pub(crate) fn end_call(&self) {
        let mut calls = self.calls();
        calls.under_way -= 1;
        calls.used_at = Instant::now();
    }

    /// What a stream holds for as long as it is open, the same for all of this connection. With the
    /// first of them it is taken from `connections`; `None` when there is no more.
    pub(crate) fn begin_stream(
        &self,
        connections: &Arc<Semaphore>,
    ) -> Option<Arc<OwnedSemaphorePermit>> {
        let mut calls = self.calls();
        if let Some(streaming) = calls.streaming.upgrade() {
            return Some(streaming);
        }
        let streaming = Arc::clone(connections).try_acquire_owned().ok()?;
        let streaming = Arc::new(streaming);
        calls.streaming = Arc::downgrade(&streaming);
        Some(streaming)
    }

    /// Whether a call is under way.
    pub(crate) fn is_calling(&self) -> bool {
        self.calls().under_way > 0
    }

    /// When anything was asked or answered by it last; `None` while streams are open.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let calls = self.calls();
        (calls.streaming.strong_count() == 0).then_some(calls.used_at)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the transport let the connection go, with everything that waits in it.
    pub(crate) fn cut(&self) {
        self.0.is_cut.send_replace(true);
    }

    /// Waits until the connection is to be let go.
    pub(crate) async fn when_cut(self) {
        wait_for(&self.0.is_cut, true).await;
    }

    /// Notes whether the client leaves what was sent to it unread.
    pub(crate) fn set_stuck(&self, is_stuck: bool) {
        if *self.0.is_stuck.borrow() != is_stuck {
            self.0.is_stuck.send_replace(is_stuck);
        }
    }

    /// Waits until the client has taken what was sent to it, as far as the transport knows.
    pub(super) async fn is_flowing(&self) {
        wait_for(&self.0.is_stuck, false).await;
    }
}

async fn wait_for(sender: &watch::Sender<bool>, wanted: bool) {
    // The sender is there for as long as this borrows it.
    let _ = sender.subscribe().wait_for(|is| *is == wanted).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_to_one_is_done_to_all_of_its_calls() {
        let connection = Connection::default();
        connection.is_flowing().await;
        connection.set_stuck(true);
        let same = connection.clone();
        let mut flowing = std::pin::pin!(same.is_flowing());
        tokio::select! {
            biased;
            () = &mut flowing => panic!("it is stuck"),
            () = std::future::ready(()) => {}
        }
        connection.set_stuck(false);
        flowing.await;
        connection.cut();
        same.clone().when_cut().await;
    }
}
