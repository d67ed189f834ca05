//! Admitting calls: so many bytes of headers and of a request, so many streams at a time, so long
//! until each call is answered or its stream begins, so many bytes of large requests together, and of
//! large answers. What is refused here never reaches the service, but for answers, which come from
//! there.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tonic::{Status, body::Body};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    calls::method::{self, METHODS, Method},
    counters::{CallRefusal, Counters},
    limits::{Limits, SMALL_BYTES, permits},
    request_headers,
    unread::{Full, Unread},
};
use crate::service::Connection;

/// Has a service answer only the calls that are admitted.
#[derive(Clone)]
pub(super) struct Admission {
    /// One permit for each stream that may still be opened.
    streams: Arc<Semaphore>,
    /// One permit for each connection that may still have streams.
    streaming: Arc<Semaphore>,
    /// One permit for each byte that may still be taken in.
    request_buffer: Arc<Semaphore>,
    unread: Unread,
    header_bytes: usize,
    request_bytes: u32,
    call_timeout: Duration,
    counters: Counters,
}

impl Admission {
    pub(super) fn new(limits: &Limits, counters: Counters) -> Self {
        Self {
            streams: permits(limits.streams),
            streaming: permits(limits.streaming_connections()),
            request_buffer: permits(limits.request_buffer_bytes),
            unread: Unread::new(limits.answer_buffer_bytes),
            header_bytes: usize::try_from(limits.header_bytes).unwrap_or(usize::MAX),
            request_bytes: u32::try_from(limits.request_bytes).unwrap_or(u32::MAX),
            call_timeout: limits.call_timeout,
            counters,
        }
    }

    /// The place of a stream, where the call is one.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED when the headers are too large, or there is no place.
    fn admit(
        &self,
        request: &Request<Body>,
        method: &Method,
        connection: &Connection,
    ) -> Result<Option<StreamPlace>, Status> {
        if request_headers::size_bytes(request) > self.header_bytes {
            self.counters.refuse_call(CallRefusal::Headers);
            let max = self.header_bytes;
            let message = format!("the headers are larger than {max} bytes");
            return Err(Status::resource_exhausted(message));
        }
        if !method.is_streaming {
            return Ok(None);
        }
        let refuse = |reason, message| {
            self.counters.refuse_call(reason);
            Status::resource_exhausted(message)
        };
        let stream = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let message = "as many streams are open as may be";
            refuse(CallRefusal::Streams, message)
        })?;
        let connection = connection.begin_stream(&self.streaming).ok_or_else(|| {
            let message = "as many connections have streams as may";
            refuse(CallRefusal::Connections, message)
        })?;
        Ok(Some(StreamPlace {
            _stream: stream,
            _connection: connection,
        }))
    }

    /// How long the call may take: as the server has it, or less when the client wants that.
    fn timeout(&self, headers: &HeaderMap) -> Duration {
        let wanted = request_headers::timeout(headers);
        wanted.map_or(self.call_timeout, |wanted| wanted.min(self.call_timeout))
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitting<S>;

    fn layer(&self, inner: S) -> Admitting<S> {
        Admitting {
            inner,
            admission: self.clone(),
        }
    }
}

/// A service that answers only the calls that are admitted.
#[derive(Clone)]
pub(super) struct Admitting<S> {
    inner: S,
    admission: Admission,
}

impl<S> Service<Request<Body>> for Admitting<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let admission = &self.admission;
        let (place, _) = method::find(request.uri().path());
        let method = &METHODS[place];
        let connection = request.extensions().get().cloned().unwrap_or_default();
        let open = match admission.admit(&request, method, &connection) {
            Ok(open) => open,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        let may_take = admission.timeout(request.headers());
        let taken = Taken::default();
        // Of many requests one is held at a time, which is small: see [`SMALL_BYTES`].
        let request = match method.is_client_streaming {
            true => request,
            false => request.map(|body| {
                Body::new(Question {
                    body,
                    head: Head::default(),
                    length: 0,
                    taken: taken.clone(),
                    admission: admission.clone(),
                })
            }),
        };
        // Its time begins here. That of tonic itself, after which a call is taken for cancelled by
        // its client, begins right after this, and must not end before.
        let answer = timeout(may_take, self.inner.call(request));
        let admission = admission.clone();
        Box::pin(async move {
            let Ok(answer) = answer.await else {
                admission.counters.refuse_call(CallRefusal::Timeout);
                let message = format!("there was no answer within {may_take:?}");
                return Ok(Status::deadline_exceeded(message).into_http());
            };
            // What a stream was asked for may be kept for as long as it is answered.
            let open = open.map(|open| (open, taken));
            Ok(answer?.map(|body| {
                Body::new(Answer {
                    body: Some(body),
                    connection,
                    admission,
                    _open: open,
                })
            }))
        })
    }
}

/// The body of an answer. A stream is open until this is gone.
struct Answer {
    /// `None` when the rest was refused.
    body: Option<Body>,
    connection: Connection,
    admission: Admission,
    /// Of a stream: its place, and the room that its request takes.
    _open: Option<(StreamPlace, Taken)>,
}

/// The place of a stream among all, and that of its connection among those that have streams.
struct StreamPlace {
    _stream: OwnedSemaphorePermit,
    _connection: Arc<OwnedSemaphorePermit>,
}

impl Answer {
    /// Ends the answer before its end, since there is no room for more of it.
    fn refuse(&mut self) -> Result<Frame<Bytes>, Status> {
        self.body = None;
        let counters = &self.admission.counters;
        counters.refuse_call(CallRefusal::AnswerBuffer);
        let status = Status::resource_exhausted("too many large answers wait to be read");
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers)?;
        Ok(Frame::trailers(trailers))
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = match ready!(Pin::new(body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            end => return Poll::Ready(end),
        };
        let frame = match frame.into_data() {
            Ok(data) => match self.admission.unread.hold(data, &self.connection) {
                Ok(data) => Ok(Frame::data(data)),
                Err(Full) => self.refuse(),
            },
            Err(other) => Ok(other),
        };
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

/// What a call has taken of the buffer for large requests, until it is answered or its stream is
/// over.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Taken {
    fn add(&self, more: OwnedSemaphorePermit) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *taken {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
    }
}

/// What a message of gRPC begins with: whether it is compressed, and how long it is.
type Head = [u8; 5];

/// The body of a request, of which no more is taken in than may be, and there is room for.
struct Question {
    body: Body,
    /// As far as it has come; the rest is zero.
    head: Head,
    /// How many bytes have come.
    length: usize,
    taken: Taken,
    admission: Admission,
}

impl Question {
    /// Reads in `data`, which comes next, how long the request says that it is: what is too long is
    /// not waited for.
    ///
    /// # Errors
    ///
    /// When it is longer than may be.
    fn check_size(&mut self, data: &[u8]) -> Result<(), Status> {
        let missing = self.head.iter_mut().skip(self.length);
        for (byte, come) in missing.zip(data) {
            *byte = *come;
        }
        let max = self.admission.request_bytes;
        match self.head {
            // Also where some of the length is missing, it is no less than that.
            [0, length @ ..] if u32::from_be_bytes(length) > max => {
                let counters = &self.admission.counters;
                counters.refuse_call(CallRefusal::RequestSize);
                let message = format!("the request is larger than {max} bytes");
                Err(Status::out_of_range(message))
            }
            _ => Ok(()),
        }
    }

    /// Notes that so many more bytes have come.
    ///
    /// # Errors
    ///
    /// When there is no room for them.
    fn take(&mut self, more: usize) -> Result<(), Status> {
        let before = self.length.max(SMALL_BYTES);
        self.length = self.length.saturating_add(more);
        let large = self.length.saturating_sub(before);
        if large == 0 {
            return Ok(());
        }
        let buffer = Arc::clone(&self.admission.request_buffer);
        let permits = u32::try_from(large).ok();
        match permits.and_then(|permits| buffer.try_acquire_many_owned(permits).ok()) {
            Some(permit) => {
                self.taken.add(permit);
                Ok(())
            }
            None => {
                let counters = &self.admission.counters;
                counters.refuse_call(CallRefusal::RequestBuffer);
                Err(Status::resource_exhausted(
                    "too many large requests at once",
                ))
            }
        }
    }
}

impl HttpBody for Question {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.check_size(data)?;
            self.take(data.len())?;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Pending, pending},
    };

    use futures_util::FutureExt as _;
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const LIST_PODS: &str = "/v1alpha.PublicAPI/ListPods";
    const GET_LOGS: &str = "/v1alpha.PublicAPI/GetLogs";

    /// Never answers.
    #[derive(Clone)]
    struct Silent;

    impl Service<Request<Body>> for Silent {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Pending<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            pending()
        }
    }

    #[tokio::test]
    async fn calls_end_by_the_clients_time_or_by_the_servers() {
        let limits = |call_timeout| Limits {
            call_timeout,
            ..Limits::default()
        };
        let hour = Duration::from_secs(60 * 60);
        for (path, server, client) in [
            (LIST_PODS, hour, "1m"),
            (LIST_PODS, Duration::from_millis(1), "1H"),
            (GET_LOGS, hour, "1m"),
            (GET_LOGS, Duration::from_millis(1), "1H"),
        ] {
            let counters = Counters::default();
            let admission = Admission::new(&limits(server), counters.clone());
            let mut service = admission.layer(Silent);
            let request = Request::builder()
                .uri(path)
                .header("grpc-timeout", client)
                .body(Body::empty())
                .unwrap();
            let answer = service.call(request).await.unwrap();
            let status = Status::from_header_map(answer.headers()).unwrap();
            assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
            assert_eq!(counters.calls_refused(CallRefusal::Timeout).get(), 1);
        }
    }

    #[tokio::test]
    async fn the_time_of_a_call_begins_when_it_is_made() {
        let admission = Admission::new(&Limits::default(), Counters::default());
        let request = Request::builder()
            .uri(LIST_PODS)
            .header("grpc-timeout", "1m")
            .body(Body::empty())
            .unwrap();
        let answer = admission.layer(Silent).call(request);
        // As tonic does, once the call is made.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let answer = answer.now_or_never().expect("its time is over");
        let status = Status::from_header_map(answer.unwrap().headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }

    fn question(admission: &Admission) -> Question {
        Question {
            body: Body::empty(),
            head: Head::default(),
            length: 0,
            taken: Taken::default(),
            admission: admission.clone(),
        }
    }

    #[test]
    fn large_requests_share_a_buffer_and_small_ones_do_not_need_it() {
        let limits = Limits {
            request_buffer_bytes: 100,
            ..Limits::default()
        };
        let admission = Admission::new(&limits, Counters::default());
        let mut large = question(&admission);
        large.take(SMALL_BYTES - 1).unwrap();
        large.take(41).unwrap();
        large.take(60).unwrap();
        assert_eq!(
            large.take(1).unwrap_err().code(),
            tonic::Code::ResourceExhausted
        );
        let mut other = question(&admission);
        other.take(SMALL_BYTES).unwrap();
        other.take(1).unwrap_err();

        let call = large.taken.clone();
        drop(large);
        question(&admission).take(SMALL_BYTES + 1).unwrap_err();
        drop(call);
        question(&admission).take(SMALL_BYTES + 100).unwrap();
    }

    #[test]
    fn requests_are_refused_as_soon_as_they_say_that_they_are_too_large() {
        let limits = Limits {
            request_bytes: 1000,
            ..Limits::default()
        };
        let counters = Counters::default();
        let admission = Admission::new(&limits, counters.clone());
        for (pieces, is_refused) in [
            (&[&b"\0\0\0\x03\xe8 and more"[..]][..], false),
            (&[b"\0\0\0\x03\xe9"], true),
            (&[b"\0", b"\0", b"\0\x03", b"\xe8", b"\xff"], false),
            (&[b"\0", b"\0", b"\0\x03", b"\xe9"], true),
            (&[b"\0\xff"], true),
            (&[], false),
            // What says that it is compressed is refused for that.
            (&[b"\x01\xff\xff\xff\xff"], false),
        ] {
            let before = counters.calls_refused(CallRefusal::RequestSize).get();
            let mut request = question(&admission);
            let result = pieces.iter().try_for_each(|piece| {
                request.check_size(piece)?;
                request.take(piece.len())
            });
            let code = result.err().map(|status| status.code());
            let expected = is_refused.then_some(tonic::Code::OutOfRange);
            assert_eq!(code, expected, "{pieces:?}");
            let refused = counters.calls_refused(CallRefusal::RequestSize).get() - before;
            assert_eq!(refused, u64::from(is_refused), "{pieces:?}");
        }
    }

    /// Takes a request in, and answers.
    #[derive(Clone)]
    struct Taking;

    impl Service<Request<Body>> for Taking {
        type Response = Response<Body>;
        type Error = Status;
        type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            Box::pin(async {
                request.into_body().collect().await?;
                Ok(Response::new(Body::new(Full::from("the answer"))))
            })
        }
    }

    #[tokio::test]
    async fn what_was_asked_of_a_stream_counts_as_long_as_it_is_open() {
        let limits = Limits {
            request_buffer_bytes: 100,
            ..Limits::default()
        };
        let admission = Admission::new(&limits, Counters::default());
        let mut service = admission.layer(Taking);
        for (path, is_stream) in [(LIST_PODS, false), (GET_LOGS, true)] {
            let mut call = |length| {
                let body = Body::new(Full::new(Bytes::from(vec![0; length])));
                service.call(Request::builder().uri(path).body(body).unwrap())
            };
            call(SMALL_BYTES + 101).await.unwrap_err();
            let open = call(SMALL_BYTES + 60).await.unwrap();
            let is_full = question(&admission).take(SMALL_BYTES + 41).is_err();
            assert_eq!(is_full, is_stream, "{path}");
            drop(open);
            question(&admission).take(SMALL_BYTES + 100).unwrap();
        }
    }
}
