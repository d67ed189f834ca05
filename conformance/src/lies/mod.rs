//! Servers that are wrong on purpose, for the suite to find them out. A [`Lie`] breaks one
//! clause; a [`Liar`] tells it on top of a server that is honest: the model's, or any other
//! that is reached through [`Forward`]. That the suite finds each is [`judge`]'s business.
//!
//! Lies are grouped by what they are about; each group has the forms of lie that it needs.

pub mod disk;
pub mod events;
pub mod judge;
pub mod logs;
pub mod service;
pub mod unary;
pub mod wire;

mod forward;
mod liar;

use std::{io, path::Path, sync::Arc};

use rkt_api::api::public_api_server::PublicApiServer;
use tonic::service::Routes;

pub use forward::Forward;
pub use liar::Liar;

use crate::{
    case::{Case, Method},
    clause::Clause,
    source::Source,
};

/// A way to break a clause.
pub struct Lie {
    /// What is done instead, in words with dashes between them. No other lie about the same
    /// clause has this name.
    pub name: &'static str,
    /// The clause that is broken.
    pub clause: &'static Clause,
    /// How it is done.
    pub how: How,
}

/// How a lie is told.
#[derive(Clone, Copy)]
pub enum How {
    /// In a call with one answer.
    Unary(unary::How),
    /// About a host that changes or breaks.
    Disk(disk::How),
    /// In a stream of events.
    Events(events::How),
    /// In a stream of lines.
    Logs(logs::How),
    /// By the server as a whole.
    Service(service::How),
    /// In the bytes of requests and answers.
    Wire(wire::How),
}

impl Lie {
    /// What it is called among all: `CLAUSE/name`.
    pub fn title(&self) -> String {
        format!("{}/{}", self.clause.id, self.name)
    }

    /// Whether the case is one to find it out: a case of the clause, about a method that lies.
    pub fn concerns(&self, case: &Case) -> bool {
        let is_streaming = matches!(case.method(), Method::ListenEvents | Method::GetLogs);
        let lies = match self.how {
            How::Unary(_) => !is_streaming,
            How::Events(_) => case.method() == Method::ListenEvents,
            How::Logs(_) => case.method() == Method::GetLogs,
            How::Disk(_) | How::Service(_) | How::Wire(_) => true,
        };
        lies && case.clause() == self.clause
    }

    /// The model, lying.
    ///
    /// # Errors
    ///
    /// When what it needs cannot be written on the bench.
    pub fn source(&self, bench: &Bench<'_>) -> io::Result<Source> {
        let source = match self.how {
            How::Service(service::How::Shell(script)) => {
                service::process(script, bench.program, bench.room)?
            }
            How::Wire(how) => Source::Here(Arc::new(move |model| {
                Routes::new(wire::Falsified::new(PublicApiServer::new(model), how))
            })),
            How::Disk(how) => Source::serving(move |model| disk::Liar::new(model, how)),
            how => Source::serving(move |model| Liar::new(model, how)),
        };
        Ok(source)
    }
}

/// What is needed to have lies told.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// Where hosts may be made.
    pub room: &'a Path,
    /// This program, `rkt-conformance`.
    pub program: &'a Path,
}

/// All lies.
pub fn all() -> Vec<Lie> {
    [
        unary::all(),
        wire::all(),
        disk::all(),
        events::all(),
        logs::all(),
        service::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn titles_are_unique() {
        let mut titles = BTreeSet::new();
        for lie in all() {
            assert!(titles.insert(lie.title()), "{}", lie.title());
        }
    }
}
