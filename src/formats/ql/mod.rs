//! `ql.db`, rkt's image index: a single-file SQL database of the Go engine cznic/ql, in the
//! revision that rkt 1.30 carries with it.
//!
//! [`Database::open`] takes the bytes of the file and of the write-ahead log beside it, and
//! gives tables and rows; [`verify()`] finds what is wrong with a database. What rkt keeps in its
//! tables is in [`rkt`], which also writes new databases. Opening files, locking them and
//! deciding what to make of a damaged one is for others to do.
//!
//! # The format
//!
//! All numbers are big-endian unless said otherwise. There are no checksums and no version.
//!
//! ## File and blocks (`block`, `walk`)
//!
//! ```text
//! offset 0    60 DB 71 6C ("ql"), 12 zeros
//! offset 16   free list table: 14 slots of 8 bytes, each the handle of a free block
//! offset 128  blocks without gaps, each a whole number of 16-byte atoms
//! ```
//!
//! A block is named by its *handle*, the ordinal of its first atom from 1, so it begins at
//! `16 * (handle + 7)`. Handle 0 means none. Seven bytes hold any handle. The first byte of
//! a block says what it is:
//!
//! | byte | block | layout |
//! |---|---|---|
//! | `00`–`FB` | used, short | length n in this byte, n bytes, zeros, flag |
//! | `FC` | used, long | m in 2 bytes (n is m, or m + 65536 below 252), n bytes, zeros, flag |
//! | `FD` | relocation | handle of the block where the content is now, zeros |
//! | `FE` | free, 1 atom | previous and next free block, `FE` |
//! | `FF` | free, S atoms | S in 7 bytes, previous, next, anything, S in 7 bytes, `FF` |
//!
//! The flag in the last byte is 0 or 1; with 1 the bytes are compressed (`zappy`). A content
//! has at most 65787 bytes. One of up to 14 bytes fits into an atom, so the small blocks that
//! all else hangs from never move. A block whose content has outgrown its place becomes a
//! relocation, for handles never change; nothing else refers to the block it leads to.
//!
//! Slot s of the free list table is for free blocks of 2^s to 2^(s+1) - 1 atoms; slot 12 ends
//! at 4111, and slot 13 takes the rest. No two free blocks are neighbours, and none ends the
//! file.
//!
//! A file of no bytes is a database that was not yet used; rkt's set-up makes it so.
//!
//! ## Contents
//!
//! Most are vectors of scalars (`scalar`), written here as `(a, b)`.
//!
//! * Handle 1, the root: `(youngest table)`. Handle 2: the last row id that was given out to any
//!   table, 8 raw bytes.
//! * A table record (`table`): `(next older table, columns, head, name)`, and, once the table
//!   has had an index, `index names, index roots`. `columns` is a letter for the type and the
//!   name of each column, joined by `|`; a dropped column keeps its place and loses its name.
//!   `index names` has an entry for the row ids and one for each column: nothing, or `u` (unique)
//!   or `n` and the name. `index roots` is a block with a vector of as many handles.
//! * The head block: `(newest row)`. A row: `(next older row, id, values…)`. Values of columns
//!   that were added later are missing.
//! * Times, blobs and big numbers are byte strings around a vector (`value`): `(type letter,
//!   payload)`, or when the payload is longer than 256 bytes `(type letter, handle, beginning)`.
//!   The rest is a chain of blocks `(next, bytes)`, the last of them `(bytes)`. The payload of a
//!   time is Go's own encoding (`time`).
//!
//! The engine keeps tables of its own: `__Index2` and `__Index2_Expr` list the indexes,
//! `__Column2` the constraints and defaults of columns (`rule`).
//!
//! ## Index trees (`page`)
//!
//! The root of an index is a block of 7 bytes, the handle of the top page of a B+tree. Pages are
//! contents of blocks:
//!
//! ```text
//! leaf          01, previous leaf, next leaf, then up to 512 items: key field, value field
//! index page    00, child 0, then up to 512 times: leftmost leaf under the next child, that child
//! field         length, up to 18 bytes, padding to 19 in all
//!               FF, first 11 bytes, handle of a block with the others
//! ```
//!
//! Keys and values are vectors. An index that is not unique has keys `(value, row)` and values
//! `(0)`. A unique one has keys `(value, 0)` and values `(row)`, but for NULL, which it treats as
//! the other does. `row` is the handle of the row's block. Keys are in the order of the values
//! and then of the handles: NULL, false, true; numbers by size, texts by their bytes, times by
//! their instants.
//!
//! ## Write-ahead log (`log`)
//!
//! In `.34a8b4c1ad933745146fdbfef3073706ee571625`, the SHA-1 of the name `ql.db`. Empty except
//! during a commit and after a crash in one. Packets of a 4-byte length, a vector, and zeros to
//! a multiple of 16: `(0, 0, text)` first, `(1, bytes, offset)` for each write, `(2, length)`
//! last. Offsets and length do not count the 16 bytes of the file header. Whoever finds a
//! log that ends in this last packet has to apply it; any other is void.

mod block;
mod commit;
mod create;
mod database;
mod error;
mod log;
mod page;
pub mod rkt;
mod rule;
mod scalar;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod value;
mod verify;
mod walk;
mod zappy;

pub use self::{
    commit::{Commit, initialised},
    database::{Database, MAX_SCHEMA_BYTES, MIN_ROWS_LIMIT, ROWS_LIMIT_PER_FILE_BYTE},
    error::Error,
    rule::ColumnRule,
    table::{Column, Index, Row, Rows, Table},
    time::{Time, Zone},
    value::{ColumnType, Value},
    verify::{MAX_FINDINGS, verify},
};
