//! rkt 1.30.0 as a server, as far as the contract tells what it did: the model in its dialect,
//! with those of its defects that show in answers.

use futures_util::stream::BoxStream;
use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, GetLogsRequest, InspectImageRequest, InspectImageResponse,
    InspectPodRequest, InspectPodResponse, ListImagesRequest, ListImagesResponse, ListPodsRequest,
    ListPodsResponse, ListenEventsRequest, ListenEventsResponse, public_api_server::PublicApi,
};
use rkt_conformance::{model::ModelServer, profile::Profile};
use tonic::{Request, Response, Status};

/// The server that rkt 1.30.0 had.
pub struct Historical(ModelServer);

impl Historical {
    /// On the host that `model` serves.
    pub fn new(model: &ModelServer) -> Self {
        Self(model.speaking(Profile::Rkt130))
    }
}

/// W-3: no error had a code.
fn unknown(status: Status) -> Status {
    Status::unknown(status.message())
}

#[tonic::async_trait]
impl PublicApi for Historical {
    async fn get_info(
        &self,
        request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        self.0.get_info(request).await
    }

    async fn list_pods(
        &self,
        request: Request<ListPodsRequest>,
    ) -> Result<Response<ListPodsResponse>, Status> {
        self.0.list_pods(request).await.map_err(unknown)
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        self.0.inspect_pod(request).await.map_err(unknown)
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        self.0.list_images(request).await.map_err(unknown)
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        self.0.inspect_image(request).await.map_err(unknown)
    }

    type ListenEventsStream = BoxStream<'static, Result<ListenEventsResponse, Status>>;

    /// W-1: there was no such thing yet.
    async fn listen_events(
        &self,
        _request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        Err(Status::unknown("not implemented yet"))
    }

    type GetLogsStream = <ModelServer as PublicApi>::GetLogsStream;

    async fn get_logs(
        &self,
        request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        let asked = request.into_inner();
        let lines = match asked.since_time {
            // L-3: it looked at one of the two.
            1.. => 0,
            _ => asked.lines,
        };
        let heard = GetLogsRequest {
            lines,
            // L-4: it never looked at this.
            until_time: 0,
            ..asked
        };
        let answer = self.0.get_logs(Request::new(heard)).await;
        answer.map_err(unknown)
    }
}
