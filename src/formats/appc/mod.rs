//! Pod and image manifests, as far as the API shows them.
//!
//! The JSON of the App Container specification (appc), as rkt 1.30.0 reads and writes it.
//! rkt decodes it with Go's `encoding/json`, and the bytes of a manifest that a user handed
//! to rkt are kept as they were; so the reader takes what Go takes: unknown fields, keys in
//! any letter case, repeated keys (the last one counts), `null` for "not there", and bytes
//! that are no UTF-8 (each such run reads as U+FFFD). It is more lenient than appc's own
//! validation, which refuses repeated annotation names: a manifest is refused only when it is
//! no JSON, is of another kind, or has something else where a field that the API shows
//! belongs.
//!
//! What the API does not show (volumes, isolators, ports, the app's command) is not read.

mod go_json;
mod image;
mod pod;

use std::borrow::Cow;

pub use image::{BaseFormat, ImageManifest};
pub use pod::{PodApp, PodManifest};

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no JSON, or has a value of the wrong type.
    #[error("no valid JSON of its kind: {0}")]
    Json(String),
    /// The manifest's `acKind` is not the expected one.
    #[error("acKind is {found:?}, not {expected:?}")]
    Kind {
        /// What the manifest says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// The manifest lacks a name (image manifests only).
    #[error("the image has no name")]
    NoName,
}

/// A name and its value: an annotation or a label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameValue {
    /// The name; not unique within a list.
    pub name: String,
    /// The value.
    pub value: String,
}

go_json::object!(NameValue {
    name: "name",
    value: "value"
});

/// Decodes `bytes` the way Go does.
fn decode<T: for<'de> serde::Deserialize<'de>>(bytes: &[u8]) -> Result<T, Error> {
    let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
    serde_json::from_str(&text).map_err(|error| Error::Json(error.to_string()))
}

/// Fails unless a manifest is of the expected kind.
fn check_kind(found: String, expected: &'static str) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Kind { found, expected })
    }
}
