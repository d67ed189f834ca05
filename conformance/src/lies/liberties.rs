//! What servers may do although the model's does not. None of it is a lie: a suite that finds
//! fault with a server which takes one of these liberties is wrong.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use rkt_api::api::{Event, EventType};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    Lie,
    events::{self, Events},
    keep, logs, unary,
};
use crate::{clause, hosts::events::RENEWED};

/// All liberties, in the form of lies, with the clauses that grant them.
pub fn all() -> Vec<Lie> {
    [of_lists(), of_events(), of_logs()]
        .into_iter()
        .flatten()
        .collect()
}

fn of_lists() -> Vec<Lie> {
    vec![
        unary::lie(
            &clause::IM_9,
            "images-in-reverse",
            unary::How::TellImages(|answer| {
                if let Ok(images) = answer {
                    images.reverse();
                }
            }),
        ),
        unary::lie(
            &clause::P_12,
            "names-of-images-in-lists",
            unary::How::NameImages,
        ),
    ]
}

fn of_events() -> Vec<Lie> {
    vec![
        // As every liar tells events, with an empty message before each.
        events::act("each-event-by-itself", &clause::E_15, |asked| {
            (asked.honest)(asked.filter)
        }),
        events::act("ends-at-once-where-nothing-can-be", &clause::W_7, |asked| {
            let (since, until) = (asked.filter.since_time, asked.filter.until_time);
            match since > 0 && until > 0 && since.saturating_add(1) >= until {
                true => async { Ok(stream::empty().boxed()) }.boxed(),
                false => (asked.honest)(asked.filter),
            }
        }),
        events::act("learns-late", &clause::E_4, |asked| {
            Box::pin(async move {
                let has_end = asked.filter.until_time > 0;
                let events = (asked.honest)(asked.filter).await?;
                if has_end {
                    return Ok(events);
                }
                Ok(gathered(events, Duration::from_millis(500), |_| {}))
            })
        }),
        // That image is removed only to be imported again in the same moment.
        events::tell(
            "sees-no-removal-of-what-is-back-at-once",
            &clause::E_12,
            |_, event| {
                let is_removal = events::is(&event, EventType::ImageRemoved);
                keep(!is_removal || event.from != RENEWED.0, event)
            },
        ),
        events::act("orders-different-pods-otherwise", &clause::E_12, |asked| {
            Box::pin(async move {
                let events = (asked.honest)(asked.filter).await?;
                Ok(gathered(events, Duration::from_millis(100), |events| {
                    events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
                }))
            })
        }),
    ]
}

fn of_logs() -> Vec<Lie> {
    vec![logs::tell(
        "new-lines-one-by-one",
        &clause::L_6,
        |told, lines| match told.is_live() {
            true => lines.into_iter().map(|line| vec![line]).collect(),
            false => vec![lines],
        },
    )]
}

/// Gathers events for some time from the first of them on, changes them together, and tells
/// them.
fn gathered(mut events: Events, time: Duration, change: fn(&mut Vec<Event>)) -> Events {
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut is_open = true;
        while is_open {
            let mut gathered = Vec::new();
            let mut end = None;
            let mut deadline = None;
            loop {
                let next = match deadline {
                    None => events.next().await,
                    Some(deadline) => match timeout_at(deadline, events.next()).await {
                        Ok(next) => next,
                        Err(_) => break,
                    },
                };
                match next {
                    Some(Ok(event)) => gathered.push(event),
                    Some(Err(status)) => {
                        end = Some(status);
                        is_open = false;
                        break;
                    }
                    None => {
                        is_open = false;
                        break;
                    }
                }
                deadline.get_or_insert(Instant::now() + time);
            }
            change(&mut gathered);
            let told = gathered.into_iter().map(Ok).chain(end.map(Err));
            if told.into_iter().any(|event| tell.send(event).is_err()) {
                return;
            }
        }
    });
    events::receive(told)
}
