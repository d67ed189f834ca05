//! The cases, by method. What a method's cases have in common with another's is in a module of
//! its own: `fields` for what is true of one message, `filtering` for lists under filters.
//! Names of cases are stable; new ones are added, none is renamed.

mod described;
mod disk;
mod events;
mod fields;
mod filtering;
mod get_info;
mod ids;
mod image_conditions;
mod image_fields;
mod image_filters;
mod image_states;
mod inspect_image;
mod inspect_pod;
mod list_images;
mod list_pods;
mod logs;
mod naming;
mod pod_conditions;
mod pod_fields;
mod pod_filters;
mod pod_states;
mod streams;
mod wire;

pub(crate) use filtering::Fields;
pub(crate) use image_filters::ImageField;
pub(crate) use naming::inspected_as_expected;
pub(crate) use pod_filters::PodField;

use crate::{
    case::{Case, On},
    hosts::{self, HostDef},
};

/// All cases, in the order in which they are run.
pub fn all() -> Vec<Case> {
    [
        get_info::cases(),
        wire::cases(),
        on(&hosts::STATES, list_pods::cases()),
        on(&hosts::STATES, pod_fields::cases()),
        pod_states::cases(),
        on(&hosts::STATES, inspect_pod::cases()),
        on(&hosts::IMAGES, list_images::cases()),
        on(&hosts::IMAGES, image_fields::cases()),
        image_states::cases(),
        on(&hosts::IMAGES, inspect_image::cases()),
        naming::cases(),
        pod_filters::cases(),
        pod_conditions::cases(),
        image_filters::cases(),
        image_conditions::cases(),
        events::cases(),
        logs::cases(),
        disk::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The same cases where the suite makes hosts: on the one that has most for them to look at.
fn on(host: &'static HostDef, cases: Vec<Case>) -> Vec<Case> {
    let on_host = |case: Case| case.on(On::Any(host));
    cases.into_iter().map(on_host).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clause;

    #[test]
    fn names_are_unique_and_one_word() {
        let mut names = BTreeSet::new();
        for case in all() {
            assert!(names.insert(case.name().to_owned()), "{case:?} twice");
            assert!(!case.name().contains(char::is_whitespace), "{case:?}");
        }
    }

    #[test]
    fn every_clause_has_a_case() {
        let cases = all();
        for clause in clause::ALL {
            let checked = cases.iter().any(|case| case.clause() == *clause);
            assert!(checked, "{}", clause.id);
        }
    }

    #[test]
    fn quick_runs_have_a_case_of_every_clause() {
        let ids = |cases: &mut dyn Iterator<Item = &Case>| {
            cases.map(|case| case.clause().id).collect::<BTreeSet<_>>()
        };
        let cases = all();
        let quick = ids(&mut cases.iter().filter(|case| case.is_quick()));
        // These take many events.
        let slow = ["E-13", "E-14"];
        let mut all = ids(&mut cases.iter());
        all.retain(|id| !slow.contains(id));
        assert_eq!(quick, all);
    }

    #[test]
    fn every_subset_has_a_hit_and_its_misses() {
        let count = |prefix: &str, infix: &str| {
            let names = all();
            let names = names.iter().map(Case::name);
            names
                .filter(|name| name.starts_with(prefix) && name.contains(infix))
                .filter(|name| !name.contains("/or:"))
                .count()
        };
        // One for each subset but the empty one, and one for each field in each subset.
        for detail in ["detail", "brief"] {
            let hit = format!("/hit/{detail}");
            assert_eq!(count("ListPods/F-P9/", &hit), 255);
            assert_eq!(count("ListImages/F-I7/", &hit), 511);
        }
        assert_eq!(count("ListPods/F-P9/", "/miss:"), 2 * 8 * 128);
        assert_eq!(count("ListImages/F-I7/", "/miss:"), 2 * 9 * 256);
    }
}
