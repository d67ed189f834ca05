//! Followers who join while lines are written as fast as can be, with rotations among them: what
//! is there and what comes have neither gap nor overlap (L-6).

use std::time::Duration;

use rkt_api::api::GetLogsRequest;
use tokio::time::sleep;

use super::{
    answer::{count, known_world, of, of_app},
    follower::Follower,
    live::reached,
    scenes::{JOIN, RUSH},
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::logs::{LIVING_APPS, SILENT},
    model::logs,
    stage::Stage,
    text,
};

/// How many join for one case, and with what time between them.
const FOLLOWERS: usize = 12;
const BETWEEN: Duration = Duration::from_millis(13);

pub(super) fn cases() -> Vec<Case> {
    let [web, db] = LIVING_APPS;
    let requests = [
        ("all", of(SILENT)),
        ("app", of_app(SILENT, web)),
        (
            "tail",
            GetLogsRequest {
                lines: 3,
                ..of(SILENT)
            },
        ),
        (
            "app,tail",
            GetLogsRequest {
                lines: 1,
                ..of_app(SILENT, db)
            },
        ),
        (
            "since-the-epoch",
            GetLogsRequest {
                since_time: 1,
                ..of(SILENT)
            },
        ),
    ];
    let cases = requests.into_iter().map(|(content, request)| {
        let check = move |stage: Stage| {
            let request = request.clone();
            async move { rush(&stage, request).await }
        };
        let content = format!("rush/{content}");
        let case = Case::new(Method::GetLogs, &clause::L_6, content, check);
        let case = case.on(On::Scene(&RUSH));
        match case.name().contains("all") {
            true => case,
            false => case.thorough(),
        }
    });
    cases.collect()
}

async fn rush(stage: &Stage, request: GetLogsRequest) -> Verdict {
    let seat = stage.seat()?;
    seat.ready();
    reached(seat, JOIN).await?;
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS {
        followers.push(Follower::open(stage, request.clone()).await?);
        sleep(BETWEEN).await;
    }
    seat.over().await;
    let all = GetLogsRequest {
        lines: 0,
        ..request.clone()
    };
    let all = logs::lines(&*known_world(stage)?, stage.profile(), &all).unwrap_or_default();
    for follower in &mut followers {
        follower.hears_last(stage, all.last()).await;
        let heard = follower.heard();
        let lines: Vec<_> = heard.items.into_iter().map(|it| it.item).collect();
        let [least, most] = follower.there_around(stage);
        let starts = match usize::try_from(request.lines) {
            // A line may have been on disk already, and not in the model's picture.
            Ok(count) if count > 0 => {
                least.saturating_sub(count)..=(most + 1).saturating_sub(count)
            }
            _ => 0..=0,
        };
        let begins_right = starts.contains(&all.len().saturating_sub(lines.len()));
        if !all.ends_with(&lines) || !begins_right {
            let ends = starts.map(|start| all.len() - start).collect::<Vec<_>>();
            return Err(Objection::fail(
                follower.request(),
                format!("the last of {}, {ends:?} of them", count(&all)),
                format!("{}: {}", count(&lines), gist(&lines)),
            ));
        }
    }
    Ok(())
}

/// The numbers of the lines, in runs.
fn gist(lines: &[String]) -> String {
    let number = |line: &String| line.rsplit(' ').next()?.parse::<usize>().ok();
    let mut runs: Vec<[usize; 2]> = Vec::new();
    for number in lines.iter().filter_map(number) {
        match runs.last_mut() {
            Some([_, last]) if *last + 1 == number => *last = number,
            _ => runs.push([number; 2]),
        }
    }
    let runs: Vec<_> = runs.iter().map(|[a, b]| format!("{a}-{b}")).collect();
    text::list(&runs)
}
