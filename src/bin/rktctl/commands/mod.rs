//! What the commands do: ask, and print what the answer looks like.

mod events;
mod images;
mod info;
mod logs;
mod pods;
mod watch;

use crate::{
    cli::{Cli, Command, Format, Output, PlainFormat},
    client::Client,
    environment::Environment,
    error::Error,
    show::{Look, document::Language},
};

/// Does what the command line says.
///
/// # Errors
///
/// Whatever keeps the answer from being printed whole.
pub async fn run(cli: Cli, around: &mut Environment) -> Result<(), Error> {
    if let Command::Pods(args) = &cli.command {
        args.check()?;
    }
    let mut client = Client::connect(&cli.connection).await?;
    let client = &mut client;
    match cli.command {
        Command::Info(args) => info::info(&args, client, around).await,
        Command::Pods(args) => pods::pods(&args, client, around).await,
        Command::Pod(args) => pods::pod(args, client, around).await,
        Command::Images(args) => images::images(&args, client, around).await,
        Command::Image(args) => images::image(&args, client, around).await,
        Command::Events(args) => events::events(&args, client, around).await,
        Command::Logs(args) => logs::logs(&args, client, around).await,
    }
}

/// What a format is at bottom.
enum Kind {
    /// For people.
    Text,
    /// For programs.
    Document(Language),
    /// Ids.
    Name,
}

impl Format {
    fn kind(self) -> Kind {
        match self {
            Self::Table | Self::Wide => Kind::Text,
            Self::Json => Kind::Document(Language::Json),
            Self::Yaml => Kind::Document(Language::Yaml),
            Self::Name => Kind::Name,
        }
    }
}

impl PlainFormat {
    fn language(self) -> Option<Language> {
        match self {
            Self::Table => None,
            Self::Json => Some(Language::Json),
            Self::Yaml => Some(Language::Yaml),
        }
    }
}

/// How text for people is to look here and now.
fn look(output: &Output, around: &Environment) -> Look {
    let width = (around.size)().map(|size| size.width);
    Look {
        width: width.filter(|_| !output.no_trunc),
        has_colour: around.has_colour,
        is_wide: output.format == Format::Wide,
        is_whole: output.no_trunc,
        now: (around.now)(),
    }
}

/// Ids, one a line.
fn names<'a>(ids: impl IntoIterator<Item = &'a String>) -> String {
    let lines = ids.into_iter().map(|id| {
        let id = crate::show::text::printable(id);
        format!("{id}\n")
    });
    lines.collect()
}
