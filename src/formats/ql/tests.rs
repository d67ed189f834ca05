//! Tests of whole databases.

mod by_hand;
mod sample;
mod types;

use bytes::Bytes;

use super::{Database, Error, Row, rkt};

/// Made by rkt 1.30's engine and statements: schema 7, two images and a remote.
const SAMPLE: &[u8] = include_bytes!("testdata/sample.db");

fn open(file: &[u8]) -> Result<Database, Error> {
    Database::open(file.to_vec(), None)
}

fn rows(db: &Database, table: &str) -> Result<Vec<Row>, Error> {
    db.rows(db.table(table).unwrap()).collect()
}

/// Reads whatever can be read. Returns the number of rows.
fn read_everything(file: Bytes, log: Option<&[u8]>) -> Result<usize, Error> {
    let db = Database::open(file, log)?;
    let mut count = 0;
    let mut first_error = Ok(());
    for table in db.tables() {
        for row in db.rows(table) {
            match row {
                Ok(_) => count += 1,
                Err(error) => first_error = first_error.and(Err(error)),
            }
        }
        first_error = first_error.and(db.column_rules(table).map(drop));
    }
    first_error = first_error.and(rkt::schema_version(&db).map(drop));
    first_error = first_error
        .and(rkt::images(&db).and_then(|mut rows| rows.try_for_each(|row| row.map(drop))));
    first_error = first_error
        .and(rkt::remotes(&db).and_then(|mut rows| rows.try_for_each(|row| row.map(drop))));
    first_error.map(|()| count)
}
