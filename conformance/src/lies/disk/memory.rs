//! Servers that remember what they should look up (S-6, S-13).

use std::{
    fs::{File, TryLockError},
    time::Instant,
};

use rkt_api::{api::PodState, layout::Phase};

use super::{KEPT, changed, pod, pod_dir, pods};
use crate::{clause, lies::Lie};

/// Servers that remember.
pub(super) fn lies() -> Vec<Lie> {
    vec![
        pods("lists-kept-for-100-ms", &clause::S_13, |past, pods| {
            let (made, kept) = past
                .lists
                .entry(past.detail)
                .or_insert_with(|| (Instant::now(), pods.clone()));
            if made.elapsed() >= KEPT {
                (*made, *kept) = (Instant::now(), pods);
            }
            Ok(kept.clone())
        }),
        pods("always-one-list-behind", &clause::S_13, |past, pods| {
            let last = past
                .lists
                .insert(past.detail, (Instant::now(), pods.clone()));
            Ok(last.map_or(pods, |(_, pods)| pods))
        }),
        pods(
            "exits-seen-at-the-second-look",
            &clause::S_13,
            |past, pods| {
                Ok(changed(past, pods, |before, now| {
                    if before.state() == PodState::Running && now.state() == PodState::Exited {
                        now.state = before.state;
                    }
                }))
            },
        ),
        pods(
            "locks-outside-run-seen-once",
            &clause::S_13,
            |past, pods| {
                Ok(changed(past, pods, |before, now| {
                    if before.state() == PodState::Garbage && now.state() == PodState::Deleting {
                        now.state = before.state;
                    }
                }))
            },
        ),
        pod(
            "pods-inspected-once-and-for-all",
            &clause::S_13,
            |past, pod| past.pods.entry(pod.id.clone()).or_insert(pod).clone(),
        ),
        pod("start-times-kept", &clause::S_13, |past, mut pod| {
            let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
            if kept.started_at != 0 && pod.started_at != 0 {
                pod.started_at = kept.started_at;
            }
            *kept = pod.clone();
            pod
        }),
        pod("manifests-kept-by-size", &clause::S_13, |past, mut pod| {
            let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
            if kept.manifest.len() == pod.manifest.len() {
                pod.manifest = kept.manifest.clone();
                pod.annotations = kept.annotations.clone();
            }
            *kept = pod.clone();
            pod
        }),
        pod(
            "networks-kept-while-it-runs",
            &clause::S_13,
            |past, mut pod| {
                let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
                if kept.state == pod.state && !kept.networks.is_empty() {
                    pod.networks = kept.networks.clone();
                }
                *kept = pod.clone();
                pod
            },
        ),
        pod(
            "app-exits-seen-when-the-pod-exits",
            &clause::S_13,
            |past, mut pod| {
                let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
                if kept.state == pod.state && kept.apps.len() == pod.apps.len() {
                    pod.apps = kept.apps.clone();
                }
                *kept = pod.clone();
                pod
            },
        ),
        pods("shared-locks-count", &clause::S_6, |past, mut pods| {
            for pod in &mut pods {
                let dir = pod_dir(&past.data_dir, Phase::Run, &pod.id);
                let dir = File::open(dir).map(|dir| dir.try_lock().map(|()| dir.unlock()));
                let is_held = matches!(dir, Ok(Err(TryLockError::WouldBlock)));
                if pod.state() == PodState::Exited && is_held {
                    pod.state = PodState::Running.into();
                }
            }
            Ok(pods)
        }),
    ]
}
