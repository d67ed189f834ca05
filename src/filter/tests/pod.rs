use proptest::{collection::vec, prelude::*};

use super::{each_subset, has_pair, is_in, pair, pairs, word, words};
use crate::{
    api::{App, Image, Network, Pod, PodFilter, PodState},
    filter::pod_matches,
};

const FIELDS: u32 = 8;

fn pods() -> impl Strategy<Value = Pod> {
    let apps = vec((word(), word()), 0..4);
    let state = 0..10;
    (word(), state, apps, words(), pairs(), word()).prop_map(
        |(id, state, apps, networks, annotations, cgroup)| Pod {
            id,
            state,
            apps: apps.into_iter().map(|(name, id)| app(&name, &id)).collect(),
            networks: networks.iter().map(|name| network(name)).collect(),
            annotations,
            cgroup,
            ..Pod::default()
        },
    )
}

fn app(name: &str, image_id: &str) -> App {
    App {
        name: name.to_owned(),
        image: Some(Image {
            id: image_id.to_owned(),
            ..Image::default()
        }),
        ..App::default()
    }
}

fn network(name: &str) -> Network {
    Network {
        name: name.to_owned(),
        ..Network::default()
    }
}

fn filters() -> impl Strategy<Value = PodFilter> {
    let states = vec(0..12, 0..4);
    (
        words(),
        states,
        words(),
        words(),
        words(),
        pairs(),
        words(),
        words(),
    )
        .prop_map(
            |(ids, states, app_names, image_ids, network_names, annotations, cgroups, subs)| {
                PodFilter {
                    ids,
                    states,
                    app_names,
                    image_ids,
                    network_names,
                    annotations,
                    cgroups,
                    pod_sub_cgroups: subs,
                }
            },
        )
}

/// The conditions of `filter` on the fields of `subset`.
fn only(filter: PodFilter, subset: u32) -> PodFilter {
    let mut filter = filter;
    for field in 0..FIELDS {
        if subset & (1 << field) == 0 {
            match field {
                0 => filter.ids.clear(),
                1 => filter.states.clear(),
                2 => filter.app_names.clear(),
                3 => filter.image_ids.clear(),
                4 => filter.network_names.clear(),
                5 => filter.annotations.clear(),
                6 => filter.cgroups.clear(),
                _ => filter.pod_sub_cgroups.clear(),
            }
        }
    }
    filter
}

fn plainly_matches(filter: &PodFilter, pod: &Pod) -> bool {
    if !filter.ids.is_empty() && !is_in(&pod.id, &filter.ids) {
        return false;
    }
    if !filter.states.is_empty() {
        let mut found = false;
        for state in &filter.states {
            if *state == pod.state {
                found = true;
            }
        }
        if !found {
            return false;
        }
    }
    let mut app_names = Vec::new();
    let mut image_ids = Vec::new();
    for app in &pod.apps {
        app_names.push(app.name.clone());
        image_ids.push(app.image.clone().unwrap().id);
    }
    for name in &filter.app_names {
        if !is_in(name, &app_names) {
            return false;
        }
    }
    for id in &filter.image_ids {
        if !is_in(id, &image_ids) {
            return false;
        }
    }
    let mut network_names = Vec::new();
    for network in &pod.networks {
        network_names.push(network.name.clone());
    }
    for name in &filter.network_names {
        if !is_in(name, &network_names) {
            return false;
        }
    }
    for annotation in &filter.annotations {
        if !has_pair(annotation, &pod.annotations) {
            return false;
        }
    }
    if !filter.cgroups.is_empty() && !is_in(&pod.cgroup, &filter.cgroups) {
        return false;
    }
    if !filter.pod_sub_cgroups.is_empty() {
        if pod.cgroup.is_empty() {
            return false;
        }
        let mut found = false;
        for cgroup in &filter.pod_sub_cgroups {
            if cgroup.len() >= pod.cgroup.len() && cgroup[..pod.cgroup.len()] == pod.cgroup {
                found = true;
            }
        }
        if !found {
            return false;
        }
    }
    true
}

#[test]
fn every_subset_of_fields_agrees_with_the_plain_implementation() {
    let mut outcomes = [0, 0];
    each_subset(
        FIELDS,
        (pods(), filters(), filters()),
        |subset, (pod, a, b)| {
            let (a, b) = (only(a, subset), only(b, subset));
            let (of_a, of_b) = (plainly_matches(&a, &pod), plainly_matches(&b, &pod));
            outcomes[usize::from(of_a)] += 1;
            let matches = |filters: &[&PodFilter]| {
                let filters: Vec<_> = filters.iter().copied().cloned().collect();
                pod_matches(&filters, &pod)
            };
            prop_assert_eq!(matches(&[&a]), of_a);
            prop_assert_eq!(matches(&[&a, &b]), of_a || of_b);
            prop_assert_eq!(matches(&[&b, &a, &b]), of_a || of_b);
            prop_assert!(matches(&[]));
            Ok(())
        },
    );
    // A comparison of nothing but misses would prove little.
    assert!(outcomes.iter().all(|&count| count > 500), "{outcomes:?}");
}

/// A pod that a filter with all fields takes, so that each field can be made to miss alone.
fn pivot() -> (Pod, PodFilter) {
    let pod = Pod {
        id: "id".to_owned(),
        state: PodState::Running.into(),
        apps: vec![app("web", "sha512-aa"), app("db", "sha512-bb")],
        networks: vec![network("default"), network("storage")],
        annotations: vec![pair("k", "v"), pair("l", "w")],
        cgroup: "/machine.slice/pod".to_owned(),
        ..Pod::default()
    };
    let strings = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    let filter = PodFilter {
        ids: strings(&["other", "id"]),
        states: vec![PodState::Exited.into(), PodState::Running.into()],
        app_names: strings(&["db", "web"]),
        image_ids: strings(&["sha512-bb", "sha512-aa"]),
        network_names: strings(&["storage", "default"]),
        annotations: vec![pair("l", "w"), pair("k", "v")],
        cgroups: strings(&["/", "/machine.slice/pod"]),
        pod_sub_cgroups: strings(&["/machine.slice", "/machine.slice/pod/web.service"]),
    };
    (pod, filter)
}

/// Changes `filter` so that this field no longer holds for the pivot.
fn miss(filter: &mut PodFilter, field: u32) {
    match field {
        0 => filter.ids = vec!["ID".to_owned(), "i".to_owned(), "id2".to_owned()],
        1 => filter.states = vec![PodState::Exited.into(), 99],
        2 => filter.app_names.push("we".to_owned()),
        3 => filter.image_ids.push("sha512-a".to_owned()),
        4 => filter.network_names.push("host".to_owned()),
        5 => filter.annotations.push(pair("k", "w")),
        6 => filter.cgroups = vec!["/machine.slice".to_owned(), String::new()],
        _ => filter.pod_sub_cgroups = vec!["/machine.slice/po".to_owned(), String::new()],
    }
}

#[test]
fn each_field_of_each_subset_can_miss_alone() {
    let (pod, filter) = pivot();
    for subset in 0..1 << FIELDS {
        let hit = only(filter.clone(), subset);
        assert!(pod_matches(std::slice::from_ref(&hit), &pod), "{hit:?}");
        for field in (0..FIELDS).filter(|field| subset & (1 << field) != 0) {
            let mut missing = hit.clone();
            miss(&mut missing, field);
            assert!(
                !pod_matches(std::slice::from_ref(&missing), &pod),
                "{missing:?}"
            );
            assert!(pod_matches(&[missing, hit.clone()], &pod));
        }
    }
}

#[test]
fn a_pod_without_cgroup_is_above_none() {
    let filter = PodFilter {
        pod_sub_cgroups: vec![String::new(), "/a".to_owned()],
        ..PodFilter::default()
    };
    assert!(!pod_matches(&[filter], &Pod::default()));
}
