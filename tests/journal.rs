//! Holds the journal writer against systemd: `journalctl` must accept what it writes and give
//! it back, and a file that systemd wrote must come out the same, byte for byte.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsStr,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use flate2::read::GzDecoder;
use proptest::{prelude::*, sample::select};
use rkt_api::formats::journal::{
    Compression, Entry, Field, Growth, Ids, Options, Revision, State, Writer,
};
use serde_json::Value as Json;
use tempfile::TempDir;
use uuid::Uuid;

const BOOT: Uuid = Uuid::from_u128(0xb007_b007_b007_b007_b007_b007_b007_b007);

/// 2015-09-01, in microseconds.
const START_US: u64 = 1_441_065_600_000_000;

/// An entry that owns what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    realtime_us: u64,
    monotonic_us: u64,
    boot_id: Uuid,
    fields: BTreeSet<(String, Vec<u8>)>,
}

impl Line {
    /// Line `number` of an app, a second after the one before.
    fn new(number: u64, app: &str, message: impl Into<Vec<u8>>) -> Self {
        let field = |name: &str, value: Vec<u8>| (name.to_owned(), value);
        Self {
            realtime_us: START_US + number * 1_000_000,
            monotonic_us: number * 1_000_000,
            boot_id: BOOT,
            fields: BTreeSet::from([
                field("MESSAGE", message.into()),
                field("SYSLOG_IDENTIFIER", app.into()),
                field("PRIORITY", b"6".to_vec()),
                field("_TRANSPORT", b"stdout".to_vec()),
                field("_PID", (number % 7).to_string().into_bytes()),
                field("_SYSTEMD_UNIT", format!("{app}.service").into_bytes()),
            ]),
        }
    }

    fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.fields.insert((name.to_owned(), value.into()));
        self
    }

    /// Hands it to `f` as the writer wants it.
    fn with_entry<T>(&self, f: impl FnOnce(&Entry<'_>) -> T) -> T {
        let fields: Vec<Field<'_>> = self
            .fields
            .iter()
            .map(|(name, value)| Field::new(name, value))
            .collect();
        f(&Entry {
            realtime_us: self.realtime_us,
            monotonic_us: self.monotonic_us,
            boot_id: self.boot_id,
            fields: &fields,
        })
    }
}

/// What the journals of the tests below say.
fn contents() -> Vec<(&'static str, Vec<Line>)> {
    let apps = ["web", "db", "cache"];
    let several = (0..1_000_u64)
        .map(|number| Line::new(number, apps[number as usize % 3], format!("line {number}")))
        .collect();
    let other_boot = Line {
        boot_id: Uuid::from_u128(0xb008),
        ..Line::new(0, "web", "after a boot")
    };
    let back = Line {
        realtime_us: START_US - 3_600_000_000,
        ..Line::new(6, "web", "an hour back")
    };
    vec![
        ("empty", vec![]),
        ("one", vec![Line::new(0, "web", "the only one")]),
        ("several-apps", several),
        (
            "odd",
            vec![
                Line::new(0, "web", ""),
                Line::new(1, "web", "two\nlines\n\nand an empty one\n"),
                Line::new(2, "db", b"\xff\xfe\x00 no text\x1b[0m".to_vec()),
                Line::new(3, "db", "żółć 日本 = NAME=value"),
                Line::new(4, "db", "many values")
                    .with("TAG", "a")
                    .with("TAG", "b"),
                Line::new(5, "web", "no value").with("EMPTY", ""),
                back,
                Line::new(7, "web", "forward again"),
                other_boot,
            ],
        ),
        ("long", long()),
    ]
}

/// Lines at the length from which on they are compressed, and far beyond; some that cannot be
/// made shorter; and some that come twice.
fn long() -> Vec<Line> {
    let noise: Vec<u8> = (0..1_u32 << 13)
        .map(|at| (at.wrapping_mul(at) >> 7) as u8)
        .collect();
    let messages = [
        vec![b'x'; 512 - "MESSAGE=".len() - 1],
        vec![b'x'; 512 - "MESSAGE=".len()],
        b"GET /index.html 200\n".repeat(500),
        noise,
        vec![b'x'; 1 << 20],
    ];
    let lines = (0..10_u64).map(|number| {
        let message = messages[number as usize % messages.len()].clone();
        Line::new(number, "web", message).with("TRACE", "at main\n".repeat(100))
    });
    lines.collect()
}

const REVISIONS: [Revision; 4] = [
    Revision::V189,
    Revision::V246,
    Revision::V252,
    Revision::V254,
];

const COMPRESSIONS: [Option<Compression>; 4] = [
    None,
    Some(Compression::Xz),
    Some(Compression::Lz4),
    Some(Compression::Zstd),
];

/// Every variant of the format that we write.
fn variants() -> Vec<Options> {
    let mut variants = vec![Options {
        growth: Growth::Systemd,
        expected_payloads: 100_000,
        ..options()
    }];
    for revision in REVISIONS {
        for compression in COMPRESSIONS {
            for (keyed_hash, compact) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                variants.push(Options {
                    first_seqnum: 40,
                    revision,
                    keyed_hash,
                    compact,
                    compression,
                    ..options()
                });
            }
        }
    }
    variants
}

fn options() -> Options {
    Options::new(Ids {
        file: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        machine: Uuid::from_u128(0x0d),
        boot: BOOT,
        seqnum: Uuid::from_u128(0x5e9),
    })
}

#[test]
#[ignore = "needs journalctl"]
fn journalctl_accepts_and_gives_back() {
    for (name, lines) in contents() {
        for options in variants() {
            check(&lines, &options, State::Offline, name);
        }
        for state in [State::Online, State::Archived] {
            check(&lines, &options(), state, name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    #[ignore = "needs journalctl"]
    fn journalctl_accepts_any_entries(
        options in select(variants()),
        state in select(&[State::Offline, State::Online, State::Archived][..]),
        lines in proptest::collection::vec(any_line(), 0..40),
    ) {
        check(&lines, &options, state, "any");
    }
}

/// Lines out of order, of few words and of many, and of bytes that are no text; some have no
/// message.
fn any_line() -> impl Strategy<Value = Line> {
    let value = prop_oneof![
        "[a-z \n]{0,20}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..2_000),
        proptest::collection::vec(select(&b"ab"[..]), 500..3_000),
    ];
    let name = select(&["MESSAGE", "SYSLOG_IDENTIFIER", "TAG", "_PID"][..]);
    let fields = proptest::collection::btree_set((name.prop_map(str::to_owned), value), 1..6);
    (fields, 0..1_000_000_u64).prop_map(|(fields, later_us)| Line {
        realtime_us: START_US + later_us,
        monotonic_us: 0,
        boot_id: BOOT,
        fields,
    })
}

/// Filters go by the hash tables and by the list of entries that each value has.
#[test]
#[ignore = "needs journalctl"]
fn journalctl_finds_what_it_filters_for() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("system.journal");
    for (name, lines) in contents() {
        for (keyed_hash, compact) in [(false, false), (true, false), (true, true)] {
            let mut writer = Writer::new(&Options {
                keyed_hash,
                compact,
                compression: keyed_hash.then_some(Compression::Zstd),
                ..options()
            })
            .unwrap();
            append(&mut writer, &lines);
            fs::write(&path, writer.finish(State::Offline)).unwrap();
            for app in ["web", "db", "nobody"] {
                let filter = format!("SYSLOG_IDENTIFIER={app}");
                let output = journalctl(&path, &["--quiet", "-o", "json", "--all", &filter]);
                let field = ("SYSLOG_IDENTIFIER".to_owned(), app.as_bytes().to_vec());
                let expected: Vec<Line> = lines
                    .iter()
                    .filter(|line| line.fields.contains(&field))
                    .cloned()
                    .collect();
                assert!(parse(&output) == expected, "{app} in {name}");
            }
            let output = journalctl(&path, &["--field", "_PID"]);
            let values: BTreeSet<&[u8]> = output
                .stdout
                .trim_ascii()
                .split(|&byte| byte == b'\n')
                .filter(|value| !value.is_empty())
                .collect();
            let expected: BTreeSet<&[u8]> = lines
                .iter()
                .flat_map(|line| &line.fields)
                .filter(|(name, _)| name == "_PID")
                .map(|(_, value)| value.as_slice())
                .collect();
            assert_eq!(values, expected, "{name}");
        }
    }
}

/// While a file grows, journalctl sees the entries that are complete, and no more.
#[test]
#[ignore = "needs journalctl"]
fn journalctl_can_read_at_any_moment() {
    let home = TempDir::new().unwrap();
    let mut lines: Vec<Line> = (0..7_u64)
        .map(|number| {
            Line::new(
                number,
                ["web", "db"][number as usize % 2],
                format!("line {number}"),
            )
        })
        .collect();
    lines.push(Line::new(7, "web", vec![b'x'; 10_000]));
    let of_rkts_time = Options {
        compression: Some(Compression::Lz4),
        ..options()
    };
    let newer = Options {
        revision: Revision::V252,
        keyed_hash: true,
        compact: true,
        compression: Some(Compression::Zstd),
        ..options()
    };
    for (name, options) in [
        ("plain", options()),
        ("of rkt's time", of_rkts_time),
        ("newer", newer),
    ] {
        let path = home.path().join(format!("{name}.journal"));
        let file = File::create_new(&path).unwrap();
        let mut writer = Writer::new(&options).unwrap();
        for change in writer.whole() {
            change.apply_to(&file).unwrap();
        }
        for (written, line) in lines.iter().enumerate() {
            let changes = line.with_entry(|entry| writer.append(entry)).unwrap();
            let last = changes.len() - 1;
            for (step, change) in changes.iter().enumerate() {
                change.apply_to(&file).unwrap();
                let what = format!("step {step} of line {written}, {name}");
                let expected = &lines[..written + usize::from(step == last)];
                assert!(read(&path, &what) == expected, "{what}");
            }
            verify(&path, &format!("after line {written}, {name}"));
        }
        assert!(fs::read(&path).unwrap() == writer.finish(State::Online));
    }
}

/// systemd 252 wrote this file, with Jenkins' hashes and without compression.
#[test]
#[ignore = "needs RKT_GOLDEN_DIR"]
fn systemds_own_file_comes_out_the_same() {
    let golden = env::var_os("RKT_GOLDEN_DIR").expect("RKT_GOLDEN_DIR names the recordings");
    let golden = Path::new(&golden).join("journals");
    let theirs = unpack(&golden.join("journals.tar.gz"), "old-jenkins-none/");
    let mut export = Vec::new();
    let packed = File::open(golden.join("old-jenkins-none.export.gz")).unwrap();
    GzDecoder::new(packed).read_to_end(&mut export).unwrap();

    let id = |at: usize| Uuid::from_slice(&theirs[at..][..16]).unwrap();
    let ids = Ids {
        file: id(24),
        machine: id(40),
        boot: id(56),
        seqnum: id(72),
    };
    let mut writer = Writer::new(&Options {
        revision: Revision::V252,
        growth: Growth::Systemd,
        // For a largest size of 128 MiB systemd makes 233,016 buckets.
        expected_payloads: 174_762,
        ..Options::new(ids)
    })
    .unwrap();
    let mut count = 0;
    for fields in exported(&export) {
        let (meta, fields): (Vec<_>, Vec<_>) = fields
            .into_iter()
            .partition(|(name, _)| name.starts_with("__"));
        let time = |wanted: &str| {
            let (_, value) = meta.iter().find(|(name, _)| *name == wanted).unwrap();
            str::from_utf8(value).unwrap().parse().unwrap()
        };
        let fields: Vec<Field<'_>> = fields
            .into_iter()
            .map(|(name, value)| Field::new(name, value))
            .collect();
        writer
            .append(&Entry {
                realtime_us: time("__REALTIME_TIMESTAMP"),
                monotonic_us: time("__MONOTONIC_TIMESTAMP"),
                boot_id: ids.boot,
                fields: &fields,
            })
            .unwrap();
        count += 1;
    }
    assert_eq!(count, 13);
    let ours = writer.finish(State::Offline);
    assert_eq!(ours.len(), theirs.len());
    let different: Vec<usize> = (0..ours.len())
        .filter(|&at| ours[at] != theirs[at])
        .collect();
    assert_eq!(different, [0; 0], "offsets of bytes that differ");
}

fn append(writer: &mut Writer, lines: &[Line]) {
    for line in lines {
        line.with_entry(|entry| writer.append(entry).map(drop))
            .unwrap();
    }
}

/// Fails unless journalctl accepts a journal of these lines and gives them back.
fn check(lines: &[Line], options: &Options, state: State, name: &str) {
    let what = format!("{name}, {state}, {options:?}");
    let home = TempDir::new().unwrap();
    let path = home.path().join("system.journal");
    let mut writer = Writer::new(options).unwrap();
    append(&mut writer, lines);
    fs::write(&path, writer.finish(state)).unwrap();
    // Readers pass over a flag that they do not know; an older verifier refuses to judge.
    if options.revision != Revision::V254 || journalctl_version() >= 254 {
        verify(&path, &what);
    }
    assert!(read(&path, &what) == lines, "{what}");
    assert!(read_export(&path, &what) == lines, "{what}, exported");
}

/// Fails unless `journalctl --verify` finds nothing wrong with a file.
fn verify(path: &Path, what: &str) {
    let output = journalctl(path, &["--verify"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.contains("PASS"),
        "{what}: {stderr}"
    );
}

/// The entries of a file, in its order.
fn read(path: &Path, what: &str) -> Vec<Line> {
    let output = journalctl(path, &["--quiet", "-o", "json", "--all"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{what}: {stderr}"
    );
    parse(&output)
}

/// The entries of a file as `-o export` gives them, in its order.
fn read_export(path: &Path, what: &str) -> Vec<Line> {
    let output = journalctl(path, &["--quiet", "-o", "export", "--all"]);
    assert!(output.status.success(), "{what}");
    let lines = exported(&output.stdout).into_iter().map(|fields| {
        let meta = |wanted: &str| {
            let (_, value) = fields.iter().find(|(name, _)| *name == wanted).unwrap();
            str::from_utf8(value).unwrap()
        };
        let owned = |(name, value): &(&str, &[u8])| ((*name).to_owned(), value.to_vec());
        let own = |(name, _): &&(&str, &[u8])| !name.starts_with("__") && *name != "_BOOT_ID";
        Line {
            realtime_us: meta("__REALTIME_TIMESTAMP").parse().unwrap(),
            monotonic_us: meta("__MONOTONIC_TIMESTAMP").parse().unwrap(),
            boot_id: meta("_BOOT_ID").parse().unwrap(),
            fields: fields.iter().filter(own).map(owned).collect(),
        }
    });
    lines.collect()
}

fn journalctl(path: &Path, arguments: &[&str]) -> Output {
    let file = [
        OsStr::new("--no-pager"),
        OsStr::new("--file"),
        path.as_os_str(),
    ];
    run_journalctl(file.into_iter().chain(arguments.iter().map(OsStr::new)))
}

fn run_journalctl(arguments: impl Iterator<Item = impl AsRef<OsStr>>) -> Output {
    Command::new("journalctl")
        .args(arguments)
        .output()
        .expect("journalctl is installed (Debian has it in the package systemd)")
}

/// The version that journalctl says it has, on a line like `systemd 252 (252.38-1~deb12u1)`.
fn journalctl_version() -> u32 {
    let output = run_journalctl(["--version"].iter());
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The lines of `-o json`.
fn parse(output: &Output) -> Vec<Line> {
    serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter::<BTreeMap<String, Json>>()
        .map(|line| {
            let mut line = line.unwrap();
            let mut meta = |name: &str| line.remove(name).unwrap().as_str().unwrap().to_owned();
            let realtime_us = meta("__REALTIME_TIMESTAMP").parse().unwrap();
            let monotonic_us = meta("__MONOTONIC_TIMESTAMP").parse().unwrap();
            let boot_id = meta("_BOOT_ID").parse().unwrap();
            let fields = line
                .into_iter()
                .filter(|(name, _)| !name.starts_with("__"))
                .flat_map(|(name, value)| {
                    values(&value)
                        .into_iter()
                        .map(move |value| (name.clone(), value))
                })
                .collect();
            Line {
                realtime_us,
                monotonic_us,
                boot_id,
                fields,
            }
        })
        .collect()
}

/// The values of a field: text, the numbers of bytes that are no text, or a list of such.
fn values(value: &Json) -> Vec<Vec<u8>> {
    match value {
        Json::String(text) => vec![text.clone().into_bytes()],
        Json::Array(bytes) if bytes.iter().all(Json::is_number) => {
            let byte = |number: &Json| u8::try_from(number.as_u64().unwrap()).unwrap();
            vec![bytes.iter().map(byte).collect()]
        }
        Json::Array(list) => list.iter().flat_map(values).collect(),
        other => panic!("{other} is not explained"),
    }
}

/// The entries of systemd's export format: their fields, in the order of the file.
fn exported(mut export: &[u8]) -> Vec<Vec<(&str, &[u8])>> {
    let mut entries = vec![Vec::new()];
    while !export.is_empty() {
        let end = export.iter().position(|&byte| byte == b'\n').unwrap();
        let (line, rest) = (&export[..end], &export[end + 1..]);
        export = rest;
        if line.is_empty() {
            entries.push(Vec::new());
            continue;
        }
        let (name, value) = match line.iter().position(|&byte| byte == b'=') {
            Some(end) => (&line[..end], &line[end + 1..]),
            // The name alone: a length, so many bytes and an end of line follow.
            None => {
                let (length, rest) = rest.split_first_chunk().unwrap();
                let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
                export = &rest[length + 1..];
                (line, &rest[..length])
            }
        };
        let fields = entries.last_mut().unwrap();
        fields.push((str::from_utf8(name).unwrap(), value));
    }
    entries.retain(|fields| !fields.is_empty());
    entries
}

/// The journal in a folder of a packed archive.
fn unpack(archive: &Path, folder: &str) -> Vec<u8> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive).unwrap()));
    let mut content = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path: PathBuf = entry.path().unwrap().components().collect();
        if path.starts_with(folder) && path.extension().is_some_and(|end| end == "journal") {
            entry.read_to_end(&mut content).unwrap();
        }
    }
    assert!(!content.is_empty(), "{folder} holds no journal");
    content
}
