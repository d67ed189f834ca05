//! `rkt-sim schema`: the JSON Schema of spec files.

use std::io;

use rkt_sim::spec_file::SpecFile;

use super::print::to_stdout;

/// Print the JSON Schema of spec files.
///
/// Editors that know it complete and check spec files: name it in the file as `$schema`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints it.
pub fn run(_: Args) -> io::Result<()> {
    let schema = SpecFile::json_schema()?;
    to_stdout(|out| out.write_all(schema.as_bytes()))
}
