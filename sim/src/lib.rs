//! Simulated rkt hosts: a description becomes a data directory on disk, the way rkt
//! 1.30.0 leaves one.
//!
//! [`spec`] is the description, [`host`] what it becomes, [`example`] a host to try things
//! on. [`spec_file`] is the description as users write it, in JSON and with gaps, which
//! [`generate`] fills from a seed. Only what rkt itself would leave is written, with rkt's
//! modes and the times that the description asks for; the same description makes the same
//! bytes, modes and modification times every time. Damaged and odd directories are made out
//! of sound ones, by [`faults`]. On a living host pods and images come and go, step by step:
//! see [`live`].
//!
//! Of the server's crate this library uses the file formats and the names of paths, never the
//! code that reads them: what it writes is to be judged by that code.

pub mod example;
pub mod faults;
pub mod generate;
pub mod host;
pub mod live;
pub mod spec;
pub mod spec_file;

mod aci;
mod content;
mod go_json;
mod journal;
mod manifest;
mod pod;
mod store;
mod tree;

pub use journal::JournalLine;
