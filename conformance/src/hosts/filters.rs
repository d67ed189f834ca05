//! A host for filters: for each field a pod, and an image, that is like another in all fields
//! but this one. So a condition that is passed over, or joined to others in the wrong way,
//! changes the answer.

use std::net::{Ipv4Addr, Ipv6Addr};

use rkt_sim::spec::{App, HostSpec, Image, Network, Phase, Pod, SET_UP_AT_S};
use uuid::Uuid;

use super::{
    HostDef,
    parts::{self, docker, machine_slice, pair, pairs},
};

/// Pods and images that are alike but for one field.
pub static FILTERS: HostDef = HostDef {
    name: "filters",
    about: "pods and images that are like another in all that filters look at but one field",
    spec: || HostSpec {
        pods: pods(),
        images: images(),
        faults: Vec::new(),
    },
};

/// The second in which most of the images were imported.
pub(crate) const IMPORTED_AT_S: i64 = SET_UP_AT_S + 1000;

/// The cgroup of most of the pods, without leading slash.
pub(crate) fn cgroup() -> String {
    machine_slice("a0c3")
}

/// The image of the app `web`.
pub(crate) fn web() -> Image {
    Image::new("example.com/web", "1.2")
}

/// The image id that most of the pods have for the app `own`.
pub(crate) const OWN_ID: &str = "sha512-0a1b2c3d4e5f";

fn pods() -> Vec<Pod> {
    let with_manifest = |pod: Pod| Pod {
        manifest: Some(true),
        ..pod
    };
    let bare = |number, phase, locked| Pod {
        apps: Vec::new(),
        annotations: Vec::new(),
        networks: None,
        subcgroup: None,
        ..pod(number, phase, locked)
    };
    vec![
        pod(0x1e, Phase::Run, true),
        pod(0x1f, Phase::Run, true),
        but(0x13, |pod| pod.apps[1].name = "other".to_owned()),
        but(0x14, |pod| {
            pod.apps[1].image_id = Some("sha512-0a1b2c3d4e".to_owned())
        }),
        but(0x15, |pod| {
            pod.networks = Some(vec![network_v4("default"), network_v4("other")]);
        }),
        but(0x16, |pod| pod.annotations[1].1 = "red".to_owned()),
        // It begins like the others' as a string, not as a path.
        but(0x17, |pod| pod.subcgroup = Some(format!("{}-2", cgroup()))),
        but(0x18, |pod| pod.subcgroup = Some("machine.slice".to_owned())),
        but(0x19, |pod| pod.subcgroup = None),
        but(0x1a, |pod| pod.networks = None),
        // As much as a pod can have in common with them in another state.
        pod(0x21, Phase::Run, false),
        pod(0x22, Phase::ExitedGarbage, true),
        pod(0x23, Phase::ExitedGarbage, false),
        pod(0x24, Phase::Garbage, true),
        pod(0x25, Phase::Garbage, false),
        pod(0x26, Phase::Prepared, false),
        with_manifest(pod(0x27, Phase::Prepare, true)),
        with_manifest(pod(0x28, Phase::Prepare, false)),
        with_manifest(pod(0x29, Phase::Embryo, false)),
        bare(0x31, Phase::Run, true),
        bare(0x32, Phase::Run, false),
        bare(0x33, Phase::Prepare, true),
        bare(0x34, Phase::Embryo, true),
        bare(0x35, Phase::Garbage, false),
    ]
}

/// A running pod that differs from the others in one thing.
fn but(number: u16, change: fn(&mut Pod)) -> Pod {
    let mut pod = pod(number, Phase::Run, true);
    change(&mut pod);
    pod
}

/// A pod like all the others. The ids begin alike, and have letters in them.
fn pod(number: u16, phase: Phase, locked: bool) -> Pod {
    let wide = u128::from(number);
    let id = Uuid::from_u128(0xa0c3_0000_1111_4222_8333_4444_5555_0000 + (wide << 96) + wide);
    let mut web = App::new("web", web());
    web.annotations = pairs(&[("tier", "front")]);
    let mut own = App::new("own", docker("library/own", "sha256:0123"));
    own.image_id = Some(OWN_ID.to_owned());
    let mut pod = Pod {
        id,
        apps: vec![web, own],
        networks: Some(vec![
            network_v4("default"),
            Network::new("cluster", Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number)),
        ]),
        subcgroup: Some(cgroup()),
        ..parts::pod("", phase, locked, number)
    };
    pod.annotations.extend(pairs(&[
        ("team", "blue"),
        ("number", "1"),
        ("team", "green"),
    ]));
    pod
}

fn network_v4(name: &str) -> Network {
    Network::new(name, Ipv4Addr::new(172, 16, 28, 2))
}

fn images() -> Vec<Image> {
    let first = image("coreos.com/etcd", 0);
    let id = digits(&first);
    let twin = |number: u32| Image {
        exec: vec![format!("/etcd-{number}")],
        ..first.clone()
    };
    // Their ids begin alike.
    let twin = (0..).map(twin).find(|image| digits(image) == id);
    let mut images = vec![
        image("k8s.io/etcd", 0),
        image("coreos.com/etcd-backup", 0),
        image("k8s.io/etcd-backup", 0),
        image("coreos.com/tools/etcd", 0),
        // A dot is a dot.
        image("coreosxcom/etcd", 0),
        image("etcd", 0),
        image("3.1", 0),
        Image {
            labels: pairs(&[("version", "3.2"), ("os", "linux")]),
            ..image("coreos.com/etcd", 0)
        },
        Image {
            annotations: pairs(&[("team", "red"), ("number", "1")]),
            ..image("coreos.com/etcd", 0)
        },
        Image {
            labels: Vec::new(),
            annotations: Vec::new(),
            ..image("web", 3)
        },
        Image {
            imported_at_s: IMPORTED_AT_S + 60,
            ..docker("library/web", "sha256:ab")
        },
        Image {
            // The machine's clock had not been set. As a bound this time is none (W-7).
            imported_at_s: 0,
            ..image("example.com/old", 0)
        },
    ];
    // The import time is not part of the id, so these have commands of their own.
    for (number, later_s) in [-2, -1, 1, 2].into_iter().enumerate() {
        images.push(Image {
            exec: vec![format!("/later-{number}")],
            ..image("coreos.com/etcd", later_s)
        });
    }
    images.insert(0, first);
    images.extend(twin);
    images.sort_by_key(|image| image.imported_at_s);
    images
}

fn image(name: &str, later_s: i64) -> Image {
    Image {
        labels: pairs(&[("version", "3.1"), ("os", "linux")]),
        annotations: vec![
            pair("team", "blue"),
            pair("number", "1"),
            pair("team", "green"),
        ],
        imported_at_s: IMPORTED_AT_S + later_s,
        ..Image::new(name, "")
    }
}

/// The shortest beginning of an image's id that is enough to name it.
fn digits(image: &Image) -> Option<String> {
    let key = image.blob_key().ok()?;
    key.get(.."sha512-00".len()).map(str::to_owned)
}
