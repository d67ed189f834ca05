use proptest::prelude::*;

use super::{each_subset, has_pair, is_in, pair, pairs, word, words};
use crate::{
    api::{Image, ImageFilter},
    filter::image_matches,
};

const FIELDS: u32 = 9;

fn images() -> impl Strategy<Value = Image> {
    (word(), word(), -1..6_i64, pairs(), pairs()).prop_map(
        |(id, name, import_timestamp, labels, annotations)| Image {
            id,
            name,
            version: "ab".to_owned(),
            import_timestamp,
            labels,
            annotations,
            ..Image::default()
        },
    )
}

fn filters() -> impl Strategy<Value = ImageFilter> {
    let time = || prop_oneof![-1..6_i64, Just(i64::MAX), Just(i64::MIN)];
    let names = (words(), words(), words(), words(), words());
    (names, pairs(), time(), time(), pairs()).prop_map(
        |(names, labels, imported_after, imported_before, annotations)| {
            let (ids, prefixes, base_names, keywords, full_names) = names;
            ImageFilter {
                ids,
                prefixes,
                base_names,
                keywords,
                labels,
                imported_after,
                imported_before,
                annotations,
                full_names,
            }
        },
    )
}

/// The conditions of `filter` on the fields of `subset`.
fn only(filter: ImageFilter, subset: u32) -> ImageFilter {
    let mut filter = filter;
    for field in 0..FIELDS {
        if subset & (1 << field) == 0 {
            match field {
                0 => filter.ids.clear(),
                1 => filter.prefixes.clear(),
                2 => filter.base_names.clear(),
                3 => filter.keywords.clear(),
                4 => filter.labels.clear(),
                5 => filter.imported_after = 0,
                6 => filter.imported_before = 0,
                7 => filter.annotations.clear(),
                _ => filter.full_names.clear(),
            }
        }
    }
    filter
}

fn plainly_matches(filter: &ImageFilter, image: &Image) -> bool {
    if !filter.ids.is_empty() && !is_in(&image.id, &filter.ids) {
        return false;
    }
    if !filter.full_names.is_empty() && !is_in(&image.name, &filter.full_names) {
        return false;
    }
    let mut beginnings = Vec::new();
    let mut parts = Vec::new();
    let mut base_name = String::new();
    for from in 0..=image.name.len() {
        for to in from..=image.name.len() {
            let part = image.name[from..to].to_owned();
            if from == 0 {
                beginnings.push(part.clone());
            }
            if to == image.name.len() && !part.contains('/') && part.len() > base_name.len() {
                base_name = part.clone();
            }
            parts.push(part);
        }
    }
    for (conditions, candidates) in [
        (&filter.prefixes, beginnings),
        (&filter.base_names, vec![base_name]),
        (&filter.keywords, parts),
    ] {
        let mut found = conditions.is_empty();
        for candidate in candidates {
            if is_in(&candidate, conditions) {
                found = true;
            }
        }
        if !found {
            return false;
        }
    }
    for label in &filter.labels {
        if !has_pair(label, &image.labels) {
            return false;
        }
    }
    for annotation in &filter.annotations {
        if !has_pair(annotation, &image.annotations) {
            return false;
        }
    }
    if filter.imported_after > 0 && image.import_timestamp <= filter.imported_after {
        return false;
    }
    if filter.imported_before > 0 && image.import_timestamp >= filter.imported_before {
        return false;
    }
    true
}

#[test]
fn every_subset_of_fields_agrees_with_the_plain_implementation() {
    let mut outcomes = [0, 0];
    each_subset(
        FIELDS,
        (images(), filters(), filters()),
        |subset, (image, a, b)| {
            let (a, b) = (only(a, subset), only(b, subset));
            let (of_a, of_b) = (plainly_matches(&a, &image), plainly_matches(&b, &image));
            outcomes[usize::from(of_a)] += 1;
            prop_assert_eq!(image_matches(std::slice::from_ref(&a), &image), of_a);
            prop_assert_eq!(image_matches(&[a.clone(), b.clone()], &image), of_a || of_b);
            prop_assert_eq!(image_matches(&[b.clone(), a, b], &image), of_a || of_b);
            prop_assert!(image_matches(&[], &image));
            Ok(())
        },
    );
    // A comparison of nothing but misses would prove little.
    assert!(outcomes.iter().all(|&count| count > 500), "{outcomes:?}");
}

/// An image that a filter with all fields takes, so that each field can be made to miss
/// alone.
fn pivot() -> (Image, ImageFilter) {
    let image = Image {
        id: "sha512-aa".to_owned(),
        name: "coreos.com/etcd".to_owned(),
        version: "v3".to_owned(),
        import_timestamp: 100,
        labels: vec![pair("version", "v3"), pair("os", "linux")],
        annotations: vec![pair("k", "v"), pair("l", "w")],
        ..Image::default()
    };
    let strings = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    let filter = ImageFilter {
        ids: strings(&["sha512-bb", "sha512-aa"]),
        prefixes: strings(&["k8s.io/", "coreos.com/"]),
        base_names: strings(&["redis", "etcd"]),
        keywords: strings(&["redis", "os.com/et"]),
        labels: vec![pair("os", "linux"), pair("version", "v3")],
        imported_after: 99,
        imported_before: 101,
        annotations: vec![pair("l", "w"), pair("k", "v")],
        full_names: strings(&["etcd", "coreos.com/etcd"]),
    };
    (image, filter)
}

/// Changes `filter` so that this field no longer holds for the pivot.
fn miss(filter: &mut ImageFilter, field: u32) {
    let strings = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    match field {
        0 => filter.ids = strings(&["sha512-a", "sha512-aaa", ""]),
        1 => filter.prefixes = strings(&["oreos.com/", "coreos.com/etcd-"]),
        2 => filter.base_names = strings(&["coreos.com/etcd", "etc", "etcd:v3", ""]),
        3 => filter.keywords = strings(&["v3", "etcd:v3", "Etcd"]),
        4 => filter.labels.push(pair("os", "darwin")),
        5 => filter.imported_after = 100,
        6 => filter.imported_before = 100,
        7 => filter.annotations.push(pair("l", "v")),
        _ => filter.full_names = strings(&["etcd", "coreos.com/etcd:v3"]),
    }
}

#[test]
fn each_field_of_each_subset_can_miss_alone() {
    let (image, filter) = pivot();
    for subset in 0..1 << FIELDS {
        let hit = only(filter.clone(), subset);
        assert!(image_matches(std::slice::from_ref(&hit), &image), "{hit:?}");
        for field in (0..FIELDS).filter(|field| subset & (1 << field) != 0) {
            let mut missing = hit.clone();
            miss(&mut missing, field);
            assert!(
                !image_matches(std::slice::from_ref(&missing), &image),
                "{missing:?}"
            );
            assert!(image_matches(&[missing, hit.clone()], &image));
        }
    }
}

#[test]
fn bounds_that_are_not_positive_are_not_set() {
    let image = Image {
        import_timestamp: -5,
        ..Image::default()
    };
    for bound in [0, -1, i64::MIN] {
        let filter = ImageFilter {
            imported_after: bound,
            imported_before: bound,
            ..ImageFilter::default()
        };
        assert!(image_matches(&[filter], &image), "{bound}");
    }
}
