//! The places of open connections, so many in all. When all are taken, a newcomer gets that of a
//! connection by which no call is under way: who connects and asks for nothing keeps nobody out.

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

    /// A place for this connection: one that is free, else that of the connection that is least
    /// used, which is cut. `None` when calls are under way by all of them.
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
    /// Takes its place from the connection that is least used, if one is idle.
    fn displace(&mut self) -> Option<Connection> {
        let idle = self
            .oldest_first
            .iter()
            .filter_map(|(number, connection)| Some((connection.idle()?, *number)));
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
    fn who_does_least_with_a_place_makes_room() {
        let [calling, recent, former, unused] = std::array::from_fn(|_| Connection::default());
        let places = places(4);
        let take = |connection: &Connection| places.take(connection.clone());
        let mut held: Vec<_> = [&recent, &calling, &unused, &former].map(take).into();
        for connection in [&former, &recent, &calling] {
            connection.begin_call();
        }
        former.end_call();
        recent.end_call();
        // Who has come and never asked, then who has not asked for longest.
        for next in [&unused, &former, &recent] {
            assert!(!is_cut(next));
            let newcomer = Connection::default();
            newcomer.begin_call();
            held.push(take(&newcomer));
            assert!(is_cut(next));
        }
        assert!(take(&Connection::default()).is_none());
        assert!(!is_cut(&calling));
        assert_eq!(places.counters.connections_displaced.get(), 3);
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
