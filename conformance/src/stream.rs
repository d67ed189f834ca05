//! Streams as cases read them: item by item, each with the moment at which it came, and with a
//! deadline for everything.

use std::{collections::VecDeque, time::Duration};

use rkt_api::api::{Event, GetLogsResponse, ListenEventsResponse};
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::clock;

/// What came next in a stream.
#[derive(Clone, Debug)]
pub enum Next<T> {
    /// An item.
    Item(Arrived<T>),
    /// The end, at this moment, in nanoseconds since the epoch.
    End(Status, i64),
    /// Nothing, until the deadline.
    Nothing,
}

/// An item, and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived<T> {
    /// What came.
    pub item: T,
    /// When, in nanoseconds since the epoch.
    pub at_unix_ns: i64,
    /// The number of the message that it came in, from 0.
    pub message: usize,
}

/// A message that carries items.
pub trait Carrier: Send + 'static {
    /// What it carries.
    type Item: Send;

    /// What is in it, in order.
    fn items(self) -> Vec<Self::Item>;
}

impl Carrier for ListenEventsResponse {
    type Item = Event;

    fn items(self) -> Vec<Event> {
        self.events
    }
}

impl Carrier for GetLogsResponse {
    type Item = String;

    fn items(self) -> Vec<String> {
        self.lines
    }
}

/// An open stream. Dropping it hangs up.
pub struct Stream<C: Carrier> {
    messages: Streaming<C>,
    waiting: VecDeque<Arrived<C::Item>>,
    /// How many messages have come, empty ones included.
    count: usize,
    ended: Option<(Status, i64)>,
}

impl<C: Carrier> Stream<C> {
    pub(crate) fn new(messages: Streaming<C>) -> Self {
        Self {
            messages,
            waiting: VecDeque::new(),
            count: 0,
            ended: None,
        }
    }

    /// How many messages have come, empty ones included.
    pub fn messages(&self) -> usize {
        self.count
    }

    /// What comes next, until `deadline`.
    pub async fn next(&mut self, deadline: Instant) -> Next<C::Item> {
        loop {
            if let Some(item) = self.waiting.pop_front() {
                return Next::Item(item);
            }
            if let Some((status, at_unix_ns)) = &self.ended {
                return Next::End(status.clone(), *at_unix_ns);
            }
            let message = tokio::time::timeout_at(deadline, self.messages.message());
            let Ok(message) = message.await else {
                return Next::Nothing;
            };
            let at_unix_ns = clock::now_unix_ns();
            let end = match message {
                Ok(Some(message)) => {
                    let message_number = self.count;
                    self.count += 1;
                    self.waiting
                        .extend(message.items().into_iter().map(|item| Arrived {
                            item,
                            at_unix_ns,
                            message: message_number,
                        }));
                    continue;
                }
                Ok(None) => Status::new(Code::Ok, ""),
                Err(status) => status,
            };
            self.ended = Some((end, at_unix_ns));
        }
    }

    /// Everything that comes until the stream ends or `patience` is over, and the end if it came.
    pub async fn rest(
        &mut self,
        patience: Duration,
    ) -> (Vec<Arrived<C::Item>>, Option<(Status, i64)>) {
        let deadline = Instant::now() + patience;
        let mut items = Vec::new();
        loop {
            match self.next(deadline).await {
                Next::Item(item) => items.push(item),
                Next::End(status, at_unix_ns) => return (items, Some((status, at_unix_ns))),
                Next::Nothing => return (items, None),
            }
        }
    }
}
