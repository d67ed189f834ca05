//! Any host: made up from a seed, with pods and images beside it that vary what pods and
//! images can have, one thing independently of the other.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use rkt_sim::spec::{
    App, HostSpec, Image, MUTABLE_ANNOTATION, Network, Phase, Pod, Process, Started,
};
use uuid::Uuid;

/// The most pods, and the most images, that are made up from the seed.
const MADE_UP_MAX: u32 = 3;

/// The end of times on older file systems, in 2038.
const LATEST_NS: i64 = (1 << 31) * 1_000_000_000;

prop_compose! {
    /// Any host on which nothing is broken.
    pub fn host()(
        seed: u64, pods_made_up in 0..=MADE_UP_MAX, images_made_up in 0..=MADE_UP_MAX,
        pods in vec(pod(), 0..8), images in vec(image(), 0..5),
    ) -> HostSpec {
        let mut host = HostSpec::random(pods_made_up, images_made_up, seed).unwrap();
        host.pods.extend(pods);
        host.images.extend(images);
        let mut ids = BTreeSet::new();
        host.pods.retain(|pod| ids.insert(pod.id));
        let mut keys = BTreeSet::new();
        host.images.retain(|image| keys.insert(image.blob_key().unwrap()));
        host
    }
}

prop_compose! {
    fn pod()(
        id: u128, (phase, locked) in phase_and_lock(),
        manifest in prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)],
        (overlay, mutable) in any::<(bool, Option<bool>)>(),
        apps in vec(app(), 0..=4), annotations in pairs(),
        created_at_ns in 1..LATEST_NS, started in option::weighted(0.8, started()),
        subcgroup in option::of(subcgroup()), networks in option::of(vec(network(), 0..4)),
    ) -> Pod {
        let number = |(number, app): (usize, App)| App {
            name: format!("{}-{number}", app.name),
            ..app
        };
        let mutable = mutable.map(|mutable| (MUTABLE_ANNOTATION.to_owned(), mutable.to_string()));
        Pod {
            locked, manifest, overlay, created_at_ns, started, subcgroup, networks,
            annotations: mutable.into_iter().chain(annotations).collect(),
            // Names of apps differ.
            apps: apps.into_iter().enumerate().map(number).collect(),
            ..Pod::new(Uuid::from_u128(id), phase)
        }
    }
}

/// Any of them, running more often: such pods have most facts.
fn phase_and_lock() -> impl Strategy<Value = (Phase, bool)> {
    prop_oneof![
        2 => (select(Phase::ALL.to_vec()), any::<bool>()),
        1 => Just((Phase::Run, true)),
    ]
}

prop_compose! {
    fn app()(
        name in "[a-z]{1,8}", image in image(), image_id in option::weighted(0.2, "sha512-[0-9a-f]{2,16}"),
        annotations in pairs(),
        exit_code in option::of(prop_oneof![Just(0), 0..=255, any::<i32>()]),
    ) -> App {
        App { image_id, annotations, exit_code, ..App::new(name, image) }
    }
}

prop_compose! {
    fn started()(process in 1..=i32::MAX, is_parent: bool, at_ns in 1..LATEST_NS) -> Started {
        let process = match is_parent {
            true => Process::Ppid(process),
            false => Process::Pid(process),
        };
        Started { process, at_ns }
    }
}

fn subcgroup() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        4 => r"[a-z]{1,8}\.slice(/[a-z\\]{1,8}\.scope)?\n?",
    ]
}

fn network() -> impl Strategy<Value = Network> {
    let ip = prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::from),
        any::<Ipv6Addr>().prop_map(IpAddr::from),
        any::<Ipv4Addr>().prop_map(|ip| ip.to_ipv6_mapped().into()),
    ];
    ("[a-z.]{1,12}", option::weighted(0.8, ip)).prop_map(|(name, ip)| Network { name, ip })
}

prop_compose! {
    fn image()(
        name in r"[a-z]{1,8}(\.[a-z]{1,3})?(/[a-z-]{1,8}){0,2}",
        version in option::of(r"[v0-9.]{1,6}"), labels in btree_map("[a-u]{1,6}", text(), 0..3),
        annotations in pairs(), docker in docker(),
        imported_at_s in 0..(LATEST_NS / 1_000_000_000), latest: bool,
        size_bytes in option::of(0..1_i64 << 40), tree_store_size_bytes in prop_oneof![Just(0), 0..1_i64 << 40],
    ) -> Image {
        let version = version.map(|version| ("version".to_owned(), version));
        Image {
            labels: labels.into_iter().chain(version).collect(),
            annotations: annotations.into_iter().chain(docker).collect(),
            imported_at_s, latest, size_bytes, tree_store_size_bytes,
            ..Image::new(name, "")
        }
    }
}

/// The annotations of an image that may have been Docker's, of either version, and of one
/// that was not and looks like it.
fn docker() -> impl Strategy<Value = Vec<(String, String)>> {
    let annotations = |pairs: &[(&str, &str)]| -> Vec<_> {
        let owned =
            |(name, value): &(&str, &str)| (format!("appc.io/{name}"), str::to_owned(value));
        pairs.iter().map(owned).collect()
    };
    select(vec![
        vec![],
        annotations(&[("docker/tag", "1")]),
        annotations(&[("docker/tag", "1"), ("docker/imageid", "sha256:0f3a")]),
        annotations(&[("docker/imageid", "0f3a"), ("docker/tag", "sha256:0f3a")]),
        annotations(&[("dockerish", "1")]),
    ])
}

/// Names and values in order, names possibly twice.
fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(
        (prop_oneof!["[a-c]", "[a-z./-]{1,12}", text()], text()),
        0..4,
    )
}

/// What can be a value, whether JSON has to escape it or not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9 ]{0,8}",
        any::<String>(),
        r#"[<>&"\\\x00-\x1f\u{2028}\u{feff}]{1,4}"#
    ]
}
