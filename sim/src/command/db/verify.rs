//! `rkt-sim db verify`: everything that is wrong with an image index.

use std::{path::PathBuf, process::ExitCode};

use rkt_api::formats::ql;

use super::Error;
use crate::command::print::to_stdout;

/// What the command exits with when it has found something.
const FOUND_PROBLEMS: u8 = 1;

/// Check the whole of an image index.
///
/// Blocks and free lists account for the whole file, all rows can be read, indexes hold what
/// their tables hold, and nothing is left over. Prints the problems, one a line; exits with 0
/// when there are none, 1 when there are some, and 254 when the file cannot be read at all.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The index, cas/db/ql.db in a data directory
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let db = super::open(&args.file)?;
    let problems = ql::verify(&db);
    to_stdout(|out| {
        for problem in &problems {
            writeln!(out, "{problem}")?;
        }
        match problems.len() >= ql::MAX_FINDINGS {
            true => writeln!(out, "There may be more."),
            false => Ok(()),
        }
    })?;
    Ok(match problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FOUND_PROBLEMS),
    })
}
