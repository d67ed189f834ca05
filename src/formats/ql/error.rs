//! What can go wrong with a database: the one error type of this format library.

/// Why a database could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is damaged, or is not a ql database at all.
    #[error("damaged database: {what} at byte {offset}: {why}")]
    Corrupt {
        /// What was being read.
        what: String,
        /// Where in the file, in bytes from its start: the start of the block that was being
        /// read. A log that was applied counts as part of the file.
        offset: u64,
        /// What is wrong with it.
        why: &'static str,
    },

    /// The write-ahead log is complete, but what it asks for cannot be meant.
    #[error("damaged write-ahead log: packet at byte {offset}: {why}")]
    Log {
        /// Where the packet begins, in bytes from the start of the log.
        offset: u64,
        /// What is wrong with it.
        why: &'static str,
    },

    /// Unpacking would take more memory than any honest database of this size asks for.
    #[error("{what} at byte {offset}: unpacks to more than the {limit} bytes allowed")]
    TooMuch {
        /// What was being read.
        what: String,
        /// Where in the file, in bytes from its start.
        offset: u64,
        /// The bound that was reached, in bytes.
        limit: u64,
    },

    /// A sound database, but one of its tables is not as rkt or the engine makes it.
    #[error("unknown kind of table {table}: {why}")]
    Foreign {
        /// The table's name.
        table: &'static str,
        /// How it differs.
        why: String,
    },

    /// A new database cannot hold what it is meant to.
    #[error("cannot store {what}: {why}")]
    Unstorable {
        /// What it is. Rows of a table are counted from 0, the one written last first.
        what: String,
        /// Why it is impossible.
        why: &'static str,
    },
}

/// What a decoder finds wrong with bytes whose place in the file only its caller knows.
pub(super) type Flaw = &'static str;
