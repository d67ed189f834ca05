//! Followers of pods that write, rotate their journals, exit, and are deleted (L-6, L-7).

use std::fmt;

use rkt_api::api::GetLogsRequest;
use tonic::Code;

use super::{
    answer::{ask, check_meanwhile, of, of_app, show},
    follower::Follower,
    scenes::{DOOMED, EXITED, LAID, LIVES, MARKED, SWEPT, WRITTEN, WRITTEN_MORE},
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause::{self, Clause},
    hosts::logs::{HASTY, HOLLOW, LIVING_APPS, OVERLAID, TALKING},
    stage::{Seat, Stage},
    text,
};

/// Whose lines are followed: everybody's, the first app's, the second's.
const APPS: [&str; 3] = ["", LIVING_APPS[0], LIVING_APPS[1]];

/// How many lines there may be at first.
const COUNTS: [i32; 6] = [0, 1, 2, 3, 100, i32::MAX];

/// When somebody calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    /// Before anything is written.
    First,
    /// When some has been.
    Later,
}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "from-the-beginning",
            Self::Later => "later",
        })
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for joined in [Joined::First, Joined::Later] {
        for app in APPS {
            for lines in COUNTS {
                let named = if app.is_empty() { "all" } else { app };
                let content = format!("live/{joined}/app:{named},lines:{lines}");
                let request = GetLogsRequest {
                    lines,
                    ..of_app(TALKING, app)
                };
                let case = followed(&clause::L_6, content, request, joined);
                // Which lines are everybody's was decided, and how those of one message count.
                let is_counted = app == LIVING_APPS[0] && (1..100).contains(&lines);
                cases.push(match app.is_empty() || is_counted {
                    true => case.decided(),
                    false => case,
                });
            }
            let named = if app.is_empty() { "all" } else { app };
            let content = format!("deleted/{joined}/app:{named}");
            let doomed = of_app(OVERLAID, app);
            cases.push(followed(&clause::L_6, content, doomed, joined).decided());
        }
        let hollow = of_app(HOLLOW, LIVING_APPS[0]);
        let content = format!("empty-directory/{joined}");
        cases.push(followed(&clause::L_7, content, hollow.clone(), joined));
        let content = format!("empty-directory/{joined}/tail");
        let tail = GetLogsRequest { lines: 2, ..hollow };
        cases.push(followed(&clause::L_7, content, tail, joined));
        let content = format!("empty-directory/{joined}/all");
        cases.push(followed(&clause::L_7, content, of(HOLLOW), joined));
    }
    let scene = |clause, content: &str, check: Check| {
        Case::new(Method::GetLogs, clause, content, check).on(On::Scene(&LIVES))
    };
    cases.extend([
        scene(&clause::L_7, "empty-directory/still-empty", |stage| {
            Box::pin(still_empty(stage))
        }),
        scene(&clause::L_6, "stays-open-at-exit", |stage| {
            Box::pin(stays_open(stage, EXITED))
        }),
        scene(&clause::L_6, "stays-open-at-mark", |stage| {
            Box::pin(stays_open(stage, MARKED))
        }),
        scene(&clause::L_6, "joined-after-exit", |stage| {
            Box::pin(joined_after_exit(stage))
        }),
        scene(&clause::L_6, "deleted-at-once", |stage| {
            Box::pin(hasty(stage))
        })
        .decided(),
        scene(&clause::L_10, "rotated/while-running", |stage| {
            Box::pin(asked(stage, WRITTEN_MORE))
        }),
        scene(&clause::L_10, "rotated/exited", |stage| {
            Box::pin(asked(stage, EXITED))
        }),
        scene(&clause::L_12, "exited", |stage| {
            Box::pin(asked(stage, EXITED))
        }),
        scene(&clause::L_12, "marked", |stage| {
            Box::pin(asked(stage, MARKED))
        }),
        scene(&clause::W_3, "deleted", |stage| Box::pin(deleted(stage))).decided(),
    ]);
    cases
}

type Check = fn(Stage) -> crate::case::Checking;

/// Waits for a moment of the scene, and says when it was.
pub(super) async fn reached(seat: &Seat, mark: &str) -> Result<i64, Objection> {
    let reached = seat.reached(mark).await;
    reached.ok_or_else(|| Objection::skip("the scene ended early"))
}

/// A case that follows from some moment on, through everything that happens.
fn followed(
    clause: &'static Clause,
    content: String,
    request: GetLogsRequest,
    joined: Joined,
) -> Case {
    let check = move |stage: Stage| {
        let request = request.clone();
        async move { follow(&stage, request, joined).await }
    };
    Case::new(Method::GetLogs, clause, content, check).on(On::Scene(&LIVES))
}

async fn follow(stage: &Stage, request: GetLogsRequest, joined: Joined) -> Verdict {
    let seat = stage.seat()?;
    if joined == Joined::Later {
        seat.ready();
        reached(seat, WRITTEN).await?;
    }
    reached(seat, LAID).await?;
    let mut follower = Follower::open(stage, request).await?;
    follower.first(stage).await?;
    seat.ready();
    // Lines come as they are written, not only in the end.
    for mark in [WRITTEN, WRITTEN_MORE] {
        reached(seat, mark).await?;
        follower.catches_up(stage).await?;
    }
    let doomed = reached(seat, DOOMED).await?;
    seat.over().await;
    if is_gone(stage, &follower) {
        follower.ends(stage).await?;
    }
    follower.judge_gone(stage, doomed)
}

fn is_gone(stage: &Stage, follower: &Follower) -> bool {
    let world = stage.world();
    world.is_some_and(|world| follower.pod().is_some_and(|pod| world.pod(pod).is_none()))
}

/// That the journal directory which is still empty has no lines, and is no error.
async fn still_empty(stage: Stage) -> Verdict {
    let seat = stage.seat()?;
    reached(seat, LAID).await?;
    check_meanwhile(&stage, &of(HOLLOW)).await?;
    let request = GetLogsRequest {
        lines: 5,
        ..of_app(HOLLOW, LIVING_APPS[0])
    };
    check_meanwhile(&stage, &request).await?;
    let follower = Follower::open(&stage, request).await?;
    follower.judge(&stage)
}

/// That nothing ends at some moment in the life of the pod.
async fn stays_open(stage: Stage, mark: &str) -> Verdict {
    let seat = stage.seat()?;
    let mut follower = Follower::open(&stage, of_app(TALKING, LIVING_APPS[1])).await?;
    follower.first(&stage).await?;
    seat.ready();
    reached(seat, mark).await?;
    follower.catches_up(&stage).await?;
    reached(seat, DOOMED).await?;
    follower.judge(&stage)
}

/// That there is something to be followed of a pod that has exited: the end of it.
async fn joined_after_exit(stage: Stage) -> Verdict {
    let seat = stage.seat()?;
    seat.ready();
    reached(seat, EXITED).await?;
    let request = GetLogsRequest {
        lines: 4,
        ..of_app(TALKING, LIVING_APPS[1])
    };
    let mut follower = Follower::open(&stage, request).await?;
    follower.first(&stage).await?;
    seat.over().await;
    follower.judge(&stage)
}

/// That the last lines come of a pod that exits, is marked, and deleted in no time.
async fn hasty(stage: Stage) -> Verdict {
    let seat = stage.seat()?;
    let mut follower = Follower::open(&stage, of_app(HASTY, LIVING_APPS[1])).await?;
    follower.first(&stage).await?;
    seat.ready();
    reached(seat, EXITED).await?;
    follower.ends(&stage).await?;
    follower.judge(&stage)
}

/// That a call has everything which is there at some moment, in every part.
async fn asked(stage: Stage, mark: &str) -> Verdict {
    let seat = stage.seat()?;
    seat.ready();
    reached(seat, mark).await?;
    for pod in [OVERLAID, TALKING] {
        for app in APPS {
            for lines in COUNTS {
                let request = GetLogsRequest {
                    lines,
                    ..of_app(pod, app)
                };
                check_meanwhile(&stage, &request).await?;
            }
        }
    }
    Ok(())
}

/// That a pod which is gone is not found.
async fn deleted(stage: Stage) -> Verdict {
    let seat = stage.seat()?;
    seat.ready();
    reached(seat, SWEPT).await?;
    let gone = [OVERLAID, HOLLOW, HASTY];
    for (pod, follow) in gone.into_iter().flat_map(|pod| [(pod, false), (pod, true)]) {
        let request = GetLogsRequest { follow, ..of(pod) };
        let actual = match ask(&stage, &request).await? {
            Err(status) if status.code() == Code::NotFound => continue,
            Err(status) => text::status(&status),
            Ok(_) => "OK".to_owned(),
        };
        return Err(Objection::fail(show(&request), "NOT_FOUND", actual));
    }
    Ok(())
}
