//! What the program does, one module for each command.

pub mod explain;
pub mod host;
pub mod list;
pub mod run;
pub mod self_test;

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    path::PathBuf,
};

use rkt_conformance::{
    exit::Exit,
    lent::LentError,
    lies,
    made::MakeError,
    report::ReportError,
    run::RunError,
    select::{Ambiguous, NotOne, Unmatched},
    serve_model::{self, ServeModel},
};
use tokio::runtime::Runtime;

/// Why a command came to nothing, in one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Unmatched(#[from] Unmatched),
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    #[error("none of these cases is quick")]
    NothingQuick,
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: String },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Lent(#[from] LentError),
    #[error(transparent)]
    Serve(#[from] serve_model::Error),
    #[error("failed to write the host to {}: {cause}", path.display())]
    Host { path: PathBuf, cause: MakeError },
    #[error(transparent)]
    SelfTest(#[from] lies::judge::Error),
    #[error("failed to begin: {0}")]
    Begin(io::Error),
}

impl From<NotOne> for Error {
    fn from(error: NotOne) -> Self {
        match error {
            NotOne::Unmatched(error) => error.into(),
            NotOne::Ambiguous(error) => error.into(),
        }
    }
}

/// Prints with `print`. That whoever reads has seen enough is no error.
fn to_stdout(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Exit, Error> {
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(ReportError::from(error).into()),
        _ => Ok(Exit::Passed),
    }
}

/// `rkt-conformance serve-model`.
pub fn serve_model(args: &ServeModel) -> Result<Exit, Error> {
    let runtime = Runtime::new().map_err(Error::Begin)?;
    runtime.block_on(serve_model::serve(args))?;
    Ok(Exit::Passed)
}
