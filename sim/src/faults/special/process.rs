//! Faults of the files that say which process a pod is.

use rkt_api::layout::{Phase, pod};

use super::{Special, of_pod};
use crate::faults::{
    change::{Action, Change, Plan, Unfit},
    look::PodDir,
};

pub(super) static TABLE: &[Special] = &[
    of_pod(
        "process/none",
        "A pod in run/ has neither pid nor ppid.",
        |pod, _| none(pod),
    ),
    of_pod(
        "process/dead",
        "The pid is one that no process ever has.",
        |pod, _| instead(pod, pod::PID, &format!("{NO_PROCESS}\n")),
    ),
    of_pod(
        "process/no-child",
        "The ppid is one that no process ever has, so it has no child.",
        |pod, _| instead(pod, pod::PPID, &format!("{NO_PROCESS}\n")),
    ),
    of_pod(
        "process/zero",
        "The pid is 0, which is no process.",
        |pod, _| instead(pod, pod::PID, "0\n"),
    ),
    of_pod(
        "process/negative",
        "The pid is -1, which means every process.",
        |pod, _| instead(pod, pod::PID, "-1\n"),
    ),
    of_pod(
        "process/overflow",
        "The pid does not fit into 32 bits.",
        |pod, _| instead(pod, pod::PID, "4294967297\n"),
    ),
    of_pod(
        "process/text",
        "The pid is a word, and there is no ppid.",
        |pod, _| instead(pod, pod::PID, "none\n"),
    ),
    of_pod(
        "process/fallback",
        "The pid is a word, and a sound ppid stands beside it.",
        |pod, _| fallback(pod),
    ),
];

/// One more than the largest process id that Linux can be told to give out.
const NO_PROCESS: i32 = 1 << 22;

fn none(pod: &PodDir<'_>) -> Plan {
    must_run(pod)?;
    let mut changes = Vec::new();
    for name in [pod::PID, pod::PPID] {
        if pod.has(name)? {
            changes.push(Change::new(pod.at(name), Action::Remove));
        }
    }
    if changes.is_empty() {
        return Err(Unfit("the pod has neither pid nor ppid".to_owned()));
    }
    Ok(changes)
}

/// Puts this one file in the place of both.
fn instead(pod: &PodDir<'_>, name: &'static str, content: &str) -> Plan {
    let mut changes = none(pod)?;
    changes.retain(|change| change.path != pod.at(name));
    changes.push(Change::file(pod.at(name), content));
    Ok(changes)
}

fn fallback(pod: &PodDir<'_>) -> Plan {
    must_run(pod)?;
    let name = if pod.has(pod::PID)? {
        pod::PID
    } else {
        pod::PPID
    };
    let process = pod.read(name)?;
    Ok(vec![
        Change::file(pod.at(pod::PPID), process),
        Change::file(pod.at(pod::PID), "none\n"),
    ])
}

fn must_run(pod: &PodDir<'_>) -> Result<(), Unfit> {
    match pod.phase {
        Phase::Run => Ok(()),
        phase => Err(Unfit(format!("the pod lies in {phase}, not in run"))),
    }
}
