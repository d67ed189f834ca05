//! Servers that lose pods and find some that are none, and stumble over what is broken (S-11,
//! S-12, S-14, P-15).

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use rkt_api::{
    api::{Pod, PodState},
    layout::{self, Phase},
};
use tonic::Status;
use uuid::Uuid;

use super::{Past, changed, entries, pod_dir, pods, wait_while};
use crate::{case::Method, clause, lies::Lie};

pub(super) fn lies() -> Vec<Lie> {
    [listing(), damage()].into_iter().flatten().collect()
}

/// Servers that lose pods, and find some that are none.
fn listing() -> Vec<Lie> {
    vec![
        pods(
            "pods-lost-that-were-renamed",
            &clause::S_11,
            |past, pods| {
                let last = past.lists.insert(false, (Instant::now(), pods.clone()));
                let last = last.map(|(_, pods)| pods).unwrap_or_default();
                let was_other = |pod: &Pod| {
                    last.iter()
                        .any(|it| it.id == pod.id && it.state != pod.state)
                };
                Ok(pods.into_iter().filter(|pod| !was_other(pod)).collect())
            },
        ),
        pods(
            "pods-twice-that-were-renamed",
            &clause::S_11,
            |past, pods| {
                let last = past.lists.insert(false, (Instant::now(), pods.clone()));
                let last = last.map(|(_, pods)| pods).unwrap_or_default();
                let is_other = |it: &Pod| {
                    pods.iter()
                        .any(|pod| it.id == pod.id && it.state != pod.state)
                };
                let twice: Vec<Pod> = last.into_iter().filter(is_other).collect();
                Ok(pods.into_iter().chain(twice).collect())
            },
        ),
        pods("states-of-the-call-before", &clause::S_11, |past, pods| {
            Ok(changed(past, pods, |before, now| now.state = before.state))
        }),
        pods("the-last-phase-counts", &clause::S_11, |past, mut pods| {
            for pod in &mut pods {
                let is_in_run = pod_dir(&past.data_dir, Phase::Run, &pod.id).is_dir();
                if pod.state() == PodState::AbortedPrepare && is_in_run {
                    pod.state = PodState::Exited.into();
                }
            }
            Ok(pods)
        }),
        pods("capitals-are-pods", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |name, path| {
                name.chars().any(|c| c.is_ascii_uppercase()) && path.is_dir()
            }))
        }),
        pods("dashes-do-not-matter", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |name, path| {
                !name.contains('-') && path.is_dir()
            }))
        }),
        pods("files-are-pods", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |_, path| path.is_file()))
        }),
        pods("links-are-pods", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |_, path| path.is_symlink()))
        }),
        pods("odd-names-are-errors", &clause::S_12, |past, pods| {
            let is_odd = |(name, _): &(String, PathBuf)| name.parse::<Uuid>().is_err();
            match entries(&past.data_dir).iter().find(|entry| is_odd(entry)) {
                None => Ok(pods),
                Some((name, _)) => Err(Status::internal(format!("{name} is no pod"))),
            }
        }),
    ]
}

/// Servers that stumble over broken pods.
fn damage() -> Vec<Lie> {
    vec![
        pods(
            "a-broken-manifest-breaks-the-list",
            &clause::S_14,
            |past, pods| match pods
                .iter()
                .find(|pod| is_broken(past, pod, layout::pod::MANIFEST))
            {
                None => Ok(pods),
                Some(pod) => Err(Status::internal(format!("the manifest of {}", pod.id))),
            },
        ),
        pods(
            "broken-manifests-hide-pods",
            &clause::P_15,
            |past, mut pods| {
                pods.retain(|pod| !is_broken(past, pod, layout::pod::MANIFEST));
                Ok(pods)
            },
        ),
        pods(
            "broken-networks-hide-pods",
            &clause::P_15,
            |past, mut pods| {
                pods.retain(|pod| !is_broken(past, pod, layout::pod::NET_INFO));
                Ok(pods)
            },
        ),
        // As the historical server did.
        wait_while(
            "waits-for-process-ids",
            &clause::S_14,
            |data_dir, method| {
                method == Method::ListPods
                    && entries(data_dir).iter().any(|(_, path)| {
                        let has = |name| path.join(name).exists();
                        path.parent()
                            .is_some_and(|phase| phase.ends_with(Phase::Run.dir_name()))
                            && path.is_dir()
                            && !has(layout::pod::PID)
                            && !has(layout::pod::PPID)
                    })
            },
        ),
        wait_while("opens-pipes", &clause::S_14, |data_dir, method| {
            use std::os::unix::fs::FileTypeExt as _;
            let is_pipe = |path: PathBuf| {
                fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_fifo())
            };
            method == Method::ListPods
                && entries(data_dir)
                    .iter()
                    .any(|(_, path)| is_pipe(path.join(layout::pod::MANIFEST)))
        }),
    ]
}

/// The pods, and more for entries beside them that are taken for some.
fn with_entries(past: &Past, mut pods: Vec<Pod>, is_one: fn(&str, &Path) -> bool) -> Vec<Pod> {
    for (name, path) in entries(&past.data_dir) {
        let is_listed = pods.iter().any(|pod| pod.id == name);
        if !is_listed && name.parse::<Uuid>().is_ok() && is_one(&name, &path) {
            pods.push(Pod {
                id: name,
                state: PodState::Embryo.into(),
                ..Pod::default()
            });
        }
    }
    pods
}

/// Whether a pod in `run` has a plain file of this name that is no JSON.
fn is_broken(past: &Past, pod: &Pod, name: &str) -> bool {
    let path = pod_dir(&past.data_dir, Phase::Run, &pod.id).join(name);
    // Never more than a little: some are a GiB of nothing.
    let is_small =
        |path: &Path| fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() < 1 << 16);
    is_small(&path)
        && fs::read(path)
            .is_ok_and(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).is_err())
}
