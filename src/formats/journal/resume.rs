//! Going on with a file that was written earlier.
//!
//! Nothing in such a file is believed. What it says is read with every place checked, written
//! anew, and compared with what is there: so a file is gone on with only if a [`Writer`] left it
//! just so, to the last byte. That is less than systemd would go on with, and needs no list of
//! all that can be wrong with a journal.

use std::borrow::Cow;

use uuid::Uuid;

use super::{
    compression::{Compression, Stored},
    entry::{Entry, Field},
    error::Error,
    image::padded,
    layout::{Width, entry, header, object, object::Kind, table as buckets},
    options::{Growth, Ids, Options, Revision, State},
    writer::{MIN_DATA_BUCKETS, Writer},
};

impl Writer {
    /// Goes on with a file, in the state that it is in: the writer is as if it had never
    /// stopped.
    ///
    /// # Errors
    ///
    /// [`Error::NotResumable`] when the bytes are not a whole file as a writer leaves it.
    pub fn resume(file: &[u8]) -> Result<Self, Error> {
        let writer = Old(file).write_anew().ok_or(Error::NotResumable)?;
        match writer.has_made(file) {
            true => Ok(writer),
            false => Err(Error::NotResumable),
        }
    }
}

/// The bytes of a file that may be anything. What cannot be read is `None`.
struct Old<'a>(&'a [u8]);

impl<'a> Old<'a> {
    /// What a writer makes of what the file says.
    fn write_anew(&self) -> Option<Writer> {
        let options = self.options()?;
        let mut writer = Writer::new(&options).ok()?;
        let tail = self.offset(header::TAIL_OBJECT)?;
        let mut at = options.revision.header_bytes();
        while at <= tail {
            if self.byte(at)? == Kind::Entry as u8 {
                self.append_to(&mut writer, options.width(), at)?;
            }
            at = at.checked_add(padded(self.object_bytes(at)?))?;
        }
        writer.set_state(State::of(self.byte(header::STATE)?)?);
        Some(writer)
    }

    fn options(&self) -> Option<Options> {
        let header_bytes = self.offset(header::HEADER_SIZE)?;
        let mut revisions = Revision::ALL.into_iter();
        let table_bytes = self.offset(header::DATA_TABLE_SIZE)?;
        if table_bytes > self.0.len() {
            return None;
        }
        let buckets = table_bytes / buckets::BUCKET_BYTES;
        let flags = self.byte(header::INCOMPATIBLE_FLAGS)?;
        let mut ways = Compression::ALL.into_iter();
        Some(Options {
            ids: Ids {
                file: self.id(header::FILE_ID)?,
                machine: self.id(header::MACHINE_ID)?,
                boot: self.id(header::BOOT_ID)?,
                seqnum: self.id(header::SEQNUM_ID)?,
            },
            first_seqnum: match self.u64(header::ENTRIES)? {
                0 => self.u64(header::TAIL_SEQNUM)?.checked_add(1)?,
                _ => self.u64(header::HEAD_SEQNUM)?,
            },
            revision: revisions.find(|revision| revision.header_bytes() == header_bytes)?,
            keyed_hash: flags & header::KEYED_HASH_FLAG != 0,
            compact: flags & header::COMPACT_FLAG != 0,
            compression: ways.find(|way| flags & way.file_flag() != 0),
            growth: Growth::of(self.0.len()),
            // The smallest number for which a writer makes so many buckets.
            expected_payloads: match buckets as u64 {
                MIN_DATA_BUCKETS => 0,
                more => u32::try_from((3 * more).div_ceil(4)).ok()?,
            },
        })
    }

    /// Appends the entry that stands there.
    fn append_to(&self, writer: &mut Writer, width: Width, at: usize) -> Option<()> {
        let end = at.checked_add(self.object_bytes(at)?)?;
        let items = (at + entry::ITEMS..end).step_by(width.item_bytes());
        let payloads = items.map(|item| self.payload(width, item));
        let payloads: Vec<_> = payloads.collect::<Option<_>>()?;
        let fields = payloads.iter().map(|payload| field(payload));
        let fields: Vec<_> = fields.collect::<Option<_>>()?;
        let appended = writer.append(&Entry {
            realtime_us: self.u64(at + entry::REALTIME)?,
            monotonic_us: self.u64(at + entry::MONOTONIC)?,
            boot_id: self.id(at + entry::BOOT_ID)?,
            fields: &fields,
        });
        appended.ok().map(drop)
    }

    /// The payload to which an item of an entry refers.
    fn payload(&self, width: Width, item: usize) -> Option<Cow<'a, [u8]>> {
        let at = match width {
            Width::Wide => self.offset(item)?,
            Width::Compact => {
                let offset = self.bytes(item, 4)?.try_into().ok()?;
                u32::from_le_bytes(offset) as usize
            }
        };
        let stored_bytes = self.object_bytes(at)?.checked_sub(width.payload())?;
        let stored = Stored {
            flags: self.byte(at + object::FLAGS)?,
            bytes: self.bytes(at + width.payload(), stored_bytes)?.into(),
        };
        stored.payload()
    }

    /// The size of the object there: at least its head, and not beyond the file.
    fn object_bytes(&self, at: usize) -> Option<usize> {
        let size = self.offset(at.checked_add(object::SIZE)?)?;
        self.bytes(at, size)?;
        (size >= object::HEAD_BYTES).then_some(size)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn offset(&self, at: usize) -> Option<usize> {
        usize::try_from(self.u64(at)?).ok()
    }

    fn u64(&self, at: usize) -> Option<u64> {
        let number = self.bytes(at, 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(number))
    }

    fn id(&self, at: usize) -> Option<Uuid> {
        Uuid::from_slice(self.bytes(at, 16)?).ok()
    }

    fn bytes(&self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(length)?)
    }
}

/// The field that a payload is.
fn field(payload: &[u8]) -> Option<Field<'_>> {
    let name_end = payload.iter().position(|byte| *byte == b'=')?;
    Some(Field {
        name: str::from_utf8(&payload[..name_end]).ok()?,
        value: &payload[name_end + 1..],
    })
}
