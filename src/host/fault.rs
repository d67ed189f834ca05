//! What was wrong with a file, for logs. A fault costs what the file would have said, never
//! the whole answer.

use std::fmt;

use rustix::io::Errno;

/// A file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fault {
    /// Its path below the directory of the pod or of the store.
    pub(crate) file: String,
    /// Why it could not be used.
    pub(crate) cause: Cause,
}

/// Why a file could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// It is not there.
    Missing,
    /// It, or a directory on the way to it, is a link, or it is a directory, a FIFO, a
    /// socket or a device.
    NotRegular,
    /// It is larger than this many bytes.
    TooLarge(u64),
    /// The system would not have it read.
    Unreadable(Errno),
    /// It does not say what it should.
    Malformed(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::NotRegular => f.write_str("not a regular file, or behind a link"),
            Self::TooLarge(limit) => write!(f, "larger than {limit} bytes"),
            Self::Unreadable(errno) => write!(f, "unreadable: {errno}"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
        }
    }
}

impl Cause {
    /// The fault of `file` that has this cause.
    pub(crate) fn of(self, file: impl Into<String>) -> Fault {
        Fault {
            file: file.into(),
            cause: self,
        }
    }
}
