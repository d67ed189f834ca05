//! The places of open connections, so many in all. When all are taken, a newcomer gets that of a
//! connection that was not used for long, but for those by which streams are open; these can
//! take all places but some. So whoever has many connections, idle or half asked or with answers
//! that are not read, keeps nobody out, and one that was just made has time to ask.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{counters::Counters, limits::Limits};
use crate::{service::Connection, trouble::Trouble};

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
    connections: HashMap<u64, Connection>,
    /// Whose turn it is to make room, and when its last one was, if it had any. Also some that are
    /// gone.
    turns: VecDeque<(u64, Option<Instant>)>,
    /// Connections make room.
    crowd: Trouble,
    /// None can.
    siege: Trouble,
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

    /// A place for this connection: one that is free, else that of one that was not used for long,
    /// which is cut. `None` when streams are open by all of them.
    pub(super) fn take(&self, connection: Connection) -> Option<Place> {
        let mut taken = self.lock();
        if taken.connections.len() >= self.max {
            let Some(displaced) = taken.displace() else {
                if taken.siege.is_news() {
                    tracing::warn!("as many connections are open as may be, all with streams");
                }
                return None;
            };
            if taken.crowd.is_news() {
                tracing::warn!("as many connections are open as may be: others make room");
            }
            displaced.cut();
            self.counters.connections_displaced.inc();
        }
        connection.open();
        self.counters.connections_open.inc();
        Some(Place {
            number: taken.add(connection),
            places: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn add(&mut self, connection: Connection) -> u64 {
        let number = self.next;
        self.next += 1;
        self.connections.insert(number, connection);
        if self.turns.len() > 2 * self.connections.len() {
            let connections = &self.connections;
            (self.turns).retain(|(number, _)| connections.contains_key(number));
        }
        self.turns.push_back((number, None));
        number
    }

    /// Takes its place from a connection without streams or calls that was not used since its last
    /// turn, or else from the one that was not used for longest. All in all that is a look or two for each
    /// newcomer, unless most connections are in use.
    fn displace(&mut self) -> Option<Connection> {
        let now = Instant::now();
        for _ in 0..self.turns.len() {
            let (number, last_turn) = self.turns.pop_front()?;
            let Some(connection) = self.connections.get(&number) else {
                continue;
            };
            // Calls take their time.
            let idle_since = connection.idle_since().filter(|_| !connection.is_calling());
            if idle_since.is_some_and(|since| last_turn.is_some_and(|turn| since <= turn)) {
                return self.connections.remove(&number);
            }
            self.turns.push_back((number, Some(now)));
        }
        // All are in use, or have had no turn before.
        let connections = self.connections.iter();
        let all = connections.filter_map(|(number, each)| {
            let since = each.idle_since()?;
            Some((each.is_calling(), since, *number))
        });
        let all: Vec<_> = all.collect();
        let calling = all.iter().filter(|(is_calling, ..)| *is_calling).count();
        // Where most ask, they do so by halves, and who has come to ask has not begun yet.
        let (_, _, number) = match 2 * calling <= all.len() {
            true => all.into_iter().min(),
            false => all.into_iter().min_by_key(|(_, since, _)| *since),
        }?;
        self.connections.remove(&number)
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
        self.places.lock().connections.remove(&self.number);
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
    fn who_does_not_use_its_place_makes_room_but_for_streams() {
        let [streaming, calling, recent, unused] = std::array::from_fn(|_| Connection::default());
        let places = places(4);
        let take = |connection: &Connection| places.take(connection.clone());
        let mut held: Vec<_> = [&recent, &streaming, &calling, &unused].map(take).into();
        let stream = streaming.begin_stream(&permits(1)).unwrap();
        calling.begin_call();
        recent.begin_call();
        recent.end_call();
        let newcomers = [(); 3].map(|()| Connection::default());
        let [first, ..] = &newcomers;
        for (next, newcomer) in [&unused, &recent, first].into_iter().zip(&newcomers) {
            assert!(!is_cut(next));
            held.push(take(newcomer));
            assert!(is_cut(next));
        }
        assert!(!is_cut(&streaming));
        assert_eq!(places.counters.connections_displaced.get(), 3);

        let all = permits(3);
        let [_, second, third] = &newcomers;
        let streams = [&calling, second, third].map(|each| each.begin_stream(&all).unwrap());
        assert!(take(&Connection::default()).is_none());
        drop(stream);
        held.push(take(&Connection::default()));
        assert!(is_cut(&streaming));
        drop(streams);
    }

    #[test]
    fn who_came_last_does_not_make_room_first() {
        let places = places(3);
        let take = || {
            let connection = Connection::default();
            (connection.clone(), places.take(connection).unwrap())
        };
        let [_, busy, busier] = [(); 3].map(|()| take());
        for (connection, _) in [&busy, &busier] {
            connection.begin_call();
            connection.end_call();
        }
        let newcomers = [(); 2].map(|()| take());
        assert_eq!(newcomers.map(|(newcomer, _)| is_cut(&newcomer)), [false; 2]);
        assert!(is_cut(&busy.0) && !is_cut(&busier.0));
    }

    #[test]
    fn who_waits_for_an_answer_does_not_make_room_before_others() {
        let places = places(3);
        let take = || {
            let connection = Connection::default();
            (connection.clone(), places.take(connection).unwrap())
        };
        let [_idle, (calling, _calling)] = [(); 2].map(|()| take());
        calling.begin_call();
        let _others: Vec<_> = (0..20).map(|_| take()).collect();
        assert!(!is_cut(&calling));
    }

    #[test]
    fn those_that_are_gone_are_not_remembered() {
        let places = places(8);
        for _ in 0..1000 {
            drop(places.take(Connection::default()));
        }
        assert!(places.lock().turns.len() < 10);
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
        assert_eq!(places.lock().connections.len(), 1);
    }
}
