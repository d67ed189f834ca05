//! End-to-end tests: the real server on real directories, through real sockets.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod answers;
mod attack;
mod broken;
mod clients;
mod events;
mod facts;
mod faults;
mod fixtures;
mod follow_logs;
mod frames;
mod fresh;
mod golden;
mod held_up;
mod hostile;
mod hosts;
mod journals;
mod json;
mod kills;
mod lifecycle;
mod limits;
mod listeners;
mod lives;
mod logs;
mod logs_truth;
mod manager;
mod marks;
mod metrics;
mod moving;
mod odd;
mod read_only;
mod recorded;
mod recorded_logs;
mod sandbox;
mod snapshots;
mod soak;
mod store;
mod support;
mod systemd;
mod tls;
mod usage;
mod watching;
