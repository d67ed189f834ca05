//! A progress bar for what takes longer than a second, on terminals only.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long something may take before anybody wants to know how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far something is that takes many steps.
pub struct Progress {
    bar: ProgressBar,
    since: Instant,
}

impl Progress {
    /// So many steps are to come.
    pub fn new(steps: usize, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self {
            bar,
            since: Instant::now(),
        }
    }

    /// One step is done.
    pub fn step(&self) {
        if self.bar.is_hidden() && self.since.elapsed() > PATIENCE {
            // Stays hidden where standard error is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
