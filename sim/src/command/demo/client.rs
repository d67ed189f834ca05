//! The demonstration's own client: it sees the host through the API alone, like any other.

use std::time::{Duration, Instant};

use rkt_api::api::{
    GetInfoRequest, Image, Info, ListImagesRequest, ListPodsRequest, Pod,
    public_api_client::PublicApiClient,
};
use tonic::transport::{Channel, Endpoint};

use super::Error;

/// A client of one server.
pub struct Client(PublicApiClient<Channel>);

/// What the server answered about its pods and images.
pub struct Answers {
    /// To ListPods, with details.
    pub pods: Vec<Pod>,
    /// To ListImages.
    pub images: Vec<Image>,
    /// How long the answer to ListPods took.
    pub took: Duration,
}

impl Client {
    /// Connects to `HOST:PORT` or `unix:PATH`.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        let uri = match address.starts_with("unix:") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        let channel = Endpoint::from_shared(uri)?.connect().await?;
        // A host with many pods and long manifests is no reason to fail.
        let client = PublicApiClient::new(channel).max_decoding_message_size(usize::MAX);
        Ok(Self(client))
    }

    /// Asks which server it is.
    pub async fn info(&mut self) -> Result<Info, Error> {
        let answer = self.0.get_info(GetInfoRequest {}).await?;
        Ok(answer.into_inner().info.unwrap_or_default())
    }

    /// Asks for everything that there is.
    pub async fn ask(&mut self) -> Result<Answers, Error> {
        let request = ListPodsRequest {
            detail: true,
            ..ListPodsRequest::default()
        };
        let begin = Instant::now();
        let pods = self.0.list_pods(request).await?.into_inner().pods;
        let took = begin.elapsed();
        let images = self.0.list_images(ListImagesRequest::default()).await?;
        Ok(Answers {
            pods,
            images: images.into_inner().images,
            took,
        })
    }
}
