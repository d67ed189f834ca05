//! Followers with bounds before, now and to come, while lines are written (L-4, L-6, L-7, L-11,
//! W-7): each place of one against each of the other, all at the same time.

use std::fmt;

use rkt_api::api::GetLogsRequest;

use super::{
    answer::of_app,
    follower::Follower,
    live::reached,
    scenes::{CLOCK, JOIN, first_late_s},
};
use crate::{
    case::{Case, Method, On, Verdict},
    cases::streams::SECOND_NS,
    clause::{self, Clause},
    clock,
    hosts::logs::{LIVING_APPS, PLAIN, PLAIN_APPS, STILL, TALKING},
    stage::Stage,
};

/// Whose lines are followed, and how many there may be at first.
const COMPANIES: [(&str, i32); 4] = [
    ("", 0),
    ("", 3),
    (LIVING_APPS[0], 1),
    (LIVING_APPS[1], i32::MAX),
];

/// Where a bound lies, from early to late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// It is not set: zero.
    Zero,
    /// It is not set: as negative as can be.
    Negative,
    /// Before all lines.
    LongAgo,
    /// Among the lines before the call.
    Past,
    /// The second of the call.
    Now,
    /// Among the lines after the call.
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

    fn is_set(self) -> bool {
        !matches!(self, Self::Zero | Self::Negative)
    }

    /// The bound, asked for in the second `now_s` of a scene whose late groups begin at
    /// `late_s`; that one among the lines to come is `ahead` seconds after it.
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "none",
            Self::Negative => "negative",
            Self::LongAgo => "long-ago",
            Self::Past => "past",
            Self::Now => "now",
            Self::Future => "future",
            Self::Far => "far",
        })
    }
}

/// How many seconds one follows where nothing is written: one and a part.
const SILENT_S: i64 = 2;

pub(super) fn cases() -> Vec<Case> {
    let silence = Case::new(Method::GetLogs, &clause::L_11, "silence", silence);
    let mut cases = vec![silence.on(On::Still(&STILL))];
    for since in Place::ALL {
        for until in Place::ALL {
            let content = format!("clock/since:{since},until:{until}");
            let clause = clause_of(since, until);
            let check = move |stage| follow(stage, since, until);
            let case = Case::new(Method::GetLogs, clause, content, check);
            let case = case.on(On::Scene(&CLOCK));
            cases.push(case.thorough().decided());
        }
    }
    cases
}

/// The clause that says most about two places.
fn clause_of(since: Place, until: Place) -> &'static Clause {
    let is_odd = |place| matches!(place, Place::Negative | Place::Far);
    if is_odd(since) || is_odd(until) {
        return &clause::W_7;
    }
    match (since, until) {
        (Place::Future, Place::Zero) => &clause::L_7,
        (_, Place::Future) => &clause::L_11,
        (_, until) if until.is_set() => &clause::L_7,
        (since, _) if since.is_set() => &clause::L_4,
        _ => &clause::L_6,
    }
}

/// That a stream ends in time although nothing is written.
async fn silence(stage: Stage) -> Verdict {
    let request = GetLogsRequest {
        until_time: clock::now_unix_ns().div_euclid(SECOND_NS) + SILENT_S,
        ..of_app(PLAIN, PLAIN_APPS[0])
    };
    let mut follower = Follower::open(&stage, request).await?;
    follower.ends(&stage).await?;
    follower.judge(&stage)
}

/// Follows with bounds at these places in every company at once.
async fn follow(stage: Stage, since: Place, until: Place) -> Verdict {
    let seat = stage.seat()?;
    seat.ready();
    let late_s = first_late_s(reached(seat, JOIN).await?);
    let mut followers = Vec::new();
    for (app, lines) in COMPANIES {
        let now_s = clock::now_unix_ns().div_euclid(SECOND_NS);
        let request = GetLogsRequest {
            lines,
            since_time: since.second(now_s, late_s, 1),
            until_time: until.second(now_s, late_s, 3),
            ..of_app(TALKING, app)
        };
        followers.push(Follower::open(&stage, request).await?);
    }
    seat.over().await;
    followers.iter().try_for_each(|it| it.judge(&stage))
}
