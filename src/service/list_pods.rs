//! ListPods (clauses P, F-P).

use std::sync::Arc;

use tonic::Status;

use super::{Parts, view::PodCall};
use crate::{
    api::{ListPodsRequest, ListPodsResponse, Pod},
    filter::pod_matches,
    host::PodFacts,
};

pub(super) async fn answer(
    service: &Arc<Parts>,
    request: ListPodsRequest,
) -> Result<ListPodsResponse, Status> {
    let call = PodCall::List {
        detail: request.detail,
    };
    let depth = service.view.depth(call);
    let parts = Arc::clone(service);
    let shape = move |facts: Vec<PodFacts>| {
        let view = &parts.view;
        let mut pods: Vec<Pod> = facts
            .iter()
            .filter_map(|facts| view.pod(facts, call))
            .filter(|pod| pod_matches(&request.filters, pod))
            .map(|pod| view.cut(pod, call))
            .collect();
        pods.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        pods
    };
    let pods = service.inventory.pods(depth, shape).await?;
    Ok(ListPodsResponse { pods })
}
