//! `rkt-conformance`: flags to commands to an exit code.

mod cli;
mod commands;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, error::ErrorKind};
use cli::{Cli, Command};
use commands::Error;
use rkt_conformance::{
    descriptors,
    exit::{Exit, NOT_STARTED, PIPE_BROKEN},
    report::ReportError,
    run::RunError,
};

fn main() -> ExitCode {
    let command = rkt_manual::parse::<Cli>().command;
    descriptors::allow_all();
    let exit = match command {
        Command::Run(args) => commands::run::run(&args),
        Command::List(args) => commands::list::list(&args),
        Command::Explain(args) => commands::explain::explain(&args),
        Command::Host(args) => commands::host::host(&args),
        Command::SelfTest(args) => commands::self_test::self_test(&args),
        Command::ServeModel(args) => commands::serve_model(&args),
    };
    let error = match exit {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    if let Error::Usage(text) = &error {
        Cli::command()
            .error(ErrorKind::ValueValidation, text)
            .exit();
    }
    if is_broken_pipe(&error) {
        // Whoever reads has seen enough. That is no word on the server.
        return PIPE_BROKEN.into();
    }
    // Where nobody reads it the status has to do.
    let _ = writeln!(io::stderr(), "rkt-conformance: {error}");
    match error {
        Error::Serve(error) if error.is_of_start() => return NOT_STARTED.into(),
        Error::Usage(_) | Error::File { .. } | Error::Ambiguous(_) => Exit::Usage,
        Error::Unmatched(_) | Error::NothingQuick => Exit::NothingMatched,
        Error::Run(RunError::Target(_)) | Error::Lent(_) => Exit::Unreachable,
        // A run that nobody could be told of has not passed.
        Error::Run(RunError::Report(_))
        | Error::Report(_)
        | Error::Serve(_)
        | Error::Host { .. }
        | Error::SelfTest(_)
        | Error::Begin(_) => Exit::Failed,
    }
    .into()
}

fn is_broken_pipe(error: &Error) -> bool {
    match error {
        Error::Report(ReportError::Terminal(error))
        | Error::Run(RunError::Report(ReportError::Terminal(error))) => {
            error.kind() == io::ErrorKind::BrokenPipe
        }
        _ => false,
    }
}
