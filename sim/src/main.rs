//! `rkt-sim`: the command line. What the commands do is in modules of their own.

mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a command that cannot do its work exits with, as rkt's own commands do.
const FAILED: u8 = 254;

/// Simulates hosts of the rkt container runtime.
///
/// Exits with 0 when all went well, 2 when the command line is wrong, and 254 when the
/// command failed.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rkt-sim: {error}");
            ExitCode::from(FAILED)
        }
    }
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
