//! Records what `rkt-sim demo` shows on a terminal, as an animated SVG on standard output.
//!
//! ```sh
//! cargo build --release -p rkt-sim
//! cargo run -p rkt-sim --example record_demo -- target/release/rkt-sim >docs/demo.svg
//! ```

#![allow(
    clippy::unwrap_used,
    reason = "a recording that cannot go on has failed"
)]

#[path = "../tests/common/terminal.rs"]
mod terminal;

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    iter,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use terminal::Terminal;
use vt100::{Cell, Color, Screen};

/// The size of the terminal, in characters.
const SIZE: (u16, u16) = (100, 40);

/// How many pictures there are, and how much later each is than the one before.
const FRAMES: usize = 32;
const FRAME: Duration = Duration::from_millis(500);

/// For how long the host lives before the first picture.
const LEAD: Duration = Duration::from_secs(60);

/// The size of a character and the margin around the page, in units of the drawing.
const CHAR: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 16.0;
const TITLE_HEIGHT: f64 = 34.0;

const STYLE: &str = "\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
fill:#d6dde6;white-space:pre}\
.b{font-weight:bold;fill:#fff}.d{fill:#8b949e}.c1{fill:#ff7b72}.c2{fill:#56d364}\
.c3{fill:#e3b341}.c4{fill:#79c0ff}.c5{fill:#d2a8ff}.c6{fill:#56d4dd}.c8{fill:#6e7681}\
g{visibility:hidden}.last{visibility:visible}\n";

fn main() {
    let program = env::args_os().nth(1).expect("the path of rkt-sim");
    let mut command = Command::new(program);
    command.arg("demo").env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR");
    let mut terminal = Terminal::start(command, SIZE.0, SIZE.1);
    let begin = Instant::now() + LEAD;
    let frames: Vec<_> = (0..FRAMES as u32)
        .map(|frame| {
            let at = begin + FRAME * frame;
            thread::sleep(at.saturating_duration_since(Instant::now()));
            terminal.screen()
        })
        .collect();
    let pid = Pid::from_child(&terminal.program);
    kill_process(pid, Signal::INT).unwrap();
    terminal.last_screen();
    print!("{}", svg(&frames));
}

/// The pictures one after the other, for ever. Where nothing moves there is the last one.
fn svg(frames: &[Screen]) -> String {
    let width = f64::from(SIZE.0) * CHAR.0 + 2.0 * MARGIN;
    let height = f64::from(SIZE.1) * CHAR.1 + 2.0 * MARGIN + TITLE_HEIGHT;
    let mut rows = String::new();
    let mut spans = BTreeSet::new();
    for row in 0..SIZE.1 {
        let texts: Vec<_> = frames.iter().map(|frame| text(frame, row)).collect();
        let mut begin = 0;
        // What stays the same for some pictures is drawn once.
        for same in texts.chunk_by(|a, b| a == b) {
            let end = begin + same.len();
            let last = if end == frames.len() { " last" } else { "" };
            match (&*same[0], same.len() == frames.len()) {
                ("", _) => {}
                (text, true) => rows += text,
                (text, false) => {
                    spans.insert((begin, end));
                    write!(rows, r#"<g class="f{begin}-{end}{last}">{text}</g>"#).unwrap();
                }
            }
            rows += "\n";
            begin = end;
        }
    }
    let duration_s = (FRAME * frames.len() as u32).as_secs_f64();
    let percent = |frame: usize| 100.0 * frame as f64 / frames.len() as f64;
    let mut style = STYLE.to_owned() + "@media (prefers-reduced-motion:no-preference){\n";
    for (begin, end) in spans {
        let name = format!("f{begin}-{end}");
        let (from, to) = (percent(begin), percent(end));
        writeln!(
            style,
            "@keyframes {name}{{0%{{visibility:hidden}}{from:.3}%{{visibility:visible}}\
             {to:.3}%{{visibility:{after}}}}}\
             .{name}{{animation:{name} {duration_s}s step-end infinite}}",
            after = if end == frames.len() {
                "visible"
            } else {
                "hidden"
            },
        )
        .unwrap();
    }
    style += "}\n";
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<style>{style}</style>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
<circle cx="20" cy="17" r="6" fill="#ff5f57"/><circle cx="40" cy="17" r="6" fill="#febc2e"/><circle cx="60" cy="17" r="6" fill="#28c840"/>
<text x="{middle}" y="22" text-anchor="middle" class="d">cargo run --release -p rkt-sim -- demo</text>
{rows}</svg>
"##,
        middle = width / 2.0,
    )
}

/// A row of the screen. Words that stand apart are placed one by one, so that columns line up
/// whatever the font.
fn text(screen: &Screen, row: u16) -> String {
    let cells: Vec<_> = (0..SIZE.0).map(|column| screen.cell(row, column)).collect();
    let class = |cell: &Option<&Cell>| cell.map_or(String::new(), class);
    let mut svg = String::new();
    let mut column = 0;
    for same in cells.chunk_by(|a, b| class(a) == class(b)) {
        let text = same.iter().map(|cell| match cell {
            Some(cell) if cell.has_contents() => cell.contents(),
            _ => " ",
        });
        let text: Vec<_> = text.collect();
        for (offset, words) in apart(&text) {
            let x = MARGIN + CHAR.0 * (column + offset) as f64;
            let y = MARGIN + TITLE_HEIGHT + CHAR.1 * (f64::from(row) + 0.5);
            let class = class(&same[0]);
            let words = words.replace('&', "&amp;").replace('<', "&lt;");
            write!(
                svg,
                r#"<text x="{x:.1}" y="{y:.0}" class="{class}">{words}</text>"#
            )
            .unwrap();
        }
        column += same.len();
    }
    svg.replace(r#" class="""#, "")
}

/// The pieces of a text between which there are two blanks or more, with their positions.
fn apart(cells: &[&str]) -> Vec<(usize, String)> {
    let mut pieces: Vec<(usize, String)> = Vec::new();
    let mut blanks = 2;
    for (at, cell) in cells.iter().enumerate() {
        match (*cell, pieces.last_mut()) {
            (" ", _) => {
                blanks += 1;
                continue;
            }
            (cell, Some((_, piece))) if blanks < 2 => {
                piece.extend(iter::repeat_n(' ', blanks));
                *piece += cell;
            }
            (cell, _) => pieces.push((at, cell.to_owned())),
        }
        blanks = 0;
    }
    pieces
}

fn class(cell: &Cell) -> String {
    match cell.fgcolor() {
        Color::Idx(index) => format!("c{}", index),
        _ if cell.bold() => "b".to_owned(),
        _ if cell.dim() => "d".to_owned(),
        _ => String::new(),
    }
}
