//! What was expected and what came, so that people see where they differ.

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// How many lines that are the same are shown before and after one that is not.
const CONTEXT_LINES: usize = 3;

/// How many lines are shown at most.
const LINES_SHOWN: usize = 60;

/// How alike two lines must be, from 0 to 1, for it to help to mark the words that differ.
const ALIKE: f32 = 0.4;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Mark {
    /// In both.
    #[serde(rename = " ")]
    Same,
    /// Expected, and did not come.
    #[serde(rename = "-")]
    Expected,
    /// Came, and was not expected.
    #[serde(rename = "+")]
    Actual,
    /// Something is left out here, and the text says what.
    #[serde(rename = "~")]
    LeftOut,
}

/// A line, in pieces that are to be marked or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) mark: Mark,
    pub(super) pieces: Vec<(bool, String)>,
}

impl Line {
    fn plain(mark: Mark, text: impl Into<String>) -> Self {
        Self {
            mark,
            pieces: vec![(false, text.into())],
        }
    }
}

/// Both texts, line by line. JSON is spread over lines first.
pub(super) fn lines(expected: &str, actual: &str) -> Vec<Line> {
    let (expected, actual) = match (spread(expected), spread(actual)) {
        (Some(expected), Some(actual)) => (expected, actual),
        _ => (expected.to_owned(), actual.to_owned()),
    };
    let mut lines = match expected.contains('\n') || actual.contains('\n') {
        true => by_lines(&expected, &actual),
        false => by_words(&expected, &actual),
    };
    if lines.len() > LINES_SHOWN {
        let more = lines.len() - LINES_SHOWN;
        lines.truncate(LINES_SHOWN);
        lines.push(Line::plain(Mark::LeftOut, format!("{more} more lines")));
    }
    lines
}

fn by_lines(expected: &str, actual: &str) -> Vec<Line> {
    let diff = TextDiff::from_lines(expected, actual);
    let mut lines = Vec::new();
    for (nth, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if nth > 0 {
            lines.push(Line::plain(Mark::LeftOut, "…"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Equal => Mark::Same,
                ChangeTag::Delete => Mark::Expected,
                ChangeTag::Insert => Mark::Actual,
            };
            lines.push(Line::plain(mark, change.value().trim_end_matches('\n')));
        }
    }
    lines
}

fn by_words(expected: &str, actual: &str) -> Vec<Line> {
    let diff = TextDiff::from_words(expected, actual);
    if diff.ratio() < ALIKE {
        return vec![
            Line::plain(Mark::Expected, expected),
            Line::plain(Mark::Actual, actual),
        ];
    }
    let side = |mark, other| Line {
        mark,
        pieces: diff
            .iter_all_changes()
            .filter(|change| change.tag() != other)
            .map(|change| (change.tag() != ChangeTag::Equal, change.value().to_owned()))
            .collect(),
    };
    vec![
        side(Mark::Expected, ChangeTag::Insert),
        side(Mark::Actual, ChangeTag::Delete),
    ]
}

/// A JSON object or array, a value to a line.
fn spread(text: &str) -> Option<String> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    serde_json::to_string_pretty(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Line]) -> String {
        let line = |line: &Line| {
            let mark = serde_json::to_value(line.mark).unwrap();
            let pieces = line.pieces.iter().map(|(is_marked, text)| match is_marked {
                true => format!("<{text}>"),
                false => text.clone(),
            });
            format!("{}{}\n", mark.as_str().unwrap(), pieces.collect::<String>())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn words_are_marked_in_lines_that_are_alike() {
        assert_eq!(
            text(&lines("3 pods in order", "2 pods in order")),
            "-<3> pods in order\n+<2> pods in order\n"
        );
    }

    #[test]
    fn lines_that_have_nothing_in_common_are_left_alone() {
        let lines = lines("an answer", "UNAVAILABLE: \"no store\"");
        assert_eq!(text(&lines), "-an answer\n+UNAVAILABLE: \"no store\"\n");
    }

    #[test]
    fn json_is_compared_value_by_value() {
        let expected: Vec<u32> = (0..20).collect();
        let mut actual = expected.clone();
        actual[10] = 99;
        let lines = lines(&format!("{expected:?}"), &format!("{actual:?}"));
        assert_eq!(
            text(&lines),
            "   7,\n   8,\n   9,\n-  10,\n+  99,\n   11,\n   12,\n   13,\n"
        );
    }

    #[test]
    fn long_differences_are_cut() {
        let lines = lines(&"a\n".repeat(100), &"b\n".repeat(100));
        assert_eq!(lines.len(), LINES_SHOWN + 1);
        assert_eq!(text(&lines[LINES_SHOWN..]), "~140 more lines\n");
    }
}
