//! S-12 and S-11: what lies beside the pods and is none, and pods that lie in two places.

use std::{fs, path::Path};

use rkt_api::api::Pod as ApiPod;
use rkt_sim::{
    faults::{self, Kind},
    spec::Phase,
};
use uuid::Uuid;

use super::{
    ask::{self, after},
    by_hand::{self, change, pod_dir},
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::disk::{EXITED, MARKED, PREPARED, RUNNING, SMALL},
    model::facts::Pod,
    stage::Stage,
};

/// The faults that put something beside a pod.
const BESIDE: &str = "entry/";

/// The one of them that puts the pod itself there again.
const TWIN: &str = "entry/twin";

pub(super) fn cases() -> Vec<Case> {
    let odd = Kind::all().filter(|kind| kind.name().starts_with(BESIDE) && kind.name() != TWIN);
    let mut cases: Vec<Case> = odd
        .map(|kind| {
            let name = kind.name();
            let content = name.trim_start_matches(BESIDE).to_owned();
            Case::new(Method::ListPods, &clause::S_12, content, move |stage| {
                beside(stage, kind)
            })
            .on(On::Own(&SMALL))
        })
        .collect();
    for (content, id, other) in [
        ("twin/prepare-and-run", EXITED, Phase::Prepare),
        ("twin/embryo-and-run", RUNNING, Phase::Embryo),
        ("twin/run-and-garbage", EXITED, Phase::Garbage),
        ("twin/prepared-and-run", PREPARED, Phase::Run),
        ("twin/embryo-and-exited-garbage", MARKED, Phase::Embryo),
    ] {
        let case = Case::new(Method::ListPods, &clause::S_11, content, move |stage| {
            twin(stage, id, other)
        });
        cases.push(case.on(On::Own(&SMALL)).decided());
    }
    cases
}

/// Puts such a thing beside every pod, in all phases.
async fn beside(stage: Stage, kind: Kind) -> Verdict {
    let pods: Vec<Uuid> = ask::world(&stage)?.pods().map(|pod| pod.id).collect();
    for (seed, id) in (1..).zip(pods) {
        let made = by_hand::unseen(&stage, move |data_dir| {
            let applied = faults::apply(data_dir, kind, Some(id), seed);
            match applied {
                Ok(applied) => Ok(applied.paths),
                // What is named alike lies beside a neighbour already.
                Err(faults::Error::Unfit { .. }) => Ok(Vec::new()),
                Err(error) => Err(std::io::Error::other(error)),
            }
        })
        .await?;
        let world = ask::world(&stage)?;
        let looked = async {
            ask::list::<ApiPod>(&stage, &world, &[], seed % 2 == 0).await?;
            for name in made.iter().filter_map(|path| path.file_name()?.to_str()) {
                ask::inspect::<ApiPod>(&stage, &world, name).await?;
            }
            Ok(())
        };
        looked.await.map_err(after(kind.sentence()))?;
    }
    ask::about_all_pods(&stage).await
}

/// The pod's UUID stands in a second phase, where nothing else is in the directory, and then
/// does no longer.
async fn twin(stage: Stage, id: Uuid, other: Phase) -> Verdict {
    ask::about_all_pods(&stage).await?;
    let world = ask::world(&stage)?;
    let pod = world.pod(id).cloned();
    let pod = pod.ok_or_else(|| Objection::Bug(format!("there is no pod {id}")))?;
    let is_first = Phase::ALL.iter().position(|phase| *phase == other)
        < Phase::ALL.iter().position(|phase| *phase == pod.phase);
    let seen = match is_first {
        true => bare(&pod, other),
        false => pod.clone(),
    };
    let dir = move |data_dir: &Path| data_dir.join(pod_dir(other, id));
    let make = move |data_dir: &Path| fs::create_dir(dir(data_dir));
    change(&stage, make, |world, (), _| world.put(seen)).await?;
    let looked = ask::about_all_pods(&stage).await;
    looked.map_err(after(format!("pod {id} stood in {other}, too")))?;
    let remove = move |data_dir: &Path| fs::remove_dir(dir(data_dir));
    change(&stage, remove, |world, (), _| world.put(pod)).await?;
    let looked = ask::about_all_pods(&stage).await;
    looked.map_err(after(format!("pod {id} was in {other} no longer")))
}

/// A pod of which nothing is there but the directory.
fn bare(pod: &Pod, phase: Phase) -> Pod {
    let mut bare = pod.clone();
    bare.phase = phase;
    bare.locked = false;
    bare.manifest = None;
    bare.created_at_ns = None;
    bare.pid = None;
    bare.started_at_ns = None;
    bare.marked_at_ns = None;
    bare.subcgroup = None;
    bare.networks = None;
    bare.journal = None;
    bare
}
