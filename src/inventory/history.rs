//! What has happened since the server started, in order, as far back as it is kept. Listeners
//! read it, each from where it is; so none slows another, and nothing is copied for any.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::sync::watch;

use super::{counters::set, lock};
use crate::clock::Clock;

/// What kind of thing has happened (clause E-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    PodPrepared,
    PodPrepareAborted,
    PodStarted,
    PodExited,
    PodGarbageCollected,
    AppStarted,
    AppExited,
    ImageImported,
    ImageRemoved,
}

impl EventKind {
    const ALL: [Self; 9] = [
        Self::PodPrepared,
        Self::PodPrepareAborted,
        Self::PodStarted,
        Self::PodExited,
        Self::PodGarbageCollected,
        Self::AppStarted,
        Self::AppExited,
        Self::ImageImported,
        Self::ImageRemoved,
    ];

    /// The label that it is counted by.
    fn label(self) -> TypeLabel {
        TypeLabel {
            r#type: match self {
                Self::PodPrepared => "pod_prepared",
                Self::PodPrepareAborted => "pod_prepare_aborted",
                Self::PodStarted => "pod_started",
                Self::PodExited => "pod_exited",
                Self::PodGarbageCollected => "pod_garbage_collected",
                Self::AppStarted => "app_started",
                Self::AppExited => "app_exited",
                Self::ImageImported => "image_imported",
                Self::ImageRemoved => "image_removed",
            },
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabel {
    r#type: &'static str,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    /// When the server learned of it, seconds since the epoch. Less than that of an event before
    /// it where the clock was set back in between.
    pub(crate) time_s: i64,
    /// The pod's UUID, or the image's id.
    pub(crate) id: String,
    /// The name of the pod, the app or the image.
    pub(crate) from: String,
    /// More about it, by name (E-5).
    pub(crate) data: Vec<(&'static str, String)>,
}

/// The newest events.
#[derive(Debug)]
pub(crate) struct History {
    ring: Mutex<Ring>,
    clock: Clock,
    /// The number of the event that comes next.
    next: watch::Sender<u64>,
    capacity: usize,
    /// How many are kept for those who are behind.
    buffer: usize,
    happened_count: Family<TypeLabel, Counter>,
    kept_count: Gauge,
}

#[derive(Debug)]
struct Ring {
    /// The number of the first event that is kept.
    first: u64,
    events: VecDeque<Arc<Event>>,
    /// The latest time of an event that is not kept for who asks for the past.
    lost_until_s: Option<i64>,
}

/// Events are missing that were asked for: they are no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl History {
    /// A history that keeps the newest `capacity` events for those who ask for the past, and the
    /// newest `buffer` for those who are behind. When they happened, `clock` tells.
    pub(super) fn new(capacity: usize, buffer: usize, clock: Clock) -> Self {
        let ring = Ring {
            first: 0,
            events: VecDeque::new(),
            lost_until_s: None,
        };
        let history = Self {
            ring: Mutex::new(ring),
            clock,
            next: watch::Sender::new(0),
            capacity,
            buffer: buffer.max(1),
            happened_count: Family::default(),
            kept_count: Gauge::default(),
        };
        for kind in EventKind::ALL {
            drop(history.happened_count.get_or_create(&kind.label()));
        }
        history
    }

    /// Adds what is counted of events to the metrics that are told.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rkt_api_events",
            "Events that have happened, by type",
            self.happened_count.clone(),
        );
        registry.register(
            "rkt_api_events_kept",
            "Events that are kept for listeners who ask for the past or are behind",
            self.kept_count.clone(),
        );
    }

    /// Adds what has happened just now.
    pub(super) fn add(&self, happened: impl IntoIterator<Item = Event>) {
        let mut ring = lock(&self.ring);
        let time_s = self.clock.unix_time_s();
        let mut count = 0;
        for event in happened {
            self.happened_count.get_or_create(&event.kind.label()).inc();
            ring.events.push_back(Arc::new(Event { time_s, ..event }));
            count += 1;
            let kept = ring.events.len();
            if let Some(lost) = kept.checked_sub(self.capacity.saturating_add(1)) {
                let lost_s = Some(ring.events[lost].time_s);
                // Whatever the clock was then, it has happened before now.
                ring.lost_until_s = ring.lost_until_s.max(lost_s).min(Some(time_s));
            }
            if kept > self.capacity.max(self.buffer) {
                ring.events.pop_front();
                ring.first += 1;
            }
        }
        set(&self.kept_count, ring.events.len());
        if count > 0 {
            self.next.send_modify(|next| *next += count);
        }
    }

    /// The time, in Unix seconds, and the number of the event that comes next. Unless the clock is
    /// set, those before it have no later time, and those from it on no earlier one.
    pub(crate) fn now(&self) -> (i64, u64) {
        let _ring = lock(&self.ring);
        (self.clock.unix_time_s(), *self.next.borrow())
    }

    /// Tells when there are more.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    /// The number of the first event whose time is after this one. Of those that follow it, some
    /// may have an earlier time, where the clock was set back.
    ///
    /// # Errors
    ///
    /// When events after this time are no longer kept.
    pub(crate) fn after(&self, time_s: i64) -> Result<u64, Lost> {
        let ring = lock(&self.ring);
        if ring.lost_until_s.is_some_and(|lost_s| lost_s > time_s) {
            return Err(Lost);
        }
        let mut events = ring.events.iter();
        let before = events.position(|event| event.time_s > time_s);
        Ok(ring.first + before.unwrap_or(ring.events.len()) as u64)
    }

    /// Up to `most` events from this number on.
    ///
    /// # Errors
    ///
    /// When some of them are no longer kept.
    pub(crate) fn from(&self, number: u64, most: usize) -> Result<Vec<Arc<Event>>, Lost> {
        let ring = lock(&self.ring);
        let skip = number.checked_sub(ring.first).ok_or(Lost)?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Ok(ring.events.iter().skip(skip).take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HandSet;

    /// When all begins.
    const NOON_S: i64 = 1_500_000_000;
    const HOUR_S: i64 = 3600;

    /// A history, and the clock that it goes by.
    fn history(capacity: usize, buffer: usize) -> (History, HandSet) {
        let hand = HandSet::at(NOON_S);
        (History::new(capacity, buffer, hand.clock()), hand)
    }

    fn event(id: usize) -> Event {
        Event {
            kind: EventKind::PodStarted,
            time_s: 0,
            id: id.to_string(),
            from: String::new(),
            data: Vec::new(),
        }
    }

    fn ids(events: &[Arc<Event>]) -> Vec<&str> {
        events.iter().map(|event| event.id.as_str()).collect()
    }

    #[test]
    fn the_newest_are_kept() {
        let (history, _) = history(3, 0);
        assert_eq!(history.after(0), Ok(0));
        history.add((0..5).map(event));
        assert_eq!(history.now().1, 5);
        assert_eq!(ids(&history.from(2, 9).unwrap()), ["2", "3", "4"]);
        assert_eq!(ids(&history.from(3, 1).unwrap()), ["3"]);
        assert_eq!(ids(&history.from(5, 9).unwrap()), [""; 0]);
        assert_eq!(history.from(1, 9), Err(Lost));
    }

    #[test]
    fn any_number_may_be_kept() {
        let (history, _) = history(usize::MAX, 0);
        history.add((0..2).map(event));
        assert_eq!(ids(&history.from(0, 9).unwrap()), ["0", "1"]);
    }

    #[test]
    fn what_is_lost_is_said() {
        let (history, _) = history(1, 0);
        history.add([event(0)]);
        assert_eq!(history.after(NOON_S - 1), Ok(0));
        history.add([event(1)]);
        assert_eq!(history.after(NOON_S - 1), Err(Lost));
        assert_eq!(history.after(NOON_S), Ok(2));
    }

    #[test]
    fn who_is_behind_may_be_so_further_than_the_past_is_kept() {
        let (history, _) = history(0, 2);
        history.add((0..3).map(event));
        assert_eq!(ids(&history.from(1, 9).unwrap()), ["1", "2"]);
        assert_eq!(history.from(0, 9), Err(Lost));
        assert_eq!(history.after(NOON_S - 1), Err(Lost));
        assert_eq!(history.after(NOON_S), Ok(3));
    }

    #[test]
    fn each_has_the_time_that_the_clock_showed() {
        let (history, hand) = history(9, 0);
        for (id, after_s) in [HOUR_S, -HOUR_S, 0, HOUR_S].into_iter().enumerate() {
            hand.set(NOON_S + after_s);
            history.add([event(id)]);
        }
        let events = history.from(0, 9).unwrap();
        let times_s: Vec<_> = events.iter().map(|event| event.time_s - NOON_S).collect();
        assert_eq!(times_s, [HOUR_S, -HOUR_S, 0, HOUR_S]);
        // All that have happened since the first that was after that time.
        assert_eq!(history.after(NOON_S + HOUR_S - 1), Ok(0));
        assert_eq!(history.after(NOON_S + HOUR_S), Ok(4));
    }

    #[test]
    fn the_past_that_is_lost_does_not_lie_ahead() {
        let (history, hand) = history(1, 0);
        // Somebody has set the clock to another year for a moment.
        hand.set(NOON_S + 10_000 * HOUR_S);
        history.add([event(0)]);
        hand.set(NOON_S);
        history.add([event(1)]);
        assert_eq!(history.after(NOON_S - 1), Err(Lost));
        hand.set(NOON_S + HOUR_S);
        history.add([event(2)]);
        assert_eq!(history.after(NOON_S - 1), Err(Lost));
        assert_eq!(history.after(NOON_S), Ok(2));
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let (history, _) = history(9, 0);
        let mut next = history.subscribe();
        history.add([]);
        assert!(!next.has_changed().unwrap());
        history.add([event(0)]);
        next.changed().await.unwrap();
        assert_eq!(*next.borrow(), 1);
    }
}
