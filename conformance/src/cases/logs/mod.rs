//! GetLogs (L-*). `answer` has calls that end by themselves and what the model says of them,
//! `follower` those that stay open, `scenes` what is written while they do. The cases are in
//! the other modules, by what they look at.

mod answer;
mod clock;
mod files;
mod follower;
mod format;
mod grid;
mod live;
mod parting;
mod refusals;
mod rush;
mod scenes;
mod size;
mod states;

use crate::case::Case;

/// All cases of GetLogs.
pub(super) fn cases() -> Vec<Case> {
    [
        refusals::cases(),
        states::cases(),
        grid::cases(),
        format::cases(),
        size::cases(),
        live::cases(),
        clock::cases(),
        rush::cases(),
        files::cases(),
        parting::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
