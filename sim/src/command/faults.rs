//! `rkt-sim faults`: the kinds of faults, for people or as JSON.

use std::{
    error::Error,
    io::{self, Write as _},
};

use rkt_sim::faults::Kind;
use serde::Serialize;

/// List the faults that `rkt-sim break` can make.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON array of objects instead of a table
    #[arg(long)]
    json: bool,
}

/// A row of the list.
#[derive(Serialize)]
struct Row {
    name: String,
    /// What the fault is made in.
    about: &'static str,
    sentence: String,
}

/// Prints the list.
pub fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let row = |kind: Kind| Row {
        name: kind.name(),
        about: if kind.is_about_pod() { "pod" } else { "host" },
        sentence: kind.sentence(),
    };
    let rows: Vec<Row> = Kind::all().map(row).collect();
    match print(&rows, args.json) {
        // Whoever reads the list has seen enough of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

fn print(rows: &[Row], json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, rows)?;
        writeln!(out)?;
    } else {
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for Row { name, sentence, .. } in rows {
            writeln!(out, "{name:width$}  {sentence}")?;
        }
    }
    out.flush()
}
