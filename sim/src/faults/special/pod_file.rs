//! Faults of the small files in a pod: exit statuses, networks, cgroup, tree store id.

use std::path::PathBuf;

use rkt_api::layout::pod;
use serde_json::{Value, json};

use super::{Special, of_pod};
use crate::faults::{
    Rng,
    change::{Action, Change, Plan, Unfit},
    look::PodDir,
};

pub(super) static TABLE: &[Special] = &[
    of_pod(
        "status/text",
        "The exit status of an app is a word.",
        |pod, rng| status(pod, rng, "exited\n"),
    ),
    of_pod(
        "status/blank",
        "The exit status of an app is nothing but white space.",
        |pod, rng| status(pod, rng, " \n"),
    ),
    of_pod(
        "status/negative",
        "The exit status of an app is negative.",
        |pod, rng| status(pod, rng, "-1\n"),
    ),
    of_pod(
        "status/overflow",
        "The exit status of an app does not fit into 32 bits.",
        |pod, rng| status(pod, rng, "4294967296\n"),
    ),
    of_pod(
        "status/trailing",
        "The exit status of an app is a number that something follows.",
        |pod, rng| status(pod, rng, " 7 of 9\n"),
    ),
    of_pod(
        "status/huge",
        "The exit status of an app is 5 MiB of digits.",
        |pod, rng| status(pod, rng, &"7".repeat(HUGE_BYTES)),
    ),
    of_pod(
        "status/unknown-app",
        "There is an exit status of an app that the pod does not have.",
        |pod, _| {
            pod.must_have_run()?;
            let dir = pod.status_dir()?;
            // It has to be there.
            pod.root().list(&pod.at(&dir))?;
            Ok(vec![Change::file(
                pod.at(dir).join("rkt-sim-unknown"),
                "1\n",
            )])
        },
    ),
    of_pod(
        "net-info/null",
        "The list of the pod's networks is null.",
        |pod, _| content(pod, pod::NET_INFO, "null"),
    ),
    of_pod(
        "net-info/object",
        "The list of the pod's networks is an object.",
        |pod, _| content(pod, pod::NET_INFO, "{}"),
    ),
    of_pod(
        "net-info/no-address",
        "A network of the pod has no address.",
        |pod, _| network(pod, |network| network["ip"] = json!("")),
    ),
    of_pod(
        "net-info/bad-address",
        "A network of the pod has an address that is none.",
        |pod, _| network(pod, |network| network["ip"] = json!("300.1.2.3")),
    ),
    of_pod(
        "net-info/number",
        "A network of the pod has a number for a name.",
        |pod, _| network(pod, |network| network["netName"] = json!(7)),
    ),
    of_pod(
        "subcgroup/newline",
        "The file with the pod's cgroup ends with a newline.",
        |pod, _| {
            let mut cgroup = pod.read(pod::SUBCGROUP)?;
            cgroup.push(b'\n');
            content(pod, pod::SUBCGROUP, cgroup)
        },
    ),
    of_pod(
        "subcgroup/outside",
        "The pod's cgroup is a path that leads upwards.",
        |pod, _| content(pod, pod::SUBCGROUP, "../../../x"),
    ),
    of_pod(
        "overlay/no-tree-id",
        "The pod is marked as using overlayfs, and there is no stage1TreeStoreID.",
        |pod, _| {
            pod.must_have_run()?;
            pod.read(pod::STAGE1_TREE_STORE_ID)?;
            let id = pod.at(pod::STAGE1_TREE_STORE_ID);
            let mut changes = vec![Change::new(id, Action::Remove)];
            if !pod.has(pod::OVERLAY_PREPARED)? {
                changes.push(Change::file(pod.at(pod::OVERLAY_PREPARED), ""));
            }
            Ok(changes)
        },
    ),
    of_pod(
        "stage1-tree-store-id/outside",
        "The tree store id that leads to stage1's root is a path that leads upwards.",
        |pod, _| tree_id(pod, "../../.."),
    ),
    of_pod(
        "stage1-tree-store-id/absolute",
        "The tree store id that leads to stage1's root is an absolute path.",
        |pod, _| tree_id(pod, "/nonexistent/rkt-sim"),
    ),
    of_pod(
        "stage1-tree-store-id/newline",
        "The tree store id that leads to stage1's root ends with a newline.",
        |pod, _| {
            let mut id = pod.read(pod::STAGE1_TREE_STORE_ID)?;
            id.push(b'\n');
            tree_id(pod, id)
        },
    ),
    of_pod(
        "stage1-tree-store-id/nul",
        "The tree store id that leads to stage1's root has a zero byte in it.",
        |pod, _| tree_id(pod, "deps-sha512-\0"),
    ),
];

/// The length of a huge status file.
const HUGE_BYTES: usize = 5 << 20;

fn status(pod: &PodDir<'_>, rng: &mut Rng, text: &str) -> Plan {
    let path: PathBuf = pod.status(rng)?;
    Ok(vec![Change::file(pod.at(path), text)])
}

/// Gives a file that is there another content.
fn content(pod: &PodDir<'_>, name: &str, content: impl Into<Vec<u8>>) -> Plan {
    pod.read(name)?;
    Ok(vec![Change::file(pod.at(name), content)])
}

fn tree_id(pod: &PodDir<'_>, id: impl Into<Vec<u8>>) -> Plan {
    // Before, nobody has a use for it.
    pod.must_have_run()?;
    pod.must_use_overlay()?;
    content(pod, pod::STAGE1_TREE_STORE_ID, id)
}

/// Changes the first network.
fn network(pod: &PodDir<'_>, change: impl FnOnce(&mut Value)) -> Plan {
    let broken = || Unfit(format!("{} is broken already", pod::NET_INFO));
    let list = pod.read(pod::NET_INFO)?;
    let mut list: Vec<Value> = serde_json::from_slice(&list).map_err(|_| broken())?;
    let first = list.first_mut().filter(|network| network.is_object());
    change(first.ok_or_else(|| Unfit("the pod is in no network".to_owned()))?);
    let list = serde_json::to_vec(&list).map_err(|_| broken())?;
    content(pod, pod::NET_INFO, list)
}
