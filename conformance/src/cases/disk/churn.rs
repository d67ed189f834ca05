//! S-11 while pods move: every list has each pod that was there throughout, none twice, and
//! each in a state that it had during the call.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rkt_api::api::Pod;
use rkt_sim::{
    live::step::{Ending, Holder, Step, Write},
    spec::Phase,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    ask::{self, Modelled as _},
    by_hand::pod_dir,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    clock::now_unix_ns,
    hosts::disk::{EXITED, SMALL},
    model::World,
    profile::Profile,
    resource::Resource as _,
    stage::Stage,
    target::Target,
};

/// How long pods move.
const CHURN: Duration = Duration::from_millis(1500);

/// How many pods do.
const MOVING: usize = 12;

/// How many clients ask meanwhile.
const CLIENTS: usize = 3;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(Method::ListPods, &clause::S_11, "churn", churn)
            .on(On::Own(&SMALL))
            .decided(),
        Case::new(
            Method::ListPods,
            &clause::S_11,
            "back-and-forth",
            back_and_forth,
        )
        .on(On::Own(&SMALL))
        .decided(),
    ]
}

/// The states of the pods that are shown, by id.
type States = BTreeMap<String, i32>;

/// A picture of the host that held from some moment within the first range to one within that
/// of the next picture, nanoseconds since the epoch.
struct Picture {
    from_ns: i64,
    until_ns: i64,
    states: States,
}

/// What a client saw.
struct Answer {
    called_ns: i64,
    answered_ns: i64,
    pods: Vec<Pod>,
}

async fn churn(stage: Stage) -> Verdict {
    let is_over = AtomicBool::new(false);
    let clients = connect(&stage).await?;
    let asked = clients.iter().map(|client| ask_on(client, &is_over));
    let asked = futures_util::future::join_all(asked);
    let played = async {
        let played = play(&stage).await;
        is_over.store(true, Ordering::Relaxed);
        played
    };
    let (pictures, answers) = futures_util::future::join(played, asked).await;
    let pictures = pictures?;
    for answers in answers {
        for answer in answers? {
            judge(&pictures, &answer)?;
        }
    }
    ask::about_all_pods(&stage).await
}

async fn connect(stage: &Stage) -> Result<Vec<Target>, Objection> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(stage.setting()?.connect().await?);
    }
    Ok(clients)
}

async fn ask_on(client: &Target, is_over: &AtomicBool) -> Result<Vec<Answer>, Objection> {
    let request = Pod::list_text(&[], false);
    let mut answers = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let called_ns = now_unix_ns();
        let pods = ask::promptly(&request, Pod::list(client, &[], false)).await??;
        answers.push(Answer {
            called_ns,
            answered_ns: now_unix_ns(),
            pods,
        });
    }
    Ok(answers)
}

/// Moves pods through their lives, one step of one pod after the other.
async fn play(stage: &Stage) -> Result<Vec<Picture>, Objection> {
    let profile = stage.profile();
    let mut pictures = vec![Picture {
        from_ns: i64::MIN,
        until_ns: i64::MIN,
        states: states(&*ask::world(stage)?, profile),
    }];
    let mut lives: Vec<_> = (0..MOVING).map(|number| life(id(number))).collect();
    let mut next = MOVING;
    let deadline = Instant::now() + CHURN;
    while Instant::now() < deadline {
        for life in &mut lives {
            let step = match life.next() {
                Some(step) => step,
                None => {
                    *life = self::life(id(next));
                    next += 1;
                    continue;
                }
            };
            let record = stage.play(step).await?;
            pictures.push(Picture {
                from_ns: record.before_unix_ns,
                until_ns: now_unix_ns(),
                states: states(&*ask::world(stage)?, profile),
            });
        }
    }
    Ok(pictures)
}

fn id(number: usize) -> Uuid {
    Uuid::from_u128(0xe940_58da_b2fc_476b_8d3f_b643_0000_0000 + number as u128)
}

/// Every other pod is prepared first; those that run are deleted later than those that don't.
fn life(pod: Uuid) -> impl Iterator<Item = Step> + Send {
    let mut steps = vec![
        Step::Create { pod },
        Step::Lock { pod },
        Step::Prepare { pod },
        Step::Write(Write::new(pod)),
    ];
    let run = Step::Run {
        pod,
        holder: Holder::Simulator,
    };
    let exit = Step::Exit {
        pod,
        by: Ending::Close,
    };
    match pod.as_u128() % 4 {
        0 => steps.extend([run, exit]),
        1 => steps.push(Step::Abort { pod }),
        2 => steps.extend([Step::Prepared { pod }, run, exit]),
        _ => steps.push(Step::Prepared { pod }),
    }
    // Locked before it is swept, so that every state that it has is that of a picture.
    steps.extend([Step::Mark { pod }, Step::Lock { pod }, Step::Sweep { pod }]);
    steps.into_iter()
}

fn states(world: &World, profile: Profile) -> States {
    let listed = Pod::listed(world, profile, &[], false).unwrap_or_default();
    let states = listed.into_iter();
    states
        .map(|pod| (pod.message.id, pod.message.state))
        .collect()
}

fn judge(pictures: &[Picture], answer: &Answer) -> Verdict {
    // The last picture that was complete before the call, and all that began before its end.
    let first = pictures.partition_point(|picture| picture.until_ns <= answer.called_ns);
    let last = pictures.partition_point(|picture| picture.from_ns <= answer.answered_ns);
    let first = first.saturating_sub(1);
    let during = &pictures[first..last.max(first + 1)];
    let request = format!("{}, while pods move", Pod::list_text(&[], false));
    let mut seen = BTreeSet::new();
    for pod in &answer.pods {
        if !seen.insert(&pod.id) {
            let twice = format!("pod {} twice", pod.id);
            return Err(Objection::fail(request, "each pod once", twice));
        }
        let mut had = during
            .iter()
            .filter_map(|picture| picture.states.get(&pod.id));
        if !had.any(|state| *state == pod.state) {
            let had: BTreeSet<_> = during
                .iter()
                .map(|picture| picture.states.get(&pod.id).map_or("not there", state_name))
                .collect();
            return Err(Objection::fail(
                request,
                format!("a state that the pod had during the call: {had:?}"),
                format!("{} (pod {})", state_name(&pod.state), pod.id),
            ));
        }
    }
    let mut throughout = during[0].states.keys();
    let missing = throughout.find(|id| {
        let is_there = |picture: &Picture| picture.states.contains_key(*id);
        during.iter().all(is_there) && !seen.contains(id)
    });
    match missing {
        None => Ok(()),
        Some(id) => Err(Objection::fail(
            request,
            format!("pod {id}, which was there throughout"),
            "an answer without it",
        )),
    }
}

fn state_name(state: &i32) -> &'static str {
    use rkt_api::api::PodState;
    PodState::try_from(*state).map_or("a state that there is not", |state| state.as_str_name())
}

/// A pod that is renamed to and fro without a pause is listed all the same. The pod must not
/// fall through between two looks into two directories.
async fn back_and_forth(stage: Stage) -> Verdict {
    let data_dir = stage.data_dir()?.to_owned();
    let is_over = Arc::new(AtomicBool::new(false));
    let renaming = tokio::task::spawn_blocking({
        let is_over = Arc::clone(&is_over);
        move || {
            let here = data_dir.join(pod_dir(Phase::Run, EXITED));
            let there = data_dir.join(pod_dir(Phase::ExitedGarbage, EXITED));
            while !is_over.load(Ordering::Relaxed) {
                fs::rename(&here, &there)?;
                fs::rename(&there, &here)?;
            }
            Ok::<_, std::io::Error>(())
        }
    });
    let asked = async {
        let request = format!("{}, while a pod moves", Pod::list_text(&[], false));
        let id = EXITED.hyphenated().to_string();
        let deadline = Instant::now() + CHURN;
        while Instant::now() < deadline {
            let pods = ask::promptly(&request, Pod::list(&stage, &[], false)).await??;
            let count = pods.iter().filter(|pod| pod.id == id).count();
            if count != 1 {
                let actual = format!("{count} times");
                return Err(Objection::fail(&request, format!("pod {id} once"), actual));
            }
        }
        Ok(())
    }
    .await;
    is_over.store(true, Ordering::Relaxed);
    let renamed = renaming
        .await
        .map_err(|error| Objection::Bug(error.to_string()))?;
    renamed.map_err(|error| super::by_hand::refused(&error))?;
    asked?;
    ask::about_all_pods(&stage).await
}
