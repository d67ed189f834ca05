//! The program's exit codes: what scripts may rely on, and beside that the two that others have
//! given a meaning. Who decides between them is `main.rs`
//! and [`crate::report::Summary`].

use std::process::ExitCode;

/// What the program exits with when nobody reads what it writes: as shells name the end by
/// SIGPIPE.
pub const PIPE_BROKEN: u8 = 128 + 13;

/// What `serve-model` exits with when it cannot start, as servers do (SV-2).
pub const NOT_STARTED: u8 = 254;

/// What commands exit with that say what they have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every case that could be run passed.
    Passed = 0,
    /// A case failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// There is no server to judge.
    Unreachable = 3,
    /// There is no case to run.
    NothingMatched = 4,
    /// The list of known failures is out of date.
    Stale = 5,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Failed,
        Self::Usage,
        Self::Unreachable,
        Self::NothingMatched,
        Self::Stale,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for help texts.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Passed => {
                "all cases passed, or failed as known; those that were skipped are counted and named"
            }
            Self::Failed => "a MUST case failed (with --strict: or a SHOULD case)",
            Self::Usage => "the command line is wrong",
            Self::Unreachable => "the server cannot be started or reached",
            Self::NothingMatched => "there is no such case; nothing was run",
            Self::Stale => "the list of known failures is out of date, and nothing else is wrong",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_every_code() {
        let readme = include_str!("../README.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(readme.contains(&row), "{row}");
        }
    }
}
