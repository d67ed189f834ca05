//! Scripts: steps with times, as JSON, one object per line or all in one array.
//!
//! Beside a step's own keys an entry may have one that says when it is played: `"at": "1.5s"`,
//! counted from the beginning, or `"after": "10ms"` or `{"min": "10ms", "max": "1s"}`, counted
//! from the end of the step before it. An entry with neither is played at once, and so is one
//! whose time has passed. Empty lines, and lines that begin with `#`, are passed over.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    pace::{Delay, parse_span},
    step::Step,
};

/// A step, and when it is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub when: When,
    /// The step.
    pub step: Step,
}

/// When a step is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the beginning, or at once when that has passed.
    At(Duration),
    /// So long after the end of the step before it.
    After(Delay),
}

/// Why a text is no script.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The array as a whole is no JSON.
    #[error("{0}")]
    Json(serde_json::Error),
    /// An entry is no step.
    #[error("{place} {number}: {why}")]
    Entry {
        /// What is counted: `line` or `entry`.
        place: &'static str,
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a script.
///
/// # Errors
///
/// [`ScriptError`], for the first entry that is no step.
pub fn parse(text: &str) -> Result<Vec<Entry>, ScriptError> {
    if text.trim_start().starts_with('[') {
        let entries: Vec<Value> = serde_json::from_str(text).map_err(ScriptError::Json)?;
        let entries = entries.into_iter().map(entry).enumerate();
        return collect("entry", entries);
    }
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    collect(
        "line",
        lines.map(|(index, line)| (index, parse_entry(line))),
    )
}

/// Reads one step with the times that it may have.
fn parse_entry(json: &str) -> Result<Entry, String> {
    let value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    entry(value)
}

fn collect(
    place: &'static str,
    entries: impl Iterator<Item = (usize, Result<Entry, String>)>,
) -> Result<Vec<Entry>, ScriptError> {
    let named = |(index, entry): (usize, Result<Entry, String>)| {
        entry.map_err(|why| ScriptError::Entry {
            place,
            number: index + 1,
            why,
        })
    };
    entries.map(named).collect()
}

fn entry(value: Value) -> Result<Entry, String> {
    let mut keys = match value {
        Value::Object(keys) => keys,
        _ => return Err("a step is a JSON object".to_owned()),
    };
    let when = when(&mut keys)?;
    let step = Step::deserialize(Value::Object(keys)).map_err(|error| error.to_string())?;
    Ok(Entry { when, step })
}

/// Takes the keys that say when.
fn when(keys: &mut Map<String, Value>) -> Result<When, String> {
    match (keys.remove("at"), keys.remove("after")) {
        (None, None) => Ok(When::After(Delay::NONE)),
        (Some(Value::String(at)), None) => parse_span(&at)
            .map(When::At)
            .map_err(|error| error.to_string()),
        (None, Some(after)) => Delay::deserialize(after)
            .map(When::After)
            .map_err(|error| format!("after: {error}")),
        (Some(_), None) => Err("at: a span of time such as \"1.5s\"".to_owned()),
        (Some(_), Some(_)) => Err("a step is played either at or after".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const CREATE: &str = r#""step":"create","pod":"668ecca0-3487-4c27-9134-b769a546e375""#;

    fn create(when: When) -> Entry {
        let pod = Uuid::from_u128(0x668ecca0_3487_4c27_9134_b769a546e375);
        Entry {
            when,
            step: Step::Create { pod },
        }
    }

    #[test]
    fn lines_and_arrays_are_the_same() {
        let expected = [
            create(When::At(Duration::from_millis(1500))),
            create(When::After("10ms".parse().unwrap())),
            create(When::After("10ms..1s".parse().unwrap())),
            create(When::After(Delay::NONE)),
        ];
        let entries = [
            format!(r#"{{"at":"1.5s",{CREATE}}}"#),
            format!(r#"{{"after":"10ms",{CREATE}}}"#),
            format!(r#"{{"after":{{"min":"10ms","max":"1s"}},{CREATE}}}"#),
            format!("{{{CREATE}}}"),
        ];
        let lines = format!("# a comment\n\n{}\n", entries.join("\n"));
        assert_eq!(parse(&lines).unwrap(), expected);
        let array = format!(" [{}]", entries.join(",\n"));
        assert_eq!(parse(&array).unwrap(), expected);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn errors_say_where() {
        for (text, place) in [
            (format!("{{{CREATE}}}\n\n{{}}"), "line 3: "),
            (format!("[{{{CREATE}}}, {{}}]"), "entry 2: "),
            (format!(r#"{{"at":5,{CREATE}}}"#), "line 1: at: "),
            (format!(r#"{{"after":"x",{CREATE}}}"#), "line 1: after: "),
            (
                format!(r#"{{"at":"1s","after":"1s",{CREATE}}}"#),
                "line 1: ",
            ),
            (
                format!(r#"{{"att":"1s",{CREATE}}}"#),
                "line 1: unknown field",
            ),
            ("[1]".to_owned(), "entry 1: "),
            ("nonsense".to_owned(), "line 1: "),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{text}: {error}");
        }
    }
}
