//! The command line: what can be asked, where, and how the answer is to look. What the flags of
//! a command mean to the API stands in the module of that command; nothing here makes a call.

mod connection;
mod events;
mod images;
mod logs;
mod pods;
mod values;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;
pub use connection::{Connection, Tls};
pub use events::{EventsArgs, TYPES};
pub use images::{ImageArgs, ImagesArgs};
pub use logs::LogsArgs;
pub use pods::{PodArgs, PodsArgs, STATES};

/// Shows the pods, images, events and logs of a host that runs rkt.
///
/// Asks a server of the API v1alpha.PublicAPI, such as rkt-api-service, and changes nothing.
#[derive(Debug, Parser)]
#[command(name = "rktctl", version, after_help = exit::help(), after_long_help = exit::help())]
pub struct Cli {
    #[command(flatten)]
    pub connection: Connection,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show which rkt this is, and how it is configured
    Info(InfoArgs),
    Pods(Box<PodsArgs>),
    Pod(PodArgs),
    Images(Box<ImagesArgs>),
    Image(ImageArgs),
    Events(EventsArgs),
    Logs(LogsArgs),
}

#[derive(Debug, Args)]
pub struct InfoArgs {
    #[command(flatten)]
    pub output: PlainOutput,
}

/// How answers are shown that are lists of things with names.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// How to show the answer
    #[arg(
        long = "output",
        short = 'o',
        value_enum,
        value_name = "FORMAT",
        default_value_t
    )]
    pub format: Format,

    /// Show ids whole, and cut nothing to the width of the terminal
    #[arg(long)]
    pub no_trunc: bool,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    #[default]
    Table,
    /// More columns
    Wide,
    /// The API's message in the JSON mapping of Protocol Buffers, every field present
    Json,
    /// The same in YAML
    Yaml,
    /// Ids alone, whole, one a line
    Name,
}

/// How answers are shown that have no names.
#[derive(Clone, Copy, Debug, Args)]
pub struct PlainOutput {
    /// How to show the answer
    #[arg(
        long = "output",
        short = 'o',
        value_enum,
        value_name = "FORMAT",
        default_value_t
    )]
    pub format: PlainFormat,
}

/// How an answer without names is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlainFormat {
    /// Text for people
    #[default]
    #[value(alias = "wide")]
    Table,
    /// The API's message in the JSON mapping of Protocol Buffers, every field present
    Json,
    /// The same in YAML
    Yaml,
}

/// The arguments alone, as a command that takes nothing else reads them.
#[cfg(test)]
pub(crate) fn parsed<A: Args>(args: &[&str]) -> Result<A, clap::Error> {
    let command = A::augment_args(clap::Command::new("rktctl").no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from(args)?)
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
    fn the_help_tells_exit_codes() {
        let help = Cli::command().render_help().to_string();
        assert!(help.contains("15   gRPC status NOT_FOUND"), "{help}");
    }
}
