//! What a journal file begins with: who it belongs to, and which of the format's variants it is.

use std::fmt::{self, Display};

use uuid::Uuid;

use super::{compression::Compression, layout::Width};

/// The ids in a file's header. The format does not care how they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// Of this file alone. The key of its hashes, where they have one.
    pub file: Uuid,
    /// Of the machine; for rkt the pod's UUID, and the name of the directory of its journals.
    pub machine: Uuid,
    /// Of the boot in which the file is made. Entries carry their own.
    pub boot: Uuid,
    /// Of the series to which the sequence numbers belong: the same in all files that one
    /// journald wrote, with numbers that go on from file to file.
    pub seqnum: Uuid,
}

/// How to make a journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The ids.
    pub ids: Ids,
    /// The number of the first entry, at least 1. Entries are numbered without gaps.
    pub first_seqnum: u64,
    /// The length of the header.
    pub revision: Revision,
    /// Whether hashes are keyed. Systemd does so since 246, and before cannot read such files.
    pub keyed_hash: bool,
    /// Whether offsets are short, which systemd can do since 252, and before cannot read.
    pub compact: bool,
    /// How payloads of 512 bytes and more are compressed, where that makes them shorter.
    pub compression: Option<Compression>,
    /// How the file gets longer.
    pub growth: Growth,
    /// How many different payloads the file is made for. It can take more, more slowly: this
    /// sets the length of the hash table, to four thirds and at least 2047 buckets of 16 bytes.
    pub expected_payloads: u32,
}

impl Options {
    /// A file as a pod's journald wrote it in rkt's time, but not longer than need be.
    #[must_use]
    pub fn new(ids: Ids) -> Self {
        Self {
            ids,
            first_seqnum: 1,
            revision: Revision::V189,
            keyed_hash: false,
            compact: false,
            compression: None,
            growth: Growth::Page,
            expected_payloads: 0,
        }
    }

    /// How wide the file's offsets are.
    pub(super) fn width(&self) -> Width {
        match self.compact {
            true => Width::Compact,
            false => Width::Wide,
        }
    }
}

/// How much there is of the header, named by the first systemd that wrote so much.
///
/// Every reader takes every one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// 240 bytes: systemd 189 to 245, so all of rkt's time.
    V189,
    /// 256 bytes: adds the lengths of the longest hash chains.
    V246,
    /// 264 bytes: adds the last entry array.
    V252,
    /// 272 bytes: adds the last entry, and the promise that the header's boot id is its.
    V254,
}

impl Revision {
    /// All of them, the oldest first.
    pub(super) const ALL: [Self; 4] = [Self::V189, Self::V246, Self::V252, Self::V254];

    /// The size of the header, in bytes.
    #[must_use]
    pub fn header_bytes(self) -> usize {
        match self {
            Self::V189 => 240,
            Self::V246 => 256,
            Self::V252 => 264,
            Self::V254 => 272,
        }
    }
}

/// The steps in which a file gets longer. What is not used of it is never written, so it
/// takes no blocks where the file system can leave holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// To a multiple of 4 KiB.
    Page,
    /// To a multiple of 8 MiB, as systemd does it.
    Systemd,
}

/// What systemd lengthens files by, in bytes.
const SYSTEMD_STEP_BYTES: usize = 8 << 20;

impl Growth {
    /// How a file of that many bytes gets longer, as far as its length can tell.
    pub(super) fn of(file_bytes: usize) -> Self {
        match file_bytes.is_multiple_of(SYSTEMD_STEP_BYTES) {
            true => Self::Systemd,
            false => Self::Page,
        }
    }

    /// The length of a file of which so much is used; both in bytes.
    pub(super) fn file_bytes(self, used: usize) -> u64 {
        let step = match self {
            Self::Page => 4 << 10,
            Self::Systemd => SYSTEMD_STEP_BYTES,
        };
        used.next_multiple_of(step) as u64
    }
}

/// Whether somebody is writing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody at the moment. A journald that goes on with the file sets it online again.
    Offline,
    /// Somebody is, or was when it came to an untimely end.
    Online,
    /// Nobody ever will again: the file has been rotated.
    Archived,
}

impl State {
    /// What the byte in the header says; `None` for one that systemd does not write.
    pub(super) fn of(byte: u8) -> Option<Self> {
        let mut states = [Self::Offline, Self::Online, Self::Archived].into_iter();
        states.find(|state| state.byte() == byte)
    }

    /// The byte in the header.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Offline => 0,
            Self::Online => 1,
            Self::Archived => 2,
        }
    }
}

impl Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Archived => "archived",
        })
    }
}
