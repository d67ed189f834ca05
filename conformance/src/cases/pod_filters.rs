//! ListPods under filters: the eight fields (F-P1 to F-P8), and values that are easily taken
//! for something else (W-4, W-8, P-17).

use rkt_api::api::{KeyValue, Pod, PodFilter, PodState};

use super::filtering::{self, Fields, Filters, other_than, richest, twice};
use crate::{
    case::Case,
    clause::{self, Clause},
    filters::PodFacts,
};

/// How many other pods' ids stand in a condition beside the pivot's.
const OTHERS: usize = 3;

/// An id that pods do not have. It would do no harm if one had.
pub(super) const NO_POD: &str = "ffffffff-ffff-ffff-ffff-fffffffffff0";

/// A number that is no state.
const NO_STATE: i32 = 4711;

/// A cgroup that no pod is in, nor above.
const NO_CGROUP: &str = "/no-such.slice/no-such.scope";

/// The states of the proto.
pub(super) const STATES: [PodState; 9] = [
    PodState::Undefined,
    PodState::Embryo,
    PodState::Preparing,
    PodState::Prepared,
    PodState::Running,
    PodState::AbortedPrepare,
    PodState::Exited,
    PodState::Deleting,
    PodState::Garbage,
];

/// The fields of a pod filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodField {
    Ids,
    States,
    AppNames,
    ImageIds,
    NetworkNames,
    Annotations,
    Cgroups,
    PodSubCgroups,
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = filtering::common::<Pod>();
    let mut add = |clause, content: &str, make: fn(&[PodFacts]) -> Filters<Pod>| {
        cases.extend(filtering::cases::<Pod>(clause, content, make));
    };
    add(&clause::W_4, "unknown-state", |_| Ok(states(&[NO_STATE])));
    add(&clause::W_4, "negative-state", |_| Ok(states(&[-1])));
    add(&clause::W_4, "largest-state", |_| Ok(states(&[i32::MAX])));
    add(&clause::W_4, "unknown-and-known-state", |all| {
        let (pivot, _) = richest::<Pod>(all)?;
        Ok(states(&[NO_STATE, pivot.state]))
    });
    add(&clause::W_4, "unknown-state-or-hit", |all| {
        let (pivot, _) = richest::<Pod>(all)?;
        let mut filters = states(&[NO_STATE]);
        filters.push(with_value(PodField::Ids, &pivot.id));
        Ok(filters)
    });
    let not_for_filters = filtering::cases::<Pod>(&clause::P_17, "not-for-filters", |all| {
        let (pivot, _) = richest::<Pod>(all)?;
        let beginning: String = pivot.id.chars().take(8).collect();
        Ok(vec![PodFilter {
            ids: vec![beginning, pivot.id.to_uppercase()],
            ..PodFilter::default()
        }])
    });
    cases.extend(not_for_filters.map(Case::decided));
    for field in Pod::FIELDS.iter().filter(|f| **f != PodField::States) {
        let name = Pod::name(*field);
        cases.extend(filtering::cases::<Pod>(
            &clause::W_8,
            format_args!("empty:{name}"),
            |_| Ok(vec![with_value(*field, "")]),
        ));
        cases.extend(filtering::cases::<Pod>(
            &clause::W_8,
            format_args!("upper-case:{name}"),
            |all| upper_case(*field, all),
        ));
    }
    cases
}

fn states(states: &[i32]) -> Vec<PodFilter> {
    vec![PodFilter {
        states: states.to_vec(),
        ..PodFilter::default()
    }]
}

impl Fields for Pod {
    type Field = PodField;

    const FIELDS: &'static [PodField] = &[
        PodField::Ids,
        PodField::States,
        PodField::AppNames,
        PodField::ImageIds,
        PodField::NetworkNames,
        PodField::Annotations,
        PodField::Cgroups,
        PodField::PodSubCgroups,
    ];
    const FILTERS: &'static Clause = &clause::F_P0;
    const SUBSETS: &'static Clause = &clause::F_P9;

    fn name(field: PodField) -> &'static str {
        match field {
            PodField::Ids => "ids",
            PodField::States => "states",
            PodField::AppNames => "app_names",
            PodField::ImageIds => "image_ids",
            PodField::NetworkNames => "network_names",
            PodField::Annotations => "annotations",
            PodField::Cgroups => "cgroups",
            PodField::PodSubCgroups => "pod_sub_cgroups",
        }
    }

    fn can_pick(field: PodField, pivot: &PodFacts) -> bool {
        match field {
            PodField::Ids | PodField::States => true,
            PodField::AppNames => !pivot.app_names.is_empty(),
            PodField::ImageIds => !pivot.image_ids.is_empty(),
            PodField::NetworkNames => !pivot.network_names.is_empty(),
            PodField::Annotations => !pivot.annotations.is_empty(),
            PodField::Cgroups | PodField::PodSubCgroups => !pivot.cgroup.is_empty(),
        }
    }

    /// Where any of the values will do, one that does not fit stands before the pivot's; where
    /// all have to, all of the pivot's are there.
    fn hit(field: PodField, filter: &mut PodFilter, pivot: &PodFacts, _all: &[PodFacts]) {
        match field {
            PodField::Ids => filter.ids = vec![NO_POD.to_owned(), pivot.id.clone()],
            PodField::States => filter.states = vec![NO_STATE, pivot.state],
            PodField::AppNames => filter.app_names = pivot.app_names.clone(),
            PodField::ImageIds => filter.image_ids = pivot.image_ids.clone(),
            PodField::NetworkNames => filter.network_names = pivot.network_names.clone(),
            PodField::Annotations => filter.annotations = pivot.annotations.clone(),
            PodField::Cgroups => {
                filter.cgroups = vec![NO_CGROUP.to_owned(), pivot.cgroup.clone()];
            }
            PodField::PodSubCgroups => {
                let below = format!("{}/system.slice/app.service", pivot.cgroup);
                filter.pod_sub_cgroups = vec![NO_CGROUP.to_owned(), below];
            }
        }
    }

    /// Where any of the values will do, none fits the pivot, though some fit others; where all
    /// have to, one is missing.
    fn miss(field: PodField, filter: &mut PodFilter, pivot: &PodFacts, all: &[PodFacts]) {
        match field {
            PodField::Ids => {
                let others = all.iter().map(|pod| &pod.id).filter(|id| **id != pivot.id);
                filter.ids = others.take(OTHERS).cloned().collect();
                filter.ids.push(NO_POD.to_owned());
            }
            PodField::States => {
                let others = STATES.map(i32::from).into_iter();
                filter.states = others.filter(|state| *state != pivot.state).collect();
            }
            PodField::AppNames => {
                let others = all.iter().flat_map(|pod| &pod.app_names);
                filter.app_names = and_another(&pivot.app_names, others);
            }
            PodField::ImageIds => {
                let others = all.iter().flat_map(|pod| &pod.image_ids);
                filter.image_ids = and_another(&pivot.image_ids, others);
            }
            PodField::NetworkNames => {
                let others = all.iter().flat_map(|pod| &pod.network_names);
                filter.network_names = and_another(&pivot.network_names, others);
            }
            PodField::Annotations => {
                filter.annotations = and_another_value(&pivot.annotations);
            }
            PodField::Cgroups => {
                let others = all.iter().map(|pod| &pod.cgroup);
                let others = others.filter(|c| !c.is_empty() && **c != pivot.cgroup);
                filter.cgroups = others.take(OTHERS).cloned().collect();
                filter.cgroups.push(format!("{}/below", pivot.cgroup));
            }
            PodField::PodSubCgroups => {
                // The pod's cgroup begins with it, not the other way round.
                let mut above = pivot.cgroup.clone();
                above.pop();
                filter.pod_sub_cgroups = vec![above];
            }
        }
    }

    fn double(filter: &PodFilter) -> PodFilter {
        PodFilter {
            ids: twice(&filter.ids),
            states: twice(&filter.states),
            app_names: twice(&filter.app_names),
            image_ids: twice(&filter.image_ids),
            network_names: twice(&filter.network_names),
            annotations: twice(&filter.annotations),
            cgroups: twice(&filter.cgroups),
            pod_sub_cgroups: twice(&filter.pod_sub_cgroups),
        }
    }
}

/// A filter with one value, or for annotations with it as key and value.
pub(super) fn with_value(field: PodField, value: &str) -> PodFilter {
    with_values(field, vec![value.to_owned()])
}

/// A filter with these values, or for annotations with them as keys and values. States are no
/// text and have none.
pub(super) fn with_values(field: PodField, values: Vec<String>) -> PodFilter {
    let mut filter = PodFilter::default();
    match field {
        PodField::States => {}
        PodField::Ids => filter.ids = values,
        PodField::AppNames => filter.app_names = values,
        PodField::ImageIds => filter.image_ids = values,
        PodField::NetworkNames => filter.network_names = values,
        PodField::Annotations => {
            let pair = |value: String| KeyValue {
                key: value.clone(),
                value,
            };
            filter.annotations = values.into_iter().map(pair).collect();
        }
        PodField::Cgroups => filter.cgroups = values,
        PodField::PodSubCgroups => filter.pod_sub_cgroups = values,
    }
    filter
}

/// A filter with some pod's value in upper case; of an annotation, only the key.
fn upper_case(field: PodField, all: &[PodFacts]) -> Filters<Pod> {
    let mut filters = all.iter().filter_map(|pod| {
        let text = match field {
            PodField::States => return None,
            PodField::Ids => &pod.id,
            PodField::AppNames => pod.app_names.first()?,
            PodField::ImageIds => pod.image_ids.first()?,
            PodField::NetworkNames => pod.network_names.first()?,
            PodField::Annotations => &pod.annotations.first()?.key,
            PodField::Cgroups | PodField::PodSubCgroups => &pod.cgroup,
        };
        let upper = text.to_uppercase();
        let mut filter = with_value(field, &upper);
        if let (Some(wanted), Some(pair)) =
            (filter.annotations.first_mut(), pod.annotations.first())
        {
            wanted.value.clone_from(&pair.value);
        }
        (upper != *text).then_some(filter)
    });
    match filters.next() {
        Some(filter) => Ok(vec![filter]),
        None => Err(format!("no listed pod has lower-case {}", Pod::name(field))),
    }
}

/// `values` and one that is not among them: one of `others` where there is such.
fn and_another<'a>(values: &[String], mut others: impl Iterator<Item = &'a String>) -> Vec<String> {
    let another = others.find(|other| !values.contains(other)).cloned();
    let another = another.unwrap_or_else(|| {
        let first = values.first().map_or("", String::as_str);
        other_than(first, values)
    });
    values.iter().cloned().chain([another]).collect()
}

/// `pairs` and one that is not among them: a known key with a value that it does not have.
pub(super) fn and_another_value(pairs: &[KeyValue]) -> Vec<KeyValue> {
    let values: Vec<String> = pairs.iter().map(|pair| pair.value.clone()).collect();
    let another = pairs.first().map(|pair| KeyValue {
        key: pair.key.clone(),
        value: other_than(&pair.value, &values),
    });
    pairs.iter().cloned().chain(another).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::pod_meets;

    fn pod(id: &str, app: &str, network: &str) -> PodFacts {
        let values = |value: &str| vec![value.to_owned()];
        PodFacts {
            id: id.to_owned(),
            state: PodState::Running.into(),
            app_names: values(app),
            image_ids: values("sha512-ab"),
            network_names: values(network),
            annotations: vec![KeyValue {
                key: "k".to_owned(),
                value: "v".to_owned(),
            }],
            cgroup: format!("/machine.slice/{id}"),
        }
    }

    #[test]
    fn a_hit_hits_and_a_miss_misses() {
        let all = [pod("a", "web", "default"), pod("b", "db", "default")];
        for pivot in &all {
            for &field in Pod::FIELDS {
                assert!(Pod::can_pick(field, pivot));
                let mut hit = PodFilter::default();
                Pod::hit(field, &mut hit, pivot, &all);
                assert_ne!(hit, PodFilter::default(), "{field:?}");
                assert!(pod_meets(&hit, pivot), "{hit:?}");
                assert!(pod_meets(&Pod::double(&hit), pivot), "{hit:?}");
                let mut miss = PodFilter::default();
                Pod::miss(field, &mut miss, pivot, &all);
                assert!(!pod_meets(&miss, pivot), "{miss:?}");
            }
        }
    }
}
