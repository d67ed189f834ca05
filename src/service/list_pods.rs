//! ListPods (clauses P, F-P).

use bytes::Bytes;
use tonic::Status;

use super::{
    Parts,
    prepared::{Items, PreparedPod, encode},
    view::PodCall,
};
use crate::{
    api::{ListPodsRequest, PodFilter},
    filter::pod_matches,
    inventory::Pod,
};

pub(super) async fn answer(service: &Parts, request: ListPodsRequest) -> Result<Items, Status> {
    let ListPodsRequest { filters, detail } = request;
    let depth = service.view.depth(PodCall::List { detail });
    let pods = service.inventory.pods(depth).await?;
    let pods = pods.iter();
    let items = pods.filter_map(|(pod, cgroup)| listed(service, pod, cgroup, &filters, detail));
    Ok(items.collect())
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
    let pod = cache.listed(view, facts, detail)?;
    pod_matches(filters, pod).then(|| cache.encoded(view, pod, detail))
}
