//! Lies about logs: for each clause about GetLogs some ways to break it. A lie changes what is
//! asked, or what is told, or acts for itself, on top of a server that is honest.

mod following;
mod format;
mod refusals;
mod selection;

use std::sync::Arc;

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rkt_api::api::GetLogsRequest;
use tonic::Status;

use super::{Lie, now_s};
use crate::clause::Clause;

/// What a liar does.
#[derive(Clone, Copy)]
pub enum How {
    /// It answers another question.
    Ask(fn(&mut GetLogsRequest)),
    /// It sends these responses instead of one.
    Tell(fn(&Told, Lines) -> Vec<Lines>),
    /// It acts for itself.
    Act(fn(Asked) -> Acting),
}

/// The lines of one response.
pub type Lines = Vec<String>;

/// The responses of a stream, one by one.
pub type Responses = BoxStream<'static, Result<Lines, Status>>;

/// A liar at work.
pub type Acting = BoxFuture<'static, Result<Responses, Status>>;

/// An honest server.
pub type Honest =
    Arc<dyn Fn(GetLogsRequest) -> BoxFuture<'static, Result<Responses, Status>> + Send + Sync>;

/// Says whether a pod is running.
pub type Runs = Arc<dyn Fn(String) -> BoxFuture<'static, bool> + Send + Sync>;

/// What a stream has told so far.
#[derive(Default)]
pub struct Told {
    /// What was asked for.
    request: GetLogsRequest,
    /// When, in seconds since the epoch.
    called_s: i64,
    /// What the honest server told, in order.
    responses: Vec<Lines>,
}

impl Told {
    /// Whether what comes now is new: what was there has been told.
    pub(super) fn is_live(&self) -> bool {
        self.request.follow && !self.responses.is_empty()
    }
}

/// A request, and an honest server to answer it.
pub struct Asked {
    /// What is asked for.
    pub request: GetLogsRequest,
    /// The honest server.
    pub honest: Honest,
    /// What it says of pods.
    pub runs: Runs,
}

impl How {
    /// Answers a request.
    ///
    /// # Errors
    ///
    /// Those of the honest server, and whatever the lie makes up.
    pub async fn answer(self, asked: Asked) -> Result<Responses, Status> {
        match self {
            Self::Ask(change) => {
                let mut request = asked.request;
                change(&mut request);
                (asked.honest)(request).await
            }
            Self::Tell(tell) => {
                let mut told = Told {
                    request: asked.request.clone(),
                    called_s: now_s(),
                    responses: Vec::new(),
                };
                let responses = (asked.honest)(asked.request).await?;
                let responses = responses.flat_map(move |response| match response {
                    Err(status) => stream::iter(vec![Err(status)]),
                    Ok(lines) => {
                        let instead = tell(&told, lines.clone());
                        told.responses.push(lines);
                        stream::iter(instead.into_iter().map(Ok).collect::<Vec<_>>())
                    }
                });
                Ok(responses.boxed())
            }
            Self::Act(act) => act(asked).await,
        }
    }
}

const fn ask(name: &'static str, clause: &'static Clause, change: fn(&mut GetLogsRequest)) -> Lie {
    let how = super::How::Logs(How::Ask(change));
    Lie { name, clause, how }
}

pub(super) const fn tell(
    name: &'static str,
    clause: &'static Clause,
    tell: fn(&Told, Lines) -> Vec<Lines>,
) -> Lie {
    let how = super::How::Logs(How::Tell(tell));
    Lie { name, clause, how }
}

pub(super) const fn act(
    name: &'static str,
    clause: &'static Clause,
    act: fn(Asked) -> Acting,
) -> Lie {
    let how = super::How::Logs(How::Act(act));
    Lie { name, clause, how }
}

/// All lies about logs.
pub fn all() -> Vec<Lie> {
    [
        refusals::lies(),
        selection::lies(),
        following::lies(),
        format::lies(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the honest server answers to a request, changed, that does not follow.
async fn told(asked: &Asked, change: impl FnOnce(&mut GetLogsRequest)) -> Result<Lines, Status> {
    let mut request = GetLogsRequest {
        follow: false,
        ..asked.request.clone()
    };
    change(&mut request);
    let mut responses = (asked.honest)(request).await?;
    let mut lines = Lines::new();
    while let Some(response) = responses.next().await {
        lines.extend(response?);
    }
    Ok(lines)
}

/// A lie in one response to those who do not follow; to others the truth.
async fn instantly(
    asked: Asked,
    lie: impl FnOnce(Asked) -> BoxFuture<'static, Result<Lines, Status>>,
) -> Result<Responses, Status> {
    match asked.request.follow {
        true => (asked.honest)(asked.request).await,
        false => Ok(stream::iter([Ok(lie(asked).await?)]).boxed()),
    }
}

/// How many lines there may be.
fn most(request: &GetLogsRequest) -> usize {
    match usize::try_from(request.lines) {
        Ok(lines) if lines > 0 => lines,
        _ => usize::MAX,
    }
}

/// What was written at once.
struct Entry {
    at_us: i64,
    lines: Lines,
}

/// Lines by what was written at once.
fn entries(lines: Lines) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines {
        let time = line.split_once(" MESSAGE=").and_then(|it| parsed(it.0));
        match (time, entries.last_mut()) {
            (None, Some(entry)) => entry.lines.push(line),
            (time, _) => entries.push(Entry {
                at_us: time.map_or(0, Timestamp::as_microsecond),
                lines: vec![line],
            }),
        }
    }
    entries
}

/// The time that stands before a message.
fn parsed(time: &str) -> Option<Timestamp> {
    let time = time.strip_suffix(" +0000 UTC")?;
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
