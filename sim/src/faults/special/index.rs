//! Faults of the image index `ql.db` and of its write-ahead log.
//!
//! The index is bytes here, nothing but a header and 16-byte atoms: a fault does not care what
//! it hits. The format is explained in [`rkt_api::formats::ql`].

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rand::{Rng as _, RngExt as _};
use rkt_api::layout::store;

use super::{Special, of_host};
use crate::faults::{
    Rng,
    beneath::Root,
    change::{Change, Plan, Unfit},
    look::missing,
};

pub(super) static TABLE: &[Special] = &[
    of_host(
        "index/cut",
        "The image index ends at some multiple of 16 bytes.",
        |root, rng| {
            edit(root, |index| {
                index.truncate(rng.random_range(1..index.len() / ATOM) * ATOM);
            })
        },
    ),
    of_host(
        "index/cut-unaligned",
        "The image index ends in the middle of an atom.",
        |root, rng| {
            edit(root, |index| {
                let atom = rng.random_range(0..index.len() / ATOM) * ATOM;
                index.truncate(atom + rng.random_range(1..ATOM));
            })
        },
    ),
    of_host(
        "index/changed-bytes",
        "Some bytes of the image index have changed, behind its header.",
        |root, rng| edit(root, |index| change_bytes(index, rng)),
    ),
    of_host(
        "index/zeroed",
        "The image index is all zeros, and as long as before.",
        |root, _| edit(root, |index| index.fill(0)),
    ),
    of_host(
        "index/zeroed-blocks",
        "The image index is all zeros behind its header.",
        |root, _| edit(root, |index| index[ATOM..].fill(0)),
    ),
    of_host(
        "index/magic",
        "The image index does not begin with the magic number.",
        |root, _| edit(root, |index| index[0] ^= 0xFF),
    ),
    of_host(
        "index/begun",
        "The image index is 128 bytes, which is what a crash while it is made can leave.",
        |root, _| edit(root, |index| index.truncate(FIRST_BLOCK)),
    ),
    of_host(
        "index/longer",
        "The image index has an atom of junk at its end.",
        |root, rng| {
            edit(root, |index| {
                let mut junk = [0xFC; ATOM];
                rng.fill_bytes(&mut junk[1..]);
                index.extend(junk);
            })
        },
    ),
    of_host(
        "index-log/complete",
        "A crash in a commit left the image index torn, and a complete log that mends it.",
        |root, rng| {
            let sound = index(root)?;
            let mut torn = sound.clone();
            let mut log = Log::new();
            for at in some_atoms(&sound, rng) {
                torn[at..at + ATOM].fill(0);
                log.write(at, &sound[at..at + ATOM]);
            }
            let log = log.commit(sound.len());
            Ok(vec![
                Change::file(index_path(), torn),
                Change::file(log_path(), log),
            ])
        },
    ),
    of_host(
        "index-log/incomplete",
        "A crash in a commit left a log without its end, which has no effect.",
        |root, rng| {
            let log = some_writes(&index(root)?, rng).into_bytes();
            Ok(vec![Change::file(log_path(), log)])
        },
    ),
    of_host(
        "index-log/torn",
        "A crash in a commit left a log that ends in the middle of its last packet.",
        |root, rng| {
            let index = index(root)?;
            let mut log = some_writes(&index, rng).commit(index.len());
            log.truncate(log.len() - ATOM / 2);
            Ok(vec![Change::file(log_path(), log)])
        },
    ),
    of_host(
        "index-log/too-long",
        "The log is complete, and makes the image index a terabyte long.",
        |root, rng| {
            let log = some_writes(&index(root)?, rng).commit(1 << 40);
            Ok(vec![Change::file(log_path(), log)])
        },
    ),
    of_host(
        "index-log/overwrites",
        "The log is complete, and writes junk over all blocks of the image index.",
        |root, _| {
            let index = index(root)?;
            let mut log = Log::new();
            for at in (FIRST_BLOCK..index.len()).step_by(ATOM) {
                log.write(at, &[0xFF; ATOM]);
            }
            let log = log.commit(index.len());
            Ok(vec![Change::file(log_path(), log)])
        },
    ),
];

/// The unit in which the index is laid out; also the length of its header.
const ATOM: usize = 16;

/// Where the first block begins.
const FIRST_BLOCK: usize = 128;

/// How many writes a log has, beside the one to the first block.
const MORE_WRITES: usize = 8;

/// How many bytes change at most.
const MAX_CHANGED: usize = 16;

fn index_path() -> PathBuf {
    Path::new(store::DB_DIR).join(store::DB)
}

fn log_path() -> PathBuf {
    Path::new(store::DB_DIR).join(store::DB_LOG)
}

/// The index, if there is something in it.
fn index(root: &Root) -> Result<Vec<u8>, Unfit> {
    let path = index_path();
    if root.kind(&path)?.is_none() {
        return Err(missing(&path));
    }
    let index = root.read(&path)?;
    if index.len() <= FIRST_BLOCK || !index.len().is_multiple_of(ATOM) {
        return Err(Unfit("there is no image in the index".to_owned()));
    }
    Ok(index)
}

fn edit(root: &Root, edit: impl FnOnce(&mut Vec<u8>)) -> Plan {
    let mut index = index(root)?;
    edit(&mut index);
    Ok(vec![Change::file(index_path(), index)])
}

fn change_bytes(index: &mut [u8], rng: &mut Rng) {
    for _ in 0..rng.random_range(1..=MAX_CHANGED) {
        let at = rng.random_range(ATOM..index.len());
        // Any bits but none.
        index[at] ^= rng.random_range(1..=u8::MAX);
    }
}

/// Where some of the atoms begin. The first block is one: it leads to all others, so nobody
/// can overlook what becomes of it.
fn some_atoms(index: &[u8], rng: &mut Rng) -> BTreeSet<usize> {
    let more = (0..MORE_WRITES).map(|_| rng.random_range(FIRST_BLOCK / ATOM..index.len() / ATOM));
    more.map(|atom| atom * ATOM).chain([FIRST_BLOCK]).collect()
}

/// A log without its end, that writes zeros.
fn some_writes(index: &[u8], rng: &mut Rng) -> Log {
    let mut log = Log::new();
    for at in some_atoms(index, rng) {
        log.write(at, &[0; ATOM]);
    }
    log
}

/// A write-ahead log in the making.
struct Log(Vec<u8>);

impl Log {
    /// A log that so far has its header alone: `(0, 0, "")`.
    fn new() -> Self {
        let mut log = Self(Vec::new());
        log.packet(&[0x55, 0x55, 0x29]);
        log
    }

    /// Adds that these bytes, one atom, are to be written at a place in the file:
    /// `(1, bytes, offset)`.
    fn write(&mut self, at: usize, atom: &[u8]) {
        let tag = 0x15 + u8::try_from(ATOM).unwrap_or_default();
        let mut packet = vec![0x56, tag];
        packet.extend(atom);
        packet.extend(scalar(at - ATOM));
        self.packet(&packet);
    }

    /// Ends the log with the length that the file is to have: `(2, length)`.
    fn commit(mut self, len: usize) -> Vec<u8> {
        let mut packet = vec![0x57];
        packet.extend(scalar(len - ATOM));
        self.packet(&packet);
        self.0
    }

    fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Appends the length, the packet, and zeros up to a whole atom.
    fn packet(&mut self, packet: &[u8]) {
        let len = u32::try_from(packet.len()).unwrap_or_default();
        self.0.extend(len.to_be_bytes());
        self.0.extend(packet);
        self.0.resize(self.0.len().next_multiple_of(ATOM), 0);
    }
}

/// An integer as a scalar: itself in one byte up to 170, else a tag with its length and its
/// bytes. Offsets and lengths in logs do not count the file's header.
fn scalar(number: usize) -> Vec<u8> {
    if let Some(tag) = u8::try_from(number).ok().and_then(|n| n.checked_add(0x55)) {
        return vec![tag];
    }
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let significant = &bytes[zeros..];
    let tag = 0x4C + u8::try_from(significant.len()).unwrap_or_default();
    let mut scalar = vec![tag];
    scalar.extend(significant);
    scalar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_as_the_engine_writes_it() {
        // What a crash left of a commit of the engine, but for the number of bytes written.
        let mut log = Log::new();
        log.write(
            208,
            &[3, 0x55, 0x56, 0x5D, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        );
        #[rustfmt::skip]
        assert_eq!(
            log.commit(2592),
            [
                0x00, 0x00, 0x00, 0x03, 0x55, 0x55, 0x29, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0x00, 0x00, 0x00, 0x14, 0x56, 0x25, 0x03, 0x55, 0x56, 0x5D, 0, 0, 0, 0, 0, 0,
                0, 0, 0, 0, 0, 0, 0x4D, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0,
                0x00, 0x00, 0x00, 0x04, 0x57, 0x4E, 0x0A, 0x10, 0, 0, 0, 0, 0, 0, 0, 0,
            ]
        );
        assert_eq!(scalar(0), [0x55]);
        assert_eq!(scalar(170), [0xFF]);
        assert_eq!(scalar(171), [0x4D, 171]);
    }
}
