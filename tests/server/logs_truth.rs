//! Logs against `journalctl`: what it exports, written as lines by a formatter that knows nothing
//! but the contract, for every combination of app, number of lines and times.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use flate2::read::GzDecoder;
use pretty_assertions::assert_eq;
use rkt_api::api::GetLogsRequest;
use rkt_sim::spec::Phase;

use crate::{
    hosts::{self, TempHost},
    journals::{journal_dir, lines_of},
    support::Server,
};

/// An entry as `journalctl` exports it, and its time.
#[derive(Debug)]
struct Exported {
    realtime_us: i64,
    fields: BTreeMap<String, Vec<Vec<u8>>>,
}

/// What `journalctl -o export` says.
fn export(dir: &Path) -> Vec<Exported> {
    let mut command = Command::new("journalctl");
    command.args(["--output=export", "--no-pager", "--all", "--directory"]);
    let output = command.arg(dir).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    parse(&output.stdout)
}

fn parse(mut text: &[u8]) -> Vec<Exported> {
    let mut entries = Vec::new();
    let mut fields: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    while !text.is_empty() {
        let end = text.iter().position(|byte| *byte == b'\n').unwrap();
        let (line, rest) = (&text[..end], &text[end + 1..]);
        text = rest;
        if line.is_empty() {
            let fields = std::mem::take(&mut fields);
            let realtime = &fields["__REALTIME_TIMESTAMP"][0];
            let realtime_us = std::str::from_utf8(realtime).unwrap().parse().unwrap();
            entries.push(Exported {
                realtime_us,
                fields,
            });
            continue;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (&line[..at], line[at + 1..].to_vec()),
            None => {
                // What is no text comes with its length before it.
                let (length, rest) = text.split_at(8);
                let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
                text = &rest[length + 1..];
                (line, rest[..length].to_vec())
            }
        };
        let name = String::from_utf8(name.to_vec()).unwrap();
        fields.entry(name).or_default().push(value);
    }
    entries
}

/// The lines that a request asks for, by the contract and nothing else.
fn expected(entries: &[Exported], request: &GetLogsRequest) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in entries {
        let us = i128::from(entry.realtime_us);
        let has = |app: &str| {
            let identifiers = entry.fields.get("SYSLOG_IDENTIFIER");
            identifiers.is_some_and(|all| all.iter().any(|it| it == app.as_bytes()))
        };
        let is_wanted = request.app_name.is_empty() || has(&request.app_name);
        let since = i128::from(request.since_time) * 1_000_000;
        let until = i128::from(request.until_time) * 1_000_000;
        let is_in_time = (since <= 0 || us > since) && (until <= 0 || us < until);
        let (true, true, Some(messages)) = (is_wanted, is_in_time, entry.fields.get("MESSAGE"))
        else {
            continue;
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut parts = messages[0].split(|byte| *byte == b'\n');
        let first = text(parts.next().unwrap());
        lines.push(format!("{} MESSAGE={first}", time(entry.realtime_us)));
        lines.extend(parts.filter(|part| !part.is_empty()).map(text));
    }
    if request.lines > 0 {
        let surplus = lines.len().saturating_sub(request.lines as usize);
        lines.drain(..surplus);
    }
    lines
}

/// By the calendar, without a library.
fn time(realtime_us: i64) -> String {
    let (seconds, us) = (
        realtime_us.div_euclid(1_000_000),
        realtime_us.rem_euclid(1_000_000),
    );
    let (mut days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1970;
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let fraction = match us {
        0 => String::new(),
        us => format!(".{us:06}").trim_end_matches('0').to_owned(),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let date = format!("{year}-{month:02}-{:02}", days + 1);
    format!("{date} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC")
}

/// Holds the server's answers from the journals in `dir` against those of `journalctl`: every app
/// with every number of lines and every time. How many there were.
async fn compare(name: &str, dir: &Path) -> usize {
    let entries = export(dir);
    let host = TempHost::create();
    // Nobody knows whose lines count: so all do.
    let mut pod = hosts::pod(1, Phase::Run);
    pod.manifest = Some(false);
    host.add(&pod);
    let journals = journal_dir(host.dir(), Phase::Run, pod.id);
    copy(dir, &journals);
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;

    let identifiers = entries
        .iter()
        .filter_map(|it| it.fields.get("SYSLOG_IDENTIFIER"));
    let identifiers = identifiers.flatten();
    let mut apps: BTreeSet<_> = identifiers
        .map(|name| String::from_utf8(name.clone()).unwrap())
        .collect();
    apps.insert(String::new());
    let seconds: BTreeSet<i64> = entries
        .iter()
        .flat_map(|entry| {
            let second = entry.realtime_us / 1_000_000;
            [second, second + 1]
        })
        .collect();
    let seconds: Vec<_> = seconds.into_iter().collect();
    // Not set, after all, and some between.
    let some = seconds.iter().step_by((seconds.len() / 3).max(1));
    let times: Vec<_> = [0, i64::MAX].into_iter().chain(some.copied()).collect();
    let count = entries.len() as i32;
    let mut compared = 0;
    for app in &apps {
        for lines in [0, 1, 7, count / 2, i32::MAX] {
            for since_time in &times {
                for until_time in &times {
                    let request = GetLogsRequest {
                        pod_id: pod.id.to_string(),
                        app_name: app.clone(),
                        lines,
                        since_time: *since_time,
                        until_time: *until_time,
                        follow: false,
                    };
                    let expected = expected(&entries, &request);
                    let ours = lines_of(&mut client, request.clone()).await;
                    assert_eq!(ours, expected, "{name}: {request:?}");
                    compared += 1;
                }
            }
        }
    }
    compared
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[tokio::test]
#[ignore = "needs RKT_GOLDEN_DIR and journalctl"]
async fn recorded_journals_are_read_as_journalctl_does() {
    let root = env::var_os("RKT_GOLDEN_DIR").expect("RKT_GOLDEN_DIR names the folder");
    let archive = Path::new(&root).join("journals/journals.tar.gz");
    let temp = tempfile::tempdir().unwrap();
    let archive = GzDecoder::new(fs::File::open(archive).unwrap());
    tar::Archive::new(archive).unpack(temp.path()).unwrap();
    let mut journals = 0;
    for entry in fs::read_dir(temp.path()).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let compared = compare(&name, &dir).await;
        assert!(compared > 200, "{name}: {compared}");
        journals += 1;
    }
    assert_eq!(journals, 6);
}

/// An entry in the format of exports. Values with newlines come with their length.
fn entry(text: &mut Vec<u8>, number: u64, app: Option<&str>, message: Option<&[u8]>) {
    let us = 1_500_000_000_000_000 + number * 333_333;
    let head = format!(
        "__REALTIME_TIMESTAMP={us}\n__MONOTONIC_TIMESTAMP={number}\n\
         _BOOT_ID=b007b007b007b007b007b007b007b007\nPRIORITY=6\n"
    );
    text.extend(head.as_bytes());
    if let Some(app) = app {
        text.extend(format!("SYSLOG_IDENTIFIER={app}\n").as_bytes());
    }
    if let Some(message) = message {
        text.extend(b"MESSAGE\n");
        text.extend((message.len() as u64).to_le_bytes());
        text.extend(message);
        text.push(b'\n');
    }
    text.push(b'\n');
}

/// Entries of all kinds: messages short and long, that compress well or not at all, of several
/// lines, of bytes that are no text; without an app or a message.
fn entries() -> Vec<u8> {
    let mut noise = 1_u64;
    let mut random = || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 33) as u8
    };
    let mut text = Vec::new();
    for number in 0..300_u64 {
        let message = match number % 12 {
            0 => vec![b'x'; 20_000],
            1 => (0..3_000).map(|_| random()).collect(),
            2 => b"first\n\nsecond\nthird\n".to_vec(),
            3 => Vec::new(),
            4 => b"the same each time".to_vec(),
            5 => b"\xff\xfe no text \xc3\x28".to_vec(),
            6 => format!("MESSAGE={}", "=".repeat(number as usize * 10)).into_bytes(),
            7 => format!("ü{}\nü", "ж".repeat(600)).into_bytes(),
            _ => format!("line {number}").into_bytes(),
        };
        let app = [Some("web"), Some("db"), Some("web"), None][(number % 4) as usize];
        let message = (number % 29 != 0).then_some(&message[..]);
        entry(&mut text, number, app, message);
    }
    text
}

/// The program of systemd that writes journals. `RKT_JOURNAL_REMOTE` names that of another version.
fn program() -> OsString {
    let named = env::var_os("RKT_JOURNAL_REMOTE");
    named.unwrap_or_else(|| "/lib/systemd/systemd-journal-remote".into())
}

#[tokio::test]
#[ignore = "needs systemd-journal-remote"]
async fn what_systemd_writes_is_read_as_journalctl_does() {
    for keyed in ["0", "1"] {
        for compact in ["0", "1"] {
            for compress in ["yes", "no"] {
                let temp = tempfile::tempdir().unwrap();
                let mut child = Command::new(program())
                    .arg(format!("--compress={compress}"))
                    .arg("--output")
                    .arg(temp.path().join("system.journal"))
                    .arg("-")
                    .env("SYSTEMD_JOURNAL_KEYED_HASH", keyed)
                    .env("SYSTEMD_JOURNAL_COMPACT", compact)
                    .stdin(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                child.stdin.take().unwrap().write_all(&entries()).unwrap();
                assert!(child.wait().unwrap().success());
                let name = format!("keyed={keyed},compact={compact},compress={compress}");
                let compared = compare(&name, temp.path()).await;
                assert!(compared > 200, "{name}: {compared}");
            }
        }
    }
}
