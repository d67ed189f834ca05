//! A reader that shares no code with the writer but the hash functions and what makes payloads
//! shorter and long again, which have tests of their own. It stops at the first thing that is not as it should be.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    super::{
        compression::Stored,
        hash::{FileHash, jenkins},
    },
    Line,
};

/// The bytes of a journal file.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// An entry as it was read.
pub(super) struct Read {
    pub(super) offset: u64,
    pub(super) seqnum: u64,
    pub(super) line: Line,
}

impl Reader<'_> {
    /// Whether this is a journal at all.
    pub(super) fn is_journal(&self) -> bool {
        self.0.starts_with(b"LPKSHHRH")
    }

    /// What any reader may do at any moment: walk the list of all entries for as long as the
    /// header says, and follow all links that lead from there.
    pub(super) fn entries(&self) -> Vec<Read> {
        let arena = self.u64(88) + self.u64(96);
        assert!(arena <= self.0.len() as u64, "the file is too short");
        let entries: Vec<Read> = self
            .list(self.u64(176), self.u64(152))
            .into_iter()
            .map(|offset| self.entry(offset))
            .collect();

        let mut having: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for entry in &entries {
            for data in self.items(entry.offset) {
                having.entry(data).or_default().push(entry.offset);
            }
        }
        for (data, expected) in having {
            assert_eq!(self.lookup(&self.payload(data)), Some(data));
            let mut listed = self.entries_of(data);
            if listed.len() > expected.len() {
                // One that is being written; it must be whole.
                let new = listed.pop().unwrap();
                assert!(self.items(new).contains(&data));
                self.entry(new);
            }
            assert_eq!(listed, expected, "entries of data {data}");
            let name = self
                .payload(data)
                .split(|&byte| byte == b'=')
                .next()
                .unwrap()
                .to_vec();
            assert!(
                self.data_of_field(&name).contains(&data),
                "data {data} is not in its field"
            );
        }
        self.check_uncounted();
        entries
    }

    /// An entry that is in the list of all entries, but not counted yet, is ready too: there are
    /// readers that do not count.
    fn check_uncounted(&self) {
        let chain = self.chain(self.u64(176), 16);
        let slots = chain.into_iter().flat_map(|array| self.slots(array));
        let uncounted: Vec<u64> = slots
            .skip(self.u64(152) as usize)
            .take_while(|&slot| slot != 0)
            .collect();
        assert!(uncounted.len() <= 1);
        for entry in uncounted {
            self.entry(entry);
            for data in self.items(entry) {
                assert_eq!(self.lookup(&self.payload(data)), Some(data));
                assert_eq!(self.entries_of(data).last(), Some(&entry));
            }
        }
    }

    /// What holds when nobody is writing: every object is accounted for, and every link is both
    /// ways.
    pub(super) fn check_all(&self) {
        let header = self.u64(88);
        assert_eq!(header + self.u64(96), self.0.len() as u64);
        let mut objects: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        let mut at = header;
        let tail = loop {
            objects.entry(self.byte(at)).or_default().push(at);
            let flags = self.byte(at + 1);
            let expected = match self.u32(12) & (1 | 2 | 8) {
                // The flag of files and that of data are the same, but for ZSTD's.
                8 => 4,
                flags => flags as u8,
            };
            assert!(flags == 0 || (self.byte(at) == 1 && flags == expected));
            assert_eq!(self.bytes(at + 2, 6), [0; 6], "reserved bytes");
            let end = at + self.u64(at + 8);
            let next = end.next_multiple_of(8);
            assert!(
                self.bytes(end, next - end).iter().all(|&byte| byte == 0),
                "padding"
            );
            if at == self.u64(136) {
                break next;
            }
            at = next;
        };
        assert!(
            self.0[tail as usize..].iter().all(|&byte| byte == 0),
            "after the last object"
        );
        let all = |kind: u8| objects.get(&kind).cloned().unwrap_or_default();
        let counts = [208, 216, 152, 0, 0, 232];
        for (kind, count) in (1..).zip(counts).filter(|(_, count)| *count != 0) {
            assert_eq!(
                all(kind).len() as u64,
                self.u64(count),
                "objects of type {kind}"
            );
        }
        let total: usize = objects.values().map(Vec::len).sum();
        assert_eq!(total as u64, self.u64(144));
        assert_eq!(self.u64(224), 0, "seals");

        let entries = self.entries();
        let offsets: Vec<u64> = entries.iter().map(|entry| entry.offset).collect();
        assert_eq!(offsets, all(3));
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            assert_eq!(self.u64(160), last.seqnum);
            assert_eq!(self.u64(168), first.seqnum);
            assert_eq!(self.u64(184), first.line.realtime_us);
            assert_eq!(self.u64(192), last.line.realtime_us);
            assert_eq!(self.u64(200), last.line.monotonic_us);
            assert_eq!(self.bytes(56, 16), last.line.boot_id.as_bytes());
        } else {
            assert!((168..208).step_by(8).all(|at| self.u64(at) == 0));
        }

        let payloads: BTreeSet<Vec<u8>> =
            all(1).into_iter().map(|data| self.payload(data)).collect();
        assert_eq!(payloads.len(), all(1).len(), "a payload stands there twice");
        let referred: BTreeSet<u64> = offsets
            .iter()
            .flat_map(|&entry| self.items(entry))
            .collect();
        assert_eq!(referred.into_iter().collect::<Vec<_>>(), all(1));
        self.check_table(104, all(4)[0], &all(1));
        self.check_table(120, all(5)[0], &all(2));
        let mut of_fields: Vec<u64> = Vec::new();
        for field in all(2) {
            let name = self.bytes(field + 40, self.u64(field + 8) - 40);
            let data = self.data_of_field(name);
            assert!(data.is_sorted_by(|a, b| a > b), "newest first");
            of_fields.extend(data);
        }
        of_fields.sort_unstable();
        assert_eq!(of_fields, all(1));
        self.check_arrays(all(6).len());
        self.check_newer_header(offsets.last().copied().unwrap_or_default());
    }

    /// Every object is in the chain of its bucket, and the bucket knows the chain's ends.
    fn check_table(&self, place: u64, table: u64, expected: &[u64]) {
        assert_eq!(self.u64(place), table + 16);
        assert_eq!(self.u64(place + 8), self.u64(table + 8) - 16);
        let mut found = Vec::new();
        let buckets = self.u64(place + 8) / 16;
        for bucket in 0..buckets {
            let bucket_at = self.u64(place) + 16 * bucket;
            let chain = self.chain(self.u64(bucket_at), 24);
            assert_eq!(
                chain.last().copied().unwrap_or_default(),
                self.u64(bucket_at + 8)
            );
            for &object in &chain {
                assert_eq!(self.u64(object + 16) % buckets, bucket);
            }
            found.extend(chain);
        }
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    /// Every array is in a chain, and what is not used of one is zero.
    fn check_arrays(&self, expected: usize) {
        let mut chains = vec![(self.u64(176), self.u64(152))];
        for data in self
            .entries()
            .iter()
            .flat_map(|entry| self.items(entry.offset))
        {
            let further = self.u64(data + 56) - 1;
            chains.push((self.u64(data + 48), further));
            if self.is_compact() {
                self.check_tail(self.u64(data + 48), data + 64);
            }
        }
        chains.sort_unstable();
        chains.dedup();
        let mut arrays = 0;
        for (first, count) in chains {
            let slots: Vec<u64> = self
                .chain(first, 16)
                .into_iter()
                .inspect(|_| arrays += 1)
                .flat_map(|array| self.slots(array))
                .collect();
            assert!(slots[count as usize..].iter().all(|&slot| slot == 0));
        }
        assert_eq!(arrays, expected);
    }

    /// The parts of the header that were added after rkt's time.
    fn check_newer_header(&self, tail_entry: u64) {
        let size = self.u64(88);
        if size >= 264 {
            self.check_tail(self.u64(176), 256);
        }
        if size >= 272 {
            assert_eq!(self.u64(264), tail_entry);
        }
    }

    /// What is noted of the end of a chain of arrays: the last one, and how much of it is used.
    fn check_tail(&self, first: u64, noted: u64) {
        let tail = self.chain(first, 16).pop().unwrap_or_default();
        assert_eq!(u64::from(self.u32(noted)), tail);
        let used = match tail {
            0 => 0,
            tail => self.slots(tail).iter().filter(|&&slot| slot != 0).count(),
        };
        assert_eq!(self.u32(noted + 4) as usize, used);
    }

    /// Finds the data with a payload, by its hash.
    fn lookup(&self, payload: &[u8]) -> Option<u64> {
        let bucket = self.hash(payload) % (self.u64(112) / 16);
        let chain = self.chain(self.u64(self.u64(104) + 16 * bucket), 24);
        chain
            .into_iter()
            .find(|&data| self.payload(data) == payload)
    }

    /// The data of a field, found by the hash of its name.
    fn data_of_field(&self, name: &[u8]) -> Vec<u64> {
        let bucket = self.hash(name) % (self.u64(128) / 16);
        let field = self
            .chain(self.u64(self.u64(120) + 16 * bucket), 24)
            .into_iter()
            .find(|&field| self.bytes(field + 40, self.u64(field + 8) - 40) == name)
            .expect("the field is in its table");
        self.chain(self.u64(field + 32), 32)
    }

    /// The entries that have a data object.
    fn entries_of(&self, data: u64) -> Vec<u64> {
        let count = self.u64(data + 56);
        let mut entries = vec![self.u64(data + 40)];
        entries.extend(self.list(self.u64(data + 48), count - 1));
        entries
    }

    fn entry(&self, offset: u64) -> Read {
        assert_eq!(self.byte(offset), 3, "an entry is expected at {offset}");
        let items = self.items(offset);
        assert!(!items.is_empty() && items.is_sorted_by(|a, b| a < b));
        let xor = items
            .iter()
            .fold(0, |xor, &data| xor ^ jenkins(&self.payload(data)));
        assert_eq!(xor, self.u64(offset + 56));
        Read {
            offset,
            seqnum: self.u64(offset + 16),
            line: Line {
                realtime_us: self.u64(offset + 24),
                monotonic_us: self.u64(offset + 32),
                boot_id: Uuid::from_slice(self.bytes(offset + 40, 16)).unwrap(),
                fields: items.into_iter().map(|data| self.field(data)).collect(),
            },
        }
    }

    fn field(&self, data: u64) -> (String, Vec<u8>) {
        let payload = self.payload(data);
        let end = payload.iter().position(|&byte| byte == b'=').unwrap();
        let name = String::from_utf8(payload[..end].to_vec()).unwrap();
        (name, payload[end + 1..].to_vec())
    }

    /// The data that an entry refers to, whose hashes must be right wherever they stand.
    fn items(&self, entry: u64) -> Vec<u64> {
        let end = entry + self.u64(entry + 8);
        let item_bytes = if self.is_compact() { 4 } else { 16 };
        (entry + 64..end)
            .step_by(item_bytes)
            .map(|item| {
                let data = match self.is_compact() {
                    true => self.u32(item).into(),
                    false => self.u64(item),
                };
                let hash = self.hash(&self.payload(data));
                if !self.is_compact() {
                    assert_eq!(self.u64(item + 8), hash);
                }
                assert_eq!(self.u64(data + 16), hash);
                data
            })
            .collect()
    }

    fn payload(&self, data: u64) -> Vec<u8> {
        assert_eq!(self.byte(data), 1, "data is expected at {data}");
        let head = if self.is_compact() { 72 } else { 64 };
        let stored = Stored {
            flags: self.byte(data + 1),
            bytes: self.bytes(data + head, self.u64(data + 8) - head).into(),
        };
        stored.payload().expect("the payload can be read").into()
    }

    /// The first `count` entries of a chain of arrays.
    fn list(&self, first: u64, count: u64) -> Vec<u64> {
        let mut list: Vec<u64> = self
            .chain(first, 16)
            .into_iter()
            .flat_map(|array| self.slots(array))
            .collect();
        assert!(list.len() as u64 >= count, "the arrays are too short");
        list.truncate(count as usize);
        list
    }

    fn slots(&self, array: u64) -> Vec<u64> {
        assert_eq!(self.byte(array), 6, "an entry array is expected at {array}");
        let end = array + self.u64(array + 8);
        let places = array + 24..end;
        match self.is_compact() {
            true => places.step_by(4).map(|at| self.u32(at).into()).collect(),
            false => places.step_by(8).map(|at| self.u64(at)).collect(),
        }
    }

    /// Objects linked by the offset that each has at `next`.
    fn chain(&self, first: u64, next: u64) -> Vec<u64> {
        std::iter::successors(Some(first), |object| Some(self.u64(object + next)))
            .take_while(|&object| object != 0)
            .collect()
    }

    fn hash(&self, payload: &[u8]) -> u64 {
        assert!(self.u32(12) < 32, "unknown flags {}", self.u32(12));
        let hash = match self.u32(12) & 4 {
            0 => FileHash::Jenkins,
            _ => FileHash::Sip(self.bytes(24, 16).try_into().unwrap()),
        };
        hash.of(payload)
    }

    fn is_compact(&self) -> bool {
        self.u32(12) & 16 != 0
    }

    fn byte(&self, at: u64) -> u8 {
        self.0[at as usize]
    }

    fn u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap())
    }

    fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().unwrap())
    }

    fn bytes(&self, at: u64, length: u64) -> &[u8] {
        &self.0[at as usize..][..length as usize]
    }
}
