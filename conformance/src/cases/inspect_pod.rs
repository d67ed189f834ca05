//! InspectPod: naming a pod, and agreeing with what is listed of it. What is in the pod is
//! `pod_fields`' business.

use rkt_api::api::{App, Pod};
use tonic::Code;

use super::{
    fields::{self, Agreement},
    ids,
};
use crate::{case::Case, clause};

/// An id that is one, but of no pod.
const UNKNOWN: &str = "ffffffff-ffff-ffff-ffff-fffffffffff0";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![ids::present::<Pod>()];
    cases.extend(ids::refused::<Pod>("unknown-id", UNKNOWN, Code::NotFound));
    cases.push(ids::refused_by_name::<Pod>("unknown-id", UNKNOWN));
    cases.extend(ids::refused::<Pod>("empty-id", "", Code::InvalidArgument));
    cases.extend(ids::refused::<Pod>(
        "no-uuid",
        "no-uuid",
        Code::InvalidArgument,
    ));
    cases.extend(ids::refused::<Pod>(
        "huge-id",
        ids::LONG,
        Code::InvalidArgument,
    ));
    let clause = &clause::P_17;
    cases.extend([
        ids::full::<Pod>(clause),
        ids::asked::<Pod>(clause, "upper-case", ids::upper_case),
        ids::asked::<Pod>(clause, "beginning/shortest", |ids| ids::shortest(ids, 1)),
        ids::asked::<Pod>(clause, "beginning/longest", ids::almost_full),
        ids::asked::<Pod>(clause, "beginning/ambiguous", |ids| ids::ambiguous(ids, 1)),
    ]);
    cases.extend(fields::agreements(AGREEMENTS));
    cases
}

/// What InspectPod and ListPods both say. Names and versions of images, and what becomes of
/// apps, lists may leave out.
static AGREEMENTS: &[Agreement<Pod>] = &[
    Agreement {
        clause: &clause::S_11,
        content: "state",
        pick: |pod| format!("{:?}", pod.state()),
    },
    Agreement {
        clause: &clause::P_3,
        content: "manifest",
        pick: |pod| format!("{:?}", pod.manifest),
    },
    Agreement {
        clause: &clause::P_4,
        content: "pid",
        pick: |pod| pod.pid.to_string(),
    },
    Agreement {
        clause: &clause::P_5,
        content: "networks",
        pick: |pod| format!("{:?}", pod.networks),
    },
    Agreement {
        clause: &clause::P_6,
        content: "cgroup",
        pick: |pod| format!("{:?}", pod.cgroup),
    },
    Agreement {
        clause: &clause::P_7,
        content: "created_at",
        pick: |pod| pod.created_at.to_string(),
    },
    Agreement {
        clause: &clause::P_8,
        content: "started_at",
        pick: |pod| pod.started_at.to_string(),
    },
    Agreement {
        clause: &clause::P_9,
        content: "gc_marked_at",
        pick: |pod| pod.gc_marked_at.to_string(),
    },
    Agreement {
        clause: &clause::P_10,
        content: "annotations",
        pick: |pod| format!("{:?}", pod.annotations),
    },
    Agreement {
        clause: &clause::P_11,
        content: "apps",
        pick: |pod| {
            let name = |app: &App| (app.name.clone(), app.annotations.clone());
            format!("{:?}", pod.apps.iter().map(name).collect::<Vec<_>>())
        },
    },
    Agreement {
        clause: &clause::P_12,
        content: "images",
        pick: |pod| {
            let images = pod.apps.iter().map(|app| app.image.as_ref());
            let images = images.map(|image| image.map(|i| (&i.id, &i.base_format)));
            format!("{:?}", images.collect::<Vec<_>>())
        },
    },
];
