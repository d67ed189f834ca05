//! What events say: ids, names, times and further facts (E-2 to E-5). Each field is looked at by
//! itself, so that a report says which one is wrong.

use rkt_api::api::{Event, EventFilter, EventType};

use super::{
    judge::{SECOND_NS, occurrences, show_one},
    listener::Listener,
    scenes::LIVES,
    whole_scene,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause::{self, Clause},
    model::events::Happening,
    stage::Stage,
};

const POD: [EventType; 5] = [
    EventType::PodPrepared,
    EventType::PodPrepareAborted,
    EventType::PodStarted,
    EventType::PodExited,
    EventType::PodGarbageCollected,
];
const APP: [EventType; 2] = [EventType::AppStarted, EventType::AppExited];
const IMAGE: [EventType; 2] = [EventType::ImageImported, EventType::ImageRemoved];

pub(super) fn cases() -> Vec<Case> {
    let about = [
        ("pods", &POD[..]),
        ("apps", &APP[..]),
        ("images", &IMAGE[..]),
    ];
    let ids = about.map(|(what, types)| field(&clause::E_2, what, types, "id", |event| &event.id));
    let names = about.map(|(what, types)| {
        field(&clause::E_3, what, types, "from", |event| &event.from).decided()
    });
    let data = [
        ("exit_code", &APP[1..]),
        ("image_id", &APP[..]),
        ("image_name", &APP[..]),
        ("version", &IMAGE[..]),
    ];
    let data =
        data.map(|(key, types)| case(&clause::E_5, key, move |stage| data_is(stage, key, types)));
    let times = [
        case(&clause::E_4, "seconds", seconds),
        case(&clause::E_4, "within-a-second", within_a_second).decided(),
        case(&clause::E_4, "never-back", never_back).decided(),
        case(&clause::E_4, "same-for-all", same_for_all).decided(),
    ];
    ids.into_iter()
        .chain(names)
        .chain(times)
        .chain(data)
        .collect()
}

fn case<C>(
    clause: &'static Clause,
    content: &str,
    check: impl Fn(Stage) -> C + Send + Sync + 'static,
) -> Case
where
    C: Future<Output = Verdict> + Send + 'static,
{
    Case::new(Method::ListenEvents, clause, content, check).on(On::Scene(&LIVES))
}

/// That a field has the values that it is to have, each as often as events of `types` with it
/// are due.
fn field(
    clause: &'static Clause,
    what: &'static str,
    types: &'static [EventType],
    name: &'static str,
    value: fn(&Event) -> &str,
) -> Case {
    case(clause, what, move |stage| async move {
        let scene = whole_scene(&stage).await?;
        let is_meant = |event: &&Event| types.contains(&event.r#type());
        let due = scene.world.events().iter().map(|it| &it.event);
        let due = occurrences(due.filter(is_meant), |it| (it.r#type, value(it)));
        let heard = occurrences(scene.heard.plain().filter(is_meant), |it| {
            (it.r#type, value(it))
        });
        if heard.is_empty() {
            return Err(Objection::fail(
                scene.listener.request(),
                format!("events of {what}"),
                "none",
            ));
        }
        let wrong = heard.iter().find(|(key, _)| !due.contains_key(*key));
        match wrong {
            None => Ok(()),
            Some((_, events)) => Err(Objection::fail(
                scene.listener.request(),
                format!("{name} of something that this has happened to"),
                format!("{name} {:?} in {}", value(events[0]), show_one(events[0])),
            )),
        }
    })
}

/// Each event that was heard beside the happening that it tells of: the first of its type, id
/// and name beside the first, and so on. Those of which one is missing are left out.
fn pairs<'a>(due: &'a [Happening], heard: &'a [Event]) -> Vec<(&'a Happening, &'a Event)> {
    fn key(event: &Event) -> (i32, &str, &str) {
        (event.r#type, &event.id, &event.from)
    }
    let heard = occurrences(heard, key);
    let mut pairs = Vec::new();
    let due_by_key = occurrences(due.iter().map(|it| &it.event), key);
    for (key, own) in &due_by_key {
        let there = heard.get(key).map_or(&[][..], Vec::as_slice);
        let happenings = due.iter().filter(|it| {
            let event = &it.event;
            (event.r#type, event.id.as_str(), event.from.as_str()) == *key
        });
        if own.len() == there.len() {
            pairs.extend(happenings.zip(there.iter().copied()));
        }
    }
    pairs
}

/// That times are seconds since the epoch and not of another unit.
async fn seconds(stage: Stage) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let hour = 3600;
    let from = scene.world.started_unix_ns().div_euclid(SECOND_NS) - hour;
    let wrong = |event: &&Event| !(from..from + 24 * hour).contains(&event.time);
    match scene.heard.plain().find(wrong) {
        None if scene.heard.events.is_empty() => {
            Err(Objection::fail(scene.listener.request(), "events", "none"))
        }
        None => Ok(()),
        Some(event) => Err(Objection::fail(
            scene.listener.request(),
            "times of this day, in seconds since the epoch",
            show_one(event),
        )),
    }
}

/// That times are those of the server's clock when it learned of what happened within a second.
async fn within_a_second(stage: Stage) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let heard: Vec<Event> = scene.heard.plain().cloned().collect();
    let pairs = pairs(scene.world.events(), &heard);
    if pairs.is_empty() {
        return Err(Objection::fail(scene.listener.request(), "events", "none"));
    }
    let wrong = pairs
        .iter()
        .find(|(happening, event)| !happening.time_s.contains(&event.time));
    match wrong {
        None => Ok(()),
        Some((happening, event)) => Err(Objection::fail(
            scene.listener.request(),
            format!(
                "a time from {} to {}",
                happening.time_s.start(),
                happening.time_s.end()
            ),
            show_one(event),
        )),
    }
}

/// That times never run back within a stream, live or replayed.
async fn never_back(stage: Stage) -> Verdict {
    let scene = whole_scene(&stage).await?;
    in_order(&scene.listener)?;
    let filter = EventFilter {
        since_time: 1,
        ..EventFilter::default()
    };
    let mut replay = Listener::open(&stage, filter).await?;
    let count = scene.heard.events.len();
    replay
        .hears(stage.slack(), |heard| heard.events.len() >= count)
        .await;
    in_order(&replay)
}

fn in_order(listener: &Listener) -> Verdict {
    let heard = listener.heard();
    let events: Vec<&Event> = heard.plain().collect();
    match events.windows(2).find(|pair| pair[0].time > pair[1].time) {
        None => Ok(()),
        Some(pair) => Err(Objection::fail(
            listener.request(),
            "times that never decrease",
            format!("{}, then {}", show_one(pair[0]), show_one(pair[1])),
        )),
    }
}

/// That an event has one time, whoever hears of it and when: otherwise filters by time would
/// mean something else for each.
async fn same_for_all(stage: Stage) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let history = super::judge::history(&stage).await?;
    let heard = occurrences(scene.heard.plain(), |it| (&it.id, it.r#type, &it.from));
    let replayed = history.iter().map(|known| &known.event);
    let replayed = occurrences(replayed, |it| (&it.id, it.r#type, &it.from));
    for (key, live) in heard {
        let later = replayed.get(&key).map_or(&[][..], Vec::as_slice);
        let differs = live.iter().zip(later).find(|(a, b)| a.time != b.time);
        if let Some((live, later)) = differs {
            return Err(Objection::fail(
                scene.listener.request(),
                format!("the time that a replay has: {}", show_one(later)),
                show_one(live),
            ));
        }
    }
    Ok(())
}

/// That events of `types` have the fact `key` where the model knows it, and no other value.
async fn data_is(stage: Stage, key: &'static str, types: &'static [EventType]) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let heard: Vec<Event> = scene.heard.plain().cloned().collect();
    let fact = |event: &Event| -> Vec<String> {
        let facts = event.data.iter().filter(|it| it.key == key);
        facts.map(|it| it.value.clone()).collect()
    };
    let pairs = pairs(scene.world.events(), &heard);
    let mut pairs = pairs
        .iter()
        .filter(|(happening, _)| types.contains(&happening.event.r#type()))
        .peekable();
    if pairs.peek().is_none() {
        return Err(Objection::fail(scene.listener.request(), "events", "none"));
    }
    for (happening, event) in pairs {
        let (due, there) = (fact(&happening.event), fact(event));
        if due != there {
            return Err(Objection::fail(
                scene.listener.request(),
                format!("{key} {due:?}"),
                format!("{there:?} in {}", show_one(event)),
            ));
        }
    }
    Ok(())
}
