//! Where the bytes come from: a file that is read piece by piece, each piece only once for a
//! while.
//!
//! Nothing is mapped into memory: a file that gets shorter under a map kills the process.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use super::error::ReadError;

/// Something that can be read at any offset, and may change at any time.
pub trait ReadAt {
    /// Reads some bytes from `offset` on: none only at the end, or if there is no room.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// How long it is now, in bytes.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn size_bytes(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.metadata().map(|meta| meta.len())
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        T::read_at(self, buffer, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        T::size_bytes(self)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        T::read_at(self, buffer, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        T::size_bytes(self)
    }
}

/// What is read at once.
const BLOCK_BYTES: usize = 4 << 10;
/// How many blocks are read at once where one is read after the other.
const RUN_BLOCKS: u64 = 16;
/// How many blocks are kept.
const SLOTS: u64 = 64;

/// A source whose blocks are kept for a while, as they were when they were read.
#[derive(Debug)]
pub(super) struct Blocks<S> {
    source: S,
    /// How long the source was in the beginning: nothing is read beyond.
    size_bytes: u64,
    slots: Vec<Option<Block>>,
    /// The block that was read last.
    last: u64,
    /// How often something was looked at, whether or not it had to be read for that.
    #[cfg(any(test, fuzzing))]
    pub(super) looks: u64,
}

#[derive(Debug)]
struct Block {
    number: u64,
    /// Fewer than [`BLOCK_BYTES`] at the end.
    bytes: Box<[u8]>,
}

impl<S: ReadAt> Blocks<S> {
    pub(super) fn new(source: S) -> Result<Self, ReadError> {
        Ok(Self {
            size_bytes: source.size_bytes()?,
            source,
            slots: (0..SLOTS).map(|_| None).collect(),
            last: u64::MAX - 1,
            #[cfg(any(test, fuzzing))]
            looks: 0,
        })
    }

    /// How long the source was in the beginning, in bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Fills `buffer` with what is at `offset`.
    pub(super) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        #[cfg(any(test, fuzzing))]
        {
            self.looks += 1;
        }
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size_bytes) {
            return Err(ReadError::OutOfBounds { offset });
        }
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            let from = (at % BLOCK_BYTES as u64) as usize;
            let block = self.block(at / BLOCK_BYTES as u64)?;
            let bytes = block.get(from..).unwrap_or_default();
            if bytes.is_empty() {
                // It has become shorter.
                return Err(ReadError::OutOfBounds { offset: at });
            }
            let length = bytes.len().min(buffer.len() - filled);
            buffer[filled..filled + length].copy_from_slice(&bytes[..length]);
            filled += length;
        }
        Ok(())
    }

    /// The `N` bytes at `offset`.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The number of 8 bytes at `offset`.
    pub(super) fn u64(&mut self, offset: u64) -> Result<u64, ReadError> {
        self.array(offset).map(u64::from_le_bytes)
    }

    fn block(&mut self, number: u64) -> Result<&[u8], ReadError> {
        let slot = (number % SLOTS) as usize;
        let is_there = matches!(&self.slots[slot], Some(block) if block.number == number);
        if !is_there {
            self.load(number)?;
        }
        Ok(self.slots[slot].as_ref().map_or(&[], |block| &block.bytes))
    }

    fn load(&mut self, first: u64) -> Result<(), ReadError> {
        let count = match first == self.last + 1 {
            true => RUN_BLOCKS,
            false => 1,
        };
        let begin = first * BLOCK_BYTES as u64;
        let wanted = (count * BLOCK_BYTES as u64).min(self.size_bytes.saturating_sub(begin));
        let mut bytes = vec![0; wanted as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match self
                .source
                .read_at(&mut bytes[filled..], begin + filled as u64)
            {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(filled);
        // What is not there any more is an empty block.
        let chunks = bytes.chunks(BLOCK_BYTES).chain([&[][..]]);
        for (number, chunk) in (first..first + count).zip(chunks) {
            self.slots[(number % SLOTS) as usize] = Some(Block {
                number,
                bytes: chunk.into(),
            });
            self.last = number;
        }
        Ok(())
    }
}
