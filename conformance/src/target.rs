//! The server under test: how it is reached and called. What its answers should be is not
//! known here.

use std::{error::Error as _, fmt, str::FromStr, sync::Arc, time::Duration};

use rkt_api::api::{
    EventFilter, GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse, Image,
    ListenEventsRequest, ListenEventsResponse, Pod, public_api_client::PublicApiClient,
};
use tonic::{
    Status,
    client::Grpc,
    transport::{self, Channel, Endpoint},
};

use crate::{
    case::{Method, Objection},
    descriptors,
    exchange::{Exchanges, Recorder},
    profile::Profile,
    report::Exchange,
    resource::Memory,
    stream::Stream,
    text,
};

/// How long connecting may take, and the first answer after it.
const REACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a server listens: `HOST:PORT`, `unix:PATH`, or a URL.
#[derive(Clone, Debug)]
pub struct Address {
    text: String,
    endpoint: Endpoint,
}

impl FromStr for Address {
    type Err = transport::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_complete = text.starts_with("unix:") || text.contains("://");
        let url = match is_complete {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        Ok(Self {
            text: text.to_owned(),
            endpoint: Endpoint::from_shared(url)?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// There is no server to judge.
#[derive(Debug, thiserror::Error)]
#[error("failed to reach a server at {address}: {cause}")]
pub struct Unreachable {
    address: String,
    pub(crate) cause: String,
    /// Whether it was this process that had no descriptor left.
    pub(crate) is_ours: bool,
}

impl Unreachable {
    /// Somebody listens, or not, and nothing more is known.
    pub(crate) fn silent(address: &Address) -> Self {
        Self {
            address: address.text.clone(),
            cause: "it does not answer GetInfo".to_owned(),
            // A server in this process may not have been able to take the connection.
            is_ours: descriptors::are_used_up(),
        }
    }
}

/// A server under test, connected. One handle writes down the calls of one case.
pub struct Target {
    channel: Channel,
    exchanges: Arc<Exchanges>,
    profile: Profile,
    pub(crate) pods: Arc<Memory<Pod>>,
    pub(crate) images: Arc<Memory<Image>>,
}

impl Target {
    /// Connects, and makes sure that someone answers gRPC calls: an error will do, since what
    /// is wrong with it is for the cases to say.
    ///
    /// # Errors
    ///
    /// When nobody answers within ten seconds.
    pub async fn connect(address: &Address, profile: Profile) -> Result<Self, Unreachable> {
        let unreachable = |cause: String| Unreachable {
            cause,
            ..Unreachable::silent(address)
        };
        let broken = |error: &(dyn std::error::Error + 'static)| Unreachable {
            is_ours: descriptors::are_exhausted(error),
            ..unreachable(chain(error))
        };
        let endpoint = address.endpoint.clone().connect_timeout(REACH_TIMEOUT);
        // The time limit is for those who take the connection and leave it at that, too.
        let channel = tokio::time::timeout(REACH_TIMEOUT, endpoint.connect()).await;
        let channel = channel
            .map_err(|_| unreachable("it takes no connection".to_owned()))?
            .map_err(|error| broken(&error))?;
        let target = Self {
            channel,
            exchanges: Arc::default(),
            profile,
            pods: Arc::default(),
            images: Arc::default(),
        };
        match tokio::time::timeout(REACH_TIMEOUT, target.get_info()).await {
            Err(_) => Err(Unreachable::silent(address)),
            // Errors that the server sent have no source: this one is the connection's.
            Ok(Err(status)) if status.source().is_some() => Err(broken(&status)),
            Ok(_) => Ok(target.handle()),
        }
    }

    /// Another handle on the same connection, with the calls made by it still to be written
    /// down. What has been learned of the host is shared.
    pub fn handle(&self) -> Self {
        Self {
            channel: self.channel.clone(),
            exchanges: Arc::default(),
            profile: self.profile,
            pods: Arc::clone(&self.pods),
            images: Arc::clone(&self.images),
        }
    }

    /// The calls that were made by this handle, in order; of many, the last.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.in_words()
    }

    /// Which dialect the server is to speak.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// A client of the server.
    pub(crate) fn client(&self) -> PublicApiClient<Recorder> {
        let recorder = Recorder::new(self.channel.clone(), Arc::clone(&self.exchanges));
        // A host with many pods has a long answer; how long is no clause.
        PublicApiClient::new(recorder).max_decoding_message_size(usize::MAX)
    }

    /// A client for messages as bytes, ready to call.
    pub(crate) async fn raw(&self) -> Result<Grpc<Recorder>, Status> {
        let recorder = Recorder::new(self.channel.clone(), Arc::clone(&self.exchanges));
        let mut client = Grpc::new(recorder).max_decoding_message_size(usize::MAX);
        let ready = client.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(client)
    }

    /// Calls GetInfo.
    pub(crate) async fn get_info(&self) -> Result<GetInfoResponse, Status> {
        let response = self.client().get_info(GetInfoRequest {}).await?;
        Ok(response.into_inner())
    }

    /// Opens a stream of events.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn listen(
        &self,
        filter: Option<EventFilter>,
    ) -> Result<Stream<ListenEventsResponse>, Status> {
        let request = ListenEventsRequest { filter };
        let response = self.client().listen_events(request).await?;
        Ok(Stream::new(response.into_inner()))
    }

    /// Opens a stream of log lines.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn logs(&self, request: GetLogsRequest) -> Result<Stream<GetLogsResponse>, Status> {
        let response = self.client().get_logs(request).await?;
        Ok(Stream::new(response.into_inner()))
    }

    /// Calls GetInfo, which has nothing to refuse.
    pub(crate) async fn info(&self) -> Result<GetInfoResponse, Objection> {
        let request = || text::request(Method::GetInfo, &GetInfoRequest {});
        let answer = self.get_info().await;
        answer.map_err(|status| refused(request(), &status))
    }
}

/// An error where the contract wants an answer.
pub(crate) fn refused(request: String, status: &Status) -> Objection {
    Objection::fail(request, "an answer", text::status(status))
}

/// An error and what caused it, each cause once.
fn chain(error: &dyn std::error::Error) -> String {
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

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let uri = |text: &str| text.parse::<Address>().unwrap().endpoint.uri().to_string();
        assert_eq!(uri("localhost:15441"), "http://localhost:15441/");
        assert_eq!(uri("[::1]:1"), "http://[::1]:1/");
        assert_eq!(uri("http://rkt.example"), "http://rkt.example/");
        assert!("unix:/run/rkt/api.sock".parse::<Address>().is_ok());
        assert!("no address".parse::<Address>().is_err());
    }
}
