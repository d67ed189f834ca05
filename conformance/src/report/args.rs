//! The flags that say which reports are wanted, and the reporters that write them.

use std::io;

use clap::Args;

use super::{CaseResult, ReportError, Reporter, Run, Summary, Terminal};

/// Which reports are wanted.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportArgs {
    /// Print a line for every case
    #[arg(long, short)]
    verbose: bool,
}

impl ReportArgs {
    /// Reporters for all that is wanted. Files are made at once: a run may be long, and who
    /// waits for it should not learn at its end that there is no such directory.
    ///
    /// # Errors
    ///
    /// When a file cannot be made.
    pub fn reporters(&self) -> Result<Reporters, ReportError> {
        Ok(Reporters(vec![Box::new(Terminal::new(
            io::stdout(),
            self.verbose,
        ))]))
    }
}

/// Several reporters that hear the same.
pub struct Reporters(Vec<Box<dyn Reporter>>);

impl Reporter for Reporters {
    fn started(&mut self, run: &Run) -> Result<(), ReportError> {
        self.0.iter_mut().try_for_each(|one| one.started(run))
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        self.0.iter_mut().try_for_each(|one| one.finished(result))
    }

    fn ended(&mut self, summary: &Summary) -> Result<(), ReportError> {
        self.0.iter_mut().try_for_each(|one| one.ended(summary))
    }
}
