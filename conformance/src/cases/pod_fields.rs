//! The fields of a pod, one rule after the other: what they may be in the pod's state, and
//! what the manifest in the same answers says they are (P-1 to P-14).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rkt_api::api::{App, AppState, Image, ImageType, KeyValue, Network, Pod, PodState};

use super::fields::{self, Finding, Rule, Shown, Via, expect, expect_eq};
use crate::{case::Case, clause, manifest::ManifestApp, profile::Profile};

const LISTED: &[Via] = &[Via::Brief, Via::Detailed];
const WITH_DETAIL: &[Via] = &[Via::Detailed, Via::Inspected];

/// No time that is meant to be in nanoseconds is below: it would be in the first months of
/// 1970, where seconds, milliseconds and microseconds of our days lie.
const LEAST_NS: i64 = 10_000_000_000_000_000;

pub(super) fn cases() -> Vec<Case> {
    fields::cases(RULES).collect()
}

type PodRule = Rule<Pod>;

static RULES: &[PodRule] = &[
    PodRule::new(
        &clause::P_1,
        "only-id-and-state",
        "pod in EMBRYO, PREPARING or ABORTED_PREPARE",
        early,
    ),
    PodRule::new(
        &clause::S_7,
        "undefined",
        "pod in UNDEFINED, or the profile is not rkt-1.30",
        undefined,
    ),
    PodRule::new(&clause::P_3, "json", "pod with a manifest", manifest_kind).only(WITH_DETAIL),
    PodRule::new(
        &clause::P_3,
        "nothing-without-it",
        "pod without manifest",
        |shown| match shown.answer.manifest.is_empty() {
            false => Finding::Silent,
            true => {
                let found = (&shown.answer.apps, &shown.answer.annotations);
                let none = found.0.is_empty() && found.1.is_empty();
                expect(none, "no apps and annotations without manifest", found)
            }
        },
    )
    .decided()
    .only(WITH_DETAIL),
    PodRule::new(
        &clause::P_4,
        "none-before-it-runs",
        "pod in PREPARED",
        |shown| match shown.answer.state() {
            PodState::Prepared => expect(
                shown.answer.pid <= 0,
                "no pid in PREPARED",
                shown.answer.pid,
            ),
            _ => Finding::Silent,
        },
    ),
    PodRule::new(&clause::P_4, "none-is", "pod without pid", |shown| {
        match shown.answer.pid > 0 {
            true => Finding::Silent,
            false => expect_eq("pid", &shown.answer.pid, &shown.profile.no_pid()),
        }
    })
    .decided(),
    PodRule::new(
        &clause::P_5,
        "only-running",
        "pod that is not RUNNING",
        |shown| {
            let state = shown.answer.state();
            let may_have = match shown.profile {
                Profile::Documented => matches!(state, PodState::Running | PodState::Undefined),
                Profile::Rkt130 => matches!(state, PodState::Running | PodState::Exited),
            };
            let networks = &shown.answer.networks;
            match may_have {
                true => Finding::Silent,
                false => expect(
                    networks.is_empty(),
                    format!("no networks in {state:?}"),
                    networks,
                ),
            }
        },
    ),
    PodRule::new(&clause::P_5, "name", "pod in a network", |shown| {
        let networks = &shown.answer.networks;
        let all_named = networks.iter().all(|network| !network.name.is_empty());
        match networks.is_empty() {
            true => Finding::Silent,
            false => expect(all_named, "networks with names", networks),
        }
    }),
    PodRule::new(&clause::P_5, "address", "pod in a network", |shown| {
        let networks = &shown.answer.networks;
        let all_right = networks.iter().all(|network| match shown.profile {
            Profile::Documented => has_addresses(network),
            Profile::Rkt130 => has_historical_address(network),
        });
        match networks.is_empty() {
            true => Finding::Silent,
            false => expect(
                all_right,
                "each address in the field of its family",
                networks,
            ),
        }
    }),
    PodRule::new(
        &clause::P_6,
        "only-running",
        "pod that is not RUNNING",
        |shown| match shown.answer.state() {
            PodState::Running => Finding::Silent,
            PodState::Undefined if shown.profile == Profile::Documented => Finding::Silent,
            state => {
                let cgroup = &shown.answer.cgroup;
                expect(cgroup.is_empty(), format!("no cgroup in {state:?}"), cgroup)
            }
        },
    ),
    PodRule::new(&clause::P_6, "path", "pod with a cgroup", |shown| {
        let cgroup = &shown.answer.cgroup;
        let is_path = cgroup.starts_with('/') && !cgroup.ends_with('\n');
        match cgroup.is_empty() {
            true => Finding::Silent,
            false => expect(
                is_path,
                "a cgroup with a slash first and no newline last",
                cgroup,
            ),
        }
    })
    .decided(),
    PodRule::new(
        &clause::P_7,
        "set",
        "pod with a manifest in PREPARED or a later state",
        |shown| match is_late(shown.answer) && shown.manifest.is_some() {
            false => Finding::Silent,
            true => expect(shown.answer.created_at != 0, "created_at", 0),
        },
    ),
    PodRule::new(
        &clause::P_7,
        "nanoseconds",
        "pod with created_at",
        |shown| nanoseconds("created_at", shown.answer.created_at),
    ),
    PodRule::new(
        &clause::P_8,
        "none-before-it-runs",
        "pod in PREPARED",
        |shown| match shown.answer.state() {
            PodState::Prepared => expect_eq("started_at", &shown.answer.started_at, &0),
            _ => Finding::Silent,
        },
    ),
    PodRule::new(&clause::P_8, "set", "pod with a pid", |shown| {
        match shown.answer.pid > 0 {
            true => expect(shown.answer.started_at != 0, "started_at beside a pid", 0),
            false => Finding::Silent,
        }
    }),
    PodRule::new(
        &clause::P_8,
        "nanoseconds",
        "pod with started_at",
        |shown| nanoseconds("started_at", shown.answer.started_at),
    ),
    PodRule::new(
        &clause::P_9,
        "only-marked",
        "pod that is not marked for removal",
        |shown| match shown.answer.state() {
            PodState::Garbage | PodState::Deleting | PodState::Undefined => Finding::Silent,
            _ => expect_eq("gc_marked_at", &shown.answer.gc_marked_at, &0),
        },
    ),
    PodRule::new(
        &clause::P_9,
        "set",
        "pod in GARBAGE or DELETING",
        |shown| match shown.answer.state() {
            PodState::Garbage | PodState::Deleting => {
                expect(shown.answer.gc_marked_at != 0, "gc_marked_at", 0)
            }
            _ => Finding::Silent,
        },
    ),
    PodRule::new(
        &clause::P_9,
        "nanoseconds",
        "pod with gc_marked_at",
        |shown| nanoseconds("gc_marked_at", shown.answer.gc_marked_at),
    ),
    PodRule::new(&clause::P_10, "manifest", "pod with a manifest", |shown| {
        annotations(shown, same_members)
    }),
    PodRule::new(&clause::P_10, "order", "pod with a manifest", |shown| {
        annotations(shown, |found, wanted| found == wanted)
    })
    .decided(),
    PodRule::new(&clause::P_11, "manifest", "app of a manifest", |shown| {
        apps(shown, |found, wanted| {
            found.len() == wanted.len()
                && found.iter().all(|app| {
                    wanted
                        .iter()
                        .any(|wanted| is_app(app, wanted, same_members))
                })
        })
    }),
    PodRule::new(&clause::P_11, "order", "app of a manifest", |shown| {
        apps(shown, |found, wanted| {
            found.len() == wanted.len()
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(app, wanted)| is_app(app, wanted, |a, b| a == b))
        })
    })
    .decided(),
    PodRule::new(&clause::P_12, "id", "app of a manifest", |shown| {
        apps(shown, |found, wanted| {
            let found = found.iter().filter_map(|app| app.image.as_ref());
            let mut found: Vec<&str> = found.map(|image| image.id.as_str()).collect();
            let mut wanted: Vec<&str> = wanted.iter().map(|app| app.image_id.as_str()).collect();
            found.sort_unstable();
            wanted.sort_unstable();
            found == wanted
        })
    }),
    PodRule::new(&clause::P_12, "base_format", "app", |shown| {
        each_app(shown, "an image with a base format", |app| {
            let format = app
                .image
                .as_ref()
                .and_then(|image| image.base_format.as_ref());
            format.is_some_and(|format| {
                let is_type = match shown.profile {
                    Profile::Documented => is_image_type(format.r#type),
                    Profile::Rkt130 => format.r#type() == ImageType::Appc,
                };
                is_type && !format.version.is_empty()
            })
        })
    }),
    PodRule::new(&clause::P_12, "nothing-else", "app", |shown| {
        let expected = "an image with id, base format, name and version only";
        each_app(shown, expected, |app| {
            app.image.as_ref().is_none_or(|image| {
                let Image {
                    base_format,
                    id,
                    name,
                    version,
                    ..
                } = image.clone();
                *image
                    == Image {
                        base_format,
                        id,
                        name,
                        version,
                        ..Image::default()
                    }
            })
        })
    })
    .decided(),
    PodRule::new(
        &clause::P_13,
        "not-listed",
        NOT_LISTED,
        |shown| match shown.profile {
            Profile::Documented => each_app(shown, "apps without state in a list", |app| {
                app.state() == AppState::Undefined
            }),
            Profile::Rkt130 => Finding::Silent,
        },
    )
    .only(LISTED),
    PodRule::new(
        &clause::P_13,
        "of-its-pod",
        "app that has a state",
        |shown| {
            if shown.via != Via::Inspected && shown.profile == Profile::Documented {
                return Finding::Silent;
            }
            let allowed = app_states(shown.answer, shown.profile);
            let expected = format!("apps in {allowed:?} in a {:?} pod", shown.answer.state());
            each_app(shown, &expected, |app| allowed.contains(&app.state()))
        },
    )
    .decided(),
    PodRule::new(
        &clause::P_14,
        "not-listed",
        NOT_LISTED,
        |shown| match shown.profile {
            Profile::Documented => each_app(shown, "apps without exit code in a list", |app| {
                app.exit_code == 0
            }),
            Profile::Rkt130 => Finding::Silent,
        },
    )
    .only(LISTED),
    PodRule::new(
        &clause::P_14,
        "only-exited",
        "app that has not exited",
        |shown| {
            let may_have = |app: &App| match shown.profile {
                Profile::Documented => app.state() == AppState::Exited,
                Profile::Rkt130 => app.state() != AppState::Undefined,
            };
            match shown.answer.apps.iter().all(may_have) {
                true => Finding::Silent,
                false => each_app(shown, "exit code 0 until the app has exited", |app| {
                    may_have(app) || app.exit_code == 0
                }),
            }
        },
    )
    .decided(),
];

/// What is skipped where no apps are listed, or where a list has their states.
const NOT_LISTED: &str = "listed app, or the profile lists states of apps";

impl Profile {
    /// What a pod without process has for a pid (P-4).
    fn no_pid(self) -> i32 {
        match self {
            Self::Documented => 0,
            Self::Rkt130 => -1,
        }
    }
}

fn is_early(pod: &Pod) -> bool {
    matches!(
        pod.state(),
        PodState::Embryo | PodState::Preparing | PodState::AbortedPrepare
    )
}

/// Whether the pod is in PREPARED or a later state.
fn is_late(pod: &Pod) -> bool {
    !is_early(pod) && pod.state() != PodState::Undefined
}

fn early(shown: &Shown<'_, Pod>) -> Finding {
    let pod = shown.answer;
    if !is_early(pod) {
        return Finding::Silent;
    }
    let bare = match shown.profile {
        Profile::Documented => Pod {
            id: pod.id.clone(),
            state: pod.state,
            ..Pod::default()
        },
        Profile::Rkt130 => without_a_run(pod),
    };
    expect(*pod == bare, format!("{bare:?}"), pod)
}

fn undefined(shown: &Shown<'_, Pod>) -> Finding {
    let pod = shown.answer;
    if shown.profile != Profile::Rkt130 || pod.state() != PodState::Undefined {
        return Finding::Silent;
    }
    let bare = without_a_run(pod);
    expect(*pod == bare, format!("{bare:?}"), pod)
}

/// What rkt 1.30.0 answers of a pod that it has nothing but the manifest of.
fn without_a_run(pod: &Pod) -> Pod {
    let app = |app: &App| App {
        state: AppState::Undefined.into(),
        exit_code: 0,
        ..app.clone()
    };
    Pod {
        id: pod.id.clone(),
        state: pod.state,
        pid: Profile::Rkt130.no_pid(),
        apps: pod.apps.iter().map(app).collect(),
        annotations: pod.annotations.clone(),
        manifest: pod.manifest.clone(),
        ..Pod::default()
    }
}

fn manifest_kind(shown: &Shown<'_, Pod>) -> Finding {
    fields::manifest_kind(&shown.answer.manifest, "PodManifest")
}

fn nanoseconds(field: &str, time: i64) -> Finding {
    match time {
        0 => Finding::Silent,
        _ => expect(time >= LEAST_NS, format!("{field} in nanoseconds"), time),
    }
}

fn has_addresses(network: &Network) -> bool {
    let ipv4 = network.ipv4.is_empty() || network.ipv4.parse::<Ipv4Addr>().is_ok();
    let ipv6 = network.ipv6.is_empty() || network.ipv6.parse::<Ipv6Addr>().is_ok();
    ipv4 && ipv6
}

fn has_historical_address(network: &Network) -> bool {
    let is_address = network.ipv4 == "<nil>" || network.ipv4.parse::<IpAddr>().is_ok();
    is_address && network.ipv6.is_empty()
}

/// Whether the dialect repeats the manifest in this answer at all.
fn repeats_manifest(shown: &Shown<'_, Pod>) -> bool {
    shown.profile == Profile::Rkt130 || !is_early(shown.answer)
}

fn annotations(shown: &Shown<'_, Pod>, same: fn(&[KeyValue], &[KeyValue]) -> bool) -> Finding {
    let Some(manifest) = shown.manifest.as_ref().filter(|_| repeats_manifest(shown)) else {
        return Finding::Silent;
    };
    let found = &shown.answer.annotations;
    let wanted = manifest.annotations();
    expect(
        same(found, &wanted),
        format!("{wanted:?} as in the manifest"),
        found,
    )
}

fn apps(shown: &Shown<'_, Pod>, same: fn(&[App], &[ManifestApp]) -> bool) -> Finding {
    let lists_apps = shown.via != Via::Brief || shown.profile == Profile::Rkt130;
    let shows_apps = lists_apps && repeats_manifest(shown);
    let Some(manifest) = shown.manifest.as_ref().filter(|_| shows_apps) else {
        return Finding::Silent;
    };
    let found = &shown.answer.apps;
    let wanted = manifest.apps();
    match found.is_empty() && wanted.is_empty() {
        true => Finding::Silent,
        false => expect(
            same(found, &wanted),
            format!("{wanted:?} as in the manifest"),
            found,
        ),
    }
}

fn is_app(app: &App, wanted: &ManifestApp, same: fn(&[KeyValue], &[KeyValue]) -> bool) -> bool {
    app.name == wanted.name && same(&app.annotations, &wanted.annotations)
}

/// Whether two lists have the same members, in any order and number.
fn same_members(a: &[KeyValue], b: &[KeyValue]) -> bool {
    a.iter().all(|pair| b.contains(pair)) && b.iter().all(|pair| a.contains(pair))
}

fn each_app(shown: &Shown<'_, Pod>, expected: &str, is_right: impl Fn(&App) -> bool) -> Finding {
    let apps = &shown.answer.apps;
    match apps.iter().find(|app| !is_right(app)) {
        _ if apps.is_empty() => Finding::Silent,
        Some(wrong) => expect(false, expected, wrong),
        None => Finding::Right,
    }
}

/// Whether it is a type of the proto, and not the undefined one.
pub(super) fn is_image_type(number: i32) -> bool {
    ImageType::try_from(number).is_ok_and(|kind| kind != ImageType::Undefined)
}

/// The states that an app of this pod can have.
fn app_states(pod: &Pod, profile: Profile) -> &'static [AppState] {
    const EXITED: &[AppState] = &[AppState::Exited];
    match pod.state() {
        PodState::Running if profile == Profile::Documented => {
            &[AppState::Running, AppState::Exited]
        }
        PodState::Running => &[AppState::Running],
        PodState::Exited => EXITED,
        // Whether such a pod has ever run is known for sure only where it says when.
        PodState::Deleting | PodState::Garbage if pod.started_at != 0 => EXITED,
        PodState::Deleting | PodState::Garbage => &[AppState::Exited, AppState::Undefined],
        _ => &[AppState::Undefined],
    }
}
