//! The fields of each pod of the host `states`, against the model (S-1 to S-10, P-1 to P-14),
//! and what filters see of each (F-P0).

use std::sync::Arc;

use rkt_api::api::{App, Image, Pod, PodFilter};
use rkt_sim::spec::{self, Phase, Process};

use super::{
    described::{self, Aspect, Subject, is_set, json, members},
    fields::Via,
    filtering,
    pod_filters::{self, PodField},
};
use crate::{
    case::{Case, Method, On},
    clause::{self, Clause},
    hosts::{STATES, states},
    oracle::Oracle,
};

const LISTED: &[Via] = &[Via::Brief, Via::Detailed];
const WITH_DETAIL: &[Via] = &[Via::Detailed, Via::Inspected];
const INSPECTED: &[Via] = &[Via::Inspected];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (label, pod) in states::pods() {
        let subject = Subject {
            host: &STATES,
            label: label.into(),
            id: pod.id.to_string().into(),
        };
        let state = state_clause(&pod);
        cases.extend(described::presence::<Pod>(&subject, state));
        let aspects = match pod.phase {
            Phase::Embryo | Phase::Prepare => EARLY,
            _ => ASPECTS,
        };
        let of_state = STATE.iter().find(|aspect| std::ptr::eq(aspect.0, state));
        let of_state = of_state.into_iter().map(|(_, aspect)| aspect);
        let of_process = match (&pod.started, pod.phase) {
            // The document's word; all else about process ids was decided.
            (Some(started), Phase::Run | Phase::ExitedGarbage)
                if matches!(started.process, Process::Pid(_)) =>
            {
                Some(&PID)
            }
            (_, Phase::Embryo | Phase::Prepare) => None,
            _ => Some(&OTHER_PID),
        };
        let is_running = pod.phase == Phase::Run && pod.locked;
        let of_cgroup = match pod.phase {
            Phase::Embryo | Phase::Prepare => None,
            _ if is_running => Some(&CGROUP),
            _ => Some(&NO_CGROUP),
        };
        let all = of_state.chain(aspects).chain(of_process).chain(of_cgroup);
        cases.extend(all.flat_map(|aspect| described::cases(&subject, aspect)));
        cases.extend(facts(&subject, &pod));
    }
    cases
}

/// The clause about the pod's state.
fn state_clause(pod: &spec::Pod) -> &'static Clause {
    match (pod.phase, pod.locked) {
        (Phase::Embryo, _) => &clause::S_1,
        (Phase::Prepare, true) => &clause::S_2,
        (Phase::Prepare, false) => &clause::S_3,
        (Phase::Prepared, _) => &clause::S_4,
        (Phase::Run, true) => &clause::S_5,
        (Phase::Run, false) => &clause::S_6,
        (Phase::ExitedGarbage, true) => &clause::S_7,
        (Phase::ExitedGarbage, false) => &clause::S_8,
        (Phase::Garbage, true) => &clause::S_9,
        (Phase::Garbage, false) => &clause::S_10,
    }
}

type PodAspect = Aspect<Pod>;

const fn state(clause: &'static Clause) -> (&'static Clause, PodAspect) {
    let pick = |pod: &Pod| format!("{:?}", pod.state());
    (clause, PodAspect::new(clause, "", pick))
}

static STATE: &[(&Clause, PodAspect)] = &[
    state(&clause::S_1),
    state(&clause::S_2),
    state(&clause::S_3),
    state(&clause::S_4),
    state(&clause::S_5),
    state(&clause::S_6),
    state(&clause::S_7),
    state(&clause::S_8),
    state(&clause::S_9),
    state(&clause::S_10),
];

/// What is said of a pod that is not prepared.
static EARLY: &[PodAspect] = &[PodAspect::new(&clause::P_1, "", |pod| format!("{pod:?}"))];

static PID: PodAspect = PodAspect::new(&clause::P_4, "", |pod| pod.pid.to_string());
static OTHER_PID: PodAspect = PodAspect::new(&clause::P_4, "", |pod| pod.pid.to_string()).decided();

static NO_CGROUP: PodAspect = PodAspect::new(&clause::P_6, "", |pod| pod.cgroup.clone());
static CGROUP: PodAspect = PodAspect::new(&clause::P_6, "", |pod| pod.cgroup.clone()).decided();

/// What is said of any other pod.
static ASPECTS: &[PodAspect] = &[
    PodAspect::new(&clause::P_2, "", shape).only(WITH_DETAIL),
    PodAspect::new(&clause::P_2, "", shape)
        .only(&[Via::Brief])
        .decided(),
    PodAspect::new(&clause::P_3, "", |pod| json(&pod.manifest)).only(WITH_DETAIL),
    PodAspect::new(&clause::P_3, "bytes", |pod| {
        String::from_utf8_lossy(&pod.manifest).into_owned()
    })
    .only(WITH_DETAIL)
    .decided(),
    PodAspect::new(&clause::P_5, "", |pod| format!("{:?}", pod.networks)),
    PodAspect::new(&clause::P_7, "set", |pod| is_set(pod.created_at)),
    PodAspect::new(&clause::P_7, "", |pod| pod.created_at.to_string()).decided(),
    PodAspect::new(&clause::P_8, "set", |pod| is_set(pod.started_at)),
    PodAspect::new(&clause::P_8, "", |pod| pod.started_at.to_string()).decided(),
    PodAspect::new(&clause::P_9, "set", |pod| is_set(pod.gc_marked_at)),
    PodAspect::new(&clause::P_9, "", |pod| pod.gc_marked_at.to_string()).decided(),
    PodAspect::new(&clause::P_10, "", |pod| members(&pod.annotations)),
    PodAspect::new(&clause::P_10, "order", |pod| {
        format!("{:?}", pod.annotations)
    })
    .decided(),
    PodAspect::new(&clause::P_11, "", |pod| {
        members(
            pod.apps
                .iter()
                .map(|app| (&app.name, members(&app.annotations))),
        )
    }),
    PodAspect::new(&clause::P_11, "order", |pod| {
        apps(pod, |app| format!("{} {:?}", app.name, app.annotations))
    })
    .decided(),
    PodAspect::new(&clause::P_12, "", |pod| {
        images(pod, |image| image.id.clone())
    }),
    PodAspect::new(&clause::P_12, "base_format", |pod| {
        images(pod, |image| format!("{:?}", image.base_format))
    })
    .decided(),
    PodAspect::new(&clause::P_12, "name", |pod| {
        images(pod, |image| format!("{} {}", image.name, image.version))
    })
    .decided(),
    PodAspect::new(&clause::P_12, "nothing-else", |pod| {
        images(pod, |image| {
            let rest = (image.import_timestamp, image.size, image.manifest.len());
            format!("{rest:?} {:?} {:?}", image.annotations, image.labels)
        })
    })
    .decided(),
    PodAspect::new(&clause::P_13, "", app_states).only(LISTED),
    PodAspect::new(&clause::P_13, "", app_states)
        .only(INSPECTED)
        .decided(),
    PodAspect::new(&clause::P_14, "", exit_codes).only(LISTED),
    PodAspect::new(&clause::P_14, "", exit_codes)
        .only(INSPECTED)
        .decided(),
];

fn shape(pod: &Pod) -> String {
    let manifest = if pod.manifest.is_empty() { "no" } else { "a" };
    format!("{manifest} manifest and {} apps", pod.apps.len())
}

fn app_states(pod: &Pod) -> String {
    apps(pod, |app| format!("{:?}", app.state()))
}

fn exit_codes(pod: &Pod) -> String {
    apps(pod, |app| app.exit_code.to_string())
}

fn images(pod: &Pod, pick: fn(&Image) -> String) -> String {
    let image = |app: &App| {
        app.image
            .as_ref()
            .map_or_else(|| "no image".to_owned(), pick)
    };
    list(pod, image)
}

fn apps(pod: &Pod, pick: fn(&App) -> String) -> String {
    list(pod, pick)
}

fn list(pod: &Pod, pick: impl Fn(&App) -> String) -> String {
    let apps = pod
        .apps
        .iter()
        .map(|app| format!("{}: {}", app.name, pick(app)));
    format!("[{}]", apps.collect::<Vec<_>>().join(", "))
}

/// For each field a case that asks for the pod by what lies on its disk, whether the dialect
/// shows it in this state or not.
fn facts(subject: &Subject, pod: &spec::Pod) -> Vec<Case> {
    let mut cases = Vec::new();
    for (field, filter) in filters(pod) {
        let filter = Arc::new(filter);
        for (detail, ending) in [(true, "detail"), (false, "brief")] {
            let filter = Arc::clone(&filter);
            let content = format!("{}/{field}/{ending}", subject.label);
            let check = move |stage| {
                let filter = Arc::clone(&filter);
                async move {
                    let oracle = Oracle::required(&stage).await?;
                    let filters = std::slice::from_ref(&*filter);
                    filtering::answers_as_expected::<Pod>(&stage, &oracle, filters, detail).await
                }
            };
            let case = Case::new(Method::ListPods, &clause::F_P0, content, check);
            let case = case.on(On::Still(&STATES));
            cases.push(match is_usual(&subject.label) {
                true => case,
                false => case.thorough(),
            });
        }
    }
    cases
}

/// Whether nothing is special about the pod but its state.
fn is_usual(label: &str) -> bool {
    ["/plain", "/manifest", "/no-manifest"]
        .iter()
        .any(|usual| label.ends_with(usual))
}

/// For each field, by name, a filter that the pod would meet if it showed all that it has.
fn filters(pod: &spec::Pod) -> Vec<(&'static str, PodFilter)> {
    let one = pod_filters::with_value;
    let app = pod.apps.first();
    let image_id = app.and_then(|app| match &app.image_id {
        Some(id) => Some(id.clone()),
        None => app.image.blob_key().ok(),
    });
    let network = pod.networks.iter().flatten().next();
    let subcgroup = pod
        .subcgroup
        .as_ref()
        .map(|path| format!("/{}", path.trim_end()));
    let annotation = pod.annotations.last().map(|(name, value)| {
        let mut filter = one(PodField::Annotations, name);
        filter
            .annotations
            .iter_mut()
            .for_each(|pair| pair.value.clone_from(value));
        filter
    });
    [
        ("ids", Some(one(PodField::Ids, &pod.id.to_string()))),
        (
            "app_names",
            app.map(|app| one(PodField::AppNames, &app.name)),
        ),
        ("image_ids", image_id.map(|id| one(PodField::ImageIds, &id))),
        (
            "network_names",
            network.map(|net| one(PodField::NetworkNames, &net.name)),
        ),
        ("annotations", annotation),
        (
            "cgroups",
            subcgroup.as_ref().map(|path| one(PodField::Cgroups, path)),
        ),
        (
            "pod_sub_cgroups",
            subcgroup.map(|path| one(PodField::PodSubCgroups, &format!("{path}/app"))),
        ),
    ]
    .into_iter()
    .filter_map(|(name, filter)| Some((name, filter?)))
    .collect()
}
