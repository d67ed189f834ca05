//! Every combination of app, `lines`, `since_time` and `until_time` of a call that does not
//! follow, and the same of calls that follow where nothing is written: a case for each.

use std::{fmt, time::Duration};

use rkt_api::api::GetLogsRequest;
use uuid::Uuid;

use super::{
    answer::{check, due, of_app},
    follower::Follower,
    refusals::checked,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    cases::streams::SECOND_NS,
    clause::{self, Clause},
    clock,
    hosts::logs::{MESSAGES, PLAIN, PLAIN_APPS, RICH, RICH_APPS, SECOND_S, SHORT, STILL},
    stage::Stage,
};

/// How long a stream is listened to that should stay open, and say nothing more.
const SILENCE: Duration = Duration::from_millis(300);

/// One combination.
#[derive(Clone, Copy, Debug)]
struct Combination {
    pod: Uuid,
    app: App,
    count: Count,
    since: Place,
    until: Place,
}

/// Whose logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum App {
    /// Nobody's in particular.
    All,
    /// Those of the manifest's first app, and of the second.
    Listed(&'static str),
    /// Somebody's whom only the journal knows.
    Journal,
    /// Nobody's.
    Unknown,
}

/// How many lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    All,
    One,
    /// One less than the other conditions leave.
    Less,
    Equal,
    /// One more.
    More,
    Most,
    Negative,
}

/// Where a bound lies, from early to late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// It is not set: zero.
    Zero,
    /// It is not set: as negative as can be.
    Negative,
    /// Before all lines.
    Before,
    /// In a second at whose beginning there are lines, and just before and after it.
    At,
    /// The next second.
    Next,
    /// In a second of which there are no lines.
    Gap,
    /// The second of the last lines.
    Last,
    /// After all lines, and not in the future.
    After,
    /// An hour from now.
    Future,
    /// As far away as can be.
    Far,
}

impl App {
    const ALL: [Self; 5] = [
        Self::All,
        Self::Listed(RICH_APPS[0]),
        Self::Listed(RICH_APPS[1]),
        Self::Journal,
        Self::Unknown,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Listed(name) => name,
            Self::Journal => "systemd",
            Self::Unknown => "nobody",
        }
    }
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            other => other.name(),
        })
    }
}

impl Count {
    const ALL: [Self; 7] = [
        Self::All,
        Self::One,
        Self::Less,
        Self::Equal,
        Self::More,
        Self::Most,
        Self::Negative,
    ];

    /// The number, where the other conditions leave so many lines.
    fn of(self, left: usize) -> i32 {
        let left = i32::try_from(left).unwrap_or(i32::MAX);
        match self {
            Self::All => 0,
            Self::One => 1,
            // Where there is nothing to be left out, that is all.
            Self::Less => (left - 1).max(0),
            Self::Equal => left,
            Self::More => left.saturating_add(1),
            Self::Most => i32::MAX,
            Self::Negative => -1,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "0",
            Self::One => "1",
            Self::Less => "n-1",
            Self::Equal => "n",
            Self::More => "n+1",
            Self::Most => "max",
            Self::Negative => "negative",
        })
    }
}

impl Place {
    const ALL: [Self; 10] = [
        Self::Zero,
        Self::Negative,
        Self::Before,
        Self::At,
        Self::Next,
        Self::Gap,
        Self::Last,
        Self::After,
        Self::Future,
        Self::Far,
    ];

    /// The bound, in seconds since the epoch.
    fn second(self) -> i64 {
        match self {
            Self::Zero => 0,
            Self::Negative => i64::MIN,
            Self::Before => SECOND_S - 100,
            Self::At => SECOND_S,
            Self::Next => SECOND_S + 1,
            Self::Gap => SECOND_S + 4,
            Self::Last => SECOND_S + 6,
            Self::After => SECOND_S + 100,
            Self::Future => clock::now_unix_ns().div_euclid(SECOND_NS) + 3600,
            Self::Far => i64::MAX,
        }
    }

    fn is_set(self) -> bool {
        !matches!(self, Self::Zero | Self::Negative)
    }

    fn is_odd(self) -> bool {
        matches!(self, Self::Negative | Self::Far)
    }

    fn is_future(self) -> bool {
        matches!(self, Self::Future | Self::Far)
    }

    /// Whether nothing can lie between this and `until`.
    fn shuts(self, until: Self) -> bool {
        self.is_set() && until.is_set() && self >= until
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "none",
            Self::Negative => "negative",
            Self::Before => "before",
            Self::At => "at",
            Self::Next => "next",
            Self::Gap => "gap",
            Self::Last => "last",
            Self::After => "after",
            Self::Future => "future",
            Self::Far => "far",
        })
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            app,
            count,
            since,
            until,
            ..
        } = self;
        write!(f, "app:{app},lines:{count},since:{since},until:{until}")
    }
}

impl Combination {
    /// The clause that says most about it.
    fn clause(&self) -> &'static Clause {
        let Self {
            app,
            count,
            since,
            until,
            ..
        } = *self;
        if count == Count::Negative {
            &clause::W_3
        } else if app == App::Unknown {
            &clause::L_1
        } else if since.is_odd() || until.is_odd() || since.shuts(until) {
            &clause::W_7
        } else if since.is_set() || until.is_set() {
            &clause::L_4
        } else if count != Count::All {
            &clause::L_3
        } else {
            &clause::L_2
        }
    }

    /// Whether it is one of the few for quick runs: no more than one condition beside an app.
    fn is_quick(&self) -> bool {
        let is_set = [
            self.count != Count::All,
            self.since != Place::Zero,
            self.until != Place::Zero,
        ];
        is_set.into_iter().filter(|is_set| *is_set).count() < 2
    }

    /// The request, for the lines that the host has now.
    fn request(&self, stage: &Stage) -> Result<GetLogsRequest, Objection> {
        let all = GetLogsRequest {
            since_time: self.since.second(),
            until_time: self.until.second(),
            ..of_app(self.pod, self.app.name())
        };
        let left = due(stage, &all)?.map_or(0, |lines| lines.len());
        Ok(GetLogsRequest {
            lines: self.count.of(left),
            ..all
        })
    }
}

pub(super) fn cases() -> Vec<Case> {
    [instant(), split(), must(), following()]
        .into_iter()
        .flatten()
        .collect()
}

/// Everything at once, on the pod where it makes a difference how what was decided is read.
fn instant() -> Vec<Case> {
    let mut cases = Vec::new();
    for (app, count, since, until) in product(&App::ALL, &Place::ALL) {
        let combination = Combination {
            pod: RICH,
            app,
            count,
            since,
            until,
        };
        cases.push(case(combination, format!("rich/{combination}")).decided());
    }
    cases
}

/// How many lines come of the messages that are split.
const SPLIT_LINES: i32 = 12;

/// Each number of lines of messages that begin and end with newlines, or are nothing else.
fn split() -> Vec<Case> {
    let (app, _) = SHORT[1];
    let cases = (1..=SPLIT_LINES).map(|lines| {
        let request = GetLogsRequest {
            lines,
            ..of_app(MESSAGES, app)
        };
        checked(&clause::L_3, format!("{app}/lines:{lines}"), request).decided()
    });
    cases.collect()
}

/// Where it makes no difference: each line is an entry of an app's, and none is near the
/// beginning of a second.
fn must() -> Vec<Case> {
    let places = [
        Place::Zero,
        Place::Before,
        Place::Next,
        Place::Gap,
        Place::After,
        Place::Future,
    ];
    let mut cases = Vec::new();
    for (app, count, since, until) in product(&PLAIN_APPS.map(App::Listed), &places) {
        let combination = Combination {
            pod: PLAIN,
            app,
            count,
            since,
            until,
        };
        let case = case(combination, format!("plain/{combination}"));
        let is_decided = count == Count::Negative || since.shuts(until);
        cases.push(match is_decided {
            true => case.decided(),
            false => case,
        });
    }
    cases
}

fn product(apps: &[App], places: &[Place]) -> impl Iterator<Item = (App, Count, Place, Place)> {
    apps.iter().flat_map(move |app| {
        Count::ALL.into_iter().flat_map(move |count| {
            places.iter().flat_map(move |since| {
                places
                    .iter()
                    .map(move |until| (*app, count, *since, *until))
            })
        })
    })
}

fn case(combination: Combination, content: String) -> Case {
    let check = move |stage: Stage| async move {
        let request = combination.request(&stage)?;
        check(&stage, &request).await
    };
    let case = Case::new(Method::GetLogs, combination.clause(), content, check);
    let case = case.on(On::Still(&STILL));
    match combination.is_quick() {
        true => case,
        false => case.thorough(),
    }
}

/// Followers of a pod that writes nothing, with bounds at every place, each in the company of
/// every app and count.
fn following() -> Vec<Case> {
    let mut cases = Vec::new();
    for since in Place::ALL {
        for until in Place::ALL {
            let clause = match () {
                () if since.is_odd() || until.is_odd() || since.shuts(until) => &clause::W_7,
                () if since.is_future() || until.is_set() && !until.is_future() => &clause::L_7,
                () if since.is_set() || until.is_set() => &clause::L_4,
                () => &clause::L_6,
            };
            let content = format!("follow/since:{since},until:{until}");
            let check = move |stage| follow(stage, since, until);
            let case = Case::new(Method::GetLogs, clause, content, check);
            let case = case.on(On::Still(&STILL)).decided();
            cases.push(match (since, until) {
                (Place::Zero | Place::At | Place::Far, Place::Zero | Place::Last) => case,
                _ => case.thorough(),
            });
        }
    }
    cases
}

async fn follow(stage: Stage, since: Place, until: Place) -> Verdict {
    // Followers share nothing with others who call.
    let client = stage.setting()?.connect().await?;
    let mut followers = Vec::new();
    for app in App::ALL {
        for count in Count::ALL {
            let combination = Combination {
                pod: RICH,
                app,
                count,
                since,
                until,
            };
            let request = combination.request(&stage)?;
            if due(&stage, &request)?.is_err() {
                check(
                    &stage,
                    &GetLogsRequest {
                        follow: true,
                        ..request
                    },
                )
                .await?;
                continue;
            }
            followers.push(Follower::open_on(&stage, &client, request).await?);
        }
    }
    for follower in &mut followers {
        follower.first(&stage).await?;
    }
    tokio::time::sleep(SILENCE).await;
    followers.iter().try_for_each(|it| it.judge(&stage))
}
