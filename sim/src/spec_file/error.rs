//! What is wrong with a spec file, and where: line, column, and the path of the field.

use std::{collections::BTreeMap, fmt};

use serde_json::value::RawValue;

/// A mistake in a spec file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {}{message}", self.prefix())]
pub struct Error {
    /// The line that it is in, from 1.
    pub line: usize,
    /// The column that it is at, in bytes from 1.
    pub column: usize,
    /// The path of the field, such as `pods[0].apps[1].name`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, in one plain clause.
    pub message: String,
}

impl Error {
    /// What serde has found, at the path that it had come to.
    pub(super) fn form(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        Self {
            path,
            ..Self::syntax(error.into_inner())
        }
    }

    /// What serde has found outside of any field.
    pub(super) fn syntax(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        Self {
            line,
            column,
            path: String::new(),
            message: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
        }
    }

    /// Something that is wrong with the field at `path` of the file.
    pub(crate) fn at(text: &str, path: &Path, message: impl fmt::Display) -> Self {
        let value = locate(text, &path.0).unwrap_or(text);
        // The value is a part of the text: so it begins where the rest of the text is longer.
        let offset = value.as_ptr() as usize - text.as_ptr() as usize;
        let before = text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: offset - line_start + 1,
            path: path.to_string(),
            message: message.to_string(),
        }
    }

    fn prefix(&self) -> String {
        match self.path.as_str() {
            "" => String::new(),
            path => format!("{path}: "),
        }
    }
}

/// The path of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(&'static str),
    Index(usize),
}

impl Path {
    /// The path of a field of the value at this path.
    pub(crate) fn key(&self, key: &'static str) -> Self {
        self.step(Step::Key(key))
    }

    /// The path of an element of the list at this path.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        Self([self.0.as_slice(), &[step]].concat())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// The part of the text that is the value at the path, or the innermost on the way to it that
/// is there.
fn locate<'a>(text: &'a str, path: &[Step]) -> Option<&'a str> {
    let text = text.trim_ascii_start();
    let Some((first, rest)) = path.split_first() else {
        return Some(text);
    };
    let inner: Option<&RawValue> = match first {
        Step::Key(key) => {
            let object = serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
            object.ok().and_then(|object| object.get(*key).copied())
        }
        Step::Index(index) => {
            let list = serde_json::from_str::<Vec<&RawValue>>(text);
            list.ok().and_then(|list| list.get(*index).copied())
        }
    };
    match inner {
        Some(inner) => locate(inner.get(), rest),
        None => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_have_their_place() {
        let text =
            "{\n  \"pods\": [\n    {},\n    { \"apps\": [\"é\", {\"name\": \"x\"}] }\n  ]\n}";
        let app = Path::default().key("pods").index(1).key("apps").index(1);
        let error = Error::at(text, &app.key("name"), "no");
        assert_eq!(error.to_string(), "4:31: pods[1].apps[1].name: no");
        let missing = Error::at(text, &app.key("image").key("id"), "no");
        assert_eq!((missing.line, missing.column), (4, 22));
        let whole = Error::at(text, &Path::default(), "no");
        assert_eq!(whole.to_string(), "1:1: no");
    }
}
