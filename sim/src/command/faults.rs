//! `rkt-sim faults`: the kinds of faults, for people or as JSON.

use std::{
    error::Error,
    io::{self, Write},
};

use rkt_sim::faults::Kind;
use serde::Serialize;

use super::print::to_stdout;

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
    Ok(to_stdout(|out| print(out, &rows, args.json))?)
}

fn print(out: &mut dyn Write, rows: &[Row], json: bool) -> io::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, rows)?;
        writeln!(out)
    } else {
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for Row { name, sentence, .. } in rows {
            writeln!(out, "{name:width$}  {sentence}")?;
        }
        Ok(())
    }
}
