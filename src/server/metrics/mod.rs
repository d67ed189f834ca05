//! What monitoring asks for over HTTP: the metrics, and whether the server lives and is ready.
//! Each room counts for itself and adds its metrics to the registry; here they are put together
//! and told, and what is the process's own is added.
//!
//! `docs/metrics.md` describes every metric.

mod http;
mod process;

use prometheus_client::{metrics::info::Info, registry::Registry};

use super::{
    listen::{self, BindError, ListenAddress, Listener},
    readiness::Readiness,
    socket_file::SocketPermissions,
};
use crate::service::Dialect;
use http::Pages;
use process::Process;

/// The metrics of a server.
#[derive(Debug)]
pub(super) struct Metrics(Registry);

impl Metrics {
    /// The metrics of a server that answers in `dialect`: of those of the process, and of the
    /// rooms what `register` adds.
    pub(super) fn new(dialect: Dialect, register: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::default();
        let build = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("dialect", dialect.to_string()),
        ];
        registry.register(
            "rkt_api_build",
            "The version of the server, and the dialect in which it answers",
            Info::new(build),
        );
        register(&mut registry);
        registry.register_collector(Box::new(Process::new()));
        Self(registry)
    }
}

/// The HTTP endpoint, bound to its addresses.
pub(super) struct Endpoint {
    listeners: Vec<Listener>,
    pages: Pages,
}

impl Endpoint {
    /// Binds `addresses`, to tell `metrics` and `readiness` there.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on.
    pub(super) async fn bind(
        addresses: &[ListenAddress],
        permissions: &SocketPermissions,
        metrics: Metrics,
        readiness: Readiness,
    ) -> Result<Self, BindError> {
        let listeners = listen::bind_all(addresses, permissions).await?;
        // Monitoring may well be elsewhere, and metrics say nothing of what is in pods.
        for address in listen::remote_addresses(&listeners) {
            tracing::warn!(
                address,
                "everybody who reaches this address can read the metrics"
            );
        }
        Ok(Self {
            listeners,
            pages: Pages::new(metrics, readiness),
        })
    }

    /// The addresses that it is bound to.
    pub(super) fn addresses(&self) -> impl Iterator<Item = String> {
        self.listeners.iter().map(ToString::to_string)
    }

    /// Answers until `stopped` is over.
    pub(super) async fn serve(self, stopped: impl Future<Output = ()>) {
        http::serve(self.listeners, self.pages, stopped).await;
    }
}
