//! Reading journal files that somebody may be writing, truncating or replacing meanwhile, and
//! that nobody vouches for.
//!
//! A [`Journal`] is a file as it was at one moment: what is written later takes opening it
//! again. A [`Cursor`] goes through its entries, or through those that have one of some fields:
//! these it finds by the fields' own lists, so that the last few lines of one app cost a few
//! blocks, however large the file is. Which files belong together is for others to know.
//!
//! * Files are read by `pread(2)` in blocks (`source`), never mapped.
//! * All kinds that systemd 219 and later write are read: hashes keyed or not (`find`), compact or
//!   not, payloads compressed by XZ, LZ4 or ZSTD.
//! * What is damaged or lies (offsets, sizes, chains that lead back, payloads that swell) costs
//!   what is behind it. Nothing here takes more memory than [`MAX_VALUE_BYTES`] and a few MiB,
//!   or more than a few looks for each byte that the file has; a file that has terabytes of
//!   nothing is given up on.
//!
//! What makes an entry visible is its place in the list of all entries that the header counts.
//! systemd enters it there first and then in the lists of its fields, our writer the other
//! way round. So an entry beyond the last one that is counted is not taken, and the last one
//! may be missing in the lists of its fields for a moment: whoever goes on later has to do so
//! from the last entry that was taken, not from the last one that there was.

mod chain;
mod cursor;
mod error;
mod find;
mod header;
mod object;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use self::{chain::Chain, source::Blocks};
pub use self::{
    cursor::{Cursor, Direction, Selection},
    error::ReadError,
    header::Header,
    object::{Entry, MAX_VALUE_BYTES},
    source::ReadAt,
};

/// A journal file, as it was when it was opened.
#[derive(Debug)]
pub struct Journal<S> {
    blocks: Blocks<S>,
    header: Header,
    /// Where the last entry begins; 0 if there is none.
    last: u64,
    /// Data objects that are no message.
    others: HashSet<u64>,
    /// Data objects that may be one, and cannot be read.
    spoilt: HashSet<u64>,
}

impl<S: ReadAt> Journal<S> {
    /// Reads the header, and where the last entry is.
    ///
    /// # Errors
    ///
    /// When it is no journal, or of a kind that is not known.
    pub fn open(source: S) -> Result<Self, ReadError> {
        let mut blocks = Blocks::new(source)?;
        let header = Header::read(&mut blocks)?;
        let mut journal = Self {
            blocks,
            header,
            last: 0,
            others: HashSet::new(),
            spoilt: HashSet::new(),
        };
        let all = Chain::of_all(&mut journal);
        // Where the list is torn within a number, what is left of that is too small.
        let ends = all.len().saturating_sub(2)..all.len();
        let last = ends.filter_map(|index| all.get(&mut journal, index)).max();
        journal.last = last.unwrap_or(0);
        Ok(journal)
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the last entry begins that there was; 0 if there was none.
    pub fn last_offset(&self) -> u64 {
        self.last
    }

    /// How often something in the file was looked at: what reading it has cost.
    #[cfg(any(test, fuzzing))]
    pub fn looks(&self) -> u64 {
        self.blocks.looks
    }

    /// Whether an entry has this payload, `NAME=value`.
    pub fn has(&mut self, payload: &[u8]) -> bool {
        let selection = Selection::Having(vec![payload.to_vec()]);
        let mut cursor = Cursor::new(self, &selection, Direction::Forward, 0);
        cursor.next(self).is_some()
    }
}
