//! The model as a server: all seven calls answered out of a world that others move on. Here
//! are the calls and the end; what is answered is said in the modules beside.

mod streams;

use std::{future::Future, path::Path, pin::pin, sync::Arc, time::Duration};

use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse, GlobalFlags, Info,
    InspectImageRequest, InspectImageResponse, InspectPodRequest, InspectPodResponse,
    ListImagesRequest, ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest,
    ListenEventsResponse,
    public_api_server::{PublicApi, PublicApiServer},
};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Response, Status,
    transport::{self, Server, server::TcpIncoming},
};

use super::{Refusal, Shared, images, logs, pods};
use crate::{clock::now_unix_ns, profile::Profile};
use streams::{Following, Listening, Watching, responses, send_all, stream};

/// How many events may wait for a listener (E-14).
const STREAM_BUFFER: usize = 10_000;

/// How much of an error's message is sent: it travels in a header.
const MESSAGE_LIMIT_BYTES: usize = 1024;

/// How long calls under way may take once the server is to end (SV-2).
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a server with default flags says of itself (I-1, I-2), for this data directory.
pub fn info(data_dir: &Path) -> Info {
    Info {
        rkt_version: "1.30.0".to_owned(),
        appc_version: "0.8.11".to_owned(),
        api_version: "1.0.0-alpha".to_owned(),
        global_flags: Some(GlobalFlags {
            dir: data_dir.display().to_string(),
            system_config_dir: "/usr/lib/rkt".to_owned(),
            local_config_dir: "/etc/rkt".to_owned(),
            user_config_dir: String::new(),
            insecure_flags: "none".to_owned(),
            trust_keys_from_https: false,
        }),
    }
}

/// Serves `service` on `listener` until `shutdown` is over, and the calls that are under way
/// then, for up to 5 seconds.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    service: impl PublicApi,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), transport::Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async {
        // Nothing is ever sent: the sender is dropped.
        let _ = stopped.await;
    };
    let server = Server::builder().add_service(PublicApiServer::new(service));
    let mut serving = pin!(server.serve_with_incoming_shutdown(incoming, stopped));
    tokio::select! {
        () = shutdown => drop(stop),
        ended = &mut serving => return ended,
    }
    // Who is still connected after that is cut off.
    timeout(DRAIN_TIMEOUT, serving).await.unwrap_or(Ok(()))
}

/// Answers all calls from the model. Clones share everything.
#[derive(Clone)]
pub struct ModelServer(Arc<Parts>);

struct Parts {
    shared: Arc<Shared>,
    profile: Profile,
    info: Info,
    stream_buffer: usize,
    is_ending: watch::Sender<bool>,
}

impl ModelServer {
    /// A server of `shared`'s world in this dialect, that says `info` of itself.
    pub fn new(shared: Arc<Shared>, profile: Profile, info: Info) -> Self {
        Self::with_stream_buffer(shared, profile, info, STREAM_BUFFER)
    }

    /// The same, with room for so many events that wait for a listener (E-14).
    pub fn with_stream_buffer(
        shared: Arc<Shared>,
        profile: Profile,
        info: Info,
        stream_buffer: usize,
    ) -> Self {
        Self(Arc::new(Parts {
            shared,
            profile,
            info,
            stream_buffer,
            is_ending: watch::Sender::new(false),
        }))
    }

    /// A server of the same world in another dialect. The two end together.
    pub fn speaking(&self, profile: Profile) -> Self {
        let Parts {
            shared,
            profile: _,
            info,
            stream_buffer,
            is_ending,
        } = &*self.0;
        Self(Arc::new(Parts {
            shared: Arc::clone(shared),
            profile,
            info: info.clone(),
            stream_buffer: *stream_buffer,
            is_ending: is_ending.clone(),
        }))
    }

    /// Ends all streams with UNAVAILABLE, those to come included (SV-2). Other calls are
    /// answered as before.
    pub fn end(&self) {
        self.0.is_ending.send_replace(true);
    }

    /// Serves on `listener` until `shutdown` is over, then ends in good order (SV-2).
    ///
    /// # Errors
    ///
    /// As [`serve`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), transport::Error> {
        let service = self.clone();
        let shutdown = async {
            shutdown.await;
            self.end();
        };
        serve(service, listener, shutdown).await
    }
}

#[tonic::async_trait]
impl PublicApi for ModelServer {
    async fn get_info(
        &self,
        _request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        let info = Some(self.0.info.clone());
        Ok(Response::new(GetInfoResponse { info }))
    }

    async fn list_pods(
        &self,
        request: Request<ListPodsRequest>,
    ) -> Result<Response<ListPodsResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        let pods = pods::list(&world, profile, request.get_ref()).into_iter();
        let pods = pods.map(|pod| pod.message).collect();
        Ok(Response::new(ListPodsResponse { pods }))
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        let pod = pods::inspect(&world, profile, &request.get_ref().id)?;
        let pod = Some(pod.message);
        Ok(Response::new(InspectPodResponse { pod }))
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        images::available(&world)?;
        let images = images::list(&world, profile, request.get_ref()).into_iter();
        let images = images.map(|image| image.message).collect();
        Ok(Response::new(ListImagesResponse { images }))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        let image = images::inspect(&world, profile, &request.get_ref().id)?;
        let image = Some(image.message);
        Ok(Response::new(InspectImageResponse { image }))
    }

    type ListenEventsStream = ReceiverStream<Result<ListenEventsResponse, Status>>;

    async fn listen_events(
        &self,
        request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        let filter = request.into_inner().filter.unwrap_or_default();
        // E-11: what comes from here on is part of the stream.
        let watching = self.0.watch();
        let listening = Listening::begin(filter, self.0.stream_buffer, &watching.world());
        Ok(stream(watching, |watching, to| listening.go(watching, to)))
    }

    type GetLogsStream = ReceiverStream<Result<GetLogsResponse, Status>>;

    async fn get_logs(
        &self,
        request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        let request = request.into_inner();
        let watching = self.0.watch();
        let world = watching.world();
        let profile = self.0.profile;
        let lines = logs::lines(&world, profile, &request)?;
        let called_s = now_unix_ns().div_euclid(1_000_000_000);
        let until_is_over = (1..=called_s).contains(&request.until_time);
        // L-5, L-7
        if !request.follow || until_is_over {
            let mut responses = responses(lines);
            if responses.is_empty() {
                // L-9: known clients wait for one.
                responses.push(GetLogsResponse::default());
            }
            return Ok(stream(watching, |_, to| send_all(responses, to)));
        }
        let (pod, journal) = logs::journal(&world, profile, &request)?;
        let is_waiting = request.since_time > called_s;
        let following = Following {
            profile,
            pod: pod.id,
            // Who waits gets what is there by then as if it had come since (L-7).
            next: if is_waiting { 0 } else { journal.len() },
            request,
        };
        let first = if is_waiting { Vec::new() } else { lines };
        Ok(stream(watching, |watching, to| {
            following.go(first, watching, to)
        }))
    }
}

impl Parts {
    fn watch(&self) -> Watching {
        Watching {
            worlds: self.shared.subscribe(),
            is_ending: self.is_ending.subscribe(),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let names = &refusal.names;
        let mut message = match refusal.code {
            Code::NotFound => format!("there is no \"{names}\""),
            Code::InvalidArgument => format!("\"{names}\" is not what can be asked for"),
            Code::FailedPrecondition => format!("the pod \"{names}\" keeps no journal"),
            Code::Unavailable => "the image store cannot be read".to_owned(),
            _ => format!("\"{names}\" cannot be read"),
        };
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT_BYTES));
        Self::new(refusal.code, message)
    }
}
