//! Where the bounds of time lie (E-7, E-8, E-9, W-7): each position of one against each of the
//! other, in the company of every subset of the other three conditions. Past ones are asked for
//! when all is over, so that an answer comes at once; those with a bound to come are listened
//! to all at the same time.

use rkt_api::api::{EventFilter, EventType};

use super::{
    filters::{ask, past_of},
    judge::{self, Known, SECOND_NS, history, judge},
    listener::Listener,
    scenes::{CLOCK, JOIN, LIVES, first_late_s},
    script, settle,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause::{self, Clause},
    clock,
    stage::Stage,
};

/// Adds conditions beside the bounds.
type Add = fn(&mut EventFilter);

/// The subsets of types, ids and names, with a name for each.
const COMPANIES: [(&str, Add); 8] = [
    ("alone", |_| {}),
    ("types", types),
    ("ids", ids),
    ("names", names),
    ("types+ids", |it| {
        types(it);
        ids(it);
    }),
    ("types+names", |it| {
        types(it);
        names(it);
    }),
    ("ids+names", |it| {
        ids(it);
        names(it);
    }),
    ("types+ids+names", |it| {
        types(it);
        ids(it);
        names(it);
    }),
];

fn types(filter: &mut EventFilter) {
    use EventType::{AppExited, AppStarted, ImageImported, PodExited};
    let types = [AppStarted, AppExited, ImageImported, PodExited];
    filter.types = types.map(Into::into).into();
}

fn ids(filter: &mut EventFilter) {
    let pods = [script::CALM, script::DIRECT, script::MUTABLE];
    filter.ids = pods.map(|id| id.to_string()).into();
    filter.ids.push(script::image_id(script::STORE));
}

fn names(filter: &mut EventFilter) {
    let names = ["web", "first", "helper", script::STORE.0];
    filter.names = names.map(str::to_owned).into();
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (company, add) in COMPANIES {
        let until = format!("past/until:{company}");
        let until = Case::new(Method::ListenEvents, &clause::E_9, until, move |stage| {
            past(stage, Sinces::None, add)
        });
        // In company each is tried against a few only.
        let sinces = match company {
            "alone" => Sinces::All,
            _ => Sinces::Some,
        };
        let both = format!("past/both:{company}");
        let both = Case::new(Method::ListenEvents, &clause::E_7, both, move |stage| {
            past(stage, sinces, add)
        });
        for case in [until, both] {
            let case = case.on(On::Scene(&LIVES));
            cases.push(match company {
                "alone" => case,
                _ => case.thorough(),
            });
        }
    }
    for since in Place::ALL {
        for until in Place::ALL {
            let content = format!("clock/since:{},until:{}", since.name(), until.name());
            let clause = clause_of(since, until);
            let check = move |stage| clock(stage, since, until);
            let case = Case::new(Method::ListenEvents, clause, content, check);
            cases.push(case.on(On::Scene(&CLOCK)).thorough());
        }
    }
    cases
}

/// How many positions of `since_time` are tried for each of `until_time`.
#[derive(Clone, Copy)]
enum Sinces {
    /// It is not set.
    None,
    /// One in four, others for each.
    Some,
    All,
}

/// Asks for the past with the bounds at the positions that can make a difference.
async fn past(stage: Stage, sinces: Sinces, add: Add) -> Verdict {
    let history = past_of(&stage).await?;
    let world = judge::known_world(&stage)?;
    let started_s = world.started_unix_ns().div_euclid(SECOND_NS);
    let now_s = clock::now_unix_ns().div_euclid(SECOND_NS);
    let positions = positions(&history, started_s, now_s);
    let ahead = [now_s + 3600, i64::MAX];
    for (place, &until_time) in positions.iter().enumerate() {
        let all = positions.iter().chain(&ahead).copied();
        let sinces: Vec<i64> = match sinces {
            Sinces::None => vec![0],
            Sinces::Some => all.skip(place % 4).step_by(4).collect(),
            Sinces::All => all.collect(),
        };
        for since_time in sinces {
            let mut filter = EventFilter {
                since_time,
                until_time,
                ..EventFilter::default()
            };
            add(&mut filter);
            ask(&stage, filter, &history).await?;
        }
    }
    Ok(())
}

/// The seconds around everything that happened, from long before the server's start to now.
fn positions(history: &[Known], started_s: i64, now_s: i64) -> Vec<i64> {
    let events = history.iter().map(|known| known.event.time);
    let around = events
        .chain([started_s])
        .flat_map(|at| [at - 1, at, at + 1]);
    let mut positions: Vec<i64> = around.filter(|at| *at <= now_s).collect();
    positions.extend([1, started_s - 3600, now_s - 1, now_s]);
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// Where a bound lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is not set: zero.
    Zero,
    /// It is not set: as negative as can be.
    Negative,
    /// Long before the server started.
    LongAgo,
    /// Among the events before the call.
    Past,
    /// The second of the call.
    Now,
    /// Among the events after the call.
    Future,
    /// As far away as can be.
    Far,
}

impl Place {
    const ALL: [Self; 7] = [
        Self::Zero,
        Self::Negative,
        Self::LongAgo,
        Self::Past,
        Self::Now,
        Self::Future,
        Self::Far,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Negative => "negative",
            Self::LongAgo => "long-ago",
            Self::Past => "past",
            Self::Now => "now",
            Self::Future => "future",
            Self::Far => "far",
        }
    }

    fn is_set(self) -> bool {
        !matches!(self, Self::Zero | Self::Negative)
    }

    /// The bound, asked for in the second `now_s` of a scene whose late groups begin at
    /// `late_s`; that one among the events to come is `ahead` seconds after it.
    fn second(self, now_s: i64, late_s: i64, ahead: i64) -> i64 {
        match self {
            Self::Zero => 0,
            Self::Negative => i64::MIN,
            Self::LongAgo => 1,
            Self::Past => late_s - 4,
            Self::Now => now_s,
            Self::Future => late_s + ahead,
            Self::Far => i64::MAX,
        }
    }
}

/// The clause that says most about two positions.
fn clause_of(since: Place, until: Place) -> &'static Clause {
    match (since, until) {
        (Place::Negative | Place::Far, _) | (_, Place::Negative | Place::Far) => &clause::W_7,
        (Place::Future, _) => &clause::E_8,
        (Place::Zero, Place::Zero) => &clause::E_11,
        (Place::Zero, until) if !future(until) => &clause::E_11,
        (_, until) if until.is_set() => &clause::E_9,
        _ => &clause::E_7,
    }
}

fn future(place: Place) -> bool {
    matches!(place, Place::Future | Place::Far)
}

/// Listens with bounds at these places in every company at once, and holds each stream against
/// what has happened.
async fn clock(stage: Stage, since: Place, until: Place) -> Verdict {
    let seat = stage.seat()?;
    seat.ready();
    let joined = seat.reached(JOIN).await;
    let joined = joined.ok_or_else(|| Objection::skip("the scene ended early"))?;
    let late_s = first_late_s(joined);
    let mut listeners = Vec::new();
    for (_, add) in COMPANIES {
        let now_s = clock::now_unix_ns().div_euclid(SECOND_NS);
        let mut filter = EventFilter {
            since_time: since.second(now_s, late_s, 1),
            until_time: until.second(now_s, late_s, 3),
            ..EventFilter::default()
        };
        add(&mut filter);
        listeners.push(Listener::open(&stage, filter).await?);
    }
    seat.over().await;
    settle(&stage).await;
    let history = history(&stage).await?;
    listeners
        .iter()
        .try_for_each(|listener| judge(listener, &history, stage.slack()))
}
