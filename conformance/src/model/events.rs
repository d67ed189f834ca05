//! ListenEvents (E-*): what happened, which of it a filter takes, and when a stream ends. Both
//! dialects are the same.

use std::{ops::RangeInclusive, sync::Arc};

use rkt_api::api::{Event, EventFilter, EventType, KeyValue};
use uuid::Uuid;

use super::{
    World,
    facts::{App, Image, Moment},
};

const NANOS: i64 = 1_000_000_000;

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

impl World {
    /// Adds what happened within `moment`.
    pub(super) fn happened(&mut self, event: Event, moment: &Moment) {
        let (from, to) = (*moment.start(), *moment.end());
        // E-4: the server may learn of it a second later.
        let time_s = from.div_euclid(NANOS)..=to.saturating_add(NANOS).div_euclid(NANOS);
        let event = Event {
            time: *time_s.start(),
            ..event
        };
        Arc::make_mut(&mut self.events).push(Happening {
            event,
            time_s,
            done_unix_ns: to,
        });
    }
}

/// An event of a pod, without its time (E-2, E-3).
pub(super) fn pod_event(of: EventType, id: Uuid) -> Event {
    Event {
        r#type: of.into(),
        id: id.hyphenated().to_string(),
        from: format!("rkt-{}", id.hyphenated()),
        ..Event::default()
    }
}

/// An event of an app, without its time (E-2, E-3, E-5).
pub(super) fn app_event(of: EventType, id: Uuid, app: &App, exit_code: Option<i32>) -> Event {
    let mut data = vec![pair("image_id", &app.image_id)];
    if let Some(image) = &app.image {
        data.push(pair("image_name", &image.name));
    }
    if let Some(code) = exit_code {
        data.push(pair("exit_code", code));
    }
    Event {
        r#type: of.into(),
        id: id.hyphenated().to_string(),
        from: app.name.clone(),
        data,
        ..Event::default()
    }
}

/// An event of an image, without its time (E-2, E-3, E-5).
pub(super) fn image_event(of: EventType, image: &Image) -> Event {
    let manifest = image.manifest.as_ref();
    let version = manifest.map(|manifest| pair("version", &manifest.version));
    Event {
        r#type: of.into(),
        id: image.id.clone(),
        from: manifest
            .map_or(&image.row_name, |manifest| &manifest.name)
            .clone(),
        data: version.into_iter().collect(),
        ..Event::default()
    }
}

fn pair(key: &str, value: impl ToString) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.to_string(),
    }
}

/// Whether `filter` takes an event that bears its final time (E-6, E-7, E-9).
pub fn takes(filter: &EventFilter, event: &Event) -> bool {
    let EventFilter {
        types,
        ids,
        names,
        since_time,
        until_time,
    } = filter;
    (types.is_empty() || types.contains(&event.r#type))
        && (ids.is_empty() || ids.contains(&event.id))
        && (names.is_empty() || names.contains(&event.from))
        // W-7: times that are not positive are not set.
        && (*since_time <= 0 || event.time > *since_time)
        && (*until_time <= 0 || event.time < *until_time)
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
pub fn span(filter: &EventFilter, called_unix_ns: i64) -> Span {
    let called_s = called_unix_ns.div_euclid(NANOS);
    let set = |time_s: i64| (time_s > 0).then_some(time_s);
    // A second is in the future until it begins.
    let is_over = |time_s: i64| time_s <= called_s;
    let (since, until) = (set(filter.since_time), set(filter.until_time));
    let ends_at_once = until.is_some_and(is_over);
    Span {
        replays: match since {
            // E-7, E-8
            Some(since) => is_over(since),
            // E-11
            None => ends_at_once,
        },
        // E-9
        ends_unix_s: until,
        ends_at_once,
    }
}
