//! Files that are put together of objects that name each other at will. There is next to no hash
//! table in them, which is most of what short files have: so much sooner is the work out of
//! proportion to the file.

use arbitrary::Arbitrary;

use super::PAYLOADS;

#[derive(Arbitrary, Debug)]
pub(crate) struct Forgery {
    is_compact: bool,
    /// How many entries there are said to be, and the first array of them.
    entries: u32,
    array: Link,
    /// What is in the only bucket of the hash table.
    data: Link,
    objects: Vec<Object>,
}

#[derive(Arbitrary, Debug)]
enum Object {
    /// The first of the payloads, and its entries.
    Payload {
        next: Link,
        first: Link,
        array: Link,
        entries: u32,
    },
    Message {
        flags: u8,
        bytes: [u8; 8],
    },
    Entry([Link; 2]),
    Array {
        next: Link,
        slots: [Link; 4],
    },
}

/// The offset of one of the objects, or none.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Link(Option<u8>);

/// What the first of the payloads hashes to, without a key.
const HASH: u64 = 0xb99b_669d_3aab_6dbd;

const HEADER_BYTES: usize = 240;
/// The head of the hash table, and its bucket.
const TABLE_BYTES: usize = 32;

impl Forgery {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut end = HEADER_BYTES + TABLE_BYTES;
        let mut offsets = Vec::new();
        for object in &self.objects {
            offsets.push(end as u64);
            end += object
                .bytes(self.is_compact, |_| 0)
                .len()
                .next_multiple_of(8);
        }
        let offset = |link: Link| match link.0 {
            Some(number) if !offsets.is_empty() => offsets[usize::from(number) % offsets.len()],
            _ => 0,
        };

        let mut words = [0_u64; (HEADER_BYTES + TABLE_BYTES) / 8];
        words[0] = u64::from_le_bytes(*b"LPKSHHRH");
        // The flag of compact files, among the incompatible ones.
        words[1] = u64::from(self.is_compact) << (32 + 4);
        words[11] = HEADER_BYTES as u64;
        // Where the buckets of the hash table are, and how long they are.
        words[13] = HEADER_BYTES as u64 + 16;
        words[14] = 16;
        words[19] = self.entries.into();
        words[22] = offset(self.array);
        // The table.
        words[30] = 4;
        words[31] = TABLE_BYTES as u64;
        words[32] = offset(self.data);

        let mut bytes = words.map(u64::to_le_bytes).concat();
        for object in &self.objects {
            let mut object = object.bytes(self.is_compact, offset);
            let size = object.len() as u64;
            object[8..16].copy_from_slice(&size.to_le_bytes());
            object.resize(object.len().next_multiple_of(8), 0);
            bytes.extend(object);
        }
        bytes
    }
}

impl Object {
    /// Its bytes, all but its size.
    fn bytes(&self, is_compact: bool, offset: impl Fn(Link) -> u64) -> Vec<u8> {
        let words = |words: &[u64]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        // What comes between the head of a data object and its payload.
        let tails: &[u64] = if is_compact { &[0] } else { &[] };
        let short = |links: &[Link], padding: usize| -> Vec<u8> {
            let item = |link: &Link| match is_compact {
                true => (offset(*link) as u32).to_le_bytes().to_vec(),
                false => [&offset(*link).to_le_bytes()[..], &vec![0; padding]].concat(),
            };
            links.iter().flat_map(item).collect()
        };
        match self {
            Self::Payload {
                next,
                first,
                array,
                entries,
            } => [
                words(&[1, 0, HASH, offset(*next), 0]),
                words(&[offset(*first), offset(*array), (*entries).into()]),
                words(tails),
                PAYLOADS[0].as_bytes().to_vec(),
            ]
            .concat(),
            Self::Message { flags, bytes } => [
                words(&[u64::from_le_bytes([1, *flags, 0, 0, 0, 0, 0, 0])]),
                words(&[0; 7]),
                words(tails),
                b"MESSAGE=".to_vec(),
                bytes.to_vec(),
            ]
            .concat(),
            Self::Entry(data) => [words(&[3, 0, 1, 1, 1, 0, 0, 0]), short(data, 8)].concat(),
            Self::Array { next, slots } => {
                [words(&[6, 0, offset(*next)]), short(slots, 0)].concat()
            }
        }
    }
}
