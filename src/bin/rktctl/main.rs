//! `rktctl`: asks a server of rkt's API, and shows what it answers.
//!
//! [`cli`] turns flags into requests, [`client`] makes the calls, [`show`] turns answers into
//! text, and [`commands`] brings them together. Of the library it uses the generated messages and
//! client alone: whatever it can do, any client can.

mod cli;
mod client;
mod commands;
mod environment;
mod error;
mod exit;
mod ids;
mod show;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, error::ErrorKind};
use cli::Cli;
use environment::Environment;
use error::Error;

fn main() -> ExitCode {
    let cli = rkt_manual::parse::<Cli>();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli, &mut Environment::of_process())),
        Err(error) => Err(Error::Runtime(error)),
    };
    let Err(error) = ended else {
        return ExitCode::SUCCESS;
    };
    if let Error::Usage(text) = &error {
        Cli::command()
            .error(ErrorKind::ValueValidation, text)
            .exit();
    }
    // Whoever closes the pipe has seen enough, and wants no word on it.
    if !error.is_broken_pipe() {
        // That nobody reads it changes nothing about how the program ends.
        let _ = writeln!(io::stderr(), "rktctl: {error}");
    }
    exit::code(&error).into()
}
