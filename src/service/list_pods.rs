//! ListPods (clauses P, F-P).

use tonic::Status;
use uuid::Uuid;

use super::{
    Parts,
    kept::InventoryPod,
    listing::Wanted,
    prepared::{Items, append, piece},
    view::{PodCall, View},
};
use crate::{
    api::{ListPodsRequest, PodFilter},
    filter::pod_matches,
    host::State,
    inventory::Traits,
};

pub(super) async fn answer(service: &Parts, request: ListPodsRequest) -> Result<Items, Status> {
    let ListPodsRequest { filters, detail } = request;
    service.requests.check_pods(&filters)?;
    let view = &service.view;
    let call = PodCall::List { detail };
    let traits = filters.iter().map(|filter| traits(view, filter)).collect();
    let pods = service.inventory.pods(traits, view.depth(call)).await?;
    let taken = pods.iter().filter_map(|(pod, cgroup)| match cgroup {
        Some(cgroup) => {
            // Looked up for this answer, and good for no other.
            let pod = view.pod(&pod.facts, Some(cgroup), call)?;
            pod_matches(&filters, &pod).then(|| Wanted::Piece(piece(&view.cut(pod, call))))
        }
        // To keep what only filters look at takes as much memory as the rest.
        None if filters.is_empty() => Some(Wanted::Item(pod)),
        None => {
            let listed = pod.cache.listed(view, &pod.facts, detail)?;
            pod_matches(&filters, listed).then_some(Wanted::Item(pod))
        }
    });
    let taken: Vec<_> = taken.collect();
    let listing = service.listings.pods(detail);
    let listed = listing.answer(pods.all(), &taken, |pod: &InventoryPod, piece| {
        if let Some(pod) = view.pod(&pod.facts, None, call) {
            append(&view.cut(pod, call), piece);
        }
    });
    Ok(listed)
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
