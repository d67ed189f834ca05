//! Bounded traversal: the only way from a handle to a content.
//!
//! There are no checksums, and every structure is linked by handles, so a damaged file can
//! send its reader round in circles, and a compressed one can unpack to thousands of times
//! its size. A [`Walk`] reaches each block at most once and unpacks at most so many bytes.

use std::fmt::Display;

use bytes::Bytes;

use super::{
    block::{ATOM, Block, FIRST_BLOCK, Handle, MAX_CONTENT, Used},
    error::{Error, Flaw},
    scalar::Scalars,
    zappy,
};

/// One traversal of a database file.
pub(super) struct Walk {
    file: Bytes,
    /// One bit for each atom of the file: whether a block that begins there was reached.
    reached: Vec<u64>,
    limit: u64,
    left: u64,
}

/// The content of a block, and where it was found.
pub(super) struct Content<'w> {
    pub(super) bytes: Bytes,
    /// What it is, for errors.
    pub(super) what: &'w dyn Display,
    /// Where the block begins that holds it, in bytes from the start of the file.
    pub(super) offset: u64,
}

impl Walk {
    /// A traversal of `file` that unpacks at most `limit` bytes.
    pub(super) fn new(file: Bytes, limit: u64) -> Self {
        let atoms = file.len().saturating_sub(FIRST_BLOCK) / ATOM;
        Self {
            file,
            reached: vec![0; atoms.div_ceil(64)],
            limit,
            left: limit,
        }
    }

    /// Another traversal of the same file, as long as this one could be at first.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.file.clone(), self.limit)
    }

    /// All blocks that were reached, in the order in which they lie in the file.
    pub(super) fn reached(&self) -> impl Iterator<Item = Handle> {
        self.reached.iter().zip(0..).flat_map(|(word, place)| {
            (0..64)
                .filter(move |bit| word & 1 << bit != 0)
                .map(move |bit| Handle::of_atom(place * 64 + bit))
        })
    }

    /// The length of the file, in bytes.
    pub(super) fn file_len(&self) -> usize {
        self.file.len()
    }

    /// The content of the block at `handle`, wherever it has moved, unpacked.
    ///
    /// Which part of the database it is, `what` says when it turns out to be damaged.
    pub(super) fn content<'w>(
        &mut self,
        handle: Handle,
        what: &'w dyn Display,
    ) -> Result<Content<'w>, Error> {
        let (used, offset) = self.used(handle, what)?;
        let corrupt = |why| corrupt(what, offset, why);
        let stored = self.file.slice(used.stored);
        let bytes = if used.compressed {
            let stream = zappy::Stream::new(&stored).map_err(corrupt)?;
            if stream.decoded_len() > MAX_CONTENT as u64 {
                return Err(corrupt("the content unpacks to more than a block can hold"));
            }
            self.charge(stream.decoded_len(), what, offset)?;
            Bytes::from(stream.decode().map_err(corrupt)?)
        } else {
            self.charge(stored.len() as u64, what, offset)?;
            stored
        };
        Ok(Content {
            bytes,
            what,
            offset,
        })
    }

    /// Counts `bytes` of memory against the limit, needed for `what` at `offset`.
    pub(super) fn charge(
        &mut self,
        bytes: u64,
        what: &dyn Display,
        offset: u64,
    ) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| Error::TooMuch {
            what: what.to_string(),
            offset,
            limit: self.limit,
        })?;
        Ok(())
    }

    /// Follows at most one relocation.
    fn used(&mut self, handle: Handle, what: &dyn Display) -> Result<(Used, u64), Error> {
        let target = match self.reach(handle, what)? {
            Block::Used(used) => return Ok((used, handle.offset())),
            Block::Free(_) => return Err(corrupt(what, handle.offset(), "the block is free")),
            Block::Relocation { target } => target
                .ok_or_else(|| corrupt(what, handle.offset(), "the block has moved to nowhere"))?,
        };
        match self.reach(target, what)? {
            Block::Used(used) => Ok((used, target.offset())),
            Block::Free(_) => Err(corrupt(
                what,
                target.offset(),
                "the block it moved to is free",
            )),
            Block::Relocation { .. } => {
                Err(corrupt(what, target.offset(), "the block moved twice"))
            }
        }
    }

    fn reach(&mut self, handle: Handle, what: &dyn Display) -> Result<Block, Error> {
        let corrupt = |why| corrupt(what, handle.offset(), why);
        let block = Block::parse(&self.file, handle).map_err(corrupt)?;
        let word = usize::try_from(handle.atom() / 64)
            .ok()
            .and_then(|index| self.reached.get_mut(index))
            .ok_or_else(|| corrupt("the block lies beyond the end of the file"))?;
        let bit = 1 << (handle.atom() % 64);
        if *word & bit != 0 {
            return Err(corrupt("the block was reached a second time"));
        }
        *word |= bit;
        Ok(block)
    }
}

impl Content<'_> {
    /// The content as a vector of scalars.
    pub(super) fn scalars(&self) -> Scalars {
        Scalars::new(self.bytes.clone())
    }

    /// The error that says what is wrong with this content.
    pub(super) fn corrupt(&self, why: Flaw) -> Error {
        corrupt(self.what, self.offset, why)
    }
}

/// The error that says what is wrong with what lies at an offset, in bytes from the start of
/// the file.
pub(super) fn corrupt(what: &dyn Display, offset: u64, why: Flaw) -> Error {
    Error::Corrupt {
        what: what.to_string(),
        offset,
        why,
    }
}
