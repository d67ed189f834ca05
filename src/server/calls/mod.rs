//! What is known of each call, whatever it asks for: whose it is, which method, with which code it
//! ended and how long it took. Calls are counted and logged here, and not looked into.
//!
//! A layer around all services. A call ends with the status that its answer has, in the trailers or,
//! where there is nothing else, in the headers; one that is dropped before has been cancelled by
//! its client, which includes clients whose connection is lost.

mod counts;
pub(super) mod method;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use http::{HeaderMap, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use prometheus_client::metrics::counter::Counter;
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;

use crate::service::Connection;
pub(super) use counts::CallCounts;

/// How much of the path of an unknown method is logged.
const PATH_LIMIT_BYTES: usize = 200;

/// Counts and logs the calls of the services inside.
#[derive(Clone, Debug)]
pub(super) struct CallLayer(Arc<CallCounts>);

impl CallLayer {
    /// A layer for connections on which so many calls may be under way; `filled` counts how often
    /// there were as many.
    pub(super) fn new(calls_per_connection: u32, filled: Counter) -> Self {
        Self(Arc::new(CallCounts::new(calls_per_connection, filled)))
    }

    /// What it counts.
    pub(super) fn counts(&self) -> &CallCounts {
        &self.0
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService {
            inner,
            counts: Arc::clone(&self.0),
        }
    }
}

/// Services whose calls are counted and logged.
#[derive(Clone, Debug)]
pub(super) struct CallService<S> {
    inner: S,
    counts: Arc<CallCounts>,
}

impl<S, In, Out> Service<Request<In>> for CallService<S>
where
    S: Service<Request<In>, Response = Response<Out>, Error = Infallible>,
{
    type Response = Response<CallBody<Out>>;
    type Error = Infallible;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let call = Call::begin(Arc::clone(&self.counts), &request);
        CallFuture {
            inner: self.inner.call(request),
            call: Some(call),
        }
    }
}

/// A call under way. It has ended when this is dropped.
#[derive(Debug)]
struct Call {
    counts: Arc<CallCounts>,
    /// Where its method is among all.
    place: usize,
    /// What was asked for instead of a method that there is.
    unknown: Option<Uri>,
    connection: Connection,
    began: Instant,
    is_timed: bool,
    /// `None` as long as nobody has told.
    code: Option<Code>,
}

impl Call {
    fn begin<B>(counts: Arc<CallCounts>, request: &Request<B>) -> Self {
        let (place, is_known) = method::find(request.uri().path());
        let connection = request.extensions().get::<Connection>();
        let connection = connection.cloned().unwrap_or_default();
        counts.begin(place, connection.begin_call());
        Self {
            counts,
            place,
            unknown: (!is_known).then(|| request.uri().clone()),
            connection,
            began: Instant::now(),
            is_timed: false,
            code: None,
        }
    }

    /// Notes that the answer has begun: streams are timed until then.
    fn answer(&mut self) {
        if method::METHODS[self.place].is_streaming {
            self.time();
        }
    }

    fn time(&mut self) {
        if !std::mem::replace(&mut self.is_timed, true) {
            self.counts.time(self.place, self.began.elapsed());
        }
    }

    /// Ends with the code that `headers` have; without one it is no answer that gRPC knows.
    fn end(mut self, headers: Option<&HeaderMap>) {
        let code = headers.and_then(|headers| headers.get(Status::GRPC_STATUS));
        let code = code.map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()));
        self.code = Some(code);
    }

    fn name(&self) -> &str {
        match &self.unknown {
            None => method::METHODS[self.place].label,
            Some(uri) => {
                let path = uri.path();
                &path[..path.floor_char_boundary(PATH_LIMIT_BYTES)]
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.time();
        let code = self.code.unwrap_or(Code::Cancelled);
        self.counts.end(self.place, code);
        self.connection.end_call();
        tracing::debug!(
            peer = %self.connection.peer(),
            method = self.name(),
            code = counts::code_name(code),
            duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "call"
        );
    }
}

pin_project! {
    /// The answer to a call that is to come.
    pub(super) struct CallFuture<F> {
        #[pin]
        inner: F,
        // Until there is an answer.
        call: Option<Call>,
    }
}

impl<F, Out> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<Out>, Infallible>>,
{
    type Output = Result<Response<CallBody<Out>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.inner.poll(context));
        let mut call = this.call.take();
        if let Some(call) = &mut call {
            call.answer();
        }
        // Nothing comes after that: nobody may ask for the body.
        if response.headers().contains_key(Status::GRPC_STATUS)
            && let Some(call) = call.take()
        {
            call.end(Some(response.headers()));
        }
        Poll::Ready(Ok(response.map(|inner| CallBody { inner, call })))
    }
}

pin_project! {
    /// The messages of an answer, and its trailers.
    pub(super) struct CallBody<B> {
        #[pin]
        inner: B,
        // Until it has ended.
        call: Option<Call>,
    }
}

impl<B: Body> Body for CallBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        let trailers = match &frame {
            Some(Ok(known)) => match known.trailers_ref() {
                Some(trailers) => Some(trailers),
                None => return Poll::Ready(frame),
            },
            Some(Err(_)) | None => None,
        };
        if let Some(call) = this.call.take() {
            call.end(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future, pin::pin, task::Waker};

    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    type Frames = VecDeque<Result<Frame<Bytes>, &'static str>>;

    /// A body of these frames.
    struct Scripted(Frames);

    impl Body for Scripted {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    /// Answers every call with these headers and frames.
    struct Answering(HeaderMap, Frames);

    impl Service<Request<()>> for Answering {
        type Response = Response<Scripted>;
        type Error = Infallible;
        type Future = future::Ready<Result<Response<Scripted>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            let mut response = Response::new(Scripted(std::mem::take(&mut self.1)));
            *response.headers_mut() = std::mem::take(&mut self.0);
            future::ready(Ok(response))
        }
    }

    fn status(code: &'static str) -> HeaderMap {
        let code = HeaderValue::from_static(code);
        HeaderMap::from_iter([(Status::GRPC_STATUS, code)])
    }

    /// The code of a call that has ended, if one has.
    fn ended(counts: &CallCounts, place: usize) -> Option<Code> {
        let mut codes = (0..=16).map(Code::from_i32);
        codes.find(|code| counts.requests(place, *code).get() == 1)
    }

    /// The code of a call that is answered so, when as many frames have been asked for.
    fn code(headers: HeaderMap, frames: Frames, asked: usize) -> Option<Code> {
        let layer = CallLayer::new(1, Counter::default());
        let mut service = layer.layer(Answering(headers, frames));
        let mut context = Context::from_waker(Waker::noop());
        let answer = pin!(service.call(request(LIST_PODS))).poll(&mut context);
        let Poll::Ready(Ok(answer)) = answer else {
            panic!("an answer at once");
        };
        let mut body = pin!(answer.into_body());
        for _ in 0..asked {
            let _ = body.as_mut().poll_frame(&mut context);
        }
        ended(layer.counts(), method::find(LIST_PODS).0)
    }

    const LIST_PODS: &str = "/v1alpha.PublicAPI/ListPods";

    fn request(path: &str) -> Request<()> {
        Request::builder().uri(path).body(()).unwrap()
    }

    #[test]
    fn a_call_has_the_code_of_its_answer() {
        let data = || Ok(Frame::data(Bytes::from_static(b"data")));
        let trailers = |code| Ok(Frame::trailers(status(code)));
        let none = HeaderMap::new;
        for (expected, headers, frames, asked) in [
            // The headers are all that there is.
            (Some(Code::NotFound), status("5"), vec![], 0),
            (Some(Code::Ok), none(), vec![data(), trailers("0")], 2),
            (
                Some(Code::DataLoss),
                none(),
                vec![data(), trailers("15")],
                2,
            ),
            // What gRPC does not know.
            (Some(Code::Unknown), none(), vec![trailers("99")], 1),
            (
                Some(Code::Unknown),
                none(),
                vec![Ok(Frame::trailers(none()))],
                1,
            ),
            (Some(Code::Unknown), none(), vec![data(), Err("reset")], 2),
            (Some(Code::Unknown), none(), vec![data()], 2),
            // It is still under way.
            (None, none(), vec![data(), trailers("0")], 1),
        ] {
            assert_eq!(code(headers, frames.into(), asked), expected);
        }
    }

    #[test]
    fn a_call_that_nobody_waits_for_is_cancelled() {
        let path = "/v1alpha.PublicAPI/ListenEvents";
        let (place, _) = method::find(path);
        let layer = CallLayer::new(1, Counter::default());
        let mut service = layer.layer(Answering(HeaderMap::new(), Frames::new()));
        let call = service.call(request(path));
        assert_eq!(ended(layer.counts(), place), None);
        drop(call);
        assert_eq!(ended(layer.counts(), place), Some(Code::Cancelled));
    }
}
