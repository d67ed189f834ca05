//! Chains of entry arrays: lists of entries that grow without moving.

use super::{
    image::Image,
    layout::{Width, array, header, object::Kind},
};

/// The last array of a chain.
pub(super) struct Tail {
    /// Its offset.
    pub(super) array: usize,
    /// How many of its places are taken.
    pub(super) entries: usize,
}

/// Adds an entry to the chain that begins with the array named at `place`, or that will.
/// `count` is the number of entries already in it.
pub(super) fn push(
    image: &mut Image,
    width: Width,
    place: usize,
    count: u64,
    entry: usize,
) -> Tail {
    let mut place = place;
    let mut before = count;
    let mut capacity = 0;
    loop {
        let array = image.offset_at(place);
        if array == 0 {
            break;
        }
        capacity = capacity_of(image, width, array);
        if before < capacity {
            set_item(image, width, array, before, entry);
            return Tail {
                array,
                entries: before as usize + 1,
            };
        }
        before -= capacity;
        place = array + array::NEXT;
    }

    let capacity = next_capacity(count, capacity) as usize;
    let size = array::ITEMS + width.array_item_bytes() * capacity;
    let array = image.add_object(Kind::EntryArray, size);
    image.increment(header::ENTRY_ARRAYS);
    set_item(image, width, array, 0, entry);
    image.set_u64(place, array as u64);
    Tail { array, entries: 1 }
}

/// The most bytes that one more entry can add to a chain of so many, however wide.
pub(super) fn max_growth_bytes(count: u64) -> u64 {
    let capacity = 2 * (count + 1);
    (array::ITEMS + 4 * array::ITEM_BYTES) as u64 + array::ITEM_BYTES as u64 * capacity
}

/// How many entries systemd makes room for, when so many are in the chain and the last array
/// holds so many of them: 4, then 8, then 26, and from there three times as many each time.
fn next_capacity(count: u64, last: u64) -> u64 {
    let next = if count > last { count + 1 } else { last };
    (2 * next).max(4)
}

fn capacity_of(image: &Image, width: Width, array: usize) -> u64 {
    ((image.object_bytes(array) - array::ITEMS) / width.array_item_bytes()) as u64
}

fn set_item(image: &mut Image, width: Width, array: usize, index: u64, entry: usize) {
    let place = array + array::ITEMS + width.array_item_bytes() * index as usize;
    image.set(place, &width.offset(entry));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_those_of_systemd() {
        let mut count = 0;
        let mut last = 0;
        let capacities: Vec<u64> = std::iter::repeat_with(|| {
            last = next_capacity(count, last);
            assert!(array::ITEMS as u64 + 8 * last <= max_growth_bytes(count));
            count += last;
            last
        })
        .take(6)
        .collect();
        assert_eq!(capacities, [4, 8, 26, 78, 234, 702]);
    }
}
