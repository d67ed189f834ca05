//! What can be read about a command line, made from its definition: man pages, completions for
//! shells, and a reference in Markdown.
//!
//! Programs parse their arguments with [`parse`] instead of [`clap::Parser::parse`], and have a
//! flag `--generate DOCUMENT` by that, which prints the document and exits. Nothing is known here
//! of any one program.

mod markdown;

use std::{
    ffi::OsString,
    io::{self, Write},
    process,
};

use clap::{Arg, ArgAction, Command, Parser, ValueEnum, builder::Resettable, value_parser};
use clap_complete::Shell;
use clap_mangen::Man;

/// The flag that has a document printed.
const FLAG: &str = "generate";

/// The exit status when a document cannot be written.
const FAILED: i32 = 1;

/// What shells name the end by SIGPIPE.
const PIPE_BROKEN: i32 = 128 + 13;

/// Something to read about a command line, or for a shell to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// The man page, subcommands and all
    Man,
    /// A reference in Markdown
    Markdown,
    /// Completions for bash
    CompleteBash,
    /// Completions for elvish
    CompleteElvish,
    /// Completions for fish
    CompleteFish,
    /// Completions for PowerShell
    CompletePowershell,
    /// Completions for zsh
    CompleteZsh,
}

impl Document {
    /// Writes the document about a command.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write(self, command: Command, out: &mut dyn Write) -> io::Result<()> {
        let shell = match self {
            Self::Man => return man(command, out),
            Self::Markdown => return out.write_all(markdown::reference(command).as_bytes()),
            Self::CompleteBash => Shell::Bash,
            Self::CompleteElvish => Shell::Elvish,
            Self::CompleteFish => Shell::Fish,
            Self::CompletePowershell => Shell::PowerShell,
            Self::CompleteZsh => Shell::Zsh,
        };
        let mut command = command;
        let name = command.get_name().to_owned();
        // It is made as a whole first: the generator takes a writer that fails for a bug.
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, name, &mut text);
        out.write_all(&text)
    }
}

/// Parses the arguments of this process, among which may be `--generate`. Then the document is
/// printed, and the process exits: with 0, with 141 when whoever reads has closed the pipe, with 1
/// when the document cannot be written for another reason, which is said. What is wrong with the
/// command line is said as [`Parser::parse`] does.
pub fn parse<P: Parser>() -> P {
    let command = with_flag(P::command());
    if let Some(document) = asked_for(&command, std::env::args_os()) {
        let name = command.get_name().to_owned();
        let mut out = io::stdout().lock();
        let written = document.write(command, &mut out);
        process::exit(match written.and_then(|()| out.flush()) {
            Ok(()) => 0,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => PIPE_BROKEN,
            Err(error) => {
                // That nobody reads it changes nothing about how the program ends.
                let _ = writeln!(
                    io::stderr(),
                    "{name}: failed to write the document: {error}"
                );
                FAILED
            }
        });
    }
    let mut matches = command.get_matches();
    P::from_arg_matches_mut(&mut matches)
        .unwrap_or_else(|error| error.format(&mut with_flag(P::command())).exit())
}

/// The command with the flag.
fn with_flag(command: Command) -> Command {
    command.arg(
        Arg::new(FLAG)
            .long(FLAG)
            .value_name("DOCUMENT")
            .value_parser(value_parser!(Document))
            .action(ArgAction::Set)
            .exclusive(true)
            .display_order(usize::MAX)
            // Not the one of whatever came last.
            .help_heading(None::<&str>)
            .help("Print a document about this command line, and exit"),
    )
}

/// The document that the arguments ask for; they need not have what is needed otherwise. Anything
/// wrong is left to whoever parses them for good.
fn asked_for(
    command: &Command,
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Option<Document> {
    let relaxed = command
        .clone()
        .subcommand_required(false)
        .arg_required_else_help(false)
        // What the environment says would stand beside a flag that stands alone.
        .mut_args(|arg| arg.env(Resettable::Reset));
    let matches = relaxed.try_get_matches_from(args).ok()?;
    matches.get_one(FLAG).copied()
}

/// One page with all subcommands, each in a section of its own: they're found where people look.
fn man(command: Command, out: &mut dyn Write) -> io::Result<()> {
    let mut command = command;
    command.build();
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    for (path, subcommand) in subcommands(&command) {
        writeln!(out, ".SH \"{}\"", path.to_uppercase())?;
        // What holds for all commands was told above.
        let own = |arg: Arg| {
            let is_global = arg.is_global_set();
            arg.hide(is_global)
        };
        let page = Man::new(subcommand.clone().mut_args(own));
        let mut sections = Vec::new();
        page.render_synopsis_section(&mut sections)?;
        page.render_description_section(&mut sections)?;
        page.render_options_section(&mut sections)?;
        // The headings within would read as if they were those of the whole.
        let sections = String::from_utf8_lossy(&sections).replace(".SH ", ".SS ");
        out.write_all(sections.as_bytes())?;
    }
    if let Some(notes) = command.get_after_help() {
        out.write_all(b".SH NOTES\n.nf\n")?;
        for line in notes.to_string().lines() {
            // Hyphens that are typed, and dots that are no requests.
            let line = line.replace('\\', r"\e").replace('-', r"\-");
            writeln!(out, r"\&{line}")?;
        }
        out.write_all(b".fi\n")?;
    }
    page.render_version_section(out)
}

/// All subcommands that are shown, with the words that lead to them, in order.
fn subcommands(command: &Command) -> Vec<(String, &Command)> {
    let mut found = Vec::new();
    for subcommand in command.get_subcommands() {
        if subcommand.is_hide_set() || subcommand.get_name() == "help" {
            continue;
        }
        let name = subcommand.get_name();
        found.push((name.to_owned(), subcommand));
        let below = subcommands(subcommand).into_iter();
        found.extend(below.map(|(path, command)| (format!("{name} {path}"), command)));
    }
    found
}

#[cfg(test)]
mod tests {
    use clap::{Args, CommandFactory as _, FromArgMatches as _, Subcommand};

    use super::*;

    /// Does things.
    ///
    /// At length.
    #[derive(Debug, Parser)]
    #[command(
        name = "thing",
        version = "1.2.3",
        after_help = "Exit status:\n  0  fine"
    )]
    struct Thing {
        /// Where to do it
        #[arg(
            long,
            global = true,
            value_name = "ADDR",
            env = "THING_ADDRESS",
            default_value = "a"
        )]
        address: String,

        /// For tests alone
        #[arg(long, hide = true)]
        secret: bool,

        #[command(flatten)]
        limits: Limits,

        #[command(subcommand)]
        command: Do,
    }

    #[derive(Debug, Args)]
    #[command(next_help_heading = "Limits")]
    struct Limits {
        /// How many | at most
        #[arg(long, short, value_name = "N")]
        max: Option<usize>,
    }

    #[derive(Debug, Subcommand)]
    enum Do {
        /// Make one
        Make {
            /// What kind
            #[arg(long, default_value = "plain", value_parser = ["plain", "odd"])]
            kind: String,
            /// What to call it
            name: String,
        },
        /// Look after them
        #[command(subcommand)]
        Keep(Keep),
    }

    #[derive(Debug, Subcommand)]
    enum Keep {
        /// Count them
        Count {
            /// All of them
            #[arg(short, long)]
            all: bool,
        },
    }

    fn text(document: Document) -> String {
        let mut text = Vec::new();
        let command = with_flag(Thing::command());
        document.write(command, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_flag_needs_nothing_else() {
        let command = with_flag(Thing::command());
        let asked = |args: &[&str]| asked_for(&command, args.iter().copied());
        assert_eq!(asked(&["thing", "--generate", "man"]), Some(Document::Man));
        let bash = Some(Document::CompleteBash);
        assert_eq!(asked(&["thing", "--generate=complete-bash"]), bash);
        for args in [
            &["thing"][..],
            &["thing", "--generate=poem"],
            &["thing", "make", "x"],
            &["thing", "--generate=man", "--max=1"],
        ] {
            assert_eq!(asked(args), None, "{args:?}");
        }
    }

    #[test]
    fn without_the_flag_everything_is_as_it_was() {
        let command = with_flag(Thing::command());
        let args = ["thing", "make", "--address=b", "x"];
        let mut matches = command.clone().try_get_matches_from(args).unwrap();
        let thing = Thing::from_arg_matches_mut(&mut matches).unwrap();
        assert_eq!((thing.address.as_str(), thing.secret), ("b", false));
        assert!(matches!(thing.command, Do::Make { .. }));
        assert_eq!(thing.limits.max, None);
        assert!(command.try_get_matches_from(["thing"]).is_err());
    }

    #[test]
    fn the_reference() {
        insta::assert_snapshot!(text(Document::Markdown));
    }

    #[test]
    fn the_man_page() {
        insta::assert_snapshot!(text(Document::Man));
    }

    #[test]
    fn every_document_tells_of_everything_but_secrets() {
        for document in Document::value_variants() {
            // roff takes bare hyphens for something else.
            let text = text(*document).replace(r"\-", "-");
            for word in [
                "address", "max", "kind", "all", "generate", "make", "keep", "count",
            ] {
                assert!(text.contains(word), "{document:?}: {word}\n{text}");
            }
            let is_for_people = matches!(document, Document::Man | Document::Markdown);
            assert!(!is_for_people || !text.contains("secret"), "{document:?}");
        }
    }
}
