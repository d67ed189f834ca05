//! Lies about what cannot be answered: which pods and apps there are logs of (L-1, W-3, P-17).

use futures_util::{StreamExt as _, stream};
use tonic::{Code, Status};

use super::{Asked, Lines, Responses, act, ask};
use crate::{clause, lies::Lie};

pub(super) fn lies() -> Vec<Lie> {
    vec![
        act("unknown-apps-have-no-lines", &clause::L_1, |asked| {
            Box::pin(async move {
                let has_app = !asked.request.app_name.is_empty();
                let answer = (asked.honest)(asked.request).await;
                match answer {
                    Err(status) if has_app && status.code() == Code::NotFound => Ok(empty()),
                    answer => answer,
                }
            })
        }),
        act("apps-only-by-the-manifest", &clause::L_1, |asked| {
            Box::pin(async move {
                match asked.request.app_name.as_str() {
                    "systemd" => Err(Status::not_found("there is no \"systemd\"")),
                    _ => (asked.honest)(asked.request).await,
                }
            })
        }),
        act("unknown-pods-have-no-lines", &clause::L_1, |asked| {
            Box::pin(instead_of(asked, Code::NotFound))
        }),
        act("no-journal-is-no-lines", &clause::W_3, |asked| {
            Box::pin(instead_of(asked, Code::FailedPrecondition))
        }),
        act("wrong-ids-are-not-found", &clause::W_3, |asked| {
            Box::pin(async move {
                let id = asked.request.pod_id.clone();
                let answer = (asked.honest)(asked.request).await;
                answer.map_err(|status| match status.code() {
                    Code::InvalidArgument => Status::not_found(format!("there is no {id:?}")),
                    _ => status,
                })
            })
        }),
        act("errors-name-nothing", &clause::W_3, |asked| {
            Box::pin(async move {
                let answer = (asked.honest)(asked.request).await;
                answer.map_err(|status| Status::new(status.code(), "failed"))
            })
        }),
        ask("negative-lines-are-all", &clause::W_3, |it| {
            it.lines = it.lines.max(0);
        }),
        act("logs-by-whole-ids-only", &clause::P_17, |asked| {
            Box::pin(async move {
                match asked.request.pod_id.len() {
                    36 => (asked.honest)(asked.request).await,
                    _ => Err(Status::not_found("there is no such pod")),
                }
            })
        }),
        act("logs-by-lower-case-ids-only", &clause::P_17, |asked| {
            Box::pin(async move {
                match asked.request.pod_id.contains(char::is_uppercase) {
                    true => Err(Status::not_found("there is no such pod")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
    ]
}

/// No lines instead of this error.
async fn instead_of(asked: Asked, code: Code) -> Result<Responses, Status> {
    match (asked.honest)(asked.request).await {
        Err(status) if status.code() == code => Ok(empty()),
        answer => answer,
    }
}

fn empty() -> Responses {
    stream::iter([Ok(Lines::new())]).boxed()
}
