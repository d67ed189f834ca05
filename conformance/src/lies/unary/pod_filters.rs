//! Lies about what filters take of the pods (F-P0 to F-P9, and what W-4 and W-8 say of them).

use rkt_api::api::{ListPodsRequest, PodFilter};

use super::{
    How::{self, AskPods, PickPods},
    lie,
};
use crate::{
    clause,
    filters::{PodFacts, pod_meets},
    lies::Lie,
};

/// A field of each filter is passed over.
macro_rules! ignored {
    ($clause:ident $name:literal $field:ident) => {
        lie(
            &clause::$clause,
            $name,
            AskPods(|request| each(request, |filter| filter.$field.clear())),
        )
    };
}

/// One field is understood in another way, all others rightly.
macro_rules! misread {
    ($clause:ident $name:literal $field:ident |$values:ident, $pod:ident| $meets:expr) => {
        lie(
            &clause::$clause,
            $name,
            PickPods(|filter, pod| {
                let $pod = &PodFacts::from(pod);
                let $values = &filter.$field;
                let mut rest = filter.clone();
                rest.$field.clear();
                ($values.is_empty() || $meets) && pod_meets(&rest, $pod)
            }),
        )
    };
}

pub(super) fn lies() -> Vec<Lie> {
    [together(), fields(), values()]
        .into_iter()
        .flatten()
        .collect()
}

fn together() -> Vec<Lie> {
    const OR_FOR_AND: How = AskPods(|request| {
        request.filters = request.filters.drain(..).flat_map(split).collect();
    });
    const AND_FOR_OR: How = AskPods(|request| {
        if request.filters.len() > 1 {
            request.filters = vec![request.filters.drain(..).fold(PodFilter::default(), join)];
        }
    });
    vec![
        lie(
            &clause::F_P0,
            "no-filter-takes-nothing",
            AskPods(|request| {
                if request.filters.is_empty() {
                    request.filters = vec![nothing()];
                }
            }),
        ),
        lie(
            &clause::F_P0,
            "empty-filter-takes-nothing",
            AskPods(|request| {
                each(request, |filter| {
                    if *filter == PodFilter::default() {
                        *filter = nothing();
                    }
                });
            }),
        ),
        lie(
            &clause::F_P0,
            "prepared-pods-have-no-apps",
            PickPods(|filter, pod| {
                let mut facts = PodFacts::from(pod);
                if facts.state == 4 {
                    facts.app_names.clear();
                }
                pod_meets(filter, &facts)
            }),
        ),
        lie(
            &clause::F_P0,
            "conditions-look-at-what-is-shown",
            AskPods(|request| {
                if !request.detail {
                    request.filters.retain(|filter| {
                        filter.app_names.is_empty() && filter.image_ids.is_empty()
                    });
                    if request.filters.is_empty() {
                        request.filters = vec![nothing()];
                    }
                }
            }),
        ),
        lie(&clause::F_P9, "or-for-and", OR_FOR_AND),
        lie(&clause::F_P9, "and-for-or", AND_FOR_OR),
        lie(
            &clause::F_P9,
            "first-filter-only",
            AskPods(|request| request.filters.truncate(1)),
        ),
        lie(
            &clause::F_P9,
            "names-ignored-beside-cgroups-and-states",
            AskPods(|request| {
                each(request, |filter| {
                    if !filter.cgroups.is_empty() && !filter.states.is_empty() {
                        filter.app_names.clear();
                    }
                });
            }),
        ),
        lie(
            &clause::F_P9,
            "three-conditions-at-most",
            AskPods(|request| {
                each(request, |filter| {
                    let parts = split(filter.clone()).into_iter().take(3);
                    *filter = parts.fold(PodFilter::default(), join);
                });
            }),
        ),
        lie(
            &clause::F_P9,
            "annotations-ignored-without-detail",
            AskPods(|request| {
                if !request.detail {
                    each(request, |filter| filter.annotations.clear());
                }
            }),
        ),
    ]
}

fn fields() -> Vec<Lie> {
    vec![
        ignored!(F_P1 "ids-ignored" ids),
        ignored!(F_P2 "states-ignored" states),
        ignored!(F_P3 "app-names-ignored" app_names),
        ignored!(F_P4 "image-ids-ignored" image_ids),
        ignored!(F_P5 "network-names-ignored" network_names),
        ignored!(F_P6 "annotations-ignored" annotations),
        ignored!(F_P7 "cgroups-ignored" cgroups),
        ignored!(F_P8 "sub-cgroups-ignored" pod_sub_cgroups),
        misread!(F_P1 "all-for-any" ids |ids, pod| ids.iter().all(|id| *id == pod.id)),
        misread!(F_P1 "beginnings-of-ids" ids |ids, pod| {
            ids.iter().any(|id| pod.id.starts_with(id.as_str()))
        }),
        misread!(F_P1 "ids-without-dashes" ids |ids, pod| {
            ids.iter().any(|id| pod.id.replace('-', "") == id.replace('-', ""))
        }),
        misread!(F_P2 "all-for-any" states |states, pod| states.iter().all(|it| *it == pod.state)),
        misread!(F_P2 "later-states-too" states |states, pod| {
            states.iter().any(|state| *state <= pod.state)
        }),
        misread!(F_P3 "any-for-all" app_names |names, pod| {
            names.iter().any(|name| pod.app_names.contains(name))
        }),
        misread!(F_P3 "parts-of-names" app_names |names, pod| {
            names.iter().all(|name| pod.app_names.iter().any(|it| it.contains(name.as_str())))
        }),
        misread!(F_P3 "first-app-only" app_names |names, pod| {
            names.iter().all(|name| pod.app_names.first() == Some(name))
        }),
        misread!(F_P4 "any-for-all" image_ids |ids, pod| {
            ids.iter().any(|id| pod.image_ids.contains(id))
        }),
        misread!(F_P4 "beginnings-of-image-ids" image_ids |ids, pod| {
            ids.iter().all(|id| pod.image_ids.iter().any(|it| it.starts_with(id.as_str())))
        }),
        misread!(F_P5 "any-for-all" network_names |names, pod| {
            names.iter().any(|name| pod.network_names.contains(name))
        }),
        misread!(F_P5 "parts-of-names" network_names |names, pod| {
            names.iter().all(|name| pod.network_names.iter().any(|it| it.contains(name.as_str())))
        }),
        misread!(F_P6 "any-for-all" annotations |pairs, pod| {
            pairs.iter().any(|pair| pod.annotations.contains(pair))
        }),
        misread!(F_P6 "keys-only" annotations |pairs, pod| {
            pairs.iter().all(|pair| pod.annotations.iter().any(|it| it.key == pair.key))
        }),
        misread!(F_P6 "values-only" annotations |pairs, pod| {
            pairs.iter().all(|pair| pod.annotations.iter().any(|it| it.value == pair.value))
        }),
        misread!(F_P6 "last-value-of-a-key" annotations |pairs, pod| {
            pairs.iter().all(|pair| {
                pod.annotations.iter().rev().find(|it| it.key == pair.key) == Some(pair)
            })
        }),
        misread!(F_P7 "all-for-any" cgroups |cgroups, pod| {
            cgroups.iter().all(|cgroup| *cgroup == pod.cgroup)
        }),
        misread!(F_P7 "cgroups-below-too" cgroups |cgroups, pod| {
            cgroups.iter().any(|cgroup| {
                !pod.cgroup.is_empty() && pod.cgroup.starts_with(cgroup.as_str())
            })
        }),
        misread!(F_P7 "slash-does-not-matter" cgroups |cgroups, pod| {
            let bare = |cgroup: &str| cgroup.trim_matches('/').to_owned();
            cgroups.iter().any(|cgroup| bare(cgroup) == bare(&pod.cgroup))
        }),
        misread!(F_P8 "the-other-way-round" pod_sub_cgroups |cgroups, pod| {
            cgroups.iter().any(|cgroup| {
                !pod.cgroup.is_empty() && pod.cgroup.starts_with(cgroup.as_str())
            })
        }),
        misread!(F_P8 "by-whole-elements" pod_sub_cgroups |cgroups, pod| {
            cgroups.iter().any(|cgroup| {
                let rest = cgroup.strip_prefix(pod.cgroup.as_str());
                !pod.cgroup.is_empty() && rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
            })
        }),
        misread!(F_P8 "pods-without-cgroup-too" pod_sub_cgroups |cgroups, pod| {
            cgroups.iter().any(|cgroup| cgroup.starts_with(&pod.cgroup))
        }),
    ]
}

fn values() -> Vec<Lie> {
    vec![
        lie(
            &clause::W_4,
            "unknown-states-are-none",
            AskPods(|request| {
                each(request, |filter| {
                    filter.states.retain(|state| (0..=8).contains(state))
                });
            }),
        ),
        lie(
            &clause::W_4,
            "unknown-states-are-undefined",
            AskPods(|request| {
                each(request, |filter| {
                    if filter.states.iter().any(|state| !(0..=8).contains(state)) {
                        filter.states = (0..=8).collect();
                    }
                });
            }),
        ),
        misread!(W_8 "letter-case-ignored" app_names |names, pod| {
            names.iter().all(|name| {
                pod.app_names.iter().any(|it| it.eq_ignore_ascii_case(name))
            })
        }),
        lie(
            &clause::W_8,
            "empty-value-is-a-wildcard",
            AskPods(|request| {
                each(request, |filter| {
                    filter.app_names.retain(|name| !name.is_empty())
                });
            }),
        ),
        lie(
            &clause::W_8,
            "value-given-twice-takes-nothing",
            AskPods(|request| {
                each(request, |filter| {
                    let mut names = filter.app_names.clone();
                    names.sort_unstable();
                    if names.windows(2).any(|pair| pair[0] == pair[1]) {
                        *filter = nothing();
                    }
                });
            }),
        ),
    ]
}

fn each(request: &mut ListPodsRequest, change: impl FnMut(&mut PodFilter)) {
    request.filters.iter_mut().for_each(change);
}

/// What no pod meets.
fn nothing() -> PodFilter {
    PodFilter {
        ids: vec!["none".to_owned()],
        ..PodFilter::default()
    }
}

/// A filter for each condition.
fn split(filter: PodFilter) -> Vec<PodFilter> {
    macro_rules! parts {
        ($($field:ident)+) => {
            vec![$(PodFilter { $field: filter.$field, ..PodFilter::default() }),+]
        };
    }
    let mut parts = parts! {
        ids states app_names image_ids network_names annotations cgroups pod_sub_cgroups
    };
    parts.retain(|part| *part != PodFilter::default());
    parts
}

/// The conditions of both.
fn join(mut filter: PodFilter, other: PodFilter) -> PodFilter {
    macro_rules! extend {
        ($($field:ident)+) => { $(filter.$field.extend(other.$field);)+ };
    }
    extend! { ids states app_names image_ids network_names annotations cgroups pod_sub_cgroups }
    filter
}
