//! The times of a made-up host: all count from the base time of its description.

use jiff::Timestamp;

use super::{Error, Mistake};
use crate::spec_file::{Path, SpecFile, Time};

/// When a host is looked at whose description does not say: 2018-06-01T12:00:00Z, six weeks
/// after it was set up.
const BASE_TIME_S: i64 = 1_527_854_400;

const NS_PER_S: i64 = 1_000_000_000;

/// The base time, and what counts from it.
pub(super) struct Clock {
    base: Timestamp,
}

impl Clock {
    /// The clock of a description.
    pub(super) fn of(file: &SpecFile) -> Result<Self, Error> {
        let at = Path::default().key("baseTime");
        let base = match file.base_time {
            None => Timestamp::from_second(BASE_TIME_S).unwrap_or_default(),
            Some(Time::Absolute(base)) => base,
            Some(Time::Relative(_)) => return Err(Mistake::RelativeBase.at(at)),
        };
        let clock = Self { base };
        clock.ns(Time::Absolute(base), &at)?;
        Ok(clock)
    }

    /// The base time, in nanoseconds since the epoch.
    pub(super) fn base_ns(&self) -> i64 {
        ns(self.base).unwrap_or_default()
    }

    /// The time that the description says, in nanoseconds since the epoch.
    pub(super) fn ns(&self, time: Time, at: &Path) -> Result<i64, Error> {
        let too_far = || Mistake::Time(time.to_string()).at(at.clone());
        let absolute = match time {
            Time::Absolute(absolute) => absolute,
            Time::Relative(distance) => self.base.checked_add(distance).map_err(|_| too_far())?,
        };
        ns(absolute).ok_or_else(too_far)
    }

    /// The same in whole seconds.
    pub(super) fn s(&self, time: Time, at: &Path) -> Result<i64, Error> {
        Ok(self.ns(time, at)?.div_euclid(NS_PER_S))
    }
}

/// In nanoseconds, with years to spare on either side for what happens before and after.
fn ns(time: Timestamp) -> Option<i64> {
    const SPARE: i64 = 100 * 86_400 * NS_PER_S;
    let ns = i64::try_from(time.as_nanosecond()).ok()?;
    (i64::MIN + SPARE..=i64::MAX - SPARE)
        .contains(&ns)
        .then_some(ns)
}
