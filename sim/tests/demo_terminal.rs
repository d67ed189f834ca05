//! `rkt-sim demo` on a terminal: what is seen there, and that it is as before in the end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/terminal.rs"]
mod terminal;

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rkt_api::layout;
use rustix::process::{Pid, Signal, kill_process};
use terminal::{Terminal, colours};
use vt100::Screen;

/// How long a test waits for what must happen. Only a failing test waits as long.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Starts the demonstration with `tmp` as the place for temporary directories.
fn start(tmp: &Path, envs: &[(&str, &str)]) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
    command.args(["demo", "--listen", "127.0.0.1:0", "--rate", "50/s"]);
    command.env("TMPDIR", tmp).env("TERM", "xterm");
    command.env_remove("NO_COLOR").envs(envs.iter().copied());
    Terminal::start(command, 100, 40)
}

#[track_caller]
fn wait_for(terminal: &Terminal, is_wanted: impl Fn(&Screen) -> bool) -> Screen {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let screen = terminal.screen();
        if is_wanted(&screen) {
            return screen;
        }
        let shown = screen.contents();
        assert!(
            Instant::now() < deadline,
            "it does not come to that:\n{shown}"
        );
        thread::sleep(LOOK_AGAIN);
    }
}

/// Whether there is a page, and the host has lived for some steps.
fn is_alive(screen: &Screen) -> bool {
    let text = screen.contents();
    let played = text
        .lines()
        .filter(|line| line.contains(" create "))
        .count();
    screen.alternate_screen() && text.contains("RUNNING") && played > 0
}

#[track_caller]
fn assert_restored(terminal: &mut Terminal, status: i32, tmp: &Path) -> String {
    let deadline = Instant::now() + DEADLINE;
    while terminal.program.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        thread::sleep(LOOK_AGAIN);
    }
    let screen = terminal.last_screen();
    let status_seen = terminal.program.wait().unwrap();
    assert_eq!(status_seen.code(), Some(status), "{}", screen.contents());
    assert!(!screen.alternate_screen());
    assert!(!screen.hide_cursor());
    let left: Vec<_> = tmp.read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    screen.contents()
}

#[test]
fn every_signal_leaves_the_terminal_as_it_was() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let tmp = tempfile::tempdir().unwrap();
        let mut terminal = start(tmp.path(), &[]);
        let screen = wait_for(&terminal, is_alive);
        assert!(screen.hide_cursor());
        assert!(colours(&screen) > 0);
        kill_process(Pid::from_child(&terminal.program), signal).unwrap();
        assert_eq!(assert_restored(&mut terminal, 0, tmp.path()), "");
    }
}

#[test]
fn an_error_is_seen_where_the_page_was() {
    let tmp = tempfile::tempdir().unwrap();
    let mut terminal = start(tmp.path(), &[]);
    wait_for(&terminal, is_alive);
    let entry = tmp.path().read_dir().unwrap().next().unwrap().unwrap();
    let pods = entry.path().join("rkt").join(layout::PODS);
    fs::rename(&pods, pods.with_extension("gone")).unwrap();
    let seen = assert_restored(&mut terminal, 254, tmp.path());
    assert!(seen.starts_with("rkt-sim: "), "{seen}");
}

#[test]
fn the_page_follows_the_size_of_the_terminal() {
    let tmp = tempfile::tempdir().unwrap();
    let terminal = start(tmp.path(), &[]);
    let foot = "Type next";
    wait_for(&terminal, |screen| screen.contents().contains(foot));
    terminal.resize(20, 5);
    wait_for(&terminal, |screen| {
        let text = screen.contents();
        let last = text.lines().last().unwrap_or_default();
        last.starts_with("… and ") && text.lines().count() == 5
    });
    terminal.resize(120, 50);
    wait_for(&terminal, |screen| {
        let text = screen.contents();
        text.contains(foot) && text.lines().count() == 50
    });
}

#[test]
fn no_colours_are_shown_where_none_are_wanted() {
    let tmp = tempfile::tempdir().unwrap();
    let terminal = start(tmp.path(), &[("NO_COLOR", "1")]);
    let screen = wait_for(&terminal, is_alive);
    assert_eq!(colours(&screen), 0);
}
