//! What a case has to work with: the server, the host that it stands on as far as that is known,
//! and the means to change it. How hosts and servers come to be is [`crate::setting`]'s.

use std::{collections::BTreeMap, ops::Deref, path::Path, sync::Arc, time::Duration};

use rkt_sim::live::{record::Record, step::Step};
use tokio::sync::watch;

use crate::{
    case::{Checking, Objection},
    hosts::HostDef,
    model::World,
    setting::Setting,
    target::Target,
};

/// A server to try, and the host that it is on. Calls go by way of [`Target`], which this
/// dereferences to.
#[derive(Clone)]
pub struct Stage {
    target: Arc<Target>,
    setting: Option<Arc<Setting>>,
    seat: Option<Arc<Seat>>,
}

impl Deref for Stage {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

impl Stage {
    /// A server on a host that nobody has described.
    pub fn unknown(target: Arc<Target>) -> Self {
        Self {
            target,
            setting: None,
            seat: None,
        }
    }

    /// A server on a host that the suite has made.
    pub fn known(target: Arc<Target>, setting: Arc<Setting>) -> Self {
        Self {
            target,
            setting: Some(setting),
            seat: None,
        }
    }

    /// The same stage with another connection to the server.
    pub fn with_target(&self, target: Target) -> Self {
        Self {
            target: Arc::new(target),
            ..self.clone()
        }
    }

    /// The same stage for a case that takes part in a scene.
    pub fn with_seat(self, seat: Seat) -> Self {
        Self {
            seat: Some(Arc::new(seat)),
            ..self
        }
    }

    /// What the model knows of the host at this moment; `None` where nobody has described it.
    pub fn world(&self) -> Option<Arc<World>> {
        self.setting.as_ref().map(|setting| setting.world())
    }

    /// The host that the suite has made.
    ///
    /// # Errors
    ///
    /// The case is skipped where there is none.
    pub fn setting(&self) -> Result<&Setting, Objection> {
        let setting = self.setting.as_deref();
        setting.ok_or_else(|| Objection::skip("it needs a host that the suite may make"))
    }

    /// Plays a step on the host. When this returns all of it is on disk, and in
    /// [`Self::world`].
    ///
    /// # Errors
    ///
    /// The case is skipped when the step cannot be played here.
    pub async fn play(&self, step: Step) -> Result<Record, Objection> {
        self.setting()?.play(step).await
    }

    /// The data directory.
    ///
    /// # Errors
    ///
    /// As [`Self::setting`].
    pub fn data_dir(&self) -> Result<&Path, Objection> {
        Ok(self.setting()?.data_dir())
    }

    /// How much later than the contract says an answer may come: machines are slow.
    pub fn slack(&self) -> Duration {
        Setting::SLACK
    }

    /// This case's part in a scene.
    ///
    /// # Errors
    ///
    /// The case is skipped when it takes part in none.
    pub fn seat(&self) -> Result<&Seat, Objection> {
        let seat = self.seat.as_deref();
        seat.ok_or_else(|| Objection::skip("it needs a scene to take part in"))
    }
}

/// A run of steps on one host that many cases watch at once, each through calls of its own:
/// so what needs time to pass is waited for once.
pub struct SceneDef {
    /// Its name, one word.
    pub name: &'static str,
    /// The host at its beginning.
    pub host: &'static HostDef,
    /// Plays it.
    pub script: fn(Stage, Director) -> Checking,
}

impl std::fmt::Debug for SceneDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SceneDef({})", self.name)
    }
}

/// What is known of a scene by those who take part.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// How many cases have opened what they open before the scene goes on.
    ready: usize,
    /// Moments with names, nanoseconds since the epoch.
    marks: BTreeMap<&'static str, i64>,
    /// Whether everything has been played.
    is_over: bool,
}

/// The side of a scene from which it is played. The scene is over when it is dropped.
pub struct Director {
    progress: Arc<watch::Sender<Progress>>,
    seats: usize,
}

impl Director {
    /// The director of a scene in which so many cases take part.
    pub fn new(seats: usize) -> Self {
        Self {
            progress: Arc::new(watch::Sender::default()),
            seats,
        }
    }

    /// A place for one of the cases.
    pub fn seat(&self) -> Seat {
        Seat {
            progress: Arc::clone(&self.progress),
            is_ready: false.into(),
        }
    }

    /// Waits until every case has said that it is ready, or for `patience`.
    pub async fn all_ready(&self, patience: Duration) {
        let mut progress = self.progress.subscribe();
        let ready = progress.wait_for(|progress| progress.ready >= self.seats);
        // Cases that are not ready by then miss what follows, and say so.
        let _ = tokio::time::timeout(patience, ready).await;
    }

    /// Gives this moment a name.
    pub fn mark(&self, name: &'static str) {
        let now = crate::clock::now_unix_ns();
        self.progress.send_modify(|progress| {
            progress.marks.insert(name, now);
        });
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        self.progress
            .send_modify(|progress| progress.is_over = true);
    }
}

/// A case's part in a scene. Dropping it lets the scene go on without the case.
pub struct Seat {
    progress: Arc<watch::Sender<Progress>>,
    is_ready: std::sync::atomic::AtomicBool,
}

impl Seat {
    /// Says that everything is open that has to be before the scene goes on.
    pub fn ready(&self) {
        let was_ready = self
            .is_ready
            .swap(true, std::sync::atomic::Ordering::Relaxed);
        if !was_ready {
            self.progress.send_modify(|progress| progress.ready += 1);
        }
    }

    /// Waits for a named moment, and says when it was, in nanoseconds since the epoch. `None`
    /// when the scene ends without it.
    pub async fn reached(&self, mark: &str) -> Option<i64> {
        let mut progress = self.progress.subscribe();
        let reached =
            progress.wait_for(|progress| progress.marks.contains_key(mark) || progress.is_over);
        reached.await.ok()?.marks.get(mark).copied()
    }

    /// Waits until everything has been played.
    pub async fn over(&self) {
        let mut progress = self.progress.subscribe();
        // The sender lives as long as this.
        let _ = progress.wait_for(|progress| progress.is_over).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.ready();
    }
}
