//! A server that passes the real one's answers on about pods, answers about images out of a
//! list, since simulated hosts have none yet, and lies where it is told to.

use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse, Image, ImageFormat,
    ImageType, InspectImageRequest, InspectImageResponse, InspectPodRequest, InspectPodResponse,
    KeyValue, ListImagesRequest, ListImagesResponse, ListPodsRequest, ListPodsResponse,
    ListenEventsRequest, ListenEventsResponse, Pod,
    public_api_client::PublicApiClient,
    public_api_server::{PublicApi, PublicApiServer},
};
use rkt_conformance::filters::{ImageFacts, image_meets};
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
    images: Vec<Image>,
    lies: Lies,
}

/// Starts a proxy for the server at `address`; it runs until the test's runtime ends. Returns
/// its own address.
pub async fn start(address: &str, lies: Lies) -> String {
    let real = PublicApiClient::connect(format!("http://{address}"));
    let proxy = Proxy {
        real: real.await.unwrap(),
        images: images(),
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
        let ListImagesRequest { filters, detail } = request;
        let meets = |image: &&Image| {
            let facts = ImageFacts::from(*image);
            filters.is_empty() || filters.iter().any(|filter| image_meets(filter, &facts))
        };
        let mut images: Vec<Image> = self.images.iter().filter(meets).cloned().collect();
        if !detail {
            images.iter_mut().for_each(|image| image.manifest.clear());
        }
        (self.lies.images)(&mut images);
        Ok(Response::new(ListImagesResponse { images }))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let id = request.into_inner().id;
        let named: Vec<&Image> = self
            .images
            .iter()
            .filter(|i| i.id.starts_with(&id))
            .collect();
        let mut answer = match named[..] {
            _ if id.is_empty() => Err(Status::invalid_argument("no id")),
            [] => Err(Status::not_found(format!("no image {id}"))),
            [image] => Ok(InspectImageResponse {
                image: Some(image.clone()),
            }),
            [..] => Err(Status::invalid_argument("more than one")),
        };
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

/// Images that are alike in some fields and differ in others; two ids begin alike.
fn images() -> Vec<Image> {
    let docker = [("appc.io/docker/imageid", "sha256:ab"), ("team", "blue")];
    vec![
        image(
            "aa01",
            "coreos.com/etcd",
            &[("version", "3.1"), ("os", "linux")],
            &[("team", "blue")],
        ),
        image(
            "aa02",
            "k8s.io/etcd",
            &[("version", "3.1"), ("os", "linux")],
            &[("team", "blue")],
        ),
        image(
            "b003",
            "k8s.io/etcd-backup",
            &[("os", "linux")],
            &[("team", "red")],
        ),
        image(
            "c004",
            "docker.io/library/web",
            &[("version", "1"), ("os", "linux")],
            &docker,
        ),
        image("d005", "web", &[], &[]),
    ]
}

fn image(begins: &str, name: &str, labels: &[(&str, &str)], notes: &[(&str, &str)]) -> Image {
    let json = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| format!(r#"{{"name":"{name}","value":"{value}"}}"#));
        pairs.collect::<Vec<_>>().join(",")
    };
    let manifest = format!(
        r#"{{"acKind":"ImageManifest","acVersion":"0.8.11","name":"{name}","labels":[{}],"annotations":[{}]}}"#,
        json(labels),
        json(notes)
    );
    let pairs = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        });
        pairs.collect::<Vec<_>>()
    };
    let version = labels.iter().find(|(name, _)| *name == "version");
    let is_docker = notes
        .iter()
        .any(|(name, _)| name.starts_with("appc.io/docker/"));
    let (kind, format) = match is_docker {
        true => (ImageType::Docker, "2"),
        false => (ImageType::Appc, "0.8.11"),
    };
    Image {
        base_format: Some(ImageFormat {
            r#type: kind.into(),
            version: format.to_owned(),
        }),
        id: format!("sha512-{begins}{}", "0".repeat(64 - begins.len())),
        name: name.to_owned(),
        version: version.map_or("latest", |(_, version)| version).to_owned(),
        // Neighbours are a second apart, two are of the same.
        import_timestamp: 1_500_000_000 + i64::try_from(name.len() / 4).unwrap(),
        manifest: manifest.into(),
        size: 4096,
        annotations: pairs(notes),
        labels: pairs(labels),
    }
}
