//! What a case and the server said to each other, kept for the report of a failure.
//!
//! It is written down below the client, where calls are bytes, so that no case has to see to
//! it; it becomes text only when somebody wants to read it. Judging it is for cases.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body, transport::Channel};
use tower_service::Service;

use crate::{report::Exchange, text};

/// How many calls of a case are kept: the last ones, since a case ends with what it objects to.
const CALLS_KEPT: usize = 32;

/// How many bytes of a request, and of its answer, are kept.
const BYTES_KEPT: usize = 1 << 20;

/// How many messages of an answer are shown.
const MESSAGES_SHOWN: usize = 20;

/// The length of what stands before each message of gRPC: whether it is compressed, and its
/// length.
const PREFIX_LEN: usize = 5;

/// The calls of one case, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Exchanges(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    calls: VecDeque<Arc<Mutex<Call>>>,
    forgotten: usize,
}

/// One call, as far as it has come.
#[derive(Debug, Default)]
struct Call {
    path: String,
    request: Side,
    answer: Side,
    end: Option<Result<(), Status>>,
}

/// What went one way.
#[derive(Debug, Default)]
struct Side {
    bytes: BytesMut,
    is_cut: bool,
}

impl Exchanges {
    /// Everything that is kept, in words.
    pub(crate) fn in_words(&self) -> Vec<Exchange> {
        let kept = lock(&self.0);
        let mut all = Vec::with_capacity(kept.calls.len() + 1);
        if kept.forgotten > 0 {
            all.push(Exchange {
                request: format!("{} calls before these", kept.forgotten),
                answer: "not kept".to_owned(),
            });
        }
        all.extend(kept.calls.iter().map(|call| lock(call).in_words()));
        all
    }

    fn begin(&self, path: &str) -> Arc<Mutex<Call>> {
        let call = Arc::new(Mutex::new(Call {
            path: path.to_owned(),
            ..Call::default()
        }));
        let mut kept = lock(&self.0);
        if kept.calls.len() == CALLS_KEPT {
            kept.calls.pop_front();
            kept.forgotten += 1;
        }
        kept.calls.push_back(Arc::clone(&call));
        call
    }
}

impl Call {
    fn in_words(&self) -> Exchange {
        let method = self.path.rsplit('/').next().unwrap_or_default();
        let request = self.request.messages(&format!("v1alpha.{method}Request"));
        let mut answer = self.answer.messages(&format!("v1alpha.{method}Response"));
        match &self.end {
            Some(Err(status)) => answer.push(text::status(status)),
            // The end of a stream is news, that of a single answer is not.
            Some(Ok(())) if answer.len() == 1 => {}
            Some(Ok(())) => answer.push("OK".to_owned()),
            None => answer.push("no end".to_owned()),
        }
        Exchange {
            request: format!("{method} {}", request.join(" ")),
            answer: answer.join(" "),
        }
    }

    fn ended(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.end = Some(match status.code() {
                tonic::Code::Ok => Ok(()),
                _ => Err(status),
            });
        }
    }
}

impl Side {
    fn push(&mut self, data: &Bytes) {
        let room = BYTES_KEPT - self.bytes.len();
        self.is_cut |= data.len() > room;
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
    }

    /// The messages as JSON, the first ones.
    fn messages(&self, message_type: &str) -> Vec<String> {
        let mut rest = &self.bytes[..];
        let mut messages = Vec::new();
        while rest.len() >= PREFIX_LEN {
            let is_compressed = rest.get_u8() != 0;
            let len = usize::try_from(rest.get_u32()).unwrap_or(usize::MAX);
            let Some(message) = rest.get(..len) else {
                messages.push(format!("a message of {len} bytes"));
                break;
            };
            rest.advance(len);
            let json = match is_compressed {
                true => None,
                false => text::json(message_type, message),
            };
            let json = json.unwrap_or_else(|| format!("{len} bytes that are no {message_type}"));
            messages.push(text::short(&json).into_owned());
            if messages.len() == MESSAGES_SHOWN && !rest.is_empty() {
                messages.push("and more".to_owned());
                return messages;
            }
        }
        if self.is_cut {
            messages.push("and more".to_owned());
        }
        messages
    }
}

/// A connection that writes down what goes over it.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    channel: Channel,
    exchanges: Arc<Exchanges>,
}

impl Recorder {
    pub(crate) fn new(channel: Channel, exchanges: Arc<Exchanges>) -> Self {
        Self { channel, exchanges }
    }
}

impl Service<Request<Body>> for Recorder {
    type Response = Response<Body>;
    type Error = <Channel as Service<Request<Body>>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = self.exchanges.begin(request.uri().path());
        let tee = |way: Way| {
            let call = Arc::clone(&call);
            move |body| Body::new(Tee { body, call, way })
        };
        let answer = Service::call(&mut self.channel, request.map(tee(Way::Request)));
        let tee = tee(Way::Answer);
        Box::pin(async move {
            let answer = answer.await.inspect_err(|error| {
                lock(&call).end = Some(Err(Status::unavailable(error.to_string())));
            })?;
            // An error may come without a body.
            lock(&call).ended(answer.headers());
            Ok(answer.map(tee))
        })
    }
}

#[derive(Clone, Copy)]
enum Way {
    Request,
    Answer,
}

/// A body that is written down while it passes.
struct Tee {
    body: Body,
    call: Arc<Mutex<Call>>,
    way: Way,
}

impl http_body::Body for Tee {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(passed)) = &frame else {
            return frame;
        };
        let mut call = lock(&self.call);
        match passed {
            Ok(passed) => {
                if let Some(data) = passed.data_ref() {
                    match self.way {
                        Way::Request => call.request.push(data),
                        Way::Answer => call.answer.push(data),
                    }
                }
                if let Some(trailers) = passed.trailers_ref() {
                    call.ended(trailers);
                }
            }
            Err(status) => call.end = Some(Err(status.clone())),
        }
        drop(call);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the mutex guards stays whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use rkt_api::api::{InspectPodRequest, ListenEventsResponse};

    use super::*;

    fn framed(message: &[u8]) -> Bytes {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(message);
        bytes.into()
    }

    fn call(exchanges: &Exchanges, id: &str) -> Arc<Mutex<Call>> {
        let call = exchanges.begin("/v1alpha.PublicAPI/InspectPod");
        let request = InspectPodRequest { id: id.to_owned() };
        lock(&call).request.push(&framed(&request.encode_to_vec()));
        call
    }

    #[test]
    fn a_call_reads_as_it_went() {
        let exchanges = Exchanges::default();
        lock(&call(&exchanges, "a")).end = Some(Err(Status::not_found("no pod a")));
        let answered = call(&exchanges, "b");
        lock(&answered).answer.push(&framed(&[]));
        lock(&answered).end = Some(Ok(()));
        let _hangs = call(&exchanges, "c");
        let words = exchanges.in_words();
        let words: Vec<_> = words
            .iter()
            .map(|call| (call.request.as_str(), call.answer.as_str()))
            .collect();
        let expected = [
            (r#"InspectPod {"id":"a"}"#, r#"NOT_FOUND: "no pod a""#),
            (r#"InspectPod {"id":"b"}"#, "{}"),
            (r#"InspectPod {"id":"c"}"#, "no end"),
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_stream_reads_message_by_message() {
        let message = ListenEventsResponse::default().encode_to_vec();
        let mut side = Side::default();
        side.push(&framed(&message));
        side.push(&framed(&message));
        side.push(&Bytes::from_static(&[0, 0, 0, 0, 9, 1]));
        let messages = side.messages("v1alpha.ListenEventsResponse");
        assert_eq!(messages, ["{}", "{}", "a message of 9 bytes"]);
    }

    #[test]
    fn no_more_is_kept_than_somebody_would_read() {
        let exchanges = Exchanges::default();
        for number in 0..CALLS_KEPT + 2 {
            drop(call(&exchanges, &number.to_string()));
        }
        let words = exchanges.in_words();
        assert_eq!(words.len(), CALLS_KEPT + 1);
        assert_eq!(words[0].request, "2 calls before these");
        assert_eq!(words[1].request, r#"InspectPod {"id":"2"}"#);

        let mut side = Side::default();
        side.push(&Bytes::from(vec![0; BYTES_KEPT + 1]));
        assert_eq!(side.bytes.len(), BYTES_KEPT);
        assert!(side.is_cut);
    }
}
