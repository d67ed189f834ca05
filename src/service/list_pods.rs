//! ListPods (clauses P, F-P).

use tonic::Status;

use super::{Parts, view::PodCall};
use crate::{
    api::{ListPodsRequest, ListPodsResponse, Pod},
    filter::pod_matches,
};

pub(super) async fn answer(
    service: &Parts,
    request: ListPodsRequest,
) -> Result<ListPodsResponse, Status> {
    let view = &service.view;
    let call = PodCall::List {
        detail: request.detail,
    };
    let facts = service.inventory.pods(view.depth(call)).await?;
    let mut pods: Vec<Pod> = facts
        .iter()
        .filter_map(|facts| view.pod(facts, call))
        .filter(|pod| pod_matches(&request.filters, pod))
        .map(|pod| view.cut(pod, call))
        .collect();
    pods.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(ListPodsResponse { pods })
}
