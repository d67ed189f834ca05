//! The file below the records: handles, blocks and their three kinds.
//!
//! Decoding a block says how far it extends and where its stored bytes lie. Following
//! relocations and unpacking contents is [`walk`](super::walk)'s job.

use std::{fmt, ops::Range};

use super::error::Flaw;

/// The unit of allocation, in bytes. Every block is a whole number of atoms.
pub(super) const ATOM: usize = 16;

/// The first bytes of every database that has any.
pub(super) const MAGIC: [u8; 4] = *b"\x60\xDBql";

/// The length of the file header, in bytes: the magic number and zeros. Free list table and
/// blocks follow it, and the log counts its offsets from its end.
pub(super) const HEADER_LEN: usize = 16;

/// Where the first block begins, in bytes: behind the header and the free list table.
pub(super) const FIRST_BLOCK: usize = HEADER_LEN + 112;

/// The longest content of a block, unpacked, in bytes.
pub(super) const MAX_CONTENT: usize = 65_787;

/// The longest stored content of a block whose length stands in its first byte.
const MAX_SHORT: usize = 251;

const TAG_LONG: u8 = 0xFC;
const TAG_RELOCATION: u8 = 0xFD;
const TAG_FREE_ATOM: u8 = 0xFE;
const TAG_FREE: u8 = 0xFF;

/// The name of a block: the ordinal of its first atom, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Handle(u64);

impl Handle {
    /// The block that says where the first table is.
    pub(super) const ROOT: Handle = Handle(1);

    /// Handles take seven bytes in binary structures.
    const MAX: u64 = (1 << 56) - 1;

    /// A handle out of a scalar vector, where 0 means none.
    pub(super) fn from_link(link: i64) -> Result<Option<Self>, Flaw> {
        match u64::try_from(link) {
            Ok(0) => Ok(None),
            Ok(link) if link <= Self::MAX => Ok(Some(Self(link))),
            _ => Err("a handle is out of range"),
        }
    }

    /// A handle out of a binary structure, where zeros mean none.
    fn from_be_bytes(bytes: &[u8; 7]) -> Option<Self> {
        match be56(bytes) {
            0 => None,
            handle => Some(Self(handle)),
        }
    }

    #[cfg(test)]
    /// The handle of a block that begins at `offset`, in bytes from the start of the file.
    pub(super) fn at_offset(offset: usize) -> Self {
        Self(((offset - FIRST_BLOCK) / ATOM) as u64 + 1)
    }

    #[cfg(test)]
    /// The handle as a scalar vector has it.
    pub(super) fn to_link(self) -> i64 {
        // Handles take 56 bits.
        self.0.cast_signed()
    }

    /// Where the block begins, in bytes from the start of the file.
    pub(super) fn offset(self) -> u64 {
        // At most 2^60, so there is nothing to overflow.
        (self.0 - 1) * ATOM as u64 + FIRST_BLOCK as u64
    }

    /// The ordinal of the block's first atom, counted from 0.
    pub(super) fn atom(self) -> u64 {
        self.0 - 1
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn be56(bytes: &[u8; 7]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Used(Used),
    /// Stands in for a block that has outgrown its place. Handles never change; contents move.
    Relocation {
        target: Option<Handle>,
    },
    Free,
}

/// A block with a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    /// Where the stored content lies, in bytes from the start of the file.
    pub(super) stored: Range<usize>,
    /// Whether the stored content is a zappy stream.
    pub(super) compressed: bool,
}

impl Block {
    /// Decodes the block at `handle` of a database file.
    pub(super) fn parse(file: &[u8], handle: Handle) -> Result<Self, Flaw> {
        const BEYOND: Flaw = "the block lies beyond the end of the file";

        let start = usize::try_from(handle.offset()).map_err(|_| BEYOND)?;
        let block = file.get(start..).ok_or(BEYOND)?;
        match *block {
            [TAG_LONG, m0, m1, ..] => {
                // Lengths that a short block could hold are free to mean longer ones.
                let m = usize::from(u16::from_be_bytes([m0, m1]));
                let len = if m > MAX_SHORT { m } else { m + 0x1_0000 };
                Self::used(block, start, 3, len)
            }
            [TAG_RELOCATION, t0, t1, t2, t3, t4, t5, t6, ..] => Ok(Self::Relocation {
                target: Handle::from_be_bytes(&[t0, t1, t2, t3, t4, t5, t6]),
            }),
            [TAG_FREE_ATOM | TAG_FREE, ..] => Ok(Self::Free),
            [len, ..] => Self::used(block, start, 1, usize::from(len)),
            [] => Err(BEYOND),
        }
    }

    /// A used block of `len` stored bytes after a head of `head` bytes.
    fn used(block: &[u8], start: usize, head: usize, len: usize) -> Result<Self, Flaw> {
        // At least one byte follows the stored ones, the flag in the block's last byte.
        let size = (head + len) / ATOM * ATOM + ATOM;
        let flag = block
            .get(size - 1)
            .ok_or("the block extends beyond the end of the file")?;
        let compressed = match flag {
            0 => false,
            1 => true,
            _ => return Err("the block's compression flag is neither 0 nor 1"),
        };
        let first = start + head;
        Ok(Self::Used(Used {
            stored: first..first + len,
            compressed,
        }))
    }
}

#[cfg(test)]
/// Appends a used block to a file, of whole atoms so far. The content is not compressed.
pub(super) fn encode(content: &[u8], file: &mut Vec<u8>) -> Result<(), Flaw> {
    match content.len() {
        len @ ..=MAX_SHORT => file.push(len as u8),
        len @ ..=MAX_CONTENT => {
            // The lengths beyond 16 bits take the place of those that a short block has.
            let [.., m0, m1] = len.to_be_bytes();
            file.extend([TAG_LONG, m0, m1]);
        }
        _ => return Err("the content does not fit into a block"),
    }
    file.extend_from_slice(content);
    // Zeros up to a whole atom, at least one: the last is the compression flag.
    file.resize((file.len() + 1).next_multiple_of(ATOM), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Handle = Handle::ROOT;

    /// A file of one block.
    fn file(block: &[u8]) -> Vec<u8> {
        [&[0; FIRST_BLOCK], block].concat()
    }

    #[test]
    fn handles_are_offsets_in_atoms() {
        assert_eq!(Handle(1).offset(), 128);
        assert_eq!(Handle(107).offset(), 0x720);
        assert_eq!(Handle::at_offset(0x720), Handle(107));
        assert_eq!(Handle::from_link(0), Ok(None));
        assert_eq!(
            Handle::from_link((1 << 56) - 1).map(|handle| handle.map(Handle::to_link)),
            Ok(Some((1 << 56) - 1))
        );
        assert!(Handle::from_link(1 << 56).is_err());
        assert!(Handle::from_link(-1).is_err());
    }

    /// Stored length, atoms, first bytes.
    #[test]
    fn used_blocks_where_their_size_changes() {
        for (len, atoms, head) in [
            (0, 1, &[0][..]),
            (14, 1, &[14]),
            (15, 2, &[15]),
            (30, 2, &[30]),
            (31, 3, &[31]),
            (251, 16, &[251]),
            (252, 16, &[0xFC, 0x00, 0xFC]),
            (253, 17, &[0xFC, 0x00, 0xFD]),
            (65_535, 4097, &[0xFC, 0xFF, 0xFF]),
            (65_536, 4097, &[0xFC, 0x00, 0x00]),
            (65_787, 4112, &[0xFC, 0x00, 0xFB]),
        ] {
            let content = vec![0xAA; len];
            let mut file = file(&[]);
            encode(&content, &mut file).unwrap();
            assert_eq!(file.len(), FIRST_BLOCK + atoms * ATOM, "{len}");
            assert!(file[FIRST_BLOCK..].starts_with(head), "{len}");
            let Ok(Block::Used(used)) = Block::parse(&file, FIRST) else {
                panic!("{len}");
            };
            assert_eq!(file[used.stored], content, "{len}");
            assert!(!used.compressed, "{len}");

            let end = file.len() - ATOM;
            assert!(Block::parse(&file[..end], FIRST).is_err(), "{len} cut off");
        }
        assert!(encode(&[0; 65_788], &mut Vec::new()).is_err());
    }

    #[test]
    fn other_blocks() {
        let mut atom = [0; ATOM];
        atom[0] = TAG_RELOCATION;
        assert_eq!(
            Block::parse(&file(&atom), FIRST),
            Ok(Block::Relocation { target: None })
        );
        atom[7] = 0x5F;
        let target = Some(Handle(95));
        assert_eq!(
            Block::parse(&file(&atom), FIRST),
            Ok(Block::Relocation { target })
        );
        atom[0] = TAG_FREE_ATOM;
        assert_eq!(Block::parse(&file(&atom), FIRST), Ok(Block::Free));
        atom[0] = TAG_FREE;
        assert_eq!(Block::parse(&file(&atom), FIRST), Ok(Block::Free));
    }

    #[test]
    fn the_flag_is_one_of_two() {
        let mut atom = [0; ATOM];
        for (flag, expected) in [(0, Some(false)), (1, Some(true)), (2, None), (0xFF, None)] {
            atom[15] = flag;
            let compressed = match Block::parse(&file(&atom), FIRST) {
                Ok(Block::Used(used)) => Some(used.compressed),
                _ => None,
            };
            assert_eq!(compressed, expected, "{flag}");
        }
    }

    #[test]
    fn beyond_the_end() {
        assert!(Block::parse(&file(&[]), FIRST).is_err());
        assert!(Block::parse(&[], FIRST).is_err());
        assert!(Block::parse(&file(&[0; ATOM]), Handle(Handle::MAX)).is_err());
    }
}
