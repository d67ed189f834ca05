//! Tests of the whole writer: what it writes, read back by a reader of their own.

mod properties;
mod reader;
mod refusals;

use uuid::Uuid;

use super::{Change, Entry, Field, Ids, Options};

const BOOT: Uuid = Uuid::from_u128(0xb007);

/// An entry that owns what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    realtime_us: u64,
    monotonic_us: u64,
    boot_id: Uuid,
    fields: Vec<(String, Vec<u8>)>,
}

impl Line {
    /// Hands it to `f` as the writer wants it.
    fn with_entry<T>(&self, f: impl FnOnce(&Entry<'_>) -> T) -> T {
        let fields: Vec<Field<'_>> = self
            .fields
            .iter()
            .map(|(name, value)| Field::new(name, value))
            .collect();
        f(&Entry {
            realtime_us: self.realtime_us,
            monotonic_us: self.monotonic_us,
            boot_id: self.boot_id,
            fields: &fields,
        })
    }
}

fn options() -> Options {
    Options::new(Ids {
        file: Uuid::from_u128(0xf11e),
        machine: Uuid::from_u128(0x3ac41e),
        boot: BOOT,
        seqnum: Uuid::from_u128(0x5e9),
    })
}

/// Does to bytes what [`Change::apply_to`] does to a file.
fn apply(change: Change<'_>, file: &mut Vec<u8>) {
    match change {
        Change::Length(length) => {
            let length = usize::try_from(length).unwrap();
            assert!(length > file.len(), "a file never gets shorter");
            file.resize(length, 0);
        }
        Change::Bytes { offset, bytes } => {
            let offset = usize::try_from(offset).unwrap();
            file[offset..][..bytes.len()].copy_from_slice(bytes);
        }
    }
}
