//! The places of open connections, so many in all. When all are taken, a newcomer gets that of the
//! connection that was not used for longest, but for those by which streams are open; these can
//! take all places but some. So whoever has many connections, idle or half asked or with answers
//! that are not read, keeps nobody out, and one that was just made has time to ask.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{counters::Counters, limits::Limits, trouble::Trouble};
use crate::service::Connection;

/// Who has a place. Clones are the same places.
#[derive(Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    /// How long a client may say nothing before HTTP/2 ends its connection.
    silence_max: Option<Duration>,
    counters: Counters,
}

#[derive(Default)]
struct Taken {
    next: u64,
    oldest_first: BTreeMap<u64, Connection>,
    crowd: Trouble,
}

/// A connection's place, until this is gone or somebody else needs it more.
pub(super) struct Place {
    number: u64,
    places: Places,
}

impl Places {
    pub(super) fn new(limits: &Limits, counters: Counters) -> Self {
        Self {
            taken: Arc::default(),
            max: limits.connections,
            silence_max: limits.silence_max(),
            counters,
        }
    }

    /// A place for this connection: one that is free, else that of the connection that was not
    /// used for longest, which is cut. `None` when streams are open by all of them.
    pub(super) fn take(&self, connection: Connection) -> Option<Place> {
        let mut taken = self.lock();
        if taken.oldest_first.len() >= self.max {
            if taken.crowd.is_news() {
                tracing::warn!("as many connections are open as may be");
            }
            taken.displace()?.cut();
            self.counters.connections_displaced.inc();
        }
        let number = taken.next;
        taken.next += 1;
        taken.oldest_first.insert(number, connection);
        self.counters.connections_open.inc();
        Some(Place {
            number,
            places: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes its place from the connection that was not used for longest, if one has no stream.
    fn displace(&mut self) -> Option<Connection> {
        let idle = self
            .oldest_first
            .iter()
            .filter_map(|(number, connection)| Some((connection.idle_since()?, *number)));
        let (_, number) = idle.min()?;
        self.oldest_first.remove(&number)
    }
}

impl Place {
    /// Notes that the server has ended the connection, whose client had said nothing for so long.
    pub(super) fn leave_client_silent_for(&self, silence: Duration) {
        let max = self.places.silence_max;
        if max.is_some_and(|max| silence >= max) {
            self.places.counters.keepalive_timeouts.inc();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It is not there where it was displaced.
        self.places.lock().oldest_first.remove(&self.number);
        self.places.counters.connections_open.dec();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::server::limits::permits;

    fn places(connections: usize) -> Places {
        let limits = Limits {
            connections,
            ..Limits::default()
        };
        Places::new(&limits, Counters::default())
    }

    fn is_cut(connection: &Connection) -> bool {
        connection.clone().when_cut().now_or_never().is_some()
    }

    #[test]
    fn who_was_not_used_for_longest_makes_room_but_for_streams() {
        let [streaming, calling, recent, unused] = std::array::from_fn(|_| Connection::default());
        let places = places(4);
        let take = |connection: &Connection| places.take(connection.clone());
        let mut held: Vec<_> = [&recent, &streaming, &calling, &unused].map(take).into();
        let stream = streaming.begin_stream(&permits(1)).unwrap();
        calling.begin_call();
        recent.begin_call();
        recent.end_call();
        let newcomers = [(); 3].map(|()| Connection::default());
        for (oldest, newcomer) in [&unused, &calling, &recent].into_iter().zip(&newcomers) {
            assert!(!is_cut(oldest));
            held.push(take(newcomer));
            assert!(is_cut(oldest));
        }
        assert!(!is_cut(&streaming));
        assert_eq!(places.counters.connections_displaced.get(), 3);

        let all = permits(3);
        let streams = newcomers.map(|newcomer| newcomer.begin_stream(&all).unwrap());
        assert!(take(&Connection::default()).is_none());
        drop(stream);
        held.push(take(&Connection::default()));
        assert!(is_cut(&streaming));
        drop(streams);
    }

    #[test]
    fn a_place_that_was_left_is_free() {
        let places = places(2);
        let [first, second] = std::array::from_fn(|_| Connection::default());
        let _first = places.take(first.clone());
        drop(places.take(second.clone()));
        let _third = places.take(Connection::default());
        assert!(!is_cut(&first) && !is_cut(&second));
        let fourth = places.take(Connection::default());
        assert!(is_cut(&first));
        // One that was displaced has nothing to leave.
        drop(fourth);
        assert_eq!(places.lock().oldest_first.len(), 1);
    }
}
