//! Where the steps of a living host come from: a script, standard input, or a seed.

use std::{
    io::{self, BufRead as _},
    thread,
    time::Duration,
    vec,
};

use rkt_sim::live::{
    HostState,
    pace::{Pace, Schedule},
    random::Lives,
    script::{Entry, When},
    step::Step,
};
use tokio::{sync::mpsc, time::Instant};

/// How many lines of standard input are read ahead.
const LINES_AHEAD: usize = 16;

/// A source of steps.
pub(super) enum Source {
    /// A script, played once.
    Script {
        /// What is left of it.
        entries: vec::IntoIter<Entry>,
        /// For delays between bounds.
        pace: Pace,
        /// From when times count.
        begin: Instant,
    },
    /// Random lives.
    Lives {
        /// What they consist of.
        lives: Box<Lives>,
        /// How fast they come.
        schedule: Schedule,
        /// From when times count.
        begin: Instant,
        /// How many steps are left; `None` for no end.
        left: Option<u64>,
    },
    /// One step per line of standard input.
    Lines(mpsc::Receiver<io::Result<String>>),
}

/// What a source gives.
pub(super) enum Given {
    /// A step to be played.
    Step(Step),
    /// A line that is no step, and why.
    Nonsense(String),
}

impl Source {
    /// Reads standard input, on a thread of its own: it ends with the process.
    pub(super) fn stdin() -> Self {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        thread::spawn(move || {
            let mut lines = io::stdin().lock().lines();
            lines.try_for_each(|line| sender.blocking_send(line))
        });
        Self::Lines(receiver)
    }

    /// The next step, when its time has come; `None` when there are no more.
    pub(super) async fn next(&mut self, state: &HostState) -> io::Result<Option<Given>> {
        match self {
            Self::Script {
                entries,
                pace,
                begin,
            } => {
                let Some(Entry { when, step }) = entries.next() else {
                    return Ok(None);
                };
                match when {
                    When::At(at) => sleep_until(begin.checked_add(at)).await,
                    When::After(delay) => sleep(pace.draw(delay)).await,
                }
                Ok(Some(Given::Step(step)))
            }
            Self::Lives {
                lives,
                schedule,
                begin,
                left,
            } => {
                match left {
                    Some(0) => return Ok(None),
                    Some(left) => *left -= 1,
                    None => {}
                }
                let elapsed = begin.elapsed();
                sleep(schedule.next(elapsed).saturating_sub(elapsed)).await;
                Ok(Some(Given::Step(lives.next(state))))
            }
            Self::Lines(lines) => loop {
                let Some(line) = lines.recv().await.transpose()? else {
                    return Ok(None);
                };
                if !line.trim().is_empty() {
                    return Ok(Some(match serde_json::from_str(&line) {
                        Ok(step) => Given::Step(step),
                        Err(error) => Given::Nonsense(error.to_string()),
                    }));
                }
            },
        }
    }
}

async fn sleep(time: Duration) {
    // No delay is no delay: the clock of timers is coarse.
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Waits for a moment; for ever where it is past all times.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
