//! The writer: entries in; objects, links and counts out.

use std::{collections::HashSet, fmt};

use uuid::Uuid;

use super::{
    array,
    change::Change,
    compression::{Compression, Stored},
    entry::{Entry, Field},
    error::Error,
    hash::{FileHash, jenkins},
    image::{Image, padded},
    layout::{Width, data, entry, field, header, object, object::Kind, table as buckets},
    options::{Ids, Options, Revision, State},
    table::Table,
};

/// How large a file may get, in bytes. Systemd lets none grow larger by default, and in files of
/// its newer kinds offsets have no more than 4 bytes.
pub const MAX_FILE_BYTES: u64 = u32::MAX as u64;

/// How many buckets systemd gives the table of fields.
const FIELD_BUCKETS: u64 = 333;

/// The fewest buckets that systemd gives the table of data.
pub(super) const MIN_DATA_BUCKETS: u64 = 2047;

/// Writes one journal file.
///
/// The used part of the file is kept in memory. The same calls make the same bytes, anywhere.
///
/// To write a file that nobody reads yet, append the entries and take what [`finish`] gives. To
/// write one that grows, apply the changes of [`whole`] to an empty file, and then those
/// of each call in turn; to go on with such a file later, [`resume`] it.
///
/// ```
/// use rkt_api::formats::journal::{Entry, Field, Ids, Options, State, Writer};
/// use uuid::Uuid;
///
/// let boot = Uuid::from_u128(3);
/// let ids = Ids {
///     file: Uuid::from_u128(1),
///     machine: Uuid::from_u128(2),
///     boot,
///     seqnum: Uuid::from_u128(1),
/// };
/// let mut writer = Writer::new(&Options::new(ids))?;
/// writer.append(&Entry {
///     realtime_us: 1_500_000_000_000_000,
///     monotonic_us: 0,
///     boot_id: boot,
///     fields: &[Field::new("MESSAGE", "hello"), Field::new("SYSLOG_IDENTIFIER", "app")],
/// })?;
/// assert!(writer.finish(State::Offline).starts_with(b"LPKSHHRH"));
/// # Ok::<(), rkt_api::formats::journal::Error>(())
/// ```
///
/// [`finish`]: Self::finish
/// [`resume`]: Self::resume
/// [`whole`]: Self::whole
pub struct Writer {
    image: Image,
    data: Table,
    fields: Table,
    hash: FileHash,
    options: Options,
    state: State,
    next_seqnum: u64,
    /// [`MAX_FILE_BYTES`], except in tests.
    pub(super) limit_bytes: u64,
}

/// From which entry to which a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The number of the first entry.
    pub first_seqnum: u64,
    /// The wall clock time of the first entry, in microseconds since 1970.
    pub first_realtime_us: u64,
    /// The number of the last entry.
    pub last_seqnum: u64,
    /// The wall clock time of the last entry, in microseconds since 1970.
    pub last_realtime_us: u64,
    /// The last entry's time since its boot, in microseconds.
    pub last_monotonic_us: u64,
    /// The boot of the last entry.
    pub last_boot_id: Uuid,
}

/// A data object that an entry refers to.
struct Item {
    offset: usize,
    /// The file's hash of it.
    hash: u64,
    /// Jenkins' hash of it.
    jenkins: u64,
}

impl Writer {
    /// Begins a file, without entries and online.
    ///
    /// # Errors
    ///
    /// [`Error::Seqnum`] when the first number is 0; [`Error::Full`] when there is no room
    /// for so large a hash table.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let Options {
            ids,
            first_seqnum,
            revision,
            keyed_hash,
            compact,
            compression,
            growth: _,
            expected_payloads,
        } = *options;
        if first_seqnum == 0 {
            return Err(Error::Seqnum(first_seqnum));
        }
        let data_buckets = (u64::from(expected_payloads) * 4 / 3).max(MIN_DATA_BUCKETS);
        let table_bytes = (data_buckets + FIELD_BUCKETS) * buckets::BUCKET_BYTES as u64;
        let other_bytes = (revision.header_bytes() + 2 * object::HEAD_BYTES) as u64;
        check_size(table_bytes + other_bytes, MAX_FILE_BYTES)?;

        let mut image = Image::new(revision.header_bytes());
        image.set(0, header::SIGNATURE);
        if revision == Revision::V254 {
            image.set(header::COMPATIBLE_FLAGS, &[header::TAIL_ENTRY_BOOT_ID_FLAG]);
        }
        let flags = [
            keyed_hash.then_some(header::KEYED_HASH_FLAG),
            compact.then_some(header::COMPACT_FLAG),
            compression.map(Compression::file_flag),
        ];
        let flags = flags.into_iter().flatten().sum();
        image.set(header::INCOMPATIBLE_FLAGS, &[flags]);
        let state = State::Online;
        image.set(header::STATE, &[state.byte()]);
        image.set(header::FILE_ID, ids.file.as_bytes());
        image.set(header::MACHINE_ID, ids.machine.as_bytes());
        image.set(header::BOOT_ID, ids.boot.as_bytes());
        image.set(header::SEQNUM_ID, ids.seqnum.as_bytes());
        image.set_u64(header::HEADER_SIZE, revision.header_bytes() as u64);
        // The last number that was given in the series, by the file before this one.
        image.set_u64(header::TAIL_SEQNUM, first_seqnum - 1);

        let fields = Table::of_fields(&mut image, FIELD_BUCKETS, field::PAYLOAD);
        let data = Table::of_data(&mut image, data_buckets, options.width().payload());
        let mut writer = Self {
            image,
            data,
            fields,
            hash: if keyed_hash {
                FileHash::Sip(*ids.file.as_bytes())
            } else {
                FileHash::Jenkins
            },
            options: *options,
            state,
            next_seqnum: first_seqnum,
            limit_bytes: MAX_FILE_BYTES,
        };
        writer.set_arena();
        Ok(writer)
    }

    /// Appends an entry: what is to be done to the file on disk, if there is one.
    ///
    /// # Errors
    ///
    /// When the entry breaks a rule of [`Entry`] or [`Field`], when there is no
    /// room or no number for it, or when the file is not online.
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<Vec<Change<'_>>, Error> {
        self.check(entry)?;
        let next_seqnum = self
            .next_seqnum
            .checked_add(1)
            .ok_or(Error::Seqnum(self.next_seqnum))?;

        self.image.settle();
        let items = self.add_items(entry.fields);
        let offset = self.add_entry(entry, &items);
        self.link_entry(offset, &items);
        self.count_entry(entry, offset);
        self.next_seqnum = next_seqnum;
        let grown_to = self.set_arena();
        Ok(self.changes(grown_to))
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The series to which the sequence numbers belong.
    #[must_use]
    pub fn seqnum_id(&self) -> Uuid {
        self.options.ids.seqnum
    }

    /// How to make the file that comes after this one: of the same kind, with numbers that go
    /// on. `file` is its id, and `boot` the one in which it is made.
    #[must_use]
    pub fn successor(&self, file: Uuid, boot: Uuid) -> Options {
        let ids = self.options.ids;
        Options {
            ids: Ids { file, boot, ..ids },
            first_seqnum: self.next_seqnum,
            ..self.options
        }
    }

    /// From which entry to which the file goes; `None` while it has none.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        let number = |at| self.image.u64_at(at);
        (number(header::ENTRIES) > 0).then(|| Span {
            first_seqnum: number(header::HEAD_SEQNUM),
            first_realtime_us: number(header::HEAD_REALTIME),
            last_seqnum: number(header::TAIL_SEQNUM),
            last_realtime_us: number(header::TAIL_REALTIME),
            last_monotonic_us: number(header::TAIL_MONOTONIC),
            last_boot_id: self.id_at(header::BOOT_ID),
        })
    }

    /// Changes the state: what is to be done to the file on disk, if there is one.
    pub fn set_state(&mut self, state: State) -> Change<'_> {
        self.state = state;
        self.image.set(header::STATE, &[state.byte()]);
        self.bytes_at(header::STATE, 1)
    }

    /// What makes the file as it is now of an empty one. The header comes last: until then
    /// nobody takes the file for a journal.
    #[must_use]
    pub fn whole(&self) -> Vec<Change<'_>> {
        let objects = self.image.header_bytes();
        vec![
            Change::Length(self.file_bytes()),
            self.bytes_at(objects, self.image.bytes().len() - objects),
            self.bytes_at(0, objects),
        ]
    }

    /// The file, in a last state.
    #[must_use]
    pub fn finish(mut self, state: State) -> Vec<u8> {
        self.set_state(state);
        let length = self.file_bytes() as usize;
        let mut bytes = self.image.into_bytes();
        bytes.resize(length, 0);
        bytes
    }

    /// How much of the file is used, in bytes: header and objects. All that comes after is zero.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.image.bytes().len() as u64
    }

    /// The length of the file, in bytes.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.options.growth.file_bytes(self.image.bytes().len())
    }

    /// Fails unless the entry may be the next one here.
    fn check(&self, entry: &Entry<'_>) -> Result<(), Error> {
        if self.state != State::Online {
            return Err(Error::NotOnline(self.state));
        }
        entry.check()?;
        if let Some(before_us) = self.monotonic_in(entry.boot_id)
            && entry.monotonic_us < before_us
        {
            return Err(Error::MonotonicBackwards {
                now_us: entry.monotonic_us,
                before_us,
            });
        }
        let end = self.image.bytes().len() as u64 + self.max_growth_bytes(entry.fields);
        check_size(end, self.limit_bytes)
    }

    /// The monotonic time of the last entry, if it is of this boot.
    fn monotonic_in(&self, boot: Uuid) -> Option<u64> {
        let span = self.span().filter(|span| span.last_boot_id == boot)?;
        Some(span.last_monotonic_us)
    }

    /// Whether these bytes are the file as it is now.
    pub(super) fn has_made(&self, file: &[u8]) -> bool {
        let used = self.image.bytes();
        let is_zero = |rest: &[u8]| rest.iter().all(|byte| *byte == 0);
        file.len() as u64 == self.file_bytes() && file.strip_prefix(used).is_some_and(is_zero)
    }

    fn id_at(&self, at: usize) -> Uuid {
        let mut id = [0; 16];
        id.copy_from_slice(&self.image.bytes()[at..at + 16]);
        Uuid::from_bytes(id)
    }

    /// The most that an entry with these fields can add to the file, in bytes: as if nothing of
    /// it were there yet, and every list full.
    fn max_growth_bytes(&self, fields: &[Field<'_>]) -> u64 {
        let objects: usize = fields
            .iter()
            .map(|each| {
                padded(data::COMPACT_PAYLOAD + each.payload_bytes())
                    + padded(field::PAYLOAD + each.name.len())
                    + entry::ITEM_BYTES
            })
            .sum();
        let arrays = array::max_growth_bytes(self.image.u64_at(header::ENTRIES));
        (entry::ITEMS + objects) as u64 + (fields.len() as u64 + 1) * arrays
    }

    /// Finds or adds the fields' data: sorted by offset, each once.
    fn add_items(&mut self, fields: &[Field<'_>]) -> Vec<Item> {
        // Not even looked for twice, which would leave a trace in the header.
        let mut seen = HashSet::new();
        let once = fields
            .iter()
            .filter(|each| seen.insert((each.name, each.value)));
        let mut items: Vec<Item> = once.map(|each| self.add_item(each)).collect();
        items.sort_unstable_by_key(|item| item.offset);
        items
    }

    fn add_item(&mut self, field: &Field<'_>) -> Item {
        let payload = [field.name.as_bytes(), b"=", field.value].concat();
        let hash = self.hash.of(&payload);
        let stored = Stored::new(&payload, self.options.compression);
        let image = &mut self.image;
        let offset = match self.data.find(image, hash, stored.flags, &stored.bytes) {
            Some(offset) => offset,
            None => self.add_data(field.name, hash, &stored),
        };
        let jenkins = match self.hash {
            FileHash::Jenkins => hash,
            FileHash::Sip(_) => jenkins(&payload),
        };
        Item {
            offset,
            hash,
            jenkins,
        }
    }

    /// Adds a payload, as the newest of its field.
    fn add_data(&mut self, name: &str, hash: u64, stored: &Stored<'_>) -> usize {
        let image = &mut self.image;
        let payload = self.options.width().payload();
        let offset = image.add_object(Kind::Data, payload + stored.bytes.len());
        image.set(offset + object::FLAGS, &[stored.flags]);
        image.set(offset + payload, &stored.bytes);
        image.increment(header::DATA);
        self.data.insert(image, hash, offset);

        let newest = self.add_field(name) + field::HEAD_DATA;
        let image = &mut self.image;
        image.set_u64(offset + data::NEXT_OF_FIELD, image.u64_at(newest));
        image.set_u64(newest, offset as u64);
        offset
    }

    /// Finds or adds a field name.
    fn add_field(&mut self, name: &str) -> usize {
        let image = &mut self.image;
        let hash = self.hash.of(name.as_bytes());
        if let Some(offset) = self.fields.find(image, hash, 0, name.as_bytes()) {
            return offset;
        }
        let offset = image.add_object(Kind::Field, field::PAYLOAD + name.len());
        image.set(offset + field::PAYLOAD, name.as_bytes());
        image.increment(header::FIELDS);
        self.fields.insert(image, hash, offset);
        offset
    }

    /// Adds the entry itself.
    fn add_entry(&mut self, entry: &Entry<'_>, items: &[Item]) -> usize {
        let image = &mut self.image;
        let width = self.options.width();
        let size = entry::ITEMS + width.item_bytes() * items.len();
        let offset = image.add_object(Kind::Entry, size);
        image.set_u64(offset + entry::SEQNUM, self.next_seqnum);
        image.set_u64(offset + entry::REALTIME, entry.realtime_us);
        image.set_u64(offset + entry::MONOTONIC, entry.monotonic_us);
        image.set(offset + entry::BOOT_ID, entry.boot_id.as_bytes());
        let xor_hash = items.iter().fold(0, |xor, item| xor ^ item.jenkins);
        image.set_u64(offset + entry::XOR_HASH, xor_hash);
        let places = (offset + entry::ITEMS..).step_by(width.item_bytes());
        for (place, item) in places.zip(items) {
            image.set(place, &width.offset(item.offset));
            if width == Width::Wide {
                image.set_u64(place + 8, item.hash);
            }
        }
        offset
    }

    /// Puts the entry into the list of all entries, and into those of its data.
    fn link_entry(&mut self, entry: usize, items: &[Item]) {
        let image = &mut self.image;
        let width = self.options.width();
        let entries = image.u64_at(header::ENTRIES);
        let links_before = image.links().len();
        let tail = array::push(image, width, header::ENTRY_ARRAY, entries, entry);
        let to_list_of_all = links_before..image.links().len();
        if header::TAIL_ENTRY_ARRAY < image.header_bytes() {
            image.set_u32(header::TAIL_ENTRY_ARRAY, tail.array);
            image.set_u32(header::TAIL_ENTRY_ARRAY_ENTRIES, tail.entries);
        }
        for item in items {
            let place = item.offset + data::ENTRIES;
            match image.u64_at(place) {
                0 => image.set_u64(item.offset + data::FIRST_ENTRY, entry as u64),
                count => {
                    let first = item.offset + data::ENTRY_ARRAY;
                    let tail = array::push(image, width, first, count - 1, entry);
                    if width == Width::Compact {
                        image.set_u32(item.offset + data::COMPACT_TAIL_ENTRY_ARRAY, tail.array);
                        let used = item.offset + data::COMPACT_TAIL_ENTRY_ARRAY_ENTRIES;
                        image.set_u32(used, tail.entries);
                    }
                }
            }
            image.increment(place);
        }
        // systemd makes the arrays in this order; but readers that do not count see the entry
        // with this link.
        image.postpone_links(to_list_of_all);
    }

    /// Makes the header speak of the entry.
    fn count_entry(&mut self, entry: &Entry<'_>, offset: usize) {
        let image = &mut self.image;
        if image.u64_at(header::ENTRIES) == 0 {
            image.set_u64(header::HEAD_SEQNUM, self.next_seqnum);
            image.set_u64(header::HEAD_REALTIME, entry.realtime_us);
        }
        image.set_u64(header::TAIL_SEQNUM, self.next_seqnum);
        image.set_u64(header::TAIL_REALTIME, entry.realtime_us);
        image.set_u64(header::TAIL_MONOTONIC, entry.monotonic_us);
        image.set(header::BOOT_ID, entry.boot_id.as_bytes());
        if self.options.revision == Revision::V254 {
            image.set_u64(header::TAIL_ENTRY, offset as u64);
        }
        image.increment(header::ENTRIES);
    }

    /// Makes the header speak of the file's length: that length, if it has changed.
    fn set_arena(&mut self) -> Option<u64> {
        let file_bytes = self.file_bytes();
        let arena = file_bytes - self.image.header_bytes() as u64;
        if self.image.u64_at(header::ARENA_SIZE) == arena {
            return None;
        }
        self.image.set_u64(header::ARENA_SIZE, arena);
        Some(file_bytes)
    }

    /// What an append has changed, in the order that the module's documentation tells.
    ///
    /// All bytes are those of the finished append. That does no harm, since no place is
    /// written before what it refers to.
    fn changes(&self, grown_to: Option<u64>) -> Vec<Change<'_>> {
        let mut changes = Vec::new();
        if let Some(length) = grown_to {
            changes.push(Change::Length(length));
            changes.push(self.bytes_at(header::ARENA_SIZE, 8));
        }
        let objects = self.image.new_objects();
        changes.push(self.bytes_at(objects.start, objects.len()));
        let links = self.image.links().iter();
        changes.extend(links.map(|place| self.bytes_at(place.start, place.len())));
        let after = header::ENTRIES + 8;
        changes.push(self.bytes_at(header::BOOT_ID, header::ENTRIES - header::BOOT_ID));
        changes.push(self.bytes_at(after, self.image.header_bytes() - after));
        changes.push(self.bytes_at(header::ENTRIES, 8));
        changes
    }

    fn bytes_at(&self, at: usize, length: usize) -> Change<'_> {
        Change::Bytes {
            offset: at as u64,
            bytes: &self.image.bytes()[at..at + length],
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("state", &self.state)
            .field("next_seqnum", &self.next_seqnum)
            .field("file_bytes", &self.file_bytes())
            .finish_non_exhaustive()
    }
}

/// Fails if a file that is used up to here would be too long.
fn check_size(end: u64, limit_bytes: u64) -> Result<(), Error> {
    if end > limit_bytes {
        return Err(Error::Full { limit_bytes });
    }
    Ok(())
}
