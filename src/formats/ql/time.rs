//! Points in time and spans of time as the engine stores them.
//!
//! The payload of a stored time is a message of Go's gob encoding around the binary form of
//! a `time.Time`. Gob is spoken here just as far as that takes.

use super::error::Flaw;

/// From 0001-01-01 00:00:00 UTC, where Go begins to count, to 1970-01-01.
const UNIX_EPOCH_S: i64 = 62_135_596_800;

/// The zone offset that stands for UTC. No zone is one minute west of Greenwich.
const UTC_MINUTES: i16 = -1;

/// What comes before the fields of a time: the length of the message, the type id 69 (which
/// the engine's times have, because it registers its types in this order), the mark of a value
/// that is no struct, the length of the time, and its version.
const PREAMBLE: [u8; 6] = [0x13, 0xFF, 0x8A, 0x00, 0x0F, 0x01];

/// A point in time, with the zone that it was taken in.
///
/// Equality is that of what is stored: the same instant in two zones is two different
/// values. To order times or to tell whether they are the same instant, compare
/// [`Time::instant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds since 1970-01-01 00:00:00 UTC, negative before.
    pub unix_s: i64,
    /// Nanoseconds after that second, below 1 000 000 000.
    pub nanos: u32,
    /// The zone of the clock that it was read from. Does not move the instant.
    pub zone: Zone,
}

/// The zone that belongs to a [`Time`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Go's own UTC.
    Utc,
    /// A local or fixed zone, also one that happens to be at +00:00.
    Offset {
        /// Seconds east of Greenwich. Only whole minutes, from -32768 to 32767 and other than
        /// -1, can be stored; times that newer versions of Go wrote may have odd seconds.
        east_s: i32,
    },
}

impl Time {
    /// Go's zero time, 0001-01-01 00:00:00 UTC, which stands for "never".
    pub const ZERO: Time = Time {
        unix_s: -UNIX_EPOCH_S,
        nanos: 0,
        zone: Zone::Utc,
    };

    /// The instant alone, as seconds and nanoseconds since 1970-01-01 00:00:00 UTC. Ordered.
    #[must_use]
    pub fn instant(self) -> (i64, u32) {
        (self.unix_s, self.nanos)
    }

    /// Writes the payload of a stored time, in the form that every version of Go can read.
    pub(super) fn to_payload(self) -> Result<[u8; 20], Flaw> {
        let seconds = self
            .unix_s
            .checked_add(UNIX_EPOCH_S)
            .ok_or("a time is out of range")?;
        if self.nanos > 999_999_999 {
            return Err("a time has more than a second of nanoseconds");
        }
        let minutes = match self.zone {
            Zone::Utc => UTC_MINUTES,
            Zone::Offset { east_s } => Some(east_s)
                .filter(|east_s| east_s % 60 == 0)
                .and_then(|east_s| i16::try_from(east_s / 60).ok())
                .filter(|minutes| *minutes != UTC_MINUTES)
                .ok_or("a time's zone cannot be stored")?,
        };
        let mut payload = [0; 20];
        payload[..6].copy_from_slice(&PREAMBLE);
        payload[6..14].copy_from_slice(&seconds.to_be_bytes());
        payload[14..18].copy_from_slice(&self.nanos.to_be_bytes());
        payload[18..].copy_from_slice(&minutes.to_be_bytes());
        Ok(payload)
    }

    /// Reads the payload of a stored time.
    pub(super) fn from_payload(payload: &[u8]) -> Result<Self, Flaw> {
        const CUT_OFF: Flaw = "a time is cut off";

        let mut message = message(payload)?;
        let len = gob_uint(&mut message)?;
        if u64::try_from(message.len()) != Ok(len) {
            return Err("a time has another length than it says");
        }
        let (version, rest) = message.split_first().ok_or(CUT_OFF)?;
        let (seconds, rest) = rest.split_first_chunk().ok_or(CUT_OFF)?;
        let (nanos, rest) = rest.split_first_chunk().ok_or(CUT_OFF)?;
        let (minutes, rest) = rest.split_first_chunk().ok_or(CUT_OFF)?;
        let odd_s = match (version, rest) {
            (1, []) => 0,
            // Only for zones with odd seconds.
            (2, [odd_s]) => odd_s.cast_signed(),
            _ => return Err("a time is of an unknown version or too long"),
        };
        let unix_s = i64::from_be_bytes(*seconds)
            .checked_sub(UNIX_EPOCH_S)
            .ok_or("a time is out of range")?;
        let nanos = u32::from_be_bytes(*nanos);
        if nanos > 999_999_999 {
            return Err("a time has more than a second of nanoseconds");
        }
        let minutes = i16::from_be_bytes(*minutes);
        let zone = if (minutes, odd_s) == (UTC_MINUTES, 0) {
            Zone::Utc
        } else {
            Zone::Offset {
                east_s: i32::from(minutes) * 60 + i32::from(odd_s),
            }
        };
        Ok(Self {
            unix_s,
            nanos,
            zone,
        })
    }
}

/// Reads the payload of a stored duration, in nanoseconds.
pub(super) fn duration_from_payload(payload: &[u8]) -> Result<i64, Flaw> {
    let mut message = message(payload)?;
    let nanos = gob_int(&mut message)?;
    if !message.is_empty() {
        return Err("a duration is longer than it says");
    }
    Ok(nanos)
}

/// Opens a gob message: its length, the id of its type, and a zero that marks a value that is
/// no struct. Returns the value.
///
/// The id depends on the order in which a program registers its types, so it is not looked at.
fn message(payload: &[u8]) -> Result<&[u8], Flaw> {
    let mut rest = payload;
    let len = gob_uint(&mut rest)?;
    if u64::try_from(rest.len()) != Ok(len) {
        return Err("a gob message has another length than it says");
    }
    let _type_id = gob_int(&mut rest)?;
    match rest.split_first() {
        Some((0, value)) => Ok(value),
        _ => Err("a gob message is not of a single value"),
    }
}

/// Takes an unsigned gob integer off the front: itself below 128, else the negated number of
/// the big-endian bytes that follow.
fn gob_uint(input: &mut &[u8]) -> Result<u64, Flaw> {
    const CUT_OFF: Flaw = "a gob integer is cut off";

    let (&first, rest) = input.split_first().ok_or(CUT_OFF)?;
    if first < 0x80 {
        *input = rest;
        return Ok(u64::from(first));
    }
    let len = usize::from(first.wrapping_neg());
    if len > 8 {
        return Err("a gob integer has more than 64 bits");
    }
    let (bytes, rest) = rest.split_at_checked(len).ok_or(CUT_OFF)?;
    *input = rest;
    Ok(bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// Takes a signed gob integer off the front: an unsigned one with the sign in the lowest bit.
fn gob_int(input: &mut &[u8]) -> Result<i64, Flaw> {
    let bits = gob_uint(input)?;
    let magnitude = (bits >> 1).cast_signed();
    Ok(if bits & 1 == 0 { magnitude } else { !magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payload of a time of version 1.
    fn payload(seconds: i64, nanos: u32, minutes: i16) -> Vec<u8> {
        [
            &PREAMBLE[..],
            &seconds.to_be_bytes(),
            &nanos.to_be_bytes(),
            &minutes.to_be_bytes(),
        ]
        .concat()
    }

    #[test]
    fn times_of_the_sample_database() {
        let import = [
            0x13, 0xFF, 0x8A, 0x00, 0x0F, 0x01, 0x00, 0x00, 0x00, 0x0E, 0xCE, 0x6B, 0x0E, 0xBF,
            0x00, 0x00, 0x03, 0x7A, 0xFF, 0xFF,
        ];
        let expected = Time {
            unix_s: 1_457_067_967,
            nanos: 890,
            zone: Zone::Utc,
        };
        assert_eq!(Time::from_payload(&import), Ok(expected));
        assert_eq!(expected.to_payload(), Ok(import));

        let last_used = [
            0x13, 0xFF, 0x8A, 0x00, 0x0F, 0x01, 0x00, 0x00, 0x00, 0x0E, 0xD1, 0x1C, 0xBA, 0xA0,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x78,
        ];
        let expected = Time {
            unix_s: 1_502_266_272,
            nanos: 0,
            zone: Zone::Offset { east_s: 7200 },
        };
        assert_eq!(Time::from_payload(&last_used), Ok(expected));
        assert_eq!(expected.to_payload(), Ok(last_used));
    }

    #[test]
    fn utc_is_not_the_zone_at_zero() {
        let zone = |minutes| Time::from_payload(&payload(0, 0, minutes)).unwrap().zone;
        assert_eq!(zone(-1), Zone::Utc);
        assert_eq!(zone(0), Zone::Offset { east_s: 0 });
        assert_eq!(zone(-330), Zone::Offset { east_s: -19_800 });
        let utc = Time::from_payload(&payload(0, 0, -1)).unwrap();
        let local = Time::from_payload(&payload(0, 0, 0)).unwrap();
        assert_eq!(utc, Time::ZERO);
        assert_ne!(utc, local);
        assert_eq!(utc.instant(), local.instant());
    }

    #[test]
    fn odd_seconds_in_zones_of_newer_versions_of_go() {
        let mut payload = payload(UNIX_EPOCH_S, 0, -296);
        payload.push(0xFE);
        payload[0] = 0x14;
        payload[4] = 0x10;
        payload[5] = 0x02;
        let time = Time::from_payload(&payload).unwrap();
        assert_eq!(time.unix_s, 0);
        assert_eq!(time.zone, Zone::Offset { east_s: -17_762 });
    }

    #[test]
    fn the_type_id_is_not_fixed() {
        let mut payload = payload(UNIX_EPOCH_S, 5, -1);
        payload[2] = 0x80;
        assert_eq!(Time::from_payload(&payload).unwrap().instant(), (0, 5));
    }

    #[test]
    fn damaged_times_are_errors() {
        let sound = payload(0, 999_999_999, -1);
        assert!(Time::from_payload(&sound).is_ok());
        for len in 0..sound.len() {
            assert!(Time::from_payload(&sound[..len]).is_err(), "{len} bytes");
        }
        assert!(Time::from_payload(&[&sound[..], &[0]].concat()).is_err());
        assert!(Time::from_payload(&payload(0, 1_000_000_000, -1)).is_err());
        assert!(Time::from_payload(&payload(i64::MIN, 0, -1)).is_err());
        // An integer of more bytes than it can have, a struct, and an unknown version.
        for (at, byte) in [(0, 0x80), (1, 0xF0), (3, 0x01), (5, 0x03)] {
            let mut damaged = sound.clone();
            damaged[at] = byte;
            assert!(Time::from_payload(&damaged).is_err(), "{byte:#x} at {at}");
        }
    }

    #[test]
    fn times_that_cannot_be_stored() {
        let time = |unix_s, nanos, east_s| Time {
            unix_s,
            nanos,
            zone: Zone::Offset { east_s },
        };
        assert!(time(0, 999_999_999, -32_768 * 60).to_payload().is_ok());
        assert!(time(i64::MAX, 0, 0).to_payload().is_err());
        assert!(time(0, 1_000_000_000, 0).to_payload().is_err());
        assert!(time(0, 0, 61).to_payload().is_err(), "odd seconds");
        assert!(time(0, 0, -60).to_payload().is_err(), "would read as UTC");
        assert!(time(0, 0, 32_768 * 60).to_payload().is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(duration_from_payload(&[0x03, 0x04, 0x00, 0x06]), Ok(3));
        assert_eq!(duration_from_payload(&[0x03, 0x04, 0x00, 0x05]), Ok(-3));
        assert_eq!(
            duration_from_payload(&[0x05, 0x04, 0x00, 0xFE, 0x01, 0x00]),
            Ok(128)
        );
        assert!(duration_from_payload(&[0x04, 0x04, 0x00, 0x05, 0x05]).is_err());
        assert!(duration_from_payload(&[]).is_err());
    }
}
