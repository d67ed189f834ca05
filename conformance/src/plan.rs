//! Which cases are tried together: those that share a host. Nothing is run here.

use std::{collections::BTreeMap, num::NonZeroUsize};

use crate::{
    case::{Case, On},
    hosts::HostDef,
    stage::SceneDef,
};

/// A case, and its place in the order in which results are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) number: usize,
    pub(crate) case: &'a Case,
}

/// Cases that share a host.
#[derive(Debug)]
pub(crate) enum Group<'a> {
    /// All cases of a scene.
    Scene(&'static SceneDef, Vec<Turn<'a>>),
    /// One case that changes its host.
    Own(&'static HostDef, Turn<'a>),
    /// Cases on a host that nobody changes.
    Still(&'static HostDef, Vec<Turn<'a>>),
}

/// Groups the cases. Those that wait for time to pass come first, so that the others fill
/// their waiting. A scene of more than `seats` cases is played several times.
pub(crate) fn groups<'a>(cases: &[&'a Case], seats: NonZeroUsize) -> Vec<Group<'a>> {
    let mut scenes = BTreeMap::<&str, (&'static SceneDef, Vec<Turn<'a>>)>::new();
    let mut own = Vec::new();
    let mut still = BTreeMap::<&str, (&'static HostDef, Vec<Turn<'a>>)>::new();
    for (number, case) in cases.iter().copied().enumerate() {
        let turn = Turn { number, case };
        match case.host() {
            On::Scene(scene) => {
                let (_, turns) = scenes.entry(scene.name).or_insert((scene, Vec::new()));
                turns.push(turn);
            }
            On::Own(host) => own.push(Group::Own(host, turn)),
            On::Any(host) | On::Still(host) => {
                let (_, turns) = still.entry(host.name).or_insert((host, Vec::new()));
                turns.push(turn);
            }
        }
    }
    let mut played = Vec::new();
    for (scene, turns) in scenes.into_values() {
        let audiences = turns.chunks(seats.get());
        played.extend(audiences.map(|turns| Group::Scene(scene, turns.to_vec())));
    }
    let still = still
        .into_values()
        .map(|(host, turns)| Group::Still(host, turns));
    played.into_iter().chain(own).chain(still).collect()
}

#[cfg(test)]
mod tests {
    use rkt_sim::spec::HostSpec;

    use super::*;
    use crate::{case::Method, clause, hosts};

    static OTHER: HostDef = HostDef {
        name: "other",
        about: "nothing either",
        spec: HostSpec::default,
    };

    static SCENE: SceneDef = SceneDef {
        name: "scene",
        host: &OTHER,
        script: |_, _| Box::pin(async { Ok(()) }),
    };

    #[test]
    fn cases_that_share_a_host_are_tried_together() {
        let on = [
            On::Any(&hosts::EMPTY),
            On::Own(&OTHER),
            On::Still(&OTHER),
            On::Scene(&SCENE),
            On::Own(&OTHER),
            On::Still(&hosts::EMPTY),
            On::Scene(&SCENE),
            On::Scene(&SCENE),
        ];
        let cases = on
            .map(|on| Case::new(Method::ListPods, &clause::S_1, "x", |_| async { Ok(()) }).on(on));
        let cases: Vec<_> = cases.iter().collect();
        let numbers =
            |turns: &[Turn<'_>]| -> Vec<_> { turns.iter().map(|turn| turn.number).collect() };
        let groups = groups(&cases, const { NonZeroUsize::new(2).unwrap() });
        let groups: Vec<_> = groups
            .iter()
            .map(|group| match group {
                Group::Scene(scene, turns) => (scene.name, numbers(turns)),
                Group::Own(host, turn) => (host.name, vec![turn.number]),
                Group::Still(host, turns) => (host.name, numbers(turns)),
            })
            .collect();
        let expected = [
            ("scene", vec![3, 6]),
            ("scene", vec![7]),
            ("other", vec![1]),
            ("other", vec![4]),
            ("empty", vec![0, 5]),
            ("other", vec![2]),
        ];
        assert_eq!(groups, expected);
    }
}
