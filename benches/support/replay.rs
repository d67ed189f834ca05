//! The yardstick for what calls cost: a bare tonic server that does nothing but answer with bytes
//! that it has in memory.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{self, NamedService, UnaryService},
    transport::{Server, server::TcpIncoming},
};

use crate::raw::{INSPECT_POD, LIST_IMAGES, LIST_PODS, Method, Raw};

/// The one call for which there is nothing to look at.
pub const GET_INFO: Method = "/v1alpha.PublicAPI/GetInfo";

/// A service that knows the answers beforehand.
#[derive(Clone, Debug, Default)]
pub struct Replay(Arc<HashMap<(Method, Bytes), Bytes>>);

impl Replay {
    /// A service that gives these answers to these requests.
    pub fn new(answers: impl IntoIterator<Item = ((Method, Bytes), Bytes)>) -> Self {
        Self(Arc::new(answers.into_iter().collect()))
    }

    /// Serves on this socket for as long as the runtime lasts.
    pub fn serve(self, socket: TcpListener) {
        let incoming = TcpIncoming::from(socket).with_nodelay(Some(true));
        let server = Server::builder().add_service(self);
        tokio::spawn(server.serve_with_incoming(incoming));
    }
}

impl NamedService for Replay {
    const NAME: &'static str = "v1alpha.PublicAPI";
}

impl Service<http::Request<Body>> for Replay {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = ReplayMethod {
            answers: self.clone(),
            path: request.uri().path().to_owned(),
        };
        Box::pin(async move { Ok(server::Grpc::new(Raw).unary(method, request).await) })
    }
}

struct ReplayMethod {
    answers: Replay,
    path: String,
}

impl UnaryService<Bytes> for ReplayMethod {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let request = request.into_inner();
        let mut methods = [LIST_PODS, INSPECT_POD, LIST_IMAGES, GET_INFO].into_iter();
        let answer = methods
            .find(|method| *method == self.path)
            .and_then(|method| self.answers.0.get(&(method, request)));
        let answer = answer.ok_or_else(|| Status::not_found("not among the answers"));
        ready(answer.map(|answer| Response::new(answer.clone())))
    }
}
