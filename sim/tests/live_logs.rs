//! The journal of a living pod: lines come into it while it can be read, it is rotated, and
//! other players go on with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{list, names};
use rkt_api::formats::journal::{State, Writer};
use rkt_sim::{
    host::Host,
    live::{Player, StepError, memory::Memory, record::Record, step::Step},
    spec::{App, Image, Journal, LogLine, Phase, Pod, Process, Started},
};
use serde_json::{Value, json};
use uuid::Uuid;

const ID: &str = "668ecca0-3487-4c27-9134-b769a546e375";
const MACHINE_ID: &str = "668ecca034874c279134b769a546e375";

/// A player on a host of its own, with one pod that runs an app `web`.
struct Live {
    _tmp: tempfile::TempDir,
    player: Player,
}

impl Live {
    fn new(overlay: bool) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let player = Player::open(tmp.path().join("rkt")).unwrap();
        let mut live = Self { _tmp: tmp, player };
        let apps = json!([{"name": "web", "image": "example.com/web:1"}]);
        live.play("create", json!({}));
        live.play("lock", json!({}));
        live.play("prepare", json!({}));
        live.play("write", json!({"apps": apps, "overlay": overlay}));
        live.play("run", json!({}));
        live.play("start", json!({}));
        live
    }

    /// A player on a host with a pod that was written at once, running, with one line.
    fn on_written() -> Self {
        Self::on(Journal::default())
    }

    /// The same with a journal of some kind.
    fn on(journal: Journal) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let host = Host::create(tmp.path().join("rkt")).unwrap();
        let mut pod = Pod::new(ID.parse().unwrap(), Phase::Run);
        let at_ns = pod.created_at_ns + 1_000_000_000;
        pod.locked = true;
        pod.journal = journal;
        pod.started = Some(Started {
            process: Process::Pid(4242),
            at_ns,
        });
        let mut web = App::new("web", Image::new("example.com/web", "1"));
        web.logs.push(LogLine {
            at_us: at_ns / 1000 + 5,
            message: "written".to_owned(),
        });
        pod.apps.push(web);
        host.write_pod(&pod).unwrap();
        let held = [pod.id].into();
        Memory { held }.save(host.dir()).unwrap();
        let player = Player::open(host.dir()).unwrap();
        Self { _tmp: tmp, player }
    }

    /// The host with another player on it.
    fn reopened(self) -> Self {
        let Self { _tmp, player } = self;
        let dir = player.dir().to_owned();
        drop(player);
        let player = Player::open(dir).unwrap();
        Self { _tmp, player }
    }

    fn try_play(&mut self, step: &str, more: Value) -> Result<Record, StepError> {
        let mut json = json!({"step": step, "pod": ID});
        let keys = json.as_object_mut().unwrap();
        keys.extend(more.as_object().cloned().unwrap_or_default());
        let step: Step = serde_json::from_value(json).unwrap();
        self.player.play(&step)
    }

    #[track_caller]
    fn play(&mut self, step: &str, more: Value) -> Record {
        self.try_play(step, more).unwrap()
    }

    #[track_caller]
    fn log(&mut self, text: &str) -> Record {
        self.play("log", json!({"app": "web", "text": text}))
    }

    #[track_caller]
    fn rotate(&mut self) -> Record {
        self.play("rotate", json!({}))
    }

    fn pod_dir(&self) -> PathBuf {
        self.player.dir().join("pods/run").join(ID)
    }

    fn journal_dir(&self) -> PathBuf {
        let rootfs = match self.pod_dir().join("overlay-prepared").exists() {
            true => format!("overlay/{}/upper", Image::stage1().tree_store_id().unwrap()),
            false => "stage1/rootfs".to_owned(),
        };
        let dir = self.pod_dir().join(rootfs).join("var/log/journal");
        dir.join(MACHINE_ID)
    }

    fn current(&self) -> Writer {
        resumed(&self.journal_dir().join("system.journal"))
    }

    fn has_journal(&self) -> bool {
        let id: Uuid = ID.parse().unwrap();
        self.player.state().pods[&id].journal
    }

    /// The names of the pod's journals, the one that is written last.
    fn journals(&self) -> Vec<String> {
        let entries = fs::read_dir(self.journal_dir()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort_by_key(|name| (name == "system.journal", name.clone()));
        names
    }
}

fn resumed(path: &Path) -> Writer {
    Writer::resume(&fs::read(path).unwrap()).unwrap()
}

/// The kinds of actions and the names of the files that they are about.
fn actions(record: &Record) -> Vec<String> {
    let action = |action: &rkt_sim::live::record::Action| {
        let kind = serde_json::to_value(action.action).unwrap();
        let name = action.path.rsplit('/').next().unwrap();
        format!("{} {name}", kind.as_str().unwrap())
    };
    record.actions.iter().map(action).collect()
}

#[test]
fn the_first_line_makes_the_journal() {
    for overlay in [false, true] {
        let mut live = Live::new(overlay);
        assert!(!live.has_journal());
        let record = live.log("hello");
        let made = [
            "mkdir var",
            "mkdir log",
            "mkdir journal",
            &format!("mkdir {MACHINE_ID}"),
            "write system.journal",
            "truncate system.journal",
            "overwrite system.journal",
            "overwrite system.journal",
        ];
        assert_eq!(actions(&record), made);
        assert_eq!(
            names(&list(&live.journal_dir())),
            ["0755 .", "0640 system.journal"]
        );
        assert!(live.has_journal());
        let journal = live.current();
        let span = journal.span().unwrap();
        assert_eq!(journal.state(), State::Online);
        assert_eq!((span.first_seqnum, span.last_seqnum), (1, 1));
        let at_us = span.last_realtime_us as i64;
        assert!((record.before_unix_ns / 1000..=record.after_unix_ns / 1000).contains(&at_us));

        let record = live.log("again");
        let changes = actions(&record);
        assert!(
            changes.iter().all(|c| c == "overwrite system.journal"),
            "{changes:?}"
        );
        assert_eq!(live.current().span().unwrap().last_seqnum, 2);
        let bytes = fs::read(live.journal_dir().join("system.journal")).unwrap();
        for text in ["MESSAGE=hello", "MESSAGE=again", "SYSLOG_IDENTIFIER=web"] {
            let mut windows = bytes.windows(text.len());
            assert!(windows.any(|there| there == text.as_bytes()), "{text}");
        }
    }
}

#[test]
fn a_rotated_journal_is_archived_and_another_is_begun() {
    let mut live = Live::new(false);
    live.log("one");
    live.log("two");
    let one = live.current();
    let record = live.rotate();
    let first_us = one.span().unwrap().first_realtime_us;
    let archived = format!(
        "system@{}-0000000000000001-{first_us:016x}.journal",
        one.seqnum_id().simple()
    );
    assert_eq!(
        actions(&record),
        [
            "rename system.journal",
            &format!("overwrite {archived}"),
            "write system.journal",
            "truncate system.journal",
            "overwrite system.journal",
            "overwrite system.journal",
        ]
    );
    assert_eq!(live.journals(), [archived.as_str(), "system.journal"]);
    let old = resumed(&live.journal_dir().join(&archived));
    assert_eq!((old.state(), old.span()), (State::Archived, one.span()));
    let new = live.current();
    assert_eq!((new.state(), new.span()), (State::Online, None));

    // Numbers go on, in another file and with another player, too.
    live.log("three");
    live.rotate();
    let mut live = live.reopened();
    live.log("four");
    let journals = live.journals();
    assert_eq!(journals.len(), 3);
    let files: Vec<_> = journals
        .iter()
        .map(|name| resumed(&live.journal_dir().join(name)))
        .collect();
    let numbers = files.iter().map(|file| {
        let span = file.span().unwrap();
        (span.first_seqnum, span.last_seqnum)
    });
    assert!(numbers.eq([(1, 2), (3, 3), (4, 4)]));
    assert!(files.iter().all(|file| file.seqnum_id() == one.seqnum_id()));
    let clocks = files.iter().map(|file| file.span().unwrap());
    let clocks: Vec<_> = clocks
        .map(|span| (span.last_boot_id, span.last_monotonic_us))
        .collect();
    assert!(clocks.is_sorted() && clocks[0].0 == clocks[2].0);
}

/// Systemd puts away what it is told to, and what has no lines has no numbers.
#[test]
fn an_empty_journal_can_be_rotated_too() {
    let mut live = Live::new(false);
    live.log("one");
    live.rotate();
    live.rotate();
    let series = live.current().seqnum_id().simple().to_string();
    let empty = format!("system@{series}-{0:016x}-{0:016x}.journal", 0);
    assert!(live.journals().contains(&empty), "{:?}", live.journals());
    live.log("two");
    assert_eq!(live.current().span().unwrap().first_seqnum, 2);
}

#[test]
fn journals_stay_of_their_kind() {
    let journal = Journal {
        compact: true,
        ..Journal::of_systemd(246)
    };
    let mut live = Live::on(journal);
    let flags = |live: &Live| {
        let bytes = fs::read(live.journal_dir().join("system.journal")).unwrap();
        (bytes[12], u16::from_le_bytes([bytes[88], bytes[89]]))
    };
    // ZSTD, compact and keyed, and the size of the header.
    let expected = (8 + 16 + 4, 256);
    assert_eq!(flags(&live), expected);
    live.log(&"long ".repeat(200));
    assert_eq!(flags(&live), expected);
    live.rotate();
    let mut live = live.reopened();
    live.log(&"long ".repeat(300));
    assert_eq!(flags(&live), expected);
}

#[test]
fn entries_may_be_other_than_lines() {
    let mut live = Live::new(false);
    let entry = |fields: Value| json!({"app": "web", "fields": fields});
    let message = json!({"MESSAGE": {"base64": "//4="}, "SYSLOG_IDENTIFIER": "cron"});
    let record = live.play("log-entry", entry(message));
    assert!(record.noted_unix_us.is_some());
    live.play("log-entry", entry(json!({})));
    let long = json!({"MESSAGE": {"text": "ab", "times": 100_000}});
    live.play("log-entry", entry(long));
    assert_eq!(live.current().span().unwrap().last_seqnum, 3);
    let bytes = fs::read(live.journal_dir().join("system.journal")).unwrap();
    let has = |payload: &[u8]| bytes.windows(payload.len()).any(|there| there == payload);
    assert!(has(b"MESSAGE=\xff\xfe") && has(b"SYSLOG_IDENTIFIER=cron"));
    assert!(has(&b"ab".repeat(100_000)));
    let refused = live.try_play("log-entry", entry(json!({"lower": ""})));
    assert!(refused.unwrap_err().to_string().contains("field name"));
    // What is refused leaves the journal as it was.
    live.log("after it");
    assert_eq!(live.current().span().unwrap().last_seqnum, 4);
}

#[test]
fn journals_are_gone_on_with() {
    let mut live = Live::on_written();
    assert!(live.has_journal());
    let written = live.current().span().unwrap();
    live.log("later");
    let span = live.current().span().unwrap();
    assert_eq!(span.last_seqnum, written.last_seqnum + 1);
    assert_eq!(span.last_boot_id, written.last_boot_id);
    let mut live = live.reopened();
    live.log("and later");
    assert_eq!(live.journals(), ["system.journal"]);
    assert_eq!(
        live.current().span().unwrap().last_seqnum,
        span.last_seqnum + 1
    );
}

#[test]
fn a_damaged_journal_is_put_aside() {
    let mut live = Live::new(false);
    live.log("one");
    let mut live = live.reopened();
    let path = live.journal_dir().join("system.journal");
    let torn = fs::read(&path).unwrap();
    fs::write(&path, &torn[..torn.len() - 1]).unwrap();
    let refused = live.try_play("rotate", json!({})).unwrap_err();
    assert!(matches!(refused, StepError::Impossible { .. }), "{refused}");
    live.log("two");
    let journals = live.journals();
    assert_eq!(journals.len(), 2);
    assert!(journals[0].starts_with("system@") && journals[0].ends_with(".journal~"));
    assert_eq!(live.current().span().unwrap().first_seqnum, 1);
}

#[test]
fn the_journal_is_closed_when_the_pod_exits() {
    for (holder, by, expected) in [
        ("simulator", "close", State::Offline),
        ("child", "kill", State::Online),
    ] {
        let mut live = Live::new(false);
        live.log("one");
        live.play("exit", json!({}));
        live.play("mark", json!({}));
        live.play("sweep", json!({}));

        live.play("create", json!({}));
        live.play("lock", json!({}));
        live.play("prepare", json!({}));
        let apps = json!([{"name": "web", "image": "example.com/web:1"}]);
        live.play("write", json!({"apps": apps}));
        live.play("run", json!({"holder": holder}));
        live.play("start", json!({}));
        live.log("first of another pod with the same id");
        live.play("exit", json!({"by": by}));
        let journal = live.current();
        assert_eq!(journal.state(), expected);
        assert_eq!(journal.span().unwrap().last_seqnum, 1);
        let refused = live.try_play("log", json!({"app": "web", "text": "late"}));
        assert!(matches!(refused, Err(StepError::Impossible { .. })));
    }

    // Also one that the player has not written to.
    let mut live = Live::on_written();
    let record = live.play("exit", json!({}));
    assert_eq!(
        actions(&record),
        ["overwrite system.journal".to_owned(), format!("close {ID}")]
    );
    assert_eq!(live.current().state(), State::Offline);
}

#[test]
fn lines_need_an_app_that_has_started() {
    let mut live = Live::new(false);
    let log = |app: &str| json!({"app": app, "text": "text"});
    let refused = live.try_play("log", log("db")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "log is impossible: the pod has no app \"db\""
    );
    let refused = live.try_play("rotate", json!({})).unwrap_err();
    assert!(refused.to_string().contains("has a journal"), "{refused}");
    // What an app wrote last may come after its end.
    live.play("app-exit", json!({"app": "web", "code": 0}));
    live.log("bye");
}

#[test]
#[ignore = "needs journalctl"]
fn journalctl_reads_all_lines_and_finds_no_fault() {
    let mut live = Live::on_written();
    let mut expected = vec!["written".to_owned()];
    for number in 0..200 {
        let text = format!("line {number}");
        live.log(&text);
        expected.push(text);
        if number % 70 == 69 {
            live.rotate();
        }
        if number % 50 == 49 {
            live = live.reopened();
        }
    }
    live.play("exit", json!({}));
    assert_eq!(live.journals().len(), 3);
    for name in live.journals() {
        let path = live.journal_dir().join(name);
        journalctl("--file", &path, &["--verify"]);
    }
    let lines = journalctl(
        "--directory",
        &live.journal_dir(),
        &["-o", "cat", "--quiet", "SYSLOG_IDENTIFIER=web"],
    );
    assert!(lines.lines().eq(expected.iter()), "{lines}");
}

#[track_caller]
fn journalctl(which: &str, path: &Path, more: &[&str]) -> String {
    let mut command = Command::new("journalctl");
    let output = command.arg(which).arg(path).args(more).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
