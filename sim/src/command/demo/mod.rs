//! `rkt-sim demo`: a living host on disk, the server on it, and what the server answers, all
//! in one process.
//!
//! The one place where the simulator meets the server; it looks at it through the API alone,
//! like any client. Here the host is set up and cleaned away; in between, `life` plays on it,
//! and `view` shows it on a terminal, or `report` and plain lines elsewhere.

mod cells;
mod client;
mod hints;
mod life;
mod report;
mod view;
mod words;

use std::{
    fmt,
    io::{self, Write as _},
    path::PathBuf,
    pin::pin,
};

use rkt_api::server::{Config, ListenAddress, ServeError, Server, StartError};
use rkt_sim::{
    example,
    live::{OpenError, Player, StepError, pace::Rate},
};
use tokio::{select, sync::oneshot};

use super::signals::Signals;
use client::Client;
use hints::Place;
use life::Life;
use report::Report;

/// How many steps are played unless told otherwise: as many as one can follow.
const DEFAULT_RATE: &str = "2/s";

/// Serve a small living host, and show what the API answers.
///
/// Writes a data directory with pods in every state into a temporary directory, serves it, and
/// lets it live: pods are prepared, run, exit and are collected, images come and go. On a
/// terminal, a page shows what the server answers, as it changes; elsewhere the first answers
/// are printed, and then a line for each step of the host's life. Goes on until Ctrl-C, which
/// removes the directory.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on, HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", default_value_t)]
    listen: ListenAddress,

    /// Keep the host as it is, for clients that compare answers, and print the answers once
    #[arg(long, conflicts_with_all = ["rate", "seed", "pods_max"])]
    frozen: bool,

    /// How many steps are played on average: 2/s, 30/m
    #[arg(long, value_name = "RATE", default_value = DEFAULT_RATE)]
    rate: Rate,

    /// What the random steps and delays follow from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// The most pods that there are at a time
    #[arg(long, value_name = "N", default_value_t = 20)]
    pods_max: usize,
}

/// Why there is no demonstration, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to find a place for the example host: {0}")]
    Place(io::Error),
    #[error("failed to set up the example host: {0}")]
    SetUp(#[from] OpenError),
    #[error("failed to make up images: {0}")]
    Images(io::Error),
    #[error("the host cannot live on: {0}")]
    Step(#[from] StepError),
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
    runtime.block_on(demonstrate(args))
}

async fn demonstrate(args: Args) -> Result<(), Error> {
    // First of all: from here on a signal ends the process by way of the clean-up.
    let signals = Signals::catch().map_err(Error::Runtime)?;
    let tmp = tempfile::Builder::new().prefix("rkt-sim-").tempdir();
    let tmp = tmp.map_err(Error::Place)?;
    let served = serve(tmp.path().join("rkt"), args, signals).await;
    let removed = tmp.close().map_err(Error::CleanUp);
    served.and(removed)
}

/// Writes the host and serves it until a signal comes, and meanwhile shows what is answered.
async fn serve(dir: PathBuf, args: Args, mut signals: Signals) -> Result<(), Error> {
    let player = Player::begin(&dir, &example::host())?;
    let config = Config {
        listen: vec![args.listen.clone()],
        // What there is to see is made up.
        insecure_listen: true,
        ..Config::new(&dir)
    };
    let server = Server::bind(config).await.map_err(|error| match error {
        StartError::Listen(_) => Error::Listen(error),
        StartError::DataDir { .. } | StartError::Tls(_) => Error::Start(error),
    })?;
    let address = server.addresses().into_iter().next().unwrap_or_default();
    let place = Place { dir, address };

    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = pin!(server.serve(async {
        // Nothing is ever sent: the channel closes.
        let _ = stopped.await;
    }));
    let shown = select! {
        () = signals.next() => Ok(()),
        served = &mut serving => return Ok(served?),
        shown = show(&place, player, args) => shown,
    };
    drop(stop);
    select! {
        served = serving => served?,
        // Whoever asks twice does not wait for clients.
        () = signals.next() => {}
    }
    shown
}

/// Lets the host live, and shows it, for as long as there is somebody to see it.
async fn show(place: &Place, player: Player, args: Args) -> Result<(), Error> {
    let mut client = Client::connect(&place.address).await?;
    let live = |player| Life::new(player, args.seed, args.pods_max, args.rate);
    if !args.frozen && view::is_there() {
        let life = live(player).map_err(Error::Images)?;
        return view::watch(client, place, life).await;
    }
    print(&Report {
        place,
        info: client.info().await?,
        answers: client.ask().await?,
    })?;
    if args.frozen {
        let _held = player;
        return std::future::pending().await;
    }
    let mut life = live(player).map_err(Error::Images)?;
    loop {
        let played = life.next().await?;
        print(&format_args!("{played}\n"))?;
    }
}

fn print(text: &impl fmt::Display) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    // At once, so that nobody reads half of it.
    let written = out.write_all(text.to_string().as_bytes());
    written.and_then(|()| out.flush()).map_err(Error::Show)
}
