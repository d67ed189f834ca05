//! Objects: their heads, and what is in data objects and entries.

use std::collections::HashSet;

use super::{
    super::{
        compression::Compression,
        decompression::{self, Spoilt},
        layout::{ALIGNMENT, data, entry, object},
    },
    Journal,
    error::ReadError,
    source::ReadAt,
};

pub(super) use super::super::layout::object::Kind;

/// The longest value that is read, in bytes, and what is read of one that is compressed.
/// journald cuts lines of apps at 48 KiB; what a program sends it by itself may be longer.
pub const MAX_VALUE_BYTES: usize = 32 << 20;

/// How many fields of an entry are looked at. systemd's own programs hand on no entry with more.
const MAX_ITEMS: u64 = 1024;

/// How many data objects are remembered as not being what was looked for.
const MAX_REMEMBERED: usize = 4096;

/// What stands before the payload in a data object of a compact file.
const COMPACT_PAYLOAD: u64 = 72;
/// The size of an item of a compact entry.
const COMPACT_ITEM_BYTES: u64 = 4;

/// An entry: when it was written, and where its fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, in bytes from the start of the file.
    pub offset: u64,
    /// Its sequence number.
    pub seqnum: u64,
    /// Its time, in microseconds since the epoch.
    pub realtime_us: u64,
    size_bytes: u64,
}

/// The head of an object.
pub(super) struct Head {
    pub(super) flags: u8,
    /// With the head.
    pub(super) size_bytes: u64,
}

impl<S: ReadAt> Journal<S> {
    /// The head of the object of that kind at `offset`, which is at least so long and lies in
    /// the file.
    pub(super) fn head(
        &mut self,
        offset: u64,
        kind: Kind,
        min_bytes: u64,
    ) -> Result<Head, ReadError> {
        if !offset.is_multiple_of(ALIGNMENT as u64) || offset < self.header.size_bytes {
            return Err(ReadError::OutOfBounds { offset });
        }
        let bytes: [u8; object::HEAD_BYTES] = self.blocks.array(offset)?;
        if bytes[0] != kind as u8 {
            return Err(ReadError::Malformed {
                offset,
                what: "an object of another kind",
            });
        }
        let mut size = [0; 8];
        size.copy_from_slice(&bytes[object::SIZE..]);
        let size_bytes = u64::from_le_bytes(size);
        if size_bytes < min_bytes {
            return Err(ReadError::Malformed {
                offset,
                what: "an object that is too short",
            });
        }
        let end = offset.checked_add(size_bytes);
        if end.is_none_or(|end| end > self.blocks.size_bytes()) {
            return Err(ReadError::OutOfBounds { offset });
        }
        Ok(Head {
            flags: bytes[1],
            size_bytes,
        })
    }

    /// The entry at `offset`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn entry(&mut self, offset: u64) -> Result<Entry, ReadError> {
        let head = self.head(offset, Kind::Entry, entry::ITEMS as u64)?;
        Ok(Entry {
            offset,
            seqnum: self.blocks.u64(offset + entry::SEQNUM as u64)?,
            realtime_us: self.blocks.u64(offset + entry::REALTIME as u64)?,
            size_bytes: head.size_bytes,
        })
    }

    /// The value of the entry's field `MESSAGE`: the first one, if there are several. `None`
    /// also where it cannot be read.
    pub fn message(&mut self, entry: &Entry) -> Option<Vec<u8>> {
        const PREFIX: &[u8] = b"MESSAGE=";
        for place in self.items(entry) {
            let Ok(data) = self.offset_at(place) else {
                return None;
            };
            if self.others.contains(&data) {
                continue;
            }
            if self.spoilt.contains(&data) {
                return None;
            }
            match self.value(data, PREFIX, MAX_VALUE_BYTES) {
                Ok(Some(value)) => return Some(value),
                Ok(None) => remember(&mut self.others, data),
                // It may be the message. To look at more of its kind, for this entry and for each
                // one that has it, could take for ever.
                Err(ReadError::Spoilt { .. } | ReadError::TooLong { .. }) => {
                    remember(&mut self.spoilt, data);
                    return None;
                }
                Err(_) => {}
            }
        }
        None
    }

    /// Whether the entry has one of these data objects.
    pub(super) fn has_one_of(&mut self, entry: &Entry, data: &[u64]) -> bool {
        let mut items = self.items(entry);
        items.any(|place| self.offset_at(place).is_ok_and(|item| data.contains(&item)))
    }

    /// Where the numbers of an entry's data objects are.
    fn items(&self, entry: &Entry) -> impl Iterator<Item = u64> + use<S> {
        let item_bytes = match self.header.is_compact {
            true => COMPACT_ITEM_BYTES,
            false => entry::ITEM_BYTES as u64,
        };
        let first = entry.offset + entry::ITEMS as u64;
        let count = (entry.size_bytes - entry::ITEMS as u64) / item_bytes;
        (0..count.min(MAX_ITEMS)).map(move |item| first + item * item_bytes)
    }

    /// The number of an item or of an array's slot.
    pub(super) fn offset_at(&mut self, place: u64) -> Result<u64, ReadError> {
        match self.header.is_compact {
            true => Ok(u32::from_le_bytes(self.blocks.array(place)?).into()),
            false => self.blocks.u64(place),
        }
    }

    /// What comes after `prefix` in the payload of the data object at `offset`; `None` if it
    /// begins otherwise.
    pub(super) fn value(
        &mut self,
        offset: u64,
        prefix: &[u8],
        limit_bytes: usize,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let begin = match self.header.is_compact {
            true => COMPACT_PAYLOAD,
            false => data::PAYLOAD as u64,
        };
        let head = self.head(offset, Kind::Data, begin)?;
        let compression = match head.flags {
            0 => None,
            flags => {
                let way = Compression::of_object(flags);
                Some(way.ok_or(ReadError::Malformed {
                    offset,
                    what: "data of unknown flags",
                })?)
            }
        };
        let stored_bytes = head.size_bytes - begin;
        if compression.is_none() {
            // Most of what is looked at is something else.
            let mut beginning = vec![0; prefix.len()];
            if stored_bytes < prefix.len() as u64 {
                return Ok(None);
            }
            self.blocks.read(offset + begin, &mut beginning)?;
            if beginning != prefix {
                return Ok(None);
            }
        }
        if stored_bytes > (limit_bytes + prefix.len()) as u64 {
            return Err(ReadError::TooLong { offset });
        }
        let mut stored = vec![0; stored_bytes as usize];
        self.blocks.read(offset + begin, &mut stored)?;
        let Some(compression) = compression else {
            return Ok(Some(stored.split_off(prefix.len())));
        };
        let value = decompression::after_prefix(compression, &stored, prefix, limit_bytes);
        value.map_err(|spoilt| match spoilt {
            Spoilt::TooLong => ReadError::TooLong { offset },
            Spoilt::Damaged => ReadError::Spoilt { offset },
        })
    }
}

fn remember(objects: &mut HashSet<u64>, offset: u64) {
    if objects.len() >= MAX_REMEMBERED {
        objects.clear();
    }
    objects.insert(offset);
}

impl Entry {
    /// Where the entry ends.
    pub(super) fn end(&self) -> u64 {
        // It lies in the file.
        self.offset + self.size_bytes
    }
}
