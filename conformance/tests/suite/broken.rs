//! Servers with one fault each. The suite must find it, by a case of the clause that is broken.

use rkt_api::{
    api::{AppState, ImageFilter, InspectImageResponse, InspectPodResponse, PodFilter},
    server::Dialect,
};
use tonic::Code;

use crate::{
    proxy::{self, HONEST, Lies},
    support::{Ran, Served, run},
};

/// Runs the cases that begin with `cases` against a server that lies.
async fn against(lies: Lies, cases: &[&str]) -> Ran {
    let server = Served::start(Dialect::Documented).await;
    let proxy = proxy::start(&server.address, lies).await;
    run(&proxy, cases).await
}

/// That the lies are found by `case` although it is not the only one that is run, and that
/// nothing fails that does not begin with one of `clauses`.
async fn assert_caught(lies: Lies, cases: &[&str], case: &str, clauses: &[&str]) {
    let ran = against(lies, cases).await;
    assert_eq!(ran.exit, 1, "{case}: {ran:?}");
    let failed = ran.failed();
    assert!(failed.contains(&case), "{case}: {ran:?}");
    for name in failed {
        let is_expected = clauses.iter().any(|clause| name.starts_with(clause));
        assert!(is_expected, "{name}: {}", ran.stdout);
    }
}

const POD_FIELDS: &[&str] = &["ListPods/P-", "ListPods/S-", "InspectPod"];

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_field_ignored() {
    let lies = Lies {
        list_pods: |request| {
            for filter in &mut request.filters {
                filter.app_names.clear();
            }
        },
        ..HONEST
    };
    let ran = against(lies, &["ListPods/F-P9/"]).await;
    assert_eq!(ran.exit, 1);
    let failed = ran.failed();
    // Found in every company, and nowhere else: the hits of pivots that share nothing with
    // other pods are right by chance.
    let in_subsets = failed
        .iter()
        .filter(|name| name.ends_with("/miss:app_names"));
    assert_eq!(in_subsets.count(), 128, "{}", ran.stdout);
    assert!(
        failed.iter().all(|name| name.contains("app_names")),
        "{}",
        ran.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn or_for_and() {
    let lies = Lies {
        list_pods: |request| {
            request.filters = request.filters.drain(..).flat_map(split).collect();
        },
        ..HONEST
    };
    let case = "ListPods/F-P9/ids+states/miss:ids";
    assert_caught(lies, &["ListPods/F-P9/ids+"], case, &["ListPods/F-P9/"]).await;
}

/// A filter for each condition.
fn split(filter: PodFilter) -> Vec<PodFilter> {
    let none = PodFilter::default;
    let parts = [
        PodFilter {
            ids: filter.ids,
            ..none()
        },
        PodFilter {
            states: filter.states,
            ..none()
        },
        PodFilter {
            app_names: filter.app_names,
            ..none()
        },
        PodFilter {
            image_ids: filter.image_ids,
            ..none()
        },
        PodFilter {
            network_names: filter.network_names,
            ..none()
        },
        PodFilter {
            annotations: filter.annotations,
            ..none()
        },
        PodFilter {
            cgroups: filter.cgroups,
            ..none()
        },
        PodFilter {
            pod_sub_cgroups: filter.pod_sub_cgroups,
            ..none()
        },
    ];
    parts.into_iter().filter(|part| *part != none()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn and_for_or() {
    let lies = Lies {
        list_pods: |request| {
            let mut all = PodFilter::default();
            for filter in request.filters.drain(..) {
                all.ids.extend(filter.ids);
                all.states.extend(filter.states);
                all.app_names.extend(filter.app_names);
            }
            request.filters = vec![all];
        },
        ..HONEST
    };
    let case = "ListPods/F-P9/or:ids,states/hit";
    let cases = ["ListPods/F-P9/or:ids,states/", "ListPods/F-P9/ids+states/"];
    assert_caught(lies, &cases, case, &["ListPods/F-P9/or:ids,states/"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_for_all() {
    let lies = Lies {
        list_pods: |request| {
            for filter in &mut request.filters {
                filter.network_names.truncate(1);
            }
        },
        ..HONEST
    };
    let case = "ListPods/F-P9/network_names/miss:network_names";
    let cases = ["ListPods/F-P9/network_names/"];
    assert_caught(lies, &cases, case, &["ListPods/F-P9/network_names/"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cgroups_above_a_pod_for_those_below() {
    // On the example host every cgroup ends in ".scope".
    let lies = Lies {
        list_pods: |request| {
            for filter in &mut request.filters {
                let completed = filter
                    .pod_sub_cgroups
                    .iter()
                    .map(|above| format!("{above}e"));
                let completed: Vec<String> = completed.collect();
                filter.pod_sub_cgroups.extend(completed);
            }
        },
        ..HONEST
    };
    let case = "ListPods/F-P9/pod_sub_cgroups/miss:pod_sub_cgroups";
    assert_caught(lies, &["ListPods/F-P9/pod_sub_cgroups"], case, &[case]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn detail_reversed() {
    let lies = Lies {
        list_pods: |request| request.detail = !request.detail,
        ..HONEST
    };
    // What is not there is also not as the manifest, or the inspected pod, has it.
    let clauses = ["ListPods/P-", "InspectPod/P-"];
    assert_caught(lies, POD_FIELDS, "ListPods/P-2/detail", &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_order() {
    let lies = Lies {
        pods: |pods| pods.reverse(),
        ..HONEST
    };
    let strict = [&["--strict"], POD_FIELDS].concat();
    assert_caught(lies, &strict, "ListPods/P-16/order", &["ListPods/P-16/"]).await;
    // The contract's word, not the document's.
    let ran = against(lies, POD_FIELDS).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(ran.failed(), ["ListPods/P-16/order"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_twice() {
    let lies = Lies {
        pods: |pods| {
            if let Some(pod) = pods.first().cloned() {
                pods.push(pod);
            }
        },
        ..HONEST
    };
    let clauses = ["ListPods/S-11/", "ListPods/P-16/"];
    assert_caught(
        lies,
        &["ListPods/P-", "ListPods/S-"],
        "ListPods/S-11/once",
        &clauses,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_missing_everywhere() {
    let lies = Lies {
        pods: |pods| pods.iter_mut().for_each(|pod| pod.created_at = 0),
        pod: |answer| {
            if let Ok(InspectPodResponse { pod: Some(pod) }) = answer {
                pod.created_at = 0;
            }
        },
        ..HONEST
    };
    let clauses = ["ListPods/P-7/set", "InspectPod/P-7/set"];
    assert_caught(lies, POD_FIELDS, "ListPods/P-7/set", &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_missing_in_lists() {
    let lies = Lies {
        pods: |pods| pods.iter_mut().for_each(|pod| pod.annotations.clear()),
        ..HONEST
    };
    let clauses = ["ListPods/P-10/", "InspectPod/P-10/as-listed/"];
    assert_caught(lies, POD_FIELDS, "ListPods/P-10/manifest", &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seconds_for_nanoseconds() {
    let lies = Lies {
        pods: |pods| {
            pods.iter_mut()
                .for_each(|pod| pod.started_at /= 1_000_000_000)
        },
        pod: |answer| {
            if let Ok(InspectPodResponse { pod: Some(pod) }) = answer {
                pod.started_at /= 1_000_000_000;
            }
        },
        ..HONEST
    };
    let clauses = ["ListPods/P-8/nanoseconds", "InspectPod/P-8/nanoseconds"];
    assert_caught(lies, POD_FIELDS, "InspectPod/P-8/nanoseconds", &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_after_the_exit() {
    let lies = Lies {
        pods: |pods| {
            let networks = pods
                .iter()
                .flat_map(|pod| pod.networks.clone())
                .collect::<Vec<_>>();
            pods.iter_mut()
                .for_each(|pod| pod.networks.clone_from(&networks));
        },
        ..HONEST
    };
    let clauses = ["ListPods/P-1/", "ListPods/P-5/", "InspectPod/P-5/"];
    assert_caught(lies, POD_FIELDS, "ListPods/P-5/only-running", &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn app_states_in_lists() {
    let lies = Lies {
        pods: |pods| {
            for app in pods.iter_mut().flat_map(|pod| &mut pod.apps) {
                app.set_state(AppState::Running);
            }
        },
        ..HONEST
    };
    let clauses = ["ListPods/P-13/"];
    assert_caught(lies, POD_FIELDS, "ListPods/P-13/not-listed", &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_for_an_unknown_pod() {
    let lies = Lies {
        pod: |answer| {
            if answer
                .as_ref()
                .is_err_and(|status| status.code() == Code::NotFound)
            {
                *answer = Ok(InspectPodResponse { pod: None });
            }
        },
        ..HONEST
    };
    let case = "InspectPod/W-3/unknown-id/error";
    assert_caught(lies, POD_FIELDS, case, &["InspectPod/W-3/unknown-id/"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_for_a_known_pod() {
    let lies = Lies {
        pod: |answer| {
            if let Ok(answer) = answer {
                answer.pod = None;
            }
        },
        ..HONEST
    };
    let clauses = ["InspectPod/W-3/pod", "InspectPod/P-17/"];
    assert_caught(lies, POD_FIELDS, "InspectPod/W-3/pod", &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_none() {
    let lies = Lies {
        info: |answer| {
            if let Some(info) = &mut answer.info {
                info.rkt_version = "v1.30".to_owned();
            }
        },
        ..HONEST
    };
    assert_caught(
        lies,
        &["GetInfo"],
        "GetInfo/I-1/semver",
        &["GetInfo/I-1/semver"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_that_are_not_strict() {
    let lies = Lies {
        list_images: |request| {
            for filter in request.filters.iter_mut().filter(|f| f.imported_after > 0) {
                filter.imported_after -= 1;
            }
        },
        ..HONEST
    };
    let case = "ListImages/F-I7/imported_after/miss:imported_after";
    let cases = ["ListImages/F-I7/imported_", "ListImages/W-7"];
    let clauses = ["ListImages/F-I7/imported_after", "ListImages/W-7/"];
    assert_caught(lies, &cases, case, &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn base_names_as_parts_of_names() {
    let lies = Lies {
        list_images: |request| {
            for filter in &mut request.filters {
                if filter.keywords.is_empty() {
                    filter.keywords.append(&mut filter.base_names);
                }
            }
        },
        ..HONEST
    };
    let case = "ListImages/F-I7/base_names/miss:base_names";
    let cases = ["ListImages/F-I7/base_names", "ListImages/F-I7/ids/"];
    assert_caught(lies, &cases, case, &["ListImages/F-I7/base_names"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_filter_that_takes_nothing() {
    let lies = Lies {
        list_images: |request| {
            for filter in &mut request.filters {
                if *filter == ImageFilter::default() {
                    filter.ids = vec!["none".to_owned()];
                }
            }
        },
        ..HONEST
    };
    let case = "ListImages/F-I0/empty-filter";
    let clauses = [case, "ListImages/F-I0/miss,empty-filter"];
    assert_caught(lies, &["ListImages/F-I0"], case, &clauses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_its_manifest() {
    let lies = Lies {
        image: |answer| {
            if let Ok(InspectImageResponse { image: Some(image) }) = answer {
                image.manifest.clear();
                image.base_format = None;
            }
        },
        ..HONEST
    };
    let clauses = ["InspectImage/IM-3/", "InspectImage/IM-4/"];
    assert_caught(lies, &["InspectImage"], "InspectImage/IM-3/json", &clauses).await;
}
