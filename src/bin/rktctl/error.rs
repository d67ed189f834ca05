//! Why a command came to nothing, in one plain sentence each.

use std::{io, path::PathBuf};

use tonic::Status;

use crate::{exit, show::text::printable};

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is wrong in a way that shows only when flags are seen together.
    #[error("{0}")]
    Usage(String),
    /// A file that the command line names cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no server there, or none that is trusted; or the connection broke.
    #[error("no connection to a server at {address}: {cause}")]
    Unreachable {
        /// The address, as it was given.
        address: String,
        /// Why, as far as it is known.
        cause: String,
    },
    /// The server answered with an error, or not in time.
    #[error("{}", in_words(.0))]
    Status(#[from] Status),
    /// The answer cannot be written.
    #[error("failed to write the answer: {0}")]
    Output(#[from] io::Error),
    /// The system lets nothing be started.
    #[error("failed to start: {0}")]
    Runtime(io::Error),
}

impl Error {
    /// Whether nobody reads the answer any more.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What a server says may come from anywhere: it is made fit for a terminal.
fn in_words(status: &Status) -> String {
    let name = exit::status_name(status.code());
    match status.message() {
        "" => format!("the server answered with {name}"),
        message => format!("{} ({name})", printable(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_sentences() {
        let words = |status| Error::Status(status).to_string();
        assert_eq!(
            words(Status::not_found("no pod \u{1b}[2J")),
            r"no pod \u{1b}[2J (NOT_FOUND)"
        );
        assert_eq!(
            words(Status::aborted("")),
            "the server answered with ABORTED"
        );
    }
}
