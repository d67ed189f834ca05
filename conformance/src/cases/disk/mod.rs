//! Cases on hosts that change under the server, or are damaged, and cases about the server as
//! a process: freshness, churn, odd entries, broken pods and stores, reading only, clients
//! that hang up, start and end. What all of them ask is in `ask`, what they do to hosts beside
//! steps in `by_hand`.

mod ask;
mod by_hand;
mod churn;
mod damage;
mod direct;
mod entries;
mod first;
mod fresh;
mod hang_up;
mod images;
mod lives;
mod locks;
mod read_only;
mod service;

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [
        first::cases(),
        fresh::cases(),
        direct::cases(),
        locks::cases(),
        lives::cases(),
        churn::cases(),
        entries::cases(),
        damage::cases(),
        images::cases(),
        read_only::cases(),
        hang_up::cases(),
        service::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
