//! The journals of hosts that are written at once: of every kind, in several files, dirty and
//! torn, and with entries that are no lines of text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::list;
use proptest::{prelude::*, sample::select};
use rkt_api::formats::journal::{State, Writer};
use rkt_sim::{
    JournalLine,
    host::Host,
    spec::{
        App, Compression, HostSpec, Image, Journal, LogEntry, LogLine, Phase, Pod, Process,
        Revision, Started, Torn,
    },
};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x668ecca0_3487_4c27_9134_b769a546e375);

/// 2018-06-20, in seconds.
const START_S: i64 = 1_529_452_800;

/// A pod that runs, with an app that has written these lines, a second apart.
fn pod(journal: Journal, messages: &[&str]) -> Pod {
    let mut web = App::new("web", Image::new("example.com/web", "1"));
    let lines = messages.iter().zip(1..);
    web.logs = lines.map(|(message, s)| line(s, message)).collect();
    Pod {
        locked: true,
        apps: vec![web],
        started: Some(Started {
            process: Process::Pid(7),
            at_ns: START_S * 1_000_000_000,
        }),
        journal,
        ..Pod::new(ID, Phase::Run)
    }
}

fn line(s: i64, message: &str) -> LogLine {
    LogLine {
        at_us: (START_S + s) * 1_000_000,
        message: message.to_owned(),
    }
}

fn rotated(entries: u32) -> Journal {
    Journal {
        rotate_after: NonZeroU32::new(entries),
        ..Journal::default()
    }
}

/// A pod on disk, and its journals.
struct Written {
    _tmp: TempDir,
    host: PathBuf,
    /// In the order in which they were written.
    files: Vec<PathBuf>,
}

impl Written {
    fn new(pod: &Pod) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let host = Host::create(tmp.path().join("host")).unwrap();
        host.write_pod(pod).unwrap();
        let dir = host.pod_dir(pod).join("stage1/rootfs/var/log/journal");
        let files = match pod.journal_files().is_empty() {
            true => Vec::new(),
            false => journals(&dir.join(pod.id.simple().to_string())),
        };
        Self {
            host: host.dir().to_owned(),
            files,
            _tmp: tmp,
        }
    }

    fn names(&self) -> Vec<&str> {
        let names = self.files.iter();
        names
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect()
    }

    fn resumed(&self) -> Vec<Writer> {
        let files = self.files.iter();
        files
            .map(|path| Writer::resume(&fs::read(path).unwrap()).unwrap())
            .collect()
    }
}

/// The journals of a directory, in the order in which they were written.
fn journals(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name == "system.journal", !name.ends_with('~'), name)
    });
    files
}

fn texts(lines: &[JournalLine]) -> Vec<&str> {
    lines.iter().map(|line| line.message.as_str()).collect()
}

#[test]
fn journals_are_put_away_like_systemds() {
    let pod = pod(rotated(2), &["one", "two", "three", "four"]);
    let written = Written::new(&pod);
    let files = written.resumed();
    let series = files[0].seqnum_id().simple().to_string();
    let (first_us, second_us) = (START_S * 1_000_000, (START_S + 2) * 1_000_000);
    assert_eq!(
        written.names(),
        [
            &format!("system@{series}-0000000000000001-{first_us:016x}.journal"),
            &format!("system@{series}-0000000000000003-{second_us:016x}.journal"),
            "system.journal",
        ]
    );
    assert!(
        files
            .iter()
            .all(|file| file.seqnum_id() == files[0].seqnum_id())
    );
    let spans: Vec<_> = files.iter().map(|file| file.span().unwrap()).collect();
    let numbers = spans
        .iter()
        .map(|span| (span.first_seqnum, span.last_seqnum));
    assert!(numbers.eq([(1, 2), (3, 4), (5, 5)]));
    assert!(spans.is_sorted_by_key(|span| span.last_monotonic_us));
    let states: Vec<_> = files.iter().map(Writer::state).collect();
    assert_eq!(states, [State::Archived, State::Archived, State::Online]);

    let by_file = pod.journal_files();
    let by_file: Vec<_> = by_file.iter().map(|lines| texts(lines)).collect();
    let started = "Started Application=web Image=example.com/web.";
    assert_eq!(
        by_file,
        [vec![started, "one"], vec!["two", "three"], vec!["four"]]
    );
    assert_eq!(
        texts(&pod.journal_lines()),
        [started, "one", "two", "three", "four"]
    );
    // Each was changed when the next one was begun.
    let found = list(&written.host);
    let mut changed = written.names().into_iter().map(|name| {
        let file = found.iter().find(|(path, _)| path.ends_with(name));
        file.unwrap().1.modified_ns / 1_000_000_000 - START_S
    });
    assert!(changed.by_ref().eq([2, 4, 4]));
}

#[test]
fn an_untimely_end_leaves_a_dirty_file_and_begins_a_series() {
    for (journal, expected) in [
        (rotated(2), vec![(1, 2), (1, 2)]),
        (Journal::default(), vec![(1, 4)]),
    ] {
        let journal = Journal {
            dirty: true,
            ..journal
        };
        let written = Written::new(&pod(journal, &["one", "two", "three"]));
        let names = written.names();
        assert_eq!(names.len(), 2);
        let (found, chance) = names[0]
            .strip_prefix("system@")
            .and_then(|name| name.strip_suffix(".journal~"))
            .and_then(|name| name.split_once('-'))
            .unwrap();
        assert_eq!((found.len(), chance.len()), (16, 16));
        assert_eq!(names[1], "system.journal");
        let files = written.resumed();
        assert_ne!(files[0].seqnum_id(), files[1].seqnum_id());
        assert!(files.iter().all(|file| file.state() == State::Online));
        let spans = files.iter().filter_map(Writer::span);
        let numbers: Vec<_> = spans
            .map(|span| (span.first_seqnum, span.last_seqnum))
            .collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn the_last_entry_of_a_torn_file_is_lost() {
    let messages = ["one", "two", "three"];
    let started = "Started Application=web Image=example.com/web.";
    for torn in [Torn::Cut, Torn::Zeros] {
        for (dirty, expected) in [
            (false, [started, "one", "two"].as_slice()),
            (true, &[started, "two", "three"]),
        ] {
            let whole = Journal {
                dirty,
                ..rotated(if dirty { 2 } else { 9 })
            };
            let mut pod = pod(whole, &messages);
            pod.locked = false;
            let place = if dirty {
                0
            } else {
                Written::new(&pod).files.len() - 1
            };
            let before = fs::read(&Written::new(&pod).files[place]).unwrap();

            pod.journal.torn = Some(torn);
            assert_eq!(texts(&pod.journal_lines()), expected);
            let written = Written::new(&pod);
            let after = fs::read(&written.files[place]).unwrap();
            assert_eq!(after[16], 1, "the file was not closed");
            let lost = after.iter().zip(&before).skip(17).position(|(a, b)| a != b);
            match torn {
                Torn::Cut => assert!(after.len() < before.len() && lost.is_none()),
                Torn::Zeros => assert!(after.len() == before.len() && lost.is_some()),
            }
            let gone = |text: &str| {
                !after
                    .windows(text.len())
                    .any(|there| there == text.as_bytes())
            };
            assert_eq!((gone("MESSAGE=one"), gone("MESSAGE=three")), (dirty, true));
            assert!(Writer::resume(&after).is_err());
        }
    }
}

#[test]
fn clocks_may_be_set_back() {
    let mut pod = pod(Journal::default(), &[]);
    pod.apps[0].logs = vec![line(100, "fast"), line(50, "right"), line(51, "later")];
    let mut other = App::new("other", Image::new("example.com/other", "1"));
    other.logs = vec![line(60, "between")];
    pod.apps.push(other);
    let lines = pod.journal_lines();
    let texts: Vec<_> = texts(&lines)
        .into_iter()
        .filter(|text| !text.starts_with("Started"))
        .collect();
    assert_eq!(texts, ["between", "fast", "right", "later"]);
    let span = Written::new(&pod).resumed()[0].span().unwrap();
    assert_eq!(span.last_realtime_us, (START_S as u64 + 51) * 1_000_000);
}

#[test]
fn entries_have_the_fields_that_are_said() {
    let mut pod = pod(Journal::default(), &["one", "two"]);
    let entry = |after_lines, fields: &[(&str, &[u8])]| LogEntry {
        after_lines,
        at_us: (START_S + 1) * 1_000_000,
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
            .collect(),
    };
    pod.apps[0].entries = vec![
        entry(1, &[("MESSAGE", b"\xff\0")]),
        entry(1, &[("TAG", b"none")]),
        entry(0, &[("MESSAGE", b"zero"), ("SYSLOG_IDENTIFIER", b"cron")]),
    ];
    let lines = pod.journal_lines();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| (line.identifier.as_str(), line.message.as_str()))
        .skip(1)
        .collect();
    assert_eq!(
        lines,
        [
            ("cron", "zero"),
            ("web", "one"),
            ("web", "\u{fffd}\0"),
            ("web", "two")
        ]
    );
    let written = Written::new(&pod);
    assert_eq!(written.resumed()[0].span().unwrap().last_seqnum, 6);

    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("host")).unwrap();
    pod.apps[0].entries.push(entry(9, &[("lower", b"")]));
    let refused = host.write_pod(&pod).unwrap_err().to_string();
    assert!(refused.contains("field name \"lower\""), "{refused}");
}

/// What a pod's journal can be like.
fn any_journal() -> impl Strategy<Value = Journal> {
    let revisions = [
        Revision::V189,
        Revision::V246,
        Revision::V252,
        // The verifier of systemd 252 refuses to judge any newer one.
    ];
    let compressions = [
        None,
        Some(Compression::Xz),
        Some(Compression::Lz4),
        Some(Compression::Zstd),
    ];
    (
        select(revisions.to_vec()),
        select(compressions.to_vec()),
        any::<(bool, bool, bool)>(),
        0..5_u32,
    )
        .prop_map(
            |(revision, compression, (keyed_hash, compact, dirty), entries)| Journal {
                revision,
                keyed_hash,
                compact,
                compression,
                dirty,
                ..rotated(entries)
            },
        )
}

/// What an app has written, at times that go back and forth: text of one line and of several,
/// short and long, bytes, and nothing.
fn any_log() -> impl Strategy<Value = Vec<(i64, Option<Vec<u8>>)>> {
    let message = prop_oneof![
        "[a-z\\n]{0,30}".prop_map(|text| Some(text.into_bytes())),
        prop::collection::vec(select(b"ab\\n".to_vec()), 500..2_000).prop_map(Some),
        prop::collection::vec(any::<u8>(), 0..700).prop_map(Some),
        Just(None),
    ];
    prop::collection::vec((0..100_i64, message), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    #[ignore = "needs journalctl"]
    fn journalctl_accepts_and_gives_back(journal in any_journal(), log in any_log()) {
        let mut pod = pod(journal, &[]);
        for (s, message) in log {
            let app = &mut pod.apps[0];
            match message.clone().map(String::from_utf8) {
                Some(Ok(text)) => app.logs.push(line(s, &text)),
                _ => app.entries.push(LogEntry {
                    after_lines: app.logs.len(),
                    at_us: (START_S + s) * 1_000_000,
                    fields: message.map(|bytes| ("MESSAGE".to_owned(), bytes)).into_iter().collect(),
                }),
            }
        }
        let written = Written::new(&pod);
        let expected = pod.journal_files();
        prop_assert_eq!(written.files.len(), expected.len());
        for (file, expected) in written.files.iter().zip(&expected) {
            verify(file);
            prop_assert_eq!(&read(file), expected);
        }
    }
}

#[test]
#[ignore = "needs journalctl"]
fn journalctl_reads_the_example_hosts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts");
    let mut files = 0;
    for entry in dir.read_dir().unwrap() {
        let spec = HostSpec::from_json(&fs::read_to_string(entry.unwrap().path()).unwrap());
        let spec = spec.unwrap();
        for pod in spec.pods.into_iter().filter(Pod::has_run) {
            let pod = Pod {
                overlay: false,
                ..pod
            };
            let expected = pod.journal_files();
            let torn = pod.journal.torn.map(|how| match pod.journal.dirty {
                true => (0, how),
                false => (expected.len() - 1, how),
            });
            let written = Written::new(&pod);
            for (place, (file, expected)) in written.files.iter().zip(&expected).enumerate() {
                files += 1;
                match torn.filter(|(torn, _)| *torn == place) {
                    None if pod.journal.revision == Revision::V254 => {}
                    None => verify(file),
                    // Systemd wants a file's length to be what the header says.
                    Some((_, Torn::Cut)) => {
                        assert_eq!(read(file), []);
                        continue;
                    }
                    Some((_, Torn::Zeros)) => {}
                }
                assert_eq!(read(file), *expected, "{}", file.display());
            }
        }
    }
    assert!(files > 20, "{files}");
}

fn verify(file: &Path) {
    let output = journalctl(file, &["--verify"]);
    assert!(output.status.success(), "{output:?}");
}

/// What journalctl gives of a file, without what has no message.
fn read(file: &Path) -> Vec<JournalLine> {
    let output = journalctl(file, &["--quiet", "--all", "-o", "json"]);
    let entries =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter::<BTreeMap<String, Value>>();
    let entries = entries.filter_map(|entry| {
        let entry = entry.unwrap();
        Some(JournalLine {
            at_us: entry["__REALTIME_TIMESTAMP"].as_str()?.parse().unwrap(),
            identifier: text(&entry["SYSLOG_IDENTIFIER"]),
            message: text(entry.get("MESSAGE")?),
        })
    });
    entries.collect()
}

/// Text, or the numbers of bytes that are none.
fn text(value: &Value) -> String {
    match value {
        Value::Array(bytes) => {
            let byte = |number: &Value| u8::try_from(number.as_u64().unwrap()).unwrap();
            let bytes: Vec<u8> = bytes.iter().map(byte).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        text => text.as_str().unwrap().to_owned(),
    }
}

fn journalctl(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("journalctl");
    command.arg("--file").arg(file).args(arguments);
    command.output().unwrap()
}
