//! The used part of a file, in memory, and which of its bytes have changed.
//!
//! The image is all that the writer knows about its file: tables are searched and chains
//! followed in the bytes themselves. It grows by objects and never gives up any.

use std::ops::Range;

use super::layout::{
    ALIGNMENT, header,
    object::{self, Kind},
};

/// Header and objects.
pub(super) struct Image {
    bytes: Vec<u8>,
    /// The size of the header.
    header: usize,
    /// How long the image was when changes were last looked at.
    settled: usize,
    /// Where bytes between header and `settled` have changed since, in the order in which
    /// readers are to see it.
    links: Vec<Range<usize>>,
}

impl Image {
    /// A header of zeros, and nothing else.
    pub(super) fn new(header_bytes: usize) -> Self {
        Self {
            bytes: vec![0; header_bytes],
            header: header_bytes,
            settled: header_bytes,
            links: Vec::new(),
        }
    }

    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of it, for good.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The size of the header, in bytes.
    pub(super) fn header_bytes(&self) -> usize {
        self.header
    }

    /// Where the objects are that are new since [`Self::settle`].
    pub(super) fn new_objects(&self) -> Range<usize> {
        self.settled..self.bytes.len()
    }

    /// Where objects that are not new have changed since [`Self::settle`], in the order in which
    /// it is to be shown.
    pub(super) fn links(&self) -> &[Range<usize>] {
        &self.links
    }

    /// Puts those of [`Self::links`] behind all others.
    pub(super) fn postpone_links(&mut self, which: Range<usize>) {
        self.links[which.start..].rotate_left(which.len());
    }

    /// Begins a new account of changes.
    pub(super) fn settle(&mut self) {
        self.settled = self.bytes.len();
        self.links.clear();
    }

    /// Adds an object of zeros, so large with its head, and counts it in the header.
    pub(super) fn add_object(&mut self, kind: Kind, size: usize) -> usize {
        let offset = self.bytes.len();
        self.bytes.resize(offset + padded(size), 0);
        self.set(offset, &[kind as u8]);
        self.set_u64(offset + object::SIZE, size as u64);
        self.set_u64(header::TAIL_OBJECT, offset as u64);
        self.increment(header::OBJECTS);
        offset
    }

    /// The size of the object there, in bytes.
    pub(super) fn object_bytes(&self, offset: usize) -> usize {
        self.offset_at(offset + object::SIZE)
    }

    /// The number there.
    pub(super) fn u64_at(&self, at: usize) -> u64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_le_bytes(number)
    }

    /// The offset or size there; the writer put it there, so it fits.
    pub(super) fn offset_at(&self, at: usize) -> usize {
        self.u64_at(at) as usize
    }

    /// Puts a number there.
    pub(super) fn set_u64(&mut self, at: usize, number: u64) {
        self.set(at, &number.to_le_bytes());
    }

    /// Puts a number there that takes 4 bytes. Offsets and counts of entries fit: no file is
    /// longer than [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES).
    pub(super) fn set_u32(&mut self, at: usize, number: usize) {
        self.set(at, &(number as u32).to_le_bytes());
    }

    /// Adds one to the number there.
    pub(super) fn increment(&mut self, at: usize) {
        self.set_u64(at, self.u64_at(at) + 1);
    }

    /// Puts bytes there.
    pub(super) fn set(&mut self, at: usize, bytes: &[u8]) {
        let place = at..at + bytes.len();
        self.bytes[place.clone()].copy_from_slice(bytes);
        if (self.header..self.settled).contains(&at) {
            self.links.push(place);
        }
    }
}

/// What an object of that size takes up in the file.
pub(super) fn padded(size: usize) -> usize {
    size.next_multiple_of(ALIGNMENT)
}
