//! Finding data objects by their payload, in the file's hash table.

use super::{
    super::layout::{chained, data, table},
    Journal,
    error::ReadError,
    object::Kind,
    source::ReadAt,
};

/// How many objects of a bucket are looked at. systemd begins a new file long before a bucket
/// has as many.
const MAX_STEPS: usize = 1 << 17;

impl<S: ReadAt> Journal<S> {
    /// The data object whose payload this is, `NAME=value`.
    pub(super) fn find(&mut self, payload: &[u8]) -> Result<Option<u64>, ReadError> {
        let (first, table_bytes) = self.header.data_table;
        let buckets = table_bytes / table::BUCKET_BYTES as u64;
        if buckets == 0 {
            return Ok(None);
        }
        let hash = self.header.hash().of(payload);
        let bucket = first.checked_add(table::BUCKET_BYTES as u64 * (hash % buckets));
        let bucket = bucket.ok_or(ReadError::OutOfBounds { offset: first })?;
        let mut offset = self.blocks.u64(bucket)?;
        let mut before = 0;
        for _ in 0..MAX_STEPS {
            // Each one is added at the end of the file: no chain leads back.
            if offset <= before {
                break;
            }
            self.head(offset, Kind::Data, data::PAYLOAD as u64)?;
            if self.blocks.u64(offset + chained::HASH as u64)? == hash
                && self
                    .value(offset, payload, 0)
                    .is_ok_and(|rest| rest.is_some())
            {
                return Ok(Some(offset));
            }
            before = offset;
            offset = self.blocks.u64(offset + chained::NEXT as u64)?;
        }
        Ok(None)
    }
}
