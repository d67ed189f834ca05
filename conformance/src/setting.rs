//! A host that the suite has made, and a server on it: from a description to a data directory,
//! a player of steps, the model's picture, and a process that answers.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rkt_sim::{
    host::Hold,
    live::{
        HostState, Player, StepError,
        record::Record,
        step::{self, Step},
    },
    spec::HostSpec,
};
use tempfile::TempDir;

use crate::{
    case::Objection,
    clock,
    forks::Quiet,
    hosts::HostDef,
    made::Made,
    model::{self, World},
    output::Output,
    profile::Profile,
    server::{Server, Setup, StartError, quoted},
    source::Source,
    target::{Address, Target},
};

/// How often a server that has died is started again for the cases that are left.
const REVIVALS: usize = 3;

/// How long a server that answers nobody may take until it has ended.
const DEATH_PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait between two looks whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why there is no setting.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The host cannot be made on this machine, which says nothing of the server.
    #[error("the host cannot be made here: {0}")]
    Host(String),
    /// The server does not come up on it.
    #[error(transparent)]
    Server(#[from] StartError),
}

/// What settings of one run have in common.
#[derive(Clone)]
pub struct Props {
    /// Where servers come from.
    pub source: Source,
    /// Which dialect they are to speak.
    pub profile: Profile,
    /// How long a server may take until it answers.
    pub patience: Duration,
    /// Where hosts are made.
    pub room: PathBuf,
}

/// A host made by the suite, with a server on it.
pub struct Setting {
    props: Arc<Props>,
    data_dir: PathBuf,
    world: Arc<model::Shared>,
    output: Output,
    running: tokio::sync::Mutex<Running>,
    player: Arc<Mutex<Player>>,
    _holds: Vec<Hold>,
    // The last field: all others have let go of what is in it when it is removed.
    _room: Option<TempDir>,
}

struct Running {
    server: Server,
    target: Target,
    revivals: usize,
}

impl Setting {
    /// How much later than the contract says something may come.
    pub const SLACK: Duration = Duration::from_millis(500);

    /// Makes the host, and brings up a server on it.
    ///
    /// # Errors
    ///
    /// [`SettingError`].
    pub async fn make(props: &Arc<Props>, host: &'static HostDef) -> Result<Self, SettingError> {
        Self::of(props, host.spec).await
    }

    /// Another host, made from this description, with a server of the same kind on it.
    ///
    /// # Errors
    ///
    /// As [`Self::make`].
    pub async fn beside(&self, spec: HostSpec) -> Result<Self, SettingError> {
        Self::of(&self.props, || spec).await
    }

    async fn of(
        props: &Arc<Props>,
        spec: impl FnOnce() -> HostSpec + Send + 'static,
    ) -> Result<Self, SettingError> {
        let written_unix_ns = clock::now_unix_ns();
        let quiet = Quiet::shared().await;
        let making = tokio::task::spawn_blocking({
            let props = Arc::clone(props);
            move || {
                let _quiet = quiet;
                Made::make(&props.source, &props.room, spec())
            }
        });
        let made = match making.await {
            Ok(made) => made.map_err(|error| SettingError::Host(error.to_string()))?,
            // A panic goes on in those who wait for it.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => return Err(SettingError::Host(error.to_string())),
            },
        };
        let started_unix_ns = clock::now_unix_ns();
        // What faults come to is for those to say who have them made.
        let sound = HostSpec {
            faults: Vec::new(),
            ..made.spec
        };
        let world = World::new(&sound, written_unix_ns, started_unix_ns);
        let world = world.map_err(|error| SettingError::Host(error.to_string()))?;
        let world = Arc::new(model::Shared::new(world));
        let output = Output::default();
        let setup = Setup {
            source: &props.source,
            data_dir: &made.data_dir,
            world: &world,
            profile: props.profile,
            output: &output,
            patience: props.patience,
        };
        let (server, target) = Server::start(&setup).await?;
        Ok(Self {
            props: Arc::clone(props),
            data_dir: made.data_dir,
            world,
            output,
            running: tokio::sync::Mutex::new(Running {
                server,
                target,
                revivals: 0,
            }),
            player: Arc::new(Mutex::new(made.player)),
            _holds: made.holds,
            _room: made.room,
        })
    }

    /// What the model knows of the host at this moment.
    pub fn world(&self) -> Arc<World> {
        self.world.world()
    }

    /// The model's picture itself, for those who watch it, or change on disk what no step can.
    pub fn shared_world(&self) -> &model::Shared {
        &self.world
    }

    /// Plays a step on disk, and then in the model.
    ///
    /// # Errors
    ///
    /// A bug when the step is impossible on the host, a failure when the server under test
    /// holds a lock that rkt needs, and a reason to skip the case when the machine does not
    /// let the step be played.
    pub async fn play(&self, step: Step) -> Result<Record, Objection> {
        let quiet = match starts_process(&step) {
            true => Quiet::alone().await,
            false => Quiet::shared().await,
        };
        let player = Arc::clone(&self.player);
        let world = Arc::clone(&self.world);
        let name = step.name();
        let playing = tokio::task::spawn_blocking(move || {
            // A player knows what is on disk whatever has happened in a step.
            let mut player = player.lock().unwrap_or_else(PoisonError::into_inner);
            let played = player.play(&step);
            quiet.end();
            let record = played?;
            world.apply(&record);
            Ok(record)
        });
        match playing.await {
            Ok(played) => played.map_err(|error| not_played(name, &error)),
            Err(error) => Err(Objection::Bug(format!("{name}: {error}"))),
        }
    }

    /// Whether the server was there before the host: it has seen the host come, and others
    /// before it, of which the model knows nothing.
    pub fn server_is_older(&self) -> bool {
        matches!(self.props.source, Source::Lent { .. })
    }

    /// How far the steps that were played have brought the host, for those who make up more.
    pub fn host_state(&self) -> HostState {
        let player = self.player.lock().unwrap_or_else(PoisonError::into_inner);
        player.state().clone()
    }

    /// Where the host is.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Where the server listens at this moment.
    pub async fn address(&self) -> Address {
        self.running.lock().await.server.address().clone()
    }

    /// Another connection to the server, which shares nothing with those of others.
    ///
    /// # Errors
    ///
    /// The server's fault when it does not answer on it. The case is skipped where this
    /// process has no descriptor left.
    pub async fn connect(&self) -> Result<Target, Objection> {
        let address = self.address().await;
        let connected = Target::connect(&address, self.props.profile).await;
        connected.map_err(|error| {
            StartError::from(error).objection("GetInfo {} on a new connection", "an answer")
        })
    }

    /// The server's process.
    ///
    /// # Errors
    ///
    /// The case is skipped where the suite has started none.
    pub async fn server_pid(&self) -> Result<u32, Objection> {
        let pid = self.running.lock().await.server.pid();
        pid.ok_or_else(|| Objection::skip("it needs a server that the suite starts"))
    }

    /// The command that starts a server on this data directory and at this address, in words.
    ///
    /// # Errors
    ///
    /// The case is skipped where the suite has none.
    pub(crate) fn command(&self, data_dir: &Path, listen: &str) -> Result<Vec<String>, Objection> {
        match &self.props.source {
            Source::Launch(launch) => Ok(launch.fill(data_dir, listen, self.props.profile)),
            _ => Err(Objection::skip("it needs a command that starts the server")),
        }
    }

    /// What the server has written on its standard output and error so far, the last of it;
    /// empty where the suite has not started it.
    pub fn server_output(&self) -> String {
        self.output.since(0)
    }

    /// Ends the server in good order, and starts another on the same host. The target of the
    /// stage is of no use then: [`Self::connect`] again.
    ///
    /// # Errors
    ///
    /// The case is skipped where the suite cannot start servers; that the new one does not
    /// come up is its fault.
    pub async fn restart_server(&self) -> Result<(), Objection> {
        if matches!(self.props.source, Source::Lent { .. } | Source::Unknown(_)) {
            let reason = "it needs a server that the suite starts";
            return Err(Objection::skip(reason));
        }
        let mut running = self.running.lock().await;
        let restarted = self.restart(&mut running).await;
        restarted.map_err(|error| error.objection("a second start", "that it answers"))
    }

    /// A handle on the server for one case. A server that has died is started again first.
    ///
    /// # Errors
    ///
    /// When it does not come up, or has died too often.
    pub(crate) async fn target(&self) -> Result<Target, StartError> {
        let mut running = self.running.lock().await;
        if let Some(end) = running.server.ended().await {
            if running.revivals == REVIVALS {
                return Err(StartError::EndedAgain {
                    end,
                    times: REVIVALS + 1,
                });
            }
            running.revivals += 1;
            self.restart(&mut running).await?;
        }
        Ok(running.target.handle())
    }

    /// How the server has ended, if it has, and what it wrote last. For use after something
    /// went wrong: connections of a process break before the system says that it has ended.
    pub(crate) async fn obituary(&self) -> Option<String> {
        let mut running = self.running.lock().await;
        let address = running.server.address().clone();
        let end = async {
            loop {
                match running.server.ended().await {
                    Some(end) => return end,
                    None => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
        };
        let end = tokio::select! {
            biased;
            end = end => end,
            Ok(_) = Target::connect(&address, self.props.profile) => return None,
            () = tokio::time::sleep(DEATH_PATIENCE) => return None,
        };
        let output = quoted(&self.output.since(0));
        Some(format!("the server has ended with {end}{output}"))
    }

    /// What servers write here.
    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Ends the server in good order.
    pub(crate) async fn close(&self) {
        self.running.lock().await.server.end().await;
    }

    async fn restart(&self, running: &mut Running) -> Result<(), StartError> {
        running.server.end().await;
        let now = clock::now_unix_ns();
        self.world.change(|world| world.restart(now));
        let setup = Setup {
            source: &self.props.source,
            data_dir: &self.data_dir,
            world: &self.world,
            profile: self.props.profile,
            output: &self.output,
            patience: self.props.patience,
        };
        (running.server, running.target) = Server::start(&setup).await?;
        Ok(())
    }
}

/// Whether a process is started to play the step.
fn starts_process(step: &Step) -> bool {
    matches!(
        step,
        Step::Run {
            holder: step::Holder::Child,
            ..
        }
    )
}

/// What it means that a step was not played.
fn not_played(name: &str, error: &StepError) -> Objection {
    match error {
        StepError::Impossible { .. } => Objection::Bug(error.to_string()),
        // Steps wait for locks, for longer than anybody has a reason to hold one.
        StepError::Disk { source, .. } if source.kind() == io::ErrorKind::WouldBlock => {
            Objection::fail(
                format!("the step {name} of rkt meanwhile"),
                "that the server keeps no lock which rkt needs",
                error.to_string(),
            )
        }
        StepError::Disk { .. } | StepError::Index(_) | StepError::Memory(_) => {
            Objection::skip(format!("a step cannot be played here: {error}"))
        }
    }
}
