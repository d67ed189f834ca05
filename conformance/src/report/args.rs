//! The flags that say which reports are wanted, and the reporters that write them.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use clap::Args;

use super::{
    CaseResult, FinalStatusLevel, ReportError, Reporter, Run, StatusLevel, Summary, Terminal,
    files::Files, html, json, junit,
};

/// Which reports are wanted.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportArgs {
    /// Which cases get a line when they end
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    status_level: StatusLevel,

    /// Which cases are told of when all have ended
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    final_status_level: FinalStatusLevel,

    /// Print a line for every case: --status-level all
    #[arg(long, short, conflicts_with = "status_level")]
    verbose: bool,

    /// Write a report for build servers, JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write a report for programs, by the schema report.schema.json
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a report for browsers, one page that needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl ReportArgs {
    /// Reporters for all that is wanted. Files are made at once: a run may be long, and who
    /// waits for it should not learn at its end that there is no such directory.
    ///
    /// # Errors
    ///
    /// When a file cannot be made.
    pub fn reporters(&self) -> Result<Reporters, ReportError> {
        let mut files = Files::default();
        for (path, write) in [
            (&self.junit, junit::write as super::files::Write),
            (&self.json, json::write),
            (&self.html, html::write),
        ] {
            if let Some(path) = path {
                files.add(path, write)?;
            }
        }
        let mut reporters: Vec<Box<dyn Reporter>> = vec![Box::new(self.terminal())];
        if !files.is_empty() {
            reporters.push(Box::new(files));
        }
        Ok(Reporters(reporters))
    }

    fn terminal(&self) -> Terminal<io::Stdout> {
        let level = match self.verbose {
            true => StatusLevel::All,
            false => self.status_level,
        };
        let mut terminal = Terminal::new(io::stdout(), level, self.final_status_level);
        // This heeds NO_COLOR.
        if console::colors_enabled() {
            terminal = terminal.coloured();
        }
        if io::stderr().is_terminal() {
            terminal = terminal.with_progress();
        }
        terminal
    }
}

/// Several reporters that hear the same.
pub struct Reporters(Vec<Box<dyn Reporter>>);

impl Reporter for Reporters {
    fn started(&mut self, run: &Run) -> Result<(), ReportError> {
        super::first_error(self.0.iter_mut().map(|one| one.started(run)))
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        super::first_error(self.0.iter_mut().map(|one| one.finished(result)))
    }

    fn ended(&mut self, summary: &Summary) -> Result<(), ReportError> {
        super::first_error(self.0.iter_mut().map(|one| one.ended(summary)))
    }
}
