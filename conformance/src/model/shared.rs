//! A world that moves on while others look at it: whoever plays steps tells it, cases and the
//! model server read it.

use std::sync::Arc;

use rkt_sim::live::record::Record;
use tokio::sync::watch;

use super::World;

/// The world as it is at this moment.
#[derive(Debug)]
pub struct Shared(watch::Sender<Arc<World>>);

impl Shared {
    /// A world to begin with.
    pub fn new(world: World) -> Self {
        Self(watch::Sender::new(Arc::new(world)))
    }

    /// The world now.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.0.borrow())
    }

    /// Moves on by a step that was played.
    pub fn apply(&self, record: &Record) {
        self.change(|world| world.apply(record));
    }

    /// Moves on by what no step can say.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        self.0.send_modify(|world| change(Arc::make_mut(world)));
    }

    /// Sees every world from now on, or at least the newest.
    pub fn subscribe(&self) -> watch::Receiver<Arc<World>> {
        self.0.subscribe()
    }
}
