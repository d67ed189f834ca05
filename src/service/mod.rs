//! Answering RPCs: one file per method, and [`view`], where facts become messages.
//! What is on the disk comes from the inventory; nothing here parses or watches.

mod connection;
mod counters;
mod dialect;
mod get_info;
mod get_logs;
mod inspect_image;
mod inspect_pod;
mod kept;
mod list_images;
mod list_pods;
mod listen_events;
mod listing;
mod log_lines;
pub(crate) mod prepared;
mod request_limits;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

pub(crate) use connection::{Connection, Peer};
pub(crate) use counters::StreamCounters;
pub use dialect::Dialect;
pub(crate) use request_limits::RequestLimits;

use crate::{
    api::{
        GetInfoRequest, GetInfoResponse, GetLogsRequest, Info, InspectImageRequest,
        InspectPodRequest, ListImagesRequest, ListPodsRequest, ListenEventsRequest,
    },
    clock::Clock,
    inventory::{self, Unavailable},
    logs::Logs,
};
use kept::{KeptImage, KeptPod, Listings};
use prepared::{Items, serving::public_api_server::PublicApi};

pub(crate) use inventory::Condition;

/// The inventory, with what calls leave in it.
pub(crate) type Inventory = inventory::Inventory<KeptPod, KeptImage>;

/// The `v1alpha.PublicAPI` service.
#[derive(Clone)]
pub(crate) struct Service(Arc<Parts>);

struct Parts {
    info: Info,
    view: view::View,
    inventory: Arc<Inventory>,
    listings: Listings,
    logs: Arc<Logs>,
    /// Of the times in logs.
    zone: TimeZone,
    streams: StreamLimits,
    requests: RequestLimits,
}

/// What is asked of the streams of calls.
#[derive(Clone, Debug)]
pub(crate) struct StreamLimits {
    /// How many events may wait for a listener.
    pub(crate) buffer: usize,
    /// Turns true when the server drains.
    pub(crate) draining: watch::Receiver<bool>,
    /// By which they begin and end.
    pub(crate) clock: Clock,
    /// What is counted of them.
    pub(crate) counters: StreamCounters,
}

impl Service {
    /// A service that answers from `inventory` and `logs`, in `dialect`, with times of `zone` in
    /// logs, and says `info` of itself. Of streams and requests it asks what is in `streams` and
    /// `requests`.
    pub(crate) fn new(
        info: Info,
        dialect: Dialect,
        inventory: Arc<Inventory>,
        logs: Arc<Logs>,
        zone: TimeZone,
        streams: StreamLimits,
        requests: RequestLimits,
    ) -> Self {
        let view = view::View::new(dialect, info.appc_version.clone());
        Self(Arc::new(Parts {
            info,
            view,
            inventory,
            listings: Listings::default(),
            logs,
            zone,
            streams,
            requests,
        }))
    }
}

/// How much of an error's message is sent. Messages quote what was asked for, HTTP/2 carries
/// them in a header, and clients take no more than 8 or 16 KiB of headers.
const MESSAGE_LIMIT_BYTES: usize = 1024;

/// `status`, with a message of a length that every client takes.
fn short(status: Status) -> Status {
    let message = status.message();
    if message.len() <= MESSAGE_LIMIT_BYTES {
        return status;
    }
    let end = message.floor_char_boundary(MESSAGE_LIMIT_BYTES);
    Status::new(status.code(), format!("{}...", &message[..end]))
}

impl From<Unavailable> for Status {
    fn from(unavailable: Unavailable) -> Self {
        Self::unavailable(unavailable.to_string())
    }
}

#[tonic::async_trait]
impl PublicApi for Service {
    async fn get_info(
        &self,
        _request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        Ok(Response::new(get_info::answer(&self.0)))
    }

    async fn list_pods(
        &self,
        request: Request<ListPodsRequest>,
    ) -> Result<Response<Items>, Status> {
        let answer = list_pods::answer(&self.0, request.into_inner()).await;
        answer.map(Response::new).map_err(short)
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<Items>, Status> {
        let answer = inspect_pod::answer(&self.0, &request.get_ref().id).await;
        answer.map(Response::new).map_err(short)
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<Items>, Status> {
        let answer = list_images::answer(&self.0, request.into_inner()).await;
        answer.map(Response::new).map_err(short)
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<Items>, Status> {
        let answer = inspect_image::answer(&self.0, &request.get_ref().id).await;
        answer.map(Response::new).map_err(short)
    }

    type ListenEventsStream = listen_events::Events;

    async fn listen_events(
        &self,
        request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        let connection = request.extensions().get().cloned().unwrap_or_default();
        let filter = request.into_inner().filter.unwrap_or_default();
        let events = listen_events::answer(&self.0, filter, connection).await;
        events.map(Response::new).map_err(short)
    }

    type GetLogsStream = get_logs::Lines;

    async fn get_logs(
        &self,
        request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        let lines = get_logs::answer(&self.0, request.into_inner()).await;
        lines.map(Response::new).map_err(short)
    }
}
