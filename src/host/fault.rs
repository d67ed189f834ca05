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

impl Fault {
    /// A file does not say what it should, because of `error`.
    pub(crate) fn malformed(file: &str, error: impl fmt::Display) -> Self {
        Cause::malformed(error).of(file)
    }

    /// The fault without what exactly is wrong with the file's content, to tell those apart that
    /// are worth a line in the log each. Who can write a file can make up any number of others.
    pub(crate) fn kind(&self) -> Self {
        let cause = match &self.cause {
            Cause::Malformed(_) => Cause::Malformed(String::new()),
            cause => cause.clone(),
        };
        cause.of(&*self.file)
    }

    /// Whether the file is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.cause == Cause::Missing
    }

    /// The error, if the fault is not the file's: the server can open no more files, or has
    /// no memory.
    pub(crate) fn distress(&self) -> Option<Errno> {
        match self.cause {
            Cause::Unreadable(errno) if is_distress(errno) => Some(errno),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.cause)
    }
}

/// Whether it is the server that cannot go on, whatever it was about to open.
pub(crate) fn is_distress(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
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
    /// A file does not say what it should, because of `error`. Parsers quote what they meet,
    /// of whatever length: only the beginning is kept.
    pub(crate) fn malformed(error: impl fmt::Display) -> Self {
        const LIMIT_BYTES: usize = 200;
        let mut what = error.to_string();
        what.truncate(what.floor_char_boundary(LIMIT_BYTES));
        Self::Malformed(what)
    }

    /// The fault of `file` that has this cause.
    pub(crate) fn of(self, file: impl Into<String>) -> Fault {
        Fault {
            file: file.into(),
            cause: self,
        }
    }
}
