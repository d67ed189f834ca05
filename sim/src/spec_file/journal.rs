//! Log lines, and the journal that they are in, as a spec file describes them.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    octets::{Fields, Octets},
    pod::is_false,
    value::{Given, InBrief, Time},
};
use crate::spec::{Compression, Torn};

/// How a pod's journal is kept. Whatever it says, the pod's systemd must be able to.
///
/// Without any of this it is one file of rkt's time, uncompressed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JournalSpec {
    /// The version of the pod's systemd, from 189 on: rkt's had 219 to 234. What is not said
    /// here is as in a file that it writes by itself: compressed with XZ before 230, with LZ4
    /// before 246, with ZSTD since; with keyed hashes since 246, and compact since 252.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 189, max = 999))]
    pub systemd: Option<u32>,
    /// How payloads of 512 bytes and more are compressed; `null` for not.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub compression: Given<CompressionName>,
    /// Whether hashes are keyed: since systemd 246.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyed_hash: Option<bool>,
    /// Whether offsets are short: since systemd 252.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compact: Option<bool>,
    /// After how many entries a file is put away, `system@….journal`, and another one begun.
    /// Systemd's own lines count, too: there is one before the first of each app. Without this,
    /// never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_after: Option<NonZeroU32>,
    /// Whether the pod's journald came to an untimely end while it wrote the first file, and
    /// was started again: that file is called `system@….journal~`.
    #[serde(skip_serializing_if = "is_false")]
    pub dirty: bool,
    /// How the end of a file was lost, and the last entry with it: of the dirty file if there is
    /// one, else of the last. Without this, it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torn: Option<TornName>,
    /// Whether lines may be older than those before them, as when a clock is set back.
    #[serde(skip_serializing_if = "is_false")]
    pub out_of_order: bool,
}

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CompressionName {
    /// XZ.
    Xz,
    /// LZ4.
    Lz4,
    /// ZSTD: since systemd 246.
    Zstd,
}

impl From<CompressionName> for Compression {
    fn from(name: CompressionName) -> Self {
        match name {
            CompressionName::Xz => Self::Xz,
            CompressionName::Lz4 => Self::Lz4,
            CompressionName::Zstd => Self::Zstd,
        }
    }
}

/// How the end of a file was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TornName {
    /// The file is too short.
    Cut,
    /// There are zeros in its place.
    Zeros,
}

impl From<TornName> for Torn {
    fn from(name: TornName) -> Self {
        match name {
            TornName::Cut => Self::Cut,
            TornName::Zeros => Self::Zeros,
        }
    }
}

/// Something that an app has written. In brief: the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSpec {
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// What was written, newlines may be in it; `null` for an entry without `MESSAGE`.
    #[serde(deserialize_with = "said")]
    pub message: Option<Octets>,
    /// Further fields of the entry, by name, or others than it would have: capital letters,
    /// digits and underscores.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
}

impl InBrief for LogSpec {
    fn in_brief(text: &str) -> Self {
        Self {
            at: None,
            message: Some(text.into()),
            fields: Fields::new(),
        }
    }
}

/// Reads what may be `null`, but not left out.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Octets>, D::Error> {
    Option::deserialize(deserializer)
}
