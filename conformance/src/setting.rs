//! A host that the suite has made, and a server on it: from a description to a data directory,
//! a player of steps, the model's picture, and a process that answers.

use std::{path::Path, sync::Arc, time::Duration};

use rkt_sim::live::{record::Record, step::Step};

use crate::{case::Objection, model::World};

/// A host made by the suite, with a server on it.
pub struct Setting {
    _todo: (),
}

impl Setting {
    /// How much later than the contract says something may come.
    pub const SLACK: Duration = Duration::from_millis(500);

    /// What the model knows of the host at this moment.
    pub fn world(&self) -> Arc<World> {
        todo!()
    }

    /// Plays a step on disk, and then in the model.
    ///
    /// # Errors
    ///
    /// A reason to skip the case when the step cannot be played.
    pub async fn play(&self, _step: Step) -> Result<Record, Objection> {
        todo!()
    }

    /// Where the host is.
    pub fn data_dir(&self) -> &Path {
        todo!()
    }
}
