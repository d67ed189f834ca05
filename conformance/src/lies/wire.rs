//! Lies in the bytes: methods that are not there, fields under other numbers. They stand
//! before a whole service, since no generated message could tell them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame};
use tonic::{Status, body::Body, server::NamedService};
use tower_service::Service;

use super::Lie;
use crate::{
    clause::{self, Clause},
    wire::{self, Value, put_bytes, put_unknown, put_varint},
};

/// The bytes before each message: whether it is compressed, and its length.
const PREFIX_LEN: usize = 5;

/// The fields of a message by number, in order.
#[derive(Clone)]
pub struct Fields(Vec<(u64, Value)>);

/// A lie in the bytes.
#[derive(Clone, Copy)]
pub enum How {
    /// The method is not there.
    Missing(&'static str),
    /// Another request is taken for what came to the method, or none.
    Request(&'static str, fn(Fields) -> Result<Fields, Status>),
    /// Another answer of the method goes out.
    Answer(&'static str, fn(Fields) -> Fields),
}

const fn lie(clause: &'static Clause, name: &'static str, how: How) -> Lie {
    let how = super::How::Wire(how);
    Lie { name, clause, how }
}

/// All lies in the bytes.
pub fn all() -> Vec<Lie> {
    use How::{Answer, Missing, Request};

    vec![
        lie(&clause::W_1, "no-get-info", Missing("GetInfo")),
        lie(&clause::W_1, "no-inspect-pod", Missing("InspectPod")),
        lie(&clause::W_1, "no-inspect-image", Missing("InspectImage")),
        lie(&clause::W_1, "no-listen-events", Missing("ListenEvents")),
        lie(&clause::W_1, "no-get-logs", Missing("GetLogs")),
        lie(
            &clause::W_2,
            "app-names-and-image-ids-exchanged",
            Request("ListPods", |request| {
                Ok(within(request, 1, &|filter| exchanged(filter, 3, 4)))
            }),
        ),
        lie(
            &clause::W_2,
            "prefixes-and-base-names-exchanged",
            Request("ListImages", |request| {
                Ok(within(request, 1, &|filter| exchanged(filter, 2, 3)))
            }),
        ),
        lie(
            &clause::W_2,
            "detail-as-field-3",
            Request("ListPods", |request| Ok(exchanged(request, 2, 3))),
        ),
        lie(
            &clause::W_2,
            "no-packed-states",
            Request("ListPods", |request| {
                Ok(within(request, 1, &|mut filter| {
                    filter
                        .0
                        .retain(|field| !matches!(field, (2, Value::Bytes(_))));
                    filter
                }))
            }),
        ),
        lie(
            &clause::W_2,
            "created-and-started-exchanged",
            Answer("InspectPod", |answer| {
                within(answer, 1, &|pod| exchanged(pod, 9, 10))
            }),
        ),
        lie(
            &clause::W_2,
            "process-as-int32",
            Answer("InspectPod", |answer| within(answer, 1, &plain_pid)),
        ),
        lie(
            &clause::W_2,
            "key-and-value-exchanged",
            Answer("InspectImage", |answer| {
                within(answer, 1, &|image| {
                    within(image, 9, &|pair| exchanged(pair, 1, 2))
                })
            }),
        ),
        lie(
            &clause::W_2,
            "a-field-of-its-own",
            Answer("ListPods", |answer| {
                within(answer, 1, &|mut pod| {
                    pod.0.push((12, Value::Varint(1)));
                    pod
                })
            }),
        ),
        lie(
            &clause::W_4,
            "unknown-fields-refused",
            Request("ListPods", |request| {
                match request.0.iter().all(|(number, _)| *number <= 2) {
                    true => Ok(request),
                    false => Err(Status::invalid_argument("an unknown field")),
                }
            }),
        ),
        lie(
            &clause::W_4,
            "unknown-conditions-take-nothing",
            Request("ListImages", |request| {
                Ok(within(request, 1, &|mut filter| {
                    if filter.0.iter().any(|(number, _)| *number > 9) {
                        filter
                            .0
                            .push((1, Value::Bytes(Bytes::from_static(b"none"))));
                    }
                    filter
                }))
            }),
        ),
    ]
}

/// The message with each message in this field changed.
fn within(fields: Fields, number: u64, change: &dyn Fn(Fields) -> Fields) -> Fields {
    let changed = fields.0.into_iter().map(|(at, value)| match value {
        Value::Bytes(bytes) if at == number => match wire::fields(bytes.clone()) {
            Some(inner) => (at, Value::Bytes(encoded(change(Fields(inner))).into())),
            None => (at, Value::Bytes(bytes)),
        },
        value => (at, value),
    });
    Fields(changed.collect())
}

/// The message with two fields under each other's numbers.
fn exchanged(mut fields: Fields, one: u64, other: u64) -> Fields {
    for (number, _) in &mut fields.0 {
        *number = match *number {
            number if number == one => other,
            number if number == other => one,
            number => number,
        };
    }
    fields
}

/// A pod whose process id is no `sint32`.
fn plain_pid(mut pod: Fields) -> Fields {
    for (number, value) in &mut pod.0 {
        if let (2, Some(pid)) = (*number, value.sint()) {
            *value = Value::Varint(pid.cast_unsigned());
        }
    }
    pod
}

fn encoded(fields: Fields) -> Vec<u8> {
    let mut message = Vec::new();
    for (number, value) in fields.0 {
        match value {
            Value::Varint(value) => put_varint(&mut message, number, value),
            Value::Bytes(value) => put_bytes(&mut message, number, &value),
            // The API has none: nobody knows it whatever is in it.
            Value::Fixed => put_unknown(&mut message, number),
        }
    }
    message
}

/// A service, falsified.
#[derive(Clone)]
pub struct Falsified<S> {
    honest: S,
    how: How,
}

impl<S> Falsified<S> {
    /// `honest`, lying.
    pub fn new(honest: S, how: How) -> Self {
        Self { honest, how }
    }
}

impl<S: NamedService> NamedService for Falsified<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Falsified<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.honest.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let of_method = |name: &str| name == method;
        // The clone stays for the next call: this one is ready.
        let next = self.honest.clone();
        let mut honest = std::mem::replace(&mut self.honest, next);
        match self.how {
            How::Missing(name) if of_method(name) => {
                let refusal = Status::unimplemented("there is no such method");
                Box::pin(async move { Ok(refusal.into_http()) })
            }
            How::Request(name, change) if of_method(name) => Box::pin(async move {
                let (parts, body) = request.into_parts();
                let body = gathered(body).await;
                let changed = body.and_then(|sent| sent.changed(change));
                match changed {
                    Ok(body) => {
                        honest
                            .call(Request::from_parts(parts, Body::new(body)))
                            .await
                    }
                    Err(status) => Ok(status.into_http()),
                }
            }),
            How::Answer(name, change) if of_method(name) => Box::pin(async move {
                let (parts, body) = honest.call(request).await?.into_parts();
                let body = gathered(body).await;
                let changed = body.and_then(|sent| sent.changed(|fields| Ok(change(fields))));
                Ok(match changed {
                    Ok(body) => Response::from_parts(parts, Body::new(body)),
                    Err(status) => status.into_http(),
                })
            }),
            How::Missing(_) | How::Request(..) | How::Answer(..) => Box::pin(honest.call(request)),
        }
    }
}

/// What has gone over the wire one way: one message, or none, and what comes after it.
#[derive(Default)]
struct Sent {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Sent {
    /// The same with its message changed.
    fn changed(
        self,
        change: impl FnOnce(Fields) -> Result<Fields, Status>,
    ) -> Result<Self, Status> {
        let Some(data) = self.data else {
            return Ok(self);
        };
        let message = data.slice(PREFIX_LEN.min(data.len())..);
        let fields = wire::fields(message);
        let fields = fields.ok_or_else(|| Status::internal("what came is no message"))?;
        let message = encoded(change(Fields(fields))?);
        let length = u32::try_from(message.len());
        let length = length.map_err(|error| Status::internal(error.to_string()))?;
        let mut data = BytesMut::with_capacity(PREFIX_LEN + message.len());
        data.put_u8(0);
        data.put_u32(length);
        data.extend_from_slice(&message);
        Ok(Self {
            data: Some(data.freeze()),
            ..self
        })
    }
}

/// Waits for all of a body.
async fn gathered(mut body: Body) -> Result<Sent, Status> {
    let mut data = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(more) => data.extend_from_slice(&more),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok(Sent {
        data: (!data.is_empty()).then(|| data.freeze()),
        trailers,
    })
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let data = self.data.take().map(Frame::data);
        let frame = data.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }
}
