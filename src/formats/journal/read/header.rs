//! The header of a journal file, as a reader needs it.

use uuid::Uuid;

use super::{
    super::{hash::FileHash, layout::header as at, options::State},
    error::ReadError,
    source::{Blocks, ReadAt},
};

/// The incompatible flags that are known, by bit.
mod flag {
    pub const KEYED_HASH: u32 = 4;
    pub const COMPACT: u32 = 16;
    /// XZ, LZ4 and ZSTD; each object says for itself.
    pub const COMPRESSED: u32 = 1 | 2 | 8;
}

/// What every header has had since there were journals.
const MIN_HEADER_BYTES: u64 = 208;

/// What the header says, as far as readers ask. None of it is sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The file's own id.
    pub file_id: Uuid,
    /// The series of sequence numbers that the entries' numbers are of.
    pub seqnum_id: Uuid,
    /// Whether somebody writes the file; `None` for a state that is not known.
    pub state: Option<State>,
    /// How many entries there are.
    pub entries: u64,
    /// The number of the first entry; 0 if there is none.
    pub head_seqnum: u64,
    /// The number of the last entry; 0 if there is none.
    pub tail_seqnum: u64,
    /// The time of the first entry, in microseconds since the epoch.
    pub head_realtime_us: u64,
    pub(super) size_bytes: u64,
    pub(super) is_compact: bool,
    is_keyed: bool,
    /// The first bucket, and the length of all, in bytes.
    pub(super) data_table: (u64, u64),
    pub(super) entry_array: u64,
}

impl Header {
    /// Reads the header of a journal, and no more.
    ///
    /// # Errors
    ///
    /// When it is no journal, or of a kind that is not known.
    pub fn of<S: ReadAt>(source: S) -> Result<Self, ReadError> {
        Self::read(&mut Blocks::new(source)?)
    }

    pub(super) fn read<S: ReadAt>(blocks: &mut Blocks<S>) -> Result<Self, ReadError> {
        const KNOWN_BYTES: usize = MIN_HEADER_BYTES as usize;
        let bytes: [u8; KNOWN_BYTES] = match blocks.array(0) {
            Ok(bytes) => bytes,
            Err(ReadError::OutOfBounds { .. }) => return Err(ReadError::NotAJournal),
            Err(error) => return Err(error),
        };
        if !bytes.starts_with(at::SIGNATURE) {
            return Err(ReadError::NotAJournal);
        }
        let u64_at = |place: usize| u64::from_le_bytes(fixed(&bytes, place));
        let id_at = |place: usize| Uuid::from_bytes(fixed(&bytes, place));
        let flags = u32::from_le_bytes(fixed(&bytes, at::INCOMPATIBLE_FLAGS));
        let known = flag::KEYED_HASH | flag::COMPACT | flag::COMPRESSED;
        if flags & !known != 0 {
            return Err(ReadError::Unsupported(flags & !known));
        }
        let size_bytes = u64_at(at::HEADER_SIZE);
        if size_bytes < MIN_HEADER_BYTES || size_bytes > blocks.size_bytes() {
            return Err(ReadError::Malformed {
                offset: at::HEADER_SIZE as u64,
                what: "an impossible header size",
            });
        }
        Ok(Self {
            file_id: id_at(at::FILE_ID),
            seqnum_id: id_at(at::SEQNUM_ID),
            state: State::of(bytes[at::STATE]),
            entries: u64_at(at::ENTRIES),
            head_seqnum: u64_at(at::HEAD_SEQNUM),
            tail_seqnum: u64_at(at::TAIL_SEQNUM),
            head_realtime_us: u64_at(at::HEAD_REALTIME),
            size_bytes,
            is_compact: flags & flag::COMPACT != 0,
            is_keyed: flags & flag::KEYED_HASH != 0,
            data_table: (u64_at(at::DATA_TABLE), u64_at(at::DATA_TABLE_SIZE)),
            entry_array: u64_at(at::ENTRY_ARRAY),
        })
    }

    /// What the hash tables are sorted by.
    pub(super) fn hash(&self) -> FileHash {
        match self.is_keyed {
            true => FileHash::Sip(self.file_id.into_bytes()),
            false => FileHash::Jenkins,
        }
    }
}

fn fixed<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    let mut fixed = [0; N];
    fixed.copy_from_slice(&bytes[place..place + N]);
    fixed
}
