//! ListenEvents (clauses E): from the history of what has happened to one listener's stream.
//!
//! Each listener has a task that reads the history from its own place on, so a slow one slows
//! no other. What waits for it is counted, not copied.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Connection, Parts, counters::Loss};
use crate::{
    api::{Event, EventFilter, ListenEventsResponse},
    clock,
    filter::event_matches,
    inventory::{self, History, Lost},
};

/// The stream of a ListenEvents call.
pub(super) type Events = ReceiverStream<Result<ListenEventsResponse, Status>>;

/// How many events are put into one message at most (E-15).
const EVENTS_PER_MESSAGE: usize = 1000;

/// How large a message is at least that is not filled any further: clients take 4 MiB by
/// default.
const MESSAGE_BYTES: usize = 1 << 20;

/// How long a listener may take to read before what waits for it is counted: however much
/// happens at once, none is slow that reads on. And how long it may take to hear what there is, when
/// the server goes down.
const HURRY: Duration = Duration::from_secs(1);

/// How long a listener that was too slow has to read that it was, before it is cut off (E-14).
const LAST_WORD: Duration = Duration::from_secs(10);

/// Begins the stream of a listener. When this returns, nothing that happens from now on is
/// missed (E-11).
pub(super) async fn answer(
    service: &Arc<Parts>,
    filter: EventFilter,
    connection: Connection,
) -> Result<Events, Status> {
    service.requests.check_events(&filter)?;
    let history = service.inventory.history().await?;
    let (now_s, live_from) = history.now();
    let set = |time_s: i64| (time_s > 0).then_some(time_s);
    let until_s = set(filter.until_time);
    let first = match set(filter.since_time) {
        // E-7
        Some(since_s) if since_s <= now_s => history.after(since_s),
        // E-8
        Some(_) => Ok(live_from),
        // E-11
        None if until_s.is_some_and(|until_s| until_s <= now_s) => history.after(i64::MIN),
        None => Ok(live_from),
    };
    let next = first.map_err(|Lost| {
        service.streams.counters.lose(Loss::NotKept);
        Status::out_of_range(format!(
            "events after since_time {} are no longer kept",
            filter.since_time
        ))
    })?;
    // What is sent while the listener does not read is bounded by the transport.
    let (sender, receiver) = mpsc::channel(1);
    let listener = Listener {
        service: Arc::clone(service),
        more: history.subscribe(),
        history,
        filter,
        until_s,
        next,
        live_from,
        began_s: now_s,
        told_s: i64::MIN,
        connection,
        draining: service.streams.draining.clone(),
        ends_at: None,
        sender,
    };
    tokio::spawn(listener.run());
    Ok(ReceiverStream::new(receiver))
}

/// The events that wait for a listener who does not read, so far as they were counted.
struct Waiting {
    count: usize,
    /// The number of the first that was not counted.
    next: u64,
}

struct Listener {
    service: Arc<Parts>,
    history: Arc<History>,
    /// Tells when there are more events.
    more: watch::Receiver<u64>,
    filter: EventFilter,
    /// When the stream ends.
    until_s: Option<i64>,
    /// The number of the first event that was not looked at yet.
    next: u64,
    /// The number of the first event that was not there when the call came.
    live_from: u64,
    /// When the call came.
    began_s: i64,
    /// The time of the last event that was told.
    told_s: i64,
    connection: Connection,
    draining: watch::Receiver<bool>,
    /// When the stream ends because the server goes down, once that is known.
    ends_at: Option<Instant>,
    sender: mpsc::Sender<Result<ListenEventsResponse, Status>>,
}

impl Listener {
    async fn run(mut self) {
        let Err(status) = self.listen().await else {
            return;
        };
        let mut draining = self.draining.clone();
        let in_vain = async {
            let hurry = async {
                let _ = draining.wait_for(|is_draining| *is_draining).await;
                tokio::time::sleep(HURRY).await;
            };
            let _ = tokio::time::timeout(LAST_WORD, hurry).await;
        };
        // The listener gets to know, unless it reads not even that.
        let told = async {
            // Whether it has gone or has been told, it is over.
            let _ = self.sender.send(Err(status)).await;
            self.sender.closed().await;
            self.connection.is_flowing().await;
        };
        tokio::select! {
            biased;
            () = told => {}
            () = in_vain => {
                tracing::info!("a client does not read its stream of events, and is cut off");
                self.connection.cut();
            }
        }
    }

    /// Sends events until the stream comes to its end, in good order or with an error.
    async fn listen(&mut self) -> Result<(), Status> {
        loop {
            self.note_drain();
            let left = self.until_s.map(|until_s| {
                let until = Duration::from_secs(until_s.unsigned_abs());
                until.saturating_sub(self.service.streams.clock.unix_time())
            });
            let is_over = left == Some(Duration::ZERO);
            if is_over {
                // What happened just before has to be told.
                self.service.inventory.history().await?;
            }
            while let Some(events) = self.read()? {
                if !events.is_empty() && !self.send(events).await? {
                    return Ok(());
                }
            }
            if is_over {
                return Ok(());
            }
            // Not before: what happened until then has to be told (E-12).
            if self.ends_at.is_some() {
                return Err(going_down());
            }
            let sleep = left.map_or(Duration::MAX, |left| left.min(clock::LOOK_AGAIN));
            tokio::select! {
                biased;
                _ = self.draining.wait_for(|is_draining| *is_draining) => {}
                () = self.sender.closed() => return Ok(()),
                _ = self.more.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    fn note_drain(&mut self) {
        // A server that is gone has nothing more to say either.
        if *self.draining.borrow() || self.draining.has_changed().is_err() {
            self.ends_at.get_or_insert_with(|| Instant::now() + HURRY);
        }
    }

    /// The next events that the listener asked for, of those that were not looked at yet.
    /// `None` when there are none to look at.
    fn read(&mut self) -> Result<Option<Vec<Event>>, Status> {
        let events = self.history.from(self.next, EVENTS_PER_MESSAGE);
        let events = events.map_err(|Lost| self.too_slow())?;
        if events.is_empty() {
            return Ok(None);
        }
        let mut wanted = Vec::new();
        let mut size_bytes = 0;
        for event in &events {
            let wanted_event = self.wanted(self.next, event);
            self.next += 1;
            if let Some(event) = wanted_event {
                self.told_s = event.time;
                size_bytes += event.encoded_len();
                wanted.push(event);
            }
            if size_bytes >= MESSAGE_BYTES {
                break;
            }
        }
        Ok(Some(wanted))
    }

    /// The event of that number as a message, if the listener asked for it.
    ///
    /// In one stream times never decrease (E-4), though the clock is set back: what happens after
    /// the call is not before it, and what is kept from after `since_time` is after that.
    fn wanted(&self, number: u64, event: &inventory::Event) -> Option<Event> {
        let earliest_s = match number < self.live_from {
            true => self.filter.since_time.saturating_add(1),
            false => self.began_s,
        };
        let mut event = self.service.view.event(event);
        event.time = event.time.max(earliest_s).max(self.told_s);
        event_matches(&self.filter, &event).then_some(event)
    }

    /// Sends these events, when the listener has read enough of those before. `false` when it
    /// has gone.
    async fn send(&mut self, events: Vec<Event>) -> Result<bool, Status> {
        self.note_drain();
        let ends_at = self.ends_at;
        let mut more = self.more.clone();
        let mut draining = self.draining.clone();
        let mut waiting = Waiting {
            // What has been before the call is no sign of slowness.
            count: if self.next > self.live_from {
                events.len()
            } else {
                0
            },
            next: self.next.max(self.live_from),
        };
        let is_slow = tokio::time::sleep(HURRY);
        let has_ended = async {
            let ends_at = match ends_at {
                Some(ends_at) => ends_at,
                None => {
                    let _ = draining.wait_for(|is_draining| *is_draining).await;
                    Instant::now() + HURRY
                }
            };
            tokio::time::sleep_until(ends_at).await;
        };
        tokio::pin!(is_slow, has_ended);
        loop {
            tokio::select! {
                biased;
                permit = self.sender.reserve() => {
                    let Ok(permit) = permit else {
                        return Ok(false);
                    };
                    let counters = &self.service.streams.counters;
                    counters.events_sent.inc_by(events.len() as u64);
                    permit.send(Ok(ListenEventsResponse { events }));
                    return Ok(true);
                }
                () = has_ended.as_mut() => return Err(going_down()),
                () = is_slow.as_mut(), if !is_slow.is_elapsed() => {}
                _ = more.changed(), if is_slow.is_elapsed() => {}
            }
            if is_slow.is_elapsed() {
                self.count(&mut waiting)?;
            }
        }
    }

    /// Counts the events that have come for the listener since they were counted last.
    ///
    /// # Errors
    ///
    /// When too many wait for it.
    fn count(&self, waiting: &mut Waiting) -> Result<(), Status> {
        loop {
            let events = self.history.from(waiting.next, EVENTS_PER_MESSAGE);
            let events = events.map_err(|Lost| self.too_slow())?;
            if events.is_empty() {
                return Ok(());
            }
            let numbered = (waiting.next..).zip(&events);
            let wanted = numbered.filter_map(|(number, event)| self.wanted(number, event));
            waiting.count += wanted.count();
            waiting.next += events.len() as u64;
            if waiting.count > self.service.streams.buffer {
                return Err(self.too_slow());
            }
        }
    }

    /// Ends the stream of a listener that has lost events.
    fn too_slow(&self) -> Status {
        self.service.streams.counters.lose(Loss::TooSlow);
        Status::resource_exhausted(format!(
            "more than {} events were waiting to be read",
            self.service.streams.buffer
        ))
    }
}

fn going_down() -> Status {
    Status::unavailable("the server is going down")
}
