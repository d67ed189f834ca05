//! Whether indexes hold what their tables hold.

use std::collections::BTreeMap;

use super::{
    Findings,
    tree::{self, Found},
};
use crate::formats::ql::{
    block::Handle,
    error::Error,
    page::item_links,
    scalar::Scalars,
    table::{Index, ROW_ID, Row, Table},
    value::{ColumnType, Value},
    walk::{Walk, corrupt},
};

/// Checks the tree of an index, and compares it with the rows of its table.
pub(super) fn check(
    index: &Index,
    table: &Table,
    rows: &[Row],
    walk: &mut Walk,
) -> Result<(), Error> {
    let what = format_args!("index {:?}", index.name());
    let items = tree::read(index.root, &what, walk)?;

    let column = table.column(index.column());
    let kind = match column {
        Some(column) => table.columns()[column].kind(),
        None if index.column() == ROW_ID => ColumnType::Int64,
        // The column was dropped, and its values are no longer read.
        None => return Ok(()),
    };
    if items.len() != rows.len() {
        let why = "it does not have as many items as the table has rows";
        return Err(corrupt(&what, index.root.offset(), why));
    }
    if items.is_empty() || !kind.has_known_order() {
        return Ok(());
    }
    let mut expected: Vec<(Value, Handle)> = rows
        .iter()
        .map(|row| match column {
            Some(column) => (row.values[column].clone(), row.handle),
            None => (Value::Int(row.id), row.handle),
        })
        .collect();
    expected.sort_by(|(a, row_a), (b, row_b)| a.collate(b).then(row_a.cmp(row_b)));

    // Long payloads belong to rows and keys alike, and were reached from the rows.
    let mut payloads = walk.anew();
    let mut previous = None;
    for (item, (value, row)) in items.iter().zip(&expected) {
        let found = Entry::decode(item, kind, &mut payloads)?;
        let null = *value == Value::Null;
        let links = item_links(index.unique(), null, *row);
        if found.value.collate(value).is_ne() || (found.in_key, found.in_value) != links {
            return Err(item
                .key
                .corrupt("an item is not the one that the table's rows call for"));
        }
        if index.unique() && !null && previous.is_some_and(|p: &Value| p.collate(value).is_eq()) {
            return Err(item.key.corrupt("a value occurs twice in a unique index"));
        }
        previous = Some(value);
    }
    Ok(())
}

/// An item of an index, decoded.
struct Entry {
    value: Value,
    in_key: Option<Handle>,
    in_value: Option<Handle>,
}

impl Entry {
    fn decode(item: &Found<'_>, kind: ColumnType, payloads: &mut Walk) -> Result<Self, Error> {
        let corrupt = |why| item.key.corrupt(why);
        let mut key = item.key.scalars();
        let value = key
            .next()
            .unwrap_or(Err("a key is empty"))
            .map_err(corrupt)?;
        Ok(Self {
            value: Value::decode(kind, value, &item.key, payloads)?,
            in_key: key.last_link().map_err(corrupt)?,
            in_value: Scalars::new(item.value.clone())
                .last_link()
                .map_err(corrupt)?,
        })
    }
}

/// Compares the engine's list of indexes, which is `rows`, with those that the tables have.
pub(super) fn check_list(rows: &[Row], tables: &[Table], walk: &mut Walk, findings: &mut Findings) {
    const WHAT: &str = "row of the list of indexes";

    let mut unlisted: BTreeMap<(&[u8], &[u8]), &Index> = tables
        .iter()
        .flat_map(|table| table.indexes().iter().map(move |index| (table, index)))
        .map(|(table, index)| ((table.name().as_bytes(), index.name().as_bytes()), index))
        .collect();
    for row in rows {
        match row.values.as_slice() {
            [
                Value::Text(table),
                Value::Text(name),
                Value::Bool(unique),
                Value::Bool(true),
                Value::Int(root),
            ] => match unlisted.remove(&(&table[..], &name[..])) {
                Some(index) if index.unique() == *unique && index.root.to_link() == *root => {}
                Some(_) => findings.add(
                    WHAT,
                    row.handle.offset(),
                    "it contradicts the table's record",
                ),
                None => findings.add(WHAT, row.handle.offset(), "there is no such index"),
            },
            // An index on an expression, of which no table's record knows.
            [_, _, _, Value::Bool(false), Value::Int(root)] => match Handle::from_link(*root) {
                Ok(Some(root)) => {
                    if let Err(error) = tree::read(root, &"index on an expression", walk) {
                        findings.push(error);
                    }
                }
                _ => findings.add(
                    WHAT,
                    row.handle.offset(),
                    "it does not say where the index is",
                ),
            },
            _ => findings.add(WHAT, row.handle.offset(), "it does not describe an index"),
        }
    }
    for index in unlisted.values() {
        findings.add(
            "index",
            index.root.offset(),
            "it is not in the list of indexes",
        );
    }
}
