//! Whoever prepares or starts a pod is killed in the middle of it, by which the system lets its lock
//! go: the pod is as far as it came, and of that is told once.

use std::fs;

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{EventFilter, Pod as PodMessage, PodState},
    layout,
};
use rkt_sim::spec::{Phase, Pod};

use super::{Holder, kill};
use crate::{
    events::{Listener, history, look, short},
    fresh::{inspect, list},
    hosts::{self, TempHost},
    support::{Client, Server},
};

/// How far whoever is killed has come.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// Where the pod's directory lies.
    phase: Phase,
    /// How many bytes of the manifest were written; `None` for the whole.
    manifest_bytes: Option<usize>,
    /// What the pod is while its lock is held, and what when it was let go.
    held: PodState,
    free: PodState,
    /// What is told of the kill.
    told: &'static [&'static str],
}

const POINTS: [Point; 7] = [
    Point {
        phase: Phase::Embryo,
        manifest_bytes: None,
        held: PodState::Embryo,
        free: PodState::Embryo,
        told: &[],
    },
    aborted(Some(0)),
    aborted(Some(1)),
    aborted(Some(200)),
    aborted(None),
    // Not unlocked yet.
    Point {
        phase: Phase::Prepared,
        manifest_bytes: None,
        held: PodState::Prepared,
        free: PodState::Prepared,
        told: &[],
    },
    // Not started yet.
    Point {
        phase: Phase::Run,
        manifest_bytes: None,
        held: PodState::Running,
        free: PodState::Exited,
        told: &["POD_EXITED"],
    },
];

const fn aborted(manifest_bytes: Option<usize>) -> Point {
    Point {
        phase: Phase::Prepare,
        manifest_bytes,
        held: PodState::Preparing,
        free: PodState::AbortedPrepare,
        told: &["POD_PREPARE_ABORTED"],
    }
}

/// Writes what there is of a pod when its preparing is cut off.
fn write(host: &TempHost, pod: &Pod, point: Point) {
    host.write_pod(pod).unwrap();
    let dir = host.pod_dir(pod);
    if let Some(length) = point.manifest_bytes {
        let manifest = dir.join(layout::pod::MANIFEST);
        let bytes = fs::read(&manifest).unwrap();
        fs::write(manifest, &bytes[..length]).unwrap();
    }
}

/// A pod that has not started.
fn pod(point: Point) -> Pod {
    let mut pod = Pod {
        started: None,
        manifest: (point.phase == Phase::Prepare).then_some(true),
        ..hosts::pod(1, point.phase)
    };
    pod.apps.iter_mut().for_each(|app| app.exit_code = None);
    pod
}

/// What both calls say of a pod.
async fn ask(client: &mut Client, pod: &Pod) -> [PodMessage; 2] {
    let id = pod.id.to_string();
    let mut listed = list(client, false).await.into_iter();
    let listed = listed.find(|listed| listed.id == id).unwrap();
    [listed, inspect(client, &id).await.unwrap()]
}

#[tokio::test]
async fn a_pod_is_as_far_as_it_came() {
    for point in POINTS {
        let host = TempHost::create();
        let pod = pod(point);
        write(&host, &pod, point);
        let holder = Holder::lock(&host.pod_dir(&pod));
        let server = Server::start(host.dir(), &[]);
        let mut client = server.client().await;
        let states = async |client: &mut Client| ask(client, &pod).await.map(|pod| pod.state());
        assert_eq!(states(&mut client).await, [point.held; 2], "{point:?}");
        look(&mut client).await;
        let mut listener = Listener::open(&mut client, EventFilter::default()).await;

        holder.kill();
        let answers = ask(&mut client, &pod).await;
        for pod in &answers {
            assert_eq!(pod.state(), point.free, "{point:?}");
            if matches!(point.phase, Phase::Embryo | Phase::Prepare) {
                // P-1
                let only = PodMessage {
                    id: pod.id.clone(),
                    state: pod.state,
                    ..PodMessage::default()
                };
                assert_eq!(*pod, only, "{point:?}");
            }
        }
        listener
            .hear("the kill", |heard| heard.len() >= point.told.len())
            .await;

        // A server that is started then sees the same, and tells nothing of it.
        let another = Server::start(host.dir(), &[]);
        let mut other = another.client().await;
        assert_eq!(ask(&mut other, &pod).await, answers, "{point:?}");
        assert_eq!(history(another, &mut other).await, [], "{point:?}");
        // Whoever looks again hears nothing again.
        assert_eq!(ask(&mut client, &pod).await, answers, "{point:?}");
        let told: Vec<_> = history(server, &mut client)
            .await
            .iter()
            .map(short)
            .collect();
        assert_eq!(told, point.told, "{point:?}");
    }
}

/// The server is killed first, and whoever prepares while there is none.
#[tokio::test]
async fn what_was_cut_off_while_no_server_was_there() {
    for point in POINTS {
        let host = TempHost::create();
        let pod = pod(point);
        write(&host, &pod, point);
        let holder = Holder::lock(&host.pod_dir(&pod));
        let server = Server::start(host.dir(), &[]);
        look(&mut server.client().await).await;
        kill(server).await;
        holder.kill();
        let server = Server::start(host.dir(), &[]);
        let mut client = server.client().await;
        let states = ask(&mut client, &pod).await.map(|pod| pod.state());
        assert_eq!(states, [point.free; 2], "{point:?}");
        assert_eq!(history(server, &mut client).await, [], "{point:?}");
    }
}
