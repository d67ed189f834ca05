//! Living hosts: a data directory on which pods come, run and go, and images with them, in
//! the very order of actions that rkt takes on disk.
//!
//! A [`Player`] plays one [`Step`](step::Step) after the other, holds the locks that living
//! pods need, and gives a [`Record`](record::Record) of each. Where steps come from is not its
//! business: [`script`] reads them, [`random`] makes them up from a seed, and [`pace`] says how
//! fast they come. Which locks were held last is kept beside the data directory, by [`memory`],
//! so that [`Holding`] or another player can take them again.
//!
//! Playing a step: `player` checks that it is possible and keeps the books, `pods` and
//! `images` know rkt's order, `logs` that of a pod's journald, `index` is a transaction on the image index, `lock` the lock of
//! a pod, `file_lock` those of all else, and `disk` does single actions and notes them.

pub mod memory;
pub mod pace;
pub mod random;
pub mod record;
pub mod script;
pub mod step;

mod disk;
mod file_lock;
mod hold;
mod images;
mod index;
mod lock;
mod logs;
mod player;
mod pods;
mod state;

pub use hold::{HoldError, Holding};
pub use player::{OpenError, Player, StepError};
pub use state::{AppState, HostState, PodState};
