//! The scenes in which lines are written while others follow: what is played, and when.

use std::{fs, pin::Pin, time::Duration};

use rkt_api::layout;
use rkt_sim::live::step::{Ending, Step};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    case::{Objection, Verdict},
    cases::streams::{SECOND_NS, sleep_until},
    clock,
    hosts::logs::{HASTY, HOLLOW, LIVING, LIVING_APPS, OVERLAID, SILENT, TALKING},
    stage::{Director, SceneDef, Stage},
};

/// How long the cases of a scene may take to open their first streams.
const PATIENCE: Duration = Duration::from_secs(10);

/// A time in which nothing happens, for those who join in it, or look what has come.
const PAUSE: Duration = Duration::from_millis(900);

/// [`HOLLOW`] has an empty journal directory.
pub(super) const LAID: &str = "laid";
/// Lines have been written, and journals rotated.
pub(super) const WRITTEN: &str = "written";
/// Further ones have been, for those who have joined since.
pub(super) const WRITTEN_MORE: &str = "written-more";
/// The pods have exited.
pub(super) const EXITED: &str = "exited";
/// They are garbage.
pub(super) const MARKED: &str = "marked";
/// They are about to be deleted.
pub(super) const DOOMED: &str = "doomed";
/// They are.
pub(super) const SWEPT: &str = "swept";
/// Late cases join, in the middle of a second.
pub(super) const JOIN: &str = "join";

/// From the first lines of pods to their deletion.
pub(super) static LIVES: SceneDef = SceneDef {
    name: "logs-lives",
    host: &LIVING,
    script: lives,
};

/// Lines in successive seconds, for bounds among them.
pub(super) static CLOCK: SceneDef = SceneDef {
    name: "logs-clock",
    host: &LIVING,
    script: seconds,
};

/// Lines as fast as they can be written, with rotations among them.
pub(super) static RUSH: SceneDef = SceneDef {
    name: "logs-rush",
    host: &LIVING,
    script: rush,
};

type Playing = Pin<Box<dyn Future<Output = Verdict> + Send>>;

fn log(pod: Uuid, app: usize, text: impl Into<String>) -> Step {
    Step::Log {
        pod,
        app: LIVING_APPS[app].to_owned(),
        text: text.into(),
    }
}

fn exit(pod: Uuid) -> Step {
    let by = Ending::Close;
    Step::Exit { pod, by }
}

async fn play(stage: &Stage, steps: impl IntoIterator<Item = Step>) -> Verdict {
    for step in steps {
        stage.play(step).await?;
    }
    Ok(())
}

fn lives(stage: Stage, director: Director) -> Playing {
    Box::pin(async move {
        lay(&stage, HOLLOW)?;
        director.mark(LAID);
        director.all_ready(PATIENCE).await;
        for pod in [TALKING, OVERLAID, HOLLOW] {
            play(&stage, conversation(pod)).await?;
        }
        director.mark(WRITTEN);
        sleep(PAUSE).await;

        for pod in [TALKING, OVERLAID, HOLLOW] {
            play(&stage, rotations(pod)).await?;
        }
        director.mark(WRITTEN_MORE);
        sleep(PAUSE).await;

        play(&stage, hasty()).await?;
        play(&stage, [TALKING, OVERLAID, HOLLOW].map(exit)).await?;
        director.mark(EXITED);
        sleep(PAUSE).await;

        let marked = [TALKING, OVERLAID, HOLLOW].map(|pod| Step::Mark { pod });
        play(&stage, marked).await?;
        director.mark(MARKED);
        sleep(PAUSE).await;

        director.mark(DOOMED);
        // One stays: what is followed of it stays open.
        let swept = [OVERLAID, HOLLOW].map(|pod| Step::Sweep { pod });
        play(&stage, swept).await?;
        director.mark(SWEPT);
        Ok(())
    })
}

/// Lines of every kind, of one app and the other.
fn conversation(pod: Uuid) -> Vec<Step> {
    vec![
        log(pod, 0, "first"),
        log(pod, 1, "second"),
        log(pod, 0, "third\nof three\n\nlines"),
        log(pod, 1, ""),
        log(pod, 1, "fifth\n"),
        Step::Rotate { pod },
        log(pod, 0, "after a rotation"),
        log(pod, 1, "sixth ü 漢字"),
    ]
}

/// Journals of one line each, and one that is put away last.
fn rotations(pod: Uuid) -> Vec<Step> {
    vec![
        log(pod, 0, "more"),
        Step::Rotate { pod },
        log(pod, 1, "alone in a journal"),
        Step::Rotate { pod },
        log(pod, 0, "alone, too"),
        Step::Rotate { pod },
        log(pod, 0, "x".repeat(20_000)),
        log(pod, 1, "last\nline"),
        Step::Rotate { pod },
    ]
}

/// The last lines of a pod that is gone at once.
fn hasty() -> Vec<Step> {
    let pod = HASTY;
    vec![
        log(pod, 0, "in haste"),
        log(pod, 1, "and gone"),
        exit(pod),
        Step::Mark { pod },
        Step::Sweep { pod },
    ]
}

/// Makes the journal directory of a pod without overlay, and tells it the model.
fn lay(stage: &Stage, pod: Uuid) -> Verdict {
    let dir = layout::pod::journal_dir(layout::pod::STAGE1_ROOTFS);
    let place = format!("{}/{}/{pod}/{dir}", layout::PODS, layout::Phase::Run);
    let made = fs::create_dir_all(stage.data_dir()?.join(place));
    made.map_err(|error| Objection::skip(format!("the host cannot be changed: {error}")))?;
    stage.setting()?.shared_world().change(|world| {
        if let Some(pod) = world.pod_mut(pod) {
            pod.journal = Some(Vec::new());
        }
    });
    Ok(())
}

/// How far into a second its group is written.
const INTO_SECOND_NS: i64 = 300_000_000;

/// How many groups are written before most cases join, and after it.
const GROUPS: [i64; 2] = [3, 4];

fn seconds(stage: Stage, director: Director) -> Playing {
    Box::pin(async move {
        director.all_ready(PATIENCE).await;
        let begin_s = clock::now_unix_ns().div_euclid(SECOND_NS) + 1;
        for second in begin_s..begin_s + GROUPS[0] {
            write(&stage, second).await?;
        }
        sleep_until((begin_s + GROUPS[0]) * SECOND_NS + SECOND_NS / 2).await;
        director.mark(JOIN);
        let late_s = first_late_s(clock::now_unix_ns());
        for second in late_s..late_s + GROUPS[1] {
            write(&stage, second).await?;
        }
        // So that everything has come, and the bound after the last group too.
        sleep_until((late_s + GROUPS[1] + 1) * SECOND_NS).await;
        Ok(())
    })
}

/// The second in which the first of the late groups is written, when cases were to join at
/// `joined_unix_ns`.
pub(super) fn first_late_s(joined_unix_ns: i64) -> i64 {
    joined_unix_ns.div_euclid(SECOND_NS) + 2
}

/// Writes a group of lines in a second.
async fn write(stage: &Stage, second: i64) -> Verdict {
    sleep_until(second * SECOND_NS + INTO_SECOND_NS).await;
    let steps = [
        log(TALKING, 0, "one"),
        log(TALKING, 1, "two\nin two lines"),
        log(TALKING, 0, "three"),
    ];
    play(stage, steps).await
}

/// How many lines are written in a rush.
pub(super) const RUSH_LINES: usize = 400;

/// After how many lines the journal is rotated, and after how many cases may join.
const RUSH_PARTS: [usize; 2] = [37, 40];

fn rush(stage: Stage, director: Director) -> Playing {
    Box::pin(async move {
        director.all_ready(PATIENCE).await;
        let pod = SILENT;
        for n in 0..RUSH_LINES {
            play(&stage, [log(pod, n % 2, format!("number {n}"))]).await?;
            if n % RUSH_PARTS[0] == RUSH_PARTS[0] - 1 {
                play(&stage, [Step::Rotate { pod }]).await?;
            }
            if n == RUSH_PARTS[1] {
                director.mark(JOIN);
            }
        }
        play(&stage, [exit(pod)]).await
    })
}
