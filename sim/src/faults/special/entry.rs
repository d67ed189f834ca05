//! Entries beside a pod that are no pods, or the same one again.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt as _,
    path::PathBuf,
};

use rand::Rng as _;
use rkt_api::layout::{Phase, pod};
use uuid::{Builder, Uuid};

use super::{Special, of_pod};
use crate::faults::{
    Rng,
    change::{Action, Change, Plan, Unfit},
    look::{self, PodDir, phase_dir},
};

pub(super) static TABLE: &[Special] = &[
    of_pod(
        "entry/twin",
        "The pod's UUID stands in a second phase too.",
        twin,
    ),
    of_pod(
        "entry/upper-case",
        "Beside the pod is a directory named by its UUID in capitals.",
        |pod, _| dir(pod, pod.id.to_string().to_uppercase()),
    ),
    of_pod(
        "entry/undashed",
        "Beside the pod is a directory named by its UUID without dashes.",
        |pod, _| dir(pod, pod.id.simple().to_string()),
    ),
    of_pod(
        "entry/braced",
        "Beside the pod is a directory named by its UUID in braces.",
        |pod, _| dir(pod, pod.id.braced().to_string()),
    ),
    of_pod(
        "entry/not-a-uuid",
        "Beside the pod is a directory that is not named by a UUID.",
        |pod, _| dir(pod, "lost+found"),
    ),
    of_pod(
        "entry/hidden",
        "Beside the pod is a directory whose name begins with a dot.",
        |pod, _| dir(pod, ".rkt-sim"),
    ),
    of_pod(
        "entry/long",
        "Beside the pod is a directory with the longest name there can be.",
        |pod, _| dir(pod, "f".repeat(255)),
    ),
    of_pod(
        "entry/not-utf8-name",
        "Beside the pod is a directory whose name is not UTF-8.",
        |pod, _| dir(pod, OsString::from_vec(b"rkt-sim-\xFF".to_vec())),
    ),
    of_pod(
        "entry/file",
        "Beside the pod is a plain file named by a UUID.",
        |pod, rng| add(pod, fresh_id(rng).to_string(), Action::File(Vec::new())),
    ),
    of_pod(
        "entry/fifo",
        "Beside the pod is a FIFO named by a UUID.",
        |pod, rng| add(pod, fresh_id(rng).to_string(), Action::Fifo),
    ),
    of_pod(
        "entry/link",
        "Beside the pod is a link to it, named by another UUID.",
        |pod, rng| {
            let target = pod.id.to_string().into();
            add(pod, fresh_id(rng).to_string(), Action::Link(target))
        },
    ),
];

/// The pod's UUID again, in one of the other phases, with the manifest where there is one.
fn twin(pod: &PodDir<'_>, rng: &mut Rng) -> Plan {
    let mut free = Vec::new();
    for phase in Phase::ALL {
        let path = phase_dir(phase).join(pod.id.to_string());
        if pod.root().kind(&path)?.is_none() {
            free.push(path);
        }
    }
    let path = look::choose(free, rng);
    let path = path.ok_or_else(|| Unfit("the pod is in every phase already".to_owned()))?;
    let mut changes = vec![Change::new(path.clone(), Action::Dir)];
    for name in [pod::MANIFEST, pod::CREATED] {
        if let Ok(content) = pod.read(name) {
            changes.push(Change::file(path.join(name), content));
        }
    }
    Ok(changes)
}

fn dir(pod: &PodDir<'_>, name: impl AsRef<OsStr>) -> Plan {
    add(pod, name, Action::Dir)
}

/// Adds an entry where there is none of that name.
fn add(pod: &PodDir<'_>, name: impl AsRef<OsStr>, action: Action) -> Plan {
    let path: PathBuf = pod.path.with_file_name(name.as_ref());
    match pod.root().kind(&path)? {
        None => Ok(vec![Change::new(path, action)]),
        Some(_) => Err(Unfit(format!("{} is there already", path.display()))),
    }
}

/// A UUID as rkt makes them up.
fn fresh_id(rng: &mut Rng) -> Uuid {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}
