//! Servers that are wrong on purpose, for the suite to find them out. A [`Lie`] breaks one
//! clause; a [`Liar`] tells it on top of a server that is honest: the model's, or any other
//! that is reached through [`Forward`]. That the suite finds each is [`judge`]'s business.
//!
//! Lies are grouped by what they are about; each group has the forms of lie that it needs.

pub mod disk;
pub mod events;
pub mod judge;
pub mod liberties;
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
    clock::now_unix_ns,
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
        self.is_told_by(case.method()) && case.clause() == self.clause
    }

    /// Whether the method's answers may differ from those of an honest server.
    pub fn is_told_by(&self, method: Method) -> bool {
        match self.how {
            How::Unary(_) => !matches!(method, Method::ListenEvents | Method::GetLogs),
            How::Events(_) => method == Method::ListenEvents,
            How::Logs(_) => method == Method::GetLogs,
            How::Disk(_) | How::Service(_) | How::Wire(_) => true,
        }
    }

    /// Whether it takes a process of its own to tell it.
    pub fn is_process(&self) -> bool {
        matches!(self.how, How::Service(service::How::Shell(_)))
    }

    /// The model, lying.
    ///
    /// # Errors
    ///
    /// When what it needs cannot be written on the bench.
    pub fn source(&self, bench: &Bench<'_>) -> io::Result<Source> {
        let source = match self.how {
            How::Service(service::How::Shell(script)) => service::process(script, bench)?,
            How::Wire(how) => Source::Here(Arc::new(move |model| {
                Routes::new(wire::Falsified::new(PublicApiServer::new(model), how))
            })),
            How::Disk(how) => Source::serving(move |model| disk::Liar::new(model, how)),
            how => Source::serving(move |model| Liar::new(model, how)),
        };
        Ok(source)
    }
}

/// Nanoseconds in a second.
const SECOND_NS: i64 = 1_000_000_000;

/// The time, in seconds since the epoch.
fn now_s() -> i64 {
    now_unix_ns().div_euclid(SECOND_NS)
}

/// What to tell instead of `it`: the same, or nothing.
fn keep<T>(is_kept: bool, it: T) -> Vec<T> {
    match is_kept {
        true => vec![it],
        false => Vec::new(),
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

    use prost::Message;
    use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, Value};
    use rkt_api::api::{
        self, EventFilter, ImageFilter, ListImagesRequest, ListPodsRequest, PodFilter,
    };

    use super::*;

    #[test]
    fn titles_are_unique() {
        let mut titles = BTreeSet::new();
        for lie in all().into_iter().chain(liberties::all()) {
            assert!(titles.insert(lie.title()), "{}", lie.title());
        }
    }

    #[test]
    fn every_clause_that_binds_is_broken() {
        let unbroken = judge::unbroken(&all());
        let unbroken: Vec<_> = unbroken.iter().map(|clause| clause.id).collect();
        assert_eq!(unbroken, <[&str; 0]>::default());
    }

    #[test]
    fn every_lie_has_a_case_to_find_it_out() {
        let cases = crate::cases::all();
        for lie in all() {
            let is_concerned = cases.iter().any(|case| lie.concerns(case));
            assert!(is_concerned, "{}", lie.title());
        }
    }

    #[test]
    fn every_field_of_a_filter_is_ignored_by_a_lie() {
        assert_ignored("PodFilter", |filter: &PodFilter, lie| match lie {
            How::Unary(unary::How::AskPods(change)) => {
                let mut request = ListPodsRequest {
                    filters: vec![filter.clone()],
                    ..ListPodsRequest::default()
                };
                change(&mut request);
                request.filters == [PodFilter::default()]
            }
            _ => false,
        });
        assert_ignored("ImageFilter", |filter: &ImageFilter, lie| match lie {
            How::Unary(unary::How::AskImages(change)) => {
                let mut request = ListImagesRequest {
                    filters: vec![filter.clone()],
                    ..ListImagesRequest::default()
                };
                change(&mut request);
                request.filters == [ImageFilter::default()]
            }
            _ => false,
        });
        assert_ignored("EventFilter", |filter: &EventFilter, lie| match lie {
            How::Events(events::How::Ask(change)) => {
                let mut filter = filter.clone();
                change(&mut filter);
                filter == EventFilter::default()
            }
            _ => false,
        });
    }

    /// Asserts that each field of the message, set by itself, is ignored by some lie.
    fn assert_ignored<M: Message + Default>(name: &str, ignores: impl Fn(&M, How) -> bool) {
        let pool = DescriptorPool::decode(api::FILE_DESCRIPTOR_SET).unwrap();
        let message = pool.get_message_by_name(&format!("v1alpha.{name}"));
        let message = message.unwrap();
        for field in message.fields() {
            let mut filter = DynamicMessage::new(message.clone());
            filter.set_field(&field, some_value(&field));
            let filter = M::decode(filter.encode_to_vec().as_slice()).unwrap();
            let is_ignored = all().iter().any(|lie| ignores(&filter, lie.how));
            assert!(is_ignored, "{}", field.full_name());
        }
    }

    /// A value that is set, in the future where it is a time.
    fn some_value(field: &FieldDescriptor) -> Value {
        let one = match field.kind() {
            Kind::String => Value::String("value".to_owned()),
            Kind::Int64 => Value::I64(i64::MAX),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::Message(message) => Value::Message(DynamicMessage::new(message)),
            other => panic!("{}: {other:?}", field.full_name()),
        };
        match field.is_list() {
            true => Value::List(vec![one]),
            false => one,
        }
    }
}
