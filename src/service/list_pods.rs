//! ListPods (clauses P, F-P).

use bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use super::{
    Parts,
    prepared::{Items, PreparedPod, encode},
    view::{PodCall, View},
};
use crate::{
    api::{ListPodsRequest, PodFilter},
    filter::pod_matches,
    host::State,
    inventory::{Pod, Traits},
};

pub(super) async fn answer(service: &Parts, request: ListPodsRequest) -> Result<Items, Status> {
    let ListPodsRequest { filters, detail } = request;
    let view = &service.view;
    let depth = view.depth(PodCall::List { detail });
    let traits = filters.iter().map(|filter| traits(view, filter)).collect();
    let pods = service.inventory.pods(traits, depth).await?;
    let pods = pods.iter();
    let items = pods.filter_map(|(pod, cgroup)| listed(service, pod, cgroup, &filters, detail));
    Ok(items.collect())
}

/// What the inventory can find by itself of what `filter` asks for.
fn traits(view: &View, filter: &PodFilter) -> Traits {
    // What is no id, or not written as one, is no pod's.
    let ids = filter.ids.iter().filter_map(|id| Uuid::try_parse(id).ok());
    let states = State::ALL.into_iter();
    let states = states.filter(|state| filter.states.contains(&view.state(*state).into()));
    Traits {
        ids: (!filter.ids.is_empty()).then(|| ids.collect()),
        states: (!filter.states.is_empty()).then(|| states.collect()),
        app_names: filter.app_names.clone(),
        image_ids: filter.image_ids.clone(),
    }
}

/// The pod, encoded; `None` when the dialect does not show it, or no filter takes it.
fn listed(
    service: &Parts,
    pod: &Pod<PreparedPod>,
    cgroup: Option<&str>,
    filters: &[PodFilter],
    detail: bool,
) -> Option<Bytes> {
    let Pod { facts, cache } = pod;
    let view = &service.view;
    if cgroup.is_some() {
        // Looked up for this answer, and good for no other.
        let call = PodCall::List { detail };
        let pod = view.pod(facts, cgroup, call)?;
        return pod_matches(filters, &pod).then(|| encode(&view.cut(pod, call)));
    }
    // To keep what only filters look at takes as much memory as the rest.
    if !filters.is_empty() && !pod_matches(filters, cache.listed(view, facts, detail)?) {
        return None;
    }
    cache.encoded(view, facts, detail)
}
