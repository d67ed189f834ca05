//! ListPods as a list: each pod once, in order, and what detail changes. What is in the pods
//! is `pod_fields`' business, filters `pod_filters`'.

use rkt_api::api::{Pod, PodState};

use crate::{
    case::{Case, Method, Objection, Verdict},
    clause,
    profile::Profile,
    resource::{self, Resource as _},
    stage::Stage,
    survey::Seen,
    target::Target,
    text,
};

pub(super) fn cases() -> Vec<Case> {
    let method = Method::ListPods;
    vec![
        Case::new(method, &clause::S_11, "once", |target| async move {
            super::list_images::once::<Pod>(&target).await
        }),
        Case::new(method, &clause::P_16, "order", order),
        Case::new(method, &clause::P_2, "detail", detail),
        Case::new(method, &clause::P_2, "no-detail", |target| async move {
            each(&target, |seen, profile| {
                let apps = match profile {
                    Profile::Documented => Vec::new(),
                    Profile::Rkt130 => seen.detailed.apps.clone(),
                };
                let expected = Pod {
                    manifest: Default::default(),
                    apps,
                    ..seen.brief.clone()
                };
                (seen.brief != expected).then(|| {
                    let expected = "no manifest, and apps only in the profile rkt-1.30";
                    (expected.to_owned(), shape(&seen.brief))
                })
            })
            .await
        })
        .decided(),
        Case::new(method, &clause::P_2, "nothing-else", |target| async move {
            each(&target, |seen, _| {
                let rest = |pod: &Pod| Pod {
                    manifest: Default::default(),
                    apps: Vec::new(),
                    ..pod.clone()
                };
                let (brief, detailed) = (rest(&seen.brief), rest(&seen.detailed));
                (brief != detailed).then(|| (format!("{detailed:?}"), format!("{brief:?}")))
            })
            .await
        }),
    ]
}

async fn order(target: Stage) -> Verdict {
    for detail in [false, true] {
        let pods = Pod::list(&target, &[], detail).await?;
        let out_of_order = pods.windows(2).find(|pair| pair[0].id > pair[1].id);
        if let Some(pair) = out_of_order {
            return Err(Objection::fail(
                Pod::list_text(&[], detail),
                "pods ordered by id",
                format!("{} before {}", pair[0].id, pair[1].id),
            ));
        }
        if pods.len() < 2 {
            return Err(Objection::skip("fewer than two pods are listed"));
        }
    }
    Ok(())
}

/// With detail there are manifest and apps: as many as InspectPod gives. Damaged pods have no
/// manifest, but not all pods are damaged.
async fn detail(target: Stage) -> Verdict {
    let survey = resource::survey::<Pod>(&target).await?;
    for Seen {
        detailed,
        inspected,
        ..
    } in &survey.seen
    {
        let Ok(inspected) = inspected else {
            continue;
        };
        if shape(detailed) != shape(inspected) {
            return Err(Objection::fail(
                Pod::list_text(&[], true),
                format!("{}, as InspectPod has it", shape(inspected)),
                format!("{} (pod {})", shape(detailed), detailed.id),
            ));
        }
    }
    let prepared: Vec<&Pod> = survey
        .seen
        .iter()
        .map(|seen| &seen.detailed)
        .filter(|pod| {
            let state = pod.state();
            matches!(
                state,
                PodState::Prepared | PodState::Running | PodState::Exited
            )
        })
        .collect();
    if prepared.is_empty() {
        return Err(Objection::skip(
            "there is no pod in PREPARED, RUNNING or EXITED",
        ));
    }
    if prepared.iter().all(|pod| pod.manifest.is_empty()) {
        let ids: Vec<&str> = prepared.iter().map(|pod| pod.id.as_str()).collect();
        return Err(Objection::fail(
            Pod::list_text(&[], true),
            "manifests",
            format!("none, in none of the pods {}", text::list(&ids)),
        ));
    }
    Ok(())
}

/// What there is of manifest and apps.
fn shape(pod: &Pod) -> String {
    format!(
        "a manifest of {} bytes and {} apps",
        pod.manifest.len(),
        pod.apps.len()
    )
}

/// Judges what is seen of every pod; what is found wrong is what was expected, and what came
/// in the answer without detail.
async fn each(
    target: &Target,
    judge: impl Fn(&Seen<Pod>, Profile) -> Option<(String, String)>,
) -> Verdict {
    let survey = resource::survey::<Pod>(target).await?;
    for seen in &survey.seen {
        if let Some((expected, actual)) = judge(seen, target.profile()) {
            let actual = format!("{actual} (pod {})", seen.brief.id);
            return Err(Objection::fail(
                Pod::list_text(&[], false),
                expected,
                actual,
            ));
        }
    }
    match survey.seen.is_empty() {
        true => Err(Objection::skip("no pod is listed")),
        false => Ok(()),
    }
}
