//! Events, for people: a line each, under headings that stand there before anything happens.

use rkt_api::api::{Event, KeyValue};

use super::{
    Look,
    text::{cut, printable, width},
    words::{event_type, joined, pair, time_s},
};

const HEADINGS: [&str; 5] = ["TIME", "TYPE", "ID", "FROM", "DATA"];

/// The widths of times to the second, of the longest type, of short ids of pods, and of most
/// names. What is wider moves the rest of its line: what is still to come nobody knows.
const WIDTHS: [usize; 5] = [20, 21, 8, 12, 0];

/// What stands between two columns.
const GAP: &str = "  ";

/// The line above all others.
pub fn headings(look: &Look) -> String {
    line(HEADINGS.map(str::to_owned), look)
}

/// A line for each event.
pub fn render(events: &[Event], look: &Look) -> String {
    events
        .iter()
        .map(|event| line(cells(event, look), look))
        .collect()
}

fn line(cells: [String; 5], look: &Look) -> String {
    let mut line = String::new();
    for (cell, column_width) in cells.iter().zip(WIDTHS) {
        let cell = match cell.as_str() {
            "" => "-".into(),
            cell => printable(cell),
        };
        let blanks = column_width.saturating_sub(width(&cell));
        line += &format!("{cell}{}{GAP}", " ".repeat(blanks));
    }
    let line = line.trim_end();
    match look.width {
        Some(page_width) => cut(line, page_width) + "\n",
        None => format!("{line}\n"),
    }
}

fn cells(event: &Event, look: &Look) -> [String; 5] {
    let time = time_s(event.time).map(|time| time.to_string());
    [
        time.unwrap_or_default(),
        event_type(event.r#type()).to_owned(),
        look.id(&event.id).to_owned(),
        from(event, look),
        data(event, look),
    ]
}

/// Who it was. A pod's name says its id once more, which can be as short.
fn from(event: &Event, look: &Look) -> String {
    let uuid = event.from.strip_prefix("rkt-");
    match uuid.filter(|uuid| *uuid == event.id && !look.is_wide) {
        Some(uuid) => format!("rkt-{}", look.id(uuid)),
        None => event.from.clone(),
    }
}

/// What else there is to say, with ids as short as elsewhere.
fn data(event: &Event, look: &Look) -> String {
    let shown = |data: &KeyValue| match data.key.as_str() {
        "image_id" => format!("image_id={}", look.id(&data.value)),
        _ => pair(data),
    };
    joined(event.data.iter().map(shown), " ")
}
