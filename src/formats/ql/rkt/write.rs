//! Writing rkt's image index afresh, in any version of its schema.

use super::{ACIINFO, Image, REMOTE, Remote, VERSION};
use crate::formats::ql::{
    create::{NewColumn, NewDatabase},
    error::Error,
    value::{ColumnType, Value},
};

/// A version of rkt's schema, 0 to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schema(u8);

impl Schema {
    /// The schema of rkt 1.30, the last there was.
    pub const LATEST: Schema = Schema(7);

    /// The schema of this version, if there was one.
    #[must_use]
    pub fn new(version: u8) -> Option<Self> {
        (version <= Self::LATEST.0).then_some(Self(version))
    }
}

/// Writes a new database with these images and remotes, each in the order in which
/// [`images`](super::images) and [`remotes`](super::remotes) give them: the row written last
/// comes first.
///
/// The result depends on the arguments alone. It is the file that rkt's statements would give,
/// except that it has no free blocks and is not compressed. Fields that the schema has no
/// column for are left out. Images are given lower row ids than remotes.
///
/// # Errors
///
/// [`Error::Unstorable`] where the engine, too, would refuse: if a text is longer than 65535
/// bytes, if a row takes more than 65787 bytes, if a time is not one that Go can store (see
/// [`Zone`](crate::formats::ql::Zone)), or if two images have the same blob key or two remotes
/// the same URL.
pub fn write(schema: Schema, images: &[Image], remotes: &[Remote]) -> Result<Vec<u8>, Error> {
    let remote_fields = remote_fields(schema);
    let image_fields = image_fields(schema);
    let name_index = if schema.0 < 3 {
        "appnameidx"
    } else {
        "nameidx"
    };

    // In the order of rkt's own statements, on which row ids and the order of tables depend.
    let mut db = NewDatabase::new();
    let version = db.create_table(VERSION, vec![NewColumn::new("version", ColumnType::Int64)]);
    db.insert(version, vec![Value::Int(schema.0.into())]);
    let remote = db.create_table(REMOTE, columns(&remote_fields));
    db.create_index("aciurlidx", remote, Some(0), true);
    let aciinfo = db.create_table(ACIINFO, columns(&image_fields));
    db.create_index("blobkeyidx", aciinfo, Some(0), true);
    db.create_index(name_index, aciinfo, Some(1), false);

    for row in images.iter().rev() {
        db.insert(aciinfo, values(&image_fields, row));
    }
    for row in remotes.iter().rev() {
        db.insert(remote, values(&remote_fields, row));
    }
    db.into_file()
}

/// A column, and how to get its value out of the row's type.
struct Field<R> {
    column: NewColumn,
    value: fn(&R) -> Value,
}

fn field<R>(name: &'static str, kind: ColumnType, value: fn(&R) -> Value) -> Field<R> {
    Field {
        column: NewColumn::new(name, kind),
        value,
    }
}

/// A column for a size in bytes, which is 0 where it is not given.
fn size<R>(name: &'static str, value: fn(&R) -> Value) -> Field<R> {
    let mut field = field(name, ColumnType::Int64, value);
    field.column.default = Some("0");
    field
}

fn columns<R>(fields: &[Field<R>]) -> Vec<NewColumn> {
    fields.iter().map(|field| field.column.clone()).collect()
}

fn values<R>(fields: &[Field<R>], row: &R) -> Vec<Value> {
    fields.iter().map(|field| (field.value)(row)).collect()
}

/// The columns of `remote`.
fn remote_fields(schema: Schema) -> Vec<Field<Remote>> {
    use ColumnType as T;

    let mut fields: Vec<Field<Remote>> = vec![
        field("aciurl", T::String, |row| text(&row.aci_url)),
        field("sigurl", T::String, |row| text(&row.signature_url)),
        field("etag", T::String, |row| text(&row.etag)),
        field("blobkey", T::String, |row| text(&row.blob_key)),
    ];
    if schema.0 >= 2 {
        fields.extend([
            field("cachemaxage", T::Int64, |row: &Remote| {
                Value::Int(row.cache_max_age_s)
            }),
            field("downloadtime", T::Time, |row| {
                Value::Time(row.download_time)
            }),
        ]);
    }
    fields
}

/// The columns of `aciinfo`.
fn image_fields(schema: Schema) -> Vec<Field<Image>> {
    use ColumnType as T;

    let name = if schema.0 < 3 { "appname" } else { "name" };
    let mut fields: Vec<Field<Image>> = vec![
        field("blobkey", T::String, |row| text(&row.blob_key)),
        field(name, T::String, |row| text(&row.name)),
        field("importtime", T::Time, |row| Value::Time(row.import_time)),
    ];
    if schema.0 >= 4 {
        let name = if schema.0 == 4 {
            "lastusedtime"
        } else {
            "lastused"
        };
        fields.push(field(name, T::Time, |row| Value::Time(row.last_used)));
    }
    fields.push(field("latest", T::Bool, |row| Value::Bool(row.latest)));
    if schema.0 >= 5 {
        fields.extend([
            size("size", |row: &Image| Value::Int(row.size_bytes)),
            size("treestoresize", |row| Value::Int(row.tree_store_size_bytes)),
        ]);
    }
    if schema.0 == 6 {
        fields.push(size("insecureoptions", |_| Value::Int(0)));
    }
    fields
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned().into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::formats::ql::{
        Database, Time, Zone,
        rkt::{images, remotes, schema_version},
        verify,
    };

    /// An image that no other is like.
    fn image(number: usize) -> Image {
        Image {
            blob_key: format!("sha512-{:064x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            name: format!("example.com/app-{}", number % 7),
            import_time: Time {
                unix_s: 1_500_000_000 + number as i64,
                nanos: number as u32,
                zone: Zone::Utc,
            },
            last_used: Time {
                unix_s: 1_600_000_000 - number as i64,
                nanos: 999_999_999,
                zone: Zone::Offset { east_s: 7200 },
            },
            latest: number.is_multiple_of(3),
            size_bytes: number as i64 * 1000,
            tree_store_size_bytes: -(number as i64),
        }
    }

    fn remote(number: usize) -> Remote {
        Remote {
            aci_url: format!("https://example.com/{number}.aci"),
            signature_url: format!("https://example.com/{number}.aci.asc"),
            etag: format!("\"{number:x}\""),
            blob_key: image(number).blob_key,
            cache_max_age_s: number as i64,
            download_time: image(number).import_time,
        }
    }

    /// What is left of an image in a schema.
    fn image_in(schema: Schema, mut image: Image) -> Image {
        if schema.0 < 4 {
            image.last_used = Time::ZERO;
        }
        if schema.0 < 5 {
            image.size_bytes = 0;
            image.tree_store_size_bytes = 0;
        }
        image
    }

    /// What is left of a remote in a schema.
    fn remote_in(schema: Schema, mut remote: Remote) -> Remote {
        if schema.0 < 2 {
            remote.cache_max_age_s = 0;
            remote.download_time = Time::ZERO;
        }
        remote
    }

    /// Writes a database, checks it, and reads it again.
    fn check(schema: Schema, all_images: Vec<Image>, all_remotes: Vec<Remote>) {
        let file = write(schema, &all_images, &all_remotes).unwrap();
        let db = Database::open(file, None).unwrap();
        assert_eq!(verify(&db), []);
        assert_eq!(schema_version(&db), Ok(Some(schema.0.into())));
        let read: Result<Vec<_>, _> = images(&db).unwrap().collect();
        let expected = all_images.into_iter().map(|image| image_in(schema, image));
        assert_eq!(read, Ok(expected.collect()));
        let read: Result<Vec<_>, _> = remotes(&db).unwrap().collect();
        let expected = all_remotes
            .into_iter()
            .map(|remote| remote_in(schema, remote));
        assert_eq!(read, Ok(expected.collect()));
    }

    #[test]
    fn what_is_written_can_be_read() {
        // Around the most items that a leaf can have, and enough for an index page.
        for count in [0, 1, 2, 50, 512, 513, 1000, 5000] {
            let images = (0..count).map(image).collect();
            let remotes = (0..count).map(remote).collect();
            check(Schema::LATEST, images, remotes);
        }
    }

    #[test]
    fn in_every_schema() {
        for version in 0..=7 {
            let schema = Schema::new(version).unwrap();
            check(
                schema,
                (0..7).map(image).collect(),
                (0..3).map(remote).collect(),
            );
        }
        assert_eq!(Schema::new(8), None);
    }

    /// The tables of a database with what identifies their rows: ids, and the names of indexes
    /// and columns.
    fn outline(db: &Database) -> Vec<String> {
        let mut outline = Vec::new();
        for table in db.tables() {
            let columns: Vec<_> = table.columns().iter().map(|column| column.name()).collect();
            outline.push(format!("{}: {}", table.name(), columns.join(" ")));
            for row in db.rows(table) {
                let row = row.unwrap();
                let texts: Vec<_> = row
                    .values
                    .iter()
                    .filter_map(|value| match value {
                        Value::Text(text) => Some(String::from_utf8_lossy(text)),
                        Value::Bool(true) => Some("true".into()),
                        _ => None,
                    })
                    .collect();
                outline.push(
                    format!("  {} {}", row.id, texts.join(" "))
                        .trim_end()
                        .to_owned(),
                );
            }
        }
        outline
    }

    #[test]
    fn tables_and_ids_are_those_of_rkts_statements() {
        let db = Database::open(write(Schema::LATEST, &[], &[]).unwrap(), None).unwrap();
        assert_eq!(
            outline(&db),
            [
                "aciinfo: blobkey name importtime lastused latest size treestoresize",
                "__Column2: TableName Name NotNull ConstraintExpr DefaultExpr",
                "  15 aciinfo treestoresize  0",
                "  14 aciinfo size  0",
                "__Index2_Expr: Index2_ID Expr",
                "  19 name",
                "  17 blobkey",
                "  13 TableName",
                "  11 aciurl",
                "  9 IndexName",
                "  7 TableName",
                "  5 id()",
                "  3 Index2_ID",
                "__Index2: TableName IndexName IsUnique IsSimple Root",
                "  18 aciinfo nameidx true",
                "  16 aciinfo blobkeyidx true true",
                "  12 __Column2 __Column2TableName true",
                "  10 remote aciurlidx true true",
                "  8 __Index2 __xIndex2_IndexName true true",
                "  6 __Index2 __xIndex2_TableName true",
                "  4 __Index2 __xIndex2_ID true",
                "  2 __Index2_Expr __xIndex2_Expr_Index2_ID true",
                "remote: aciurl sigurl etag blobkey cachemaxage downloadtime",
                "version: version",
                "  1",
            ]
        );
    }

    #[test]
    fn texts_and_rows_at_their_limits() {
        let named = |len| Image {
            name: "n".repeat(len),
            ..image(0)
        };
        let try_write = |image| write(Schema::LATEST, &[self::image(1), image], &[]);
        check(Schema::LATEST, vec![named(65_535)], vec![]);
        let error = try_write(named(65_536)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot store row 1 of table aciinfo: a text is longer than 65535 bytes"
        );
        let blob_key = "k".repeat(200);
        let error = try_write(Image {
            blob_key,
            ..named(65_535)
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot store row 1 of table aciinfo: the content does not fit into a block"
        );
    }

    #[test]
    fn unique_means_unique() {
        let twice = [remote(1), remote(2), remote(1)];
        let error = write(Schema::LATEST, &[], &twice).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot store row 0 of table remote: \
             another row has the value that a unique index admits only once"
        );
    }

    #[test]
    fn times_that_go_cannot_store() {
        let mut image = image(0);
        image.import_time.zone = Zone::Offset { east_s: -60 };
        assert!(write(Schema::LATEST, &[image], &[]).is_err());
    }

    fn any_time() -> impl Strategy<Value = Time> {
        let zone = prop_oneof![
            Just(Zone::Utc),
            (-1440..1440)
                .prop_filter("stands for UTC", |minutes| *minutes != -1)
                .prop_map(|minutes| Zone::Offset {
                    east_s: minutes * 60
                }),
        ];
        let unix_s = prop_oneof![any::<i32>().prop_map(i64::from), -1 << 62..1_i64 << 62];
        (unix_s, 0..1_000_000_000_u32, zone).prop_map(|(unix_s, nanos, zone)| Time {
            unix_s,
            nanos,
            zone,
        })
    }

    prop_compose! {
        fn any_image()(
            (blob_key, name) in (".{0,40}", ".{0,40}"),
            import_time in any_time(),
            last_used in any_time(),
            latest: bool,
            size_bytes: i64,
            tree_store_size_bytes: i64,
        ) -> Image {
            Image { blob_key, name, import_time, last_used, latest, size_bytes, tree_store_size_bytes }
        }
    }

    prop_compose! {
        fn any_remote()(
            (aci_url, signature_url) in (".{0,40}", ".{0,40}"),
            (etag, blob_key) in (".{0,400}", ".{0,40}"),
            cache_max_age_s: i64,
            download_time in any_time(),
        ) -> Remote {
            Remote { aci_url, signature_url, etag, blob_key, cache_max_age_s, download_time }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_written_can_be_read(
            version in 0..=7_u8,
            mut images in vec(any_image(), 0..20),
            mut remotes in vec(any_remote(), 0..20),
        ) {
            let mut keys = HashSet::new();
            images.retain(|image| keys.insert(image.blob_key.clone()));
            let mut urls = HashSet::new();
            remotes.retain(|remote| urls.insert(remote.aci_url.clone()));
            check(Schema::new(version).unwrap(), images, remotes);
        }
    }
}
