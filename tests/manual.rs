//! What can be read about the programs of this package: man pages, completions, references.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

#[path = "../manual/tests/program/mod.rs"]
mod program;

use std::{fs, path::Path};

use pretty_assertions::assert_str_eq;

const SERVER: &str = env!("CARGO_BIN_EXE_rkt-api-service");
const CLIENT: &str = env!("CARGO_BIN_EXE_rktctl");

#[test]
fn documents_tell_of_everything() {
    program::check(SERVER, "rkt-api-service");
    program::check(CLIENT, "rktctl");
}

#[test]
#[ignore = "needs groff"]
fn groff_sets_the_man_pages() {
    program::check_man_page(SERVER);
    program::check_man_page(CLIENT);
}

/// The reference is that of the flags.
#[test]
fn the_configuration_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let written = fs::read_to_string(path).unwrap();
    assert_str_eq!(
        written,
        program::document(SERVER, "markdown"),
        "renew it by: cargo run --bin rkt-api-service -- --generate markdown > docs/configuration.md"
    );
}
