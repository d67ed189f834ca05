//! The command line of `rkt-conformance`.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand};
use rkt_conformance::{
    exit::Exit,
    launch::{Launch, LaunchError},
    profile::Profile,
    random::RandomArgs,
    report::ReportArgs,
    select::Pattern,
    serve_model::ServeModel,
    source::Source,
    target::Address,
};

/// Checks servers of rkt's v1alpha.PublicAPI against the behaviour contract.
#[derive(Debug, Parser)]
#[command(version, after_help = exit_codes(), after_long_help = exit_codes())]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run cases against a server
    #[command(after_help = exit_codes())]
    Run(Box<Run>),
    /// Print the names of cases
    List(List),
    /// Say what a clause wants, or what a case asks
    Explain(Explain),
    /// Write the host of a case, to try a server on by hand
    Host(Host),
    SelfTest(SelfTest),
    ServeModel(ServeModel),
}

#[derive(Debug, Args)]
pub struct Run {
    /// What to expect where the API's document and rkt 1.30.0 differ
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,

    /// Fail also when only a SHOULD case failed
    #[arg(long)]
    pub strict: bool,

    /// Cases that are known to fail: a file of lines `GLOB  # reason`. An entry under which
    /// nothing fails any more is a failure itself
    #[arg(long, value_name = "FILE")]
    pub known_failing: Option<PathBuf>,

    /// Write what failed into the list of known failures, and take out what did not
    #[arg(long, requires = "known_failing")]
    pub fix: bool,

    /// Leave out the cases that take long
    #[arg(long)]
    pub quick: bool,

    /// How many cases to run at once, and beside them how many scenes: hosts that live, which
    /// many cases watch together [default: two cases for each processor, all scenes]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    #[command(flatten)]
    pub random: RandomArgs,

    #[command(flatten)]
    pub report: ReportArgs,

    /// Run only cases whose names begin with one of these, such as ListPods/F-P9, or that match
    /// one as a glob, such as '*/W-3/*'
    #[arg(value_name = "CASE")]
    pub cases: Vec<Pattern>,

    // The last: the command that it may end with comes after the cases.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Test the suite itself: servers that are wrong on purpose, each of which has to be found out
///
/// Each lie breaks one clause. The reference model tells it, and the cases of the clause are run
/// until one fails. Prints a line for each lie: whether it was caught, after what time, and by
/// which case. Exits with 1 when one was not caught, when a clause has no lie about it, or when
/// a case finds fault with the model where it does not lie.
#[derive(Debug, Args)]
pub struct SelfTest {
    /// How many lies to tell at once [default: 16]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Do not run the cases against the model where it is honest, or takes liberties
    #[arg(long)]
    pub skip_honest: bool,

    /// Tell only lies, and take only liberties, whose names begin with one of these, such as P-14/
    #[arg(value_name = "NAME")]
    pub lies: Vec<String>,
}

/// Which server is to be judged, and on which hosts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server under test", group = ArgGroup::new("server").required(true))]
pub struct TargetArgs {
    /// Start this for each host, with {data_dir}, {listen} (HOST:PORT) and {profile} filled in,
    /// such as 'my-server --dir={data_dir} --listen={listen}'
    #[arg(long, value_name = "COMMAND", group = "server")]
    launch: Option<Launch>,

    /// Ask the server that listens there: HOST:PORT, unix:PATH or a URL. Without --data-dir its
    /// host is what it is, and only cases are run that compare its answers with each other
    #[arg(long, value_name = "ADDR", group = "server")]
    connect: Option<Address>,

    /// Put hosts into the data directory of the server that runs already. It must be empty: it
    /// is overwritten
    #[arg(long, value_name = "DIR", requires = "connect")]
    data_dir: Option<PathBuf>,

    /// Ask the reference model, in this process: what is no fault of a server shows there
    #[arg(long, group = "server")]
    model: bool,

    /// How long a server may take until it answers
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub start_timeout: Duration,

    /// As --launch, in words
    #[arg(last = true, value_name = "COMMAND", group = "server")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Print levels and the gist of the clauses, too
    #[arg(long)]
    pub long: bool,

    /// Print an array of objects: name, clause, level, host, quick
    #[arg(long, conflicts_with = "long")]
    pub json: bool,

    /// Print only names that begin with one of these, or that match one as a glob
    #[arg(value_name = "CASE")]
    pub cases: Vec<Pattern>,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The id of a clause, such as P-16, or the name of a case or a beginning that only one has
    #[arg(value_name = "CLAUSE|CASE")]
    pub what: String,

    /// Which dialect to explain a case in
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
}

#[derive(Debug, Args)]
pub struct Host {
    /// The name of a case, or a beginning that only one has
    #[arg(value_name = "CASE")]
    pub case: String,

    /// The data directory to write; it must not be there yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

impl TargetArgs {
    /// Where servers come from.
    ///
    /// # Errors
    ///
    /// When the command cannot be one.
    pub fn source(&self) -> Result<Source, LaunchError> {
        if self.model {
            return Ok(Source::model());
        }
        Ok(match (&self.connect, &self.data_dir, &self.launch) {
            (Some(address), Some(data_dir), _) => Source::Lent {
                address: address.clone(),
                data_dir: data_dir.clone(),
            },
            (Some(address), None, _) => Source::Unknown(address.clone()),
            (None, _, Some(launch)) => Source::Launch(launch.clone()),
            (None, _, None) => Source::Launch(Launch::from_words(self.command.clone())?),
        })
    }

    /// The arguments that say the same.
    pub fn replay(&self) -> Vec<String> {
        let launch = self.launch.clone();
        let launch = launch.or_else(|| Launch::from_words(self.command.clone()).ok());
        let flags = [
            ("--connect", self.connect.as_ref().map(ToString::to_string)),
            (
                "--data-dir",
                self.data_dir.as_ref().map(|dir| dir.display().to_string()),
            ),
            ("--launch", launch.map(|launch| launch.line().to_owned())),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(flag, value)| Some([flag.to_owned(), value?]))
            .flatten();
        let model = self.model.then(|| "--model".to_owned());
        given.chain(model).collect()
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse::<NonZeroUsize>()
        .map_err(|error| error.to_string())?;
    Ok(Duration::from_secs(seconds.get() as u64))
}

fn exit_codes() -> String {
    let mut text = "Exit codes:".to_owned();
    for exit in Exit::ALL {
        text.push_str(&format!("\n  {}  {}", exit.code(), exit.meaning()));
    }
    text
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
