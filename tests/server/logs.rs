//! GetLogs on journals that are odd, hostile or huge, and on requests that ask for the extreme.

use std::{
    fs::{self, File, Permissions},
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
};

use futures_util::FutureExt as _;
use pretty_assertions::assert_eq;
use rkt_api::api::GetLogsRequest;
use rustix::process::Signal;
use tonic::Code;
use uuid::Uuid;

use crate::{
    follow_logs::deleted_files,
    hosts::serve_unprivileged,
    journals::{following, host, lines_of, message, next, of},
    support::{Client, Server, at_once, command, eventually},
};

/// 2021-01-01 and 2021-07-01, in microseconds since the epoch.
const WINTER_US: u64 = 1_609_459_200_000_000;
const SUMMER_US: u64 = 1_625_097_600_000_000;

async fn messages(client: &Client, request: GetLogsRequest) -> Vec<String> {
    let lines = lines_of(&mut client.clone(), request).await;
    lines.iter().map(|line| message(line).to_owned()).collect()
}

/// L-8: `local` is the zone of the machine, or of the environment.
#[tokio::test]
async fn times_may_be_local() {
    let (host, id, mut journal) = host();
    journal.log_at(WINTER_US + 500_000, "web", "winter");
    journal.log_at(SUMMER_US, "web", "summer");
    for (zone, arg, expected) in [
        (
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "local",
            [
                "2021-01-01 01:00:00.5 +0100 CET MESSAGE=winter",
                "2021-07-01 02:00:00 +0200 CEST MESSAGE=summer",
            ],
        ),
        (
            "<-0330>3:30",
            "local",
            [
                "2020-12-31 20:30:00.5 -0330 -0330 MESSAGE=winter",
                "2021-06-30 20:30:00 -0330 -0330 MESSAGE=summer",
            ],
        ),
        (
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "utc",
            [
                "2021-01-01 00:00:00.5 +0000 UTC MESSAGE=winter",
                "2021-07-01 00:00:00 +0000 UTC MESSAGE=summer",
            ],
        ),
    ] {
        let mut command = command(host.dir(), &["--timezone", arg]);
        command.env("TZ", zone);
        let server = Server::listen(command);
        let mut client = server.client().await;
        assert_eq!(lines_of(&mut client, of(id)).await, expected, "{zone}");
    }
}

/// What stands in a journal counts, whatever it looks like (L-1).
#[tokio::test]
async fn apps_may_have_any_name() {
    let (host, id, mut journal) = host();
    let long = "w".repeat(100_000);
    let names = [
        "we b", "../web", "web=db", "=", "=web", "web\n", "\0", "żółć", "%s*?[a]", " ", &long,
    ];
    for name in names {
        journal.log(name, &format!("of {name:?}"));
    }
    let server = Server::start(host.dir(), &[]);
    let client = server.client().await;
    for name in names {
        let request = GetLogsRequest {
            app_name: name.to_owned(),
            ..of(id)
        };
        assert_eq!(messages(&client, request).await, [format!("of {name:?}")]);
        let request = GetLogsRequest {
            app_name: format!("{name}x"),
            ..of(id)
        };
        let refused = client.clone().get_logs(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{name:?}");
    }
}

#[tokio::test]
async fn requests_may_ask_for_the_extreme() {
    let (host, id, mut journal) = host();
    journal.log("web", "one");
    // As late as a journal can have it.
    journal.log_at((1 << 55) - 1, "web", "two");
    let server = Server::start(host.dir(), &[]);
    let client = server.client().await;
    for lines in [-1, i32::MIN] {
        let request = GetLogsRequest { lines, ..of(id) };
        let refused = client.clone().get_logs(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    for lines in [0, 2, i32::MAX] {
        for since_time in [i64::MIN, -1, 0] {
            for until_time in [i64::MIN, 0, i64::MAX, i64::MAX / 1_000_000 + 1] {
                let request = GetLogsRequest {
                    lines,
                    since_time,
                    until_time,
                    ..of(id)
                };
                assert_eq!(messages(&client, request).await, ["one", "two"]);
            }
        }
        let request = GetLogsRequest {
            lines,
            since_time: i64::MAX,
            ..of(id)
        };
        assert_eq!(messages(&client, request).await, [""; 0]);
    }
    // Nobody lives so long.
    let request = GetLogsRequest {
        since_time: i64::MAX - 1,
        until_time: i64::MAX,
        ..following(id)
    };
    let mut stream = client.clone().get_logs(request).await.unwrap().into_inner();
    let all = client.clone().get_logs(following(id)).await;
    let mut all = all.unwrap().into_inner();
    assert_eq!(next(&mut all, 2).await, ["one", "two"]);
    // What is written first has been told to everybody once the last is.
    for line in ["three", "four", "five"] {
        journal.log("web", line);
        assert_eq!(next(&mut all, 1).await, [line]);
    }
    let heard = stream.message().now_or_never();
    assert!(heard.is_none(), "{heard:?}");
    let expected = ["one", "two", "three", "four", "five"];
    assert_eq!(messages(&client, of(id)).await, expected);
}

/// Puts something else where `path` was. `beside` is a path that is free.
fn replace(path: &Path, with: &str, beside: &Path) {
    match path.is_dir() {
        true => fs::remove_dir(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }
    match with {
        "FIFO" => {
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }
        "link" => symlink("/dev/zero", path).unwrap(),
        "link to itself" => symlink(path, path).unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        "socket" => {
            // Those who listen name it in no more than 108 bytes.
            drop(UnixListener::bind(beside).unwrap());
            fs::rename(beside, path).unwrap();
        }
        "file" => fs::write(path, "no journal").unwrap(),
        other => panic!("what is {other}?"),
    }
}

/// What takes a journal's place is passed over, and whatever comes after it is read.
#[tokio::test]
async fn a_journal_may_be_replaced_by_anything() {
    let (host, id, mut journal) = host();
    journal.log("web", "line 0");
    journal.rotate();
    journal.log("web", "line 1");
    let server = Server::start(host.dir(), &[]);
    let client = server.client().await;
    let mut stream = client.clone().get_logs(following(id)).await.unwrap();
    let stream = stream.get_mut();
    assert_eq!(next(stream, 2).await, ["line 0", "line 1"]);
    let path = journal.path();
    let away = host.beside("away");
    fs::rename(&path, &away).unwrap();
    File::create(&path).unwrap();
    for (number, with) in [
        "FIFO",
        "link",
        "link to itself",
        "directory",
        "socket",
        "file",
    ]
    .into_iter()
    .enumerate()
    {
        replace(&path, with, &host.beside("socket"));
        assert_eq!(messages(&client, of(id)).await, ["line 0"], "{with}");
        // What is moved away is followed as long as it is a journal of the pod.
        fs::rename(&path, host.beside("other")).unwrap();
        fs::rename(&away, &path).unwrap();
        let line = format!("line {}", number + 2);
        journal.log("web", &line);
        assert_eq!(next(stream, 1).await, [line], "{with}");
        fs::rename(&path, &away).unwrap();
        fs::rename(host.beside("other"), &path).unwrap();
    }
}

/// A file that may not be read costs its own lines, until it may be.
#[tokio::test]
async fn files_may_be_unreadable() {
    let (host, id, mut journal) = host();
    journal.log("web", "line 0");
    journal.rotate();
    journal.log("web", "line 1");
    let path = journal.path();
    let server = serve_unprivileged(&host, &[]);
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&path, 0);
    if File::open(&path).is_ok() && !rustix::process::geteuid().is_root() {
        return;
    }
    let client = server.client().await;
    assert_eq!(messages(&client, of(id)).await, ["line 0"]);
    let mut stream = client.clone().get_logs(following(id)).await.unwrap();
    let stream = stream.get_mut();
    assert_eq!(next(stream, 1).await, ["line 0"]);
    mode(&path, 0o644);
    assert_eq!(next(stream, 1).await, ["line 1"]);

    // So does a directory.
    let machine = path.parent().unwrap();
    let dir = machine.parent().unwrap();
    mode(dir, 0);
    let refused = client.clone().get_logs(of(id)).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    journal.log("web", "line 2");
    mode(dir, 0o755);
    assert_eq!(next(stream, 1).await, ["line 2"]);
}

/// What cannot be read any more after a hangup is not what has come to its end: a client that
/// has not got all hears of it.
#[tokio::test]
async fn a_hangup_does_not_cut_lines_off_in_silence() {
    for request in [of as fn(Uuid) -> GetLogsRequest, following] {
        let (host, id, mut journal) = host();
        let long = "x".repeat(100_000);
        for _ in 0..200 {
            journal.log("web", &long);
        }
        let server = serve_unprivileged(&host, &[]);
        let dir = journal.path().ancestors().nth(2).unwrap().to_owned();
        let mut client = server.client().await;
        let mut stream = client.get_logs(request(id)).await.unwrap().into_inner();
        let mut heard = next(&mut stream, 1).await.len();
        fs::remove_file(journal.path()).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o000)).unwrap();
        server.signal(Signal::HUP);
        eventually("the file is let go of", || deleted_files(&server) == 0);
        let end = loop {
            match at_once("the stream goes on", stream.message()).await {
                Ok(Some(response)) => heard += response.lines.len(),
                Ok(None) => break None,
                Err(status) => break Some(status.code()),
            }
        };
        assert_eq!(end, Some(Code::Unavailable), "after {heard} lines");
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    }
}

/// Longer than what is read, and of so many lines that they fill several responses.
#[tokio::test]
async fn messages_may_be_huge() {
    let (host, id, mut journal) = host();
    journal.log("web", "before");
    journal.log_at(2_000_000, "web", vec![b'x'; 64 << 20]);
    let line = "a".repeat(100);
    let many = 100_000;
    journal.log_at(3_000_000, "web", format!("\n{line}").repeat(many));
    journal.log("web", "after");
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let stream = client.get_logs(of(id)).await;
    let mut stream = stream.unwrap().into_inner();
    // The message begins with an empty line.
    let heard = next(&mut stream, 1 + 1 + many + 1).await;
    assert_eq!(heard[..2], ["before", ""]);
    assert!(heard[2..2 + many].iter().all(|heard| *heard == line));
    assert_eq!(heard[2 + many..], ["after"]);
    assert!(stream.message().await.unwrap().is_none());
    let last = GetLogsRequest { lines: 2, ..of(id) };
    assert_eq!(messages(&client, last).await, [&line, "after"]);
}
