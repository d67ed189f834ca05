//! `rkt-sim`: the command line. What the commands do is in modules of their own.

mod command;

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// What a command that cannot do its work exits with, as rkt's own commands do.
const FAILED: u8 = 254;

/// Simulates hosts of the rkt container runtime.
///
/// Exits with 0 when all went well, 2 when the command line is wrong, and 254 when the
/// command failed; `db verify` with 1 when it has found something.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(command::demo::Args),
    Generate(command::generate::Args),
    Hold(command::hold::Args),
    Live(command::live::Args),
    Show(command::show::Args),
    Schema(command::schema::Args),
    Break(command::break_host::Args),
    Faults(command::faults::Args),
    Db(command::db::Args),
}

fn main() -> ExitCode {
    match run(rkt_manual::parse::<Cli>().command) {
        Ok(code) => code,
        Err(error) => {
            // That nobody can read it changes nothing.
            let _ = writeln!(io::stderr(), "rkt-sim: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Demo(args) => command::demo::run(args)?,
        Command::Generate(args) => command::generate::run(args)?,
        Command::Hold(args) => command::hold::run(args)?,
        Command::Live(args) => command::live::run(args)?,
        Command::Show(args) => command::show::run(args)?,
        Command::Schema(args) => command::schema::run(args)?,
        Command::Break(args) => command::break_host::run(args)?,
        Command::Faults(args) => command::faults::run(args)?,
        Command::Db(args) => return command::db::run(args),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
