//! Every subset of the five conditions (E-6): one stream in which they all meet a pivot, and
//! for each of them one in which exactly that one misses it; of past events, and of those that
//! are still to come. And the values in conditions (W-4, W-8).

use std::sync::Arc;

use rkt_api::api::{Event, EventFilter, EventType};

use super::{
    judge::{self, Known, SECOND_NS, history, judge},
    listener::Listener,
    scenes::{BOUNDS, JOIN, LIVES, first_late_s},
    script, settle,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause::{self, Clause},
    clock,
    hosts::events as old,
    stage::Stage,
};

/// A condition of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Types,
    Ids,
    Names,
    SinceTime,
    UntilTime,
}

impl Field {
    const ALL: [Self; 5] = [
        Self::Types,
        Self::Ids,
        Self::Names,
        Self::SinceTime,
        Self::UntilTime,
    ];

    /// The field's name in the proto.
    fn name(self) -> &'static str {
        match self {
            Self::Types => "types",
            Self::Ids => "ids",
            Self::Names => "names",
            Self::SinceTime => "since_time",
            Self::UntilTime => "until_time",
        }
    }

    /// Adds a condition that `pivot` meets, and others may.
    fn hit(self, filter: &mut EventFilter, pivot: &Event) {
        match self {
            Self::Types => {
                let beside = EventType::PodPrepareAborted as i32;
                filter.types = vec![beside, pivot.r#type];
            }
            Self::Ids => filter.ids = vec![script::STILLBORN.to_string(), pivot.id.clone()],
            Self::Names => filter.names = vec![old::DROPPED.0.to_owned(), pivot.from.clone()],
            Self::SinceTime => filter.since_time = pivot.time - 1,
            Self::UntilTime => filter.until_time = pivot.time + 1,
        }
    }

    /// Adds a condition that `pivot` does not meet, and others do.
    fn miss(self, filter: &mut EventFilter, pivot: &Event) {
        match self {
            Self::Types => {
                let others = (1..=9).filter(|r#type| *r#type != pivot.r#type);
                filter.types = others.collect();
            }
            Self::Ids => {
                let pods = script::PODS.map(|(_, id)| id.to_string());
                let images = script::images().map(|(_, id)| id);
                let others = pods.into_iter().chain(images);
                filter.ids = others.filter(|id| *id != pivot.id).collect();
            }
            Self::Names => {
                let pods = script::PODS.map(|(_, id)| format!("rkt-{id}"));
                let others = ["web", "log", "server", "helper", "late", "main", "busy"];
                let others = others.map(str::to_owned).into_iter().chain(pods);
                filter.names = others.filter(|name| *name != pivot.from).collect();
            }
            Self::SinceTime => filter.since_time = pivot.time,
            Self::UntilTime => filter.until_time = pivot.time,
        }
    }
}

/// The fields of one of the 32 subsets.
fn subset(bits: usize) -> Vec<Field> {
    let fields = Field::ALL.into_iter().enumerate();
    let fields = fields.filter(|(at, _)| bits & (1 << at) != 0);
    fields.map(|(_, field)| field).collect()
}

fn filter(fields: &[Field], miss: Option<Field>, pivot: &Event) -> EventFilter {
    let mut filter = EventFilter::default();
    for &field in fields {
        match miss == Some(field) {
            true => field.miss(&mut filter, pivot),
            false => field.hit(&mut filter, pivot),
        }
    }
    filter
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = (0..32).flat_map(subset_cases).collect();
    cases.extend(values());
    cases
}

fn subset_cases(bits: usize) -> Vec<Case> {
    let fields: Arc<[Field]> = subset(bits).into();
    let names = match fields.is_empty() {
        true => "none".to_owned(),
        false => {
            let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
            names.join("+")
        }
    };
    let wishes = std::iter::once(None).chain(fields.iter().copied().map(Some));
    let mut cases = Vec::new();
    for miss in wishes {
        let content = match miss {
            None => format!("{names}/hit"),
            Some(field) => format!("{names}/miss:{}", field.name()),
        };
        let own = Arc::clone(&fields);
        let live = Case::new(
            Method::ListenEvents,
            &clause::E_6,
            format_args!("live/{content}"),
            move |stage| live(stage, Arc::clone(&own), miss, bits),
        );
        cases.push(live.on(On::Scene(&BOUNDS)).thorough());
        // Without an end the past is asked for in `live`, together with what follows it.
        if fields.contains(&Field::UntilTime) {
            let own = Arc::clone(&fields);
            let past = Case::new(
                Method::ListenEvents,
                &clause::E_6,
                format_args!("past/{content}"),
                move |stage| past(stage, Arc::clone(&own), miss, bits),
            );
            cases.push(past.on(On::Scene(&LIVES)));
        }
    }
    cases
}

/// Listens to what is still to come, and with a bound before it to what has been.
async fn live(stage: Stage, fields: Arc<[Field]>, miss: Option<Field>, nth: usize) -> Verdict {
    let seat = stage.seat()?;
    seat.ready();
    let joined = seat.reached(JOIN).await;
    let joined = joined.ok_or_else(|| Objection::skip("the scene ended early"))?;
    // What the script has in the second and third of the late groups.
    let late = first_late_s(joined);
    let pivots = [
        (
            EventType::AppExited,
            script::DIRECT.to_string(),
            "server",
            late + 1,
        ),
        (
            EventType::PodStarted,
            script::PROBED.to_string(),
            "",
            late + 2,
        ),
        (
            EventType::ImageImported,
            script::image_id(script::WEB),
            script::WEB.0,
            late + 1,
        ),
        (
            EventType::PodGarbageCollected,
            script::CALM.to_string(),
            "",
            late + 2,
        ),
    ];
    let (r#type, id, from, time) = pivots[nth % pivots.len()].clone();
    let from = match from {
        "" => format!("rkt-{id}"),
        name => name.to_owned(),
    };
    let pivot = Event {
        r#type: r#type.into(),
        id,
        from,
        time,
        data: Vec::new(),
    };
    let mut filter = filter(&fields, miss, &pivot);
    // Most subsets have the past, too.
    let is_hit = fields.contains(&Field::SinceTime) && miss != Some(Field::SinceTime);
    if is_hit && !nth.is_multiple_of(3) {
        filter.since_time = late - 4;
    }
    let listener = Listener::open(&stage, filter).await?;
    seat.over().await;
    settle(&stage).await;
    judge(&listener, &history(&stage).await?, stage.slack())
}

/// Asks for what has been when all is over.
async fn past(stage: Stage, fields: Arc<[Field]>, miss: Option<Field>, nth: usize) -> Verdict {
    let history = past_of(&stage).await?;
    if history.is_empty() {
        return Err(Objection::skip("nothing has happened"));
    }
    // Different subsets try different pivots.
    let pivot = &history[(7 * nth + 3) % history.len()].event;
    ask(&stage, filter(&fields, miss, pivot), &history).await
}

/// Waits for the end of the scene, and gives what has happened in it.
pub(super) async fn past_of(stage: &Stage) -> Result<Vec<Known>, Objection> {
    let seat = stage.seat()?;
    seat.ready();
    seat.over().await;
    history(stage).await
}

/// Asks for past events, and waits for the end of the answer.
pub(super) async fn ask(stage: &Stage, filter: EventFilter, history: &[Known]) -> Verdict {
    let mut listener = Listener::open(stage, filter).await?;
    // Where it does not come that is judged with the rest.
    listener.ends(judge::AT_ONCE + stage.slack()).await;
    judge(&listener, history, stage.slack())
}

/// The cases about values, each of past events.
fn values() -> Vec<Case> {
    let case = |clause: &'static Clause, content: &str, change: fn(&mut EventFilter)| {
        let check = move |stage| changed(stage, change);
        let case = Case::new(Method::ListenEvents, clause, content, check);
        case.on(On::Scene(&LIVES))
    };
    vec![
        case(&clause::W_4, "types:unknown", |it| it.types = vec![4711]),
        case(&clause::W_4, "types:negative", |it| it.types = vec![-1]),
        case(&clause::W_4, "types:undefined", |it| it.types = vec![0]),
        case(&clause::W_4, "types:unknown-and-known", |it| {
            it.types = vec![4711, EventType::PodStarted.into(), i32::MAX];
        }),
        case(&clause::W_8, "duplicates", |it| {
            let both = [EventType::PodStarted.into(), EventType::AppExited.into()];
            it.types = [both, both].concat();
            it.ids = vec![script::CALM.to_string(); 3];
        }),
        case(&clause::W_8, "order", |it| {
            it.types = (1..=9).rev().collect();
            it.names = ["web", "log", "busy"].map(str::to_owned).into();
        }),
        case(&clause::W_8, "ids:upper-case", |it| {
            it.ids = vec![script::CALM.to_string().to_uppercase()];
        }),
        case(&clause::W_8, "ids:beginning", |it| {
            it.ids = vec![script::CALM.to_string()[..8].to_owned()];
        }),
        case(&clause::W_8, "ids:empty-string", |it| {
            it.ids = vec![String::new()]
        }),
        case(&clause::W_8, "names:case", |it| {
            it.names = vec!["WEB".to_owned()]
        }),
        case(&clause::W_8, "names:beginning", |it| {
            it.names = vec!["we".to_owned(), "example.com/app/".to_owned()];
        }),
        case(&clause::W_8, "names:empty-string", |it| {
            it.names = vec![String::new()];
        }),
        case(&clause::W_8, "names:without-version", |it| {
            it.names = vec![format!("{}:{}", script::WEB.0, script::WEB.1)];
        }),
        case(&clause::W_8, "names:literal", |it| {
            it.names = ["*", "web.*", "rkt-", " web"].map(str::to_owned).into();
        }),
        case(&clause::E_6, "past/app-of-one-pod", |it| {
            it.ids = vec![script::CALM.to_string()];
            it.names = vec!["web".to_owned()];
        }),
    ]
}

/// Asks for all that has been under a condition.
async fn changed(stage: Stage, change: fn(&mut EventFilter)) -> Verdict {
    let history = past_of(&stage).await?;
    let mut filter = EventFilter {
        until_time: clock::now_unix_ns().div_euclid(SECOND_NS),
        ..EventFilter::default()
    };
    change(&mut filter);
    ask(&stage, filter, &history).await
}
