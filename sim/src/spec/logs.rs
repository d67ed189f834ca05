//! What apps have written, and how their pod's journal keeps it.

use std::num::NonZeroU32;

pub use rkt_api::formats::journal::{Compression, Revision};

/// Something that an app has written to its standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written: microseconds are what a journal keeps.
    pub at_us: i64,
    /// What was written; newlines may be in it.
    pub message: String,
}

/// An entry of an app's that is no line of text: its message is no UTF-8, it has none, or it
/// has fields of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// How many of the app's [`logs`](super::App::logs) come before it.
    pub after_lines: usize,
    /// When it was written, microseconds since the epoch.
    pub at_us: i64,
    /// Names and values, `MESSAGE` among them where there is one. They take the place of those
    /// that a line of the app's would have by the same names, and come beside the others. Names
    /// are capital letters, digits and underscores, no digit first, at most 64.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// How a pod's journald keeps the journal: in files of which kind, how many, and what has become
/// of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journal {
    /// How much there is of the files' headers.
    pub revision: Revision,
    /// Whether hashes are keyed.
    pub keyed_hash: bool,
    /// Whether offsets are short.
    pub compact: bool,
    /// How payloads of 512 bytes and more are compressed.
    pub compression: Option<Compression>,
    /// After how many entries a file is put away and another one begun; `None` for never.
    pub rotate_after: Option<NonZeroU32>,
    /// Whether journald came to an untimely end while it wrote the first file, and was started
    /// again: that file was never closed, is called `….journal~`, and what comes after it is
    /// numbered anew.
    pub dirty: bool,
    /// How the end of a file was lost, of the dirty one or else of the last: what was written
    /// last is not all there, though the file's header counts it. So its last entry is lost, and
    /// no other one.
    pub torn: Option<Torn>,
}

/// How the end of a file was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// The file is too short. Systemd's own readers take nothing from such a file.
    Cut,
    /// There are zeros in its place.
    Zeros,
}

impl Journal {
    /// As a systemd of that version keeps it by itself.
    pub fn of_systemd(version: u32) -> Self {
        Self {
            revision: match version {
                ..246 => Revision::V189,
                246..252 => Revision::V246,
                252..254 => Revision::V252,
                254.. => Revision::V254,
            },
            keyed_hash: version >= 246,
            compact: version >= 252,
            compression: Some(match version {
                ..230 => Compression::Xz,
                230..246 => Compression::Lz4,
                246.. => Compression::Zstd,
            }),
            ..Self::default()
        }
    }
}

/// One whole file of the kind of rkt's time, where nothing is compressed.
impl Default for Journal {
    fn default() -> Self {
        Self {
            revision: Revision::V189,
            keyed_hash: false,
            compact: false,
            compression: None,
            rotate_after: None,
            dirty: false,
            torn: None,
        }
    }
}
