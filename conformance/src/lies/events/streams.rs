//! Lies about streams as a whole: where they begin, what is lost on them, and who is slow (E-11 to
//! E-14).

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rkt_api::api::{Event, EventFilter, EventType};
use tokio::{
    sync::{Mutex, mpsc},
    time::{sleep, timeout},
};
use tonic::Status;

use super::{Events, act, ask, is, receive, tell};
use crate::{
    clause,
    lies::{Lie, keep, now_s},
};

pub(super) fn lies() -> Vec<Lie> {
    vec![
        act("headers-with-the-first-event", &clause::E_11, |asked| {
            Box::pin(async move {
                let mut events = (asked.honest)(asked.filter).await?;
                let first = events.next().await;
                Ok(stream::iter(first).chain(events).boxed())
            })
        }),
        act("registered-after-the-headers", &clause::E_11, |asked| {
            Box::pin(async move {
                let is_live = asked.filter.since_time <= 0 && asked.filter.until_time <= 0;
                if !is_live {
                    return (asked.honest)(asked.filter).await;
                }
                let later = async move {
                    sleep(Duration::from_millis(100)).await;
                    match (asked.honest)(asked.filter).await {
                        Ok(events) => events,
                        Err(status) => stream::iter([Err(status)]).boxed(),
                    }
                };
                Ok(stream::once(later).flatten().boxed())
            })
        }),
        ask("live-begins-with-the-last-second", &clause::E_11, |it| {
            if it.since_time <= 0 && it.until_time <= 0 {
                it.since_time = now_s() - 2;
            }
        }),
        tell("every-tenth-event-lost", &clause::E_12, |told, event| {
            keep(told.events.len() % 10 != 9, event)
        }),
        tell(
            "every-tenth-event-twice",
            &clause::E_12,
            |told, event| match told.events.len() % 10 {
                9 => vec![event.clone(), event],
                _ => vec![event],
            },
        ),
        act("pod-exits-before-its-apps", &clause::E_12, |asked| {
            Box::pin(async move {
                let mut events = (asked.honest)(asked.filter).await?;
                let (tell, told) = mpsc::unbounded_channel();
                tokio::spawn(async move {
                    // Apps' exits are kept until the pod's has been told, or for long enough.
                    let mut kept: Vec<Event> = Vec::new();
                    loop {
                        let next = timeout(Duration::from_millis(200), events.next()).await;
                        let is_told = match next {
                            Err(_) => kept.drain(..).all(|event| tell.send(Ok(event)).is_ok()),
                            Ok(None) => return,
                            Ok(Some(Ok(event))) if is(&event, EventType::AppExited) => {
                                kept.push(event);
                                true
                            }
                            Ok(Some(other)) => {
                                let is_told = tell.send(other).is_ok();
                                kept.drain(..).all(|event| tell.send(Ok(event)).is_ok()) && is_told
                            }
                        };
                        if !is_told {
                            return;
                        }
                    }
                });
                Ok(receive(told))
            })
        }),
        act("gap-after-the-replay", &clause::E_13, |asked| {
            Box::pin(async move {
                let is_past = asked.filter.since_time > 0 && asked.filter.since_time <= now_s();
                if !is_past || asked.filter.until_time > 0 {
                    return (asked.honest)(asked.filter).await;
                }
                let past = (asked.honest)(asked.filter.clone()).await?;
                let past = past.take_until(sleep(Duration::from_millis(20)));
                let live = async move {
                    sleep(Duration::from_millis(20)).await;
                    let filter = EventFilter {
                        since_time: 0,
                        ..asked.filter
                    };
                    match (asked.honest)(filter).await {
                        Ok(events) => events,
                        Err(status) => stream::iter([Err(status)]).boxed(),
                    }
                };
                Ok(past.chain(stream::once(live).flatten()).boxed())
            })
        }),
        act("overlap-after-the-replay", &clause::E_13, |asked| {
            Box::pin(async move {
                let is_past = asked.filter.since_time > 0 && asked.filter.since_time <= now_s();
                let live = EventFilter {
                    since_time: 0,
                    ..asked.filter.clone()
                };
                if !is_past || asked.filter.until_time > 0 {
                    return (asked.honest)(asked.filter).await;
                }
                let live = (asked.honest)(live).await?;
                let live = live.take_until(sleep(Duration::from_millis(40)));
                let twice: Vec<Event> = live
                    .filter_map(|event| std::future::ready(event.ok()))
                    .collect()
                    .await;
                let events = (asked.honest)(asked.filter).await?;
                let events = events.flat_map(move |event| match event {
                    Ok(event) if twice.contains(&event) => {
                        stream::iter(vec![Ok(event.clone()), Ok(event)])
                    }
                    other => stream::iter(vec![other]),
                });
                Ok(events.boxed())
            })
        }),
        act("slow-listeners-lose-events", &clause::E_14, |asked| {
            Box::pin(async move {
                let mut events = (asked.honest)(asked.filter).await?;
                let (tell, told) = mpsc::channel(1000);
                tokio::spawn(async move {
                    while let Some(event) = events.next().await {
                        let full = tell.try_send(event);
                        if matches!(full, Err(mpsc::error::TrySendError::Closed(_))) {
                            return;
                        }
                    }
                });
                Ok(receive_some(told))
            })
        }),
        act("slow-listeners-end-with-ok", &clause::E_14, |asked| {
            Box::pin(async move {
                let mut events = (asked.honest)(asked.filter).await?;
                let (tell, told) = mpsc::channel(1000);
                tokio::spawn(async move {
                    while let Some(event) = events.next().await {
                        if tell.try_send(event).is_err() {
                            return;
                        }
                    }
                });
                Ok(receive_some(told))
            })
        }),
        act("slow-listeners-slow-all", &clause::E_14, |asked| {
            static TURN: Mutex<()> = Mutex::const_new(());
            Box::pin(async move {
                let mut events = (asked.honest)(asked.filter).await?;
                let (tell, told) = mpsc::channel(1000);
                tokio::spawn(async move {
                    while let Some(event) = events.next().await {
                        let _turn = TURN.lock().await;
                        if tell.send(event).await.is_err() {
                            return;
                        }
                    }
                });
                Ok(receive_some(told))
            })
        }),
    ]
}

fn receive_some(told: mpsc::Receiver<Result<Event, Status>>) -> Events {
    stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) }).boxed()
}
