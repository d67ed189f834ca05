//! `rkt-conformance list`: which cases there are.

use std::io::{self, BufWriter, Write as _};

use rkt_conformance::{case::Case, cases, exit::Exit, report::ReportError, select};

use super::Error;
use crate::cli::List;

/// Prints the names of cases.
pub fn list(args: &List) -> Result<Exit, Error> {
    let all = cases::all();
    let cases = select::select(&all, &args.cases)?;
    match print(args, &cases) {
        // Whoever read the names has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ReportError::from(error).into())
        }
        _ => Ok(Exit::Passed),
    }
}

fn print(args: &List, cases: &[&Case]) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for case in cases {
        match args.long {
            true => writeln!(
                out,
                "{:6} {}: {}",
                case.level(),
                case.name(),
                case.clause().gist
            )?,
            false => writeln!(out, "{}", case.name())?,
        }
    }
    out.flush()
}
