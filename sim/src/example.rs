//! A small host to try things on: every state that a pod can be in, several apps in a pod,
//! networks of both families, a pod of Kubernetes, images of either origin, and some log lines.
//!
//! It is one fixed description, so what is said of it anywhere stays true.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use crate::spec::{
    App, HostSpec, Image, LogLine, Network, Phase, Pod, Process, SET_UP_AT_S, Started,
};

/// The host's first minute of work, after rkt was set up in the morning.
const BEGIN_S: i64 = SET_UP_AT_S + 9 * 3600;

/// The example host.
pub fn host() -> HostSpec {
    HostSpec {
        pods: vec![
            cluster_member(),
            kubernetes_pod(),
            failed_report(),
            waiting_report(),
            being_created(),
            being_prepared(),
            interrupted(),
            marked(),
            being_deleted(),
            never_ran(),
        ],
        images: vec![
            Image {
                tree_store_size_bytes: 121_634_816,
                ..stored(Image::stage1(), 0, 58_204_160)
            },
            etcd(),
            backup(),
            report(),
            redis(),
            web(),
        ],
        faults: Vec::new(),
    }
}

/// RUNNING: two apps in two networks, one of them done.
fn cluster_member() -> Pod {
    let etcd = App {
        logs: vec![
            line(21, "ready to serve client requests"),
            // Terminals do not like all that there may be in a line, nor is it always one.
            line(
                25,
                "\u{1b}[33mslow request\u{1b}[0m: 1.2s\n\tpath: /v2/keys",
            ),
            line(70, "compacted revision 1200"),
        ],
        ..App::new("etcd", etcd())
    };
    let backup = App {
        exit_code: Some(0),
        logs: vec![line(22, "snapshot saved"), line(23, "done")],
        ..App::new("backup", backup())
    };
    let pod = Pod {
        locked: true,
        apps: vec![etcd, backup],
        networks: Some(vec![
            network("default", Ipv4Addr::new(172, 16, 28, 2)),
            network("cluster", Ipv6Addr::new(0xfd00, 0x5e, 0, 0, 0, 0, 0, 7)),
        ]),
        ..run(0x3f0b_52c1_8c1d_4a7e_9d26_6e1f_07a4_c5b8, Phase::Run, 20)
    };
    in_machine_slice(pod)
}

/// RUNNING: a pod that Kubernetes' rkt runtime made, with a Docker image in it.
fn kubernetes_pod() -> Pod {
    let app = |name: &str, image, hash: &str| App {
        annotations: pairs(&[
            ("rkt.kubernetes.io/container-hash", hash),
            ("io.kubernetes.container.name", name),
        ]),
        ..App::new(name, image)
    };
    let annotations = pairs(&[
        ("rkt.kubernetes.io/managed-by-kubelet", "true"),
        (
            "io.kubernetes.pod.uid",
            "b7c05c3e-4142-11e8-9c2d-42010a800002",
        ),
        ("io.kubernetes.pod.name", "shop-1640375218-k3v9x"),
        ("io.kubernetes.pod.namespace", "default"),
        ("rkt.kubernetes.io/restart-count", "0"),
    ]);
    let pod = Pod {
        locked: true,
        apps: vec![
            app("web", web(), "1864301872"),
            app("cache", redis(), "3120985526"),
        ],
        annotations,
        networks: Some(vec![network(
            "rkt.kubernetes.io",
            Ipv4Addr::new(10, 2, 57, 14),
        )]),
        ..run(0x8a4d_9e60_27f3_4b15_a3c8_f1d0_52b9_7e46, Phase::Run, 45)
    };
    Pod {
        started: pod.started.map(|started| Started {
            process: Process::Ppid(2718),
            ..started
        }),
        subcgroup: Some(format!("system.slice/k8s_{}.service", pod.id)),
        ..pod
    }
}

/// EXITED, and not well.
fn failed_report() -> Pod {
    let mut app = App::new("report", report());
    app.exit_code = Some(3);
    let pod = Pod {
        apps: vec![app],
        networks: Some(vec![network("default", Ipv4Addr::new(172, 16, 28, 3))]),
        ..run(0xc61e_7a94_5b02_4f8d_8e77_3a90_d4c1_26fb, Phase::Run, 60)
    };
    in_machine_slice(pod)
}

/// PREPARED: it will run tonight.
fn waiting_report() -> Pod {
    Pod {
        apps: vec![App::new("report", report())],
        overlay: true,
        ..pod(
            0x1d95_08ef_c37a_4260_b1f4_8809_6e5d_a3c7,
            Phase::Prepared,
            65,
        )
    }
}

/// EMBRYO: rkt has just begun.
fn being_created() -> Pod {
    Pod {
        locked: true,
        ..pod(
            0x5b82_f61d_904e_4c39_86aa_d713_2f0e_b954,
            Phase::Embryo,
            120,
        )
    }
}

/// PREPARING: images are being rendered.
fn being_prepared() -> Pod {
    Pod {
        locked: true,
        apps: vec![App::new("web", web())],
        ..pod(
            0x94c7_3b0a_61d8_4e25_9f53_c08e_a7b6_14d2,
            Phase::Prepare,
            119,
        )
    }
}

/// ABORTED_PREPARE: somebody pressed Ctrl-C.
fn interrupted() -> Pod {
    Pod {
        apps: vec![App::new("cache", redis())],
        ..pod(
            0xe20f_6d58_b4a9_4173_8c06_5d9b_31e8_f47a,
            Phase::Prepare,
            80,
        )
    }
}

/// GARBAGE: it has run, and `rkt gc` has marked it.
fn marked() -> Pod {
    let mut app = App::new("backup", backup());
    app.exit_code = Some(0);
    let pod = Pod {
        apps: vec![app],
        ..run(
            0x70b3_c4e9_1f86_4d5a_a2de_94e7_6b08_5c13,
            Phase::ExitedGarbage,
            5,
        )
    };
    in_machine_slice(pod)
}

/// DELETING: `rkt gc` is at it.
fn being_deleted() -> Pod {
    let mut app = App::new("backup", backup());
    app.exit_code = Some(137);
    let pod = Pod {
        locked: true,
        apps: vec![app],
        ..run(
            0xab56_2d17_e8f0_49c4_b73b_206f_5ad1_8e9c,
            Phase::ExitedGarbage,
            2,
        )
    };
    in_machine_slice(pod)
}

/// GARBAGE: prepared, never run, and expired.
fn never_ran() -> Pod {
    Pod {
        apps: vec![App::new("report", report())],
        overlay: true,
        ..pod(0x2fe8_914b_0d6c_45a7_9be1_7c53_f8a2_60d9, Phase::Garbage, 8)
    }
}

/// A pod created so many minutes into the day.
fn pod(id: u128, phase: Phase, minutes: i32) -> Pod {
    Pod {
        created_at_ns: (BEGIN_S + i64::from(minutes) * 60) * 1_000_000_000 + 402_000_000,
        ..Pod::new(Uuid::from_u128(id), phase)
    }
}

/// A pod that was created so many minutes into the day and started a little later.
fn run(id: u128, phase: Phase, minutes: i32) -> Pod {
    let pod = pod(id, phase, minutes);
    let started = Started {
        process: Process::Pid(1200 + 13 * minutes),
        at_ns: pod.created_at_ns + 1_318_000_000,
    };
    Pod {
        overlay: true,
        started: Some(started),
        ..pod
    }
}

/// A line that was written so many minutes into the day.
fn line(minutes: i64, message: &str) -> LogLine {
    LogLine {
        at_us: (BEGIN_S + minutes * 60) * 1_000_000 + 250_000,
        message: message.to_owned(),
    }
}

/// Puts a pod where systemd-nspawn registers the machines of `rkt run`.
fn in_machine_slice(pod: Pod) -> Pod {
    let id = pod.id.to_string().replace('-', r"\x2d");
    Pod {
        subcgroup: Some(format!(r"machine.slice/machine-rkt\x2d{id}.scope")),
        ..pod
    }
}

fn network(name: &str, ip: impl Into<IpAddr>) -> Network {
    Network::new(name, ip)
}

fn etcd() -> Image {
    let image = Image {
        annotations: pairs(&[
            ("authors", "CoreOS <dev@example.com>"),
            ("homepage", "https://github.com/coreos/etcd"),
        ]),
        ..Image::new("coreos.com/etcd", "v3.3.3")
    };
    stored(image, 1, 44_511_232)
}

fn backup() -> Image {
    let mut image = Image::new("example.com/tools/etcd-backup", "1.4.0");
    image.labels.push(pair("tier", "backend"));
    stored(image, 2, 9_308_160)
}

/// An image without a version.
fn report() -> Image {
    let mut image = Image::new("example.com/shop/report", "");
    image.labels.retain(|(name, _)| name != "version");
    image.latest = true;
    stored(image, 3, 12_800_512)
}

/// An image that was Docker's, as the converter leaves it.
fn redis() -> Image {
    let image = Image {
        annotations: pairs(&[
            ("created", "2018-03-28T21:41:04Z"),
            ("appc.io/docker/registryurl", "registry-1.docker.io"),
            ("appc.io/docker/repository", "library/redis"),
            ("appc.io/docker/imageid", REDIS_ID),
            ("appc.io/docker/tag", "4.0.9"),
            ("appc.io/docker/originalname", "redis:4.0.9"),
            ("appc.io/docker/entrypoint", r#"["docker-entrypoint.sh"]"#),
            ("appc.io/docker/cmd", r#"["redis-server"]"#),
        ]),
        exec: vec!["docker-entrypoint.sh".to_owned(), "redis-server".to_owned()],
        ..Image::new("registry-1.docker.io/library/redis", "4.0.9")
    };
    stored(image, 30, 109_373_440)
}

const REDIS_ID: &str = "sha256:4e8db158f18dc71307f95260e532df39a9b604b51d4e697468e82845c50cfe28";

fn web() -> Image {
    stored(Image::new("example.com/shop/web", "2.4.1"), 31, 23_085_056)
}

/// An image imported so many minutes into the day, with the size that it would have if it
/// were not tiny.
fn stored(image: Image, minutes: i64, size_bytes: i64) -> Image {
    Image {
        imported_at_s: BEGIN_S + minutes * 60,
        size_bytes: Some(size_bytes),
        ..image
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| pair(name, value))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_is_a_pod_in_every_state() {
        let states: BTreeSet<_> = host().pods.iter().map(|p| (p.phase, p.locked)).collect();
        for state in [
            (Phase::Embryo, true),
            (Phase::Prepare, true),
            (Phase::Prepare, false),
            (Phase::Prepared, false),
            (Phase::Run, true),
            (Phase::Run, false),
            (Phase::ExitedGarbage, true),
            (Phase::ExitedGarbage, false),
            (Phase::Garbage, false),
        ] {
            assert!(states.contains(&state), "{state:?}");
        }
    }

    #[test]
    fn ids_are_those_that_rkt_would_make_up() {
        let pods = host().pods;
        for pod in &pods {
            assert_eq!(pod.id.get_version_num(), 4, "{}", pod.id);
            assert_eq!(pod.id.get_variant(), uuid::Variant::RFC4122, "{}", pod.id);
        }
        let ids: BTreeSet<_> = pods.iter().map(|pod| pod.id).collect();
        assert_eq!(ids.len(), pods.len());
    }

    #[test]
    fn every_app_is_from_an_image_in_the_store() {
        let host = host();
        for app in host.pods.iter().flat_map(|pod| &pod.apps) {
            assert!(host.images.contains(&app.image), "{}", app.name);
        }
    }

    #[test]
    fn images_are_in_the_order_in_which_they_came() {
        assert!(host().images.is_sorted_by_key(|image| image.imported_at_s));
    }
}
