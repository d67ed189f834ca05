//! Where things are in a journal file: offsets, types and flags, nothing else.
//!
//! They are those of `journal-def.h` and the page "Journal File Format" of systemd. Offsets are
//! narrower in compact files: [`Width`] tells what that changes.

/// Objects begin at multiples of this, in bytes.
pub(super) const ALIGNMENT: usize = 8;

/// The header, by offset in the file. Numbers have 8 bytes unless said otherwise.
pub(super) mod header {
    pub const SIGNATURE: &[u8; 8] = b"LPKSHHRH";

    /// 4 bytes.
    pub const COMPATIBLE_FLAGS: usize = 8;
    /// The header's boot id is the last entry's, whoever opened the file since.
    pub const TAIL_ENTRY_BOOT_ID_FLAG: u8 = 2;
    /// 4 bytes.
    pub const INCOMPATIBLE_FLAGS: usize = 12;
    pub const XZ_FLAG: u8 = 1;
    pub const LZ4_FLAG: u8 = 2;
    pub const KEYED_HASH_FLAG: u8 = 4;
    pub const ZSTD_FLAG: u8 = 8;
    pub const COMPACT_FLAG: u8 = 16;
    /// 1 byte, and 7 reserved ones.
    pub const STATE: usize = 16;
    /// 16 bytes, like the three after it.
    pub const FILE_ID: usize = 24;
    pub const MACHINE_ID: usize = 40;
    pub const BOOT_ID: usize = 56;
    pub const SEQNUM_ID: usize = 72;
    pub const HEADER_SIZE: usize = 88;
    /// The length of the file without the header.
    pub const ARENA_SIZE: usize = 96;
    /// Of the first bucket, not of the object.
    pub const DATA_TABLE: usize = 104;
    /// In bytes, without the object's head.
    pub const DATA_TABLE_SIZE: usize = 112;
    pub const FIELD_TABLE: usize = 120;
    pub const FIELD_TABLE_SIZE: usize = 128;
    pub const TAIL_OBJECT: usize = 136;
    pub const OBJECTS: usize = 144;
    /// The number with which a new entry becomes visible.
    pub const ENTRIES: usize = 152;
    pub const TAIL_SEQNUM: usize = 160;
    pub const HEAD_SEQNUM: usize = 168;
    /// The first entry array of the chain that lists all entries.
    pub const ENTRY_ARRAY: usize = 176;
    pub const HEAD_REALTIME: usize = 184;
    pub const TAIL_REALTIME: usize = 192;
    pub const TAIL_MONOTONIC: usize = 200;
    pub const DATA: usize = 208;
    pub const FIELDS: usize = 216;
    // At 224 the number of seals: always 0 in files of ours.
    pub const ENTRY_ARRAYS: usize = 232;
    /// From 246: the most steps that a search has made along a chain of the data table.
    pub const DATA_CHAIN_DEPTH: usize = 240;
    pub const FIELD_CHAIN_DEPTH: usize = 248;
    /// From 252: 4 bytes. The last array of the chain that lists all entries.
    pub const TAIL_ENTRY_ARRAY: usize = 256;
    /// From 252: 4 bytes. The number of entries in that array.
    pub const TAIL_ENTRY_ARRAY_ENTRIES: usize = 260;
    /// From 254.
    pub const TAIL_ENTRY: usize = 264;
}

/// The head of every object, by offset in the object; and the first byte, its type.
pub(super) mod object {
    /// 1 byte after the type, of data only: how its payload is compressed.
    pub const FLAGS: usize = 1;
    pub const XZ_FLAG: u8 = 1;
    pub const LZ4_FLAG: u8 = 2;
    pub const ZSTD_FLAG: u8 = 4;
    /// Size with head, without the padding after it. Before it: type, flags, 6 reserved.
    pub const SIZE: usize = 8;
    pub const HEAD_BYTES: usize = 16;

    /// The type of an object.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Kind {
        Data = 1,
        Field = 2,
        Entry = 3,
        DataTable = 4,
        FieldTable = 5,
        EntryArray = 6,
    }
}

/// A data object, by offset in the object.
pub(super) mod data {
    pub const NEXT_OF_FIELD: usize = 32;
    pub const FIRST_ENTRY: usize = 40;
    /// The first entry array with the entries after the first.
    pub const ENTRY_ARRAY: usize = 48;
    pub const ENTRIES: usize = 56;
    /// Where a file is not compact.
    pub const PAYLOAD: usize = 64;
    /// Of a compact file, 4 bytes: the last array of the chain at [`ENTRY_ARRAY`].
    pub const COMPACT_TAIL_ENTRY_ARRAY: usize = 64;
    /// Of a compact file, 4 bytes: the number of entries in that array.
    pub const COMPACT_TAIL_ENTRY_ARRAY_ENTRIES: usize = 68;
    pub const COMPACT_PAYLOAD: usize = 72;
}

/// A field object, by offset in the object.
pub(super) mod field {
    pub const HEAD_DATA: usize = 32;
    pub const PAYLOAD: usize = 40;
}

/// What data and field objects have in common: how a hash table keeps them.
pub(super) mod chained {
    pub const HASH: usize = 16;
    pub const NEXT: usize = 24;
}

/// An entry, by offset in the object.
pub(super) mod entry {
    pub const SEQNUM: usize = 16;
    pub const REALTIME: usize = 24;
    pub const MONOTONIC: usize = 32;
    /// 16 bytes.
    pub const BOOT_ID: usize = 40;
    pub const XOR_HASH: usize = 56;
    pub const ITEMS: usize = 64;
    /// The offset of a data object, and its hash.
    pub const ITEM_BYTES: usize = 16;
    /// The offset alone.
    pub const COMPACT_ITEM_BYTES: usize = 4;
}

/// A hash table, by offset in the object.
pub(super) mod table {
    pub const BUCKETS: usize = 16;
    /// The offsets of the first and the last object of a chain.
    pub const BUCKET_BYTES: usize = 16;
}

/// An entry array, by offset in the object.
pub(super) mod array {
    pub const NEXT: usize = 16;
    pub const ITEMS: usize = 24;
    /// The offset of an entry.
    pub const ITEM_BYTES: usize = 8;
    pub const COMPACT_ITEM_BYTES: usize = 4;
}

/// How wide offsets are where there are many of them: 8 bytes, in compact files 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Wide,
    Compact,
}

impl Width {
    /// Where in a data object the payload begins.
    pub(super) fn payload(self) -> usize {
        match self {
            Self::Wide => data::PAYLOAD,
            Self::Compact => data::COMPACT_PAYLOAD,
        }
    }

    /// How long an item of an entry is, in bytes.
    pub(super) fn item_bytes(self) -> usize {
        match self {
            Self::Wide => entry::ITEM_BYTES,
            Self::Compact => entry::COMPACT_ITEM_BYTES,
        }
    }

    /// How long an item of an entry array is, in bytes.
    pub(super) fn array_item_bytes(self) -> usize {
        match self {
            Self::Wide => array::ITEM_BYTES,
            Self::Compact => array::COMPACT_ITEM_BYTES,
        }
    }

    /// The bytes of an offset.
    pub(super) fn offset(self, offset: usize) -> Vec<u8> {
        match self {
            Self::Wide => (offset as u64).to_le_bytes().to_vec(),
            // No file is so long that this would cut anything.
            Self::Compact => (offset as u32).to_le_bytes().to_vec(),
        }
    }
}
