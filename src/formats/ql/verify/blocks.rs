//! The file as a sequence of blocks, and the lists of the free ones.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::formats::ql::{
    block::{ATOM, Block, FIRST_BLOCK, Free, HEADER_LEN, Handle},
    walk::Walk,
};

/// The length of a slot of the free list table, in bytes.
const SLOT_LEN: usize = 8;

/// All blocks of a file.
pub(super) struct Blocks(BTreeMap<Handle, Block>);

impl Blocks {
    /// Finds all blocks, up to the first that cannot be decoded.
    pub(super) fn scan(file: &[u8], findings: &mut Findings) -> Self {
        let mut blocks = BTreeMap::new();
        let mut after_free = false;
        let mut start = FIRST_BLOCK;
        while start < file.len() {
            let handle = Handle::at_offset(start);
            let block = match Block::parse(file, handle) {
                Ok(block) => block,
                Err(why) => {
                    findings.add("block", handle.offset(), why);
                    break;
                }
            };
            let end = start + block.atoms() * ATOM;
            let padding = match &block {
                // All but the flag in the last byte.
                Block::Used(used) => &file[used.stored.end..end - 1],
                Block::Relocation { .. } => &file[start + 8..end],
                Block::Free(_) => &[],
            };
            if padding.iter().any(|&byte| byte != 0) {
                findings.add("block", handle.offset(), "its padding is not zero");
            }
            let free = matches!(block, Block::Free(_));
            if free && after_free {
                findings.add("free block", handle.offset(), "it follows another one");
            }
            after_free = free;
            blocks.insert(handle, block);
            start = end;
        }
        if let Some((last, Block::Free(_))) = blocks.last_key_value() {
            findings.add("free block", last.offset(), "it is the last block");
        }
        Self(blocks)
    }

    /// Checks that relocations lead to contents.
    pub(super) fn check_relocations(&self, findings: &mut Findings) {
        for (handle, block) in &self.0 {
            if let Block::Relocation { target } = block
                && !matches!(
                    target.and_then(|target| self.0.get(&target)),
                    Some(Block::Used(_))
                )
            {
                findings.add(
                    "relocation",
                    handle.offset(),
                    "it does not lead to a used block",
                );
            }
        }
    }

    /// Checks that each free block is on the list for its size, and nothing else is.
    pub(super) fn check_free_lists(&self, file: &[u8], findings: &mut Findings) {
        let mut unlisted: BTreeMap<Handle, &Free> = self
            .0
            .iter()
            .filter_map(|(handle, block)| match block {
                Block::Free(free) => Some((*handle, free)),
                _ => None,
            })
            .collect();
        let (slots, _) = file[HEADER_LEN..FIRST_BLOCK].as_chunks::<SLOT_LEN>();
        for (slot, [zero, head @ ..]) in slots.iter().enumerate() {
            if *zero != 0 {
                let offset = (HEADER_LEN + slot * SLOT_LEN) as u64;
                findings.add(
                    "free list table",
                    offset,
                    "a handle has more than seven bytes",
                );
            }
            let mut previous = None;
            let mut next = Handle::from_be_bytes(head);
            while let Some(handle) = next {
                let Some(free) = unlisted.remove(&handle) else {
                    let why = "it is on a list, but is no free block or was on a list before";
                    findings.add("free block", handle.offset(), why);
                    break;
                };
                if free.previous != previous {
                    let why = "it does not lead back to the one before it on its list";
                    findings.add("free block", handle.offset(), why);
                }
                if slot_for(free.atoms) != slot {
                    findings.add("free block", handle.offset(), "it is on the wrong list");
                }
                previous = Some(handle);
                next = free.next;
            }
        }
        for handle in unlisted.keys() {
            findings.add("free block", handle.offset(), "it is on no list");
        }
    }

    /// Checks that a traversal that followed everything has reached all blocks in use.
    pub(super) fn check_reached(&self, walk: &Walk, findings: &mut Findings) {
        let reached: BTreeSet<Handle> = walk.reached().collect();
        for (handle, block) in &self.0 {
            if !matches!(block, Block::Free(_)) && !reached.contains(handle) {
                findings.add("block", handle.offset(), "nothing leads to it");
            }
        }
        for handle in &reached {
            if !self.0.contains_key(handle) {
                findings.add("block", handle.offset(), "it begins within another one");
            }
        }
    }
}

/// The list for free blocks of this size.
fn slot_for(atoms: usize) -> usize {
    match atoms {
        0..4096 => atoms.max(1).ilog2() as usize,
        4096..4112 => 12,
        _ => 13,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_the_free_lists() {
        for (atoms, slot) in [
            (1, 0),
            (2, 1),
            (3, 1),
            (4, 2),
            (2048, 11),
            (4095, 11),
            (4096, 12),
            (4111, 12),
            (4112, 13),
            (usize::MAX, 13),
        ] {
            assert_eq!(slot_for(atoms), slot, "{atoms}");
        }
    }
}
