//! Lies about events: for each clause about ListenEvents some ways to break it. A lie changes
//! what is asked, or what is told, or acts for itself, on top of a server that is honest.

mod bounds;
mod streams;
mod telling;

use std::sync::Arc;

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use rkt_api::api::{Event, EventFilter, EventType};
use tokio::sync::mpsc;
use tonic::Status;

use super::{Lie, now_s};
use crate::clause::Clause;

/// What a liar does.
#[derive(Clone, Copy)]
pub enum How {
    /// It answers another question.
    Ask(fn(&mut EventFilter)),
    /// It tells these events instead of one.
    Tell(fn(&Told, Event) -> Vec<Event>),
    /// It acts for itself.
    Act(fn(Asked) -> BoxFuture<'static, Result<Events, Status>>),
}

/// The events of a stream, one by one.
pub type Events = BoxStream<'static, Result<Event, Status>>;

/// An honest server.
pub type Honest =
    Arc<dyn Fn(EventFilter) -> BoxFuture<'static, Result<Events, Status>> + Send + Sync>;

/// What a stream has told so far.
#[derive(Default)]
pub struct Told {
    /// What was asked for.
    filter: EventFilter,
    /// When, in seconds since the epoch.
    called_s: i64,
    /// What the honest server told, in order.
    events: Vec<Event>,
}

/// A request, and an honest server to answer it.
pub struct Asked {
    /// What is asked for; nothing in particular where there is no filter.
    pub filter: EventFilter,
    /// The honest server.
    pub honest: Honest,
}

impl How {
    /// Answers a request.
    ///
    /// # Errors
    ///
    /// Those of the honest server, and whatever the lie makes up.
    pub async fn answer(self, asked: Asked) -> Result<Events, Status> {
        match self {
            Self::Ask(change) => {
                let mut filter = asked.filter;
                change(&mut filter);
                (asked.honest)(filter).await
            }
            Self::Tell(tell) => {
                let mut told = Told {
                    filter: asked.filter.clone(),
                    called_s: now_s(),
                    events: Vec::new(),
                };
                let events = (asked.honest)(asked.filter).await?;
                let events = events.flat_map(move |event| match event {
                    Err(status) => stream::iter(vec![Err(status)]),
                    Ok(event) => {
                        let instead = tell(&told, event.clone());
                        told.events.push(event);
                        stream::iter(instead.into_iter().map(Ok).collect::<Vec<_>>())
                    }
                });
                Ok(events.boxed())
            }
            Self::Act(act) => act(asked).await,
        }
    }
}

const fn ask(name: &'static str, clause: &'static Clause, change: fn(&mut EventFilter)) -> Lie {
    let how = super::How::Events(How::Ask(change));
    Lie { name, clause, how }
}

pub(super) const fn tell(
    name: &'static str,
    clause: &'static Clause,
    tell: fn(&Told, Event) -> Vec<Event>,
) -> Lie {
    let how = super::How::Events(How::Tell(tell));
    Lie { name, clause, how }
}

pub(super) const fn act(
    name: &'static str,
    clause: &'static Clause,
    act: fn(Asked) -> BoxFuture<'static, Result<Events, Status>>,
) -> Lie {
    let how = super::How::Events(How::Act(act));
    Lie { name, clause, how }
}

/// All lies about events.
pub fn all() -> Vec<Lie> {
    [telling::lies(), bounds::lies(), streams::lies()]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn receive(told: mpsc::UnboundedReceiver<Result<Event, Status>>) -> Events {
    stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) }).boxed()
}

pub(super) fn is(event: &Event, r#type: EventType) -> bool {
    event.r#type() == r#type
}
