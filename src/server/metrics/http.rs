//! The pages that monitoring asks for, and what keeps clients of them within bounds: how many there
//! are at once, how much they send, and how long they take. Each connection is for one request.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::timeout,
};

use super::Metrics;
use crate::{
    server::{
        crowd::Crowd,
        listen::Listener,
        readiness::{Readiness, State},
    },
    trouble::Trouble,
};

/// How many clients of a listener are served at once. Honest ones take a moment: when more come,
/// the oldest make room.
const CONNECTIONS: usize = 256;

/// How long a client may take in all, to ask and to read the answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How large a request may be before its body, which nobody reads.
const REQUEST_BYTES: usize = 16 << 10;

/// How many headers a request may have.
const HEADERS: usize = 64;

/// How long to wait when a connection cannot be accepted, as when there are no descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What there is to see.
#[derive(Clone, Debug)]
pub(super) struct Pages(Arc<Sources>);

#[derive(Debug)]
struct Sources {
    metrics: Metrics,
    readiness: Readiness,
}

impl Pages {
    pub(super) fn new(metrics: Metrics, readiness: Readiness) -> Self {
        Self(Arc::new(Sources { metrics, readiness }))
    }

    /// The answer to a request for `path`.
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let page = match path {
            "/metrics" => Self::metrics,
            "/healthz" => |_: &Self| text(StatusCode::OK, "alive"),
            "/readyz" => Self::readyz,
            _ => return text(StatusCode::NOT_FOUND, "no such page"),
        };
        match *method {
            Method::GET | Method::HEAD => page(self),
            _ => {
                let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
                let allowed = HeaderValue::from_static("GET, HEAD");
                refusal.headers_mut().insert(ALLOW, allowed);
                refusal
            }
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut page = String::new();
        match prometheus_client::encoding::text::encode(&mut page, &self.0.metrics.0) {
            Ok(()) => response(StatusCode::OK, OPEN_METRICS, page),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        let state = self.0.readiness.state();
        let status = match state {
            State::Ready => StatusCode::OK,
            State::Starting | State::Unreadable | State::Draining => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        text(status, &state.to_string())
    }
}

fn text(status: StatusCode, line: &str) -> Response<Full<Bytes>> {
    response(status, TEXT, format!("{line}\n"))
}

fn response(status: StatusCode, kind: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Serves `pages` on all of `listeners` until `stopped` is over.
pub(super) async fn serve(
    listeners: Vec<Listener>,
    pages: Pages,
    stopped: impl Future<Output = ()>,
) {
    let mut accepting: JoinSet<_> = listeners
        .into_iter()
        .map(|listener| accept(listener, pages.clone()))
        .collect();
    tokio::select! {
        () = stopped => {}
        // They have no end of their own.
        _ = accepting.join_next() => {}
    }
    // With the files of sockets.
    accepting.shutdown().await;
}

/// Takes connections, whoever has to go for them.
async fn accept(listener: Listener, pages: Pages) {
    let mut clients = Crowd::new(CONNECTIONS);
    let mut shortage = Trouble::default();
    loop {
        let accepted = match &listener {
            Listener::Tcp(socket) => {
                let accepted = socket.accept().await;
                accepted.map(|(stream, _)| take(&mut clients, stream, &pages))
            }
            Listener::Unix(socket, _) => {
                let accepted = socket.accept().await;
                accepted.map(|(stream, _)| take(&mut clients, stream, &pages))
            }
        };
        if let Err(error) = accepted {
            if shortage.is_news() {
                tracing::warn!(%error, "failed to take a connection of monitoring");
            }
            tokio::time::sleep(ACCEPT_RETRY).await;
        }
    }
}

/// Has the client that is at the other end of `stream` among those that are served.
fn take(
    clients: &mut Crowd,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    pages: &Pages,
) {
    if clients.is_full() {
        clients.end_oldest(1);
    }
    clients.begin(answer(stream, pages.clone()));
}

/// Answers the one request that comes by `stream`.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, pages: Pages) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let answer = pages.answer(request.method(), request.uri().path());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(REQUEST_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), answer);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client of monitoring has failed"),
        Err(_) => tracing::debug!("a client of monitoring took too long"),
    }
}
