//! Lies about what has happened: which events there are, and what they say (E-1 to E-5).

use std::time::Duration;

use futures_util::StreamExt as _;
use rkt_api::api::{Event, EventType};
use tokio::{sync::mpsc, time::timeout};

use super::{act, is, receive, tell};
use crate::{
    clause,
    lies::{Lie, SECOND_NS, keep, now_s},
};

pub(super) fn lies() -> Vec<Lie> {
    [causes(), fields()].into_iter().flatten().collect()
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
            event.time = event.time.saturating_mul(SECOND_NS);
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

fn without(mut event: Event, key: &str) -> Vec<Event> {
    event.data.retain(|fact| fact.key != key);
    vec![event]
}

fn is_app(event: &Event) -> bool {
    is(event, EventType::AppStarted) || is(event, EventType::AppExited)
}

fn is_image(event: &Event) -> bool {
    is(event, EventType::ImageImported) || is(event, EventType::ImageRemoved)
}
