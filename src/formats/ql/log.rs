//! The write-ahead log: what a crash in the middle of a commit leaves beside the database.
//!
//! A log is packets: a header, writes, and a commit mark. With all of them the transaction
//! is durable and has to be applied, whatever part of it the database already shows; doing
//! so twice does no harm. Without a commit mark the database was not touched.

use std::ops::Range;

use bytes::Bytes;

use super::{
    block::{ATOM, HEADER_LEN, MAX_CONTENT},
    error::Error,
    scalar::{Scalar, Scalars},
};

/// What one packet asks for. Positions do not count the database's file header.
enum Packet {
    Header,
    Write { bytes: Bytes, at: u64 },
    Commit { len: u64 },
}

/// A transaction whose commit mark is there.
struct Transaction {
    writes: Vec<(Bytes, u64)>,
    /// The length of the database after it, in bytes without the file header.
    len: u64,
    /// Where its commit mark lies in the log, in bytes.
    commit_offset: u64,
}

/// The database file as it is once `log` has been applied to `file`.
///
/// A log that is not complete changes nothing.
///
/// # Errors
///
/// [`Error::Log`] when a complete log makes the file longer by more than it can account for.
pub(super) fn apply(file: Bytes, log: &[u8]) -> Result<Bytes, Error> {
    let Some(transaction) = parse(log) else {
        return Ok(file);
    };
    // What a transaction adds to the file it also writes, up to zeros at the end of a block.
    let longest = file.len() + log.len() + MAX_CONTENT;
    let len = usize::try_from(transaction.len)
        .ok()
        .and_then(|len| len.checked_add(HEADER_LEN))
        .filter(|len| *len <= longest)
        .ok_or(Error::Log {
            offset: transaction.commit_offset,
            why: "it makes the database longer than its writes do",
        })?;
    let mut file = Vec::from(file);
    file.resize(len, 0);
    for (bytes, at) in transaction.writes {
        // What lies behind the new end of the file is cut off with it.
        if let Some(range) = range(at, len) {
            let count = bytes.len().min(range.len());
            file[range][..count].copy_from_slice(&bytes[..count]);
        }
    }
    Ok(file.into())
}

/// From a position without the file header to the end of a file of length `len`.
fn range(at: u64, len: usize) -> Option<Range<usize>> {
    let start = usize::try_from(at).ok()?.checked_add(HEADER_LEN)?;
    (start < len).then_some(start..len)
}

/// Reads a log, if it is complete.
fn parse(log: &[u8]) -> Option<Transaction> {
    let mut rest = Bytes::copy_from_slice(log);
    let Packet::Header = packet(&mut rest)? else {
        return None;
    };
    let mut writes = Vec::new();
    loop {
        let commit_offset = (log.len() - rest.len()) as u64;
        match packet(&mut rest)? {
            Packet::Header => return None,
            Packet::Write { bytes, at } => writes.push((bytes, at)),
            Packet::Commit { len } => {
                return rest.is_empty().then_some(Transaction {
                    writes,
                    len,
                    commit_offset,
                });
            }
        }
    }
}

/// Takes a packet off the front: its length, a vector, and zeros up to a whole atom.
fn packet(log: &mut Bytes) -> Option<Packet> {
    let len = usize::try_from(u32::from_be_bytes(*log.first_chunk()?)).ok()?;
    let padded = len.checked_add(4)?.checked_next_multiple_of(ATOM)?;
    if padded > log.len() {
        return None;
    }
    let mut packet = log.split_to(padded);
    let padding = packet.split_off(4 + len);
    if padding.iter().any(|&byte| byte != 0) {
        return None;
    }
    let mut scalars = Scalars::new(packet.split_off(4));
    let kind = scalars.int().ok()?;
    let item = scalars.next()?.ok()?;
    let packet = match (kind, item) {
        (0, Scalar::Int(0)) => match scalars.next()?.ok()? {
            Scalar::Text(_) => Packet::Header,
            _ => return None,
        },
        (1, Scalar::Bytes(bytes)) if (1..=512).contains(&bytes.len()) => Packet::Write {
            bytes,
            at: u64::try_from(scalars.int().ok()?).ok()?,
        },
        (2, Scalar::Int(len)) => Packet::Commit {
            len: u64::try_from(len).ok()?,
        },
        _ => return None,
    };
    scalars.end().ok()?;
    Some(packet)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a crash left of the commit of `UPDATE version SET version = 8` in the sample
    /// database.
    pub(in super::super) const LOG: [u8; 64] = [
        0x00, 0x00, 0x00, 0x03, 0x55, 0x55, 0x29, 0, 0, 0, 0, 0, 0, 0, 0, 0, // header
        0x00, 0x00, 0x00, 0x14, 0x56, 0x25, 0x03, 0x55, 0x56, 0x5D, 0, 0, 0, 0, 0, 0, // write
        0, 0, 0, 0, 0, 0, 0x4D, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, // at 192
        0x00, 0x00, 0x00, 0x04, 0x57, 0x4E, 0x0A, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, // length 2576
    ];
    const HEADER: std::ops::Range<usize> = 0..16;
    const WRITE: std::ops::Range<usize> = 16..48;
    const COMMIT: std::ops::Range<usize> = 48..64;

    fn file() -> Bytes {
        vec![0xEE; 2592].into()
    }

    #[test]
    fn a_complete_log_is_applied() {
        let applied = apply(file(), &LOG).unwrap();
        let mut expected = file().to_vec();
        expected[0xD0..0xE0]
            .copy_from_slice(&[3, 0x55, 0x56, 0x5D, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(applied, expected);
        assert_eq!(apply(applied.clone(), &LOG), Ok(applied), "again");
    }

    #[test]
    fn an_incomplete_log_is_ignored() {
        for len in 0..LOG.len() {
            assert_eq!(apply(file(), &LOG[..len]), Ok(file()), "{len} bytes");
        }
        for incomplete in [
            [&LOG[WRITE], &LOG[COMMIT]].concat(),
            [&LOG[HEADER], &LOG[HEADER], &LOG[COMMIT]].concat(),
            [&LOG[..], &LOG[COMMIT]].concat(),
            [&LOG[..], &[0; 16]].concat(),
            [&LOG[..COMMIT.start], &[0; 16], &LOG[COMMIT]].concat(),
        ] {
            assert_eq!(apply(file(), &incomplete), Ok(file()), "{incomplete:02x?}");
        }
        for (at, byte) in [
            (15, 1),    // padding
            (16, 0xFF), // length of a packet
            (20, 0x58), // unknown kind of packet
            (21, 0x29), // text instead of bytes
            (38, 0x4C), // negative position
        ] {
            let mut damaged = LOG;
            damaged[at] = byte;
            assert_eq!(apply(file(), &damaged), Ok(file()), "{byte:#x} at {at}");
        }
    }

    #[test]
    fn the_commit_mark_gives_the_length() {
        let commit = |len: u16| {
            let mut log = LOG;
            log[54..56].copy_from_slice(&len.to_be_bytes());
            apply(file(), &log).unwrap()
        };
        // Cut off within the write, before it, and grown.
        assert_eq!(commit(196).len(), 212);
        assert_eq!(commit(196)[208..], [3, 0x55, 0x56, 0x5D]);
        assert_eq!(commit(112).len(), 128);
        assert_eq!(commit(2608).len(), 2624);
        assert_eq!(commit(2608)[2592..], [0; 32]);
    }

    #[test]
    fn a_length_out_of_all_proportion_is_an_error() {
        let huge = [0, 0, 0, 10, 0x57, 0x54, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let log = [&LOG[HEADER], &LOG[WRITE], &huge].concat();
        assert_eq!(
            apply(file(), &log),
            Err(Error::Log {
                offset: 48,
                why: "it makes the database longer than its writes do"
            })
        );
    }
}
