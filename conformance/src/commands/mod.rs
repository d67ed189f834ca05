//! What the program does, one module for each command.

pub mod list;
pub mod run;

use std::io;

use rkt_conformance::{
    exit::Exit,
    lent::LentError,
    report::ReportError,
    run::RunError,
    select::Unmatched,
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
    Run(#[from] RunError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Lent(#[from] LentError),
    #[error(transparent)]
    Serve(#[from] serve_model::Error),
    #[error("failed to begin: {0}")]
    Begin(io::Error),
}

/// `rkt-conformance serve-model`.
pub fn serve_model(args: &ServeModel) -> Result<Exit, Error> {
    let runtime = Runtime::new().map_err(Error::Begin)?;
    runtime.block_on(serve_model::serve(args))?;
    Ok(Exit::Passed)
}
