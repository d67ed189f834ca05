//! Which cases are tried together: those that share a host. Nothing is run here.

use std::collections::BTreeMap;

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
/// their waiting.
pub(crate) fn groups<'a>(cases: &[&'a Case]) -> Vec<Group<'a>> {
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
    let scenes = scenes
        .into_values()
        .map(|(scene, turns)| Group::Scene(scene, turns));
    let still = still
        .into_values()
        .map(|(host, turns)| Group::Still(host, turns));
    scenes.chain(own).chain(still).collect()
}
