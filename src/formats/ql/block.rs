//! The file below the records: handles, blocks and their three kinds.
//!
//! Decoding a block says how far it extends and where its stored bytes lie. Following
//! relocations and unpacking contents is [`walk`](super::walk)'s job.

use std::ops::Range;

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

/// The length of a file that the engine has just made, in bytes: the root block and the
/// counter, and no table.
pub(super) const NEW_FILE: usize = FIRST_BLOCK + 2 * ATOM;

/// The longest content of a block, unpacked, in bytes.
pub(super) const MAX_CONTENT: usize = 65_787;

/// The longest stored content of a block whose length stands in its first byte.
const MAX_SHORT: usize = 251;

const TAG_LONG: u8 = 0xFC;
const TAG_RELOCATION: u8 = 0xFD;
const TAG_FREE_ATOM: u8 = 0xFE;
const TAG_FREE: u8 = 0xFF;

/// The name of a block: the ordinal of its first atom, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Handle(u64);

impl Handle {
    /// The block that says where the first table is.
    pub(super) const ROOT: Handle = Handle(1);

    /// The block that holds the last row id that was given out.
    pub(super) const COUNTER: Handle = Handle(2);

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
    pub(super) fn from_be_bytes(bytes: &[u8; 7]) -> Option<Self> {
        match be56(bytes) {
            0 => None,
            handle => Some(Self(handle)),
        }
    }

    /// A handle as a binary structure has it.
    pub(super) fn to_be_bytes(handle: Option<Self>) -> [u8; 7] {
        let [_, bytes @ ..] = handle.map_or(0, |handle| handle.0).to_be_bytes();
        bytes
    }

    /// The handle of the block that follows one of so many atoms with this handle.
    pub(super) fn after(self, atoms: usize) -> Self {
        Self(self.0 + atoms as u64)
    }

    /// The handle of a block that begins at `offset`, in bytes from the start of the file.
    pub(super) fn at_offset(offset: usize) -> Self {
        Self::of_atom(((offset - FIRST_BLOCK) / ATOM) as u64)
    }

    /// The handle as a scalar vector has it.
    pub(super) fn to_link(self) -> i64 {
        // Handles take 56 bits.
        self.0.cast_signed()
    }

    /// Where the block begins, in bytes from the start of the file.
    pub(super) fn offset(self) -> u64 {
        // Below 2^61.
        (self.0 - 1) * ATOM as u64 + FIRST_BLOCK as u64
    }

    /// The handle of a block whose first atom is this one, counted from 0.
    pub(super) fn of_atom(atom: u64) -> Self {
        Self(atom + 1)
    }

    /// The ordinal of the block's first atom, counted from 0.
    pub(super) fn atom(self) -> u64 {
        self.0 - 1
    }
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Used(Used),
    /// Stands in for a block that has outgrown its place. Handles never change; contents move.
    Relocation {
        target: Option<Handle>,
    },
    Free(Free),
}

/// A block with a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) atoms: usize,
    /// Where the stored content lies, in bytes from the start of the file.
    pub(super) stored: Range<usize>,
    /// Whether the stored content is a zappy stream.
    pub(super) compressed: bool,
}

/// A block without one, and its place in a list of those that are about as large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) atoms: usize,
    pub(super) previous: Option<Handle>,
    pub(super) next: Option<Handle>,
}

/// The size of a used block, in atoms, by the length of its stored content, in bytes.
pub(super) fn atoms_for(len: usize) -> usize {
    let head = if len <= MAX_SHORT { 1 } else { 3 };
    // At least one byte follows the stored ones, the flag in the block's last byte.
    (head + len) / ATOM + 1
}

impl Block {
    /// Decodes the block at `handle` of a database file.
    pub(super) fn parse(file: &[u8], handle: Handle) -> Result<Self, Flaw> {
        const BEYOND: Flaw = "the block lies beyond the end of the file";

        let start = usize::try_from(handle.offset()).map_err(|_| BEYOND)?;
        let block = file.get(start..).ok_or(BEYOND)?;
        match block {
            [TAG_LONG, m0, m1, ..] => {
                // Lengths that a short block could hold are free to mean longer ones.
                let m = usize::from(u16::from_be_bytes([*m0, *m1]));
                let len = if m > MAX_SHORT { m } else { m + 0x1_0000 };
                Used::parse(block, start, 3, len).map(Self::Used)
            }
            [TAG_RELOCATION, ..] => Ok(Self::Relocation {
                target: Handle::from_be_bytes(&seven(extent(block, 1)?, 1)),
            }),
            [TAG_FREE_ATOM | TAG_FREE, ..] => Free::parse(block).map(Self::Free),
            [len, ..] => Used::parse(block, start, 1, usize::from(*len)).map(Self::Used),
            [] => Err(BEYOND),
        }
    }

    /// The block's size, in atoms.
    pub(super) fn atoms(&self) -> usize {
        match self {
            Self::Used(used) => used.atoms,
            Self::Relocation { .. } => 1,
            Self::Free(free) => free.atoms,
        }
    }
}

impl Used {
    /// Decodes the block that `file` begins with, `start` bytes from the start of the whole
    /// file. It has `len` stored bytes after a head of `head` bytes.
    fn parse(file: &[u8], start: usize, head: usize, len: usize) -> Result<Self, Flaw> {
        let atoms = atoms_for(len);
        let compressed = match extent(file, atoms)?.last() {
            Some(0) => false,
            Some(1) => true,
            _ => return Err("the block's compression flag is neither 0 nor 1"),
        };
        let first = start + head;
        Ok(Self {
            atoms,
            stored: first..first + len,
            compressed,
        })
    }
}

impl Free {
    /// Decodes the block that `file` begins with.
    fn parse(file: &[u8]) -> Result<Self, Flaw> {
        let first = extent(file, 1)?;
        let (atoms, links) = match first[0] {
            TAG_FREE_ATOM => (1, 1),
            _ => (
                usize::try_from(be56(&seven(first, 1))).unwrap_or(usize::MAX),
                8,
            ),
        };
        let block = extent(file, atoms)?;
        let (size, tag) = (
            &block[block.len() - 8..block.len() - 1],
            block[block.len() - 1],
        );
        // The engine finds the start of a free block from its end.
        let sound = match first[0] {
            TAG_FREE_ATOM => tag == TAG_FREE_ATOM,
            _ => tag == TAG_FREE && atoms > 1 && *size == block[1..8],
        };
        if !sound {
            return Err("the two ends of the free block contradict each other");
        }
        Ok(Self {
            atoms,
            previous: Handle::from_be_bytes(&seven(block, links)),
            next: Handle::from_be_bytes(&seven(block, links + 7)),
        })
    }
}

/// The first atoms of a file, at least one.
fn extent(file: &[u8], atoms: usize) -> Result<&[u8], Flaw> {
    atoms
        .max(1)
        .checked_mul(ATOM)
        .and_then(|len| file.get(..len))
        .ok_or("the block extends beyond the end of the file")
}

fn seven(block: &[u8], at: usize) -> [u8; 7] {
    let mut bytes = [0; 7];
    bytes.copy_from_slice(&block[at..at + 7]);
    bytes
}

fn be56(bytes: &[u8; 7]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

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

        atom = [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0];
        atom[0] = TAG_FREE_ATOM;
        assert!(Block::parse(&file(&atom), FIRST).is_err(), "one end");
        atom[15] = TAG_FREE_ATOM;
        let links = (Some(Handle(2)), Some(Handle(3)));
        let free = |atoms, (previous, next)| {
            Block::Free(Free {
                atoms,
                previous,
                next,
            })
        };
        assert_eq!(Block::parse(&file(&atom), FIRST), Ok(free(1, links)));

        let mut atoms = [0; 2 * ATOM];
        atoms[0] = TAG_FREE;
        atoms[7] = 2;
        atoms[14] = 2;
        atoms[21] = 3;
        atoms[30] = 2;
        assert!(Block::parse(&file(&atoms), FIRST).is_err(), "one end");
        atoms[31] = TAG_FREE;
        assert_eq!(Block::parse(&file(&atoms), FIRST), Ok(free(2, links)));
        atoms[7] = 0;
        atoms[30] = 0;
        assert!(Block::parse(&file(&atoms), FIRST).is_err(), "no atoms");
        atoms[7] = 3;
        atoms[30] = 3;
        assert!(
            Block::parse(&file(&atoms), FIRST).is_err(),
            "beyond the end"
        );
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
