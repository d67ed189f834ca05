//! Why something in a journal file cannot be read.

use std::io;

/// Why something in a journal file cannot be read. The rest of the file may be good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system would not have it read.
    #[error("failed to read the journal: {0}")]
    Io(#[from] io::Error),

    /// The file does not begin as a journal does.
    #[error("not a journal")]
    NotAJournal,

    /// The file is of a kind that came after this reader.
    #[error("the journal has unknown incompatible flags {0:#x}")]
    Unsupported(u32),

    /// Something lies beyond the end of the file, or where nothing can lie.
    #[error("nothing can be read at offset {offset}")]
    OutOfBounds {
        /// Where, in bytes from the start of the file.
        offset: u64,
    },

    /// What is there is not what it should be.
    #[error("{what} at offset {offset}")]
    Malformed {
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },

    /// A compressed field cannot be decompressed.
    #[error("a field at offset {offset} cannot be decompressed")]
    Spoilt {
        /// Where, in bytes from the start of the file.
        offset: u64,
    },

    /// A field is longer than [`MAX_VALUE_BYTES`](super::MAX_VALUE_BYTES).
    #[error("a field at offset {offset} is too long")]
    TooLong {
        /// Where, in bytes from the start of the file.
        offset: u64,
    },
}
