//! References in Markdown: a table of flags for each heading of the help, and a section for each
//! subcommand.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

/// What stands above the flags that have no heading of their own.
const OPTIONS: &str = "Options";

/// The reference of a command.
pub(crate) fn reference(command: Command) -> String {
    let mut command = command;
    command.build();
    let mut text = format!("# {}\n\n", command.get_name());
    section(&mut text, &command, &[], 2);
    if let Some(after) = command.get_after_help() {
        write_block(&mut text, &after.to_string());
    }
    for (path, subcommand) in crate::subcommands(&command) {
        let _ = writeln!(text, "## `{} {path}`\n", command.get_name());
        section(&mut text, subcommand, &globals(&command), 3);
    }
    text.trim_end().to_owned() + "\n"
}

/// The names of the flags that hold for all subcommands: they are told once.
fn globals(command: &Command) -> Vec<&str> {
    let args = command.get_arguments().filter(|arg| arg.is_global_set());
    args.map(|arg| arg.get_id().as_str()).collect()
}

/// What is to be said of one command; writing to a string does not fail.
fn section(text: &mut String, command: &Command, known: &[&str], level: usize) {
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        let _ = writeln!(text, "{}\n", about.to_string().trim());
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let _ = writeln!(text, "```text\n{usage}\n```\n");

    let args: Vec<_> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !known.contains(&arg.get_id().as_str()))
        .filter(|arg| !is_usual(arg))
        .collect();
    let positional: Vec<_> = args
        .iter()
        .copied()
        .filter(|arg| arg.is_positional())
        .collect();
    table(text, "Arguments", &positional, level);
    let mut headings = vec![OPTIONS];
    for arg in &args {
        let heading = heading(arg);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for name in headings {
        let flags = args.iter().copied();
        let flags: Vec<_> = flags
            .filter(|arg| !arg.is_positional() && heading(arg) == name)
            .collect();
        table(text, name, &flags, level);
    }
}

/// `--help` and `--version`, which every program has.
fn is_usual(arg: &Arg) -> bool {
    matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}

fn heading(arg: &Arg) -> &str {
    arg.get_help_heading().unwrap_or(OPTIONS)
}

fn table(text: &mut String, name: &str, args: &[&Arg], level: usize) {
    if args.is_empty() {
        return;
    }
    let _ = writeln!(text, "{} {name}\n", "#".repeat(level));
    text.push_str("| | meaning | default | environment |\n|---|---|---|---|\n");
    for arg in args {
        let env = arg.get_env().map(|name| name.to_string_lossy());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            code(&spelling(arg)),
            cell(&meaning(arg)),
            code(&default(arg)),
            code(&env.unwrap_or_default()),
        );
    }
    text.push('\n');
}

/// How the argument is written: `-o, --output <FORMAT>`.
fn spelling(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(|name| format!("<{name}>")).collect();
    let value = match arg.get_action().takes_values() {
        true => names.join(" "),
        false => String::new(),
    };
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    format!("{} {value}", names.join(", ")).trim().to_owned()
}

/// What the argument is for, and what it may be.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut text = help.map(ToString::to_string).unwrap_or_default();
    if !arg.get_action().takes_values() {
        return text;
    }
    let values: Vec<_> = arg
        .get_possible_values()
        .into_iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({help})", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    text
}

fn default(arg: &Arg) -> String {
    // A flag without value is off, which needs no word.
    if !arg.get_action().takes_values() || arg.is_hide_default_value_set() {
        return String::new();
    }
    let values = arg.get_default_values().iter();
    let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
    values.join(" ")
}

/// Text that stays in its cell of a table.
fn cell(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    text.replace('|', r"\|").replace('<', "&lt;")
}

/// Text as it is; nothing where there is none.
fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("`{}`", text.replace('|', r"\|")),
    }
}

/// Text whose line breaks and indents matter.
fn write_block(text: &mut String, block: &str) {
    let _ = writeln!(text, "```text\n{}\n```\n", block.trim_end());
}
