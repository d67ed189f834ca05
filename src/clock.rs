//! The time of day, by a clock that somebody may set back or forth at any moment. How long things
//! take is measured by other clocks, where that is done.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long whoever waits for a time of day may sleep before looking at the clock again: it may
/// have been set, and such times are kept within 250 ms (E-10).
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A clock that tells the time of day.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's own.
    pub(crate) fn of_the_machine() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// The time since the epoch. A clock before 1970 stands still.
    pub(crate) fn unix_time(&self) -> Duration {
        let since = (self.0)().duration_since(UNIX_EPOCH);
        since.unwrap_or_default()
    }

    /// The whole seconds since the epoch.
    pub(crate) fn unix_time_s(&self) -> i64 {
        i64::try_from(self.unix_time().as_secs()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.unix_time()).finish()
    }
}

/// A clock that tests set by hand, and that stands still otherwise.
#[cfg(test)]
#[derive(Clone, Debug)]
pub(crate) struct HandSet(Arc<std::sync::atomic::AtomicI64>);

#[cfg(test)]
impl HandSet {
    /// One that shows so many seconds since the epoch.
    pub(crate) fn at(unix_s: i64) -> Self {
        Self(Arc::new(unix_s.into()))
    }

    pub(crate) fn set(&self, unix_s: i64) {
        self.0.store(unix_s, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let Self(unix_s) = self.clone();
        Clock(Arc::new(move || {
            let unix_s = unix_s.load(std::sync::atomic::Ordering::SeqCst);
            let distance = Duration::from_secs(unix_s.unsigned_abs());
            match unix_s {
                0.. => UNIX_EPOCH + distance,
                _ => UNIX_EPOCH - distance,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_1970_it_stands_still() {
        let hand = HandSet::at(7);
        let clock = hand.clock();
        assert_eq!(clock.unix_time(), Duration::from_secs(7));
        hand.set(-7);
        assert_eq!(
            (clock.unix_time(), clock.unix_time_s()),
            (Duration::ZERO, 0)
        );
    }
}
