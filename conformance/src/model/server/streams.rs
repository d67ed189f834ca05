//! The streams of events and lines: what they wait for, what they send, and when they end. What is
//! asked for is read by the calls, and what happens is said in the modules beside the server.

use std::{future::Future, sync::Arc, time::Duration};

use rkt_api::api::{Event, EventFilter, GetLogsRequest, GetLogsResponse, ListenEventsResponse};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};
use uuid::Uuid;

use crate::{
    clock::now_unix_ns,
    model::{
        World,
        events::{self, Happening},
        logs,
    },
    profile::Profile,
};

/// How many events share a message at most.
const EVENTS_AT_ONCE: usize = 1000;

/// What a response stays under: what gRPC clients receive by default (L-9).
const RESPONSE_LIMIT_BYTES: usize = 4 << 20;

/// The longest sleep. Clocks may be set meanwhile.
const NAP: Duration = Duration::from_secs(1);

/// Where a stream's messages go. It is over when the client has hung up.
type To<M> = mpsc::Sender<Result<M, Status>>;

/// Why a stream ends before its time: nobody listens any more.
pub(super) struct HungUp;

impl<T> From<mpsc::error::SendError<T>> for HungUp {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self
    }
}

/// A response whose messages `fill` sends.
pub(super) fn stream<M, F>(
    watching: Watching,
    fill: impl FnOnce(Watching, To<M>) -> F,
) -> Response<ReceiverStream<Result<M, Status>>>
where
    M: Send + 'static,
    F: Future<Output = Result<(), HungUp>> + Send + 'static,
{
    // A message that waits is enough: the world keeps the rest.
    let (to, from) = mpsc::channel(1);
    let filling = fill(watching, to);
    tokio::spawn(async {
        // Then there is nobody left to tell.
        let _ = filling.await;
    });
    Response::new(ReceiverStream::new(from))
}

pub(super) async fn send_all<M>(messages: Vec<M>, to: To<M>) -> Result<(), HungUp> {
    for message in messages {
        to.send(Ok(message)).await?;
    }
    Ok(())
}

/// What streams wait for.
pub(super) struct Watching {
    pub(super) worlds: watch::Receiver<Arc<World>>,
    pub(super) is_ending: watch::Receiver<bool>,
}

/// What has come.
#[derive(PartialEq, Eq)]
enum Woken {
    /// The world may be another one, or the time has come.
    Look,
    /// The server ends.
    Ending,
    /// The client has hung up.
    HungUp,
}

impl Watching {
    pub(super) fn world(&self) -> Arc<World> {
        Arc::clone(&self.worlds.borrow())
    }

    /// The world now. From here on, [`Self::next`] waits for another one.
    fn latest(&mut self) -> Arc<World> {
        Arc::clone(&self.worlds.borrow_and_update())
    }

    /// Waits for another world, for this second to begin, and for everything that ends a stream.
    async fn next<M>(&mut self, to: &To<M>, unix_s: Option<i64>) -> Woken {
        tokio::select! {
            // Without a server its streams end, too.
            _ = self.is_ending.wait_for(|is_ending| *is_ending) => Woken::Ending,
            () = to.closed() => Woken::HungUp,
            changed = self.worlds.changed() => match changed {
                Ok(()) => Woken::Look,
                Err(_) => Woken::Ending,
            },
            () = begin(unix_s) => Woken::Look,
        }
    }
}

/// Waits until the second begins; for ever where there is none.
async fn begin(unix_s: Option<i64>) {
    let Some(unix_s) = unix_s else {
        return std::future::pending().await;
    };
    while !has_begun(unix_s) {
        let left_ns = unix_s
            .saturating_mul(1_000_000_000)
            .saturating_sub(now_unix_ns());
        sleep(Duration::from_nanos(left_ns.unsigned_abs()).min(NAP)).await;
    }
}

fn has_begun(unix_s: i64) -> bool {
    unix_s <= now_unix_ns().div_euclid(1_000_000_000)
}

fn ending() -> Status {
    Status::unavailable("the server ends")
}

/// A stream of events under way.
pub(super) struct Listening {
    filter: EventFilter,
    span: events::Span,
    /// The number of the first event that came after the call.
    live: usize,
    /// The number of the event to be sent next.
    next: usize,
    buffer: usize,
}

impl Listening {
    /// A stream that is asked for now.
    pub(super) fn begin(filter: EventFilter, buffer: usize, world: &World) -> Self {
        let span = events::span(&filter, now_unix_ns());
        let live = world.events().len();
        Self {
            filter,
            span,
            live,
            next: if span.replays { 0 } else { live },
            buffer,
        }
    }

    pub(super) async fn go(
        mut self,
        mut watching: Watching,
        to: To<ListenEventsResponse>,
    ) -> Result<(), HungUp> {
        let Self { span, .. } = self;
        loop {
            let is_over = span.ends_at_once || span.ends_unix_s.is_some_and(has_begun);
            let world = watching.latest();
            let there = world.events();
            if self.waiting(there) > self.buffer {
                let text = "the listener is too slow: it has missed events from here on";
                to.send(Err(Status::resource_exhausted(text))).await?;
                return Ok(());
            }
            if let Some(events) = self.take(there) {
                to.send(Ok(ListenEventsResponse { events })).await?;
                continue;
            }
            if is_over {
                return Ok(());
            }
            match watching.next(&to, span.ends_unix_s).await {
                Woken::Look => {}
                Woken::Ending => {
                    to.send(Err(ending())).await?;
                    return Ok(());
                }
                Woken::HungUp => return Err(HungUp),
            }
        }
    }

    /// How many events wait that came after the call (E-14).
    fn waiting(&self, there: &[Happening]) -> usize {
        let live = there.get(self.next.max(self.live)..).unwrap_or_default();
        live.iter()
            .filter(|happening| self.takes(&happening.event))
            .count()
    }

    /// The next events that the filter takes; `None` when there are none.
    fn take(&mut self, there: &[Happening]) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        let rest = there.get(self.next..).unwrap_or_default();
        for Happening { event, .. } in rest {
            if events.len() == EVENTS_AT_ONCE {
                break;
            }
            self.next += 1;
            if self.takes(event) {
                events.push(event.clone());
            }
        }
        (!events.is_empty()).then_some(events)
    }

    fn takes(&self, event: &Event) -> bool {
        events::takes(&self.filter, event)
    }
}

/// A stream of a pod's lines that are still to come.
pub(super) struct Following {
    pub(super) profile: Profile,
    pub(super) request: GetLogsRequest,
    pub(super) pod: Uuid,
    /// The number of the entry to be sent next.
    pub(super) next: usize,
}

impl Following {
    pub(super) async fn go(
        mut self,
        first: Vec<String>,
        mut watching: Watching,
        to: To<GetLogsResponse>,
    ) -> Result<(), HungUp> {
        for response in responses(first) {
            to.send(Ok(response)).await?;
        }
        let set = |time_s: i64| (time_s > 0).then_some(time_s);
        let (since, until) = (set(self.request.since_time), set(self.request.until_time));
        loop {
            let is_over = until.is_some_and(has_begun);
            let is_waiting = since.is_some_and(|since| !has_begun(since));
            let world = watching.latest();
            if !is_waiting {
                for response in responses(self.take(&world)) {
                    to.send(Ok(response)).await?;
                }
            }
            // L-6
            if is_over || world.pod(self.pod).is_none() {
                return Ok(());
            }
            let wake = match since {
                Some(since) if is_waiting => Some(until.map_or(since, |until| until.min(since))),
                _ => until,
            };
            match watching.next(&to, wake).await {
                Woken::Look => {}
                Woken::Ending => {
                    to.send(Err(ending())).await?;
                    return Ok(());
                }
                Woken::HungUp => return Err(HungUp),
            }
        }
    }

    fn take(&mut self, world: &World) -> Vec<String> {
        let entries = logs::entries(world, self.pod);
        let lines = logs::since(world, self.profile, &self.request, self.pod, self.next);
        self.next = entries.max(self.next);
        lines
    }
}

/// The lines in as few responses as clients take (L-9); none for none.
pub(super) fn responses(lines: Vec<String>) -> Vec<GetLogsResponse> {
    let mut responses: Vec<GetLogsResponse> = Vec::new();
    let mut size_bytes = RESPONSE_LIMIT_BYTES;
    for line in lines {
        // Its tag, its length, and itself.
        let line_bytes = 1 + prost::length_delimiter_len(line.len()) + line.len();
        size_bytes += line_bytes;
        match responses.last_mut() {
            Some(last) if size_bytes < RESPONSE_LIMIT_BYTES => last.lines.push(line),
            _ => {
                size_bytes = line_bytes;
                responses.push(GetLogsResponse { lines: vec![line] });
            }
        }
    }
    responses
}
