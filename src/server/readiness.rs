//! Whether the server is ready for calls about pods, and telling those who ask by gRPC health.
//! Nothing is looked at for that: it is known from the last look at the pods.

use std::fmt;

use tokio::sync::watch;
use tonic::server::NamedService as _;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::Api;
use crate::service::Condition;

/// All services of the server, in gRPC health.
const WHOLE: &str = "";

/// Whether the server is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The pods were not read yet.
    Starting,
    /// Calls are answered.
    Ready,
    /// The data directory is gone or cannot be read.
    Unreadable,
    /// The server is going down.
    Draining,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "not ready: the pods were not read yet",
            Self::Ready => "ready",
            Self::Unreadable => "not ready: the data directory cannot be read",
            Self::Draining => "not ready: the server is going down",
        })
    }
}

/// What readiness follows from.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    pub(super) condition: watch::Receiver<Condition>,
    pub(super) draining: watch::Receiver<bool>,
}

impl Readiness {
    /// Whether the server is ready now.
    pub(super) fn state(&self) -> State {
        match *self.condition.borrow() {
            _ if *self.draining.borrow() => State::Draining,
            Condition::Beginning => State::Starting,
            Condition::Readable => State::Ready,
            Condition::Unreadable => State::Unreadable,
        }
    }

    /// Tells `health` whether the server is ready, until it drains: then those who watch are let
    /// go, too, who would hold up the end.
    pub(super) async fn tell(mut self, health: HealthReporter) {
        loop {
            self.condition.mark_unchanged();
            self.draining.mark_unchanged();
            let state = self.state();
            let status = match state {
                State::Ready => ServingStatus::Serving,
                State::Starting | State::Unreadable | State::Draining => ServingStatus::NotServing,
            };
            set(&health, status).await;
            if state == State::Draining {
                break;
            }
            let changed = tokio::select! {
                changed = self.condition.changed() => changed,
                changed = self.draining.changed() => changed,
            };
            if changed.is_err() {
                // Whoever could tell is gone, and the server with it.
                break;
            }
        }
        let mut health = health;
        for service in [Api::NAME, WHOLE] {
            health.clear_service_status(service).await;
        }
    }
}

/// Sets the status of the server in gRPC health.
pub(super) async fn set(health: &HealthReporter, status: ServingStatus) {
    for service in [Api::NAME, WHOLE] {
        health.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_drains_is_not_ready() {
        let (pods, condition) = watch::channel(Condition::default());
        let (drain, draining) = watch::channel(false);
        let readiness = Readiness {
            condition,
            draining,
        };
        assert_eq!(readiness.state(), State::Starting);
        pods.send_replace(Condition::Readable);
        assert_eq!(readiness.state(), State::Ready);
        pods.send_replace(Condition::Unreadable);
        assert_eq!(readiness.state(), State::Unreadable);
        for condition in [
            Condition::Beginning,
            Condition::Readable,
            Condition::Unreadable,
        ] {
            pods.send_replace(condition);
            drain.send_replace(true);
            assert_eq!(readiness.state(), State::Draining);
        }
    }
}
