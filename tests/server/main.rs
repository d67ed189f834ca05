//! End-to-end tests: the real server on real directories, through real sockets.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod answers;
mod broken;
mod events;
mod facts;
mod fixtures;
mod fresh;
mod golden;
mod hostile;
mod hosts;
mod json;
mod lifecycle;
mod listeners;
mod marks;
mod moving;
mod odd;
mod read_only;
mod recorded;
mod snapshots;
mod soak;
mod store;
mod support;
mod watching;
