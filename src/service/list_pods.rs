//! ListPods (clauses P, F-P).

use tonic::Status;

use super::{Parts, view::PodCall};
use crate::{
    api::{ListPodsRequest, ListPodsResponse},
    filter::pod_matches,
};

pub(super) async fn answer(
    service: &Parts,
    request: ListPodsRequest,
) -> Result<ListPodsResponse, Status> {
    let call = PodCall::List {
        detail: request.detail,
    };
    let view = &service.view;
    let pods = service.inventory.pods(view.depth(call)).await?;
    let pods = pods
        .iter()
        .filter_map(|(pod, cgroup)| view.pod(&pod.facts, cgroup, call))
        .filter(|pod| pod_matches(&request.filters, pod))
        .map(|pod| view.cut(pod, call));
    Ok(ListPodsResponse {
        pods: pods.collect(),
    })
}
