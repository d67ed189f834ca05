//! S-13 on locks that are taken and let go in every way that flock(2) knows: they decide what
//! state a pod is in, and not all of them leave a trace that a server could wait for.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    time::{Duration, Instant},
};

use rkt_sim::spec::Phase;
use uuid::Uuid;

use super::{
    ask::{self, Ask, after},
    by_hand::{self, change, pod_dir},
};
use crate::{
    case::{Case, Checking, Method, Objection, On, Verdict},
    clause,
    hosts::disk::{ABORTED, EXITED, MARKED, NEVER_RAN, SMALL},
    stage::Stage,
};

/// How long a server may hold a lock that somebody needs: it only probes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pods that nobody has locked, in the phases where a lock is seen.
const UNLOCKED: [(&str, Phase, Uuid); 4] = [
    ("prepare", Phase::Prepare, ABORTED),
    ("run", Phase::Run, EXITED),
    ("exited-garbage", Phase::ExitedGarbage, MARKED),
    ("garbage", Phase::Garbage, NEVER_RAN),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, phase, id) in UNLOCKED {
        let case = |content: &str, check: fn(Stage, Phase, Uuid) -> Checking| {
            let content = format!("{content}/{name}");
            Case::new(Method::ListPods, &clause::S_13, content, move |stage| {
                check(stage, phase, id)
            })
            .on(On::Own(&SMALL))
        };
        cases.push(case("lock-on-an-open-directory", |stage, phase, id| {
            Box::pin(on_an_open_directory(stage, phase, id))
        }));
        cases.push(case("lock-opened-before-the-server", |stage, phase, id| {
            Box::pin(opened_before_the_server(stage, phase, id))
        }));
        cases.push(
            case("lock-on-two-descriptors", |stage, phase, id| {
                Box::pin(on_two_descriptors(stage, phase, id))
            })
            .thorough(),
        );
    }
    cases
        .push(Case::new(Method::ListPods, &clause::S_6, "shared-lock", shared).on(On::Own(&SMALL)));
    cases
}

async fn look(stage: &Stage, id: Uuid, what: &str) -> Verdict {
    for ask in [Ask::Brief, Ask::Inspect] {
        let answered = ask::about_pod(stage, ask, id).await;
        answered.map_err(after(what))?;
    }
    Ok(())
}

async fn on_an_open_directory(stage: Stage, phase: Phase, id: Uuid) -> Verdict {
    let dir = open(&stage, phase, id).await?;
    look(&stage, id, "the directory was opened").await?;
    locked_and_let_go(&stage, dir, id).await
}

async fn opened_before_the_server(stage: Stage, phase: Phase, id: Uuid) -> Verdict {
    let dir = open(&stage, phase, id).await?;
    let setting = stage.setting()?;
    setting.restart_server().await?;
    let stage = stage.with_target(setting.connect().await?);
    look(&stage, id, "the start").await?;
    locked_and_let_go(&stage, dir, id).await
}

/// Locks by a descriptor that was open before, lets go by one that stays open, and by closing.
async fn locked_and_let_go(stage: &Stage, dir: File, id: Uuid) -> Verdict {
    let dir = set(stage, dir, id, true).await?;
    look(stage, id, "it was locked by an open descriptor").await?;
    let dir = set(stage, dir, id, false).await?;
    look(stage, id, "it was unlocked by a descriptor that stays open").await?;
    let dir = set(stage, dir, id, true).await?;
    look(stage, id, "it was locked again").await?;
    close(stage, dir, id, false).await?;
    look(stage, id, "the descriptor was closed").await
}

async fn on_two_descriptors(stage: Stage, phase: Phase, id: Uuid) -> Verdict {
    let dir = open(&stage, phase, id).await?;
    let second = dir.try_clone().map_err(|error| by_hand::refused(&error))?;
    let dir = set(&stage, dir, id, true).await?;
    look(&stage, id, "it was locked").await?;
    close(&stage, dir, id, true).await?;
    look(&stage, id, "one of two descriptors of the lock was closed").await?;
    close(&stage, second, id, false).await?;
    look(&stage, id, "the other one was closed, too").await
}

/// Only an exclusive lock counts.
async fn shared(stage: Stage) -> Verdict {
    for (name, phase, id) in UNLOCKED {
        let dir = open(&stage, phase, id).await?;
        let dir = by_hand::unseen(&stage, move |_| {
            dir.try_lock_shared()?;
            Ok(dir)
        })
        .await?;
        look(
            &stage,
            id,
            &format!("it was locked in {name}, but not exclusively"),
        )
        .await?;
        by_hand::unseen(&stage, move |_| {
            drop(dir);
            Ok(())
        })
        .await?;
        look(&stage, id, "the shared lock was let go").await?;
    }
    Ok(())
}

async fn open(stage: &Stage, phase: Phase, id: Uuid) -> Result<File, Objection> {
    by_hand::unseen(stage, move |data_dir| {
        File::open(data_dir.join(pod_dir(phase, id)))
    })
    .await
}

/// Locks or unlocks; the descriptor stays open.
async fn set(stage: &Stage, dir: File, id: Uuid, locked: bool) -> Result<File, Objection> {
    let do_it = move |_: &Path| {
        match locked {
            true => lock(&dir)?,
            false => dir.unlock()?,
        }
        Ok(dir)
    };
    let mut open = None;
    change(stage, do_it, |world, dir, _| {
        open = Some(dir);
        if let Some(pod) = world.pod_mut(id) {
            pod.locked = locked;
        }
    })
    .await?;
    open.ok_or_else(|| Objection::Bug("a lock was not set".to_owned()))
}

/// Closes the descriptor, after which the pod is locked still or not.
async fn close(stage: &Stage, dir: File, id: Uuid, locked: bool) -> Verdict {
    let do_it = move |_: &Path| {
        drop(dir);
        Ok(())
    };
    change(stage, do_it, |world, (), _| {
        if let Some(pod) = world.pod_mut(id) {
            pod.locked = locked;
        }
    })
    .await
}

/// Takes the lock, which the server may hold for the instant of a probe.
pub(super) fn lock(dir: &File) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match dir.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return Ok(other?),
        }
    }
}
