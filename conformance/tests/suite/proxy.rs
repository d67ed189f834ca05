//! A server that passes the real one's answers on, and lies where it is told to.

use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse, Image, InspectImageRequest,
    InspectImageResponse, InspectPodRequest, InspectPodResponse, ListImagesRequest,
    ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest,
    ListenEventsResponse, Pod,
    public_api_client::PublicApiClient,
    public_api_server::{PublicApi, PublicApiServer},
};
use tokio::net::TcpListener;
use tokio_stream::Empty;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Server, server::TcpIncoming},
};

/// What a server changes in requests before they are answered, and in answers after.
#[derive(Clone, Copy)]
pub struct Lies {
    pub info: fn(&mut GetInfoResponse),
    pub list_pods: fn(&mut ListPodsRequest),
    pub pods: fn(&mut Vec<Pod>),
    pub pod: fn(&mut Result<InspectPodResponse, Status>),
    pub list_images: fn(&mut ListImagesRequest),
    pub images: fn(&mut Vec<Image>),
    pub image: fn(&mut Result<InspectImageResponse, Status>),
}

/// A server that changes nothing.
pub const HONEST: Lies = Lies {
    info: |_| {},
    list_pods: |_| {},
    pods: |_| {},
    pod: |_| {},
    list_images: |_| {},
    images: |_| {},
    image: |_| {},
};

struct Proxy {
    real: PublicApiClient<Channel>,
    lies: Lies,
}

/// Starts a proxy for the server at `address`; it runs until the test's runtime ends. Returns
/// its own address.
pub async fn start(address: &str, lies: Lies) -> String {
    let real = PublicApiClient::connect(format!("http://{address}"));
    let proxy = Proxy {
        real: real.await.unwrap(),
        lies,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Server::builder().add_service(PublicApiServer::new(proxy));
    // Without it each answer waits for the acknowledgement of the one before.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

#[tonic::async_trait]
impl PublicApi for Proxy {
    async fn get_info(
        &self,
        request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        let mut answer = self.real.clone().get_info(request).await?.into_inner();
        (self.lies.info)(&mut answer);
        Ok(Response::new(answer))
    }

    async fn list_pods(
        &self,
        request: Request<ListPodsRequest>,
    ) -> Result<Response<ListPodsResponse>, Status> {
        let mut request = request.into_inner();
        (self.lies.list_pods)(&mut request);
        let mut answer = self.real.clone().list_pods(request).await?.into_inner();
        (self.lies.pods)(&mut answer.pods);
        Ok(Response::new(answer))
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        let answer = self.real.clone().inspect_pod(request).await;
        let mut answer = answer.map(Response::into_inner);
        (self.lies.pod)(&mut answer);
        answer.map(Response::new)
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        let mut request = request.into_inner();
        (self.lies.list_images)(&mut request);
        let mut answer = self.real.clone().list_images(request).await?.into_inner();
        (self.lies.images)(&mut answer.images);
        Ok(Response::new(answer))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let answer = self.real.clone().inspect_image(request).await;
        let mut answer = answer.map(Response::into_inner);
        (self.lies.image)(&mut answer);
        answer.map(Response::new)
    }

    type ListenEventsStream = Empty<Result<ListenEventsResponse, Status>>;

    async fn listen_events(
        &self,
        _request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        Err(Status::unimplemented("no events"))
    }

    type GetLogsStream = Empty<Result<GetLogsResponse, Status>>;

    async fn get_logs(
        &self,
        _request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        Err(Status::unimplemented("no logs"))
    }
}
