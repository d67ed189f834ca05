//! When a pod was marked for removal (P-9): the change time of its directory as first seen,
//! whatever happens to the directory since.

use std::{fs, os::unix::fs::MetadataExt as _};

use rkt_api::api::{InspectPodRequest, ListPodsRequest};
use rkt_sim::spec::{Phase, Pod};

use crate::{
    hosts::{self, TempHost},
    support::{Client, Server, eventually},
};

/// What both calls say, which must be one.
async fn marked_at_ns(client: &mut Client, pod: &Pod) -> i64 {
    let id = pod.id.to_string();
    let listed = client.list_pods(ListPodsRequest::default()).await.unwrap();
    let mut listed = listed.into_inner().pods.into_iter();
    let listed = listed.find(|listed| listed.id == id).unwrap();
    let inspected = client.inspect_pod(InspectPodRequest { id }).await.unwrap();
    let inspected = inspected.into_inner().pod.unwrap();
    assert_eq!(listed.gc_marked_at, inspected.gc_marked_at);
    listed.gc_marked_at
}

#[tokio::test]
async fn a_mark_stays_while_the_pod_is_taken_apart() {
    let host = TempHost::create();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;

    let mut pod = hosts::pod(1, Phase::Run);
    host.write_pod(&pod).unwrap();
    let run = host.pod_dir(&pod);
    assert_eq!(marked_at_ns(&mut client, &pod).await, 0);

    pod.phase = Phase::ExitedGarbage;
    let marked = host.pod_dir(&pod);
    fs::rename(run, &marked).unwrap();
    let changed_at_ns = || {
        let meta = fs::metadata(&marked).unwrap();
        meta.ctime() * 1_000_000_000 + meta.ctime_nsec()
    };
    let mark = changed_at_ns();
    assert_eq!(marked_at_ns(&mut client, &pod).await, mark);

    fs::remove_dir_all(marked.join("stage1")).unwrap();
    eventually("the clock of the file system goes on", || {
        fs::write(marked.join("pod-created"), "").unwrap();
        fs::remove_file(marked.join("pod-created")).unwrap();
        changed_at_ns() != mark
    });
    assert_eq!(marked_at_ns(&mut client, &pod).await, mark);
}
