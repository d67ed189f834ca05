//! The tour in `docs/rktctl.md`, and the taste of it in `README.md`: what commands print there is
//! what they print.

use std::{env, fs, path::Path};

use super::demo::{Demo, NOW_S};
use jiff::Timestamp;

/// Set to write the tour anew.
const RENEW: &str = "RKT_RENEW_TOUR";

#[tokio::test]
async fn the_tour_is_true() {
    for (file, commands_min) in [("docs/rktctl.md", 10), ("README.md", 1)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let written = fs::read_to_string(&path).unwrap();
        let (renewed, commands) = renewed(&written).await;
        assert!(commands >= commands_min, "{file}: {commands}");
        if env::var_os(RENEW).is_some() {
            fs::write(path, renewed).unwrap();
            continue;
        }
        pretty_assertions::assert_str_eq!(
            written,
            renewed,
            "renew {file} by: {RENEW}=1 cargo test -p rkt-api --bin rktctl the_tour"
        );
    }
}

/// The text with what commands print now, and how many commands there are.
async fn renewed(text: &str) -> (String, usize) {
    let demo = Demo::start().await;
    let mut renewed = String::new();
    let mut is_console = false;
    let mut commands = 0;
    for line in text.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        }
        let command = line.strip_prefix("$ rktctl ").filter(|_| is_console);
        if is_console && command.is_none() && line != "```console" {
            // What it printed once.
            continue;
        }
        renewed += &format!("{line}\n");
        if let Some(command) = command {
            commands += 1;
            renewed += &printed(&demo, command).await;
        }
    }
    (renewed, commands)
}

async fn printed(demo: &Demo, command: &str) -> String {
    let args: Vec<_> = command.split_whitespace().collect();
    if args[0] != "events" {
        let text = demo.said(&args).await;
        return text.replace(&demo.dir(), "/var/lib/rkt");
    }
    // Events alone happen now; in the tour it's always the same moment.
    demo.live().await;
    let now = Timestamp::from_second(NOW_S).unwrap().to_string();
    let text = demo.said_now(&args).await;
    let lines = text.lines().map(|line| match line.get(now.len()..) {
        Some(rest) if !line.starts_with("TIME") => format!("{now}{rest}\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}
