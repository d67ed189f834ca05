//! `rkt-api-service`: flags to configuration to server.

mod cli;

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal as _, Write as _},
    pin::pin,
    process::ExitCode,
};

use cli::{Cli, LogFormat};
use rkt_api::server::{
    Config, Confinement, ListenAddress, Needs, Sandbox, Server, ServiceManager, confine,
};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    runtime::Builder,
    select,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tracing_subscriber::EnvFilter;

/// What the historical server exits with when it cannot start (SV-2).
const FAILED_START: u8 = 254;

/// How many threads may wait for the disk at once. Few ever do, but threads that have just done
/// so are not always taken again.
const BLOCKING_THREADS: usize = 40;

fn main() -> ExitCode {
    let cli = rkt_manual::parse::<Cli>();
    log_to_stderr(cli.log_format);
    let sandbox = cli.sandbox;
    match run(cli.into(), sandbox) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("rkt-api-service: {error}"));
            ExitCode::from(FAILED_START)
        }
    }
}

fn run(mut config: Config, sandbox: Sandbox) -> Result<(), Box<dyn Error>> {
    allow_all_descriptors();
    for addresses in [&mut config.listen, &mut config.metrics_listen] {
        let looked_up = addresses.drain(..).map(ListenAddress::look_up);
        *addresses = looked_up.collect::<Result<Vec<_>, _>>()?.concat();
    }
    config.socket_permissions = config.socket_permissions.look_up()?;
    // While there is one thread: those that it starts are confined from their beginning.
    let confinement = confine(sandbox, &Needs::of(&config))?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    let result = runtime.block_on(serve(config, &confinement));
    // Looks at the disk that are still under way are not waited for: a file system that hangs
    // would never let the server end.
    runtime.shutdown_background();
    result
}

async fn serve(config: Config, confinement: &Confinement) -> Result<(), Box<dyn Error>> {
    let mut told_to_end = told_to_end()?;
    let server = Server::bind(config).await?;
    for address in server.addresses() {
        tracing::info!(address, "listening");
    }
    match getrlimit(Resource::Nofile).current {
        Some(open_files_max) => tracing::info!(open_files_max, "the limit on open files"),
        None => tracing::info!("there is no limit on open files"),
    }
    confinement.log();
    for address in server.metrics_addresses() {
        tracing::info!(address, "telling metrics");
    }
    let mut hangup = signal(SignalKind::hangup())?;
    let renew = server.renewal();
    let manager = ServiceManager::from_env(server.pods_known());
    tokio::spawn({
        let manager = manager.clone();
        async move {
            while hangup.recv().await.is_some() {
                tracing::info!("reading the data directory anew");
                manager.reloading();
                renew();
                manager.ready();
            }
        }
    });
    say(format_args!("API service running"));
    manager.ready();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = pin!(server.serve(async {
        // Nothing is ever sent: the channel closes.
        let _ = stopped.await;
    }));
    select! {
        served = &mut serving => return Ok(served?),
        _ = told_to_end.recv() => {
            manager.stopping();
            drop(stop);
        }
    }
    select! {
        served = serving => Ok(served?),
        // Whoever asks twice does not wait for clients.
        _ = told_to_end.recv() => Ok(()),
    }
}

/// Each SIGINT and SIGTERM from now on.
fn told_to_end() -> io::Result<mpsc::Receiver<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Raises the limit on open files to what the system lets this process have: connections take
/// one each, and those who follow logs keep a file of each pod open. By default it is as low as
/// `select(2)` needs it, which is not used here.
fn allow_all_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit on open files stays");
    }
}

/// Writes a line on standard error. That nobody reads it is no reason not to serve.
fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        // It would be said on standard error, too, by what panics where that cannot be written.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}
