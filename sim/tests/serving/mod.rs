//! The server, in the test's own process.

use std::path::Path;

use rkt_api::{
    api::public_api_client::PublicApiClient,
    server::{Config, Dialect, ServeError, Server},
};
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::transport::Channel;

/// A server and a client of it.
pub(crate) struct Serving {
    pub(crate) client: PublicApiClient<Channel>,
    end: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Serving {
    /// Serves the data directory.
    pub(crate) async fn start(dir: &Path, dialect: Dialect) -> Self {
        let config = Config {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            dialect,
            ..Config::new(dir)
        };
        let server = Server::bind(config).await.unwrap();
        let address = format!("http://{}", server.addresses()[0]);
        let (end, ended) = oneshot::channel();
        let served = tokio::spawn(server.serve(async {
            // Either way it is the end.
            let _ = ended.await;
        }));
        let client = PublicApiClient::connect(address).await.unwrap();
        Self {
            client,
            end,
            served,
        }
    }

    /// Ends the server, which must not have failed.
    pub(crate) async fn end(self) {
        drop(self.client);
        drop(self.end);
        self.served.await.unwrap().unwrap();
    }
}
