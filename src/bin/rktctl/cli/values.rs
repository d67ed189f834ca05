//! Values of flags that are more than words: points in time, pairs, names of states.

use std::{str::FromStr, time::Duration};

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use rkt_api::api::KeyValue;

/// A point in time as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Counted from now; the past is negative.
    FromNow(SignedDuration),
    /// Seconds since the epoch.
    At(i64),
}

/// What [`When`] is read from, for helps.
pub const WHEN: &str = "TIME";

/// The text is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a time is 10m (that long ago), +10m (that long from now), an RFC 3339 time such as \
     2018-04-16T09:00:00Z, or seconds since the epoch"
)]
pub struct ParseWhenError;

impl FromStr for When {
    type Err = ParseWhenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::At).map_err(|_| ParseWhenError);
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time.as_second()));
        }
        let (text, is_future) = match text.strip_prefix('+') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        // The sign is said by the plus, or by there being none.
        if text.starts_with(['+', '-']) || text.ends_with("ago") {
            return Err(ParseWhenError);
        }
        let span: Span = text.parse().map_err(|_| ParseWhenError)?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
        let length = length.map_err(|_| ParseWhenError)?;
        Ok(Self::FromNow(if is_future { length } else { -length }))
    }
}

impl When {
    /// In seconds since the epoch, which requests want positive: to them, anything else is no
    /// time. Whoever says a time before 1970 means all of it.
    pub fn unix_s(self, now: Timestamp) -> i64 {
        let unix_s = match self {
            Self::FromNow(length) => now.as_duration().saturating_add(length).as_secs(),
            Self::At(unix_s) => unix_s,
        };
        unix_s.max(1)
    }
}

/// What a request says where there is a time, or none.
pub fn unix_s(when: Option<When>, now: Timestamp) -> i64 {
    when.map_or(0, |when| when.unix_s(now))
}

/// Reads `KEY=VALUE`. Keys have no equals sign in them.
pub fn key_value(text: &str) -> Result<KeyValue, String> {
    match text.split_once('=') {
        Some((key, value)) => Ok(KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        }),
        None => Err("it is KEY=VALUE".to_owned()),
    }
}

/// Reads a duration such as `2s`, `500ms` or `1m30s`, above zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    match duration.is_positive() {
        true => Ok(duration.unsigned_abs()),
        false => Err("a time limit is above zero".to_owned()),
    }
}

/// A parser of words that stand for values: `pod-started` for an event type.
macro_rules! words {
    ($words:expr) => {{
        use clap::builder::{PossibleValuesParser, TypedValueParser as _};

        let words = $words.iter().map(|(word, _)| *word);
        PossibleValuesParser::new(words).map(|given| {
            let known = $words
                .iter()
                .find(|(word, _)| *word == given.to_lowercase());
            known.map(|(_, value)| *value).unwrap_or_default()
        })
    }};
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon.
    fn now() -> Timestamp {
        "2018-04-16T12:00:00.9Z".parse().unwrap()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let noon = 1_523_880_000;
        for (text, unix_s) in [
            ("0s", noon),
            ("10m", noon - 600),
            ("1h30m", noon - 5400),
            ("1h 30m", noon - 5400),
            ("2d", noon - 2 * 86_400),
            ("1w", noon - 7 * 86_400),
            ("+90s", noon + 90),
            ("1523869200", 1_523_869_200),
            ("2018-04-16T09:00:00Z", noon - 3 * 3600),
            ("2018-04-16T11:00:00.75+02:00", noon - 3 * 3600),
            // Requests have no time before the first second.
            ("0", 1),
            ("1960-01-01T00:00:00Z", 1),
            ("1000w", noon - 7000 * 86_400),
            ("3000w", 1),
            ("9223372036854775807", i64::MAX),
        ] {
            let when: When = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(when.unix_s(now()), unix_s, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "+",
            "soon",
            "-10m",
            "+-10m",
            "10m ago",
            "1mo",
            "9223372036854775808",
            "2018-04-16",
            "10x",
        ] {
            assert_eq!(text.parse::<When>(), Err(ParseWhenError), "{text}");
        }
    }

    #[test]
    fn pairs_are_cut_at_the_first_equals_sign() {
        let pair = |key: &str, value: &str| {
            Ok(KeyValue {
                key: key.to_owned(),
                value: value.to_owned(),
            })
        };
        assert_eq!(key_value("a=b=c"), pair("a", "b=c"));
        assert_eq!(key_value("a="), pair("a", ""));
        assert!(key_value("a").is_err());
    }

    #[test]
    fn time_limits_are_above_zero() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for text in ["0s", "-1s", "soon", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
