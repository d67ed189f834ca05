//! What there is on a host: a description, moved on by the steps that were played.

use rkt_sim::{live::record::Record, spec::HostSpec};

use super::events::Happening;

/// A host as the model knows it, from the moment at which a server started on it.
#[derive(Clone, Debug)]
pub struct World {
    _todo: (),
}

impl World {
    /// The host as described, when a server starts on it at `started_unix_ns`. `written_unix_ns`
    /// is when the host began to be written to disk: change times lie after it.
    pub fn new(_spec: &HostSpec, _written_unix_ns: i64, _started_unix_ns: i64) -> Self {
        todo!()
    }

    /// Moves on by a step that was played. What happened by it is added to [`Self::events`].
    pub fn apply(&mut self, _record: &Record) {
        todo!()
    }

    /// What has happened since the server started, in order.
    pub fn events(&self) -> &[Happening] {
        todo!()
    }

    /// When the server started, nanoseconds since the epoch.
    pub fn started_unix_ns(&self) -> i64 {
        todo!()
    }
}
