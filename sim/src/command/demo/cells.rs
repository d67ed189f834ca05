//! Single values of answers, as people read them in a table.

use jiff::Timestamp;
use rkt_api::api::{Image, ImageType, Network, Pod, PodState};

/// Nanoseconds in a second.
const S_NS: i128 = 1_000_000_000;

/// The beginning of a UUID, which calls take for the whole.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The beginning of an image's id, likewise: as long as rkt shows it.
pub fn short_key(key: &str) -> &str {
    key.get(..19).unwrap_or(key)
}

/// A state as rkt names it.
pub fn state(state: PodState) -> &'static str {
    state.as_str_name().trim_start_matches("POD_STATE_")
}

/// The names of a pod's apps.
pub fn apps(pod: &Pod) -> String {
    let apps: Vec<_> = pod.apps.iter().map(|app| app.name.as_str()).collect();
    apps.join(", ")
}

/// A pod's networks and its addresses in them.
pub fn networks(pod: &Pod) -> String {
    let networks: Vec<_> = pod.networks.iter().map(network).collect();
    networks.join(", ")
}

fn network(network: &Network) -> String {
    let Network { name, ipv4, ipv6 } = network;
    format!("{name} {ipv4}{ipv6}").trim_end().to_owned()
}

/// The format that an image had before rkt took it.
pub fn format(image: &Image) -> &'static str {
    let format = image.base_format.as_ref().map(|format| format.r#type());
    let format = format.unwrap_or(ImageType::Undefined).as_str_name();
    format.trim_start_matches("IMAGE_TYPE_")
}

/// When an image was imported, in nanoseconds since the Unix epoch.
pub fn imported_unix_ns(image: &Image) -> i128 {
    i128::from(image.import_timestamp) * S_NS
}

/// A time in whole seconds UTC; empty for none.
pub fn time(unix_ns: i128) -> String {
    match Timestamp::from_nanosecond(unix_ns) {
        Ok(time) if unix_ns != 0 => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        _ => String::new(),
    }
}

/// How long ago a time was, in the largest unit, rounded down; empty for none.
pub fn ago(unix_ns: i128, now: Timestamp) -> String {
    if unix_ns == 0 {
        return String::new();
    }
    let s = (now.as_nanosecond() - unix_ns).max(0) / S_NS;
    match s {
        ..60 => format!("{s}s ago"),
        60..3600 => format!("{}m ago", s / 60),
        3600..86_400 => format!("{}h ago", s / 3600),
        86_400..31_557_600 => format!("{}d ago", s / 86_400),
        _ => format!("{}y ago", s / 31_557_600),
    }
}

/// A size in the largest unit that leaves a whole number, rounded down.
pub fn size(bytes: i64) -> String {
    match bytes {
        ..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_readable() {
        assert_eq!(time(0), "");
        assert_eq!(time(1_523_870_501_720_000_000), "2018-04-16 09:21:41");
        assert_eq!(time(i128::MAX), "");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(2048), "2 KiB");
        assert_eq!(size(44_511_232), "42 MiB");
        assert_eq!(short("é"), "é");
        assert_eq!(state(PodState::AbortedPrepare), "ABORTED_PREPARE");
    }

    #[test]
    fn times_are_seen_from_now() {
        let now = Timestamp::from_second(1_523_870_500).unwrap();
        let since = |s: i128| ago((1_523_870_500 - s) * S_NS, now);
        for (s, text) in [
            (-5, "0s ago"),
            (59, "59s ago"),
            (60, "1m ago"),
            (7199, "1h ago"),
            (86_400, "1d ago"),
            (365 * 86_400, "365d ago"),
            (366 * 86_400, "1y ago"),
        ] {
            assert_eq!(since(s), text);
        }
        assert_eq!(ago(0, now), "");
    }
}
