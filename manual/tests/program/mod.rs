//! What holds for the documents of every program: tests of the programs' own packages include this
//! file, for each knows where its own programs are.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
};

const DOCUMENTS: [&str; 7] = [
    "man",
    "markdown",
    "complete-bash",
    "complete-elvish",
    "complete-fish",
    "complete-powershell",
    "complete-zsh",
];

/// The document about a program, by its file.
pub fn document(program: &str, name: &str) -> String {
    let mut command = Command::new(program);
    // Whoever reads about a program may use it, and have told the environment how.
    command.env("RKT_API_ADDRESS", "localhost:1");
    let output = command.args(["--generate", name]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {name}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks all documents of a program against what its helps tell of.
pub fn check(program: &str, name: &str) {
    let words = told(program, &[]);
    assert!(
        words.contains("--help") && words.contains("--generate"),
        "{words:?}"
    );
    for kind in DOCUMENTS {
        // Where man pages take a hyphen, it's one that can be typed. Completions of fish and
        // elvish name flags in words of their own.
        let text = document(program, kind).replace(r"\-", "-");
        assert!(text.contains(name), "{program} {kind}:\n{text}");
        for word in &words {
            let is_usual =
                kind == "markdown" && ["--help", "--version", "help"].contains(&word.as_str());
            let word = word.trim_start_matches('-');
            assert!(
                is_usual || text.contains(word),
                "{kind} has no {word}:\n{text}"
            );
        }
    }
    parses("bash", &["-n"], &document(program, "complete-bash"));
}

/// The flags and subcommands that the help of a command tells of, and of all below it.
fn told(program: &str, path: &[&str]) -> BTreeSet<String> {
    let output = Command::new(program).args(path).arg("--help").output();
    let help = String::from_utf8(output.unwrap().stdout).unwrap();
    let mut words = BTreeSet::new();
    let mut is_list = false;
    for line in help.lines() {
        if line.ends_with(':') && !line.starts_with(' ') {
            is_list = line == "Commands:";
        }
        let first = line.split_whitespace().next().unwrap_or_default();
        if is_list && line.starts_with("  ") && !line.starts_with("   ") {
            words.insert(first.to_owned());
            if first != "help" {
                words.extend(told(program, &[path, &[first]].concat()));
            }
        } else if line.starts_with("  -") || line.starts_with("      --") {
            let mut flags = line.split(|c: char| !c.is_alphanumeric() && c != '-');
            words.extend(flags.find(|flag| flag.starts_with("--")).map(str::to_owned));
        }
    }
    words
}

/// Has another program read a document, where there is that program.
fn parses(reader: &str, args: &[&str], text: &str) {
    let mut command = Command::new(reader);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let Ok(mut reading) = command.stderr(Stdio::piped()).spawn() else {
        return;
    };
    let mut stdin = reading.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = reading.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{reader}: {complaints}"
    );
}

/// Has groff set the man page, and complain about whatever it likes.
pub fn check_man_page(program: &str) {
    let page = document(program, "man");
    parses("groff", &["-Kutf8", "-man", "-Tutf8", "-ww", "-z"], &page);
}
