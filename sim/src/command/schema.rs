//! `rkt-sim schema`: the JSON Schema of spec files.

use std::io::{self, Write as _};

use rkt_sim::spec_file::SpecFile;

/// Print the JSON Schema of spec files.
///
/// Editors that know it complete and check spec files: name it in the file as `$schema`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints it.
pub fn run(_: Args) -> io::Result<()> {
    let schema = SpecFile::json_schema()?;
    io::stdout().lock().write_all(schema.as_bytes())
}
