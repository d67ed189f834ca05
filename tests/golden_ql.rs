//! Reads databases that rkt's own engine wrote, and compares each table with what the
//! engine's SELECT gave; checks them, and compares what we write with what it wrote.
//!
//! The recordings are not part of this repository: RKT_GOLDEN_DIR names the directory in
//! which `ql/fixtures.tar.gz` lies. It holds a folder for each database: `ql.db`,
//! `expect.jsonl`, and `wal.bin` where a transaction was cut off.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::File,
    io::Read as _,
    path::Path,
};

use flate2::read::GzDecoder;
use rkt_api::formats::ql::{Database, Row, Table, Time, Value, Zone, rkt, verify};
use serde_json::{Value as Json, json};

/// How many databases were recorded: a test that reads fewer must not pass.
const DATABASES: usize = 25;

/// One recorded database.
#[derive(Default)]
struct Recording {
    db: Vec<u8>,
    log: Option<Vec<u8>>,
    tables: BTreeMap<String, Json>,
    indexes: BTreeSet<String>,
}

impl Recording {
    fn open(&self) -> Database {
        Database::open(self.db.clone(), self.log.as_deref()).unwrap()
    }
}

#[test]
#[ignore = "needs RKT_GOLDEN_DIR"]
fn tables_read_as_the_engine_reads_them() {
    for (name, recording) in recordings() {
        let db = recording.open();
        let mut indexes = BTreeSet::new();
        let mut tables = BTreeSet::new();
        for table in db.tables() {
            let expected = recording
                .tables
                .get(table.name())
                .unwrap_or_else(|| panic!("{name}: there is no table {}", table.name()));
            assert_eq!(
                columns(&db, table),
                expected["cols"],
                "{name}: {}",
                table.name()
            );
            let rows: Vec<Json> = db.rows(table).map(|row| row_json(&row.unwrap())).collect();
            assert_eq!(
                Json::from(rows),
                expected["rows"],
                "{name}: {}",
                table.name()
            );
            tables.insert(table.name().to_owned());
            indexes.extend(table.indexes().iter().map(|index| {
                json!({
                    "index": index.name(),
                    "on": table.name(),
                    "column": index.column(),
                    "unique": index.unique(),
                })
                .to_string()
            }));
        }
        assert_eq!(tables, recording.tables.keys().cloned().collect(), "{name}");
        assert_eq!(indexes, recording.indexes, "{name}");
    }
}

#[test]
#[ignore = "needs RKT_GOLDEN_DIR"]
fn images_and_remotes_of_every_schema() {
    let mut versions = BTreeSet::new();
    for (name, recording) in recordings() {
        let db = recording.open();
        let version = rkt::schema_version(&db).unwrap().unwrap();
        let row = &recording.tables["version"]["rows"][0];
        assert_eq!(row[1], json!({"i": version.to_string()}), "{name}");
        versions.insert(version);

        let images: Vec<Json> = rkt::images(&db)
            .unwrap()
            .map(|image| {
                let image = image.unwrap();
                json!({
                    "blobkey": image.blob_key,
                    "name": image.name,
                    "importtime": time_json(image.import_time),
                    "lastused": time_json(image.last_used),
                    "latest": image.latest,
                    "size": image.size_bytes,
                    "treestoresize": image.tree_store_size_bytes,
                })
            })
            .collect();
        let expected = Records::new(&recording.tables["aciinfo"]).map(|record| {
            json!({
                "blobkey": record.text(&["blobkey"]),
                "name": record.text(&["name", "appname"]),
                "importtime": record.time(&["importtime"]),
                "lastused": record.time(&["lastused", "lastusedtime"]),
                "latest": record.get(&["latest"]) == json!(true),
                "size": record.int(&["size"]),
                "treestoresize": record.int(&["treestoresize"]),
            })
        });
        assert_eq!(images, expected, "{name}");

        let remotes: Vec<Json> = rkt::remotes(&db)
            .unwrap()
            .map(|remote| {
                let remote = remote.unwrap();
                json!({
                    "aciurl": remote.aci_url,
                    "sigurl": remote.signature_url,
                    "etag": remote.etag,
                    "blobkey": remote.blob_key,
                    "cachemaxage": remote.cache_max_age_s,
                    "downloadtime": time_json(remote.download_time),
                })
            })
            .collect();
        let expected = Records::new(&recording.tables["remote"]).map(|record| {
            json!({
                "aciurl": record.text(&["aciurl"]),
                "sigurl": record.text(&["sigurl"]),
                "etag": record.text(&["etag"]),
                "blobkey": record.text(&["blobkey"]),
                "cachemaxage": record.int(&["cachemaxage"]),
                "downloadtime": record.time(&["downloadtime", "downloadedtime"]),
            })
        });
        assert_eq!(remotes, expected, "{name}");
    }
    assert_eq!(versions, (0..=7).collect());
}

#[test]
#[ignore = "needs RKT_GOLDEN_DIR"]
fn nothing_is_found_wrong_with_them() {
    for (name, recording) in recordings() {
        assert_eq!(verify(&recording.open()), [], "{name}");
    }
}

#[test]
#[ignore = "needs RKT_GOLDEN_DIR"]
fn what_we_write_is_what_the_engine_writes() {
    let recordings = recordings();
    let names = [
        "schema-v0",
        "schema-v1",
        "schema-v2",
        "schema-v3",
        "schema-v4",
        "schema-v5",
        "schema-v6",
        "n50",
    ];
    for (version, name) in (0..).zip(names) {
        let theirs = recordings[name].open();
        let (images, remotes) = contents(&theirs);
        let schema = rkt::Schema::new(version).unwrap();
        let file = rkt::write(schema, &images, &remotes).unwrap();
        let ours = Database::open(file, None).unwrap();
        assert_eq!(verify(&ours), [], "{name}");
        assert_eq!(contents(&ours), (images, remotes), "{name}");
        assert_eq!(outline(&ours), outline(&theirs), "{name}");
    }
}

fn contents(db: &Database) -> (Vec<rkt::Image>, Vec<rkt::Remote>) {
    (
        rkt::images(db).unwrap().collect::<Result<_, _>>().unwrap(),
        rkt::remotes(db).unwrap().collect::<Result<_, _>>().unwrap(),
    )
}

/// Tables, columns, rules and indexes, and the rows of the engine's own tables, except where
/// in the file something is.
fn outline(db: &Database) -> Vec<Json> {
    let table = |table: &Table| {
        let indexes: Json = table
            .indexes()
            .iter()
            .map(|index| json!([index.name(), index.column(), index.unique()]))
            .collect();
        let rows: Json = db
            .rows(table)
            .filter(|_| table.name().starts_with("__"))
            .map(|row| {
                let mut row = row.unwrap();
                if let Some(root) = table.column("Root") {
                    row.values[root] = Value::Null;
                }
                row_json(&row)
            })
            .collect();
        json!([table.name(), columns(db, table), indexes, rows])
    };
    db.tables().iter().map(table).collect()
}

fn recordings() -> BTreeMap<String, Recording> {
    let golden = env::var_os("RKT_GOLDEN_DIR").expect("RKT_GOLDEN_DIR names the recordings");
    let archive = Path::new(&golden).join("ql/fixtures.tar.gz");
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive).unwrap()));
    let mut recordings = BTreeMap::<String, Recording>::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let database = path.parent().and_then(Path::file_name).unwrap();
        let recording = recordings
            .entry(database.to_str().unwrap().to_owned())
            .or_default();
        match path.file_name().unwrap().to_str().unwrap() {
            "ql.db" => recording.db = content,
            "wal.bin" => recording.log = Some(content),
            "expect.jsonl" => {
                for line in serde_json::Deserializer::from_slice(&content).into_iter::<Json>() {
                    let line = line.unwrap();
                    if let Some(table) = line["table"].as_str() {
                        recording.tables.insert(table.to_owned(), line);
                    } else {
                        recording.indexes.insert(line.to_string());
                    }
                }
            }
            other => panic!("{other} is not explained"),
        }
    }
    assert_eq!(recordings.len(), DATABASES);
    for (name, recording) in &recordings {
        assert!(!recording.db.is_empty(), "{name} has no ql.db");
        assert!(!recording.tables.is_empty(), "{name} has no expect.jsonl");
        assert_eq!(name.starts_with("wal-"), recording.log.is_some(), "{name}");
    }
    recordings
}

/// The recorded rows of a table, with the names of their columns.
struct Records {
    columns: Vec<String>,
    rows: Vec<Json>,
}

struct Record<'a>(&'a [String], &'a Json);

impl Records {
    fn new(table: &Json) -> Self {
        let columns = table["cols"].as_array().unwrap();
        Self {
            columns: columns
                .iter()
                .map(|column| column[0].as_str().unwrap().to_owned())
                .collect(),
            rows: table["rows"].as_array().unwrap().clone(),
        }
    }

    fn map(&self, f: impl Fn(Record) -> Json) -> Vec<Json> {
        self.rows
            .iter()
            .map(|row| f(Record(&self.columns, row)))
            .collect()
    }
}

impl Record<'_> {
    /// The value of the first of these columns that there is, or null.
    fn get(&self, names: &[&str]) -> Json {
        names
            .iter()
            .find_map(|name| self.0.iter().position(|column| column == name))
            .map_or(Json::Null, |place| self.1[place + 1].clone())
    }

    fn text(&self, names: &[&str]) -> String {
        let hex = self.get(names);
        let hex = hex["s"].as_str().unwrap_or_default();
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn int(&self, names: &[&str]) -> i64 {
        let number = self.get(names);
        number["i"]
            .as_str()
            .map_or(0, |number| number.parse().unwrap())
    }

    fn time(&self, names: &[&str]) -> Json {
        match self.get(names) {
            Json::Null => time_json(Time::ZERO),
            time => time,
        }
    }
}

fn columns(db: &Database, table: &Table) -> Json {
    let rules = db.column_rules(table).unwrap();
    table
        .columns()
        .iter()
        .zip(rules)
        .map(|(column, rule)| {
            json!([
                column.name(),
                column.kind().to_string(),
                rule.not_null,
                rule.constraint,
                rule.default,
            ])
        })
        .collect()
}

fn row_json(row: &Row) -> Json {
    std::iter::once(json!({"i": row.id.to_string()}))
        .chain(row.values.iter().map(value_json))
        .collect()
}

fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(bool) => json!(bool),
        Value::Int(number) => json!({"i": number.to_string()}),
        Value::Text(text) => {
            let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "s": hex })
        }
        Value::Time(time) => time_json(*time),
        other => panic!("nothing of this type was recorded: {other:?}"),
    }
}

fn time_json(time: Time) -> Json {
    let zone = match time.zone {
        Zone::Utc => json!("utc"),
        Zone::Offset { east_s } => json!(east_s),
    };
    json!({"t": [time.unix_s.to_string(), time.nanos, zone]})
}
