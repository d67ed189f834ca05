//! Random hosts: those that the simulator makes up, with more of what rarely happens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rkt_sim::{
    generate,
    spec::{HostSpec, Image, Network, Phase, Pod, Process},
};

use super::{percent, pick};
use crate::hosts::parts::{nobody, pair};

/// How many pods and images there are at most.
const MOST: u32 = 12;

/// The host of the seed.
///
/// # Errors
///
/// When the simulator makes none up.
pub(super) fn random(seed: u64) -> Result<HostSpec, generate::Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (pods, images) = (rng.random_range(0..=MOST), rng.random_range(0..=MOST));
    let mut spec = HostSpec::random(pods, images, seed)?;
    let mut ids: Vec<uuid::Uuid> = Vec::new();
    for (number, pod) in (0..).zip(&mut spec.pods) {
        vary_pod(pod, number, &mut rng);
        // Ids that begin alike are unlikely otherwise.
        if let Some(other) = pick(&mut rng, &ids).filter(|_| pod.id.as_u128() % 3 == 0) {
            let alike = rng.random_range(1..12_usize);
            let mut bytes = *pod.id.as_bytes();
            bytes[..alike].copy_from_slice(&other.as_bytes()[..alike]);
            pod.id = uuid::Uuid::from_bytes(bytes);
        }
        ids.push(pod.id);
    }
    spec.images
        .iter_mut()
        .for_each(|image| vary_image(image, &mut rng));
    spec.images.sort_by_key(|image| image.imported_at_s);
    Ok(spec)
}

fn vary_pod(pod: &mut Pod, number: u16, rng: &mut ChaCha8Rng) {
    // Whatever runs on this machine, none of it is the pod's.
    if let Some(started) = &mut pod.started {
        started.process = match percent(rng, 70) {
            true => Process::Pid(nobody(number)),
            false => Process::Ppid(nobody(number)),
        };
    }
    if percent(rng, 10) {
        pod.started = None;
    }
    if percent(rng, 20) {
        pod.subcgroup = None;
    }
    if matches!(pod.phase, Phase::Embryo | Phase::Prepare | Phase::Garbage) && percent(rng, 50) {
        pod.manifest = Some(percent(rng, 50));
    }
    if percent(rng, 15) {
        pod.annotations
            .extend([pair("team", "blue"), pair("team", "red")]);
    }
    if percent(rng, 10) {
        pod.annotations.extend(pod.annotations.clone());
    }
    if percent(rng, 30) {
        pod.networks = Some(networks(rng));
    }
    if percent(rng, 10) {
        pod.apps.reverse();
    }
    for app in &mut pod.apps {
        if percent(rng, 30) {
            app.exit_code = Some(match percent(rng, 50) {
                true => rng.random(),
                false => rng.random_range(-1..=255),
            });
        }
        if percent(rng, 15) {
            app.exit_code = None;
        }
        if percent(rng, 15) {
            app.image_id = Some(format!("sha512-{:016x}", rng.random::<u64>()));
        }
        if percent(rng, 15) {
            app.annotations.push(pair("team", "blue"));
        }
    }
}

fn networks(rng: &mut ChaCha8Rng) -> Vec<Network> {
    let names = ["default", "cluster", "backend"];
    let network = |rng: &mut ChaCha8Rng| Network {
        name: pick(rng, &names).copied().unwrap_or_default().to_owned(),
        ip: match rng.random_range(0..4) {
            0 => None,
            1 => Some(IpAddr::from(Ipv6Addr::from_bits(rng.random()))),
            _ => Some(IpAddr::from(Ipv4Addr::from_bits(rng.random()))),
        },
    };
    let count = rng.random_range(0..4);
    (0..count).map(|_| network(rng)).collect()
}

fn vary_image(image: &mut Image, rng: &mut ChaCha8Rng) {
    if percent(rng, 20) {
        image.labels.retain(|(name, _)| name != "version");
    }
    if percent(rng, 10) {
        image.labels.clear();
    }
    if percent(rng, 20) {
        image
            .annotations
            .extend([pair("team", "blue"), pair("team", "red")]);
    }
    if percent(rng, 15) {
        image
            .annotations
            .push(pair("appc.io/docker/imageid", "sha256:0123"));
    }
    if percent(rng, 10) {
        image
            .annotations
            .push(pair("appc.io/docker/imageid", "0123"));
    }
    if percent(rng, 60) {
        // Neighbours in time, for bounds that are off by a second.
        image.imported_at_s = rkt_sim::spec::SET_UP_AT_S + rng.random_range(0..5);
    }
    if percent(rng, 20) {
        image.size_bytes = Some(rng.random_range(0..1 << 40));
    }
}

/// The same host without one of so many parts of its pods or images, each in turn.
pub(super) fn without_a_part(spec: &HostSpec, parts: usize) -> Vec<HostSpec> {
    let mut smaller = Vec::new();
    for kept in kept(spec.pods.len(), parts) {
        smaller.push(HostSpec {
            pods: kept.iter().map(|at| spec.pods[*at].clone()).collect(),
            ..spec.clone()
        });
    }
    for kept in kept(spec.images.len(), parts) {
        smaller.push(HostSpec {
            images: kept.iter().map(|at| spec.images[*at].clone()).collect(),
            ..spec.clone()
        });
    }
    smaller
}

/// What is left of so many things when one of so many parts is left out, each in turn.
fn kept(count: usize, parts: usize) -> Vec<Vec<usize>> {
    let size = count.div_ceil(parts).max(1);
    let beginnings = (0..count).step_by(size);
    beginnings
        .map(|begin| {
            (0..count)
                .filter(|at| !(begin..begin + size).contains(at))
                .collect()
        })
        .collect()
}

/// The host in a few words.
pub(super) fn in_words(spec: &HostSpec) -> String {
    let pod = |pod: &Pod| {
        let lock = if pod.locked { ", locked" } else { "" };
        format!("{}/{}{lock}", pod.phase, pod.id)
    };
    let pods: Vec<String> = spec.pods.iter().map(pod).collect();
    let images: Vec<&str> = spec
        .images
        .iter()
        .map(|image| image.name.as_str())
        .collect();
    format!(
        "the pods {} and the images {}",
        crate::text::list(&pods),
        crate::text::list(&images)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_host_each_time() {
        assert_eq!(random(7).unwrap(), random(7).unwrap());
        assert_ne!(random(7).unwrap(), random(8).unwrap());
    }

    #[test]
    fn hosts_are_made_up_for_any_seed() {
        for seed in (0..200).chain([u64::MAX]) {
            let spec = random(seed).unwrap();
            let ids: std::collections::BTreeSet<_> = spec.pods.iter().map(|pod| pod.id).collect();
            assert_eq!(ids.len(), spec.pods.len(), "{seed}");
        }
    }

    #[test]
    fn parts_are_left_out_one_after_the_other() {
        assert_eq!(kept(4, 2), [[2, 3], [0, 1]]);
        assert_eq!(kept(3, 8), [[1, 2], [0, 2], [0, 1]]);
        assert!(kept(0, 2).is_empty());
        assert_eq!(kept(1, 2), [[0_usize; 0]]);
    }
}
