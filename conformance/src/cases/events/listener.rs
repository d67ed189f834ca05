//! A stream of events that is read as it comes, on a task of its own: a stream that is left
//! unread holds up all others of its connection. Nothing is judged here.

use std::time::Duration;

use rkt_api::api::{Event, EventFilter, ListenEventsRequest};
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tonic::Status;

use crate::{
    case::{Method, Objection},
    clock,
    stream::{Arrived, Next},
    target::{Target, refused},
    text,
};

/// How long headers may take where it is not their time that is judged.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// What has come of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// The events, in the order in which they came.
    pub(super) events: Vec<Arrived<Event>>,
    /// The end, and when it came, in nanoseconds since the epoch.
    pub(super) end: Option<(Status, i64)>,
}

impl Heard {
    /// The events alone.
    pub(super) fn plain(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().map(|arrived| &arrived.item)
    }
}

/// A stream that is being read. Dropping it hangs up.
pub(super) struct Listener {
    /// What was asked for; nothing in particular where the request has no filter at all.
    pub(super) filter: EventFilter,
    request: String,
    /// Just before the call, nanoseconds since the epoch.
    pub(super) called_unix_ns: i64,
    /// Just after the headers came.
    pub(super) answered_unix_ns: i64,
    heard: watch::Receiver<Heard>,
    reader: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Listener {
    /// Opens a stream with a filter, be it an empty one, and begins to read it.
    pub(super) async fn open(target: &Target, filter: EventFilter) -> Result<Self, Objection> {
        Self::begin(target, Some(filter)).await
    }

    /// Opens a stream without a filter, and begins to read it.
    pub(super) async fn open_bare(target: &Target) -> Result<Self, Objection> {
        Self::begin(target, None).await
    }

    async fn begin(target: &Target, filter: Option<EventFilter>) -> Result<Self, Objection> {
        let message = ListenEventsRequest {
            filter: filter.clone(),
        };
        let request = text::request(Method::ListenEvents, &message);
        let called_unix_ns = clock::now_unix_ns();
        let headers = target.listen(filter.clone());
        let mut stream = match tokio::time::timeout(HEADERS_TIMEOUT, headers).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(status)) => return Err(refused(request, &status)),
            Err(_) => {
                let none = format!("none after {} s", HEADERS_TIMEOUT.as_secs());
                return Err(Objection::fail(request, "response headers", none));
            }
        };
        let answered_unix_ns = clock::now_unix_ns();
        let (tell, heard) = watch::channel(Heard::default());
        let reader = tokio::spawn(async move {
            loop {
                // Whoever listens has a deadline.
                let far = Instant::now() + Duration::from_secs(3600);
                match stream.next(far).await {
                    Next::Item(event) => tell.send_modify(|heard| heard.events.push(event)),
                    Next::Nothing => {}
                    Next::End(status, at_unix_ns) => {
                        tell.send_modify(|heard| heard.end = Some((status, at_unix_ns)));
                        return;
                    }
                }
            }
        });
        Ok(Self {
            filter: filter.unwrap_or_default(),
            request,
            called_unix_ns,
            answered_unix_ns,
            heard,
            reader,
        })
    }

    /// The request as text.
    pub(super) fn request(&self) -> &str {
        &self.request
    }

    /// What has come so far.
    pub(super) fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// Waits for something to come, and says whether it did.
    pub(super) async fn hears(
        &mut self,
        patience: Duration,
        is_it: impl FnMut(&Heard) -> bool,
    ) -> bool {
        let heard = self.heard.wait_for(is_it);
        matches!(tokio::time::timeout(patience, heard).await, Ok(Ok(_)))
    }

    /// Waits for the end of the stream, and says whether it came.
    pub(super) async fn ends(&mut self, patience: Duration) -> bool {
        self.hears(patience, |heard| heard.end.is_some()).await
    }
}
