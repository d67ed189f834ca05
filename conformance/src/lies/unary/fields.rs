//! Lies of GetInfo, and about the fields of pods (I, S and P in the contract).

use rkt_api::api::{App, AppState, ImageType, KeyValue, Network, Pod, PodState};
use serde_json::Value;

use super::{
    How::{Info, InspectedPods, ListedPods, LookFirst, Pods},
    lie,
};
use crate::{
    clause,
    lies::{Lie, SECOND_NS},
};

pub(super) fn lies() -> Vec<Lie> {
    [info(), states(), process(), manifest(), apps()]
        .into_iter()
        .flatten()
        .collect()
}

fn info() -> Vec<Lie> {
    vec![
        lie(
            &clause::I_1,
            "version-of-two-numbers",
            Info(|answer| {
                if let Some(info) = &mut answer.info {
                    info.rkt_version = "1.30".to_owned();
                }
            }),
        ),
        lie(
            &clause::I_1,
            "version-with-v",
            Info(|answer| {
                if let Some(info) = &mut answer.info {
                    info.appc_version.insert(0, 'v');
                }
            }),
        ),
        lie(
            &clause::I_1,
            "api-version-empty",
            Info(|answer| {
                if let Some(info) = &mut answer.info {
                    info.api_version.clear();
                }
            }),
        ),
        lie(
            &clause::I_2,
            "no-flags",
            Info(|answer| {
                if let Some(info) = &mut answer.info {
                    info.global_flags = None;
                }
            }),
        ),
        lie(
            &clause::I_2,
            "flags-empty",
            Info(|answer| {
                if let Some(info) = &mut answer.info {
                    info.global_flags = Some(Default::default());
                }
            }),
        ),
        lie(
            &clause::I_2,
            "default-data-directory",
            Info(|answer| {
                let flags = answer.info.as_mut().and_then(|it| it.global_flags.as_mut());
                if let Some(flags) = flags {
                    flags.dir = "/var/lib/rkt".to_owned();
                }
            }),
        ),
        lie(&clause::W_3, "no-info", Info(|answer| answer.info = None)),
        lie(&clause::SV_3, "info-looks-at-the-disk", LookFirst),
    ]
}

/// Pods in this state are told to be in another.
macro_rules! told_as {
    ($clause:ident $name:literal $from:ident $to:ident |$pod:ident| $also:expr) => {
        lie(
            &clause::$clause,
            $name,
            Pods(|$pod, _| {
                if $pod.state() == PodState::$from && $also {
                    $pod.set_state(PodState::$to);
                }
            }),
        )
    };
}

fn states() -> Vec<Lie> {
    // What was never started lies in garbage/, not in exited-garbage/.
    vec![
        told_as!(S_1 "embryos-undefined" Embryo Undefined |_pod| true),
        told_as!(S_2 "preparing-is-prepared" Preparing Prepared |_pod| true),
        told_as!(S_3 "aborted-is-preparing" AbortedPrepare Preparing |_pod| true),
        told_as!(S_4 "prepared-is-running" Prepared Running |_pod| true),
        told_as!(S_5 "running-is-exited" Running Exited |_pod| true),
        told_as!(S_6 "exited-is-running" Exited Running |_pod| true),
        told_as!(S_7 "deleting-is-garbage" Deleting Garbage |pod| pod.started_at != 0),
        told_as!(S_8 "garbage-is-exited" Garbage Exited |pod| pod.started_at != 0),
        told_as!(S_9 "deleting-is-garbage" Deleting Garbage |pod| pod.started_at == 0),
        told_as!(S_10 "garbage-is-aborted" Garbage AbortedPrepare |pod| pod.started_at == 0),
        lie(
            &clause::P_1,
            "process-minus-one-early",
            Pods(|pod, _| {
                if is_early(pod) {
                    pod.pid = -1;
                }
            }),
        ),
        lie(
            &clause::P_1,
            "created-early",
            Pods(|pod, _| {
                if is_early(pod) {
                    pod.created_at = SECOND_NS;
                }
            }),
        ),
    ]
}

fn process() -> Vec<Lie> {
    vec![
        lie(
            &clause::P_4,
            "process-of-a-prepared-pod",
            Pods(|pod, _| {
                if pod.state() == PodState::Prepared {
                    pod.pid = 1;
                }
            }),
        ),
        lie(
            &clause::P_4,
            "no-process-after-the-exit",
            Pods(|pod, _| {
                if pod.state() != PodState::Running {
                    pod.pid = 0;
                }
            }),
        ),
        lie(
            &clause::P_4,
            "process-minus-one",
            Pods(|pod, _| {
                if pod.pid == 0 && !is_early(pod) {
                    pod.pid = -1;
                }
            }),
        ),
        lie(
            &clause::P_5,
            "networks-after-the-exit",
            Pods(|pod, _| {
                if pod.state() == PodState::Exited {
                    pod.networks = vec![Network {
                        name: "default".to_owned(),
                        ipv4: "172.16.28.2".to_owned(),
                        ipv6: String::new(),
                    }];
                }
            }),
        ),
        lie(
            &clause::P_5,
            "ipv6-in-ipv4",
            Pods(|pod, _| {
                for network in pod.networks.iter_mut().filter(|it| !it.ipv6.is_empty()) {
                    network.ipv4 = std::mem::take(&mut network.ipv6);
                }
            }),
        ),
        lie(
            &clause::P_5,
            "missing-address-nil",
            Pods(|pod, _| {
                for network in &mut pod.networks {
                    if network.ipv4.is_empty() && network.ipv6.is_empty() {
                        network.ipv4 = "<nil>".to_owned();
                    }
                }
            }),
        ),
        lie(
            &clause::P_5,
            "first-network-only",
            Pods(|pod, _| pod.networks.truncate(1)),
        ),
        lie(
            &clause::P_6,
            "cgroup-without-slash",
            Pods(|pod, _| pod.cgroup = pod.cgroup.trim_start_matches('/').to_owned()),
        ),
        lie(
            &clause::P_6,
            "cgroup-after-the-exit",
            Pods(|pod, _| {
                if pod.state() == PodState::Exited {
                    pod.cgroup = "/machine.slice".to_owned();
                }
            }),
        ),
        lie(
            &clause::P_6,
            "cgroup-with-newline",
            Pods(|pod, _| {
                if !pod.cgroup.is_empty() {
                    pod.cgroup.push('\n');
                }
            }),
        ),
        lie(
            &clause::P_7,
            "created-in-seconds",
            Pods(|pod, _| pod.created_at /= SECOND_NS),
        ),
        lie(
            &clause::P_7,
            "created-missing",
            Pods(|pod, _| pod.created_at = 0),
        ),
        lie(
            &clause::P_8,
            "started-when-created",
            Pods(|pod, _| {
                if !is_early(pod) {
                    pod.started_at = pod.created_at;
                }
            }),
        ),
        lie(
            &clause::P_8,
            "started-in-seconds",
            Pods(|pod, _| pod.started_at /= SECOND_NS),
        ),
        lie(
            &clause::P_9,
            "mark-missing",
            Pods(|pod, _| pod.gc_marked_at = 0),
        ),
        lie(
            &clause::P_9,
            "marked-when-exited",
            Pods(|pod, _| {
                if pod.state() == PodState::Exited {
                    pod.gc_marked_at = pod.started_at;
                }
            }),
        ),
    ]
}

fn manifest() -> Vec<Lie> {
    vec![
        lie(
            &clause::P_2,
            "manifest-without-detail",
            ListedPods(|pod, whole, _| pod.manifest.clone_from(&whole.manifest)),
        ),
        lie(
            &clause::P_2,
            "no-manifest-in-lists",
            ListedPods(|pod, _, _| pod.manifest.clear()),
        ),
        lie(
            &clause::P_2,
            "apps-without-detail",
            ListedPods(|pod, whole, _| pod.apps.clone_from(&whole.apps)),
        ),
        lie(
            &clause::P_2,
            "detail-reversed",
            ListedPods(|pod, whole, detail| match detail {
                true => {
                    pod.manifest.clear();
                    pod.apps.clear();
                }
                false => pod.clone_from(whole),
            }),
        ),
        lie(
            &clause::P_2,
            "detail-governs-annotations",
            ListedPods(|pod, _, detail| {
                if !detail {
                    pod.annotations.clear();
                }
            }),
        ),
        lie(
            &clause::P_2,
            "no-apps-inspected",
            InspectedPods(|pod| pod.apps.clear()),
        ),
        lie(
            &clause::P_3,
            "manifest-written-anew",
            Pods(|pod, _| {
                let value = serde_json::from_slice::<Value>(&pod.manifest);
                if let Ok(Ok(text)) = value.map(|value| serde_json::to_string_pretty(&value)) {
                    pod.manifest = text.into();
                }
            }),
        ),
        lie(
            &clause::P_3,
            "manifest-is-no-json",
            Pods(|pod, _| {
                if !pod.manifest.is_empty() {
                    pod.manifest = pod.manifest.slice(1..);
                }
            }),
        ),
        lie(
            &clause::P_10,
            "user-annotations",
            Pods(|pod, whole| {
                let manifest = serde_json::from_slice::<Value>(&whole.manifest).unwrap_or_default();
                let users = manifest["userAnnotations"].as_object().cloned();
                let users = users.unwrap_or_default().into_iter().map(|(key, value)| {
                    let value = value.as_str().unwrap_or_default().to_owned();
                    KeyValue { key, value }
                });
                pod.annotations.extend(users);
            }),
        ),
        lie(
            &clause::P_10,
            "annotations-sorted",
            Pods(|pod, _| {
                let key = |pair: &KeyValue| (pair.key.clone(), pair.value.clone());
                pod.annotations.sort_by_key(key);
            }),
        ),
        lie(
            &clause::P_10,
            "annotations-once",
            Pods(|pod, _| {
                let all = std::mem::take(&mut pod.annotations);
                for pair in all {
                    if !pod.annotations.contains(&pair) {
                        pod.annotations.push(pair);
                    }
                }
            }),
        ),
        lie(
            &clause::P_10,
            "no-annotations-in-lists",
            ListedPods(|pod, _, _| pod.annotations.clear()),
        ),
    ]
}

fn apps() -> Vec<Lie> {
    vec![
        lie(
            &clause::P_11,
            "apps-in-reverse",
            Pods(|pod, _| pod.apps.reverse()),
        ),
        lie(
            &clause::P_11,
            "apps-sorted",
            Pods(|pod, _| pod.apps.sort_by(|a, b| a.name.cmp(&b.name))),
        ),
        lie(
            &clause::P_11,
            "no-annotations-of-apps",
            Pods(|pod, _| each(pod, |app| app.annotations.clear())),
        ),
        lie(
            &clause::P_11,
            "apps-have-the-annotations-of-the-pod",
            Pods(|pod, whole| each(pod, |app| app.annotations.clone_from(&whole.annotations))),
        ),
        lie(
            &clause::P_12,
            "image-missing",
            Pods(|pod, _| each(pod, |app| app.image = None)),
        ),
        lie(
            &clause::P_12,
            "image-id-lengthened",
            Pods(|pod, _| {
                for image in pod.apps.iter_mut().filter_map(|app| app.image.as_mut()) {
                    let missing = ("sha512-".len() + 64).saturating_sub(image.id.len());
                    image.id.push_str(&"0".repeat(missing));
                }
            }),
        ),
        lie(
            &clause::P_12,
            "base-format-appc",
            Pods(|pod, _| {
                let images = pod.apps.iter_mut().filter_map(|app| app.image.as_mut());
                for format in images.filter_map(|image| image.base_format.as_mut()) {
                    format.set_type(ImageType::Appc);
                }
            }),
        ),
        lie(
            &clause::P_12,
            "no-name-inspected",
            InspectedPods(|pod| {
                for image in pod.apps.iter_mut().filter_map(|app| app.image.as_mut()) {
                    image.name.clear();
                }
            }),
        ),
        lie(
            &clause::P_12,
            "size-of-the-image",
            Pods(|pod, _| {
                for image in pod.apps.iter_mut().filter_map(|app| app.image.as_mut()) {
                    image.size = 1;
                }
            }),
        ),
        lie(
            &clause::P_13,
            "states-in-lists",
            ListedPods(|pod, _, _| each(pod, |app| app.set_state(AppState::Running))),
        ),
        lie(
            &clause::P_13,
            "no-states-inspected",
            InspectedPods(|pod| each(pod, |app| app.set_state(AppState::Undefined))),
        ),
        lie(
            &clause::P_13,
            "apps-run-while-the-pod-does",
            InspectedPods(|pod| {
                if pod.state() == PodState::Running {
                    each(pod, |app| app.set_state(AppState::Running));
                }
            }),
        ),
        lie(
            &clause::P_13,
            "apps-of-prepared-pods-have-exited",
            InspectedPods(|pod| {
                if pod.state() == PodState::Prepared {
                    each(pod, |app| app.set_state(AppState::Exited));
                }
            }),
        ),
        lie(
            &clause::P_14,
            "codes-of-running-apps",
            InspectedPods(|pod| {
                let running = |app: &&mut App| app.state() == AppState::Running;
                pod.apps
                    .iter_mut()
                    .filter(running)
                    .for_each(|app| app.exit_code = -1);
            }),
        ),
        lie(
            &clause::P_14,
            "codes-without-sign",
            Pods(|pod, _| each(pod, |app| app.exit_code = app.exit_code.saturating_abs())),
        ),
        lie(
            &clause::P_14,
            "codes-of-one-byte",
            Pods(|pod, _| each(pod, |app| app.exit_code &= 0xff)),
        ),
        lie(
            &clause::P_14,
            "codes-in-lists",
            ListedPods(|pod, _, _| each(pod, |app| app.exit_code = 1)),
        ),
    ]
}

/// Whether the pod is not prepared yet.
pub(super) fn is_early(pod: &Pod) -> bool {
    let state = pod.state();
    matches!(
        state,
        PodState::Embryo | PodState::Preparing | PodState::AbortedPrepare
    )
}

fn each(pod: &mut Pod, change: impl FnMut(&mut App)) {
    pod.apps.iter_mut().for_each(change);
}
