//! How many responses lines come in (L-9).

use prost::length_delimiter_len;
use rkt_api::api::GetLogsRequest;
use uuid::Uuid;

use super::{
    answer::{Answer, ask, due, of_app, same, show},
    follower::Follower,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    cases::streams::SECOND_NS,
    clause, clock,
    hosts::logs::{
        APP, FULL, HUGE, HUGE_LINE_BYTES, LARGE, MESSAGES, OVERFULL, PLAIN, PLAIN_APPS,
        RESPONSE_BYTES, RICH, RICH_APPS, STILL,
    },
    stage::Stage,
    target::refused,
};

pub(super) fn cases() -> Vec<Case> {
    let few = [
        ("lines", of_app(RICH, RICH_APPS[0])),
        (
            "one-line",
            GetLogsRequest {
                lines: 1,
                ..of_app(PLAIN, PLAIN_APPS[0])
            },
        ),
        ("no-lines", of_app(RICH, RICH_APPS[2])),
        (
            "none-since",
            GetLogsRequest {
                since_time: i64::MAX,
                ..of_app(PLAIN, PLAIN_APPS[0])
            },
        ),
        (
            "none-until",
            GetLogsRequest {
                until_time: 1,
                ..of_app(PLAIN, PLAIN_APPS[0])
            },
        ),
        ("long-lines", of_app(MESSAGES, "long")),
        ("many-lines", of_app(MESSAGES, "many")),
        // As if not following (L-7).
        (
            "follow-until-past",
            GetLogsRequest {
                follow: true,
                until_time: 1_700_000_000,
                ..of_app(PLAIN, PLAIN_APPS[0])
            },
        ),
        (
            "follow-until-before-all",
            GetLogsRequest {
                follow: true,
                until_time: 1,
                ..of_app(PLAIN, PLAIN_APPS[0])
            },
        ),
    ];
    let few = few.into_iter().map(|(content, request)| {
        let check = move |stage: Stage| {
            let request = request.clone();
            async move { one_response(&stage, &request).await }
        };
        let content = format!("one-response/{content}");
        Case::new(Method::GetLogs, &clause::L_9, content, check).on(On::Still(&STILL))
    });
    let large = [("full", FULL), ("overfull", OVERFULL), ("huge", HUGE)];
    let large = large.into_iter().flat_map(|(content, pod)| {
        let plain = Case::new(Method::GetLogs, &clause::L_9, content, move |stage| {
            large_answer(stage, pod)
        });
        let content = format!("{content}/follow");
        let follow = Case::new(Method::GetLogs, &clause::L_9, content, move |stage| {
            large_stream(stage, pod)
        });
        [plain, follow].map(|case| case.on(On::Still(&LARGE)).thorough())
    });
    let tail = Case::new(Method::GetLogs, &clause::L_9, "huge/tail", tail);
    let followed = Case::new(
        Method::GetLogs,
        &clause::L_9,
        "few-responses/follow",
        followed,
    );
    let further = [
        tail.on(On::Still(&LARGE)).thorough(),
        followed.on(On::Still(&STILL)),
    ];
    few.chain(large).chain(further).collect()
}

/// What a line takes in a response: its tag, its length, and itself.
fn encoded_bytes(line: &str) -> usize {
    1 + length_delimiter_len(line.len()) + line.len()
}

/// That everything comes in exactly one response.
async fn one_response(stage: &Stage, request: &GetLogsRequest) -> Verdict {
    let answer = answer(stage, request).await?;
    match answer.responses {
        1 => Ok(()),
        count => Err(Objection::fail(
            show(request),
            "exactly one response",
            format!("{count}, with {} lines in all", answer.lines.len()),
        )),
    }
}

async fn answer(stage: &Stage, request: &GetLogsRequest) -> Result<Answer, Objection> {
    let answer = ask(stage, request).await?;
    answer.map_err(|status| refused(show(request), &status))
}

async fn large_answer(stage: Stage, pod: Uuid) -> Verdict {
    let request = of_app(pod, APP);
    let answer = answer(&stage, &request).await?;
    complete(&stage, &request, &answer.lines)?;
    let is_one = encoded(&answer.lines) < RESPONSE_BYTES;
    match answer.responses {
        1 if is_one => return Ok(()),
        count if is_one => {
            return Err(Objection::fail(
                show(&request),
                "one response: it stays under 4 MiB",
                format!("{count}"),
            ));
        }
        _ => {}
    }
    split(
        &request,
        answer.lines.iter().zip(answer.messages.iter().copied()),
    )
}

/// The most recent lines, of which each would fit but not all.
async fn tail(stage: Stage) -> Verdict {
    let request = GetLogsRequest {
        lines: 62,
        ..of_app(HUGE, APP)
    };
    let answer = answer(&stage, &request).await?;
    complete(&stage, &request, &answer.lines)?;
    split(
        &request,
        answer.lines.iter().zip(answer.messages.iter().copied()),
    )
}

async fn large_stream(stage: Stage, pod: Uuid) -> Verdict {
    let client = stage.setting()?.connect().await?;
    let mut follower = Follower::open_on(&stage, &client, of_app(pod, APP)).await?;
    follower.first(&stage).await?;
    let request = of_app(pod, APP);
    let heard = follower.heard();
    let lines: Vec<_> = heard.items.iter().map(|it| it.item.clone()).collect();
    complete(&stage, &request, &lines)?;
    let messages: Vec<_> = heard.items.iter().map(|it| it.message).collect();
    split(&request, lines.iter().zip(messages.iter().copied()))?;
    as_few(&follower, &lines, &messages)
}

/// That what is there first comes in as few responses as can be, and what is there is small.
async fn followed(stage: Stage) -> Verdict {
    let client = stage.setting()?.connect().await?;
    let far = clock::now_unix_ns().div_euclid(SECOND_NS) + 3600;
    for lines in [0, 1, 5] {
        for until_time in [0, far] {
            let request = GetLogsRequest {
                lines,
                until_time,
                ..of_app(RICH, RICH_APPS[0])
            };
            let mut follower = Follower::open_on(&stage, &client, request).await?;
            follower.first(&stage).await?;
            let heard = follower.heard();
            let lines: Vec<_> = heard.items.iter().map(|it| it.item.clone()).collect();
            let messages: Vec<_> = heard.items.iter().map(|it| it.message).collect();
            as_few(&follower, &lines, &messages)?;
        }
    }
    Ok(())
}

fn complete(stage: &Stage, request: &GetLogsRequest, lines: &[String]) -> Verdict {
    same(request, &due(stage, request)?.unwrap_or_default(), lines)
}

/// That no response is as large as clients do not take, unless it is for one line.
fn split<'a>(
    request: &GetLogsRequest,
    lines: impl Iterator<Item = (&'a String, usize)>,
) -> Verdict {
    let mut sizes: Vec<(usize, usize, usize)> = Vec::new();
    for (line, message) in lines {
        let bytes = encoded_bytes(line);
        match sizes.last_mut() {
            Some((last, count, sum)) if *last == message => {
                *count += 1;
                *sum += bytes;
            }
            _ => sizes.push((message, 1, bytes)),
        }
    }
    let wrong = sizes.iter().find(|(_, count, bytes)| {
        // Exactly 4 MiB is taken by clients, and as the contract has it not under them.
        *bytes > RESPONSE_BYTES && (*count > 1 || *bytes < HUGE_LINE_BYTES)
    });
    match wrong {
        None => Ok(()),
        Some((number, count, bytes)) => Err(Objection::fail(
            show(request),
            format!("responses of up to {RESPONSE_BYTES} bytes, longer ones for a single line"),
            format!("as number {}: {bytes} bytes with {count} lines", number + 1),
        )),
    }
}

fn encoded(lines: &[String]) -> usize {
    lines.iter().map(|line| encoded_bytes(line)).sum()
}

/// That so many responses are needed.
fn as_few(follower: &Follower, lines: &[String], messages: &[usize]) -> Verdict {
    let mut needed = 0;
    let mut left = 0;
    for line in lines {
        let bytes = encoded_bytes(line);
        if needed == 0 || bytes >= left {
            needed += 1;
            left = RESPONSE_BYTES;
        }
        left = left.saturating_sub(bytes);
    }
    let mut used = messages.to_vec();
    used.dedup();
    match used.len() <= needed {
        true => Ok(()),
        false => Err(Objection::fail(
            follower.request(),
            format!("{} lines in {needed} responses", lines.len()),
            format!("{}", used.len()),
        )),
    }
}
