//! Answers that wait to be read. Whoever asks and does not read has the server hold the answer, be
//! it of 10,000 pods: so many bytes of them are held in all. When there are more, those who have
//! left theirs unread for a while are cut off, longest first; what then is still too much is
//! refused.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::limits::SMALL_BYTES;
use crate::service::Connection;

/// How long an answer may be unread before its client makes room for others: however much is
/// asked for at once, none is cut off that reads on.
const HURRY: Duration = Duration::from_secs(2);

/// What was answered and not read so far. Clones hold together.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    held: Arc<Mutex<Held>>,
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct Held {
    /// Beside the first of each part.
    size_bytes: usize,
    next: u64,
    oldest_first: BTreeMap<u64, Part>,
}

/// A part of an answer.
#[derive(Debug)]
struct Part {
    size_bytes: usize,
    since: Instant,
    connection: Connection,
}

/// There is no room for an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Unread {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            held: Arc::default(),
            limit_bytes,
        }
    }

    /// `data`, which counts as long as the transport holds it.
    ///
    /// # Errors
    ///
    /// When there is no room for it.
    pub(super) fn hold(&self, data: Bytes, connection: &Connection) -> Result<Bytes, Full> {
        let size_bytes = data.len().saturating_sub(SMALL_BYTES);
        if size_bytes == 0 {
            return Ok(data);
        }
        let mut held = self.lock();
        held.make_room(size_bytes, self.limit_bytes, HURRY)?;
        let number = held.next;
        held.next += 1;
        held.size_bytes += size_bytes;
        let part = Part {
            size_bytes,
            since: Instant::now(),
            connection: connection.clone(),
        };
        held.oldest_first.insert(number, part);
        Ok(Bytes::from_owner(Holding {
            data,
            number,
            unread: self.clone(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Makes room for so many bytes, where what is held for `hurry` and longer can make some. An
    /// answer that is too large for all there is may be the only one.
    fn make_room(
        &mut self,
        size_bytes: usize,
        limit_bytes: usize,
        hurry: Duration,
    ) -> Result<(), Full> {
        while self.size_bytes > 0 && self.size_bytes.saturating_add(size_bytes) > limit_bytes {
            let (number, oldest) = self.oldest_first.first_key_value().ok_or(Full)?;
            if oldest.since.elapsed() < hurry {
                return Err(Full);
            }
            tracing::info!("a client does not read its answers, and is cut off");
            oldest.connection.cut();
            let number = *number;
            self.let_go(number);
        }
        Ok(())
    }

    fn let_go(&mut self, number: u64) {
        // It is not there where it had to make room.
        if let Some(part) = self.oldest_first.remove(&number) {
            self.size_bytes -= part.size_bytes;
        }
    }
}

/// A part of an answer that the transport holds.
struct Holding {
    data: Bytes,
    number: u64,
    unread: Unread,
}

impl AsRef<[u8]> for Holding {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.unread.lock().let_go(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(large_bytes: usize) -> Bytes {
        vec![0; SMALL_BYTES + large_bytes].into()
    }

    #[test]
    fn large_answers_share_the_room_and_small_ones_do_not_need_it() {
        let connection = Connection::default();
        let unread = Unread::new(100);
        let held = unread.hold(data(60), &connection).unwrap();
        assert_eq!(held.len(), SMALL_BYTES + 60);
        let part = held.slice(10..);
        drop(held);
        assert_eq!(unread.hold(data(41), &connection), Err(Full));
        let small = unread.hold(data(0), &connection).unwrap();
        let other = unread.hold(data(40), &connection).unwrap();
        drop(part);
        unread.hold(data(60), &connection).unwrap();
        drop((small, other));
        // Alone, it may be as large as it is.
        let alone = unread.hold(data(1000), &connection).unwrap();
        assert_eq!(unread.hold(data(1), &connection), Err(Full));
        drop(alone);
        assert_eq!(unread.lock().size_bytes, 0);
    }

    #[tokio::test]
    async fn who_does_not_read_for_longest_makes_room() {
        let [first, second] = [Connection::default(), Connection::default()];
        let unread = Unread::new(100);
        let oldest = unread.hold(data(50), &first).unwrap();
        let _newer = unread.hold(data(50), &second).unwrap();
        let make_room = |hurry| unread.lock().make_room(1, 100, hurry);
        assert_eq!(make_room(HURRY), Err(Full));
        make_room(Duration::ZERO).unwrap();
        assert_eq!(unread.lock().size_bytes, 50);
        first.when_cut().await;
        drop(oldest);
        assert_eq!(unread.lock().size_bytes, 50);
    }
}
