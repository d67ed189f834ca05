//! Logs of pods in every state that pods come to with a journal (L-12), and that the stream of
//! a call which does not follow ends in each (L-5).

use rkt_api::api::GetLogsRequest;

use super::{
    answer::{ask, count, of, of_app, show},
    follower::Follower,
    refusals::checked,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::logs::{APP, InState, STILL, WITH_JOURNAL},
    stage::Stage,
    text,
};

pub(super) fn cases() -> Vec<Case> {
    WITH_JOURNAL.iter().flat_map(in_state).collect()
}

fn in_state(it: &'static InState) -> Vec<Case> {
    let name = it.name;
    let tail = GetLogsRequest {
        lines: 2,
        ..of_app(it.id, APP)
    };
    let still = |clause, content: &str, request: GetLogsRequest, judge: Judge| {
        let check = move |stage: Stage| judge(stage, request.clone());
        Case::new(Method::GetLogs, clause, content, check).on(On::Still(&STILL))
    };
    vec![
        checked(&clause::L_12, format!("{name}/all"), of(it.id)),
        checked(&clause::L_12, format!("{name}/app"), of_app(it.id, APP)),
        checked(&clause::L_12, format!("{name}/tail"), tail.clone()),
        still(
            &clause::L_5,
            &format!("{name}/ends"),
            of_app(it.id, APP),
            |stage, request| Box::pin(async move { ends(&stage, &request).await }),
        ),
        still(
            &clause::L_12,
            &format!("{name}/follow"),
            tail,
            |stage, request| Box::pin(async move { follows(&stage, request).await }),
        ),
    ]
}

type Judge = fn(Stage, GetLogsRequest) -> crate::case::Checking;

async fn ends(stage: &Stage, request: &GetLogsRequest) -> Verdict {
    match ask(stage, request).await? {
        Ok(answer) if !answer.lines.is_empty() => Ok(()),
        Ok(answer) => Err(Objection::fail(
            show(request),
            "lines, and the end with OK",
            count(&answer.lines),
        )),
        Err(status) => Err(Objection::fail(
            show(request),
            "lines, and the end with OK",
            text::status(&status),
        )),
    }
}

async fn follows(stage: &Stage, request: GetLogsRequest) -> Verdict {
    let client = stage.setting()?.connect().await?;
    let mut follower = Follower::open_on(stage, &client, request).await?;
    follower.first(stage).await?;
    follower.judge(stage)
}
