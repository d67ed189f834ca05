//! Lists of entries: chains of entry arrays, and what comes before them in data objects.

use super::{
    super::layout::{array, data},
    Journal,
    error::ReadError,
    object::Kind,
    source::ReadAt,
};

/// How many arrays a chain may have. Each holds more than all before it, so systemd's have no
/// more than a few dozen.
const MAX_ARRAYS: usize = 1024;

/// How many slots of a list are looked at that lead nowhere. In whole files there are none, in
/// damaged ones few; a sparse file can have any number, and takes no room on the disk for it.
pub(super) const MAX_EMPTY: u64 = 1 << 21;

/// A list of entries, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// The entry that stands before the arrays.
    first: Option<u64>,
    arrays: Vec<Array>,
    count: u64,
    /// Whether there were more once.
    is_torn: bool,
}

#[derive(Debug, Clone, Copy)]
struct Array {
    /// Where its slots are.
    slots: u64,
    /// How many entries come before it.
    before: u64,
}

impl Chain {
    /// The entries that have the data object at `offset`.
    pub(super) fn of_data<S: ReadAt>(
        journal: &mut Journal<S>,
        offset: u64,
    ) -> Result<Self, ReadError> {
        let count = journal.blocks.u64(offset + data::ENTRIES as u64)?;
        let first = journal.blocks.u64(offset + data::FIRST_ENTRY as u64)?;
        let array = journal.blocks.u64(offset + data::ENTRY_ARRAY as u64)?;
        Ok(Self::load(journal, Some(first), array, count))
    }

    /// All entries.
    pub(super) fn of_all<S: ReadAt>(journal: &mut Journal<S>) -> Self {
        let header = &journal.header;
        let (array, count) = (header.entry_array, header.entries);
        Self::load(journal, None, array, count)
    }

    /// The list as far as its arrays can be read.
    fn load<S: ReadAt>(
        journal: &mut Journal<S>,
        first: Option<u64>,
        array: u64,
        count: u64,
    ) -> Self {
        let slot_bytes = journal.slot_bytes();
        let mut arrays = Vec::new();
        let mut capacity = u64::from(first.is_some());
        let mut at = array;
        let mut end = 0;
        while capacity < count && arrays.len() < MAX_ARRAYS {
            // Each one is added at the end of the file: no chain leads back, or into itself. All
            // together have no more slots than there is room for.
            if at < end {
                break;
            }
            let Ok(head) = journal.head(at, Kind::EntryArray, array::ITEMS as u64) else {
                break;
            };
            arrays.push(Array {
                slots: at + array::ITEMS as u64,
                before: capacity,
            });
            capacity += (head.size_bytes - array::ITEMS as u64) / slot_bytes;
            end = at + head.size_bytes;
            match journal.blocks.u64(at + array::NEXT as u64) {
                Ok(next) => at = next,
                Err(_) => break,
            }
        }
        let mut chain = Self {
            first,
            arrays,
            count: count.min(capacity),
            is_torn: false,
        };
        chain.trim(journal);
        chain.is_torn = chain.count < count;
        chain
    }

    /// Leaves out what is empty at the end: what a tear has left of the list is its beginning.
    fn trim<S: ReadAt>(&mut self, journal: &mut Journal<S>) {
        let least = self.count.saturating_sub(MAX_EMPTY);
        while self.count > least && self.get(journal, self.count - 1).is_none() {
            self.count -= 1;
        }
        if self.count == least && least > 0 {
            self.count = self.behind(journal, u64::MAX);
        }
    }

    /// Whether entries are missing at the end, though they may be in the file.
    pub(super) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// How many entries there are at most.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// The entry with that number. `None` where there is none.
    pub(super) fn get<S: ReadAt>(&self, journal: &mut Journal<S>, index: u64) -> Option<u64> {
        let after = self.arrays.partition_point(|array| array.before <= index);
        let offset = match after.checked_sub(1).map(|place| self.arrays[place]) {
            Some(array) => {
                let slot = array.slots + (index - array.before) * journal.slot_bytes();
                journal.offset_at(slot).ok()?
            }
            None => self.first?,
        };
        (offset != 0).then_some(offset)
    }

    /// The number of the first entry behind `offset`.
    pub(super) fn behind<S: ReadAt>(&self, journal: &mut Journal<S>, offset: u64) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(journal, middle) {
                Some(entry) if entry <= offset => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }
}

impl<S: ReadAt> Journal<S> {
    fn slot_bytes(&self) -> u64 {
        match self.header.is_compact {
            true => 4,
            false => array::ITEM_BYTES as u64,
        }
    }
}
