//! The calls of the API, over whatever connection the command line asks for. What is asked, and
//! what becomes of the answers, is not known here.

use std::{error::Error as _, fs, path::Path, time::Duration};

use rkt_api::api::{
    EventFilter, GetInfoRequest, GetLogsRequest, GetLogsResponse, Image, ImageFilter, Info,
    InspectImageRequest, InspectPodRequest, ListImagesRequest, ListImagesResponse, ListPodsRequest,
    ListPodsResponse, ListenEventsRequest, ListenEventsResponse, Pod, PodFilter,
    public_api_client::PublicApiClient,
};
use tokio::time::timeout;
use tonic::{
    Response, Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    cli::{Connection, Tls},
    error::Error,
};

/// How often a connection on which nothing happens is tried: who follows a stream would never
/// learn that the other end is gone.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// A connection to a server.
pub struct Client {
    api: PublicApiClient<Channel>,
    patience: Patience,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] when the address is none, [`Error::File`] when a certificate or key cannot
    /// be read, [`Error::Unreachable`] when nobody takes the connection in time.
    pub async fn connect(connection: &Connection) -> Result<Self, Error> {
        let unreachable = |cause| unreachable(&connection.address, cause);
        let endpoint = endpoint(connection)?;
        let connected = timeout(connection.timeout, endpoint.connect()).await;
        let channel = connected
            .map_err(|_| unreachable(format!("no connection within {:?}", connection.timeout)))?
            .map_err(|error| unreachable(causes(&error)))?;
        Ok(Self {
            // A host with many pods has a long answer.
            api: PublicApiClient::new(channel).max_decoding_message_size(usize::MAX),
            patience: Patience {
                address: connection.address.clone(),
                answer_timeout: connection.timeout,
            },
        })
    }

    /// Calls GetInfo.
    pub async fn info(&mut self) -> Result<Info, Error> {
        let call = self.api.get_info(GetInfoRequest {});
        let answer = self.patience.answer(call).await?;
        present(answer.info, "info")
    }

    /// Calls ListPods.
    pub async fn pods(
        &mut self,
        filters: Vec<PodFilter>,
        detail: bool,
    ) -> Result<ListPodsResponse, Error> {
        let call = self.api.list_pods(ListPodsRequest { filters, detail });
        self.patience.answer(call).await
    }

    /// Calls InspectPod.
    pub async fn pod(&mut self, id: String) -> Result<Pod, Error> {
        let call = self.api.inspect_pod(InspectPodRequest { id });
        let answer = self.patience.answer(call).await?;
        present(answer.pod, "pod")
    }

    /// Calls ListImages.
    pub async fn images(
        &mut self,
        filters: Vec<ImageFilter>,
        detail: bool,
    ) -> Result<ListImagesResponse, Error> {
        let call = self.api.list_images(ListImagesRequest { filters, detail });
        self.patience.answer(call).await
    }

    /// Calls InspectImage.
    pub async fn image(&mut self, id: String) -> Result<Image, Error> {
        let call = self.api.inspect_image(InspectImageRequest { id });
        let answer = self.patience.answer(call).await?;
        present(answer.image, "image")
    }

    /// Calls ListenEvents, and gives the stream once it has begun.
    pub async fn events(
        &mut self,
        filter: EventFilter,
    ) -> Result<Streaming<ListenEventsResponse>, Error> {
        let filter = Some(filter);
        let call = self.api.listen_events(ListenEventsRequest { filter });
        self.patience.answer(call).await
    }

    /// Calls GetLogs, and gives the stream once it has begun.
    pub async fn logs(
        &mut self,
        request: GetLogsRequest,
    ) -> Result<Streaming<GetLogsResponse>, Error> {
        let call = self.api.get_logs(request);
        self.patience.answer(call).await
    }

    /// The next message of a stream, whenever it comes; nothing at the end.
    pub async fn next<M>(&self, stream: &mut Streaming<M>) -> Result<Option<M>, Error> {
        let message = stream.message().await;
        message.map_err(|status| self.patience.error(status))
    }

    /// The next message of a stream that does not follow, which does not take long to come.
    pub async fn next_soon<M>(&self, stream: &mut Streaming<M>) -> Result<Option<M>, Error> {
        self.patience.wait(stream.message()).await
    }
}

/// How long is waited for whom.
struct Patience {
    address: String,
    answer_timeout: Duration,
}

impl Patience {
    /// The answer to a call, if it comes in time.
    async fn answer<M>(
        &self,
        call: impl Future<Output = Result<Response<M>, Status>>,
    ) -> Result<M, Error> {
        Ok(self.wait(call).await?.into_inner())
    }

    async fn wait<T>(&self, what: impl Future<Output = Result<T, Status>>) -> Result<T, Error> {
        match timeout(self.answer_timeout, what).await {
            Ok(came) => came.map_err(|status| self.error(status)),
            Err(_) => {
                let text = format!("no answer within {:?}", self.answer_timeout);
                Err(Status::deadline_exceeded(text).into())
            }
        }
    }

    /// A status that the server sent has no source: others tell of a connection that broke.
    fn error(&self, status: Status) -> Error {
        match status.source() {
            None => status.into(),
            Some(cause) => unreachable(&self.address, causes(cause)),
        }
    }
}

fn unreachable(address: &str, cause: String) -> Error {
    Error::Unreachable {
        address: address.to_owned(),
        cause,
    }
}

/// What an answer must have.
fn present<M>(field: Option<M>, name: &str) -> Result<M, Error> {
    field.ok_or_else(|| Status::internal(format!("the server's answer has no {name}")).into())
}

fn endpoint(connection: &Connection) -> Result<Endpoint, Error> {
    let Connection { address, tls, .. } = connection;
    let wrong = || {
        Error::Usage(format!(
            "'{address}' is no address: it is HOST:PORT, unix:PATH, http://HOST:PORT or \
             https://HOST:PORT"
        ))
    };
    let (url, is_tls) = match address.split_once("://") {
        // Whoever can read what passes through the socket's file needs no certificate.
        _ if address.starts_with("unix:") => (address.clone(), false),
        None if tls.is_given() => (format!("https://{address}"), true),
        None => (format!("http://{address}"), false),
        Some(("https", _)) => (address.clone(), true),
        Some(("http", _)) if tls.is_given() => {
            let text = "an address with http:// cannot be asked by TLS; give https:// or no scheme";
            return Err(Error::Usage(text.to_owned()));
        }
        Some(("http", _)) => (address.clone(), false),
        Some(_) => return Err(wrong()),
    };
    if ["unix:", "unix://"].contains(&address.as_str()) || !address.contains(':') {
        return Err(wrong());
    }
    let endpoint = Endpoint::from_shared(url).map_err(|_| wrong())?;
    let endpoint = match is_tls {
        true => endpoint
            .tls_config(tls_config(tls)?)
            .map_err(|error| Error::Usage(format!("TLS cannot be set up: {}", causes(&error))))?,
        false => endpoint,
    };
    Ok(endpoint
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(connection.timeout))
}

fn tls_config(tls: &Tls) -> Result<ClientTlsConfig, Error> {
    let mut config = match &tls.ca {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => config.identity(Identity::from_pem(read(cert)?, read(key)?)),
        (None, None) => config,
        _ => {
            let text = "--tls-cert and --tls-key belong together";
            return Err(Error::Usage(text.to_owned()));
        }
    };
    Ok(match &tls.server_name {
        Some(name) => config.domain_name(name),
        None => config,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// An error and what caused it, each cause once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parsed;

    fn endpoint_of(args: &[&str]) -> Result<String, String> {
        match endpoint(&parsed(args).unwrap()) {
            Ok(endpoint) => Ok(endpoint.uri().to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn addresses_are_read_as_people_write_them() {
        for (args, uri) in [
            (
                &["--address=localhost:15441"][..],
                "http://localhost:15441/",
            ),
            (&["--address=[::1]:1"], "http://[::1]:1/"),
            (&["--address=http://rkt.example:1"], "http://rkt.example:1/"),
            (&["--address=https://rkt.example"], "https://rkt.example/"),
            (
                &["--address=rkt.example:1", "--tls-server-name=a.example"],
                "https://rkt.example:1/",
            ),
        ] {
            assert_eq!(endpoint_of(args).as_deref(), Ok(uri), "{args:?}");
        }
        for address in ["unix:/run/rkt/api.sock", "unix:///run/rkt/api.sock"] {
            assert!(endpoint_of(&["--address", address]).is_ok(), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_a_wrong_command_line() {
        for address in [
            "",
            "localhost",
            "unix:",
            "unix://",
            "ftp://localhost:1",
            "no address:1",
        ] {
            let error = endpoint_of(&["--address", address]).unwrap_err();
            assert!(error.contains("is no address"), "{address}: {error}");
        }
        let error = endpoint_of(&["--address=http://a:1", "--tls-server-name=a"]).unwrap_err();
        assert!(error.contains("https://"), "{error}");
        let error = endpoint_of(&["--address=a:1", "--tls-cert=/a"]).unwrap_err();
        assert!(error.contains("belong together"), "{error}");
    }
}
