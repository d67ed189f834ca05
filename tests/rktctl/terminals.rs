//! What is seen on a terminal.

use rkt_sim::live::step::{Ending, Step};
use vt100::Screen;

use crate::{
    host::{Demo, POD},
    program::rktctl,
    support::eventually,
    terminal::{Terminal, colours},
};

/// The screen after the program has ended.
fn shown(demo: &Demo, args: &[&str], width: u16, envs: &[(&str, &str)]) -> Screen {
    let mut command = rktctl(&demo.address(), args);
    command.envs(envs.iter().copied());
    Terminal::start(command, width, 60).last_screen()
}

#[test]
fn tables_fit_the_terminal() {
    let demo = Demo::start();
    for width in [80, 200] {
        for (args, rows) in [
            (&["pods"][..], 11),
            (&["pods", "-o", "wide"], 11),
            (&["images"], 7),
            (&["images", "-o", "wide"], 7),
            (&["info"], 9),
        ] {
            let screen = shown(&demo, args, width, &[]);
            // What was too wide would take another row.
            let text = screen.contents();
            assert_eq!(text.lines().count(), rows, "{args:?} at {width}:\n{text}");
        }
    }
    let cut = shown(&demo, &["images"], 60, &[]).contents();
    assert!(cut.contains('…'), "{cut}");
    let whole = shown(&demo, &["images", "--no-trunc"], 60, &[]).contents();
    assert!(!whole.contains('…'), "{whole}");
}

#[test]
fn states_are_coloured_where_colours_are_wanted() {
    let demo = Demo::start();
    assert_ne!(colours(&shown(&demo, &["pods"], 80, &[])), 0);
    for envs in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        assert_eq!(colours(&shown(&demo, &["pods"], 80, &envs)), 0);
    }
    // It counts only when it's not empty.
    assert_ne!(
        colours(&shown(&demo, &["pods"], 80, &[("NO_COLOR", "")])),
        0
    );
}

#[test]
fn terminals_do_not_obey_log_lines() {
    let mut demo = Demo::start();
    demo.play(&Step::Log {
        pod: POD.parse().unwrap(),
        app: "etcd".to_owned(),
        text: "\u{1b}[2Jred \u{1b}[31m\u{9b}1m\u{7}".to_owned(),
    });
    let screen = shown(&demo, &["logs", POD], 200, &[]);
    let text = screen.contents();
    assert!(
        text.ends_with(r"MESSAGE=\u{1b}[2Jred \u{1b}[31m\u{9b}1m\u{7}"),
        "{text}"
    );
    assert_eq!(colours(&screen), 0);
}

#[test]
fn a_watched_list_is_drawn_over_the_last_one() {
    let mut demo = Demo::start();
    let args = ["pods", "-w", "--state=running", "--state=exited"];
    let terminal = Terminal::start(rktctl(&demo.address(), &args), 80, 24);
    let row = |state: &str| format!("3f0b52c1  {state}  etcd, ");
    let mut seen = String::new();
    eventually("the list is shown", || {
        seen = terminal.screen().contents();
        seen.contains(&row("running")) && seen.lines().count() == 4
    });
    demo.play(&Step::Exit {
        pod: POD.parse().unwrap(),
        by: Ending::default(),
    });
    eventually("the pod has exited", || {
        let screen = terminal.screen().contents();
        screen.contains(&row("exited ")) && screen.lines().count() == 4
    });
    // A terminal with too few lines shows so.
    terminal.resize(80, 4);
    eventually("the list is cut", || {
        terminal.screen().contents().ends_with("… and 2 more")
    });
}

/// Lines that are not cut take several rows.
#[test]
fn a_watched_list_does_not_leave_the_terminal() {
    let demo = Demo::start();
    let args = ["pods", "-w", "--no-trunc"];
    let terminal = Terminal::start(rktctl(&demo.address(), &args), 80, 12);
    eventually("as much is shown as fits", || {
        let screen = terminal.screen().contents();
        screen.starts_with("POD ID ") && screen.ends_with(" more")
    });
}
