//! Lies about which pods there are (S-11 to S-14, P-15 to P-17).

use rkt_api::api::PodState;
use tonic::{Code, Status};

use super::{
    How::{FailPods, Pod as Find, StalePods, TellPods},
    fields::is_early,
    lie,
};
use crate::{clause, lies::Lie};

pub(super) fn lies() -> Vec<Lie> {
    vec![
        lie(
            &clause::S_11,
            "a-pod-twice",
            TellPods(|pods| pods.extend(pods.last().cloned())),
        ),
        lie(
            &clause::S_12,
            "an-entry-that-is-no-pod",
            TellPods(|pods| {
                if let Some(pod) = pods.last().cloned() {
                    let id = "not-a-pod".to_owned();
                    pods.push(rkt_api::api::Pod { id, ..pod });
                }
            }),
        ),
        lie(&clause::S_13, "the-answer-before", StalePods),
        lie(
            &clause::S_14,
            "a-pod-without-manifest-fails-the-list",
            FailPods(|pod| !is_early(pod) && pod.manifest.is_empty()),
        ),
        lie(
            &clause::P_16,
            "pods-in-reverse",
            TellPods(|pods| pods.reverse()),
        ),
        lie(
            &clause::P_16,
            "pods-by-state",
            TellPods(|pods| pods.sort_by_key(|pod| pod.state)),
        ),
        lie(
            &clause::P_17,
            "only-whole-ids",
            Find(|id, _, found| {
                if id.len() != 36 {
                    *found = Err(Status::not_found(format!("there is no pod {id}")));
                }
            }),
        ),
        lie(
            &clause::P_17,
            "only-lower-case-ids",
            Find(|id, _, found| {
                if id.contains(char::is_uppercase) {
                    *found = Err(Status::not_found(format!("there is no pod {id}")));
                }
            }),
        ),
        lie(
            &clause::P_17,
            "the-first-of-several",
            Find(|id, all, found| {
                let is_ambiguous = found
                    .as_ref()
                    .is_err_and(|status| status.code() == Code::InvalidArgument);
                let begins = |pod: &&rkt_api::api::Pod| pod.id.starts_with(&id.to_lowercase());
                let first = all.iter().find(begins);
                if is_ambiguous && !id.is_empty() && first.is_some() {
                    *found = Ok(first.cloned());
                }
            }),
        ),
        lie(
            &clause::P_17,
            "beginnings-of-eight-at-least",
            Find(|id, _, found| {
                if id.len() < 8 {
                    *found = Err(Status::invalid_argument(format!("{id:?} is too short")));
                }
            }),
        ),
        lie(
            &clause::S_1,
            "embryos-not-listed",
            TellPods(|pods| pods.retain(|pod| pod.state() != PodState::Embryo)),
        ),
    ]
}
