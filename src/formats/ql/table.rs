//! Tables: their records, and their rows one by one.

use std::{collections::HashSet, iter::FusedIterator};

use super::{
    block::{Handle, NEW_FILE},
    error::{Error, Flaw},
    scalar::{Scalar, Scalars},
    value::{ColumnType, Value},
    walk::{Content, Walk},
};

/// The system table that lists the indexes. It comes into being with the first of them.
pub(super) const INDEXES: &str = "__Index2";

/// What stands for the column in an index on row ids.
pub(super) const ROW_ID: &str = "id()";

/// A table of a [`Database`](super::Database).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: String,
    columns: Vec<Column>,
    indexes: Vec<Index>,
    /// The number of columns that rows may have values for, dropped ones included.
    width: usize,
    /// The block that names the newest row.
    head: Handle,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: String,
    kind: ColumnType,
    /// Its place among all columns, dropped ones included.
    position: usize,
}

/// An index on a column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    name: String,
    column: String,
    unique: bool,
    /// The block that names the top page of its tree.
    pub(super) root: Handle,
}

/// One row of a [`Table`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The row's id, which is no other row's in the whole database.
    pub id: i64,
    /// One value for each of [`Table::columns`], in their order.
    pub values: Vec<Value>,
    /// The block that it is in, even if its content has moved.
    pub(super) handle: Handle,
}

impl Table {
    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns, as `SELECT *` has them.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The indexes on single columns, in the order of the columns; one on `id()` comes first.
    #[must_use]
    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// The place of the column of this name in [`Table::columns`].
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Reads which row is the newest.
    pub(super) fn newest_row(&self, walk: &mut Walk) -> Result<Option<Handle>, Error> {
        let what = format_args!("head block of table {:?}", self.name);
        only_link(&walk.content(self.head, &what)?)
    }

    /// Reads a row, and which one is next.
    pub(super) fn read_row(
        &self,
        handle: Handle,
        walk: &mut Walk,
    ) -> Result<(Row, Option<Handle>), Error> {
        let what = format_args!("row of table {:?}", self.name);
        let content = walk.content(handle, &what)?;
        let corrupt = |why| content.corrupt(why);
        // However short the row, it has a value for each of the table's columns.
        walk.charge(self.width as u64, content.what, content.offset)?;

        let mut scalars = content.scalars();
        let next = scalars.link().map_err(corrupt)?;
        let id = scalars.int().map_err(corrupt)?;
        let mut columns = self.columns.iter().peekable();
        let mut values = Vec::with_capacity(columns.len());
        for (position, stored) in scalars.enumerate() {
            let stored = stored.map_err(corrupt)?;
            if position >= self.width {
                return Err(corrupt(
                    "the row has more values than the table has columns",
                ));
            }
            // No column at this position: it was dropped, and its values stayed.
            if let Some(column) = columns.next_if(|column| column.position == position) {
                values.push(Value::decode(column.kind, stored, &content, walk)?);
            }
        }
        // Columns that were added after the row was written.
        values.extend(columns.map(|_| Value::Null));
        Ok((Row { id, values, handle }, next))
    }
}

impl Column {
    /// The column's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its values.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        self.kind
    }
}

impl Index {
    /// The index's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the indexed column, or `id()` for an index on row ids.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Whether a value, other than NULL, may occur only once.
    #[must_use]
    pub fn unique(&self) -> bool {
        self.unique
    }
}

/// Reads the records of all tables, in the order of their list: the youngest table first.
pub(super) fn read_tables(walk: &mut Walk) -> Result<Vec<Table>, Error> {
    let mut next = first_table(walk)?;
    let mut tables = Vec::new();
    let mut names = HashSet::new();
    while let Some(handle) = next {
        let content = walk.content(handle, &"table record")?;
        let corrupt = |why| content.corrupt(why);
        let record = Record::parse(content.scalars()).map_err(corrupt)?;
        if !names.insert(record.name.clone()) {
            return Err(corrupt("there are two tables of that name"));
        }
        let columns = columns(&record.columns).map_err(corrupt)?;
        let indexes = match &record.indexes {
            None => Vec::new(),
            Some((names, roots)) => {
                let what = format_args!("index roots of table {:?}", record.name);
                let roots = walk.content(*roots, &what)?;
                indexes(names, roots.scalars(), &columns).map_err(|why| roots.corrupt(why))?
            }
        };
        next = record.next;
        tables.push(Table {
            name: record.name,
            width: columns.len(),
            columns: columns
                .into_iter()
                .filter(|column| !column.name.is_empty())
                .collect(),
            indexes,
            head: record.head,
        });
    }
    Ok(tables)
}

/// Reads the root block. It is empty only until the engine has made the file: later, that is
/// damage that would hide every table.
fn first_table(walk: &mut Walk) -> Result<Option<Handle>, Error> {
    let is_new = walk.file_len() <= NEW_FILE;
    let root = walk.content(Handle::ROOT, &"root block")?;
    match root.bytes.is_empty() && is_new {
        true => Ok(None),
        false => only_link(&root),
    }
}

/// Reads a content that is nothing but a handle.
fn only_link(content: &Content<'_>) -> Result<Option<Handle>, Error> {
    content
        .scalars()
        .last_link()
        .map_err(|why| content.corrupt(why))
}

/// A table record: its items, not yet taken apart.
struct Record {
    next: Option<Handle>,
    columns: String,
    head: Handle,
    name: String,
    /// The names of the indexes, and the block that names their roots.
    indexes: Option<(String, Handle)>,
}

impl Record {
    fn parse(mut scalars: Scalars) -> Result<Self, Flaw> {
        let next = scalars.link()?;
        let columns = scalars.name()?;
        let head = scalars.link()?.ok_or("the table has no head block")?;
        let name = scalars.name()?;
        // Only a table that has ever had an index has these.
        let indexes = if scalars.end().is_ok() {
            None
        } else {
            let names = scalars.name()?;
            let roots = scalars.link()?.ok_or("the table's indexes have no roots")?;
            Some((names, roots))
        };
        scalars.end()?;
        Ok(Self {
            next,
            columns,
            head,
            name,
            indexes,
        })
    }
}

/// Splits the list of columns. Dropped columns are there too, without a name.
fn columns(list: &str) -> Result<Vec<Column>, Flaw> {
    list.split('|')
        .enumerate()
        .map(|(position, entry)| {
            let (letter, name) = entry.split_at_checked(1).ok_or("a column has no type")?;
            Ok(Column {
                name: name.to_owned(),
                kind: ColumnType::from_letter(letter.as_bytes()[0])?,
                position,
            })
        })
        .collect()
}

/// Splits the list of index names, which has an entry for row ids and one for each column.
///
/// The names say which indexes there are: dropping one leaves its root behind.
fn indexes(names: &str, mut roots: Scalars, columns: &[Column]) -> Result<Vec<Index>, Flaw> {
    let mut indexes = Vec::new();
    let mut indexed = std::iter::once(ROW_ID).chain(columns.iter().map(Column::name));
    for entry in names.split('|') {
        let column = indexed
            .next()
            .ok_or("there are more index names than columns")?;
        let root = roots
            .next()
            .ok_or("there are fewer index roots than names")??;
        let (kind, name) = match entry.split_at_checked(1) {
            None if entry.is_empty() => continue,
            None => return Err("an index is neither unique nor not"),
            Some(parts) => parts,
        };
        let root = match root {
            Scalar::Int(root) => Handle::from_link(root)?,
            _ => None,
        };
        indexes.push(Index {
            name: name.to_owned(),
            column: column.to_owned(),
            unique: match kind {
                "u" => true,
                "n" => false,
                _ => return Err("an index is neither unique nor not"),
            },
            root: root.ok_or("an index has no root")?,
        });
    }
    if indexed.next().is_some() {
        return Err("there are fewer index names than columns");
    }
    roots.end()?;
    Ok(indexes)
}

/// The rows of a table, newest first, which is the order of `SELECT *`.
///
/// Ends at the first error.
pub struct Rows<'db> {
    table: &'db Table,
    walk: Walk,
    next: Next,
}

enum Next {
    /// Nothing was read yet.
    Head,
    Row(Handle),
    End,
}

impl<'db> Rows<'db> {
    pub(super) fn new(table: &'db Table, walk: Walk) -> Self {
        Self {
            table,
            walk,
            next: Next::Head,
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let handle = match std::mem::replace(&mut self.next, Next::End) {
            Next::Head => match self.table.newest_row(&mut self.walk) {
                Ok(newest) => newest?,
                Err(error) => return Some(Err(error)),
            },
            Next::Row(handle) => handle,
            Next::End => return None,
        };
        Some(
            self.table
                .read_row(handle, &mut self.walk)
                .map(|(row, next)| {
                    if let Some(next) = next {
                        self.next = Next::Row(next);
                    }
                    row
                }),
        )
    }
}

impl FusedIterator for Rows<'_> {}
