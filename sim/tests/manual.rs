//! What can be read about `rkt-sim`: man page, completions, reference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../manual/tests/program/mod.rs"]
mod program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rkt-sim");

#[test]
fn documents_tell_of_everything() {
    program::check(PROGRAM, "rkt-sim");
}

#[test]
#[ignore = "needs groff"]
fn groff_sets_the_man_page() {
    program::check_man_page(PROGRAM);
}
