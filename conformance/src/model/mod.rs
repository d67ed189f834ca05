//! The reference model: from the description of a host, and the steps that were played on it,
//! to the answers that a server must give.
//!
//! [`World`] is what there is; it starts as a [`HostSpec`](rkt_sim::spec::HostSpec) and moves
//! on by [`Record`](rkt_sim::live::record::Record)s. The answers are pure functions of it,
//! one module for each group of calls, written to be read beside the contract, not to be
//! fast. Nothing here looks at a disk or a clock, and nothing is shared with the server.
//!
//! What a description cannot fix (when a directory was renamed) is a range of times; the
//! comparison takes what was observed where it lies in the range: see [`expected`]. The
//! differences between the dialects are one table, in `brackets`.

pub mod events;
pub mod expected;
pub mod facts;
pub mod images;
pub mod logs;
pub mod pods;
pub mod server;
pub mod shared;
pub mod world;

mod brackets;
mod possible;
mod steps;

pub use expected::{Expected, Refusal};
pub use possible::Impossible;
pub use server::ModelServer;
pub use shared::Shared;
pub use world::{Unmodelled, World};
