//! `rkt-sim demo`: the example host on disk, the server on it, and what the server answers,
//! all in one process.
//!
//! The one place where the simulator meets the server; it looks at it through the API alone,
//! like any client.

mod report;

use std::{
    io::{self, Write as _},
    path::Path,
};

use rkt_api::{
    api::{GetInfoRequest, ListImagesRequest, ListPodsRequest, public_api_client::PublicApiClient},
    server::{Config, ListenAddress, ServeError, Server, StartError},
};
use rkt_sim::{example, host::Host};
use tonic::transport::Endpoint;

use super::signals::Signals;
use report::Report;

/// Serve a small example host, and show what the API answers.
///
/// Writes a data directory with pods in every state into a temporary directory, serves it,
/// asks the server as a client would, and goes on serving until Ctrl-C, which removes the
/// directory.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on, HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", default_value_t)]
    listen: ListenAddress,
}

/// Why there is no demonstration, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to write the example host: {0}")]
    Write(io::Error),
    #[error("{0}; choose another address with --listen, such as --listen 127.0.0.1:0")]
    Listen(StartError),
    #[error(transparent)]
    Start(StartError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("failed to connect to the server: {0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("failed to ask the server: {}", .0.message())]
    Ask(#[from] tonic::Status),
    #[error("failed to show the answers: {0}")]
    Show(io::Error),
    #[error("failed to remove the example host: {0}")]
    CleanUp(io::Error),
    #[error("failed to wait for signals: {0}")]
    Runtime(io::Error),
}

/// Runs the demonstration until SIGINT or SIGTERM.
pub fn run(args: Args) -> Result<(), Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::Runtime)?;
    runtime.block_on(demonstrate(args.listen))
}

async fn demonstrate(listen: ListenAddress) -> Result<(), Error> {
    // First of all: from here on a signal ends the process by way of the clean-up.
    let signals = Signals::catch().map_err(Error::Runtime)?;
    let tmp = tempfile::Builder::new().prefix("rkt-sim-").tempdir();
    let tmp = tmp.map_err(Error::Write)?;
    let dir = tmp.path().join("rkt");

    let spec = example::host();
    let host = Host::create(&dir).map_err(Error::Write)?;
    host.write(&spec).map_err(Error::Write)?;
    let holds = host.hold_locked(&spec).map_err(Error::Write)?;

    let served = serve(&dir, listen, signals).await;
    drop(holds);
    tmp.close().map_err(Error::CleanUp)?;
    served
}

/// Serves the data directory until a signal comes, and meanwhile shows what is answered.
async fn serve(dir: &Path, listen: ListenAddress, mut signals: Signals) -> Result<(), Error> {
    let config = Config {
        listen: vec![listen],
        ..Config::new(dir)
    };
    let server = Server::bind(config).await.map_err(|error| match error {
        StartError::Listen(_) => Error::Listen(error),
        StartError::DataDir { .. } => Error::Start(error),
    })?;
    let address = server.addresses().into_iter().next().unwrap_or_default();

    let mut failed = None;
    let end = async {
        tokio::select! {
            () = signals.next() => {}
            // Once the answers are shown, only a signal is left to wait for.
            Err(error) = show(dir, &address) => failed = Some(error),
        }
    };
    server.serve(end).await?;
    failed.map_or(Ok(()), Err)
}

/// Asks the server at `address`, and prints its answers.
async fn show(dir: &Path, address: &str) -> Result<(), Error> {
    let uri = match address.starts_with("unix:") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    };
    let channel = Endpoint::from_shared(uri)?.connect().await?;
    let mut client = PublicApiClient::new(channel);
    let info = client.get_info(GetInfoRequest {}).await?;
    let pods = ListPodsRequest {
        detail: true,
        ..ListPodsRequest::default()
    };
    let pods = client.list_pods(pods).await?;
    let images = client.list_images(ListImagesRequest::default()).await?;

    let report = Report {
        dir,
        address,
        info: info.into_inner().info.unwrap_or_default(),
        pods: pods.into_inner().pods,
        images: images.into_inner().images,
    };
    let mut out = io::stdout().lock();
    let text = report.to_string();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(Error::Show)
}
