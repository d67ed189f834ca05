//! Answering RPCs: one file per method, and [`view`], where facts become messages.
//! What is on the disk comes from the inventory; nothing here parses or watches.

mod dialect;
mod get_info;
mod get_logs;
mod inspect_image;
mod inspect_pod;
mod list_images;
mod list_pods;
mod listen_events;
mod view;

use std::sync::Arc;

use tonic::{Request, Response, Status};

pub use dialect::Dialect;

use crate::{
    api::{
        GetInfoRequest, GetInfoResponse, GetLogsRequest, Info, InspectImageRequest,
        InspectImageResponse, InspectPodRequest, InspectPodResponse, ListImagesRequest,
        ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest,
        public_api_server::PublicApi,
    },
    inventory::{Inventory, Unavailable},
};

/// The `v1alpha.PublicAPI` service.
#[derive(Clone)]
pub(crate) struct Service(Arc<Parts>);

struct Parts {
    info: Info,
    view: view::View,
    inventory: Inventory,
}

impl Service {
    /// A service that answers from `inventory`, in `dialect`, and says `info` of itself.
    pub(crate) fn new(info: Info, dialect: Dialect, inventory: Inventory) -> Self {
        let view = view::View::new(dialect, info.appc_version.clone());
        Self(Arc::new(Parts {
            info,
            view,
            inventory,
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
    ) -> Result<Response<ListPodsResponse>, Status> {
        let answer = list_pods::answer(&self.0, request.into_inner()).await;
        answer.map(Response::new).map_err(short)
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        let answer = inspect_pod::answer(&self.0, &request.get_ref().id).await;
        answer.map(Response::new).map_err(short)
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        let answer = list_images::answer(&self.0, request.into_inner()).await;
        answer.map(Response::new).map_err(short)
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let answer = inspect_image::answer(&self.0, &request.get_ref().id).await;
        answer.map(Response::new).map_err(short)
    }

    type ListenEventsStream = listen_events::Events;

    async fn listen_events(
        &self,
        _request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        Err(listen_events::unimplemented())
    }

    type GetLogsStream = get_logs::Lines;

    async fn get_logs(
        &self,
        _request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        Err(get_logs::unimplemented())
    }
}
