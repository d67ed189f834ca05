//! Lies about what comes later, and when a stream is over (L-5 to L-7, L-11).

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rkt_api::api::GetLogsRequest;
use tokio::time::{sleep, timeout};
use tonic::Status;

use super::{Asked, act, ask, most, tell, told};
use crate::{
    clause,
    lies::{Lie, keep, now_s},
};

pub(super) fn lies() -> Vec<Lie> {
    [following(), ends()].into_iter().flatten().collect()
}

fn following() -> Vec<Lie> {
    vec![
        tell("lines-cut-what-is-new", &clause::L_6, |told, mut lines| {
            if told.request.follow {
                let sent: usize = told.responses.iter().map(Vec::len).sum();
                lines.truncate(most(&told.request).saturating_sub(sent));
            }
            vec![lines]
        }),
        ask("what-is-there-uncut", &clause::L_6, |it| {
            if it.follow {
                it.lines = it.lines.min(0);
            }
        }),
        tell("only-what-is-new", &clause::L_6, |told, lines| {
            keep(!told.request.follow || !told.responses.is_empty(), lines)
        }),
        tell("only-what-is-there", &clause::L_6, |told, lines| {
            keep(!told.request.follow || told.responses.is_empty(), lines)
        }),
        tell("gap-before-what-is-new", &clause::L_6, |told, lines| {
            keep(!told.request.follow || told.responses.len() != 1, lines)
        }),
        tell(
            "overlap-with-what-is-new",
            &clause::L_6,
            |told, mut lines| {
                if let ([first], true) = (&told.responses[..], told.request.follow) {
                    lines.splice(0..0, first.last().cloned());
                }
                vec![lines]
            },
        ),
        tell("rotation-loses-a-line", &clause::L_6, |told, mut lines| {
            let is_live = told.request.follow && !told.responses.is_empty();
            lines.retain(|line| !is_live || !line.ends_with("after a rotation"));
            vec![lines]
        }),
        tell("rotation-repeats-a-line", &clause::L_6, |_, mut lines| {
            let again = lines
                .iter()
                .position(|line| line.ends_with("alone in a journal"));
            if let Some(place) = again {
                lines.insert(place, lines[place].clone());
            }
            vec![lines]
        }),
        tell("rotation-begins-anew", &clause::L_6, |told, mut lines| {
            if told.request.follow && lines.iter().any(|line| line.ends_with("alone, too")) {
                lines.splice(0..0, told.responses.concat());
            }
            vec![lines]
        }),
        tell(
            "new-lines-of-all-messages-cut",
            &clause::L_6,
            |told, mut lines| {
                let is_live = told.request.follow && !told.responses.is_empty();
                lines.retain(|line| !is_live || line.contains(" MESSAGE="));
                vec![lines]
            },
        ),
        act("ends-at-exit", &clause::L_6, |asked| {
            Box::pin(async move {
                let Asked {
                    request,
                    honest,
                    runs,
                } = asked;
                let (pod, follow) = (request.pod_id.clone(), request.follow);
                let responses = honest(request).await?;
                let exited = async move {
                    while !follow || runs(pod.clone()).await {
                        sleep(Duration::from_millis(50)).await;
                    }
                };
                Ok(responses.take_until(Box::pin(exited)).boxed())
            })
        }),
        act("ends-when-nothing-comes", &clause::L_6, |asked| {
            Box::pin(async move {
                let responses = (asked.honest)(asked.request).await?;
                let quiet = Duration::from_millis(250);
                Ok(stream::unfold(responses, move |mut responses| async move {
                    let next = timeout(quiet, responses.next()).await;
                    Some((next.ok().flatten()?, responses))
                })
                .boxed())
            })
        }),
        act("deleted-pods-are-followed-on", &clause::L_6, |asked| {
            Box::pin(async move {
                let is_unbounded = asked.request.follow && asked.request.until_time <= 0;
                let responses = (asked.honest)(asked.request).await?;
                Ok(match is_unbounded {
                    true => responses.chain(stream::pending()).boxed(),
                    false => responses,
                })
            })
        }),
        act("deletion-is-an-error", &clause::L_6, |asked| {
            Box::pin(async move {
                let is_unbounded = asked.request.follow && asked.request.until_time <= 0;
                let responses = (asked.honest)(asked.request).await?;
                let error = is_unbounded.then(|| Err(Status::not_found("the pod is gone")));
                Ok(responses.chain(stream::iter(error)).boxed())
            })
        }),
        act("new-lines-come-late", &clause::L_6, |asked| {
            Box::pin(async move {
                let follow = asked.request.follow;
                let responses = (asked.honest)(asked.request).await?;
                let responses = responses.enumerate().then(move |(n, response)| async move {
                    if follow && n > 0 {
                        sleep(Duration::from_secs(7)).await;
                    }
                    response
                });
                Ok(responses.boxed())
            })
        }),
        ask("past-until-ignored-by-followers", &clause::L_7, |it| {
            if it.follow && it.until_time <= now_s() {
                it.until_time = 0;
            }
        }),
        ask("future-since-ignored", &clause::L_7, |it| {
            if it.since_time > now_s() {
                it.since_time = 0;
            }
        }),
        tell(
            "future-since-cut-by-lines",
            &clause::L_7,
            |told, mut lines| {
                if told.request.since_time > told.called_s {
                    let sent: usize = told.responses.iter().map(Vec::len).sum();
                    lines.truncate(most(&told.request).saturating_sub(sent));
                }
                vec![lines]
            },
        ),
        act("empty-directories-are-no-journals", &clause::L_7, |asked| {
            Box::pin(async move {
                let all = told(&asked, |it| {
                    *it = GetLogsRequest {
                        pod_id: it.pod_id.clone(),
                        ..GetLogsRequest::default()
                    };
                });
                match all.await?.is_empty() {
                    true => Err(Status::failed_precondition("the pod keeps no journal")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
    ]
}

fn ends() -> Vec<Lie> {
    vec![
        act("answers-do-not-end", &clause::L_5, |asked| {
            Box::pin(async move {
                let responses = (asked.honest)(asked.request).await?;
                Ok(responses.chain(stream::pending()).boxed())
            })
        }),
        act("answers-end-with-an-error", &clause::L_5, |asked| {
            Box::pin(async move {
                let responses = (asked.honest)(asked.request).await?;
                let error = stream::iter([Err(Status::out_of_range("that was all"))]);
                Ok(responses.chain(error).boxed())
            })
        }),
        ask("until-ends-early", &clause::L_11, |it| {
            if it.until_time > now_s() + 1 {
                it.until_time -= 1;
            }
        }),
        act("until-ends-late", &clause::L_11, |asked| {
            Box::pin(async move {
                let is_future = asked.request.until_time > now_s();
                let responses = (asked.honest)(asked.request).await?;
                let late = stream::once(async move {
                    if is_future {
                        sleep(Duration::from_millis(900)).await;
                    }
                });
                Ok(responses
                    .chain(late.filter_map(|()| async { None }))
                    .boxed())
            })
        }),
        ask("future-until-never-ends", &clause::L_11, |it| {
            if it.until_time > now_s() {
                it.until_time = 0;
            }
        }),
    ]
}
