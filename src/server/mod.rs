//! Serving: listeners, health, reflection, and an end in good order. What the calls answer
//! is the service's.

mod accept;
mod admission;
mod calls;
mod config;
mod counters;
mod crowd;
mod handshake;
mod io;
mod limits;
mod listen;
mod metrics;
mod notify;
mod places;
mod readiness;
mod request_headers;
mod sandbox;
mod socket_file;
mod tls;
mod unread;

use std::{convert::Infallible, future::Future, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Error as TransportError, Server as Transport, server::Router};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower_layer::{Identity, Stack};

pub use crate::service::Dialect;
use crate::{
    api,
    clock::Clock,
    layout,
    logs::Logs,
    service::{
        Inventory, RequestLimits, Service, StreamCounters, StreamLimits,
        prepared::serving::public_api_server::PublicApiServer,
    },
};
use accept::{Accept, Door};
use admission::Admission;
use calls::CallLayer;
pub use config::{Config, Timezone};
use counters::{CallRefusal, Counters};
pub use limits::Limits;
use limits::SMALL_BYTES;
use listen::{BindError, Listener};
pub use listen::{ListenAddress, ParseListenAddressError};
pub use socket_file::SocketPermissions;
use tls::Tls;
pub use tls::{TlsError, TlsFiles};

use metrics::{Endpoint, Metrics};
pub use notify::ServiceManager;
use readiness::Readiness;
pub use sandbox::{Confinement, Needs, Sandbox, SandboxError, confine};

/// How many calls of a connection may end because the client has broken the rules of HTTP/2;
/// then the connection ends. hyper's own limit, which tonic takes away.
const LOCAL_RESETS_MAX: usize = 1024;

/// How long calls under way may take once the server has been told to end (SV-2).
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the server may look for what happened before it was told to end.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Why the server cannot start, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory, or that of the pods, is missing or may not be read.
    #[error("failed to read the data directory {}: {source}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened on, or is not to be.
    #[error(transparent)]
    Listen(#[from] BindError),
}

/// The server, bound to its addresses: clients can connect, and are answered once it serves.
pub struct Server {
    listeners: Vec<Listener>,
    door: Door,
    tls: Option<Tls>,
    router: ApiRouter,
    metrics: Option<Endpoint>,
    health: HealthReporter,
    readiness: Readiness,
    inventory: Arc<Inventory>,
    logs: Arc<Logs>,
    /// Tells those who ask whether the server is ready that it goes down.
    leave: watch::Sender<bool>,
    /// Tells streams to come to their end.
    drain: watch::Sender<bool>,
}

/// Why building reflection does not fail.
const DECODES: &str = "the build script encoded the descriptors";

type Api = PublicApiServer<Service>;

/// The services, and what calls go through to get to them: they are counted before they are
/// admitted.
type ApiRouter = Router<Stack<Admission, Stack<CallLayer, Identity>>>;

impl Server {
    /// Binds the addresses of `config`, and makes sure that the data directory is there.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the data directory cannot be read, or an address not be bound.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        check_data_dir(&config)?;
        let counters = Counters::default();
        let tls = config.tls.clone();
        let tls = tls
            .map(|files| Tls::load(files, counters.clone()))
            .transpose()?;
        let listeners = listen::bind(&config.listen, &config.socket_permissions).await?;
        if tls.is_none() {
            listen::check_reach(&listeners, config.insecure_listen)?;
        }

        let clock = Clock::of_the_machine();
        let inventory = Arc::new(Inventory::new(
            config.data_dir.clone(),
            config.watch,
            config.changes_max,
            config.store_lock_timeout,
            config.limits.event_history,
            config.limits.stream_buffer,
            clock.clone(),
        ));
        inventory.follow();
        let logs = Arc::new(Logs::new(config.data_dir.clone(), config.watch));
        let (drain, draining) = watch::channel(false);
        let (leave, leaving) = watch::channel(false);
        let readiness = Readiness {
            condition: inventory.condition(),
            draining: leaving,
        };
        let streams = StreamLimits {
            buffer: config.limits.stream_buffer,
            draining,
            clock,
            counters: StreamCounters::default(),
        };
        let calls = CallLayer::new(
            config.limits.calls_per_connection,
            counters.connections_filled.clone(),
        );
        let metrics = Metrics::new(config.dialect, |registry| {
            calls.counts().register(registry);
            counters.register(registry);
            inventory.register(registry);
            logs.register(registry);
            streams.counters.register(registry);
        });
        let metrics = match config.metrics_listen.as_slice() {
            [] => None,
            addresses => Some(
                Endpoint::bind(
                    addresses,
                    &config.socket_permissions,
                    metrics,
                    readiness.clone(),
                )
                .await?,
            ),
        };
        let requests = RequestLimits {
            filters: config.limits.filters,
            values: config.limits.filter_values,
            refused: counters.calls_refused(CallRefusal::Filters),
        };
        let service = Service::new(
            config.info(),
            config.dialect,
            Arc::clone(&inventory),
            Arc::clone(&logs),
            config.timezone.time_zone(),
            streams,
            requests,
        );
        let door = Door::new(&config.limits, counters.clone());
        let (health, health_service) = tonic_health::server::health_reporter();
        readiness::set(&health, ServingStatus::NotServing).await;
        // Admission has refused a larger one; this is for what may follow it.
        let api =
            PublicApiServer::new(service).max_decoding_message_size(config.limits.request_bytes);
        let router = transport(&config.limits)
            .layer(calls)
            .layer(Admission::new(&config.limits, counters))
            .add_service(api)
            .add_service(health_service)
            .add_service(
                (reflection().build_v1().expect(DECODES)).max_decoding_message_size(SMALL_BYTES),
            )
            .add_service(
                (reflection().build_v1alpha().expect(DECODES))
                    .max_decoding_message_size(SMALL_BYTES),
            );
        Ok(Self {
            listeners,
            door,
            tls,
            router,
            metrics,
            health,
            readiness,
            inventory,
            logs,
            leave,
            drain,
        })
    }

    /// The addresses that the server is bound to, such as `127.0.0.1:15441` or
    /// `unix:/run/rkt/api.sock`.
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(ToString::to_string).collect()
    }

    /// The addresses at which monitoring is told of metrics and readiness.
    pub fn metrics_addresses(&self) -> Vec<String> {
        self.metrics.iter().flat_map(Endpoint::addresses).collect()
    }

    /// What lets everything go that keeps the file system of the data directory in use, and
    /// has it and the certificates read anew: for a hangup signal.
    pub fn renewal(&self) -> impl Fn() + Send + 'static + use<> {
        let inventory = Arc::downgrade(&self.inventory);
        let tls = self.tls.clone();
        let logs = Arc::downgrade(&self.logs);
        move || {
            if let Some(tls) = &tls {
                tls.reload();
            }
            if let Some(inventory) = inventory.upgrade() {
                inventory.begin_anew();
            }
            if let Some(logs) = logs.upgrade() {
                logs.begin_anew();
            }
        }
    }

    /// What tells how many pods there were when last looked at, if that is known: for those
    /// whom it is enough to know it now and then.
    pub fn pods_known(&self) -> impl Fn() -> Option<usize> + Send + 'static + use<> {
        let inventory = Arc::downgrade(&self.inventory);
        move || inventory.upgrade()?.pods_known()
    }

    /// Serves until `shutdown` is over; then takes no new calls, and lets those under way
    /// finish for up to 5 seconds.
    ///
    /// # Errors
    ///
    /// When a listener fails for good.
    pub async fn serve(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let (end, ended) = oneshot::channel::<Infallible>();
        let mut monitoring = JoinSet::new();
        if let Some(metrics) = self.metrics.take() {
            monitoring.spawn(metrics.serve(async {
                // Nothing is ever sent: the channel closes.
                let _ = ended.await;
            }));
        }
        let served = self.serve_calls(shutdown).await;
        // Not before: that the server drains can be seen.
        drop(end);
        monitoring.join_next().await;
        served
    }

    async fn serve_calls(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let mut health = JoinSet::new();
        health.spawn(self.readiness.tell(self.health));
        let (stop, stopped) = watch::channel(());
        let mut listeners = JoinSet::new();
        let mut watching = JoinSet::new();
        if let Some(tls) = &self.tls {
            watching.spawn(tls.clone().watch());
        }
        for listener in std::mem::take(&mut self.listeners) {
            let mut stopped = stopped.clone();
            let stopped = async move {
                // Nothing is ever sent: the channel closes.
                let _ = stopped.changed().await;
            };
            let (door, router) = (self.door.clone(), self.router.clone());
            let tls = self.tls.clone();
            listeners.spawn(async move {
                match listener {
                    Listener::Tcp(tcp) => serve(door, tcp, tls, router, stopped).await,
                    Listener::Unix(unix, file) => {
                        let stopped = async {
                            stopped.await;
                            // Nobody is let in any more.
                            drop(file);
                        };
                        serve(door, unix, None, router, stopped).await
                    }
                }
            });
        }

        tokio::select! {
            () = shutdown => {}
            Some(ended) = listeners.join_next() => ended??,
        }
        self.leave.send_replace(true);
        // Who watches is told before connections are.
        health.join_next().await;
        drop(stop);
        let drained = timeout(DRAIN_TIMEOUT, async {
            // Of what happened until now listeners are told, if it can be known in time.
            let _ = timeout(LAST_LOOK, self.inventory.history()).await;
            self.drain.send_replace(true);
            while let Some(ended) = listeners.join_next().await {
                ended??;
            }
            Ok(())
        });
        drained.await.unwrap_or_else(|_| {
            tracing::warn!("ending although some clients are still connected");
            Ok(())
        })
    }
}

/// HTTP/2, within `limits`.
fn transport(limits: &Limits) -> Transport {
    // Who ends all calls at once may do so, before they are looked at.
    let cancelled = usize::try_from(limits.calls_per_connection).unwrap_or(usize::MAX);
    let interval = limits.keepalive_interval;
    Transport::builder()
        .max_concurrent_streams(limits.calls_per_connection)
        .http2_max_pending_accept_reset_streams(Some(cancelled))
        .http2_max_local_error_reset_streams(Some(LOCAL_RESETS_MAX))
        .http2_keepalive_interval((!interval.is_zero()).then_some(interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        // Beyond what is refused with a reason.
        .http2_max_header_list_size(limits.header_bytes.saturating_mul(2))
}

/// Serves those whom `door` lets in from `listener`, until `stopped` is over and the last
/// connection has ended.
async fn serve<L: Accept>(
    door: Door,
    listener: L,
    tls: Option<Tls>,
    router: ApiRouter,
    stopped: impl Future<Output = ()>,
) -> Result<(), TransportError> {
    // Whoever is let in is taken at once.
    let (admitted, connections) = mpsc::channel(1);
    let serving = router.serve_with_incoming_shutdown(ReceiverStream::new(connections), stopped);
    let (served, ()) = tokio::join!(serving, door.admit(listener, tls, admitted));
    served
}

/// Why the server stopped serving before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener failed.
    #[error("failed to serve: {0}")]
    Transport(#[from] TransportError),
    /// A listener's task ended by itself, which is a bug.
    #[error("failed to serve: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What gRPC reflection describes: the API and the health service.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(api::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn check_data_dir(config: &Config) -> Result<(), StartError> {
    let readable = |path: PathBuf| match std::fs::read_dir(&path) {
        Ok(_) => Ok(()),
        Err(source) => Err(StartError::DataDir { path, source }),
    };
    readable(config.data_dir.clone())?;
    match readable(config.data_dir.join(layout::PODS)) {
        // A host where rkt never ran has no pods.
        Err(StartError::DataDir { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        result => result,
    }
}
