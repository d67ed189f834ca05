//! S-14 and P-15: one pod after the other is broken in every way that the simulator knows. The
//! others are answered exactly and soon, and the broken one is listed with them. Where the
//! contract says what comes of a damage, that is held, too.

use std::collections::BTreeSet;

use rkt_api::api::Pod as ApiPod;
use rkt_sim::faults::{self, Kind};
use uuid::Uuid;

use super::{
    ask::{self, Modelled as _, after},
    by_hand,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause, environment,
    hosts::disk::{
        EXITED_VICTIMS, PARENT_VICTIMS, RUNNING, RUNNING_VICTIMS, VICTIMS, exited_victim,
        parent_victim, running_victim,
    },
    model::World,
    resource::Resource as _,
    stage::Stage,
};

/// The groups of faults that quick runs try, too: those that stopped rkt's own server.
const QUICK: [&str; 4] = ["pod-manifest", "net-info", "pid", "process"];

/// What is put beside pods breaks none.
const BESIDE: &str = "entry";

/// What a fault comes to in the answers.
enum Consequence {
    /// Exactly this.
    Fixed(fn(&mut World, Uuid)),
    /// The pod is listed, in the state that it was in. The rest is left open.
    Listed,
    /// Whatever it is, the other pods are answered.
    Open,
}

use Consequence::{Fixed, Listed, Open};

pub(super) fn cases() -> Vec<Case> {
    let names = Kind::all().filter(|kind| kind.is_about_pod());
    let groups: BTreeSet<String> = names.map(|kind| group(kind).to_owned()).collect();
    let groups = groups.into_iter().filter(|group| group != BESIDE);
    let listed = QUICK.map(|group| {
        let content = format!("listed/{group}");
        let check = move |stage| broken(stage, group.to_owned());
        Case::new(Method::ListPods, &clause::P_15, content, check).on(On::Own(&VICTIMS))
    });
    let broken = groups.map(|group| {
        let is_quick = QUICK.contains(&group.as_str());
        let content = format!("broken/{group}");
        let case = Case::new(Method::ListPods, &clause::S_14, content, move |stage| {
            broken(stage, group.clone())
        });
        let case = case.on(On::Own(&VICTIMS));
        if is_quick { case } else { case.thorough() }
    });
    broken.chain(listed).collect()
}

/// What is broken, the beginning of the fault's name.
fn group(kind: Kind) -> String {
    let name = kind.name();
    name.split('/').next().unwrap_or_default().to_owned()
}

/// Breaks a pod by each fault of the group, and asks after each of them.
async fn broken(stage: Stage, group: String) -> Verdict {
    ask::about_all_pods(&stage).await?;
    let mut victims = Victims::default();
    let mut listed = BTreeSet::new();
    let mut open = BTreeSet::new();
    let mut count = 0;
    for kind in Kind::all().filter(|kind| self::group(*kind) == group) {
        if kind.name().ends_with("/unreadable") && !environment::is_root() {
            // Then it depends on who the server is.
            continue;
        }
        let Some(id) = victims.make(&stage, kind).await? else {
            continue;
        };
        count += 1;
        match consequence(kind) {
            Fixed(tell) => stage
                .setting()?
                .shared_world()
                .change(|world| tell(world, id)),
            Listed => drop(listed.insert(id.hyphenated().to_string())),
            Open => drop(open.insert(id.hyphenated().to_string())),
        }
        let asked = ask_around(&stage, id, &listed, &open).await;
        asked.map_err(after(format!("{} (pod {id})", kind.sentence())))?;
    }
    match count {
        0 => Err(Objection::skip("no fault of this group fits a pod")),
        _ => Ok(()),
    }
}

/// Both lists, the broken pod, and one that is not.
async fn ask_around(
    stage: &Stage,
    id: Uuid,
    listed: &BTreeSet<String>,
    open: &BTreeSet<String>,
) -> Verdict {
    let world = ask::world(stage)?;
    for detail in [true, false] {
        let request = ApiPod::list_text(&[], detail);
        let mut pods = ask::promptly(&request, ApiPod::list(stage, &[], detail)).await??;
        let expected = ApiPod::listed(&world, stage.profile(), &[], detail);
        let mut expected = expected.unwrap_or_default();
        for id in listed {
            let seen = pods.iter().filter(|pod| pod.id == *id);
            let wanted = expected.iter().find(|pod| pod.message.id == *id);
            let wanted = wanted.map(|pod| pod.message.state);
            let states: Vec<i32> = seen.map(|pod| pod.state).collect();
            if states != wanted.into_iter().collect::<Vec<_>>() {
                return Err(Objection::fail(
                    request,
                    format!("the broken pod {id} once, in state {wanted:?}"),
                    format!("states {states:?}"),
                ));
            }
        }
        let is_fixed = |id: &str| !listed.contains(id) && !open.contains(id);
        pods.retain(|pod| is_fixed(&pod.id));
        expected.retain(|pod| is_fixed(&pod.message.id));
        ask::compare(&request, &expected, &pods)?;
    }
    let text = id.hyphenated().to_string();
    match listed.contains(&text) || open.contains(&text) {
        false => ask::inspect::<ApiPod>(stage, &world, &text).await?,
        // Whatever it is, it is soon.
        true => {
            let request = ApiPod::inspect_text(&text);
            let _ = ask::promptly(&request, ApiPod::inspect(stage, &text)).await?;
        }
    }
    ask::inspect::<ApiPod>(stage, &world, &RUNNING.hyphenated().to_string()).await
}

/// Pods that are still whole.
#[derive(Default)]
struct Victims {
    running: u32,
    parents: u32,
    exited: u32,
}

impl Victims {
    /// Makes the fault in a pod that it fits; `None` where there is none.
    async fn make(&mut self, stage: &Stage, kind: Kind) -> Result<Option<Uuid>, Objection> {
        let running = (self.running < RUNNING_VICTIMS).then(|| running_victim(self.running));
        let parent = (self.parents < PARENT_VICTIMS).then(|| parent_victim(self.parents));
        let exited = (self.exited < EXITED_VICTIMS).then(|| exited_victim(self.exited));
        // A pod whose directory is broken loses its lock: better one that has none.
        let candidates = match group(kind).as_str() {
            "pod" => [exited, None, None],
            _ => [running, parent, exited],
        };
        for id in candidates.into_iter().flatten() {
            let made = by_hand::unseen(stage, move |data_dir| {
                match faults::apply(data_dir, kind, Some(id), id.as_u128() as u64) {
                    Ok(_) => Ok(true),
                    Err(faults::Error::Unfit { .. }) => Ok(false),
                    Err(error) => Err(std::io::Error::other(error)),
                }
            });
            if made.await? {
                self.running += u32::from(Some(id) == running);
                self.parents += u32::from(Some(id) == parent);
                self.exited += u32::from(Some(id) == exited);
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

/// Nothing is to be seen of it.
fn unchanged(_: &mut World, _: Uuid) {}

/// What the contract says of the fault.
fn consequence(kind: Kind) -> Consequence {
    let name = kind.name();
    let (target, how) = name.split_once('/').unwrap_or((&name, ""));
    // Links into the data directory may be followed or not; a stray byte may be read over.
    let is_broken = !matches!(
        how,
        "link-within" | "link-to-pod" | "not-utf8" | "unreadable"
    );
    let is_plain = matches!(
        how,
        "missing"
            | "empty"
            | "truncated"
            | "directory"
            | "fifo"
            | "link-out"
            | "link-out-relative"
            | "link-loop"
            | "sparse"
            | "nested"
            | "junk"
    );
    match (target, how) {
        // What root cannot read is nothing that the suite could make.
        (_, "unreadable") => Fixed(unchanged),
        // S-12: what is no directory is no pod.
        (
            "pod",
            "missing" | "file" | "fifo" | "link-out" | "link-out-relative" | "link-to-pod"
            | "link-within" | "link-loop",
        ) => Fixed(|world, id| drop(world.take(id))),
        ("pod", "empty") => Fixed(|world, id| {
            if let Some(pod) = world.pod_mut(id) {
                pod.manifest = None;
                pod.created_at_ns = None;
                pod.pid = None;
                pod.started_at_ns = None;
                pod.subcgroup = None;
                pod.networks = None;
            }
        }),
        ("pod", _) => Open,
        // P-3
        ("pod-manifest", _) if is_plain => Fixed(World::break_pod_manifest),
        ("pod-manifest", "other-kind" | "array" | "null") => Fixed(World::break_pod_manifest),
        // P-5
        ("net-info", _) if is_plain && is_broken => Fixed(World::break_networks),
        ("net-info", "null" | "object") => Fixed(World::break_networks),
        // P-4, P-8
        ("pid", "missing") => Fixed(|world, id| {
            if let Some(pod) = world.pod_mut(id) {
                pod.pid = None;
                pod.started_at_ns = None;
            }
        }),
        ("pid" | "ppid", "empty" | "junk" | "sparse" | "nested") => Fixed(|world, id| {
            if let Some(pod) = world.pod_mut(id) {
                pod.pid = None;
            }
        }),
        // P-14: whatever is in it, the file is there.
        ("status", "empty" | "blank" | "text") => Fixed(|world, id| {
            if let Some(app) = world.pod_mut(id).and_then(|pod| pod.app_mut("job")) {
                app.exit_code = Some(0);
            }
        }),
        ("status", "missing") => Fixed(|world, id| {
            if let Some(app) = world.pod_mut(id).and_then(|pod| pod.app_mut("job")) {
                app.exit_code = None;
            }
        }),
        ("status", "unknown-app") => Fixed(unchanged),
        // P-6: no process has such a pid.
        ("subcgroup", "missing") => Fixed(|world, id| {
            if let Some(pod) = world.pod_mut(id) {
                pod.subcgroup = None;
            }
        }),
        // Nothing of these is shown.
        ("pod-lock" | "stage1-manifest" | "app-tree-store-id" | "journal" | "journal-dir", _) => {
            Fixed(unchanged)
        }
        _ => Listed,
    }
}
