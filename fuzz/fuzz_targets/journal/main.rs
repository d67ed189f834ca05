//! Journal files that lie, read from end to end: what comes of it may be little, and must not take
//! long.
//!
//! A file has any bytes, or our writer has written it, or it is forged: put together of objects
//! that name each other at will. In the latter two some words are then changed. How long one file
//! takes, and how much memory, is for libFuzzer to limit (`-timeout`, `-malloc_limit_mb`); here it
//! is asserted that the work and the answer are in proportion to the file.

#![no_main]

mod forgery;
/// The module alone. The library that it is in depends on ten times as much, all of which would
/// have to be built anew for the fuzzer.
#[allow(dead_code, unused_imports)]
#[path = "../../../src/formats/journal/mod.rs"]
mod journal;
mod lie;
mod written;

use std::{cell::Cell, io};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

use self::{
    forgery::Forgery,
    journal::read::{Cursor, Direction, Journal, ReadAt, Selection},
    lie::Lie,
    written::Written,
};

/// What is looked for in files.
const PAYLOADS: [&str; 2] = ["SYSLOG_IDENTIFIER=web", "SYSLOG_IDENTIFIER=db"];

/// The least that an entry takes, in bytes.
const ENTRY_BYTES: usize = 64;

/// Of longer files, in bytes, the reader does not keep all blocks.
const MAX_FILE_BYTES: usize = 63 * 4096;

/// How many blocks are read at once where one follows the other.
const RUN_BLOCKS: usize = 16;

/// How often something is looked at for each byte of a file. Lists have a slot for each 4 bytes at
/// most. With two fields these are gone through a dozen times, should none of them lead to an
/// entry.
const LOOKS_PER_BYTE: usize = 4;

/// What is looked at however short a file is.
const LOOKS: usize = 100;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Written(u16, Written, Vec<Lie>),
    Forged(u16, Forgery, Vec<Lie>),
    Raw(&'a [u8]),
}

impl Input<'_> {
    /// The file, and the offset behind which it is to be read.
    fn file(&self) -> (Vec<u8>, u64) {
        let (mut bytes, after, lies) = match self {
            Self::Written(after, written, lies) => (written.bytes(), *after, lies),
            Self::Forged(after, forgery, lies) => (forgery.bytes(), *after, lies),
            Self::Raw(bytes) => return (bytes.to_vec(), 0),
        };
        lie::tell(lies, &mut bytes);
        (bytes, after.into())
    }
}

/// Counts what is read of it, in bytes.
struct Counted<'a>(&'a [u8], Cell<usize>);

impl ReadAt for Counted<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = self.0.read_at(buffer, offset)?;
        self.1.set(self.1.get() + length);
        Ok(length)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.0.size_bytes()
    }
}

fn read(bytes: &[u8], selection: &Selection, direction: Direction, after: u64) {
    let source = Counted(bytes, Cell::new(0));
    let Ok(mut journal) = Journal::open(&source) else {
        return;
    };
    let mut cursor = Cursor::new(&mut journal, selection, direction, after);
    let mut offsets = Vec::new();
    let mut steps = 0;
    while let Some(step) = cursor.step(&mut journal) {
        steps += 1;
        if let Some(entry) = step {
            offsets.push(entry.offset);
            drop(journal.message(&entry));
        }
    }
    assert!(offsets.iter().all(|offset| *offset > after));
    match direction {
        Direction::Forward => assert!(offsets.is_sorted_by(|a, b| a < b)),
        Direction::Backward => assert!(offsets.is_sorted_by(|a, b| a > b)),
    }
    // Entries do not overlap.
    assert!(steps * ENTRY_BYTES <= bytes.len(), "{steps} steps");
    // Whatever is read, at least one block of it had not been read before.
    let read_bytes = source.1.get();
    assert!(read_bytes <= RUN_BLOCKS * bytes.len(), "{read_bytes} bytes");
    let looks = journal.looks() as usize;
    assert!(
        looks <= LOOKS + LOOKS_PER_BYTE * bytes.len(),
        "{looks} looks"
    );
}

fuzz_target!(|input: Input<'_>| {
    let (bytes, after) = input.file();
    if bytes.len() > MAX_FILE_BYTES {
        return;
    }
    let payloads = PAYLOADS.map(|payload| payload.as_bytes().to_vec());
    for selection in [Selection::All, Selection::Having(payloads.to_vec())] {
        for direction in [Direction::Forward, Direction::Backward] {
            read(&bytes, &selection, direction, after);
        }
    }
});
