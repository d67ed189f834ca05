//! ListPods under one condition at a time (F-P1 to F-P8): what just fits and what just does
//! not. Values are made of those on the host.

use rkt_api::api::{KeyValue, Pod, PodFilter, PodState};

use super::{
    filtering::{self, Filters, pivot},
    pod_filters::{NO_POD, PodField, STATES, with_value, with_values},
};
use crate::{
    case::Case,
    clause::{self, Clause},
    filters::PodFacts,
};

/// A condition, and how a filter with it is made.
struct Condition {
    clause: &'static Clause,
    content: &'static str,
    make: fn(&[PodFacts]) -> Result<PodFilter, String>,
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for Condition {
        clause,
        content,
        make,
    } in CONDITIONS
    {
        cases.extend(filtering::cases::<Pod>(clause, content, |all| {
            Ok(vec![make(all)?])
        }));
    }
    for state in STATES {
        let content = format!("states/{state:?}");
        cases.extend(filtering::cases::<Pod>(&clause::F_P2, content, move |_| {
            states(&[state])
        }));
    }
    for (at, first) in STATES.into_iter().enumerate() {
        let second = STATES[(at + 1) % STATES.len()];
        let content = format!("states/{first:?},{second:?}");
        cases.extend(filtering::cases::<Pod>(&clause::F_P2, content, move |_| {
            states(&[first, second])
        }));
    }
    cases.extend(filtering::cases::<Pod>(&clause::F_P2, "states/all", |_| {
        states(&STATES)
    }));
    cases
}

fn states(states: &[PodState]) -> Filters<Pod> {
    Ok(vec![PodFilter {
        states: states.iter().map(|state| (*state).into()).collect(),
        ..PodFilter::default()
    }])
}

const fn condition(
    clause: &'static Clause,
    content: &'static str,
    make: fn(&[PodFacts]) -> Result<PodFilter, String>,
) -> Condition {
    Condition {
        clause,
        content,
        make,
    }
}

static CONDITIONS: &[Condition] = &[
    condition(&clause::F_P1, "ids/one", |all| {
        ids(all, |id| vec![id.to_owned()])
    }),
    condition(&clause::F_P1, "ids/one-and-none", |all| {
        ids(all, |id| vec![NO_POD.to_owned(), id.to_owned()])
    }),
    condition(&clause::F_P1, "ids/all", |all| {
        let ids = all.iter().map(|pod| pod.id.clone());
        Ok(with_values(PodField::Ids, ids.collect()))
    }),
    condition(&clause::F_P1, "ids/none", |_| {
        Ok(with_value(PodField::Ids, NO_POD))
    }),
    condition(&clause::F_P1, "ids/beginning", |all| {
        ids(all, |id| vec![without_last(id)])
    }),
    condition(&clause::F_P1, "ids/longer", |all| {
        ids(all, |id| vec![format!("{id}0")])
    }),
    condition(&clause::F_P1, "ids/without-dashes", |all| {
        ids(all, |id| vec![id.replace('-', "")])
    }),
    condition(&clause::F_P1, "ids/with-blank", |all| {
        ids(all, |id| vec![format!(" {id}"), format!("{id} ")])
    }),
    condition(&clause::F_P3, "app_names/one", |all| {
        of(all, PodField::AppNames, |pod| first(&pod.app_names))
    }),
    condition(&clause::F_P3, "app_names/last", |all| {
        of(all, PodField::AppNames, |pod| last(&pod.app_names))
    }),
    condition(&clause::F_P3, "app_names/all", |all| {
        of(all, PodField::AppNames, |pod| pod.app_names.clone())
    }),
    condition(&clause::F_P3, "app_names/one-and-none", |all| {
        of(all, PodField::AppNames, |pod| {
            and_none(first(&pod.app_names))
        })
    }),
    condition(&clause::F_P3, "app_names/of-all-pods", |all| {
        let names = all.iter().flat_map(|pod| pod.app_names.clone());
        Ok(with_values(PodField::AppNames, names.collect()))
    }),
    condition(&clause::F_P3, "app_names/part", |all| {
        of(all, PodField::AppNames, |pod| shorter(&pod.app_names))
    }),
    condition(&clause::F_P3, "app_names/longer", |all| {
        of(all, PodField::AppNames, |pod| longer(&pod.app_names))
    }),
    condition(&clause::F_P4, "image_ids/one", |all| {
        of(all, PodField::ImageIds, |pod| first(&pod.image_ids))
    }),
    condition(&clause::F_P4, "image_ids/last", |all| {
        of(all, PodField::ImageIds, |pod| last(&pod.image_ids))
    }),
    condition(&clause::F_P4, "image_ids/all", |all| {
        of(all, PodField::ImageIds, |pod| pod.image_ids.clone())
    }),
    condition(&clause::F_P4, "image_ids/one-and-none", |all| {
        of(all, PodField::ImageIds, |pod| {
            and_none(first(&pod.image_ids))
        })
    }),
    condition(&clause::F_P4, "image_ids/beginning", |all| {
        of(all, PodField::ImageIds, |pod| shorter(&pod.image_ids))
    }),
    condition(&clause::F_P4, "image_ids/longer", |all| {
        of(all, PodField::ImageIds, |pod| longer(&pod.image_ids))
    }),
    condition(&clause::F_P5, "network_names/one", |all| {
        of(all, PodField::NetworkNames, |pod| first(&pod.network_names))
    }),
    condition(&clause::F_P5, "network_names/last", |all| {
        of(all, PodField::NetworkNames, |pod| last(&pod.network_names))
    }),
    condition(&clause::F_P5, "network_names/all", |all| {
        of(all, PodField::NetworkNames, |pod| pod.network_names.clone())
    }),
    condition(&clause::F_P5, "network_names/one-and-none", |all| {
        of(all, PodField::NetworkNames, |pod| {
            and_none(first(&pod.network_names))
        })
    }),
    condition(&clause::F_P5, "network_names/part", |all| {
        of(all, PodField::NetworkNames, |pod| {
            shorter(&pod.network_names)
        })
    }),
    condition(&clause::F_P5, "network_names/longer", |all| {
        of(all, PodField::NetworkNames, |pod| {
            longer(&pod.network_names)
        })
    }),
    condition(&clause::F_P6, "annotations/one", |all| {
        annotations(all, |pairs| pairs[..1].to_vec())
    }),
    condition(&clause::F_P6, "annotations/last", |all| {
        annotations(all, |pairs| pairs[pairs.len() - 1..].to_vec())
    }),
    condition(&clause::F_P6, "annotations/all", |all| {
        annotations(all, <[KeyValue]>::to_vec)
    }),
    condition(&clause::F_P6, "annotations/other-value", |all| {
        annotations(all, |pairs| vec![pair(&pairs[0].key, "no such value")])
    }),
    condition(&clause::F_P6, "annotations/no-value", |all| {
        annotations(all, |pairs| vec![pair(&pairs[0].key, "")])
    }),
    condition(&clause::F_P6, "annotations/other-key", |all| {
        annotations(all, |pairs| vec![pair("no-such-key", &pairs[0].value)])
    }),
    condition(&clause::F_P6, "annotations/key-and-value-swapped", |all| {
        annotations(all, |pairs| vec![pair(&pairs[0].value, &pairs[0].key)])
    }),
    condition(&clause::F_P6, "annotations/value-of-another-key", |all| {
        annotations(all, |pairs| {
            vec![pair(&pairs[0].key, &pairs[pairs.len() - 1].value)]
        })
    }),
    condition(&clause::F_P6, "annotations/one-and-none", |all| {
        annotations(all, |pairs| vec![pairs[0].clone(), pair("no-such-key", "")])
    }),
    condition(&clause::F_P7, "cgroups/one", |all| {
        cgroup(all, PodField::Cgroups, str::to_owned)
    }),
    condition(&clause::F_P7, "cgroups/above", |all| {
        cgroup(all, PodField::Cgroups, above)
    }),
    condition(&clause::F_P7, "cgroups/below", |all| {
        cgroup(all, PodField::Cgroups, |cgroup| format!("{cgroup}/app"))
    }),
    condition(&clause::F_P7, "cgroups/longer", |all| {
        cgroup(all, PodField::Cgroups, |cgroup| format!("{cgroup}-2"))
    }),
    condition(&clause::F_P7, "cgroups/without-leading-slash", |all| {
        cgroup(all, PodField::Cgroups, without_first)
    }),
    condition(&clause::F_P7, "cgroups/with-trailing-slash", |all| {
        cgroup(all, PodField::Cgroups, |cgroup| format!("{cgroup}/"))
    }),
    condition(&clause::F_P7, "cgroups/root", |_| {
        Ok(with_value(PodField::Cgroups, "/"))
    }),
    condition(&clause::F_P7, "cgroups/all", |all| {
        let cgroups = all.iter().map(|pod| pod.cgroup.clone());
        let cgroups = cgroups.filter(|cgroup| !cgroup.is_empty());
        Ok(with_values(PodField::Cgroups, cgroups.collect()))
    }),
    condition(&clause::F_P8, "pod_sub_cgroups/itself", |all| {
        cgroup(all, PodField::PodSubCgroups, str::to_owned)
    }),
    condition(&clause::F_P8, "pod_sub_cgroups/below", |all| {
        cgroup(all, PodField::PodSubCgroups, |cgroup| {
            format!("{cgroup}/system.slice/app.service")
        })
    }),
    condition(&clause::F_P8, "pod_sub_cgroups/as-a-string", |all| {
        cgroup(all, PodField::PodSubCgroups, |cgroup| {
            format!("{cgroup}-2/app")
        })
    }),
    condition(&clause::F_P8, "pod_sub_cgroups/above", |all| {
        cgroup(all, PodField::PodSubCgroups, above)
    }),
    condition(&clause::F_P8, "pod_sub_cgroups/shorter", |all| {
        cgroup(all, PodField::PodSubCgroups, without_last)
    }),
    condition(
        &clause::F_P8,
        "pod_sub_cgroups/without-leading-slash",
        |all| cgroup(all, PodField::PodSubCgroups, without_first),
    ),
    condition(&clause::F_P8, "pod_sub_cgroups/root", |_| {
        Ok(with_value(PodField::PodSubCgroups, "/"))
    }),
    condition(&clause::F_P8, "pod_sub_cgroups/empty", |_| {
        Ok(with_value(PodField::PodSubCgroups, ""))
    }),
    condition(&clause::F_P8, "pod_sub_cgroups/one-of-two", |all| {
        of(all, PodField::PodSubCgroups, |pod| {
            vec!["/elsewhere".to_owned(), format!("{}/app", pod.cgroup)]
        })
    }),
];

/// A condition on `field` with values made of a pod that has it.
fn of(
    all: &[PodFacts],
    field: PodField,
    values: fn(&PodFacts) -> Vec<String>,
) -> Result<PodFilter, String> {
    let pod = pivot::<Pod>(&[field], all, 0)?;
    Ok(with_values(field, values(pod)))
}

fn ids(all: &[PodFacts], values: fn(&str) -> Vec<String>) -> Result<PodFilter, String> {
    let pod = pivot::<Pod>(&[PodField::Ids], all, 0)?;
    Ok(with_values(PodField::Ids, values(&pod.id)))
}

fn cgroup(
    all: &[PodFacts],
    field: PodField,
    value: fn(&str) -> String,
) -> Result<PodFilter, String> {
    let pod = pivot::<Pod>(&[field], all, 0)?;
    Ok(with_value(field, &value(&pod.cgroup)))
}

/// A condition made of the annotations, at least one, of a pod.
fn annotations(
    all: &[PodFacts],
    values: fn(&[KeyValue]) -> Vec<KeyValue>,
) -> Result<PodFilter, String> {
    let pod = pivot::<Pod>(&[PodField::Annotations], all, 0)?;
    Ok(PodFilter {
        annotations: values(&pod.annotations),
        ..PodFilter::default()
    })
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn first(values: &[String]) -> Vec<String> {
    values.first().cloned().into_iter().collect()
}

fn last(values: &[String]) -> Vec<String> {
    values.last().cloned().into_iter().collect()
}

fn and_none(mut values: Vec<String>) -> Vec<String> {
    values.push("no-such-value".to_owned());
    values
}

fn shorter(values: &[String]) -> Vec<String> {
    values
        .iter()
        .take(1)
        .map(|value| without_last(value))
        .collect()
}

fn longer(values: &[String]) -> Vec<String> {
    values
        .iter()
        .take(1)
        .map(|value| format!("{value}0"))
        .collect()
}

fn without_first(text: &str) -> String {
    text.chars().skip(1).collect()
}

fn without_last(text: &str) -> String {
    let mut text = text.to_owned();
    text.pop();
    text
}

/// The cgroup that this one lies in.
fn above(cgroup: &str) -> String {
    match cgroup.rsplit_once('/') {
        Some((above, _)) if !above.is_empty() => above.to_owned(),
        _ => "/".to_owned(),
    }
}
