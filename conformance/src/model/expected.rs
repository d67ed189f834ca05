//! What a server is to answer, with the leeway that a description leaves: times that only the
//! disk or the server's clock knows. Everything else has to be equal.

use std::ops::RangeInclusive;

use rkt_api::api::{Image, Pod};
use tonic::Code;

/// A message that is expected, but for times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected<M: Timed> {
    /// The message; each time in it is one that would be right.
    pub message: M,
    /// Between what the times in it may lie.
    pub times: M::Times,
}

/// A message with times in it that a description does not fix.
pub trait Timed: Clone + PartialEq + std::fmt::Debug {
    /// The ranges of these times.
    type Times: Clone + Default + PartialEq + Eq + std::fmt::Debug;

    /// The same message with the times of `observed` where these lie within `times`.
    fn with_times_of(&self, observed: &Self, times: &Self::Times) -> Self;
}

impl<M: Timed> Expected<M> {
    /// The message to compare `observed` with: equal to it if and only if it is as expected.
    pub fn seen_as(&self, observed: &M) -> M {
        self.message.with_times_of(observed, &self.times)
    }
}

/// The ranges of a pod's times, nanoseconds since the epoch; `None` where only the message's
/// own is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTimes {
    /// `created_at`
    pub created_at: Option<RangeInclusive<i64>>,
    /// `started_at`
    pub started_at: Option<RangeInclusive<i64>>,
    /// `gc_marked_at`
    pub gc_marked_at: Option<RangeInclusive<i64>>,
}

impl Timed for Pod {
    type Times = PodTimes;

    fn with_times_of(&self, observed: &Self, times: &PodTimes) -> Self {
        let take = |own: i64, seen: i64, range: &Option<RangeInclusive<i64>>| match range {
            Some(range) if range.contains(&seen) => seen,
            _ => own,
        };
        Self {
            created_at: take(self.created_at, observed.created_at, &times.created_at),
            started_at: take(self.started_at, observed.started_at, &times.started_at),
            gc_marked_at: take(
                self.gc_marked_at,
                observed.gc_marked_at,
                &times.gc_marked_at,
            ),
            ..self.clone()
        }
    }
}

/// The range of an image's import time, seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageTimes {
    /// `import_timestamp`
    pub import_timestamp: Option<RangeInclusive<i64>>,
}

impl Timed for Image {
    type Times = ImageTimes;

    fn with_times_of(&self, observed: &Self, times: &ImageTimes) -> Self {
        let seen = observed.import_timestamp;
        let is_right = times
            .import_timestamp
            .as_ref()
            .is_some_and(|range| range.contains(&seen));
        Self {
            import_timestamp: if is_right {
                seen
            } else {
                self.import_timestamp
            },
            ..self.clone()
        }
    }
}

/// An error that is expected instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// What the message has to name; the model server's message is made of it.
    pub names: String,
}
