//! One step in the life of a file that others may be reading.

use std::{fs::File, io, os::unix::fs::FileExt as _};

/// Something to be done to a file. Steps are to be done in the order in which they are given:
/// after each of them the file is good to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// Make the file longer, to so many bytes; what is new is zero.
    Length(u64),
    /// Write bytes, never beyond the file's length.
    Bytes {
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What.
        bytes: &'a [u8],
    },
}

impl Change<'_> {
    /// Does it. Watchers of the file hear of each step.
    ///
    /// # Errors
    ///
    /// What the file system says. The file then serves all entries up to the last one that was
    /// written completely, but no further change may be made to it: to go on, write the
    /// [`whole`](super::Writer::whole) anew.
    pub fn apply_to(&self, file: &File) -> io::Result<()> {
        match *self {
            Self::Length(bytes) => file.set_len(bytes),
            Self::Bytes { offset, bytes } => file.write_all_at(bytes, offset),
        }
    }
}
