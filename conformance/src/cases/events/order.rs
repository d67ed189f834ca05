//! That nothing is lost, nothing comes twice, and everything in its order (E-12), also where
//! listeners join while much is going on (E-13). And how events are put into messages (E-15).

use std::time::Duration;

use rkt_api::api::{Event, EventFilter};

use super::{
    judge::{self, align, is_told_by, show, with_needs},
    listener::Listener,
    scenes::{JOIN, LIVES, RUSH},
    script, whole_scene,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    stage::Stage,
};

/// How many listeners join while the rush goes on, each a little later.
const JOINERS: usize = 20;

/// How much later each joins than the one before.
const JOIN_EVERY: Duration = Duration::from_millis(23);

pub(super) fn cases() -> Vec<Case> {
    let pods = script::PODS.map(|(name, id)| (name, id.to_string()));
    let lives = pods.into_iter().chain(script::images());
    let lives = lives.map(|(name, id)| {
        let content = format!("lives/{name}");
        Case::new(Method::ListenEvents, &clause::E_12, content, move |stage| {
            life(stage, id.clone())
        })
        .on(On::Scene(&LIVES))
    });
    let rush = [
        Case::new(Method::ListenEvents, &clause::E_12, "rush", rush),
        Case::new(
            Method::ListenEvents,
            &clause::E_13,
            "join:everything",
            |s| join(s, Joins::Everything),
        ),
        Case::new(Method::ListenEvents, &clause::E_13, "join:since-now", |s| {
            join(s, Joins::SinceNow)
        }),
        Case::new(Method::ListenEvents, &clause::E_13, "join:live", |s| {
            join(s, Joins::Live)
        }),
    ];
    let rush = rush.map(|case| case.on(On::Scene(&RUSH)).thorough());
    let shared = Case::new(Method::ListenEvents, &clause::E_15, "shared", shared);
    let shared = shared.on(On::Scene(&LIVES));
    lives.chain(rush).chain([shared]).collect()
}

/// That all that happened to one subject is told once and in order.
async fn life(stage: Stage, id: String) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let due = with_needs(scene.world.events(), &id);
    let heard: Vec<&Event> = scene.heard.plain().filter(|it| it.id == id).collect();
    if align(&due, &heard, |due, event| is_told_by(due, event)).is_some() {
        return Ok(());
    }
    Err(Objection::fail(
        scene.listener.request(),
        format!("of {id}: {}", show(due.iter().map(|(due, _)| &due.event))),
        format!("of {id}: {}", show(heard)),
    ))
}

/// Whether events that come together share a message. They may.
async fn shared(stage: Stage) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let messages = scene.heard.events.windows(2);
    match messages
        .into_iter()
        .any(|pair| pair[0].message == pair[1].message)
    {
        true => Ok(()),
        false => Err(Objection::skip("each event comes in a message of its own")),
    }
}

/// The same for everyone, when nothing waits for anything.
async fn rush(stage: Stage) -> Verdict {
    let scene = whole_scene(&stage).await?;
    is_complete(&stage, &scene.listener)
}

/// That a listener has heard of everything since the server's start.
fn is_complete(stage: &Stage, listener: &Listener) -> Verdict {
    let world = judge::known_world(stage)?;
    let happenings = world.events();
    let heard = listener.heard();
    for id in judge::ids(happenings.iter().map(|it| &it.event), heard.plain()) {
        let due = with_needs(happenings, id);
        let own: Vec<&Event> = heard.plain().filter(|event| event.id == id).collect();
        if align(&due, &own, |due, event| is_told_by(due, event)).is_none() {
            return Err(Objection::fail(
                listener.request(),
                format!("of {id}: {}", show(due.iter().map(|(due, _)| &due.event))),
                format!("of {id}: {}", show(own)),
            ));
        }
    }
    Ok(())
}

/// From when on those listen who join.
#[derive(Clone, Copy, PartialEq)]
enum Joins {
    /// From the server's start.
    Everything,
    /// From the second before the one in which they join.
    SinceNow,
    /// From the call.
    Live,
}

/// That listeners who join one after the other while much is going on have everything from
/// there on, once.
async fn join(stage: Stage, joins: Joins) -> Verdict {
    judge::needs_young_server(&stage)?;
    let seat = stage.seat()?;
    seat.ready();
    let joined = seat.reached(JOIN).await;
    joined.ok_or_else(|| Objection::skip("the scene ended early"))?;
    let mut listeners = Vec::new();
    for _ in 0..JOINERS {
        let now_s = crate::clock::now_unix_ns().div_euclid(judge::SECOND_NS);
        let since_time = match joins {
            Joins::Everything => 1,
            Joins::SinceNow => now_s - 1,
            Joins::Live => 0,
        };
        let filter = EventFilter {
            since_time,
            ..EventFilter::default()
        };
        listeners.push(Listener::open(&stage, filter).await?);
        // Spread over the scene: the moments at which they join are what is tried.
        tokio::time::sleep(JOIN_EVERY).await;
    }
    seat.over().await;
    let history = judge::history(&stage).await?;
    for listener in &listeners {
        match joins {
            Joins::Everything => is_complete(&stage, listener)?,
            Joins::SinceNow => judge::judge(listener, &history, stage.slack())?,
            Joins::Live => is_suffix(listener, &history)?,
        }
    }
    Ok(())
}

/// That what a listener has of each subject is the end of what has happened to it.
fn is_suffix(listener: &Listener, history: &[judge::Known]) -> Verdict {
    judge::judge(listener, history, Duration::ZERO)?;
    let heard = listener.heard();
    for id in judge::ids(history.iter().map(|known| &known.event), heard.plain()) {
        let all = history.iter().map(|known| &known.event);
        let all: Vec<&Event> = all.filter(|event| event.id == id).collect();
        let own: Vec<&Event> = heard.plain().filter(|event| event.id == id).collect();
        if !all.ends_with(&own) {
            return Err(Objection::fail(
                listener.request(),
                format!("the end of what happened to {id}: {}", show(all)),
                show(own),
            ));
        }
    }
    Ok(())
}
