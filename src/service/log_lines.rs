//! What an entry of a journal becomes: lines (L-8), and responses of a size that clients take
//! (L-9).

use jiff::{Timestamp, tz::TimeZone};
use prost::encoding::encoded_len_varint;

use crate::{api::GetLogsResponse, logs::Found};

/// What a response stays under, in bytes: what gRPC clients receive by default.
const RESPONSE_BYTES: usize = 4 << 20;

/// The lines of an entry, the first of which has the entry's time. Each is made when it is asked
/// for: of a message there can be millions.
#[derive(Debug)]
pub(super) struct Lines {
    found: Found,
    zone: TimeZone,
    /// Where in the message the next line begins; `None` before the first one.
    next: Option<usize>,
}

impl Lines {
    pub(super) fn of(found: Found, zone: &TimeZone) -> Self {
        Self {
            found,
            zone: zone.clone(),
            next: None,
        }
    }

    /// What comes up to the next end of a line, or of the message.
    fn part(&mut self) -> Option<&[u8]> {
        let begin = self.next.unwrap_or(0);
        let rest = self.found.message.get(begin..)?;
        let length = rest.iter().position(|byte| *byte == b'\n');
        let part = &rest[..length.unwrap_or(rest.len())];
        // Behind the end of a message is no line; before it there is one, though it be empty.
        self.next = Some(begin + part.len() + 1);
        Some(part)
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.next.is_none() {
            let time = time(self.found.realtime_us, &self.zone);
            let first = self.part().map(text)?;
            return Some(format!("{time} MESSAGE={first}"));
        }
        loop {
            let part = self.part()?;
            if !part.is_empty() {
                return Some(text(part));
            }
        }
    }
}

/// How many lines a message is.
pub(super) fn count(message: &[u8]) -> usize {
    let further = message.split(|byte| *byte == b'\n').skip(1);
    1 + further.filter(|part| !part.is_empty()).count()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A time as Go's `2006-01-02 15:04:05.999999999 -0700 MST` has it.
fn time(realtime_us: u64, zone: &TimeZone) -> String {
    let time = i64::try_from(realtime_us).ok();
    let time = time.and_then(|us| Timestamp::from_microsecond(us).ok());
    // Journals do not go beyond the year 9999.
    let time = time.unwrap_or(Timestamp::MAX).to_zoned(zone.clone());
    time.strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
}

/// Lines on their way into responses.
#[derive(Debug, Default)]
pub(super) struct Responses {
    lines: Vec<String>,
    /// What they take in a response.
    size_bytes: usize,
    full: Vec<GetLogsResponse>,
}

impl Responses {
    pub(super) fn push(&mut self, line: String) {
        let line_bytes = 1 + encoded_len_varint(line.len() as u64) + line.len();
        if !self.lines.is_empty() && self.size_bytes + line_bytes >= RESPONSE_BYTES {
            self.flush();
        }
        self.size_bytes += line_bytes;
        self.lines.push(line);
    }

    /// Ends the response that is being filled, if there is something in it.
    pub(super) fn flush(&mut self) {
        if !self.lines.is_empty() {
            self.end();
        }
    }

    /// Ends the response that is being filled.
    pub(super) fn end(&mut self) {
        self.size_bytes = 0;
        let lines = std::mem::take(&mut self.lines);
        self.full.push(GetLogsResponse { lines });
    }

    /// Whether there are responses that wait to be sent.
    pub(super) fn is_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// The responses that are to be sent.
    pub(super) fn take(&mut self) -> Vec<GetLogsResponse> {
        std::mem::take(&mut self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(realtime_us: u64, message: &[u8]) -> Vec<String> {
        let found = Found {
            realtime_us,
            message: message.to_vec(),
        };
        let lines: Vec<_> = Lines::of(found, &TimeZone::UTC).collect();
        assert_eq!(lines.len(), count(message));
        lines
    }

    #[test]
    fn entries_become_lines() {
        const US: u64 = 1_500_000_000_000_000;
        for (us, message, lines) in [
            (
                US,
                &b"a"[..],
                &["2017-07-14 02:40:00 +0000 UTC MESSAGE=a"][..],
            ),
            (
                US + 1,
                b"",
                &["2017-07-14 02:40:00.000001 +0000 UTC MESSAGE="],
            ),
            (
                US + 120_000,
                b"\n\nx\n\ny\n",
                &["2017-07-14 02:40:00.12 +0000 UTC MESSAGE=", "x", "y"],
            ),
            (
                US + 1_000_000,
                b"\xff\xc3\xa4",
                &["2017-07-14 02:40:01 +0000 UTC MESSAGE=\u{fffd}ä"],
            ),
        ] {
            assert_eq!(of(us, message), lines);
        }
        // Whatever it is, it is written.
        for us in [0, u64::MAX, i64::MAX.unsigned_abs()] {
            assert_eq!(of(us, b"").len(), 1);
        }
    }

    #[test]
    fn times_are_of_the_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(-3));
        let time = time(1_500_000_000_000_000, &zone);
        assert_eq!(time, "2017-07-13 23:40:00 -0300 -03");
    }

    #[test]
    fn responses_are_as_full_as_clients_take() {
        use prost::Message as _;

        let mut responses = Responses::default();
        for bytes in [3 << 20, 1 << 20, 10, 5 << 20, 10, 10] {
            responses.push("x".repeat(bytes));
        }
        responses.flush();
        responses.flush();
        let counts: Vec<_> = responses.take().iter().map(|it| it.lines.len()).collect();
        assert_eq!(counts, [1, 2, 1, 2]);

        responses.end();
        assert_eq!(responses.take(), [GetLogsResponse::default()]);

        // A line with its key and length.
        let exact = RESPONSE_BYTES - 1 - 5;
        responses.push("x".repeat(exact));
        responses.flush();
        assert_eq!(responses.take()[0].encoded_len(), RESPONSE_BYTES - 1);
    }
}
