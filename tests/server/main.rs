//! End-to-end tests: the real server on real directories, through real sockets.

mod golden;
mod json;
mod lifecycle;
mod recorded;
mod snapshots;
mod support;
