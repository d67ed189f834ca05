//! Words of a file that are replaced by others.

use std::ops::Range;

use arbitrary::Arbitrary;

#[derive(Arbitrary, Debug)]
pub(crate) enum Lie {
    Byte(Place, u8),
    Word(Place, u64),
    /// What is there already, and a little more or less.
    Off(Place, i16),
    /// The offset of an object.
    Link(Place, Number),
    /// What is at the first place, at the second one too.
    Copy(Place, Place),
    Cut(Place),
}

/// Which object, where the header is the first one.
#[derive(Arbitrary, Debug)]
pub(crate) struct Number(u8);

/// One of the words of 8 bytes that an object has.
#[derive(Arbitrary, Debug)]
pub(crate) struct Place(Number, u8);

/// Tells the lies in the file that is in `bytes`.
pub(crate) fn tell(lies: &[Lie], bytes: &mut Vec<u8>) {
    let objects = objects(bytes);
    for lie in lies {
        lie.tell(&objects, bytes);
    }
}

/// Where the header and the objects are.
fn objects(bytes: &[u8]) -> Vec<Range<usize>> {
    const HEADER_SIZE: usize = 88;
    const SIZE: usize = 8;

    let mut at = word(bytes, HEADER_SIZE) as usize;
    let mut objects = vec![0..at];
    // After the last one come zeros, or the end.
    while let size @ 1.. = word(bytes, at + SIZE) as usize {
        objects.push(at..at + size);
        at = (at + size).next_multiple_of(8);
    }
    objects
}

impl Number {
    fn of(&self, objects: &[Range<usize>]) -> Range<usize> {
        objects[usize::from(self.0) % objects.len()].clone()
    }
}

impl Place {
    fn of(&self, objects: &[Range<usize>]) -> usize {
        let Self(number, word) = self;
        let object = number.of(objects);
        object.start + usize::from(*word) % (object.len() / 8) * 8
    }
}

impl Lie {
    fn tell(&self, objects: &[Range<usize>], bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(at, byte) => put(bytes, at.of(objects), &[*byte]),
            Self::Word(at, word) => put(bytes, at.of(objects), &word.to_le_bytes()),
            Self::Off(at, by) => {
                let at = at.of(objects);
                let word = word(bytes, at).wrapping_add_signed((*by).into());
                put(bytes, at, &word.to_le_bytes());
            }
            Self::Link(at, number) => {
                // The upper half is zero, or another offset, where offsets are that short.
                let offset = number.of(objects).start as u32;
                put(bytes, at.of(objects), &offset.to_le_bytes());
            }
            Self::Copy(from, to) => {
                let word = word(bytes, from.of(objects));
                put(bytes, to.of(objects), &word.to_le_bytes());
            }
            Self::Cut(at) => bytes.truncate(at.of(objects)),
        }
    }
}

/// The word that is there; 0 beyond the end.
fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    u64::from_le_bytes(*word.unwrap_or(&[0; 8]))
}

/// Puts there what there is room for.
fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    let rest = bytes.get_mut(at..).unwrap_or_default();
    for (byte, new) in rest.iter_mut().zip(what) {
        *byte = *new;
    }
}
