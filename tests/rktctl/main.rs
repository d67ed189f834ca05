//! `rktctl` as people have it: the real program against the real server on a simulated host, with
//! real pipes, terminals and signals; and against servers that answer with whatever is wanted.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod answers;
mod exit_codes;
mod host;
mod program;
mod streams;
mod terminals;
mod tls;

#[path = "../server/support.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod support;
#[path = "../../sim/tests/common/terminal.rs"]
mod terminal;
