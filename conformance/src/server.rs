//! One server under test: brought up on a host until it answers, looked after, ended.

use std::{
    path::Path,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, task::JoinSet};
use tonic::transport::{self, server::TcpIncoming};

use crate::{
    case::Objection,
    descriptors,
    launch::Launch,
    model,
    output::Output,
    ports,
    process::Process,
    profile::Profile,
    source::{Serve, Source},
    target::{Address, Target, Unreachable},
};

/// How long to wait between two looks whether a server answers already.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long a server may take to end in good order.
pub(crate) const END_PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no server on a host.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system did not start it.
    #[error("failed to start {program:?}: {cause}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        cause: std::io::Error,
    },
    /// It did not live until it answered.
    #[error("the server ended before it answered: {status}{}", quoted(output))]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// It lives and does not answer.
    #[error("the server does not answer after {} s: {cause}{}", patience.as_secs(), quoted(output))]
    Silent {
        /// How long it had.
        patience: Duration,
        /// What came of the last attempt to reach it.
        cause: String,
        /// What it wrote.
        output: String,
        /// Whether it was this process that had no descriptor left.
        is_ours: bool,
    },
    /// It has been started often enough.
    #[error("the server ended with {end}, for the last of {times} times")]
    EndedAgain {
        /// How.
        end: String,
        /// How often it has ended.
        times: usize,
    },
    /// One that should run already does not.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// There is no place for it.
    #[error("there is no port for it on 127.0.0.1")]
    NoPort,
    /// Its place cannot be named.
    #[error(transparent)]
    Address(#[from] transport::Error),
}

impl StartError {
    /// What it means to a case that has made `request` and `expected` an answer. That this
    /// process had no descriptor left says nothing of the server.
    pub(crate) fn objection(&self, request: impl Into<String>, expected: &str) -> Objection {
        let is_ours = match self {
            Self::NotStarted { cause, .. } => descriptors::are_exhausted(cause),
            Self::Silent { is_ours, .. } => *is_ours,
            Self::Unreachable(error) => error.is_ours,
            Self::Ended { .. } | Self::EndedAgain { .. } | Self::NoPort | Self::Address(_) => false,
        };
        match is_ours {
            true => Objection::skip("the suite may have no more files open here"),
            false => Objection::fail(request, expected, self.to_string()),
        }
    }
}

/// What a server wrote, as the end of a sentence.
pub(crate) fn quoted(output: &str) -> String {
    match output.trim_end() {
        "" => "; it wrote nothing".to_owned(),
        output => format!("; it wrote:\n{output}"),
    }
}

/// What a server is brought up with.
pub(crate) struct Setup<'a> {
    pub(crate) source: &'a Source,
    pub(crate) data_dir: &'a Path,
    pub(crate) world: &'a Arc<model::Shared>,
    pub(crate) profile: Profile,
    pub(crate) output: &'a Output,
    /// How long it may take until it answers.
    pub(crate) patience: Duration,
}

/// A server that has answered. Dropping it ends it, unless it was there before.
#[derive(Debug)]
pub(crate) struct Server {
    address: Address,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Elsewhere,
    Process(Box<Process>),
    Here(JoinSet<Result<(), transport::Error>>),
}

impl Server {
    /// Brings up a server and connects to it.
    pub(crate) async fn start(setup: &Setup<'_>) -> Result<(Self, Target), StartError> {
        match setup.source {
            Source::Unknown(address) | Source::Lent { address, .. } => {
                let target = Target::connect(address, setup.profile).await?;
                let server = Self {
                    address: address.clone(),
                    running: Running::Elsewhere,
                };
                Ok((server, target))
            }
            Source::Launch(launch) => Self::launch(launch, setup).await,
            Source::Here(serve) | Source::Described(serve) => Self::serve(serve, setup).await,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Its process, where the suite has started one, as long as that runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.running {
            Running::Process(process) => process.pid(),
            Running::Elsewhere | Running::Here(_) => None,
        }
    }

    /// How it has ended, if it has. What happens to one that was there before, nobody knows.
    pub(crate) async fn ended(&mut self) -> Option<String> {
        match &mut self.running {
            Running::Elsewhere => None,
            Running::Process(process) => process.ended().await.map(|end| end.to_string()),
            Running::Here(task) => match task.try_join_next()? {
                Ok(Ok(())) => Some("it has stopped".to_owned()),
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            },
        }
    }

    /// Ends it in good order, or otherwise when it takes its time.
    pub(crate) async fn end(&mut self) {
        match &mut self.running {
            Running::Elsewhere => {}
            Running::Process(process) => {
                process.end(END_PATIENCE).await;
            }
            Running::Here(task) => task.shutdown().await,
        }
    }

    async fn launch(launch: &Launch, setup: &Setup<'_>) -> Result<(Self, Target), StartError> {
        loop {
            let port = ports::free().ok_or(StartError::NoPort)?;
            match Self::launch_on(port, launch, setup).await {
                // Somebody was faster; the next port is another one.
                Err(StartError::Ended { .. }) if !ports::is_free(port) => {}
                result => return result,
            }
        }
    }

    async fn launch_on(
        port: u16,
        launch: &Launch,
        setup: &Setup<'_>,
    ) -> Result<(Self, Target), StartError> {
        let listen = format!("127.0.0.1:{port}");
        let words = launch.fill(setup.data_dir, &listen, setup.profile);
        let position = setup.output.position();
        let process = Process::start(&words, setup.output).await;
        let mut process = process.map_err(|cause| StartError::NotStarted {
            program: words.first().cloned().unwrap_or_default(),
            cause,
        })?;
        let address: Address = listen.parse()?;
        let deadline = Instant::now() + setup.patience;
        loop {
            let answer = tokio::select! {
                answer = Target::connect(&address, setup.profile) => answer,
                () = tokio::time::sleep_until(deadline.into()) => {
                    Err(Unreachable::silent(&address))
                }
            };
            if let Some(status) = process.ended().await {
                let output = setup.output.since(position);
                return Err(StartError::Ended { status, output });
            }
            match answer {
                Ok(target) => {
                    let running = Running::Process(Box::new(process));
                    return Ok((Self { address, running }, target));
                }
                Err(_) if Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN).await,
                Err(error) => {
                    process.kill().await;
                    return Err(StartError::Silent {
                        patience: setup.patience,
                        cause: error.cause,
                        output: setup.output.since(position),
                        is_ours: error.is_ours,
                    });
                }
            }
        }
    }

    async fn serve(serve: &Serve, setup: &Setup<'_>) -> Result<(Self, Target), StartError> {
        let not_started = |cause| StartError::NotStarted {
            program: "a server in this process".to_owned(),
            cause,
        };
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(not_started)?;
        let address = listener.local_addr().map_err(not_started)?;
        let address: Address = address.to_string().parse()?;
        let info = model::server::info(setup.data_dir);
        let world = Arc::clone(setup.world);
        let model = model::ModelServer::new(world, setup.profile, info);
        let routes = serve(model);
        let server = transport::Server::builder().add_routes(routes);
        // Without it each answer waits for the acknowledgement of the one before.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let mut task = JoinSet::new();
        task.spawn(server.serve_with_incoming(incoming));
        let target = Target::connect(&address, setup.profile).await?;
        let running = Running::Here(task);
        Ok((Self { address, running }, target))
    }
}
