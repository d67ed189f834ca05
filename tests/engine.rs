//! The historical database engine itself, on image indexes that we wrote: it has to find every
//! row, by all indexes and without, and to leave a sound file behind whatever it does to it.
//!
//! The engine is run by the Go program in `tests/oracle`; `RKT_QL_ENGINE` names its binary.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use rkt_api::formats::ql::{
    self, Database, Time, Zone,
    rkt::{self, Image, Remote, Schema},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Numbers of images where the trees of the indexes change their shape: none, one page, more
/// than one, and enough of them for pages to be far from each other.
const SIZES: [u32; 6] = [0, 1, 2, 50, 513, 5_000];

/// A database file, and the engine at work on it.
struct Engine {
    dir: TempDir,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Engine {
    fn open(file: &[u8]) -> Self {
        let engine = env::var_os("RKT_QL_ENGINE").expect("RKT_QL_ENGINE names the engine");
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(&dir), file).unwrap();
        let mut child = Command::new(engine)
            .arg(path(&dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            requests: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            dir,
        }
    }

    fn ask(&mut self, request: Value) -> Value {
        writeln!(self.requests, "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer.get("error").is_none(), "{request}: {answer}");
        answer
    }

    fn query(&mut self, sql: &str, args: &[Value]) -> Vec<Value> {
        let mut answer = self.ask(json!({"op": "query", "sql": sql, "args": args}));
        match answer["rows"].take() {
            Value::Array(rows) => rows,
            _ => Vec::new(),
        }
    }

    fn exec(&mut self, sql: &str, args: &[Value]) {
        self.ask(json!({"op": "exec", "sql": sql, "args": args}));
    }

    /// Has the engine and our own checks look at the whole file, and reads it.
    fn verified(&mut self) -> Database {
        let answer = self.ask(json!({"op": "verify"}));
        assert_eq!(answer.get("problems"), None);
        let database = Database::open(fs::read(path(&self.dir)).unwrap(), None).unwrap();
        let problems = ql::verify(&database);
        assert!(problems.is_empty(), "{problems:#?}");
        database
    }

    fn close(mut self) {
        drop(self.requests);
        assert!(self.child.wait().unwrap().success());
    }
}

fn path(dir: &TempDir) -> PathBuf {
    Path::join(dir.path(), "ql.db")
}

fn images(count: u32) -> Vec<Image> {
    let image = |number: u32| Image {
        blob_key: format!(
            "sha512-{:064x}",
            u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ),
        // Several images of a name, and names around the length at which keys get a tail.
        name: format!(
            "example.com/{:02$}{}",
            0,
            number / 3,
            (number % 20) as usize + 1
        ),
        import_time: time(number),
        last_used: time(number + 1),
        latest: number.is_multiple_of(2),
        size_bytes: i64::from(number) * 1_000_003 - 200,
        tree_store_size_bytes: i64::from(number),
    };
    (0..count).map(image).collect()
}

fn remotes(count: u32) -> Vec<Remote> {
    let remote = |number: u32| Remote {
        aci_url: format!("https://example.com/images/{number}.aci"),
        signature_url: format!("https://example.com/images/{number}.aci.asc"),
        etag: format!("\"{number}\""),
        blob_key: format!("sha512-{number:064x}"),
        cache_max_age_s: i64::from(number),
        download_time: time(number),
    };
    (0..count).map(remote).collect()
}

fn time(number: u32) -> Time {
    Time {
        unix_s: 1_523_836_800 + i64::from(number),
        nanos: number,
        zone: match number % 3 {
            0 => Zone::Utc,
            1 => Zone::Offset { east_s: 0 },
            _ => Zone::Offset { east_s: 7_200 },
        },
    }
}

fn text(text: &str) -> Value {
    let mut hex = String::new();
    for byte in text.bytes() {
        write!(hex, "{byte:02x}").unwrap();
    }
    json!({"s": hex})
}

fn int(number: i64) -> Value {
    json!({"i": number.to_string()})
}

fn instant(time: Time) -> Value {
    let zone = match time.zone {
        Zone::Utc => json!("utc"),
        Zone::Offset { east_s } => json!(east_s),
    };
    json!({"t": [time.unix_s.to_string(), time.nanos, zone]})
}

fn image_row(image: &Image) -> Vec<Value> {
    vec![
        text(&image.blob_key),
        text(&image.name),
        instant(image.import_time),
        instant(image.last_used),
        json!(image.latest),
        int(image.size_bytes),
        int(image.tree_store_size_bytes),
    ]
}

fn remote_row(remote: &Remote) -> Vec<Value> {
    vec![
        text(&remote.aci_url),
        text(&remote.signature_url),
        text(&remote.etag),
        text(&remote.blob_key),
        int(remote.cache_max_age_s),
        instant(remote.download_time),
    ]
}

fn read(database: &Database) -> (Vec<Image>, Vec<Remote>) {
    let images = rkt::images(database).unwrap().collect::<Result<_, _>>();
    let remotes = rkt::remotes(database).unwrap().collect::<Result<_, _>>();
    (images.unwrap(), remotes.unwrap())
}

/// Asks the engine for everything, in every way there is.
fn check_rows(engine: &mut Engine, images: &[Image], remotes: &[Remote]) {
    let rows = |rows: Vec<Vec<Value>>| rows.into_iter().map(Value::Array).collect::<Vec<_>>();
    let by_scan = engine.query("SELECT * FROM aciinfo", &[]);
    assert_eq!(by_scan, rows(images.iter().map(image_row).collect()));
    let by_scan = engine.query("SELECT * FROM remote", &[]);
    assert_eq!(by_scan, rows(remotes.iter().map(remote_row).collect()));

    for image in images {
        let key = [text(&image.blob_key)];
        let found = engine.query("SELECT * FROM aciinfo WHERE blobkey == $1", &key);
        assert_eq!(found, rows(vec![image_row(image)]));
        let name = [text(&image.name)];
        let found = engine.query("SELECT * FROM aciinfo WHERE name == $1", &name);
        let same_name = images.iter().filter(|other| other.name == image.name);
        let mut expected = rows(same_name.map(image_row).collect());
        // The index has the rows of a name in the order of their places in the file.
        expected.reverse();
        assert_eq!(found, expected);
    }
    for remote in remotes {
        let url = [text(&remote.aci_url)];
        let found = engine.query("SELECT * FROM remote WHERE aciurl == $1", &url);
        assert_eq!(found, rows(vec![remote_row(remote)]));
    }
    let unknown = [text("unknown")];
    for sql in [
        "SELECT * FROM aciinfo WHERE blobkey == $1",
        "SELECT * FROM aciinfo WHERE name == $1",
        "SELECT * FROM remote WHERE aciurl == $1",
    ] {
        assert!(engine.query(sql, &unknown).is_empty());
    }
}

fn insert(engine: &mut Engine, image: &Image) {
    let sql = "INSERT INTO aciinfo VALUES ($1, $2, $3, $4, $5, $6, $7);";
    engine.exec(sql, &image_row(image));
}

#[test]
#[ignore = "needs RKT_QL_ENGINE"]
fn the_engine_finds_every_row() {
    for count in SIZES {
        let (images, remotes) = (images(count), remotes(count));
        let file = rkt::write(Schema::LATEST, &images, &remotes).unwrap();
        let mut engine = Engine::open(&file);
        check_rows(&mut engine, &images, &remotes);
        assert_eq!(
            engine.query("SELECT * FROM version", &[]),
            [json!([int(7)])]
        );
        engine.verified();
        engine.close();
    }
}

#[test]
#[ignore = "needs RKT_QL_ENGINE"]
fn the_engine_can_work_with_what_we_wrote() {
    for count in SIZES {
        // Those written last come first, here as in the file.
        let mut expected = images(count);
        let remotes = remotes(count);
        let more: Vec<Image> = images(count + 40).split_off(count as usize);
        let file = rkt::write(Schema::LATEST, &expected, &remotes).unwrap();
        let mut engine = Engine::open(&file);

        for image in more {
            insert(&mut engine, &image);
            expected.insert(0, image);
        }
        assert_eq!(read(&engine.verified()), (expected.clone(), remotes));

        // As rkt uses an image: its row is deleted and inserted again.
        for at in [0, expected.len() / 2, expected.len() - 1] {
            let mut image = expected.remove(at);
            image.last_used = time(7_000_000);
            let key = [text(&image.blob_key)];
            engine.exec("DELETE FROM aciinfo WHERE blobkey == $1;", &key);
            insert(&mut engine, &image);
            expected.insert(0, image);
        }
        assert_eq!(read(&engine.verified()).0, expected);

        engine.exec("DELETE FROM aciinfo; DELETE FROM remote;", &[]);
        assert_eq!(read(&engine.verified()), (vec![], vec![]));
        expected.truncate(600);
        for image in expected.iter().rev() {
            insert(&mut engine, image);
        }
        assert_eq!(read(&engine.verified()).0, expected);
        engine.close();
    }
}

/// The columns of `aciinfo` in a version of the schema.
fn aciinfo_columns(version: u8) -> &'static [(&'static str, &'static str)] {
    match version {
        3 => &[
            ("blobkey", "string"),
            ("name", "string"),
            ("importtime", "time"),
            ("latest", "bool"),
        ],
        4 => &[
            ("blobkey", "string"),
            ("name", "string"),
            ("importtime", "time"),
            ("lastusedtime", "time"),
            ("latest", "bool"),
        ],
        5 | 7 => &[
            ("blobkey", "string"),
            ("name", "string"),
            ("importtime", "time"),
            ("lastused", "time"),
            ("latest", "bool"),
            ("size", "int64 DEFAULT 0"),
            ("treestoresize", "int64 DEFAULT 0"),
        ],
        6 => &[
            ("blobkey", "string"),
            ("name", "string"),
            ("importtime", "time"),
            ("lastused", "time"),
            ("latest", "bool"),
            ("size", "int64 DEFAULT 0"),
            ("treestoresize", "int64 DEFAULT 0"),
            ("insecureoptions", "int64 DEFAULT 0"),
        ],
        _ => panic!("no migration to version {version} makes the table anew"),
    }
}

/// What rkt does to a database to bring it from one version to the next.
fn migrate(engine: &mut Engine, version: u8) {
    match version {
        1 => {}
        2 => {
            engine.exec(
                "ALTER TABLE remote ADD cachemaxage int; ALTER TABLE remote ADD downloadedtime time;",
                &[],
            );
            engine.exec("UPDATE remote cachemaxage = 0;", &[]);
            engine.exec("UPDATE remote downloadedtime = $1;", &[instant(Time::ZERO)]);
        }
        _ => rebuild_aciinfo(engine, version),
    }
    engine.exec("DELETE FROM version;", &[]);
    engine.exec("INSERT INTO version VALUES ($1);", &[int(version.into())]);
}

fn rebuild_aciinfo(engine: &mut Engine, version: u8) {
    let columns = aciinfo_columns(version);
    // What the columns that stay were called before.
    let before = |name: &'static str| match (version, name) {
        (3, "name") => Some("appname"),
        (4, "lastusedtime") | (5, "size" | "treestoresize") | (6, "insecureoptions") => None,
        (5, "lastused") => Some("lastusedtime"),
        _ => Some(name),
    };
    let kept = columns
        .iter()
        .filter_map(|(name, _)| Some((*name, before(name)?)));
    let (names, old): (Vec<_>, Vec<_>) = kept.unzip();
    let list = |defaults: bool| {
        let columns = columns.iter().map(|(name, kind)| match defaults {
            true => format!("{name} {kind}"),
            false => format!("{name} {}", kind.trim_end_matches(" DEFAULT 0")),
        });
        columns.collect::<Vec<_>>().join(", ")
    };
    engine.exec(
        &format!(
            "CREATE TABLE aciinfo_tmp ({}); INSERT INTO aciinfo_tmp ({}) SELECT {} FROM aciinfo; \
             DROP TABLE aciinfo; CREATE TABLE aciinfo ({});",
            list(false),
            names.join(", "),
            old.join(", "),
            list(true),
        ),
        &[],
    );
    engine.exec(
        "CREATE UNIQUE INDEX IF NOT EXISTS blobkeyidx ON aciinfo (blobkey); \
         CREATE INDEX IF NOT EXISTS nameidx ON aciinfo (name); \
         INSERT INTO aciinfo SELECT * FROM aciinfo_tmp; DROP TABLE aciinfo_tmp;",
        &[],
    );
    if version == 4 {
        engine.exec("UPDATE aciinfo lastusedtime = $1;", &[instant(time(9))]);
    }
}

#[test]
#[ignore = "needs RKT_QL_ENGINE"]
fn the_engine_migrates_older_schemas_that_we_wrote() {
    for from in 0..7 {
        for count in [0, 1, 60] {
            let (images, remotes) = (images(count), remotes(count));
            let file = rkt::write(Schema::new(from).unwrap(), &images, &remotes).unwrap();
            let mut engine = Engine::open(&file);
            for version in from + 1..=7 {
                migrate(&mut engine, version);
                let database = engine.verified();
                assert_eq!(
                    rkt::schema_version(&database).unwrap(),
                    Some(version.into())
                );
                let (migrated, migrated_remotes) = read(&database);
                let keys = |images: &[Image]| {
                    let keys = images.iter().map(|i| (i.blob_key.clone(), i.name.clone()));
                    keys.collect::<std::collections::BTreeSet<_>>()
                };
                assert_eq!(keys(&migrated), keys(&images), "{from} to {version}");
                assert_eq!(migrated_remotes.len(), remotes.len());
            }
            engine.close();
        }
    }
}
