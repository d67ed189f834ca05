//! An honest server that is somewhere else: passes calls on and answers back, so that a liar
//! can stand before any server.

use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse, InspectImageRequest,
    InspectImageResponse, InspectPodRequest, InspectPodResponse, ListImagesRequest,
    ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest,
    ListenEventsResponse, public_api_client::PublicApiClient, public_api_server::PublicApi,
};
use tonic::{Request, Response, Status, Streaming, transport::Channel};

/// Passes everything on.
pub struct Forward(PublicApiClient<Channel>);

impl Forward {
    /// To the server that `client` is connected with.
    pub fn new(client: PublicApiClient<Channel>) -> Self {
        Self(client)
    }
}

#[tonic::async_trait]
impl PublicApi for Forward {
    async fn get_info(
        &self,
        request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        self.0.clone().get_info(request.into_inner()).await
    }

    async fn list_pods(
        &self,
        request: Request<ListPodsRequest>,
    ) -> Result<Response<ListPodsResponse>, Status> {
        self.0.clone().list_pods(request.into_inner()).await
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        self.0.clone().inspect_pod(request.into_inner()).await
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        self.0.clone().list_images(request.into_inner()).await
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        self.0.clone().inspect_image(request.into_inner()).await
    }

    type ListenEventsStream = Streaming<ListenEventsResponse>;

    async fn listen_events(
        &self,
        request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        self.0.clone().listen_events(request.into_inner()).await
    }

    type GetLogsStream = Streaming<GetLogsResponse>;

    async fn get_logs(
        &self,
        request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        self.0.clone().get_logs(request.into_inner()).await
    }
}
