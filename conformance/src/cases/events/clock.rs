//! Streams and the clock alone (E-9 to E-11, W-7): when they begin and end on a host where
//! nothing happens, and what a call is the border of.

use std::{fs, time::Duration};

use rkt_api::api::{EventFilter, EventType};
use rkt_sim::{live::step::Step, spec::Phase};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{
    judge::{self, SECOND_NS, ends_between, nanos, show, sleep_until},
    listener::Listener,
    scenes::{CALLS, SILENCE},
    script, settle,
};
use crate::{
    case::{Case, Checking, Method, Objection, On, Verdict},
    clause::{self, Clause},
    clock::now_unix_ns,
    hosts::{self, events as old},
    stage::Stage,
};

/// How exactly ends and beginnings by the clock are kept (E-10).
const KEPT_WITHIN: Duration = Duration::from_millis(250);

/// How long an end is waited for that may be far away.
const LOOKS_FOR: Duration = Duration::from_secs(4);

/// How long a stream is watched that is to stay open.
const STAYS_OPEN: Duration = Duration::from_millis(1500);

/// How often a case tries what a race could hide.
const TRIES: u128 = 12;

pub(super) fn cases() -> Vec<Case> {
    any().into_iter().chain(silence()).chain(calls()).collect()
}

/// What can be tried on any host. On one that lives events come in between.
fn any() -> Vec<Case> {
    let case = |clause: &'static Clause, content: &str, check: fn(Stage) -> Checking| {
        let case = Case::new(Method::ListenEvents, clause, content, check);
        case.on(On::Any(&hosts::EMPTY))
    };
    vec![
        case(&clause::E_11, "headers", |stage| {
            Box::pin(headers(stage, 0))
        }),
        case(&clause::E_11, "headers:since-future", |stage| {
            Box::pin(headers(stage, now_s() + 3600))
        }),
        case(&clause::E_9, "ends:past", |stage| {
            Box::pin(ends(stage, |now| (0, now - 10)))
        }),
        case(&clause::E_9, "ends:now", |stage| {
            Box::pin(ends(stage, |now| (0, now)))
        }),
        case(&clause::E_9, "ends:past-both", |stage| {
            Box::pin(ends(stage, |now| (now - 10, now - 5)))
        }),
        case(&clause::E_9, "open:no-bounds", |stage| {
            Box::pin(stays_open(stage, |_| (0, 0)))
        }),
        case(&clause::E_10, "ends:in-silence", |stage| {
            Box::pin(ends(stage, |now| (0, now + 2)))
        }),
    ]
}

/// What waits for long and can wait together, on a host where nothing happens.
fn silence() -> Vec<Case> {
    let ends = |clause: &'static Clause, content: &str, bounds: fn(i64) -> (i64, i64)| {
        let check = move |stage| ends(stage, bounds);
        Case::new(Method::ListenEvents, clause, content, check)
    };
    let stays = |clause: &'static Clause, content: &str, bounds: fn(i64) -> (i64, i64)| {
        let check = move |stage| stays_open(stage, bounds);
        Case::new(Method::ListenEvents, clause, content, check)
    };
    let old = Case::new(
        Method::ListenEvents,
        &clause::E_11,
        "old:nothing",
        nothing_yet,
    );
    let cases = [
        ends(&clause::E_10, "ends:in-silence-since-past", |now| {
            (now - 5, now + 2)
        }),
        ends(&clause::E_10, "ends:in-silence-since-future", |now| {
            (now + 1, now + 3)
        }),
        ends(&clause::W_7, "empty:same-second", |now| (now + 2, now + 2)),
        ends(&clause::W_7, "empty:next-second", |now| (now + 1, now + 2)),
        ends(&clause::W_7, "empty:reversed", |now| (now + 3, now + 2)),
        ends(&clause::W_7, "empty:far-reversed", |_| {
            (i64::MAX, i64::MAX - 1)
        }),
        ends(&clause::W_7, "empty:past-reversed", |now| {
            (now - 5, now - 10)
        }),
        ends(&clause::W_7, "empty:since-far", |now| (i64::MAX, now - 1)),
        stays(&clause::E_9, "open:until-next-hour", |now| (0, now + 3600)),
        stays(&clause::W_7, "open:negative", |_| (-1, -1)),
        stays(&clause::W_7, "open:smallest", |_| (i64::MIN, i64::MIN)),
        stays(&clause::W_7, "open:since-largest", |_| (i64::MAX, 0)),
        stays(&clause::W_7, "open:until-largest", |_| (0, i64::MAX)),
        stays(&clause::W_7, "open:until-beyond-nanoseconds", |_| {
            (1, i64::MAX / 1_000_000_000 + 1)
        }),
        old,
    ];
    cases.map(|case| case.on(On::Scene(&SILENCE))).into()
}

/// What a call is the border of: cases that play steps on pods of their own.
fn calls() -> Vec<Case> {
    let case = |clause: &'static Clause, content: &str, check: fn(Stage) -> Checking| {
        Case::new(Method::ListenEvents, clause, content, check)
    };
    let together = [
        case(&clause::E_11, "begins:before-headers", |stage| {
            Box::pin(begins(stage))
        }),
        case(&clause::E_11, "begins:not-before-call", |stage| {
            Box::pin(not_before(stage))
        }),
        case(&clause::E_8, "held-back", |stage| {
            Box::pin(held_back(stage))
        }),
        case(&clause::E_10, "begins:after-silence", |stage| {
            Box::pin(begins_by_clock(stage))
        }),
    ];
    let together = together.map(|case| case.on(On::Scene(&CALLS)));
    let alone = [
        case(&clause::E_7, "restart", |stage| Box::pin(restart(stage))).thorough(),
        case(&clause::E_1, "pod-garbage-collected:vanished", |stage| {
            Box::pin(vanished(stage))
        })
        .decided(),
    ];
    let alone = alone.map(|case| case.on(On::Own(&old::OLD)));
    together.into_iter().chain(alone).collect()
}

fn filter((since_time, until_time): (i64, i64)) -> EventFilter {
    EventFilter {
        since_time,
        until_time,
        ..EventFilter::default()
    }
}

fn now_s() -> i64 {
    now_unix_ns().div_euclid(SECOND_NS)
}

/// That a stream ends when it is to, on a host where perhaps nothing happens. On one that lives
/// events may come before.
async fn ends(stage: Stage, bounds: fn(i64) -> (i64, i64)) -> Verdict {
    let bounds = bounds(now_s());
    let mut listener = Listener::open(&stage, filter(bounds)).await?;
    let late = KEPT_WITHIN + stage.slack();
    let (since, until) = bounds;
    let is_empty = since > 0 && since.saturating_add(1) >= until;
    let by_clock = until.saturating_mul(SECOND_NS);
    let is_past = by_clock <= listener.answered_unix_ns;
    let earliest = match is_past || is_empty {
        true => listener.called_unix_ns,
        false => by_clock,
    };
    // An answer that is empty anyway may end at once, or when the clock says so.
    let latest = match is_past {
        true => listener.answered_unix_ns,
        false => by_clock,
    };
    let latest = latest.saturating_add(nanos(late));
    let patience = (latest - now_unix_ns()).clamp(0, nanos(LOOKS_FOR));
    let patience = Duration::from_nanos(patience.unsigned_abs()) + late;
    listener.ends(patience).await;
    let heard = listener.heard();
    ends_between(&listener, &heard, Some(earliest), Some(latest))?;
    let wrong = heard.plain().find(|event| {
        let is_since = since <= 0 || event.time > since;
        !is_since || event.time >= until
    });
    match wrong {
        None => Ok(()),
        Some(event) => Err(Objection::fail(
            listener.request(),
            "only events between the bounds",
            judge::show_one(event),
        )),
    }
}

/// That a stream does not end by itself.
async fn stays_open(stage: Stage, bounds: fn(i64) -> (i64, i64)) -> Verdict {
    let mut listener = Listener::open(&stage, filter(bounds(now_s()))).await?;
    listener.ends(STAYS_OPEN).await;
    ends_between(&listener, &listener.heard(), None, None)
}

/// That headers come at once where nothing else does, or may.
async fn headers(stage: Stage, since: i64) -> Verdict {
    let limit = KEPT_WITHIN + stage.slack();
    let began = Instant::now();
    let listener = timeout(2 * limit, Listener::open(&stage, filter((since, 0)))).await;
    let took = began.elapsed();
    match listener {
        Ok(Err(objection)) => Err(objection),
        Ok(Ok(_)) if took <= limit => Ok(()),
        _ => Err(Objection::fail(
            format!("ListenEvents with since_time {since} on a silent host"),
            "response headers at once",
            format!("none within {} ms", took.as_millis()),
        )),
    }
}

/// Plays a pod's preparation and its abortion: one event, of that pod.
async fn abort(stage: &Stage, pod: Uuid) -> Result<(), Objection> {
    let steps = script::prepare(pod, &["main"], false);
    let end = Step::Abort { pod };
    for step in steps.into_iter().chain([end]) {
        stage.play(step).await?;
    }
    Ok(())
}

/// The `n`th pod of one of the cases.
fn nth_pod(case: u128, n: u128) -> Uuid {
    Uuid::from_u128(0x0b0d_0000_2e5a_4b17_9d3c_0000_0000_0000 + (case << 16) + n)
}

/// Waits for the event of a pod that was aborted.
async fn hears_of(stage: &Stage, listener: &mut Listener, pod: Uuid) -> Verdict {
    let id = pod.to_string();
    let patience = judge::LEARNS_WITHIN + stage.slack();
    let came = listener
        .hears(patience, |heard| heard.plain().any(|event| event.id == id))
        .await;
    match came {
        true => Ok(()),
        false => Err(Objection::fail(
            listener.request(),
            format!("POD_PREPARE_ABORTED of {id}, which happened since the stream began"),
            show(listener.heard().plain()),
        )),
    }
}

/// That a stream has what happens right after its headers came.
async fn begins(stage: Stage) -> Verdict {
    for n in 0..TRIES {
        let mut listener = Listener::open(&stage, EventFilter::default()).await?;
        abort(&stage, nth_pod(1, n)).await?;
        hears_of(&stage, &mut listener, nth_pod(1, n)).await?;
    }
    Ok(())
}

/// That a stream has nothing that others had heard of before it was asked for.
async fn not_before(stage: Stage) -> Verdict {
    let mut witness = Listener::open(&stage, EventFilter::default()).await?;
    for n in 0..TRIES {
        let (pod, next) = (nth_pod(2, 2 * n), nth_pod(2, 2 * n + 1));
        abort(&stage, pod).await?;
        hears_of(&stage, &mut witness, pod).await?;
        let mut listener = Listener::open(&stage, EventFilter::default()).await?;
        abort(&stage, next).await?;
        hears_of(&stage, &mut listener, next).await?;
        has_nothing_of(&listener, pod)?;
    }
    Ok(())
}

fn has_nothing_of(listener: &Listener, pod: Uuid) -> Verdict {
    let id = pod.to_string();
    let heard = listener.heard();
    let own: Vec<_> = heard.plain().filter(|event| event.id == id).collect();
    match own.is_empty() {
        true => Ok(()),
        false => Err(Objection::fail(
            listener.request(),
            format!("nothing of {id}, which happened before the stream was to begin"),
            show(own),
        )),
    }
}

/// That what was there before the server makes no events, asked for in every way.
async fn nothing_yet(stage: Stage) -> Verdict {
    judge::needs_young_server(&stage)?;
    settle(&stage).await;
    let now_s = now_s();
    for bounds in [
        (0, now_s),
        (1, now_s),
        (now_s - 3600, now_s),
        (1, now_s + 1),
    ] {
        let mut listener = Listener::open(&stage, filter(bounds)).await?;
        listener.ends(Duration::from_secs(2) + stage.slack()).await;
        let heard = listener.heard();
        if !heard.events.is_empty() {
            return Err(Objection::fail(
                listener.request(),
                "no events: nothing has happened since the server started",
                show(heard.plain()),
            ));
        }
    }
    Ok(())
}

/// That what happens before a beginning in the future is not kept for later.
async fn held_back(stage: Stage) -> Verdict {
    let mut witness = Listener::open(&stage, EventFilter::default()).await?;
    let since = now_s() + 2;
    let mut listener = Listener::open(&stage, filter((since, 0))).await?;
    let (early, late) = (nth_pod(3, 0), nth_pod(3, 1));
    abort(&stage, early).await?;
    hears_of(&stage, &mut witness, early).await?;
    has_nothing_of(&listener, early)?;
    sleep_until((since + 1) * SECOND_NS + SECOND_NS / 3).await;
    abort(&stage, late).await?;
    hears_of(&stage, &mut listener, late).await?;
    has_nothing_of(&listener, early)
}

/// That a stream which begins by the clock has begun when the clock says so, although it has had
/// nothing to tell until then.
async fn begins_by_clock(stage: Stage) -> Verdict {
    let since = now_s() + 1;
    let mut listener = Listener::open(&stage, filter((since, 0))).await?;
    // Events of that very second are not after it.
    sleep_until((since + 1) * SECOND_NS + nanos(KEPT_WITHIN)).await;
    abort(&stage, nth_pod(4, 0)).await?;
    hears_of(&stage, &mut listener, nth_pod(4, 0)).await
}

/// That nothing is replayed from before the server started.
async fn restart(stage: Stage) -> Verdict {
    let setting = stage.setting()?;
    abort(&stage, nth_pod(5, 0)).await?;
    let before_s = now_s();
    setting.restart_server().await?;
    let again = setting.connect().await?;
    sleep(Duration::from_millis(100)).await;
    for bounds in [(1, 0), (before_s - 1, 0), (before_s - 5, now_s() + 2)] {
        let mut listener = Listener::open(&again, filter(bounds)).await?;
        let something = listener
            .hears(stage.slack(), |heard| !heard.events.is_empty())
            .await;
        if something {
            return Err(Objection::fail(
                listener.request(),
                "no events: nothing has happened since the server started",
                show(listener.heard().plain()),
            ));
        }
    }
    Ok(())
}

/// That a pod which vanishes without having been marked makes an event, and one that had been
/// marked before makes none.
async fn vanished(stage: Stage) -> Verdict {
    let pods = [
        (Phase::Prepared, old::PREPARED, 1),
        (Phase::Run, old::EXITED, 1),
        (Phase::ExitedGarbage, old::GARBAGE, 0),
    ];
    let listener = Listener::open(&stage, EventFilter::default()).await?;
    for (phase, pod, _) in pods {
        vanish(&stage, phase, pod)?;
    }
    settle(&stage).await;
    let heard = listener.heard();
    for (_, pod, times) in pods {
        let id = pod.to_string();
        let own: Vec<_> = heard.plain().filter(|event| event.id == id).collect();
        let collected = EventType::PodGarbageCollected;
        let is_right = own.len() == times && own.iter().all(|it| it.r#type() == collected);
        if !is_right {
            return Err(Objection::fail(
                listener.request(),
                format!("{times} {} of {id}", collected.as_str_name()),
                show(own),
            ));
        }
    }
    Ok(())
}

/// Removes a pod's directory, as no rkt does.
fn vanish(stage: &Stage, phase: Phase, pod: Uuid) -> Result<(), Objection> {
    let path = stage.data_dir()?.join(format!("pods/{phase}/{pod}"));
    let before = now_unix_ns();
    let removed = fs::remove_dir_all(&path);
    removed.map_err(|error| Objection::skip(format!("{}: {error}", path.display())))?;
    let world = stage.setting()?.shared_world();
    world.change(|world| world.vanish(pod, before, now_unix_ns()));
    Ok(())
}
