//! The command `serve-model`: the reference model as a server of a described host, for people
//! who write clients and have no rkt. There is no data directory: everything is in memory.

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    thread,
};

use futures_util::{FutureExt as _, future};
use rkt_api::layout::DEFAULT_DATA_DIR;
use rkt_sim::{live::step::Step, spec::HostSpec, spec_file};
use rustix::io::Errno;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tonic::transport;

use crate::{
    clock::now_unix_ns,
    model::{ModelServer, Shared, Unmodelled, World, server},
    profile::Profile,
};

/// How many lines of standard input are read ahead.
const LINES_AHEAD: usize = 16;

/// Serve the reference model of a described host, from memory: a server to try clients on
///
/// Answers every call as the contract wants it. The host lives by the steps that come on
/// standard input, as with `rkt-sim live --steps-from-stdin`: one JSON object per line, played
/// at once, and answered with one line on standard output, the record of the step or
/// {"error": …}. When standard input ends, the host stays as it is and is served on.
///
/// Says "API service running" on standard error once it answers, with the address. SIGINT and
/// SIGTERM end it in good order: streams end with UNAVAILABLE. Exits with 0 then, with 254 when
/// it cannot start, and with 1 when it cannot go on.
#[derive(Debug, clap::Args)]
pub struct ServeModel {
    /// The description of the host, as rkt-sim takes it, without faults
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,

    /// Where to listen: HOST:PORT; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "localhost:15441")]
    listen: String,

    /// How to answer where the API's document and rkt 1.30.0 differ
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,

    /// The data directory that GetInfo reports; it need not be there
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA_DIR)]
    dir: PathBuf,
}

/// Why there is no server, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The description cannot be read.
    #[error("failed to read the description {}: {source}", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The description is none.
    #[error("failed to read the description {}:{source}", path.display())]
    Spec {
        /// Where it is.
        path: PathBuf,
        /// Where in it, and what.
        source: spec_file::Error,
    },
    /// There is no model of the host.
    #[error("failed to serve the description {}: {source}", path.display())]
    Unmodelled {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: Unmodelled,
    },
    /// The address cannot be listened on.
    #[error("failed to listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The listener failed later.
    #[error("failed to serve: {0}")]
    Serve(#[from] transport::Error),
    /// Steps cannot be read any more.
    #[error("failed to read standard input: {0}")]
    Stdin(io::Error),
    /// Nobody takes the answers to steps.
    #[error("failed to answer on standard output: {0}")]
    Answer(io::Error),
    /// Signals cannot be waited for.
    #[error("failed to wait for signals: {0}")]
    Signals(io::Error),
}

impl Error {
    /// Whether the server never came to answer (SV-2).
    pub fn is_of_start(&self) -> bool {
        match self {
            Self::Read { .. }
            | Self::Spec { .. }
            | Self::Unmodelled { .. }
            | Self::Listen { .. }
            | Self::Signals(_) => true,
            Self::Serve(_) | Self::Stdin(_) | Self::Answer(_) => false,
        }
    }
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
///
/// [`Error`].
pub async fn serve(args: &ServeModel) -> Result<(), Error> {
    let path = || args.spec.clone();
    let text = fs::read_to_string(&args.spec);
    let text = text.map_err(|source| Error::Read {
        path: path(),
        source,
    })?;
    let spec = HostSpec::from_json(&text);
    let spec = spec.map_err(|source| Error::Spec {
        path: path(),
        source,
    })?;
    let now = now_unix_ns();
    let world = World::new(&spec, now, now);
    let world = world.map_err(|source| Error::Unmodelled {
        path: path(),
        source,
    })?;
    let shared = Arc::new(Shared::new(world));

    let unheard = |source| Error::Listen {
        address: args.listen.clone(),
        source,
    };
    let listeners = listen(&args.listen).await.map_err(unheard)?;
    let address = listeners[0].local_addr().map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let ended = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let ended = ended.shared();
    let model = ModelServer::new(Arc::clone(&shared), args.profile, server::info(&args.dir));
    // Where nobody reads it, it is served all the same.
    let _ = writeln!(io::stderr(), "API service running on {address}");
    let serving = listeners.into_iter();
    let serving = serving.map(|listener| model.clone().serve(listener, ended.clone()));
    tokio::select! {
        served = future::try_join_all(serving) => Ok(served.map(drop)?),
        Err(error) = follow(&shared) => Err(error),
    }
}

/// Listens on every address of that name which this machine has, and on one at least.
/// `localhost` has both loopback addresses, whatever the machine's resolver says (SV-1).
async fn listen(address: &str) -> io::Result<Vec<TcpListener>> {
    let port = address.strip_prefix("localhost:");
    let addresses = match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) => vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ],
        None => tokio::net::lookup_host(address).await?.collect(),
    };
    let mut listeners = Vec::new();
    let mut refusal = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpListener::bind::<SocketAddr>(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_without(&error) => refusal = error,
            Err(error) => return Err(error),
        }
    }
    match listeners.is_empty() {
        true => Err(refusal),
        false => Ok(listeners),
    }
}

/// Whether the machine is without the address, or all of its family.
fn is_without(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

/// Plays the steps that come on standard input; when there are no more, does nothing for ever.
async fn follow(shared: &Shared) -> Result<(), Error> {
    let mut lines = stdin();
    let mut seq = 0;
    while let Some(line) = lines.recv().await {
        let line = line.map_err(Error::Stdin)?;
        if line.trim().is_empty() {
            continue;
        }
        match play(shared, &line, seq) {
            Ok(record) => {
                seq += 1;
                answer(&record)?;
            }
            Err(error) => answer(&Refused { error })?,
        }
    }
    std::future::pending().await
}

/// Plays one step in the model, now.
fn play(shared: &Shared, line: &str, seq: u64) -> Result<impl Serialize, String> {
    let step: Step = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let record = shared.world().play(step, seq, now_unix_ns());
    let record = record.map_err(|error| error.to_string())?;
    shared.apply(&record);
    Ok(record)
}

/// The answer to a line that was not played.
#[derive(Serialize)]
struct Refused {
    error: String,
}

fn answer(answer: &impl Serialize) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let mut write = || {
        serde_json::to_writer(&mut out, answer)?;
        out.write_all(b"\n")?;
        out.flush()
    };
    write().map_err(Error::Answer)
}

/// Reads standard input, on a thread of its own: it ends with the process.
fn stdin() -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    thread::spawn(move || {
        let mut lines = io::stdin().lock().lines();
        lines.try_for_each(|line| sender.blocking_send(line))
    });
    receiver
}
