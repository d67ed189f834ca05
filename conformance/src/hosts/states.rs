//! A host for the fields of pods: every phase, locked and not, and in each whatever the fields
//! of a pod depend on, one thing at a time. Each pod has a label, by which cases name it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rkt_sim::spec::{App, HostSpec, Image, MUTABLE_ANNOTATION, Network, Phase, Pod, Process};

use super::{
    HostDef,
    parts::{self, docker, machine_slice, nobody, pair, pairs},
};

/// Pods in every state, and whatever their fields depend on.
pub static STATES: HostDef = HostDef {
    name: "states",
    about: "a pod for every state and for whatever a pod's fields depend on in it",
    spec: || HostSpec {
        pods: pods().into_iter().map(|(_, pod)| pod).collect(),
        images: vec![web(), own()],
        faults: Vec::new(),
    },
};

/// The pods with their labels, `STATE/VARIATION`. `never-ran` and `never-prepared` pods are
/// those that were marked for removal without having run.
pub(crate) fn pods() -> Vec<(String, Pod)> {
    let mut pods = Vec::new();
    let mut add = |state: &str, variation: &str, phase, locked, vary: fn(&mut Pod)| {
        let label = format!("{state}/{variation}");
        let number = u16::try_from(pods.len()).unwrap_or(u16::MAX);
        let mut pod = parts::pod(&label, phase, locked, number);
        furnish(&mut pod, &label);
        vary(&mut pod);
        pods.push((label, pod));
    };
    for (state, phase, locked) in [
        ("embryo", Phase::Embryo, false),
        ("embryo-locked", Phase::Embryo, true),
        ("preparing", Phase::Prepare, true),
        ("aborted-prepare", Phase::Prepare, false),
        ("deleting-never-ran", Phase::Garbage, true),
        ("garbage-never-ran", Phase::Garbage, false),
    ] {
        add(state, "no-manifest", phase, locked, |pod| {
            pod.manifest = Some(false);
        });
        add(state, "manifest", phase, locked, |pod| {
            pod.manifest = Some(true);
        });
        add(state, "no-apps", phase, locked, |pod| {
            pod.manifest = Some(true);
            pod.apps.clear();
            pod.annotations.clear();
        });
    }
    for (variation, vary) in PREPARED {
        add("prepared", variation, Phase::Prepared, false, *vary);
    }
    add("prepared", "locked", Phase::Prepared, true, |_| {});
    for (state, phase, locked) in [
        ("running", Phase::Run, true),
        ("exited", Phase::Run, false),
        ("deleting", Phase::ExitedGarbage, true),
        ("garbage", Phase::ExitedGarbage, false),
    ] {
        for (variation, vary) in PREPARED.iter().chain(RUN) {
            add(state, variation, phase, locked, *vary);
        }
    }
    pods
}

/// What is varied about a pod.
type Variation = (&'static str, fn(&mut Pod));

/// What a pod can have from its preparation on.
static PREPARED: &[Variation] = &[
    ("plain", |_| {}),
    ("no-apps", |pod| pod.apps.clear()),
    ("one-app", |pod| pod.apps.truncate(1)),
    ("three-apps", |pod| {
        pod.apps.push(App::new("sidecar", web()))
    }),
    ("apps-out-of-order", |pod| pod.apps.reverse()),
    ("overlay", |pod| pod.overlay = true),
    ("mutable", |pod| {
        pod.annotations = pairs(&[(MUTABLE_ANNOTATION, "true")]);
    }),
    ("mutable-without-apps", |pod| {
        pod.annotations = pairs(&[(MUTABLE_ANNOTATION, "true")]);
        pod.apps.clear();
    }),
    ("no-annotations", |pod| {
        pod.annotations.clear();
        pod.apps.iter_mut().for_each(|app| app.annotations.clear());
    }),
    ("annotations-twice", |pod| {
        let twice = pairs(&[
            ("team", "red"),
            ("team", "blue"),
            ("team", "red"),
            ("a", ""),
        ]);
        pod.annotations.clone_from(&twice);
        pod.apps
            .iter_mut()
            .for_each(|app| app.annotations.clone_from(&twice));
    }),
    ("annotations-to-escape", |pod| {
        pod.annotations = pairs(&[("note", "<a & \"b\"> \\ é \u{2028} \n")]);
    }),
    ("user-annotations", |pod| {
        pod.user_annotations.extend([pair("user", "ada")]);
        pod.user_labels.extend([pair("stage", "test")]);
    }),
    ("image-id-shortened", |pod| {
        for app in &mut pod.apps {
            app.image_id = Some("sha512-0a1b2c3d4e5f".to_owned());
        }
    }),
    ("images-alike", |pod| {
        for app in &mut pod.apps {
            app.image = web();
        }
    }),
    ("docker-v2", |pod| {
        for app in &mut pod.apps {
            app.image = docker("library/web", "sha256:4e8db158f18dc713");
        }
    }),
    ("docker-v1", |pod| {
        for app in &mut pod.apps {
            app.image = docker("library/web", "4e8db158f18dc713");
        }
    }),
    ("image-without-version", |pod| {
        for app in &mut pod.apps {
            app.image.labels.retain(|(name, _)| name != "version");
        }
    }),
];

/// What a pod can have from its start on.
static RUN: &[Variation] = &[
    ("ppid", as_ppid),
    ("no-process", |pod| pod.started = None),
    ("no-subcgroup", |pod| pod.subcgroup = None),
    ("no-subcgroup-ppid", |pod| {
        pod.subcgroup = None;
        as_ppid(pod);
    }),
    ("subcgroup-with-newline", |pod| {
        pod.subcgroup = Some("system.slice/k8s.service\n".to_owned());
    }),
    ("host-network", |pod| pod.networks = None),
    ("no-network", |pod| pod.networks = Some(Vec::new())),
    ("ipv4", |pod| {
        pod.networks = Some(vec![Network::new("default", Ipv4Addr::new(172, 16, 28, 2))]);
    }),
    ("ipv6", |pod| {
        pod.networks = Some(vec![Network::new("cluster", IPV6)]);
    }),
    ("no-address", |pod| {
        let address = IpAddr::from(Ipv4Addr::new(10, 1, 0, 1));
        pod.networks = Some(vec![
            network("none", None),
            network("default", Some(address)),
        ]);
    }),
    ("networks-alike", |pod| {
        pod.networks = Some(vec![
            network("default", Some(IPV6.into())),
            network("default", Some(Ipv4Addr::LOCALHOST.into())),
            network("default", Some(Ipv4Addr::LOCALHOST.into())),
        ]);
    }),
    ("code-0", |pod| exit(pod, 0)),
    ("code-1", |pod| exit(pod, 1)),
    ("code-3", |pod| exit(pod, 3)),
    ("code-137", |pod| exit(pod, 137)),
    ("code--1", |pod| exit(pod, -1)),
    ("code-most", |pod| exit(pod, i32::MAX)),
    ("code-least", |pod| exit(pod, i32::MIN)),
    ("codes-differ", |pod| {
        for (app, code) in pod.apps.iter_mut().zip([0, 64]) {
            app.exit_code = Some(code);
        }
    }),
    ("one-exited", |pod| {
        if let Some(app) = pod.apps.last_mut() {
            app.exit_code = Some(7);
        }
    }),
    ("overlay-code-9", |pod| {
        pod.overlay = true;
        exit(pod, 9);
    }),
    ("mutable-one-exited", |pod| {
        pod.annotations = pairs(&[(MUTABLE_ANNOTATION, "true")]);
        if let Some(app) = pod.apps.first_mut() {
            app.exit_code = Some(11);
        }
    }),
];

const IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x5e, 0, 0, 0, 0, 0, 7);

/// Two apps, two networks, a cgroup, annotations.
fn furnish(pod: &mut Pod, label: &str) {
    let mut own = App::new("own", own());
    own.annotations = pairs(&[("tier", "back"), ("label", label)]);
    pod.apps = vec![App::new("web", web()), own];
    pod.annotations
        .extend(pairs(&[("team", "blue"), ("label", label)]));
    pod.networks = Some(vec![
        Network::new("default", Ipv4Addr::new(172, 16, 28, 9)),
        Network::new("cluster", IPV6),
    ]);
    pod.subcgroup = Some(machine_slice(&label.replace('/', "-")));
}

fn as_ppid(pod: &mut Pod) {
    if let Some(started) = &mut pod.started {
        started.process = Process::Ppid(nobody(10_000));
    }
}

fn exit(pod: &mut Pod, code: i32) {
    for app in &mut pod.apps {
        app.exit_code = Some(code);
    }
}

fn network(name: &str, ip: Option<IpAddr>) -> Network {
    Network {
        name: name.to_owned(),
        ip,
    }
}

fn web() -> Image {
    Image::new("example.com/web", "1.2")
}

fn own() -> Image {
    let mut image = Image::new("example.com/shop/own", "3.0.1");
    image.annotations = pairs(&[("authors", "Ada <ada@example.com>")]);
    image
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn labels_and_ids_are_unique() {
        let pods = pods();
        let labels: BTreeSet<_> = pods.iter().map(|(label, _)| label).collect();
        let ids: BTreeSet<_> = pods.iter().map(|(_, pod)| pod.id).collect();
        assert_eq!((labels.len(), ids.len()), (pods.len(), pods.len()));
    }

    #[test]
    fn every_phase_is_there_locked_and_unlocked() {
        for phase in Phase::ALL {
            for locked in [false, true] {
                let pods = pods();
                let is_there = pods
                    .iter()
                    .any(|(_, pod)| (pod.phase, pod.locked) == (phase, locked));
                assert!(is_there, "{phase} {locked}");
            }
        }
    }
}
