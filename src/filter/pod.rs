//! Conditions on pods (clauses F-P).

use super::{any_of, has_all, unset_or};
use crate::api::{Pod, PodFilter};

/// Whether any of `filters` takes `pod`; with no filter, every pod is taken. `pod` is whole:
/// nothing that the request does not want to see has been taken out yet.
pub(crate) fn pod_matches(filters: &[PodFilter], pod: &Pod) -> bool {
    any_of(filters, |filter| matches(filter, pod))
}

fn matches(filter: &PodFilter, pod: &Pod) -> bool {
    unset_or(&filter.ids, |ids| ids.contains(&pod.id))
        && unset_or(&filter.states, |states| states.contains(&pod.state))
        && filter.app_names.iter().all(|name| has_app(pod, name))
        && filter.image_ids.iter().all(|id| has_image(pod, id))
        && filter
            .network_names
            .iter()
            .all(|name| pod.networks.iter().any(|network| network.name == *name))
        && has_all(&pod.annotations, &filter.annotations)
        && unset_or(&filter.cgroups, |cgroups| cgroups.contains(&pod.cgroup))
        && unset_or(&filter.pod_sub_cgroups, |cgroups| {
            // Every string begins with the empty one, but a pod without cgroup has none
            // below it.
            !pod.cgroup.is_empty() && cgroups.iter().any(|c| c.starts_with(&pod.cgroup))
        })
}

fn has_app(pod: &Pod, name: &str) -> bool {
    pod.apps.iter().any(|app| app.name == name)
}

fn has_image(pod: &Pod, id: &str) -> bool {
    pod.apps
        .iter()
        .filter_map(|app| app.image.as_ref())
        .any(|image| image.id == id)
}
