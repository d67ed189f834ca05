//! What came out of a run, as it is told on: one stream of results, which every reporter hears.
//! Here is what they hear; running cases, and deciding what they came to, is [`crate::run`]'s.

use std::{io, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{case::Case, profile::Profile, run::Outcome};

pub mod document;

mod args;
mod diff;
mod files;
mod html;
mod json;
mod junit;
mod summary;
mod terminal;

#[cfg(test)]
mod sample;

pub use args::{ReportArgs, Reporters};
pub use summary::Summary;
pub use terminal::{FinalStatusLevel, StatusLevel, Terminal};

/// A run, as far as it is known before its first case.
#[derive(Clone, Debug)]
pub struct Run {
    /// The server under test, as the command line names it.
    pub target: String,
    /// Which dialect it is to speak.
    pub profile: Profile,
    /// The command line of a run against the same target; names of cases are to be added.
    pub replay: Vec<String>,
    /// How many cases there are to run.
    pub cases: usize,
}

/// A call that a case made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exchange {
    /// The request: the method and the message as JSON.
    pub request: String,
    /// The answer, or the error; of a stream everything that came.
    pub answer: String,
}

/// A case that has come to its end.
#[derive(Debug)]
pub struct CaseResult<'a> {
    /// The case.
    pub case: &'a Case,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// The calls that it made, in order. Those of a case that passed may be left out.
    pub exchanges: Vec<Exchange>,
    /// What the server under test wrote on its standard output and error meanwhile, where the
    /// suite started it.
    pub server_output: String,
    /// That this failure is known, and why, as the list of known failures has it. For any
    /// other outcome it means nothing.
    pub known: Option<String>,
}

/// An outcome as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The server kept the clause.
    Passed,
    /// It did not.
    Failed,
    /// It did not, which is known.
    Known,
    /// The case could not be tried.
    Skipped,
    /// The case itself failed.
    Broken,
}

impl CaseResult<'_> {
    /// The outcome as it counts.
    pub fn status(&self) -> Status {
        match &self.outcome {
            Outcome::Passed => Status::Passed,
            Outcome::Failed(_) if self.known.is_some() => Status::Known,
            Outcome::Failed(_) => Status::Failed,
            Outcome::Skipped(_) => Status::Skipped,
            Outcome::Broken(_) => Status::Broken,
        }
    }
}

/// Someone who is told of a run as it goes.
pub trait Reporter {
    /// The run begins.
    ///
    /// # Errors
    ///
    /// When it cannot be told on.
    fn started(&mut self, run: &Run) -> Result<(), ReportError>;

    /// A case has come to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be told on.
    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError>;

    /// The run has.
    ///
    /// # Errors
    ///
    /// When it cannot be told on.
    fn ended(&mut self, summary: &Summary) -> Result<(), ReportError>;
}

/// A report that nobody will read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The terminal's.
    #[error("failed to write to standard output: {0}")]
    Terminal(#[from] io::Error),
    /// That of a file.
    #[error("failed to write the report {path}: {cause}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Tries all, and gives the first error.
fn first_error(results: impl Iterator<Item = Result<(), ReportError>>) -> Result<(), ReportError> {
    results.fold(Ok(()), Result::and)
}
