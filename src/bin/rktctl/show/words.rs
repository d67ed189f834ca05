//! Single values in words: ages, sizes, states, pairs.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use rkt_api::api::{App, AppState, EventType, ImageFormat, ImageType, KeyValue, Network, PodState};

use super::table::Cell;
use crate::cli;

/// Nanoseconds in a second.
const S_NS: i128 = 1_000_000_000;

/// A time that came in seconds since the epoch, 0 being none.
pub fn time_s(unix_s: i64) -> Option<Timestamp> {
    let time = Timestamp::from_second(unix_s).ok();
    time.filter(|_| unix_s != 0)
}

/// A time that came in nanoseconds since the epoch, 0 being none.
pub fn time_ns(unix_ns: i64) -> Option<Timestamp> {
    let time = Timestamp::from_nanosecond(unix_ns.into()).ok();
    time.filter(|_| unix_ns != 0)
}

/// How long ago that was, in the largest unit of which there are two: an hour and a half is 90
/// minutes.
pub fn age(time: Timestamp, now: Timestamp) -> String {
    const UNITS: [(i128, &str); 7] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let past_s = (now.as_nanosecond() - time.as_nanosecond()) / S_NS;
    if past_s == 0 {
        return "just now".to_owned();
    }
    let is_unit = |(length_s, _): &&(i128, &str)| past_s.abs() >= 2 * length_s;
    let (length_s, name) = UNITS.iter().find(is_unit).unwrap_or(&(1, "second"));
    let count = past_s.abs() / length_s;
    let plural = if count == 1 { "" } else { "s" };
    match past_s > 0 {
        true => format!("{count} {name}{plural} ago"),
        false => format!("in {count} {name}{plural}"),
    }
}

/// How long ago that was; empty for no time.
pub fn age_of(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map(|time| age(time, now)).unwrap_or_default()
}

/// A time, and how long ago that was; empty for no time.
pub fn time_and_age(time: Option<Timestamp>, now: Timestamp) -> String {
    let in_words = |time| format!("{time} ({})", age(time, now));
    time.map(in_words).unwrap_or_default()
}

/// A number of bytes, in powers of ten, as other tools have it.
pub fn size(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut scaled = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        // What would be shown as a thousand is one of the next unit.
        if scaled.abs() < 999.5 {
            break;
        }
        scaled /= 1000.0;
        unit = larger;
    }
    match unit == "B" || scaled.abs() >= 99.95 {
        true => format!("{scaled:.0} {unit}"),
        false => format!("{scaled:.1} {unit}"),
    }
}

/// A pod's state, as flags name it; `gone` is for pods that are no more.
pub fn pod_state(state: PodState) -> Cell {
    let known = cli::STATES.iter().find(|(_, known)| *known == state);
    let colour = match state {
        PodState::Running => Some(AnsiColor::Green),
        PodState::Embryo | PodState::Preparing => Some(AnsiColor::Yellow),
        PodState::Prepared => Some(AnsiColor::Cyan),
        PodState::AbortedPrepare => Some(AnsiColor::Red),
        PodState::Deleting | PodState::Garbage => Some(AnsiColor::BrightBlack),
        PodState::Exited | PodState::Undefined => None,
    };
    Cell::styled(known.map_or("", |(name, _)| name), style(colour))
}

/// The state of a pod that was listed before, and is no more.
pub fn gone() -> Cell {
    Cell::styled("gone", style(Some(AnsiColor::BrightBlack)))
}

/// An app's state and, of one that has exited, its exit code.
pub fn app_state(app: &App) -> Cell {
    match app.state() {
        AppState::Undefined => Cell::new(""),
        AppState::Running => Cell::styled("running", style(Some(AnsiColor::Green))),
        AppState::Exited => {
            let failed = (app.exit_code != 0).then_some(AnsiColor::Red);
            Cell::styled(format!("exited ({})", app.exit_code), style(failed))
        }
    }
}

/// What kind of event it is, as flags name it.
pub fn event_type(kind: EventType) -> &'static str {
    let known = cli::TYPES.iter().find(|(_, known)| *known == kind);
    known.map_or("", |(name, _)| name)
}

/// The format that an image had before rkt took it.
pub fn format(format: Option<&ImageFormat>) -> String {
    let Some(format) = format else {
        return String::new();
    };
    let kind = match format.r#type() {
        ImageType::Undefined => "undefined",
        ImageType::Appc => "appc",
        ImageType::Docker => "docker",
        ImageType::Oci => "oci",
    };
    format!("{kind} {}", format.version).trim_end().to_owned()
}

/// A network and the addresses in it.
pub fn network(network: &Network) -> String {
    let Network { name, ipv4, ipv6 } = network;
    let parts = [name, ipv4, ipv6].map(String::as_str);
    joined(parts.into_iter().filter(|part| !part.is_empty()), " ")
}

/// A pair as flags take it.
pub fn pair(KeyValue { key, value }: &KeyValue) -> String {
    format!("{key}={value}")
}

/// Pairs as flags take them.
pub fn pairs(pairs: &[KeyValue], between: &str) -> String {
    joined(pairs.iter().map(pair), between)
}

/// Texts in one.
pub fn joined(texts: impl IntoIterator<Item = impl Into<String>>, between: &str) -> String {
    let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
    texts.join(between)
}

fn style(colour: Option<AnsiColor>) -> Style {
    colour.map_or(Style::new(), |colour| colour.on_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let now: Timestamp = "2018-04-16T12:00:00Z".parse().unwrap();
        for (time, words) in [
            ("2018-04-16T12:00:00Z", "just now"),
            ("2018-04-16T11:59:59.5Z", "just now"),
            ("2018-04-16T11:59:59Z", "1 second ago"),
            ("2018-04-16T11:59:01Z", "59 seconds ago"),
            ("2018-04-16T11:58:01Z", "119 seconds ago"),
            ("2018-04-16T11:57:00Z", "3 minutes ago"),
            ("2018-04-16T10:30:00Z", "90 minutes ago"),
            ("2018-04-16T09:30:00Z", "2 hours ago"),
            ("2018-04-14T12:00:00Z", "2 days ago"),
            ("2018-04-02T12:00:00Z", "2 weeks ago"),
            ("2018-01-02T12:00:00Z", "3 months ago"),
            ("2017-04-16T12:00:00Z", "12 months ago"),
            ("1970-01-01T00:00:00Z", "48 years ago"),
            ("2018-04-16T12:00:01Z", "in 1 second"),
            ("2018-04-16T12:02:00Z", "in 2 minutes"),
        ] {
            assert_eq!(age(time.parse().unwrap(), now), words, "{time}");
        }
        assert_eq!(age_of(time_ns(0), now), "");
        assert_eq!(age_of(time_s(0), now), "");
    }

    #[test]
    fn sizes() {
        for (bytes, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_951, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (44_511_232, "44.5 MB"),
            (i64::MAX, "9.2 EB"),
            (-1500, "-1.5 kB"),
        ] {
            assert_eq!(size(bytes), words, "{bytes}");
        }
    }
}
