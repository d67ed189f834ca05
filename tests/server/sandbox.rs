//! Giving up what the server does not need, by the server as it runs. What exactly that is, is
//! tried beside the code.

use std::{fs, os::unix::fs::symlink, thread};

use landlock::{AccessFs, Ruleset, RulesetAttr as _, RulesetStatus};
use rkt_api::api::{InspectPodRequest, ListImagesRequest, ListPodsRequest};
use rkt_sim::{host::Host, spec::Phase};
use tonic::Code;

use crate::{
    hosts::{self, TempHost},
    journals::{Journal, lines_of, of},
    support::{Server, command, failed_start, skip},
};

/// What the server logs where it has given up all that it does not need.
const CONFINED: &str = "\"confined to what it needs\"";

const NO_MEANS: &str = "the kernel has not the means";

fn is_confined(server: &Server) -> bool {
    let is_confined = server.log().contains(CONFINED);
    if !is_confined {
        skip(NO_MEANS);
    }
    is_confined
}

#[tokio::test]
async fn every_thread_is_confined_and_every_call_answered() {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.add(&pod);
    Journal::create(host.dir(), pod.id).log("web", "line");
    let server = Server::start(host.dir(), &["--timezone=local"]);
    let mut client = server.client().await;
    let pods = client.list_pods(ListPodsRequest::default()).await.unwrap();
    assert_eq!(pods.into_inner().pods.len(), 1);
    let id = pod.id.to_string();
    client.inspect_pod(InspectPodRequest { id }).await.unwrap();
    let images = ListImagesRequest::default();
    client.list_images(images).await.unwrap();
    assert_eq!(lines_of(&mut client, of(pod.id)).await.len(), 1);

    // The kernel shows no Landlock domain of a thread. A thread gets its domain as it gets this: from
    // the one that starts it, which got both at once.
    let mut threads = 0;
    for thread in fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        // It may have ended meanwhile.
        if let Ok(status) = fs::read_to_string(thread.unwrap().path().join("status")) {
            assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
            threads += 1;
        }
    }
    assert!(threads > 1);
}

/// The data directory is a link, which is then turned to one that is none of the server's.
#[tokio::test]
async fn what_lies_elsewhere_is_not_read_unless_asked_for() {
    for (sandbox, count) in [("auto", None), ("off", Some(2))] {
        let temp = tempfile::tempdir().unwrap();
        for (name, pods) in [("ours", 1), ("others", 2)] {
            let dir = temp.path().join(name);
            fs::create_dir(&dir).unwrap();
            let host = Host::create(dir.join("rkt")).unwrap();
            for number in 0..pods {
                host.write_pod(&hosts::pod(number, Phase::Run)).unwrap();
            }
        }
        let dir = temp.path().join("dir");
        fs::create_dir(&dir).unwrap();
        let link = dir.join("link");
        symlink("../ours/rkt", &link).unwrap();

        let server = Server::start(&link, &["--sandbox", sandbox]);
        let mut client = server.client().await;
        let mut list = async || {
            let pods = client.list_pods(ListPodsRequest::default()).await;
            pods.map(|pods| pods.into_inner().pods.len())
        };
        assert_eq!(list().await.unwrap(), 1);
        if count.is_none() && !is_confined(&server) {
            continue;
        }
        let turned = dir.join("turned");
        symlink("../others/rkt", &turned).unwrap();
        fs::rename(&turned, &link).unwrap();
        match (list().await, count) {
            (Ok(found), Some(count)) => assert_eq!(found, count),
            (Err(status), None) => assert_eq!(status.code(), Code::Unavailable),
            (answer, _) => panic!("{sandbox}: {answer:?}"),
        }
    }
}

/// Sandboxes lie within each other, up to a number: what is started here can enter no more.
fn where_there_is_no_room<T: Send>(start: impl FnOnce() -> T + Send) -> Option<T> {
    const LAYERS_MAX: u32 = 16;

    let started = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            for _ in 0..LAYERS_MAX {
                let layer = Ruleset::default().handle_access(AccessFs::MakeBlock);
                let layer = layer.unwrap().create().unwrap().restrict_self();
                if layer.unwrap().ruleset == RulesetStatus::NotEnforced {
                    return None;
                }
            }
            Some(start())
        });
        thread.join().unwrap()
    });
    if started.is_none() {
        skip(NO_MEANS);
    }
    started
}

#[tokio::test]
async fn a_sandbox_is_done_without_unless_it_is_required() {
    let host = TempHost::create();
    let start = || Server::start(host.dir(), &[]);
    if let Some(server) = where_there_is_no_room(start) {
        server.wait_for_log("not confined: the kernel refuses it");
        server.end().await;
    }
    let required = command(host.dir(), &["--listen=127.0.0.1:0", "--sandbox=require"]);
    if let Some(said) = where_there_is_no_room(|| failed_start(required)) {
        assert!(said.contains("failed to enter the sandbox"), "{said}");
    }
}
