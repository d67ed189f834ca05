//! Hosts that cannot be watched, or not all of them, or not for ever: answers and events are
//! the same (S-13, E-1), only dearer.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{AppState, EventFilter, InspectPodRequest, ListPodsRequest},
    layout,
};
use rkt_sim::{
    host::Host,
    spec::{App, Image, Phase, Pod},
};

use crate::{
    events::{Listener, look, told_of},
    hosts::{self, TempHost, phase_dir},
    support::{Client, PROGRAM, Server},
};

/// The beginning of a command that is run in namespaces of its own, where it is root. `None` where
/// the system does not let the tests have any.
pub fn unshare() -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command
    };
    let allowed = unshare().arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        crate::support::skip("namespaces cannot be had here");
        return None;
    }
    Some(unshare())
}

/// The command that runs the server on `dir` in namespaces of its own, after `script`. `None` where
/// the system does not let the tests have any.
pub fn in_namespaces(script: &str, dir: &Path) -> Option<Command> {
    let mut command = unshare()?;
    command
        .args(["sh", "-c", &format!(r#"{script} && exec "$0" "$@""#)])
        .arg(PROGRAM)
        .arg("--dir")
        .arg(dir)
        .args(["--log-format", "json"])
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    Some(command)
}

/// A running pod with so many apps, none of which has exited.
fn running(number: u32, apps: usize) -> Pod {
    let app = |number| App::new(format!("app-{number}"), Image::new("example.com/a", "1"));
    Pod {
        apps: (0..apps).map(app).collect(),
        locked: true,
        ..hosts::pod(number, Phase::Run)
    }
}

/// Has an app of a running pod end.
fn end(dir: &Path, pod: &Pod, app: &str, code: i32) {
    let status = layout::pod::app_status(layout::pod::STAGE1_ROOTFS, app);
    let status = phase_dir(dir, pod.phase)
        .join(pod.id.to_string())
        .join(status);
    fs::create_dir_all(status.parent().unwrap()).unwrap();
    // At once, as a look in between would wait for the code.
    let beside = dir.parent().unwrap().join(format!("status-{app}"));
    fs::write(&beside, code.to_string()).unwrap();
    fs::rename(beside, status).unwrap();
}

/// Which apps of a pod have exited, and how.
async fn exited(client: &mut Client, pod: &Pod) -> Vec<(String, i32)> {
    let id = pod.id.to_string();
    let answer = client.inspect_pod(InspectPodRequest { id }).await.unwrap();
    let apps = answer.into_inner().pod.unwrap().apps.into_iter();
    apps.filter(|app| app.state() == AppState::Exited)
        .map(|app| (app.name, app.exit_code))
        .collect()
}

/// Ends two apps of a pod, the one asked for, the other listened for.
async fn hears_and_answers(server: &Server, dir: &Path, pod: &Pod, [first, last]: [&str; 2]) {
    let mut client = server.client().await;
    look(&mut client).await;
    let mut listener = Listener::open(&mut client, EventFilter::default()).await;
    end(dir, pod, first, 3);
    assert_eq!(exited(&mut client, pod).await, [(first.to_owned(), 3)]);
    // Nobody asks any more.
    end(dir, pod, last, 4);
    listener.hear("two ends", |heard| heard.len() >= 2).await;
    assert_eq!(
        told_of(&listener.heard, &pod.id.to_string()),
        [
            format!("APP_EXITED {first} 3"),
            format!("APP_EXITED {last} 4")
        ]
    );
}

#[tokio::test]
async fn a_pod_of_more_directories_than_are_watched() {
    let host = TempHost::create();
    let pod = running(1, 300);
    let _held = host.add(&pod);
    let server = Server::start(host.dir(), &[]);
    hears_and_answers(&server, host.dir(), &pod, ["app-0", "app-299"]).await;
}

#[tokio::test]
async fn more_pods_than_the_system_lets_watch() {
    let host = TempHost::create();
    let pods = [1, 2, 3, 4].map(|number| running(number, 3));
    let _held = pods.each_ref().map(|pod| host.add(pod));
    let limit = "echo 30 > /proc/sys/user/max_inotify_watches";
    let Some(command) = in_namespaces(limit, host.dir()) else {
        return;
    };
    let server = Server::listen(command);
    for pod in &pods {
        hears_and_answers(&server, host.dir(), pod, ["app-0", "app-2"]).await;
    }
    let log = server.end().await;
    let said = log.matches("not everything can be watched").count();
    assert_eq!(said, 1, "{log}");
}

#[tokio::test]
async fn a_system_that_lets_watch_nothing() {
    let host = TempHost::create();
    let pod = running(1, 3);
    let _held = host.add(&pod);
    let limit = "echo 0 > /proc/sys/user/max_inotify_instances";
    let Some(command) = in_namespaces(limit, host.dir()) else {
        return;
    };
    let server = Server::listen(command);
    hears_and_answers(&server, host.dir(), &pod, ["app-0", "app-2"]).await;
    let log = server.end().await;
    assert_eq!(log.matches("is not watched").count(), 1, "{log}");
}

/// One part of the data directory lies where inotify says nothing, which it does not say either.
#[tokio::test]
async fn a_file_system_that_tells_nothing() {
    let host = TempHost::create();
    let pod = running(1, 3);
    let _held = host.add(&pod);
    let embryo = phase_dir(host.dir(), Phase::Embryo);
    fs::remove_dir(&embryo).unwrap();
    symlink("/proc/sys/user", &embryo).unwrap();
    let server = Server::start(host.dir(), &[]);
    hears_and_answers(&server, host.dir(), &pod, ["app-0", "app-2"]).await;
    let log = server.end().await;
    assert_eq!(log.matches("on proc nobody tells").count(), 1, "{log}");
}

#[tokio::test]
async fn a_file_system_that_is_unmounted_lazily() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("rkt");
    fs::create_dir(&dir).unwrap();
    // Where only the server sees it.
    let mount = format!("mount -t tmpfs none '{}'", dir.display());
    let Some(command) = in_namespaces(&mount, &dir) else {
        return;
    };
    let server = Server::listen(command);
    let mut client = server.client().await;
    look(&mut client).await;
    let pod = hosts::pod(1, Phase::Run);
    let inside = format!("/proc/{}/root{}", server.pid(), dir.display());
    let host = Host::create(&inside).unwrap();
    host.write_pod(&pod).unwrap();
    let listed = async |client: &mut Client| {
        let answer = client.list_pods(ListPodsRequest::default()).await.unwrap();
        answer.into_inner().pods.len()
    };
    assert_eq!(listed(&mut client).await, 1);
    let mut listener = Listener::open(&mut client, EventFilter::default()).await;

    let target = server.pid().to_string();
    let unmounted = Command::new("nsenter")
        .args(["--target", &target, "--user", "--mount"])
        .args(["umount", "--lazy"])
        .arg(&dir)
        .status();
    assert!(unmounted.unwrap().success());
    assert_eq!(listed(&mut client).await, 0);
    listener
        .hear("the end of the pod", |heard| !heard.is_empty())
        .await;
    assert_eq!(
        told_of(&listener.heard, &pod.id.to_string()),
        ["POD_GARBAGE_COLLECTED"]
    );
}
