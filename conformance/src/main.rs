//! `rkt-conformance`: flags to cases to a report and an exit code.

use std::{
    io::{self, BufWriter, Write as _},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use rkt_conformance::{
    case::Case,
    cases,
    exit::Exit,
    profile::Profile,
    report::{self, ReportArgs, ReportError},
    run,
    serve_model::{self, ServeModel},
    target::{Address, Target},
};

/// Checks servers of rkt's v1alpha.PublicAPI against the behaviour contract.
#[derive(Debug, Parser)]
#[command(version, after_help = exit_codes(), after_long_help = exit_codes())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run cases against a server that is running already
    #[command(after_help = exit_codes())]
    Run(Box<Run>),
    /// Print the names of cases
    List(List),
    ServeModel(ServeModel),
}

#[derive(Debug, Args)]
struct Run {
    /// Where the server listens: HOST:PORT, unix:PATH or a URL
    #[arg(long, value_name = "ADDR")]
    connect: Address,

    /// What to expect where the API's document and rkt 1.30.0 differ
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,

    /// Fail also when only a SHOULD case failed
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    report: ReportArgs,

    /// Run only cases whose names begin with one of these, such as ListPods/F-P9
    #[arg(value_name = "CASE_PREFIX")]
    prefixes: Vec<String>,
}

#[derive(Debug, Args)]
struct List {
    /// Print levels and the gist of the clauses, too
    #[arg(long)]
    long: bool,

    /// Print only names that begin with one of these
    #[arg(value_name = "CASE_PREFIX")]
    prefixes: Vec<String>,
}

fn exit_codes() -> String {
    let mut text = "Exit codes:".to_owned();
    for exit in Exit::ALL {
        text.push_str(&format!("\n  {}  {}", exit.code(), exit.meaning()));
    }
    text
}

fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::List(args) => match list(&args) {
            // Whoever read the names has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Passed),
            result => result.map_err(ReportError::from),
        },
        Command::ServeModel(args) => return serve(&args),
    };
    match exit {
        Ok(exit) => exit.into(),
        // A run that nobody could be told of has not passed.
        Err(error) => {
            eprintln!("rkt-conformance: {error}");
            Exit::Failed.into()
        }
    }
}

#[tokio::main]
async fn run(args: &Run) -> Result<Exit, ReportError> {
    let all = cases::all();
    let Some(cases) = select(&all, &args.prefixes) else {
        return Ok(Exit::NothingMatched);
    };
    let target = match Target::connect(&args.connect, args.profile).await {
        Ok(target) => target,
        Err(error) => {
            eprintln!("rkt-conformance: {error}");
            return Ok(Exit::Unreachable);
        }
    };
    let about = report::Run {
        target: args.connect.to_string(),
        profile: args.profile,
        replay: vec![
            "rkt-conformance".to_owned(),
            "run".to_owned(),
            "--connect".to_owned(),
            args.connect.to_string(),
            "--profile".to_owned(),
            args.profile.to_string(),
        ],
        cases: cases.len(),
    };
    let mut reporters = args.report.reporters()?;
    let summary = run::run(target, &about, &cases, &mut reporters).await?;
    Ok(summary.exit(args.strict))
}

#[tokio::main]
async fn serve(args: &ServeModel) -> ExitCode {
    match serve_model::serve(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rkt-conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list(args: &List) -> io::Result<Exit> {
    let all = cases::all();
    let Some(cases) = select(&all, &args.prefixes) else {
        return Ok(Exit::NothingMatched);
    };
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
    out.flush()?;
    Ok(Exit::Passed)
}

/// The cases whose names begin with one of `prefixes`; all where there is none. `None`, said
/// on standard error, when a prefix matches nothing: part of what was asked for would not run.
fn select<'a>(all: &'a [Case], prefixes: &[String]) -> Option<Vec<&'a Case>> {
    let begins = |case: &Case, prefix: &String| case.name().starts_with(prefix.as_str());
    let mut unmatched = prefixes
        .iter()
        .filter(|prefix| !all.iter().any(|case| begins(case, prefix)))
        .peekable();
    if unmatched.peek().is_some() {
        for prefix in unmatched {
            eprintln!("rkt-conformance: no case begins with {prefix:?}; `list` has the names");
        }
        return None;
    }
    let selected = |case: &&Case| prefixes.is_empty() || prefixes.iter().any(|p| begins(case, p));
    Some(all.iter().filter(selected).collect())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_has_every_exit_code() {
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run").unwrap();
        let helps = [
            run.render_help(),
            command.render_help(),
            command.render_long_help(),
        ];
        for help in helps {
            for exit in Exit::ALL {
                assert!(help.to_string().contains(exit.meaning()), "{help}");
            }
        }
    }
}
