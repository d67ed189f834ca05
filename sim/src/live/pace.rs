//! When steps are played: spans of time as people write them, and delays between two bounds.

use std::{fmt, str::FromStr, time::Duration};

use jiff::SignedDuration;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Delays are drawn from a stream of their own, so that the steps that follow from a seed do
/// not depend on how fast they are to be played.
const STREAM: u64 = 1;

/// Why a text is no span of time, rate or delay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// It is no span of time.
    #[error("{0:?} is no span of time such as 1.5s or 20ms")]
    Span(String),
    /// It is no rate.
    #[error("{0:?} is no rate such as 5/s or 30/m")]
    Rate(String),
    /// The upper bound lies below the lower.
    #[error("a delay of at least {min:?} cannot be at most {max:?}")]
    Bounds {
        /// The lower bound.
        min: Duration,
        /// The upper bound.
        max: Duration,
    },
}

/// Reads a span of time such as `1.5s`, `20ms` or `2m 30s`; never negative.
///
/// # Errors
///
/// [`PaceError::Span`].
pub fn parse_span(text: &str) -> Result<Duration, PaceError> {
    let span = text.parse::<SignedDuration>().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| PaceError::Span(text.to_owned()))
}

/// A delay that lies anywhere between two bounds, both included.
///
/// In JSON a span of time, or `{"min": "10ms", "max": "1s"}`; on a command line `10ms..1s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    min: Duration,
    max: Duration,
}

impl Delay {
    /// No delay.
    pub const NONE: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };

    /// A delay between two bounds.
    ///
    /// # Errors
    ///
    /// [`PaceError::Bounds`] when `max` is less than `min`.
    pub fn new(min: Duration, max: Duration) -> Result<Self, PaceError> {
        match min <= max {
            true => Ok(Self { min, max }),
            false => Err(PaceError::Bounds { min, max }),
        }
    }
}

impl FromStr for Delay {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Self, PaceError> {
        match text.split_once("..") {
            Some((min, max)) => Self::new(parse_span(min)?, parse_span(max)?),
            None => parse_span(text).and_then(|span| Self::new(span, span)),
        }
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Json {
            Span(String),
            Bounds { min: String, max: String },
        }

        let delay = match Json::deserialize(deserializer)? {
            Json::Span(text) => text.parse(),
            Json::Bounds { min, max } => parse_span(&min)
                .and_then(|min| Ok((min, parse_span(&max)?)))
                .and_then(|(min, max)| Self::new(min, max)),
        };
        delay.map_err(D::Error::custom)
    }
}

/// How many steps are played in a span of time, on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_s: f64,
}

impl Rate {
    /// The delays that make this rate: anything up to twice the average.
    pub fn delay(self) -> Delay {
        Delay {
            min: Duration::ZERO,
            max: Duration::try_from_secs_f64(2.0 / self.per_s).unwrap_or(Duration::MAX),
        }
    }
}

impl FromStr for Rate {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Self, PaceError> {
        let wrong = || PaceError::Rate(text.to_owned());
        let (count, unit_s) = match text.split_once('/') {
            None => (text, 1.0),
            Some((count, "s")) => (count, 1.0),
            Some((count, "m")) => (count, 60.0),
            Some((count, "h")) => (count, 3600.0),
            Some(_) => return Err(wrong()),
        };
        let count: f64 = count.parse().map_err(|_| wrong())?;
        let per_s = count / unit_s;
        match per_s.is_finite() && per_s > 0.0 {
            true => Ok(Self { per_s }),
            false => Err(wrong()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_s)
    }
}

/// Draws delays from a seed.
#[derive(Debug)]
pub struct Pace(ChaCha12Rng);

impl Pace {
    /// The delays of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        Self(rng)
    }

    /// The next delay between those bounds.
    pub fn draw(&mut self, delay: Delay) -> Duration {
        self.0.random_range(delay.min..=delay.max)
    }
}

/// How much of the time that steps took is made up for by steps that follow faster.
const MADE_UP: Duration = Duration::from_secs(1);

/// When steps are due: each some delay after the one before was due, so that a rate holds
/// whatever the steps themselves take.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    delay: Delay,
    due: Duration,
}

impl Schedule {
    /// Steps between which lie such delays, drawn from a seed.
    pub fn new(seed: u64, delay: Delay) -> Self {
        Self {
            pace: Pace::new(seed),
            delay,
            due: Duration::ZERO,
        }
    }

    /// When the next step is due, counted from the beginning, at which `now` counts too. Steps
    /// that are late by more than a second are not made up for.
    pub fn next(&mut self, now: Duration) -> Duration {
        let due = self.due.max(now.saturating_sub(MADE_UP));
        self.due = due.saturating_add(self.pace.draw(self.delay));
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_people_do() {
        let ms = Duration::from_millis;
        for (text, span) in [
            ("1.5s", ms(1500)),
            ("20ms", ms(20)),
            ("2m 30s", ms(150_000)),
        ] {
            assert_eq!(parse_span(text), Ok(span), "{text}");
        }
        for text in ["", "5", "-1s", "soon"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn delays_have_bounds() {
        let delay = |text: &str| serde_json::from_str::<Delay>(text);
        let ms = Duration::from_millis;
        let both = Delay::new(ms(10), ms(1000)).unwrap();
        assert_eq!(delay(r#"{"min":"10ms","max":"1s"}"#).unwrap(), both);
        assert_eq!("10ms..1s".parse(), Ok(both));
        let one = Delay::new(ms(10), ms(10)).unwrap();
        assert_eq!(delay(r#""10ms""#).unwrap(), one);
        assert!(delay(r#"{"min":"1s","max":"10ms"}"#).is_err());
        assert!("1s..10ms".parse::<Delay>().is_err());

        let mut pace = Pace::new(7);
        for _ in 0..100 {
            assert!((both.min..=both.max).contains(&pace.draw(both)));
        }
        assert_eq!(pace.draw(Delay::NONE), Duration::ZERO);
    }

    #[test]
    fn a_schedule_holds_its_rate() {
        let ms = Duration::from_millis;
        let mut schedule = Schedule::new(0, Delay::new(ms(20), ms(20)).unwrap());
        // Whenever it is asked.
        assert_eq!(schedule.next(ms(0)), ms(20));
        assert_eq!(schedule.next(ms(20)), ms(40));
        assert_eq!(schedule.next(ms(900)), ms(60));
        // It does not run after what is long over.
        assert_eq!(schedule.next(ms(5000)), ms(4020));
    }

    #[test]
    fn rates_are_averages() {
        let delay = |text: &str| text.parse::<Rate>().unwrap().delay();
        assert_eq!(delay("5/s").max, Duration::from_millis(400));
        assert_eq!(delay("5"), delay("5/s"));
        assert_eq!(delay("30/m"), delay("0.5/s"));
        for text in ["", "0/s", "-1/s", "5/y", "inf", "NaN", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
