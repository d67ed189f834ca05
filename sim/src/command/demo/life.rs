//! The life of the demonstration's host: random steps at a pace that eyes can follow.

use std::{fmt, io};

use jiff::Timestamp;
use rkt_sim::live::{
    Player, StepError,
    pace::{Rate, Schedule},
    random::Lives,
};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep_until},
};

use super::words;

/// Plays the life of a host, and with its player owns the locks of the pods. Dropping it lets
/// them go.
pub struct Life {
    player: Player,
    lives: Lives,
    schedule: Schedule,
    /// From when the schedule counts.
    begin: Instant,
    /// When the next step is due; `None` for never.
    due: Option<Instant>,
}

/// A step that was played.
pub struct Played {
    /// When it was done.
    pub at: Timestamp,
    /// What it was, such as `run 668ecca0 (etcd, web)`.
    pub words: String,
}

impl Played {
    /// When it was done, as a time of day in UTC.
    pub fn time(&self) -> String {
        self.at.strftime("%H:%M:%S").to_string()
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time(), self.words)
    }
}

impl Life {
    /// A life of at most `pods_max` pods at a time, which follows from the seed.
    ///
    /// # Errors
    ///
    /// When images cannot be made up.
    pub fn new(player: Player, seed: u64, pods_max: usize, rate: Rate) -> io::Result<Self> {
        let mut life = Self {
            player,
            lives: Lives::new(seed, pods_max)?,
            schedule: Schedule::new(seed, rate.delay()),
            begin: Instant::now(),
            due: None,
        };
        life.wait_anew();
        Ok(life)
    }

    /// Plays the next step when it is due. Giving this up loses nothing: a step is played to
    /// its end or not begun.
    ///
    /// # Errors
    ///
    /// [`StepError`].
    pub async fn next(&mut self) -> Result<Played, StepError> {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
        self.wait_anew();
        let step = self.lives.next(self.player.state());
        let words = words::step(&step, self.player.state());
        let record = block_in_place(|| self.player.play(&step))?;
        let at = Timestamp::from_nanosecond(record.after_unix_ns.into());
        Ok(Played {
            at: at.unwrap_or_default(),
            words,
        })
    }

    /// How many steps were played.
    pub fn steps(&self) -> u64 {
        self.player.steps()
    }

    fn wait_anew(&mut self) {
        let due = self.schedule.next(self.begin.elapsed());
        self.due = self.begin.checked_add(due);
    }
}
