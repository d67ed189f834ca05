//! The scenes in which cases listen: who plays the script, when, and how cases take part.
//!
//! In `lives`, `bounds` and `clock` the same script is played, its groups at three tenths of
//! successive seconds. After the early ones the moment [`JOIN`] is named, at the half of a
//! second, and cases that join late do so then; the late groups begin with the next second
//! but one. In `rush` nothing waits for anything, and in the others nothing is played: they are
//! there so that cases which wait do so together.

use std::{pin::Pin, time::Duration};

use rkt_sim::live::step::{Ending, Holder, Step, Transaction};
use uuid::Uuid;

use super::{
    judge::{SECOND_NS, sleep_until},
    script::{self, Group},
};
use crate::{
    case::{Objection, Verdict},
    clock,
    hosts::{EMPTY, events as hosts},
    stage::{Director, SceneDef, Stage},
};

/// When cases join that are late.
pub(super) const JOIN: &str = "join";

/// How long the cases of a scene may take to open their first streams.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far into a second its group is played.
const INTO_SECOND_NS: i64 = 300_000_000;

/// Listeners from the beginning, and questions about the past when all is over.
pub(super) static LIVES: SceneDef = SceneDef {
    name: "events-lives",
    host: &hosts::OLD,
    script: lives,
};

/// Listeners that join in the middle, with every subset of conditions.
pub(super) static BOUNDS: SceneDef = SceneDef {
    name: "events-bounds",
    host: &hosts::OLD,
    script: lives,
};

/// Listeners that join in the middle, with bounds before, now and to come.
pub(super) static CLOCK: SceneDef = SceneDef {
    name: "events-clock",
    host: &hosts::OLD,
    script: lives,
};

/// As much as can be played, as fast as it can.
pub(super) static RUSH: SceneDef = SceneDef {
    name: "events-rush",
    host: &hosts::OLD,
    script: rush,
};

/// Listeners on a host where nothing happens, and nobody has to wait for others to wait.
pub(super) static SILENCE: SceneDef = SceneDef {
    name: "events-silence",
    host: &hosts::OLD,
    script: nothing,
};

/// Listeners who have each something happen themselves.
pub(super) static CALLS: SceneDef = SceneDef {
    name: "events-calls",
    host: &hosts::OLD,
    script: nothing,
};

/// More than a server keeps for a listener who does not read.
pub(super) static SLOW: SceneDef = SceneDef {
    name: "events-slow",
    host: &EMPTY,
    script: slow,
};

type Playing = Pin<Box<dyn Future<Output = Verdict> + Send>>;

fn nothing(_: Stage, _: Director) -> Playing {
    Box::pin(async { Ok(()) })
}

fn lives(stage: Stage, director: Director) -> Playing {
    Box::pin(async move {
        director.all_ready(PATIENCE).await;
        let begin_s = next_second();
        let next_s = play(&stage, begin_s, script::early()).await?;
        sleep_until(next_s * SECOND_NS + SECOND_NS / 2).await;
        director.mark(JOIN);
        play(&stage, first_late_s(clock::now_unix_ns()), script::late()).await?;
        Ok(())
    })
}

/// The second in which the first of the late groups is played, when cases were to join at
/// `joined_unix_ns`.
pub(super) fn first_late_s(joined_unix_ns: i64) -> i64 {
    joined_unix_ns.div_euclid(SECOND_NS) + 2
}

fn next_second() -> i64 {
    clock::now_unix_ns().div_euclid(SECOND_NS) + 1
}

/// Plays a group in each second from `begin_s` on, and says which second would be next.
async fn play(stage: &Stage, begin_s: i64, groups: Vec<Group>) -> Result<i64, Objection> {
    let mut second = begin_s;
    for group in groups {
        sleep_until(second * SECOND_NS + INTO_SECOND_NS).await;
        for step in group {
            stage.play(step).await?;
        }
        second += 1;
    }
    Ok(second)
}

/// How many pods live one after the other for [`SLOW`], and how many apps each has. Each app
/// makes two events of at least 290 bytes: together more than the 10,000 that wait in a server
/// and the two megabytes that wait in a connection.
const SLOW_PODS: usize = 22;
const SLOW_APPS: usize = 400;

/// How long the names of these apps are: nearly what a file's name can be, with what is put
/// after it.
const SLOW_NAME_LEN: usize = 239;

/// How many events that makes: each pod is prepared, started and exited.
pub(super) const SLOW_EVENTS: usize = SLOW_PODS * (3 + 2 * SLOW_APPS);

fn slow(stage: Stage, director: Director) -> Playing {
    Box::pin(async move {
        director.all_ready(PATIENCE).await;
        let name = |n| format!("{n:0>4}-{:x>1$}", "", SLOW_NAME_LEN - 5);
        let names: Vec<String> = (0..SLOW_APPS).map(name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let pods = (0..SLOW_PODS).map(|n| Uuid::from_u128(0x510e_4f58_8e21 << 80 | n as u128));
        let pods: Vec<Uuid> = pods.collect();
        // Overlays are cheap: nothing is written for the apps' own files.
        let prepared = pods.iter().flat_map(|&pod| {
            let mut steps = script::prepare(pod, &names, true);
            steps.push(Step::Prepared { pod });
            steps
        });
        let lived = pods.iter().flat_map(|&pod| {
            let run = script::run(pod, Holder::Simulator, None);
            [run, script::exit(pod, Ending::Close)].concat()
        });
        for step in prepared.chain(lived) {
            stage.play(step).await?;
        }
        Ok(())
    })
}

/// How many pods live in a rush.
const RUSH_PODS: usize = 60;

/// How many of them have lived before anybody joins.
const RUSH_BEFORE: usize = 12;

fn rush(stage: Stage, director: Director) -> Playing {
    Box::pin(async move {
        director.all_ready(PATIENCE).await;
        for n in 0..RUSH_PODS {
            if n == RUSH_BEFORE {
                director.mark(JOIN);
            }
            for step in rushed(n) {
                stage.play(step).await?;
            }
        }
        Ok(())
    })
}

/// The pod that lives as the `n`th.
fn rushed_pod(n: usize) -> Uuid {
    Uuid::from_u128(0x5eed_0000_1f2e_4c3d_8b4a_0000_0000_0000 + n as u128)
}

/// A whole life without a pause, of different kinds; now and then an image's, too.
fn rushed(n: usize) -> Group {
    let pod = rushed_pod(n);
    let prepare = |apps: &[&str]| script::prepare(pod, apps, false);
    let exit = || script::exit(pod, Ending::Close);
    let marked = || vec![Step::Mark { pod }];
    let run = || script::run(pod, Holder::Simulator, None);
    match n % 6 {
        0 => [prepare(&["a", "b"]), run(), exit(), marked()].concat(),
        1 => [
            prepare(&["a"]),
            vec![Step::Prepared { pod }],
            run(),
            script::app_exit(pod, "a", 1),
            exit(),
        ]
        .concat(),
        2 => [prepare(&[]), vec![Step::Abort { pod }], marked()].concat(),
        3 => [prepare(&["a"]), vec![Step::Prepared { pod }], marked()].concat(),
        4 => [
            prepare(&["z", "a"]),
            run(),
            script::app_exit(pod, "a", 2),
            script::app_exit(pod, "z", 3),
            exit(),
            marked(),
        ]
        .concat(),
        _ => [
            renewed(),
            prepare(&["a"]),
            vec![Step::Run {
                pod,
                holder: Holder::Simulator,
            }],
            exit(),
            marked(),
        ]
        .concat(),
    }
}

/// An image that goes and comes back at once.
fn renewed() -> Group {
    [
        script::remove(hosts::RENEWED, Transaction::Log),
        script::import(hosts::RENEWED, Transaction::Log),
    ]
    .concat()
}
