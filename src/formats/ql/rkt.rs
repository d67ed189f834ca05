//! rkt's image index: what the tables of `ql.db` mean, in every version of their schema, read
//! ([`images`], [`remotes`]) and written afresh ([`write()`]).
//!
//! | version | table `remote` | table `aciinfo` |
//! |---|---|---|
//! | 0, 1 | aciurl, sigurl, etag, blobkey | blobkey, appname, importtime, latest |
//! | 2 | and cachemaxage, downloadtime | as before |
//! | 3 | as before | blobkey, name, importtime, latest |
//! | 4 | as before | blobkey, name, importtime, lastusedtime, latest |
//! | 5 | as before | blobkey, name, importtime, lastused, latest, size, treestoresize |
//! | 6 | as before | and insecureoptions |
//! | 7 | as before | as in 5 |
//!
//! A third table, `version`, holds the number of the schema. Columns of `aciinfo` are found
//! by name, so that a version still to come can be read as far as it is like these. Those of
//! `remote` are found by position, as rkt itself does it: after a migration through version 2
//! the last one is called `downloadedtime`.

mod write;

use super::{
    database::Database,
    error::Error,
    table::{Row, Table},
    time::Time,
    value::{ColumnType, Value},
};

pub use self::write::{Schema, write};

const VERSION: &str = "version";
const REMOTE: &str = "remote";
const ACIINFO: &str = "aciinfo";

/// An image in the store: a row of `aciinfo`.
///
/// A column that the schema does not have, and NULL, which rkt does not write, give an empty
/// string, [`Time::ZERO`], `false` or 0. Bytes that are not UTF-8 are replaced by U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The key of the image's blob: `sha512-` and half its SHA-512 in hexadecimal.
    pub blob_key: String,
    /// The name in the image's manifest. The column was once called `appname`.
    pub name: String,
    /// When the image was imported.
    pub import_time: Time,
    /// When rkt last read the image. Not known before schema 4.
    pub last_used: Time,
    /// Whether the image was fetched without a version label.
    pub latest: bool,
    /// The length of the image's tar, in bytes. Not known before schema 5.
    pub size_bytes: i64,
    /// The size of the image's rendered tree, in bytes, 0 if there is none. Not known before
    /// schema 5.
    pub tree_store_size_bytes: i64,
}

/// Where an image was downloaded from: a row of `remote`.
///
/// What is missing and what is not UTF-8 is treated as in an [`Image`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The URL of the image.
    pub aci_url: String,
    /// The URL of its signature.
    pub signature_url: String,
    /// The ETag that the server gave.
    pub etag: String,
    /// The key of the blob that came from there.
    pub blob_key: String,
    /// For how long the server allowed to cache the image, in seconds. Not known before
    /// schema 2.
    pub cache_max_age_s: i64,
    /// When the image was downloaded. Not known before schema 2.
    pub download_time: Time,
}

/// The number of the schema, or none in a database that rkt has not yet used.
///
/// rkt 1.30 writes 7; a higher number is one that it would refuse.
///
/// # Errors
///
/// As for [`Database::rows`], and [`Error::Foreign`] if the table is not rkt's.
pub fn schema_version(db: &Database) -> Result<Option<i64>, Error> {
    let Some(source) = Source::find(db, VERSION) else {
        return Ok(None);
    };
    let version = source.required("version", ColumnType::Int64)?;
    let Some(row) = db.rows(source.table).next().transpose()? else {
        return Ok(None);
    };
    match row.values[version] {
        Value::Int(version) => Ok(Some(version)),
        _ => Ok(None),
    }
}

/// The images in the store, the row written last first.
///
/// rkt replaces the row of an image each time it reads the image, so this is not the order
/// in which they were imported.
///
/// # Errors
///
/// [`Error::Foreign`] if the table is not rkt's; and each row may be an error, after which
/// there are no more, as [`Database::rows`] explains.
pub fn images(db: &Database) -> Result<impl Iterator<Item = Result<Image, Error>>, Error> {
    use ColumnType as T;

    let Some(source) = Source::find(db, ACIINFO) else {
        return Ok(None.into_iter().flatten());
    };
    let blob_key = Some(source.required("blobkey", T::String)?);
    let name = source.named(&["name", "appname"], T::String)?;
    let import_time = source.named(&["importtime"], T::Time)?;
    let last_used = source.named(&["lastused", "lastusedtime"], T::Time)?;
    let latest = source.named(&["latest"], T::Bool)?;
    let size = source.named(&["size"], T::Int64)?;
    let tree_store_size = source.named(&["treestoresize"], T::Int64)?;

    let images = db.rows(source.table).map(move |row| {
        let row = row?;
        Ok(Image {
            blob_key: text(&row, blob_key),
            name: text(&row, name),
            import_time: time(&row, import_time),
            last_used: time(&row, last_used),
            latest: bool(&row, latest),
            size_bytes: int(&row, size),
            tree_store_size_bytes: int(&row, tree_store_size),
        })
    });
    Ok(Some(images).into_iter().flatten())
}

/// Where the images came from, the row written last first. An image that did not come from a
/// URL has no remote, and one that came from several has several.
///
/// # Errors
///
/// As for [`images`].
pub fn remotes(db: &Database) -> Result<impl Iterator<Item = Result<Remote, Error>>, Error> {
    use ColumnType as T;

    let Some(source) = Source::find(db, REMOTE) else {
        return Ok(None.into_iter().flatten());
    };
    let aci_url = source.at(0, T::String)?;
    let signature_url = source.at(1, T::String)?;
    let etag = source.at(2, T::String)?;
    let blob_key = source.at(3, T::String)?;
    let cache_max_age = source.at(4, T::Int64)?;
    let download_time = source.at(5, T::Time)?;

    let remotes = db.rows(source.table).map(move |row| {
        let row = row?;
        Ok(Remote {
            aci_url: text(&row, aci_url),
            signature_url: text(&row, signature_url),
            etag: text(&row, etag),
            blob_key: text(&row, blob_key),
            cache_max_age_s: int(&row, cache_max_age),
            download_time: time(&row, download_time),
        })
    });
    Ok(Some(remotes).into_iter().flatten())
}

/// A table that is supposed to be one of rkt's. Its columns are looked up once, and the
/// places found are used for every row.
struct Source<'db> {
    name: &'static str,
    table: &'db Table,
}

impl<'db> Source<'db> {
    fn find(db: &'db Database, name: &'static str) -> Option<Self> {
        let table = db.table(name)?;
        Some(Self { name, table })
    }

    /// The place of a column that some schemas lack, or call by another name.
    fn named(&self, names: &[&str], kind: ColumnType) -> Result<Option<usize>, Error> {
        match names.iter().find_map(|name| self.table.column(name)) {
            Some(place) => self.at(place, kind),
            None => Ok(None),
        }
    }

    /// The place of a column that all schemas have.
    fn required(&self, name: &str, kind: ColumnType) -> Result<usize, Error> {
        self.named(&[name], kind)?.ok_or_else(|| Error::Foreign {
            table: self.name,
            why: format!("it has no column {name}"),
        })
    }

    /// `place` itself, if the table has that many columns.
    fn at(&self, place: usize, kind: ColumnType) -> Result<Option<usize>, Error> {
        match self.table.columns().get(place) {
            None => Ok(None),
            Some(column) if column.kind() == kind => Ok(Some(place)),
            Some(column) => Err(Error::Foreign {
                table: self.name,
                why: format!(
                    "column {} is of type {}, not {kind}",
                    column.name(),
                    column.kind()
                ),
            }),
        }
    }
}

/// The value at a place, if the table has that place.
fn value(row: &Row, place: Option<usize>) -> &Value {
    place.map_or(&Value::Null, |place| &row.values[place])
}

fn text(row: &Row, place: Option<usize>) -> String {
    match value(row, place) {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

fn int(row: &Row, place: Option<usize>) -> i64 {
    match value(row, place) {
        Value::Int(number) => *number,
        _ => 0,
    }
}

fn bool(row: &Row, place: Option<usize>) -> bool {
    matches!(value(row, place), Value::Bool(true))
}

fn time(row: &Row, place: Option<usize>) -> Time {
    match value(row, place) {
        Value::Time(time) => *time,
        _ => Time::ZERO,
    }
}
