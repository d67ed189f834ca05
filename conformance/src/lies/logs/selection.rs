//! Lies about which lines are told: of which apps, how many, between which times, from which files
//! (L-2 to L-4, W-7, L-10, L-12).

use rkt_api::api::GetLogsRequest;
use tonic::Status;

use super::{Entry, Lines, act, ask, entries, instantly, most, tell, told};
use crate::{
    clause,
    hosts::logs::{PLAIN_APPS, RICH_APPS, filed},
    lies::{Lie, SECOND_NS},
};

pub(super) fn lies() -> Vec<Lie> {
    [selection(), tail(), bounds(), files()]
        .into_iter()
        .flatten()
        .collect()
}

fn selection() -> Vec<Lie> {
    vec![
        ask("other-apps-too", &clause::L_2, |it| {
            if RICH_APPS.contains(&it.app_name.as_str()) || PLAIN_APPS.contains(&&*it.app_name) {
                it.app_name.clear();
            }
        }),
        act("systemd-too", &clause::L_2, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let mut lines = told(&asked, |_| ()).await?;
                    if asked.request.app_name.is_empty() {
                        let systemd = told(&asked, |it| it.app_name = "systemd".to_owned()).await;
                        lines.splice(0..0, systemd.unwrap_or_default());
                    }
                    Ok(lines)
                })
            }))
        }),
        act("ordered-by-app", &clause::L_2, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    if !asked.request.app_name.is_empty() {
                        return told(&asked, |_| ()).await;
                    }
                    let mut lines = Vec::new();
                    for app in RICH_APPS.iter().chain(&PLAIN_APPS) {
                        let of_app = told(&asked, |it| it.app_name = (*app).to_owned()).await;
                        lines.extend(of_app.unwrap_or_default());
                    }
                    Ok(lines)
                })
            }))
        }),
        tell("newest-first", &clause::L_2, |_, mut lines| {
            lines.reverse();
            vec![lines]
        }),
        tell(
            "no-second-line-of-the-same-time",
            &clause::L_2,
            |_, lines| {
                let time = |line: &String| line.split_once(" MESSAGE=").map(|it| it.0.to_owned());
                let mut kept: Lines = Vec::new();
                for line in lines {
                    let last = kept.last().and_then(time);
                    if last.is_none() || last != time(&line) {
                        kept.push(line);
                    }
                }
                vec![kept]
            },
        ),
    ]
}

fn tail() -> Vec<Lie> {
    vec![
        ask("lines-ignored", &clause::L_3, |it| {
            it.lines = it.lines.min(0)
        }),
        ask("one-line-too-many", &clause::L_3, |it| {
            if it.lines > 0 {
                it.lines = it.lines.saturating_add(1);
            }
        }),
        act("first-lines", &clause::L_3, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let mut lines = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    lines.truncate(most(&asked.request));
                    Ok(lines)
                })
            }))
        }),
        act("counts-entries", &clause::L_3, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let lines = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    let entries = entries(lines);
                    let left_out = entries.len().saturating_sub(most(&asked.request));
                    Ok(joined(entries.into_iter().skip(left_out)))
                })
            }))
        }),
        act("counts-all-apps", &clause::L_3, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let own = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    let all = told(&asked, |it| it.app_name.clear()).await?;
                    Ok(all.into_iter().filter(|it| own.contains(it)).collect())
                })
            }))
        }),
        act("counts-before-bounds", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let between = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    let all = told(&asked, |it| {
                        it.since_time = 0;
                        it.until_time = 0;
                    });
                    let all = all.await?.into_iter();
                    Ok(all.filter(|it| between.contains(it)).collect())
                })
            }))
        }),
    ]
}

fn bounds() -> Vec<Lie> {
    vec![
        ask("since-ignored", &clause::L_4, |it| it.since_time = 0),
        ask("until-ignored", &clause::L_4, |it| it.until_time = 0),
        ask("since-drops-lines", &clause::L_4, |it| {
            if it.since_time > 0 {
                it.lines = it.lines.min(0);
            }
        }),
        act("since-inclusive", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let since_us = asked.request.since_time.saturating_mul(1_000_000);
                    let lines = told(&asked, |it| {
                        it.since_time = it.since_time.max(1) - 1;
                        it.lines = it.lines.min(0);
                    });
                    let kept = entries(lines.await?).into_iter();
                    let lines = joined(kept.filter(|entry| entry.at_us >= since_us));
                    Ok(last(lines, most(&asked.request)))
                })
            }))
        }),
        act("until-inclusive", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let until_us = match asked.request.until_time {
                        until if until > 0 => until.saturating_mul(1_000_000),
                        _ => i64::MAX,
                    };
                    let lines = told(&asked, |it| {
                        it.until_time = it.until_time.saturating_add((it.until_time > 0).into());
                        it.lines = it.lines.min(0);
                    });
                    let kept = entries(lines.await?).into_iter();
                    let lines = joined(kept.filter(|entry| entry.at_us <= until_us));
                    Ok(last(lines, most(&asked.request)))
                })
            }))
        }),
        act("since-by-whole-seconds", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let since = asked.request.since_time;
                    let lines = told(&asked, |_| ()).await?;
                    let kept = entries(lines).into_iter();
                    let second = |at_us: i64| at_us.div_euclid(1_000_000);
                    Ok(joined(kept.filter(|entry| second(entry.at_us) > since)))
                })
            }))
        }),
        ask("negative-until-is-the-epoch", &clause::W_7, |it| {
            if it.until_time < 0 {
                it.until_time = 1;
            }
        }),
        ask("far-since-overflows", &clause::W_7, |it| {
            if it.since_time > i64::MAX / SECOND_NS {
                it.since_time = 0;
            }
        }),
        ask("far-until-overflows", &clause::W_7, |it| {
            if it.until_time > i64::MAX / SECOND_NS {
                it.until_time = 1;
            }
        }),
        act("shut-bounds-are-refused", &clause::W_7, |asked| {
            Box::pin(async move {
                let GetLogsRequest {
                    since_time,
                    until_time,
                    ..
                } = asked.request;
                match until_time > 0 && since_time >= until_time {
                    true => Err(Status::invalid_argument("nothing lies between")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
    ]
}

fn files() -> Vec<Lie> {
    vec![
        tell("archived-journals-unread", &clause::L_10, |_, mut lines| {
            let is_new = |line: &String| line.contains("newe") || line.contains("of two lines");
            if lines.iter().any(is_new) {
                lines.retain(is_new);
            }
            vec![lines]
        }),
        act("torn-journals-are-errors", &clause::L_10, |asked| {
            Box::pin(async move {
                // Those of the tricks that tear.
                let torn = [22, 23].map(|n| filed(n).to_string());
                match torn.contains(&asked.request.pod_id) {
                    true => Err(Status::data_loss("the journal is torn")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
        act("logs-only-of-running-pods", &clause::L_12, |asked| {
            Box::pin(async move {
                match (asked.runs)(asked.request.pod_id.clone()).await {
                    true => (asked.honest)(asked.request).await,
                    false => Err(Status::failed_precondition("the pod does not run")),
                }
            })
        }),
    ]
}

fn joined(entries: impl Iterator<Item = Entry>) -> Lines {
    entries.flat_map(|entry| entry.lines).collect()
}

fn last(mut lines: Lines, most: usize) -> Lines {
    lines.drain(..lines.len().saturating_sub(most));
    lines
}
