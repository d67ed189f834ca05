//! Lies about what is asked for: conditions on events, and bounds of time (E-6 to E-11, W-4, W-7,
//! W-8).

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rkt_api::api::EventFilter;
use tokio::time::sleep;
use tonic::Status;

use super::{act, ask, tell};
use crate::{
    clause,
    lies::{Lie, SECOND_NS, keep, now_s},
};

pub(super) fn lies() -> Vec<Lie> {
    [filters(), bounds()].into_iter().flatten().collect()
}

fn filters() -> Vec<Lie> {
    vec![
        ask("types-ignored", &clause::E_6, |it| it.types.clear()),
        ask("ids-ignored", &clause::E_6, |it| it.ids.clear()),
        ask("names-ignored", &clause::E_6, |it| it.names.clear()),
        ask("only-the-first-type", &clause::E_6, |it| {
            it.types.truncate(1)
        }),
        ask("only-the-first-id", &clause::E_6, |it| it.ids.truncate(1)),
        ask("names-ignored-beside-since", &clause::E_6, |it| {
            if it.since_time > 0 {
                it.names.clear();
            }
        }),
        ask("ids-ignored-beside-types-and-until", &clause::E_6, |it| {
            if !it.types.is_empty() && it.until_time > 0 {
                it.ids.clear();
            }
        }),
        act("any-condition-will-do", &clause::E_6, |asked| {
            Box::pin(async move {
                let filter = asked.filter;
                let bounds = EventFilter {
                    since_time: filter.since_time,
                    until_time: filter.until_time,
                    ..EventFilter::default()
                };
                let events = (asked.honest)(bounds).await?;
                let events = events.filter(move |event| {
                    let is_taken = event.as_ref().is_ok_and(|event| {
                        let types = filter.types.contains(&event.r#type);
                        let ids = filter.ids.contains(&event.id);
                        let names = filter.names.contains(&event.from);
                        let is_plain = filter.types.is_empty()
                            && filter.ids.is_empty()
                            && filter.names.is_empty();
                        is_plain || types || ids || names
                    });
                    std::future::ready(is_taken || event.is_err())
                });
                Ok(events.boxed())
            })
        }),
        ask("unknown-types-are-all", &clause::W_4, |it| {
            it.types.retain(|r#type| (0..=9).contains(r#type));
        }),
        act("unknown-types-are-refused", &clause::W_4, |asked| {
            Box::pin(async move {
                let types = &asked.filter.types;
                match types.iter().all(|r#type| (0..=9).contains(r#type)) {
                    true => (asked.honest)(asked.filter).await,
                    false => Err(Status::invalid_argument("an unknown type")),
                }
            })
        }),
        ask("ids-in-any-case", &clause::W_8, |it| {
            it.ids.iter_mut().for_each(|id| id.make_ascii_lowercase());
        }),
        ask("empty-strings-are-none", &clause::W_8, |it| {
            it.ids.retain(|id| !id.is_empty());
            it.names.retain(|name| !name.is_empty());
        }),
        tell("duplicates-count", &clause::W_8, |told, event| {
            let ids = told.filter.ids.iter();
            vec![event.clone(); ids.filter(|id| **id == event.id).count().max(1)]
        }),
    ]
}

fn bounds() -> Vec<Lie> {
    vec![
        ask("since-inclusive", &clause::E_7, |it| {
            if it.since_time > 1 {
                it.since_time -= 1;
            }
        }),
        ask("no-replay", &clause::E_7, |it| {
            if it.since_time > 0 && it.until_time <= 0 {
                it.since_time = 0;
            }
        }),
        tell("replays-two-events-at-most", &clause::E_7, |told, event| {
            let is_replayed = told.filter.since_time > 0 && event.time < told.called_s;
            keep(!is_replayed || told.events.len() < 2, event)
        }),
        ask("future-since-ignored", &clause::E_8, |it| {
            if it.since_time > now_s() {
                it.since_time = 0;
            }
        }),
        ask("future-since-is-now", &clause::E_8, |it| {
            it.since_time = it.since_time.min(now_s());
        }),
        ask("until-inclusive", &clause::E_9, |it| {
            if it.until_time > 0 && it.until_time < now_s() {
                it.until_time += 1;
            }
        }),
        ask("future-until-ignored", &clause::E_9, |it| {
            if it.until_time > now_s() {
                it.until_time = 0;
            }
        }),
        act("until-is-an-error", &clause::E_9, |asked| {
            Box::pin(async move {
                let events = (asked.honest)(asked.filter).await?;
                let end = stream::iter([Err(Status::deadline_exceeded("it is time"))]);
                Ok(events.chain(end).boxed())
            })
        }),
        act("past-until-never-ends", &clause::E_9, |asked| {
            Box::pin(async move {
                let is_past = (1..=now_s()).contains(&asked.filter.until_time);
                let events = (asked.honest)(asked.filter).await?;
                Ok(match is_past {
                    true => events.chain(stream::pending()).boxed(),
                    false => events,
                })
            })
        }),
        act("ends-a-second-early", &clause::E_9, |asked| {
            Box::pin(async move {
                let mut filter = asked.filter;
                if filter.until_time > now_s() + 1 {
                    filter.until_time -= 1;
                }
                (asked.honest)(filter).await
            })
        }),
        act("ends-a-second-late", &clause::E_10, |asked| {
            Box::pin(async move {
                let is_future = asked.filter.until_time > now_s();
                let events = (asked.honest)(asked.filter).await?;
                let late = stream::once(async { sleep(Duration::from_millis(1200)).await });
                let late = late.filter_map(|()| std::future::ready(None));
                Ok(match is_future {
                    true => events.chain(late).boxed(),
                    false => events,
                })
            })
        }),
        act("begins-two-seconds-late", &clause::E_10, |asked| {
            Box::pin(async move {
                let mut filter = asked.filter;
                if filter.since_time > now_s() && filter.since_time < i64::MAX - 2 {
                    filter.since_time += 2;
                }
                (asked.honest)(filter).await
            })
        }),
        ask("past-until-alone-replays-nothing", &clause::E_11, |it| {
            if it.since_time <= 0 && it.until_time > 0 && it.until_time <= now_s() {
                it.since_time = i64::MAX - 1;
            }
        }),
        ask("zero-is-a-time", &clause::W_7, |it| {
            if it.since_time <= 0 && it.until_time <= 0 {
                it.since_time = 1;
            }
        }),
        ask("negative-until-is-past", &clause::W_7, |it| {
            if it.until_time < 0 {
                it.until_time = 1;
            }
        }),
        act("reversed-bounds-are-refused", &clause::W_7, |asked| {
            Box::pin(async move {
                let (since, until) = (asked.filter.since_time, asked.filter.until_time);
                match since > 0 && until > 0 && since >= until {
                    true => Err(Status::invalid_argument("since_time after until_time")),
                    false => (asked.honest)(asked.filter).await,
                }
            })
        }),
        ask("far-bounds-overflow", &clause::W_7, |it| {
            let wrapped = it.until_time.wrapping_mul(SECOND_NS);
            if it.until_time > i64::MAX / SECOND_NS {
                it.until_time = wrapped.clamp(1, 2);
            }
        }),
    ]
}
