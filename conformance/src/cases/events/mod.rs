//! ListenEvents (E-*). What is played is in `script`, when and for whom in `scenes`; `listener`
//! reads streams, `judge` says what they are to have. The cases are in the other modules, by
//! what they look at.

mod bounds;
mod causes;
mod clock;
mod fields;
mod filters;
mod judge;
mod listener;
mod order;
mod parting;
mod scenes;
mod script;
mod slow;

use std::sync::Arc;

use self::{
    judge::LEARNS_WITHIN,
    listener::{Heard, Listener},
};
use crate::{
    case::{Case, Objection},
    model::World,
    stage::Stage,
};

/// All cases of ListenEvents.
pub(super) fn cases() -> Vec<Case> {
    [
        causes::cases(),
        fields::cases(),
        filters::cases(),
        bounds::cases(),
        clock::cases(),
        order::cases(),
        parting::cases(),
        slow::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a listener without a filter has of a whole scene.
struct WholeScene {
    listener: Listener,
    heard: Heard,
    world: Arc<World>,
}

/// Listens to everything, from before the first step until all must have been learned.
async fn whole_scene(stage: &Stage) -> Result<WholeScene, Objection> {
    if stage.setting()?.server_is_older() {
        // How the host came to be is not part of it.
        settle(stage).await;
    }
    let listener = Listener::open_bare(stage).await?;
    let seat = stage.seat()?;
    seat.ready();
    seat.over().await;
    settle(stage).await;
    Ok(WholeScene {
        heard: listener.heard(),
        listener,
        world: judge::known_world(stage)?,
    })
}

/// Waits until a server must have learned, and told, of what has happened (E-4).
async fn settle(stage: &Stage) {
    tokio::time::sleep(LEARNS_WITHIN + stage.slack()).await;
}
