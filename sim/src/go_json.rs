//! Writing JSON byte for byte as Go's `encoding/json` does, compact.
//!
//! It differs from serde's in strings alone: Go also escapes what could end a script element
//! or a line in JavaScript (`<`, `>`, `&`, U+2028, U+2029), and of the short escapes it lacks
//! `\b` and `\f`.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Writes `value` as Go would write a struct with the same fields in the same order.
///
/// # Errors
///
/// Those of `value`'s own [`Serialize`].
pub(crate) fn to_vec(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, Go);
    value.serialize(&mut serializer)?;
    Ok(json)
}

struct Go;

impl Formatter for Go {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        const ESCAPED: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];

        let mut rest = fragment;
        while let Some(at) = rest.find(ESCAPED) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut after = rest[at..].chars();
            let escaped = after.next().map_or(0, u32::from);
            write!(writer, "\\u{escaped:04x}")?;
            rest = after.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        match escape {
            CharEscape::Backspace => writer.write_all(br"\u0008"),
            CharEscape::FormFeed => writer.write_all(br"\u000c"),
            other => CompactFormatter.write_char_escape(writer, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_go_does() {
        let json = to_vec(&"<a> & \u{2028}\u{2029}\u{8}\u{c}\t\r\n\u{1}\u{7f}\"\\/é").unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            concat!(
                r#""\u003ca\u003e \u0026 \u2028\u2029\u0008\u000c\t\r\n\u0001"#,
                "\u{7f}",
                r#"\"\\/é""#
            )
        );
    }
}
