//! Checking a whole database, beyond what reading it takes.
//!
//! A reader follows what it needs and takes the rest on trust. Here everything is looked at:
//! that blocks and free lists account for the whole file ([`blocks`]), that the trees are
//! sound ([`tree`]) and hold what their tables hold ([`index`]), and that nothing is left over.

mod blocks;
mod index;
#[cfg(test)]
mod tests;
mod tree;

use self::blocks::Blocks;
use super::{
    block::{FIRST_BLOCK, Handle},
    database::Database,
    error::{Error, Flaw},
    table::{INDEXES, Row, Table, read_tables},
    walk::{Walk, corrupt},
};

/// The most faults that [`verify`] reports: one that is fundamental brings many others.
pub const MAX_FINDINGS: usize = 100;

/// Finds everything that is wrong with a database, after the log it was opened with.
///
/// What is checked:
///
/// * Blocks lie without gaps, padding is zero, relocations lead to used blocks.
/// * Each free block is on the one free list for its size. None follows another or ends the
///   file.
/// * All tables, rows and values can be read, and no row id is beyond the counter.
/// * In the tree of an index all leaves are at one depth and linked in the order of the tree,
///   and the pages above them name the right ones.
/// * An index holds the rows of its table, all of them once and in the order of their values,
///   and no value twice if it is unique. (Of indexes on complex and big numbers, and on
///   expressions, only the tree is checked.)
/// * The engine's list of indexes agrees with the tables.
/// * There is no used block that nothing leads to. This is checked when all else is sound.
///
/// Nothing found means that the engine can work with the database. At most
/// [`MAX_FINDINGS`] are returned.
#[must_use]
pub fn verify(db: &Database) -> Vec<Error> {
    let mut findings = Findings(Vec::new());
    if db.file().len() > FIRST_BLOCK {
        let blocks = Blocks::scan(db.file(), &mut findings);
        blocks.check_relocations(&mut findings);
        blocks.check_free_lists(db.file(), &mut findings);
        let mut walk = Walk::new(db.file().clone(), db.rows_limit());
        if let Err(error) = check_tables(&mut walk, &mut findings) {
            findings.push(error);
        }
        if findings.0.is_empty() {
            blocks.check_reached(&walk, &mut findings);
        }
    }
    findings.0
}

/// What was found so far.
struct Findings(Vec<Error>);

impl Findings {
    fn push(&mut self, finding: Error) {
        if self.0.len() < MAX_FINDINGS {
            self.0.push(finding);
        }
    }

    fn add(&mut self, what: &str, offset: u64, why: Flaw) {
        self.push(corrupt(&what, offset, why));
    }
}

/// Checks all that hangs from the root. An error means that the rest could not be looked at.
fn check_tables(walk: &mut Walk, findings: &mut Findings) -> Result<(), Error> {
    let counter = read_counter(walk)?;
    let tables = read_tables(walk)?;
    let mut listed = None;
    for table in &tables {
        let rows = match read_rows(table, walk) {
            Ok(rows) => rows,
            Err(error) => {
                findings.push(error);
                continue;
            }
        };
        for row in &rows {
            if row.id > counter {
                findings.add("row", row.handle.offset(), "its id was never given out");
            }
        }
        for index in table.indexes() {
            if let Err(error) = index::check(index, table, &rows, walk) {
                findings.push(error);
            }
        }
        if table.name() == INDEXES {
            listed = Some(rows);
        }
    }
    if let Some(listed) = listed {
        index::check_list(&listed, &tables, walk, findings);
    }
    Ok(())
}

/// The row id that was given out last.
fn read_counter(walk: &mut Walk) -> Result<i64, Error> {
    let content = walk.content(Handle::COUNTER, &"row id counter")?;
    match content.bytes[..].try_into() {
        Ok(counter) => Ok(i64::from_be_bytes(counter)),
        Err(_) => Err(content.corrupt("it is not of eight bytes")),
    }
}

fn read_rows(table: &Table, walk: &mut Walk) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut next = table.newest_row(walk)?;
    while let Some(handle) = next {
        let row;
        (row, next) = table.read_row(handle, walk)?;
        // All rows are kept, and a value can take much more room than it did in the file.
        let bytes = size_of_val(&row.values[..]) as u64;
        walk.charge(bytes, &"row", handle.offset())?;
        rows.push(row);
    }
    Ok(rows)
}
