//! ListenEvents (E-*): what happened, which of it a filter takes, and when a stream ends. Both
//! dialects are the same.

use std::ops::RangeInclusive;

use rkt_api::api::{Event, EventFilter};

/// Something that has happened on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// The event; its time is the earliest that would be right.
    pub event: Event,
    /// The seconds that would be right for its time (E-4).
    pub time_s: RangeInclusive<i64>,
    /// When it was over on disk, nanoseconds since the epoch.
    pub done_unix_ns: i64,
}

/// Whether `filter` takes an event that bears its final time (E-6, E-7, E-9).
pub fn takes(_filter: &EventFilter, _event: &Event) -> bool {
    todo!()
}

/// Which part of time a stream covers that was asked for at `called_unix_ns` (E-7 to E-11): events
/// before the call are replayed or not, the stream ends at once, at a second, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whether what happened before the call is part of the answer (those that [`takes`]).
    pub replays: bool,
    /// The second at whose beginning the stream ends with OK; `None` for never. Not in the
    /// future: it ends as soon as the replay is sent.
    pub ends_unix_s: Option<i64>,
    /// Whether it ends without waiting for anything.
    pub ends_at_once: bool,
}

/// What `filter` covers when it is asked for at `called_unix_ns`.
pub fn span(_filter: &EventFilter, _called_unix_ns: i64) -> Span {
    todo!()
}
