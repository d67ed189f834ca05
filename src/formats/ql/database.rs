//! A database as a whole: opening one, and finding one's way to tables and rows.

use std::fmt;

use bytes::Bytes;

use super::{
    block::{ATOM, FIRST_BLOCK, HEADER_LEN, MAGIC},
    error::Error,
    log,
    rule::{self, ColumnRule},
    table::{Rows, Table, read_tables},
    walk::Walk,
};

/// How many bytes the records of all tables together may unpack to.
///
/// rkt's tables take less than a thousand.
pub const MAX_SCHEMA_BYTES: u64 = 1 << 20;

/// How many bytes the rows of one table may unpack to in any file, however small.
pub const MIN_ROWS_LIMIT: u64 = 8 << 20;

/// How many bytes more the rows of one table may unpack to for each byte of the file.
///
/// In image stores that rkt has written, everything together unpacks to about the length of
/// the file.
pub const ROWS_LIMIT_PER_FILE_BYTE: u64 = 8;

/// A database that has been read into memory.
pub struct Database {
    file: Bytes,
    tables: Vec<Table>,
}

impl Database {
    /// Opens the database whose file has the content `file`, with the content of the
    /// write-ahead log that lies beside it, if there is one.
    ///
    /// A complete log is applied, in memory; one that is not complete is ignored, for then
    /// the database has not been touched. A file of no bytes is a database without tables, and
    /// so is one of 16 or 128, which a crash at the moment of creation can leave.
    ///
    /// Reads the records of the tables, but no row, and not everything else that could be
    /// damaged.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::TooMuch`] if the file is no ql database or the tables
    /// cannot be read, [`Error::Log`] if the log is complete but cannot be meant.
    pub fn open(file: impl Into<Bytes>, log: Option<&[u8]>) -> Result<Self, Error> {
        let file = log::apply(file.into(), log.unwrap_or_default())?;
        check_header(&file)?;
        let tables = match file.len() {
            0 | HEADER_LEN | FIRST_BLOCK => Vec::new(),
            _ => read_tables(&mut Walk::new(file.clone(), MAX_SCHEMA_BYTES))?,
        };
        Ok(Self { file, tables })
    }

    /// All tables, the youngest first, without those that the engine makes up on demand.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name() == name)
    }

    /// The rows of one of this database's tables, newest first, as `SELECT *` has them.
    ///
    /// Each is read when it is asked for. The iterator ends after an error: with
    /// [`Error::Corrupt`] where the file is damaged, or with [`Error::TooMuch`] once the rows
    /// have unpacked to more than [`MIN_ROWS_LIMIT`] and [`ROWS_LIMIT_PER_FILE_BYTE`] allow.
    #[must_use]
    pub fn rows<'db>(&self, table: &'db Table) -> Rows<'db> {
        Rows::new(table, Walk::new(self.file.clone(), self.rows_limit()))
    }

    /// What the engine enforces on the columns of one of this database's tables, one rule for
    /// each of [`Table::columns`].
    ///
    /// # Errors
    ///
    /// As for [`Database::rows`], and [`Error::Foreign`] if the system table that keeps the
    /// rules is of a kind that the engine does not make.
    pub fn column_rules(&self, table: &Table) -> Result<Vec<ColumnRule>, Error> {
        rule::read(self, table)
    }

    /// The content of the file, with the log applied.
    #[must_use]
    pub fn file(&self) -> &Bytes {
        &self.file
    }

    /// How many bytes the rows of a table may unpack to.
    pub(super) fn rows_limit(&self) -> u64 {
        MIN_ROWS_LIMIT + ROWS_LIMIT_PER_FILE_BYTE * self.file.len() as u64
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("len", &self.file.len())
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

fn check_header(file: &[u8]) -> Result<(), Error> {
    let why = if file.is_empty() {
        return Ok(());
    } else if !file.starts_with(&MAGIC) {
        "this is no ql database"
    } else if !file.len().is_multiple_of(ATOM) {
        "the file is cut off in the middle of a block"
    } else {
        return Ok(());
    };
    Err(Error::Corrupt {
        what: "file header".to_owned(),
        offset: 0,
        why,
    })
}
