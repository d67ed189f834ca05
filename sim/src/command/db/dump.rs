//! `rkt-sim db dump`: the rows of an image index as JSON lines.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use super::{Error, json};

/// The tables that rkt keeps, in the order in which they are printed.
const OF_RKT: [&str; 3] = ["version", "remote", "aciinfo"];

/// Print the rows of an image index, one JSON object a line.
///
/// Each has the table's name, the row's id, and the row, its columns in the table's order. In
/// a table the row written last comes first. Times are RFC 3339 with the zone that they were
/// taken in; what is not text is an object that says what it is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The index, cas/db/ql.db in a data directory
    file: PathBuf,
    /// All tables: also those of the engine, and any that rkt does not know
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    match print(args) {
        // Whoever reads the rows has seen enough of them.
        Err(Error::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        printed => printed,
    }
}

fn print(args: &Args) -> Result<ExitCode, Error> {
    let db = super::open(&args.file)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut tables: Vec<_> = OF_RKT.iter().filter_map(|name| db.table(name)).collect();
    if args.all {
        let others = db.tables().iter().rev();
        tables.extend(others.filter(|table| !OF_RKT.contains(&table.name())));
    }
    for table in tables {
        for row in db.rows(table) {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    // What could be read until here is worth having.
                    out.flush()?;
                    let path = args.file.clone();
                    return Err(Error::Format { path, error });
                }
            };
            let line = json::Line { table, row: &row };
            serde_json::to_writer(&mut out, &line).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
