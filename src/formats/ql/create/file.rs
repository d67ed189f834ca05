//! A file that grows block by block.
//!
//! A new file has no free blocks and no relocations, so its free list table stays zero.
//! Contents are stored without compression: the size of a block, and with it the handle of the
//! one after it, is known before its content is.

use crate::formats::ql::{
    block::{self, ATOM, FIRST_BLOCK, Handle, MAGIC},
    error::Flaw,
};

/// A database file under construction.
pub(crate) struct NewFile {
    bytes: Vec<u8>,
}

impl NewFile {
    /// A file without blocks.
    pub(crate) fn new() -> Self {
        let mut bytes = vec![0; FIRST_BLOCK];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        Self { bytes }
    }

    /// The handle that the next block will have.
    pub(crate) fn next_handle(&self) -> Handle {
        Handle::at_offset(self.bytes.len())
    }

    /// Appends a block with this content.
    pub(crate) fn append(&mut self, content: &[u8]) -> Result<Handle, Flaw> {
        let handle = self.next_handle();
        block::encode(content, &mut self.bytes)?;
        Ok(handle)
    }

    /// Appends a block of one atom, empty for now.
    pub(crate) fn reserve(&mut self) -> Handle {
        self.append_atoms(&[0; ATOM])
    }

    /// Fills a block of one atom.
    pub(crate) fn fill(&mut self, reserved: Handle, content: &[u8]) -> Result<(), Flaw> {
        let mut atom = Vec::with_capacity(ATOM);
        block::encode(content, &mut atom)?;
        usize::try_from(reserved.offset())
            .ok()
            .and_then(|start| self.bytes.get_mut(start..start + ATOM))
            .filter(|_| atom.len() == ATOM)
            .ok_or("the content does not fit into its place")?
            .copy_from_slice(&atom);
        Ok(())
    }

    /// Appends atoms as they are, whatever they are.
    pub(crate) fn append_atoms(&mut self, atoms: &[u8]) -> Handle {
        let handle = self.next_handle();
        self.bytes.extend_from_slice(atoms);
        handle
    }

    /// The finished file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
