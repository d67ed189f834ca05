//! Everything in the file that was not set aside: rows, trees, and the records of the tables.
//!
//! The order is such that each block refers only to blocks whose handles are known.

use super::{NewDatabase, NewFile, NewIndex, NewTable, tree};
use crate::formats::ql::{
    block::Handle,
    error::{Error, Flaw},
    page::{Item, item_links},
    scalar::{Scalar, encode},
    value::Value,
};

/// Completes the file of a database.
pub(super) fn finish(mut db: NewDatabase) -> Result<Vec<u8>, Error> {
    let mut youngest = None;
    for table in &db.tables {
        youngest = Some(write_table(table, youngest, &mut db.file)?);
    }
    encode(&[Scalar::link(youngest)])
        .and_then(|root| db.file.fill(db.root, &root))
        .and_then(|()| db.file.fill(db.counter, &db.last_id.to_be_bytes()))
        .map_err(|why| Error::Unstorable {
            what: "root of the database".to_owned(),
            why,
        })?;
    Ok(db.file.into_bytes())
}

/// Writes a table, which follows the table `older`. Returns the handle of its record.
fn write_table(
    table: &NewTable,
    older: Option<Handle>,
    file: &mut NewFile,
) -> Result<Handle, Error> {
    let rows = write_rows(table, file)?;
    for index in &table.indexes {
        let items = index_items(table, index, &rows)?;
        tree::build(items, file)
            .and_then(|top| file.fill(index.root, &Handle::to_be_bytes(top)))
            .map_err(|why| unstorable(table, why))?;
    }
    write_record(table, &rows, older, file).map_err(|why| unstorable(table, why))
}

/// Writes the rows of a table, oldest first. Returns their handles, in the same order.
fn write_rows(table: &NewTable, file: &mut NewFile) -> Result<Vec<Handle>, Error> {
    let mut rows = Vec::with_capacity(table.rows.len());
    for (at, row) in table.rows.iter().enumerate() {
        let older = Scalar::link(rows.last().copied());
        let handle = [Ok(older), Ok(Scalar::Int(row.id))]
            .into_iter()
            .chain(row.values.iter().map(Value::encode))
            .collect::<Result<Vec<_>, _>>()
            .and_then(|row| file.append(&encode(&row)?))
            .map_err(|why| unstorable_row(table, at, why))?;
        rows.push(handle);
    }
    Ok(rows)
}

/// The keys and values of an index, in the order of the keys.
fn index_items(
    table: &NewTable,
    index: &NewIndex,
    rows: &[Handle],
) -> Result<Vec<Item<Vec<u8>>>, Error> {
    let mut keys: Vec<(Value, usize)> = table
        .rows
        .iter()
        .map(|row| match index.column {
            Some(column) => row.values[column].clone(),
            None => Value::Int(row.id),
        })
        .zip(0..)
        .collect();
    // Rows have ascending handles here, and that is the order of those with equal values.
    keys.sort_by(|(a, _), (b, _)| a.collate(b));
    if index.unique {
        for pair in keys.windows(2) {
            if let [(a, _), (b, at)] = pair
                && *a != Value::Null
                && a.collate(b).is_eq()
            {
                let why = "another row has the value that a unique index admits only once";
                return Err(unstorable_row(table, *at, why));
            }
        }
    }
    keys.into_iter()
        .map(|(value, at)| {
            let (in_key, in_value) = item_links(index.unique, value == Value::Null, rows[at]);
            value
                .encode()
                .and_then(|value| {
                    Ok(Item {
                        key: encode(&[value, Scalar::link(in_key)])?,
                        value: encode(&[Scalar::link(in_value)])?,
                    })
                })
                .map_err(|why| unstorable_row(table, at, why))
        })
        .collect()
}

/// Writes the head and the record of a table whose rows and trees are there.
fn write_record(
    table: &NewTable,
    rows: &[Handle],
    older: Option<Handle>,
    file: &mut NewFile,
) -> Result<Handle, Flaw> {
    file.fill(table.head, &encode(&[Scalar::link(rows.last().copied())])?)?;
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("{}{}", char::from(column.kind.letter()), column.name))
        .collect();
    let mut record = vec![
        Scalar::link(older),
        Scalar::Text(columns.join("|").into()),
        Scalar::link(Some(table.head)),
        Scalar::Text(table.name.into()),
    ];
    if !table.indexes.is_empty() {
        // One place for the row ids, and one for each column.
        let mut names = vec![String::new(); table.columns.len() + 1];
        let mut roots = vec![Scalar::Null; table.columns.len() + 1];
        for index in &table.indexes {
            let place = index.column.map_or(0, |column| column + 1);
            let kind = if index.unique { 'u' } else { 'n' };
            names[place] = format!("{kind}{}", index.name);
            roots[place] = Scalar::link(Some(index.root));
        }
        let roots = file.append(&encode(&roots)?)?;
        record.push(Scalar::Text(names.join("|").into()));
        record.push(Scalar::link(Some(roots)));
    }
    file.append(&encode(&record)?)
}

fn unstorable(table: &NewTable, why: Flaw) -> Error {
    Error::Unstorable {
        what: format!("table {}", table.name),
        why,
    }
}

/// The error about the row that was inserted after `at` others.
fn unstorable_row(table: &NewTable, at: usize, why: Flaw) -> Error {
    Error::Unstorable {
        what: format!("row {} of table {}", table.rows.len() - 1 - at, table.name),
        why,
    }
}
