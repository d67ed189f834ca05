//! Trouble that comes again and again, such as a flood, and is logged once.

use std::time::{Duration, Instant};

/// How long there must have been no trouble for the next to be news, and logged.
const QUIET: Duration = Duration::from_secs(60);

/// Trouble of one kind.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Option<Instant>);

impl Trouble {
    /// Notes that it has come, and tells whether it had been quiet for long.
    pub(crate) fn is_news(&mut self) -> bool {
        let last = self.0.replace(Instant::now());
        last.is_none_or(|last| last.elapsed() >= QUIET)
    }
}
