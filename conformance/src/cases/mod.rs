//! The cases, by method. What a method's cases have in common with another's is in a module of
//! its own: `fields` for what is true of one message, `filtering` for lists under filters.
//! Names of cases are stable; new ones are added, none is renamed.

mod fields;
mod filtering;
mod get_info;
mod ids;
mod image_fields;
mod image_filters;
mod inspect_image;
mod inspect_pod;
mod list_images;
mod list_pods;
mod pod_fields;
mod pod_filters;

use crate::case::Case;

/// All cases, in the order in which they are run.
pub fn all() -> Vec<Case> {
    [
        get_info::cases(),
        list_pods::cases(),
        pod_fields::cases(),
        inspect_pod::cases(),
        list_images::cases(),
        image_fields::cases(),
        inspect_image::cases(),
        pod_filters::cases(),
        image_filters::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
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
        assert_eq!(count("ListPods/F-P9/", "/hit"), 255);
        assert_eq!(count("ListPods/F-P9/", "/miss:"), 8 * 128);
        assert_eq!(count("ListImages/F-I7/", "/hit"), 511);
        assert_eq!(count("ListImages/F-I7/", "/miss:"), 9 * 256);
    }
}
