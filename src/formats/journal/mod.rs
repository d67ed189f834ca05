//! systemd's journal files, in which rkt's pods keep their logs.
//!
//! [`Writer`] makes one file, entry by entry, and after each says what has to be written where:
//! [`Change`]s, which may be applied to a file on disk while others read it, or ignored by those
//! who want the whole file at the end. What a file begins with is told by [`Options`]. Where
//! files lie, when they are rotated, and which fields an app's line has, is for others to know.
//! A file that a writer left can be gone on with (`resume`); reading what others have written is
//! a library of its own ([`read`]).
//!
//! # The format
//!
//! A journal file is a header and, after it, objects without gaps. All numbers are
//! little-endian. Objects begin at multiples of 8 bytes and name each other by their offset in
//! the file; 0 names none. After the last object come zeros up to the length of the file.
//!
//! ## Header (`layout::header`)
//!
//! What the file is (signature, flags, ids), where its tables are, where it ends, and counts of
//! what is in it. It has grown over the years: readers look at `header_size` to know how much
//! there is, [`Revision`] tells how much we write.
//!
//! ## Objects (`layout`, `image`)
//!
//! Each begins with a type, flags, and its own size: 16 bytes, and the size does not count the
//! zeros after it.
//!
//! | object | says | links |
//! |---|---|---|
//! | data | a payload `NAME=value`, and its hash | next in its bucket; next of its field; entries that have it |
//! | field | a `NAME`, and its hash | next in its bucket; newest data of that name |
//! | entry | sequence number, times, boot | data, by offset and hash |
//! | hash table | buckets: first and last object of a chain | |
//! | entry array | offsets of entries | next array |
//!
//! A payload stands in a file once (`table`), however many entries have it: an entry is
//! little more than a list of offsets, sorted. Each data object lists the entries that have
//! it, oldest first: the first one in itself, all others in a chain of entry arrays (`array`) of
//! its own. The header begins another such chain, of all entries. It is what readers walk,
//! for as many steps as the header counts entries.
//!
//! Hashes (`hash`) are of Jenkins' making until systemd 246, and since then SipHash-2-4 with the
//! file's id as key. An entry also carries the xor of its payloads' Jenkins hashes, whatever
//! the file's hash is.
//!
//! Since systemd 252 files may be *compact*: where there are many offsets, in entries and entry
//! arrays, each has 4 bytes instead of 8 (`layout::Width`). Long payloads may be compressed
//! (`compression`, `decompression`), in one of three ways per file; hashes are always those of
//! what was given.
//!
//! ## Growing under the eyes of readers
//!
//! Nobody locks a journal. A reader that comes at any moment must find only whole entries, so
//! what is written last is what makes all the rest visible:
//!
//! 1. If the file is too short, its length, and then the header's word for it.
//! 2. The new objects, complete, which nothing refers to yet.
//! 3. The links from old objects to new ones: chains, then arrays, and in each data object the
//!    number of its entries after the entry itself. The list of all entries comes last: some
//!    readers go on along it until they meet a zero, and for these the entry is there now.
//! 4. The header, all but the number of entries.
//! 5. The number of entries: eight bytes, with which the entry is there for those that count,
//!    systemd among them.
//!
//! So a file whose writer stops halfway serves all entries before; `journalctl --verify` will
//! say that its counts do not match its objects, as it does of systemd's own.

mod array;
mod change;
mod compression;
mod decompression;
mod entry;
mod error;
mod hash;
mod image;
mod layout;
mod options;
pub mod read;
mod resume;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub use self::{
    change::Change,
    compression::Compression,
    entry::{Entry, Field, MAX_FIELD_NAME_BYTES, MAX_FIELDS, MAX_PAYLOAD_BYTES},
    error::Error,
    options::{Growth, Ids, Options, Revision, State},
    writer::{MAX_FILE_BYTES, Span, Writer},
};
