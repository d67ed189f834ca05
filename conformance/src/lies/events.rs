//! Lies about events: for each clause about ListenEvents some ways to break it. A lie changes
//! what is asked, or what is told, or acts for itself, on top of a server that is honest.

use std::{sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use rkt_api::api::{Event, EventFilter, EventType};
use tokio::{
    sync::{Mutex, mpsc},
    time::{sleep, timeout},
};
use tonic::Status;

use super::Lie;
use crate::{
    clause::{self, Clause},
    clock::now_unix_ns,
};

/// What a liar does.
#[derive(Clone, Copy)]
pub enum How {
    /// It answers another question.
    Ask(fn(&mut EventFilter)),
    /// It tells these events instead of one.
    Tell(fn(&Told, Event) -> Vec<Event>),
    /// It acts for itself.
    Act(fn(Asked) -> BoxFuture<'static, Result<Events, Status>>),
}

/// The events of a stream, one by one.
pub type Events = BoxStream<'static, Result<Event, Status>>;

/// An honest server.
pub type Honest =
    Arc<dyn Fn(EventFilter) -> BoxFuture<'static, Result<Events, Status>> + Send + Sync>;

/// What a stream has told so far.
#[derive(Default)]
pub struct Told {
    /// What was asked for.
    filter: EventFilter,
    /// When, in seconds since the epoch.
    called_s: i64,
    /// What the honest server told, in order.
    events: Vec<Event>,
}

/// A request, and an honest server to answer it.
pub struct Asked {
    /// What is asked for; nothing in particular where there is no filter.
    pub filter: EventFilter,
    /// The honest server.
    pub honest: Honest,
}

impl How {
    /// Answers a request.
    ///
    /// # Errors
    ///
    /// Those of the honest server, and whatever the lie makes up.
    pub async fn answer(self, asked: Asked) -> Result<Events, Status> {
        match self {
            Self::Ask(change) => {
                let mut filter = asked.filter;
                change(&mut filter);
                (asked.honest)(filter).await
            }
            Self::Tell(tell) => {
                let mut told = Told {
                    filter: asked.filter.clone(),
                    called_s: now_s(),
                    events: Vec::new(),
                };
                let events = (asked.honest)(asked.filter).await?;
                let events = events.flat_map(move |event| match event {
                    Err(status) => stream::iter(vec![Err(status)]),
                    Ok(event) => {
                        let instead = tell(&told, event.clone());
                        told.events.push(event);
                        stream::iter(instead.into_iter().map(Ok).collect::<Vec<_>>())
                    }
                });
                Ok(events.boxed())
            }
            Self::Act(act) => act(asked).await,
        }
    }
}

const fn ask(name: &'static str, clause: &'static Clause, change: fn(&mut EventFilter)) -> Lie {
    let how = super::How::Events(How::Ask(change));
    Lie { name, clause, how }
}

pub(super) const fn tell(
    name: &'static str,
    clause: &'static Clause,
    tell: fn(&Told, Event) -> Vec<Event>,
) -> Lie {
    let how = super::How::Events(How::Tell(tell));
    Lie { name, clause, how }
}

pub(super) const fn act(
    name: &'static str,
    clause: &'static Clause,
    act: fn(Asked) -> BoxFuture<'static, Result<Events, Status>>,
) -> Lie {
    let how = super::How::Events(How::Act(act));
    Lie { name, clause, how }
}

/// All lies about events.
pub fn all() -> Vec<Lie> {
    [causes(), fields(), filters(), bounds(), streams()]
        .into_iter()
        .flatten()
        .collect()
}

fn causes() -> Vec<Lie> {
    vec![
        act(
            "pods-that-run-at-once-were-not-prepared",
            &clause::E_1,
            |asked| {
                Box::pin(async move {
                    let mut events = (asked.honest)(asked.filter).await?;
                    let (tell, told) = mpsc::unbounded_channel();
                    tokio::spawn(async move {
                        let mut next = events.next().await;
                        while let Some(told) = next {
                            next = None;
                            let is_prepared =
                                matches!(&told, Ok(it) if is(it, EventType::PodPrepared));
                            if is_prepared {
                                let soon = timeout(Duration::from_millis(20), events.next()).await;
                                next = soon.unwrap_or_default();
                            }
                            let runs = match (&told, &next) {
                                (Ok(told), Some(Ok(next))) => {
                                    is(next, EventType::PodStarted) && next.id == told.id
                                }
                                _ => false,
                            };
                            if !(is_prepared && runs) && tell.send(told).is_err() {
                                return;
                            }
                            if next.is_none() {
                                next = events.next().await;
                            }
                        }
                    });
                    Ok(receive(told))
                })
            },
        ),
        tell("no-abortions", &clause::E_1, |_, event| {
            keep(!is(&event, EventType::PodPrepareAborted), event)
        }),
        tell("collected-twice", &clause::E_1, |_, event| {
            match is(&event, EventType::PodGarbageCollected) {
                true => vec![event.clone(), event],
                false => vec![event],
            }
        }),
        tell(
            "apps-without-status-do-not-exit",
            &clause::E_1,
            |_, event| {
                let has_status = event.data.iter().any(|it| it.key == "exit_code");
                keep(!is(&event, EventType::AppExited) || has_status, event)
            },
        ),
        tell("no-second-start-of-an-app", &clause::E_1, |told, event| {
            let is_again = told.events.iter().any(|it| {
                is(it, EventType::AppStarted) && (&it.id, &it.from) == (&event.id, &event.from)
            });
            keep(!(is(&event, EventType::AppStarted) && is_again), event)
        }),
        tell(
            "no-second-import-of-an-image",
            &clause::E_1,
            |told, event| {
                let last = told.events.iter().rev().find(|it| it.id == event.id);
                let is_there = last.is_some_and(|it| is(it, EventType::ImageImported));
                keep(!(is(&event, EventType::ImageImported) && is_there), event)
            },
        ),
        tell("removals-undefined", &clause::E_1, |_, mut event| {
            if is(&event, EventType::ImageRemoved) {
                event.r#type = EventType::Undefined.into();
            }
            vec![event]
        }),
        tell(
            "pods-whose-apps-never-started-do-not-exit",
            &clause::E_1,
            |told, event| {
                let has_apps = told
                    .events
                    .iter()
                    .any(|it| is(it, EventType::AppStarted) && it.id == event.id);
                keep(!is(&event, EventType::PodExited) || has_apps, event)
            },
        ),
    ]
}

fn fields() -> Vec<Lie> {
    vec![
        tell("ids-in-upper-case", &clause::E_2, |_, mut event| {
            event.id = event.id.to_uppercase();
            vec![event]
        }),
        tell("ids-of-images-cut", &clause::E_2, |_, mut event| {
            if is_image(&event) {
                event.id.truncate(32);
            }
            vec![event]
        }),
        tell("ids-of-apps-are-names", &clause::E_2, |_, mut event| {
            if is_app(&event) {
                event.id.clone_from(&event.from);
            }
            vec![event]
        }),
        tell("pods-named-by-uuid", &clause::E_3, |_, mut event| {
            event.from = event.from.trim_start_matches("rkt-").to_owned();
            vec![event]
        }),
        tell("apps-named-by-pod", &clause::E_3, |_, mut event| {
            if is_app(&event) {
                event.from = format!("rkt-{}", event.id);
            }
            vec![event]
        }),
        tell("images-named-with-version", &clause::E_3, |_, mut event| {
            if is_image(&event) {
                event.from.push_str(":latest");
            }
            vec![event]
        }),
        tell("time-in-nanoseconds", &clause::E_4, |_, mut event| {
            event.time = event.time.saturating_mul(1_000_000_000);
            vec![event]
        }),
        tell("time-five-seconds-late", &clause::E_4, |_, mut event| {
            event.time += 5;
            vec![event]
        }),
        tell("time-runs-back", &clause::E_4, |told, mut event| {
            // Within the second that is allowed.
            event.time -= told.events.len() as i64 % 2;
            vec![event]
        }),
        tell("time-of-the-telling", &clause::E_4, |_, mut event| {
            event.time = now_s();
            vec![event]
        }),
        tell("no-exit-codes", &clause::E_5, |_, event| {
            without(event, "exit_code")
        }),
        tell("no-image-ids", &clause::E_5, |_, event| {
            without(event, "image_id")
        }),
        tell("no-image-names", &clause::E_5, |_, event| {
            without(event, "image_name")
        }),
        tell("no-versions", &clause::E_5, |_, event| {
            without(event, "version")
        }),
        tell("exit-codes-all-zero", &clause::E_5, |_, mut event| {
            for fact in event.data.iter_mut().filter(|it| it.key == "exit_code") {
                fact.value = "0".to_owned();
            }
            vec![event]
        }),
    ]
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
            let wrapped = it.until_time.wrapping_mul(1_000_000_000);
            if it.until_time > i64::MAX / 1_000_000_000 {
                it.until_time = wrapped.clamp(1, 2);
            }
        }),
    ]
}

fn streams() -> Vec<Lie> {
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

pub(super) fn receive(told: mpsc::UnboundedReceiver<Result<Event, Status>>) -> Events {
    stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) }).boxed()
}

fn receive_some(told: mpsc::Receiver<Result<Event, Status>>) -> Events {
    stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) }).boxed()
}

fn now_s() -> i64 {
    now_unix_ns().div_euclid(1_000_000_000)
}

pub(super) fn keep(is_kept: bool, event: Event) -> Vec<Event> {
    match is_kept {
        true => vec![event],
        false => Vec::new(),
    }
}

fn without(mut event: Event, key: &str) -> Vec<Event> {
    event.data.retain(|fact| fact.key != key);
    vec![event]
}

pub(super) fn is(event: &Event, r#type: EventType) -> bool {
    event.r#type() == r#type
}

fn is_app(event: &Event) -> bool {
    is(event, EventType::AppStarted) || is(event, EventType::AppExited)
}

fn is_image(event: &Event) -> bool {
    is(event, EventType::ImageImported) || is(event, EventType::ImageRemoved)
}
