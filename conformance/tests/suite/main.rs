//! The suite's own program, run against the real server, which must pass, and against servers
//! that are wrong on purpose, which must not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken;
mod commands;
mod descriptors;
mod exit_codes;
mod historical;
mod honest;
mod host;
mod known;
mod model;
mod support;
mod targets;
mod unary;
