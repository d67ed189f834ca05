//! Text that comes from anywhere, made fit to be seen: names and log lines are written by
//! containers, and a terminal obeys what it's told.

use std::{borrow::Cow, fmt::Write as _};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr as _};

/// What a cut text ends in.
const CUT: char = '…';

/// The text with everything escaped that a terminal would not just show: control characters, and
/// those that turn the direction of what follows or are not seen at all.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// The same for a line of a log, in which tabs are usual.
pub fn printable_line(line: &str) -> Cow<'_, str> {
    escape(line, |character| character == '\t')
}

fn escape(text: &str, is_allowed: fn(char) -> bool) -> Cow<'_, str> {
    let is_shown = |character| is_allowed(character) || !is_unseen(character);
    if text.chars().all(is_shown) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match is_shown(character) {
            true => escaped.push(character),
            false => escaped.extend(character.escape_default()),
        }
    }
    escaped.into()
}

/// JSON in which nothing is left that a terminal would not just show: all that there is of it
/// stands in strings, line breaks aside.
pub fn printable_json(json: &str) -> String {
    printable_quoted(json, |printable, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(printable, "\\u{unit:04x}");
        }
    })
}

/// The same for JSON that is to be read as YAML, which has no escapes for pairs of surrogates.
pub fn printable_flow_yaml(json: &str) -> String {
    printable_quoted(json, |printable, character| {
        // As above.
        let _ = match u32::from(character) {
            code @ ..=0xffff => write!(printable, "\\u{code:04x}"),
            code => write!(printable, "\\U{code:08x}"),
        };
    })
}

fn printable_quoted(text: &str, escape: fn(&mut String, char)) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match is_unseen(character) && character != '\n' {
            true => escape(&mut printable, character),
            false => printable.push(character),
        }
    }
    printable
}

/// Whether a terminal would do something else than show the character: control characters, line
/// and paragraph separators, marks and overrides of direction, and tags.
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// How many columns a text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// What a line takes of a terminal that begins another row where one is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Rows, at least one.
    pub rows: usize,
    /// Columns of the last of them.
    pub last_columns: usize,
}

/// What a line takes of a terminal with so many columns.
pub fn wrapped(line: &str, columns: usize) -> Wrapped {
    let mut wrapped = Wrapped {
        rows: 1,
        last_columns: 0,
    };
    for needed in line.chars().filter_map(UnicodeWidthChar::width) {
        // What is two columns wide is not broken.
        if wrapped.last_columns + needed > columns {
            wrapped.rows += 1;
            wrapped.last_columns = 0;
        }
        wrapped.last_columns += needed;
    }
    wrapped
}

/// The text, or as much of it as fits into so many columns.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut free = columns.saturating_sub(1);
    for character in text.chars() {
        let needed = character.width().unwrap_or(0);
        if needed > free {
            break;
        }
        free -= needed;
        cut.push(character);
    }
    if columns > 0 {
        cut.push(CUT);
    }
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("naïve 日本 web-1"), "naïve 日本 web-1");
        assert_eq!(printable("a\u{1b}[2J\n\t\u{9b}"), r"a\u{1b}[2J\n\t\u{9b}");
        assert_eq!(printable("\u{202e}x\u{e0041}"), r"\u{202e}x\u{e0041}");
        assert_eq!(printable_line("a\tb\r\u{7}"), "a\tb\\r\\u{7}");
        assert_eq!(printable_json("\"\u{e0041}\"\n"), "\"\\udb40\\udc41\"\n");
        assert_eq!(printable_flow_yaml("\"\u{e0041}\"\n"), "\"\\U000e0041\"\n");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(cut("naïve", 5), "naïve");
        assert_eq!(cut("naïve", 3), "na…");
        assert_eq!(cut("naïve", 1), "…");
        assert_eq!(cut("naïve", 0), "");
        // Each of these takes two columns.
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }

    #[test]
    fn what_is_wider_than_a_terminal_takes_more_rows() {
        for (line, columns, rows, last_columns) in [
            ("", 5, 1, 0),
            ("naïve", 5, 1, 5),
            ("naïvety", 5, 2, 2),
            // A column stays empty where the second one does not fit.
            ("日本語", 5, 2, 2),
            ("日本語", 3, 3, 2),
        ] {
            let expected = Wrapped { rows, last_columns };
            assert_eq!(wrapped(line, columns), expected, "{line} on {columns}");
        }
    }

    proptest! {
        #[test]
        fn nothing_unseen_is_left(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_unseen));
        }

        /// Below the surrogates both have the same escapes.
        #[test]
        fn yaml_means_what_it_meant(text in "[\u{0}-\u{ffff}]*") {
            let json = serde_json::to_string(&text).unwrap();
            let printable = printable_flow_yaml(&json);
            prop_assert!(!printable.chars().any(is_unseen));
            prop_assert_eq!(serde_json::from_str::<String>(&printable).unwrap(), text);
        }

        #[test]
        fn a_cut_text_fits(text in any::<String>(), columns in 0..20_usize) {
            let text = printable(&text).into_owned();
            prop_assert!(width(&cut(&text, columns)) <= columns);
        }

        #[test]
        fn json_means_what_it_meant(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let printable = printable_json(&json);
            prop_assert!(!printable.chars().any(is_unseen));
            prop_assert_eq!(serde_json::from_str::<String>(&printable).unwrap(), text);
        }
    }
}
