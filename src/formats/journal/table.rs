//! The two hash tables: every payload and every field name of a file, each once.

use super::{
    image::Image,
    layout::{chained, header, object, object::Kind, table},
};

/// Where a table and its objects are, and where the header speaks of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// The offset of the first bucket.
    buckets: usize,
    /// How many there are.
    count: u64,
    /// Where in its objects the payload begins, which goes on to their end.
    payload: usize,
    /// Where in the header the longest walk is noted, if the header has the place.
    depth: usize,
}

impl Table {
    /// Adds an empty table of data objects.
    pub(super) fn of_data(image: &mut Image, count: u64, payload: usize) -> Self {
        let places = (header::DATA_TABLE, header::DATA_TABLE_SIZE);
        let depth = header::DATA_CHAIN_DEPTH;
        Self::add(image, Kind::DataTable, count, places, payload, depth)
    }

    /// Adds an empty table of field objects.
    pub(super) fn of_fields(image: &mut Image, count: u64, payload: usize) -> Self {
        let places = (header::FIELD_TABLE, header::FIELD_TABLE_SIZE);
        let depth = header::FIELD_CHAIN_DEPTH;
        Self::add(image, Kind::FieldTable, count, places, payload, depth)
    }

    fn add(
        image: &mut Image,
        kind: Kind,
        count: u64,
        (place, size_place): (usize, usize),
        payload: usize,
        depth: usize,
    ) -> Self {
        let size = table::BUCKET_BYTES * count as usize;
        let buckets = image.add_object(kind, table::BUCKETS + size) + table::BUCKETS;
        image.set_u64(place, buckets as u64);
        image.set_u64(size_place, size as u64);
        Self {
            buckets,
            count,
            payload,
            depth,
        }
    }

    /// The object that keeps a payload with that hash as these bytes, with these flags, if there
    /// is one.
    pub(super) fn find(
        &self,
        image: &mut Image,
        hash: u64,
        flags: u8,
        stored: &[u8],
    ) -> Option<usize> {
        let mut steps = 0;
        let mut offset = image.offset_at(self.bucket(hash));
        while offset != 0 {
            if image.u64_at(offset + chained::HASH) == hash
                && image.bytes()[offset + object::FLAGS] == flags
                && self.stored(image, offset) == stored
            {
                return Some(offset);
            }
            offset = image.offset_at(offset + chained::NEXT);
            if offset != 0 {
                steps += 1;
                self.note_depth(image, steps);
            }
        }
        None
    }

    /// Makes an object, whose payload is not in the table yet, the last of its chain.
    pub(super) fn insert(&self, image: &mut Image, hash: u64, offset: usize) {
        let head = self.bucket(hash);
        let tail = head + 8;
        image.set_u64(offset + chained::HASH, hash);
        let link = match image.offset_at(tail) {
            0 => head,
            last => last + chained::NEXT,
        };
        image.set_u64(link, offset as u64);
        image.set_u64(tail, offset as u64);
    }

    /// The offset of the bucket for a hash.
    fn bucket(&self, hash: u64) -> usize {
        self.buckets + table::BUCKET_BYTES * (hash % self.count) as usize
    }

    fn stored<'a>(&self, image: &'a Image, offset: usize) -> &'a [u8] {
        &image.bytes()[offset + self.payload..offset + image.object_bytes(offset)]
    }

    /// Notes how far a search has gone, if that is a record and the header has the place.
    fn note_depth(&self, image: &mut Image, steps: u64) {
        if self.depth < image.header_bytes() && image.u64_at(self.depth) < steps {
            image.set_u64(self.depth, steps);
        }
    }
}
