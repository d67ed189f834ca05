//! Following logs: through everything that happens to a pod and its files, and with many who
//! follow at once.

use std::{fs, path::Path, process::Command};

use futures_util::future::join_all;
use rkt_api::api::GetLogsRequest;
use rkt_sim::spec::Phase;
use rustix::process::Signal;
use tonic::{Code, Streaming};
use uuid::Uuid;

use crate::{
    hosts::{self, TempHost},
    journals::{self, Journal, following, journal_dir, lines_of, message, next, of},
    metrics::scrape::Metrics,
    support::{Client, Server, at_once, eventually},
    usage::Usage,
    watching::in_namespaces,
};

/// A host with a pod that has a journal, and its server.
fn served() -> (TempHost, Uuid, Journal, Server) {
    let (host, id, journal) = journals::host();
    let server = Server::start(host.dir(), &[]);
    (host, id, journal, server)
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

async fn follow(
    client: &Client,
    request: GetLogsRequest,
) -> Streaming<rkt_api::api::GetLogsResponse> {
    let stream = client.clone().get_logs(request).await;
    stream.unwrap().into_inner()
}

#[tokio::test]
async fn lines_come_once_and_in_order_through_rotations() {
    let (_host, id, mut journal, server) = served();
    let client = server.client().await;
    for number in 0..10 {
        journal.log("web", &format!("line {number}"));
    }
    let mut all = follow(&client, following(id)).await;
    let tail = GetLogsRequest {
        lines: 3,
        ..following(id)
    };
    let mut tail = follow(&client, tail).await;
    for number in 10..500 {
        if number % 37 == 0 {
            journal.rotate();
        }
        journal.log("web", &format!("line {number}"));
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(next(&mut all, 500).await, numbered(0..500));
    assert_eq!(next(&mut tail, 493).await, numbered(7..500));
    // One line at a time, too.
    for number in 500..520 {
        if number % 5 == 0 {
            journal.rotate();
        }
        journal.log("db", &format!("line {number}"));
        assert_eq!(next(&mut all, 1).await, numbered(number..number + 1));
        assert_eq!(next(&mut tail, 1).await, numbered(number..number + 1));
    }
    let mut client = client;
    let whole = lines_of(&mut client, of(id)).await;
    let whole: Vec<_> = whole.iter().map(|line| message(line)).collect();
    assert_eq!(whole, numbered(0..520));
}

#[tokio::test]
async fn a_pod_is_followed_to_its_end() {
    let (host, id, mut journal, server) = served();
    let client = server.client().await;
    let mut stream = follow(&client, following(id)).await;
    journal.log("web", "while it runs");
    assert_eq!(next(&mut stream, 1).await, ["while it runs"]);

    let dir = |phase| host.phase_dir(phase).join(id.to_string());
    fs::create_dir_all(host.phase_dir(Phase::ExitedGarbage)).unwrap();
    fs::rename(dir(Phase::Run), dir(Phase::ExitedGarbage)).unwrap();
    journal.log("web", "when it was marked");
    assert_eq!(next(&mut stream, 1).await, ["when it was marked"]);

    journal.log("web", "last words");
    fs::remove_dir_all(dir(Phase::ExitedGarbage)).unwrap();
    assert_eq!(next(&mut stream, 1).await, ["last words"]);
    let end = at_once("the stream ends", stream.message()).await;
    assert!(end.unwrap().is_none());
}

#[tokio::test]
async fn files_may_come_later() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.add(&pod);
    let dir = journal_dir(host.dir(), Phase::Run, pod.id);
    fs::create_dir_all(&dir).unwrap();
    for args in [&[][..], &["--no-watch"]] {
        let server = Server::start(host.dir(), args);
        let client = server.client().await;
        let mut stream = follow(&client, following(pod.id)).await;
        let mut journal = Journal::create(host.dir(), pod.id);
        journal.log("web", "line 0");
        assert_eq!(next(&mut stream, 1).await, numbered(0..1));
        journal.rotate();
        journal.log("web", "line 1");
        assert_eq!(next(&mut stream, 1).await, numbered(1..2));
        fs::remove_dir_all(dir.join(pod.id.simple().to_string())).unwrap();
    }
}

/// A journal that is deleted, with the directories on the way there, and made anew.
#[tokio::test]
async fn journals_may_be_made_anew() {
    let (host, id, mut journal, server) = served();
    let client = server.client().await;
    let mut stream = follow(&client, following(id)).await;
    let journals = journal_dir(host.dir(), Phase::Run, id);
    let var = journals.ancestors().nth(2).unwrap();
    for (number, gone) in [&journals, var, &journals, var].into_iter().enumerate() {
        journal.log("web", "before it is deleted");
        assert_eq!(next(&mut stream, 1).await, ["before it is deleted"]);
        fs::remove_dir_all(gone).unwrap();
        if number > 1 {
            let refused = client.clone().get_logs(of(id)).await;
            assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
        }
        journal = Journal::create(host.dir(), id);
        journal.log("web", "after that");
        assert_eq!(next(&mut stream, 1).await, ["after that"]);
    }
}

#[tokio::test]
async fn a_hangup_loses_and_repeats_nothing() {
    let (_host, id, mut journal, server) = served();
    let client = server.client().await;
    let mut stream = follow(&client, following(id)).await;
    let idle = server.client().await;
    let mut idle = follow(&idle, following(id)).await;
    let long = "x".repeat(20_000);
    for number in 0..300 {
        if number % 37 == 0 {
            server.signal(Signal::HUP);
        }
        journal.log("web", &format!("line {number} {long}"));
        if number % 41 == 40 {
            journal.rotate();
        }
        if number % 10 == 0 {
            server.signal(Signal::HUP);
        }
    }
    for stream in [&mut stream, &mut idle] {
        let heard = next(stream, 300).await;
        let heard: Vec<_> = heard
            .iter()
            .map(|line| line.trim_end_matches('x').trim_end())
            .collect();
        assert_eq!(heard, numbered(0..300));
    }
    server.signal(Signal::HUP);
    journal.log("web", "line 300");
    assert_eq!(next(&mut stream, 1).await, numbered(300..301));
    assert_eq!(next(&mut idle, 1).await, numbered(300..301));
}

/// How many files the server has open that are no more.
pub fn deleted_files(server: &Server) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let targets = descriptors.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let gone = targets.filter(|to| to.to_string_lossy().ends_with(" (deleted)"));
    gone.count()
}

/// Files that are no more are kept for who reads slowly, until a hangup.
#[tokio::test]
async fn a_hangup_lets_go_of_files() {
    for request in [of as fn(Uuid) -> GetLogsRequest, following] {
        let (_host, id, mut journal, server) = served();
        let long = "x".repeat(100_000);
        for _ in 0..200 {
            journal.log("web", &long);
        }
        let client = server.client().await;
        let mut idle = follow(&client, request(id)).await;
        assert_eq!(next(&mut idle, 1).await[0], long);
        fs::remove_file(journal.path()).unwrap();
        assert!(deleted_files(&server) > 0);
        server.signal(Signal::HUP);
        eventually("the file is let go of", || deleted_files(&server) == 0);
    }
}

/// One who reads slowly goes on to hear of what is written, though nobody else follows.
#[tokio::test]
async fn a_hangup_in_the_midst_of_a_pass_makes_nobody_deaf() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.add(&pod);
    let mut journal = Journal::create(host.dir(), pod.id);
    let server = Server::start(host.dir(), &["--metrics-listen=127.0.0.1:0"]);
    let long = "x".repeat(100_000);
    for _ in 0..200 {
        journal.log("web", &long);
    }
    let client = server.client().await;
    let mut slow = follow(&client, following(pod.id)).await;
    let begun = next(&mut slow, 1).await.len();
    let watches = || Metrics::of(&server).value("rkt_api_journal_watches");
    assert!(watches() > 0.0);
    server.signal(Signal::HUP);
    eventually("the watches are let go of", || watches() == 0.0);
    let rest = next(&mut slow, 200 - begun).await;
    assert!(rest.iter().all(|line| *line == long));
    for number in 0..3 {
        journal.log("web", &format!("line {number}"));
        assert_eq!(next(&mut slow, 1).await, numbered(number..number + 1));
    }
}

/// A file system that is in use is gone as soon as it is let go of; on the one in its place, one
/// goes on.
#[tokio::test]
async fn a_file_system_may_be_exchanged() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rkt");
    fs::create_dir(&dir).unwrap();
    let mount = format!("mount -t tmpfs none '{}'", dir.display());
    let Some(command) = in_namespaces(&mount, &dir) else {
        return;
    };
    let server = Server::listen(command);
    let inside = format!("/proc/{}/root{}", server.pid(), dir.display());
    let pod = hosts::pod(1, Phase::Run);
    let write = || {
        let host = rkt_sim::host::Host::create(&inside).unwrap();
        host.write_pod(&pod).unwrap();
        Journal::create(Path::new(&inside), pod.id)
    };
    let mut journal = write();
    journal.log("web", "on the old one");
    let client = server.client().await;
    let mut stream = follow(&client, following(pod.id)).await;
    assert_eq!(next(&mut stream, 1).await, ["on the old one"]);
    drop(journal);
    let in_server = |args: &[&str]| {
        let mut command = Command::new("nsenter");
        let target = server.pid().to_string();
        command.args(["--target", &target, "--user", "--mount"]);
        assert!(command.args(args).arg(&dir).status().unwrap().success());
    };
    in_server(&["umount", "--lazy"]);
    in_server(&["mount", "-t", "tmpfs", "none"]);
    let mut journal = write();
    journal.log("web", "on the new one");
    server.signal(Signal::HUP);
    assert_eq!(next(&mut stream, 1).await, ["on the new one"]);
    journal.log("web", "and more");
    assert_eq!(next(&mut stream, 1).await, ["and more"]);
}

/// Where the system lets nothing be watched, what comes is found all the same.
#[tokio::test]
async fn journals_may_be_unwatched() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.add(&pod);
    let mut journal = Journal::create(host.dir(), pod.id);
    let limit = "echo 3 > /proc/sys/user/max_inotify_watches";
    let Some(command) = in_namespaces(limit, host.dir()) else {
        return;
    };
    let server = Server::listen(command);
    let client = server.client().await;
    let mut stream = follow(&client, following(pod.id)).await;
    for number in 0..6 {
        journal.log("web", &format!("line {number}"));
        assert_eq!(next(&mut stream, 1).await, numbered(number..number + 1));
        if number % 2 == 0 {
            journal.rotate();
        }
    }
    drop((stream, client));
    let log = server.end().await;
    assert_eq!(log.matches("journals can be watched").count(), 1, "{log}");
}

/// Many who follow, while files are put away faster than they are read.
#[tokio::test(flavor = "multi_thread")]
async fn many_follow_through_rotations() {
    const FOLLOWERS: usize = 50;
    const LINES: usize = 2_000;

    let (_host, id, mut journal, server) = served();
    let client = server.client().await;
    let open = (0..FOLLOWERS).map(|_| follow(&client, following(id)));
    let mut streams = join_all(open).await;
    let writing = tokio::task::spawn_blocking(move || {
        for number in 0..LINES {
            journal.log("web", &format!("line {number}"));
            if number % 20 == 19 {
                journal.rotate();
            }
        }
    });
    let heard = join_all(streams.iter_mut().map(|stream| next(stream, LINES))).await;
    writing.await.unwrap();
    let expected = numbered(0..LINES);
    for heard in heard {
        let differs = (heard.iter().zip(&expected)).position(|(heard, expected)| heard != expected);
        let near = |at: usize| &heard[at.saturating_sub(3)..(at + 40).min(LINES)];
        assert_eq!(differs.map(near), None, "{differs:?}");
    }
}

/// A writer that begins its file anew in place: what comes then is another journal.
#[tokio::test]
async fn a_file_may_be_truncated_and_written_anew() {
    let (host, id, mut journal, server) = served();
    let client = server.client().await;
    for number in 0..100 {
        journal.log("web", &format!("line {number}"));
    }
    let mut stream = follow(&client, following(id)).await;
    assert_eq!(next(&mut stream, 100).await, numbered(0..100));
    let dir = journal_dir(host.dir(), Phase::Run, id).join(id.simple().to_string());
    let path = dir.join("system.journal");
    let old = fs::read(&path).unwrap();

    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100)
        .unwrap();
    assert_eq!(lines_of(&mut client.clone(), of(id)).await, [""; 0]);
    let mut new = old;
    // The id of the file.
    new[24..40].copy_from_slice(&[7; 16]);
    fs::write(&path, new).unwrap();
    assert_eq!(next(&mut stream, 100).await, numbered(0..100));
    assert_eq!(lines_of(&mut client.clone(), of(id)).await.len(), 100);
}

/// How much more memory a thousand followers may take.
const MEMORY_BYTES: u64 = 200 << 20;

/// How many streams one connection has, far fewer than it may.
const STREAMS: usize = 100;

/// A thousand streams, on connections of their own.
async fn a_thousand(
    server: &Server,
    requests: &[GetLogsRequest],
) -> Vec<Streaming<rkt_api::api::GetLogsResponse>> {
    let mut streams = Vec::new();
    for requests in requests.chunks(STREAMS) {
        let client = server.client().await;
        let open = requests
            .iter()
            .map(|request| follow(&client, request.clone()));
        streams.extend(join_all(open).await);
    }
    streams
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_may_follow_one_pod() {
    let (_host, id, mut journal, server) = served();
    journal.log("web", "line 0");
    // What is opened by the first call stays open.
    lines_of(&mut server.client().await, of(id)).await;
    let before = Usage::of(&server);
    let mut streams = a_thousand(&server, &vec![following(id); 1000]).await;
    join_all(streams.iter_mut().map(|stream| next(stream, 1))).await;
    for number in 1..4 {
        journal.log("web", &format!("line {number}"));
        let heard = join_all(streams.iter_mut().map(|stream| next(stream, 1))).await;
        assert!(
            heard
                .iter()
                .all(|lines| *lines == numbered(number..number + 1))
        );
    }
    let after = Usage::of(&server);
    println!("a thousand on one pod: {before:?}, then {after:?}");
    // Connections, watches, and the one file.
    assert!(after.descriptors < before.descriptors + 30, "{after:?}");
    assert!(after.threads < before.threads + 45, "{after:?}");
    let more = after.resident_bytes.saturating_sub(before.resident_bytes);
    assert!(more < MEMORY_BYTES, "{after:?}");
    drop(streams);
    eventually("all is let go of", || {
        Usage::of(&server).descriptors <= before.descriptors + 5
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pods_may_be_followed() {
    let host = TempHost::create();
    let mut journals: Vec<(Uuid, Journal)> = (1..=1000)
        .map(|number| {
            let pod = hosts::pod(number, Phase::Run);
            host.add(&pod);
            (pod.id, Journal::create(host.dir(), pod.id))
        })
        .collect();
    let server = Server::start(host.dir(), &[]);
    let before = Usage::of(&server);
    let requests: Vec<_> = journals.iter().map(|(id, _)| following(*id)).collect();
    let mut streams = a_thousand(&server, &requests).await;
    for number in 0..2 {
        for (_, journal) in &mut journals {
            journal.log("web", &format!("line {number}"));
        }
        let heard = join_all(streams.iter_mut().map(|stream| next(stream, 1))).await;
        assert!(
            heard
                .iter()
                .all(|lines| *lines == numbered(number..number + 1))
        );
    }
    let after = Usage::of(&server);
    println!("one on each of a thousand pods: {before:?}, then {after:?}");
    // A file for each.
    assert!(after.descriptors < before.descriptors + 1030, "{after:?}");
    assert!(after.threads < before.threads + 45, "{after:?}");
    drop(streams);
    eventually("all is let go of", || {
        Usage::of(&server).descriptors <= before.descriptors + 5
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_leave_nothing_behind() {
    let (_host, id, mut journal, server) = served();
    for number in 0..5 {
        journal.log("web", &format!("line {number}"));
    }
    let client = server.client().await;
    lines_of(&mut client.clone(), of(id)).await;
    let before = Usage::of(&server);
    for _ in 0..100 {
        // Connections come and go, too.
        let client = server.client().await;
        let calls = (0..100).map(|number| {
            let mut client = client.clone();
            async move {
                match number % 2 {
                    0 => assert_eq!(lines_of(&mut client, of(id)).await.len(), 5),
                    _ => drop(follow(&client, following(id)).await),
                }
            }
        });
        join_all(calls).await;
    }
    eventually("all is let go of", || {
        Usage::of(&server).descriptors <= before.descriptors
    });
    let after = Usage::of(&server);
    println!("after 10,000 calls: {before:?}, then {after:?}");
}

#[tokio::test]
async fn one_who_does_not_read_blocks_nobody() {
    let (_host, id, mut journal, server) = served();
    let idle = server.client().await;
    let mut idle = follow(&idle, following(id)).await;
    let client = server.client().await;
    let mut busy = follow(&client, following(id)).await;
    // Far more than what the windows of a connection take.
    let long = "x".repeat(20_000);
    for _ in 0..500 {
        journal.log("web", &long);
    }
    assert!(next(&mut busy, 500).await.iter().all(|line| *line == long));
    assert_eq!(lines_of(&mut client.clone(), of(id)).await.len(), 500);
    journal.rotate();
    journal.log("web", "one more");
    assert_eq!(next(&mut busy, 1).await, ["one more"]);
    // And nothing is lost for the one who begins to read.
    let heard = next(&mut idle, 501).await;
    assert_eq!((heard.len(), heard[500].as_str()), (501, "one more"));
}
