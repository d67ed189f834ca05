//! The end of streams that nothing in the journal has asked for: the client hangs up (W-6), or
//! the server ends (SV-2).

use std::time::Duration;

use rkt_api::api::GetLogsRequest;
use tonic::Code;

use super::{
    answer::{check, of, of_app},
    follower::Follower,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    cases::streams::descriptors,
    clause,
    hosts::logs::{LIVING, LIVING_APPS, OVERLAID, STILL, TALKING, WITH_JOURNAL},
    stage::Stage,
    text,
};

/// How many clients hang up, each with a few streams.
const CLIENTS: usize = 20;

/// How long a client may cost something after it has gone (W-6).
const GONE_WITHIN: Duration = Duration::from_secs(1);

pub(super) fn cases() -> Vec<Case> {
    let case = |clause, content: &str, check: fn(Stage) -> crate::case::Checking| {
        Case::new(Method::GetLogs, clause, content, check)
    };
    vec![
        case(&clause::W_6, "descriptors", |stage| {
            Box::pin(descriptors_of(stage))
        })
        .on(On::Own(&LIVING)),
        case(&clause::W_6, "answers-after", |stage| {
            Box::pin(answers_after(stage))
        })
        .on(On::Still(&STILL)),
        case(&clause::SV_2, "unavailable", |stage| Box::pin(ended(stage))).on(On::Own(&LIVING)),
    ]
}

/// Clients that follow, and hang up.
async fn hang_up(stage: &Stage, requests: &[GetLogsRequest]) -> Verdict {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = stage.setting()?.connect().await?;
        let mut followers = Vec::new();
        for request in requests {
            followers.push(Follower::open_on(stage, &client, request.clone()).await?);
        }
        clients.push((client, followers));
    }
    Ok(())
}

/// That clients who hang up in the middle of a stream leave no descriptor behind.
async fn descriptors_of(stage: Stage) -> Verdict {
    let pid = stage.setting()?.server_pid().await?;
    let before = descriptors(pid)?;
    let waiting = GetLogsRequest {
        since_time: i64::MAX,
        ..of(TALKING)
    };
    hang_up(&stage, &[of(TALKING), of(OVERLAID), waiting]).await?;
    tokio::time::sleep(GONE_WITHIN + stage.slack()).await;
    let after = descriptors(pid)?;
    match after <= before {
        true => Ok(()),
        false => Err(Objection::fail(
            format!("GetLogs, following, by {CLIENTS} clients, who hang up"),
            format!("{before} descriptors, as before"),
            format!("{after}"),
        )),
    }
}

/// That others are answered when many have hung up.
async fn answers_after(stage: Stage) -> Verdict {
    let pod = WITH_JOURNAL[0].id;
    hang_up(&stage, &[of(pod)]).await?;
    check(&stage, &of(pod)).await
}

/// That streams end with UNAVAILABLE when the server does.
async fn ended(stage: Stage) -> Verdict {
    let setting = stage.setting()?;
    setting.server_pid().await?;
    let waiting = GetLogsRequest {
        since_time: i64::MAX,
        ..of_app(TALKING, LIVING_APPS[0])
    };
    let mut followers = Vec::new();
    for request in [of(TALKING), of_app(OVERLAID, LIVING_APPS[1]), waiting] {
        followers.push(Follower::open(&stage, request).await?);
    }
    setting.restart_server().await?;
    for follower in &mut followers {
        follower.ends(&stage).await?;
        let end = follower.heard().end;
        let is_right = end
            .as_ref()
            .is_some_and(|(status, _)| status.code() == Code::Unavailable);
        if !is_right {
            return Err(Objection::fail(
                follower.request(),
                "the end with UNAVAILABLE when the server ends",
                end.map_or("none".to_owned(), |(status, _)| text::status(&status)),
            ));
        }
    }
    Ok(())
}
