//! What hosts are put together from: small makers of what descriptions are long-winded about.

use rkt_sim::spec::{Image, Phase, Pod, Process, SET_UP_AT_S, Started};
use uuid::Uuid;

/// Beyond the largest process id that Linux gives: no such process runs, so nothing of it can
/// be looked up in `/proc`.
const NO_PROCESS: i32 = 4_194_304;

/// A process id of nobody, a different one for each of the first millions of `number`s.
pub(crate) fn nobody(number: u16) -> i32 {
    NO_PROCESS + 1 + i32::from(number)
}

/// A pod id that follows from a word: random to look at, always the same.
pub(crate) fn pod_id(word: &str) -> Uuid {
    // FNV-1a over 128 bits.
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = word.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    uuid::Builder::from_random_bytes(hash.to_be_bytes()).into_uuid()
}

/// A pod in `phase`, created and, where the phase has that, started at times of its own.
pub(crate) fn pod(word: &str, phase: Phase, locked: bool, number: u16) -> Pod {
    let created_at_ns = (SET_UP_AT_S + 60 * i64::from(number)) * 1_000_000_000 + 402_000_007;
    let has_run = matches!(phase, Phase::Run | Phase::ExitedGarbage);
    Pod {
        locked,
        created_at_ns,
        started: has_run.then_some(Started {
            process: Process::Pid(nobody(number)),
            at_ns: created_at_ns + 1_318_000_000,
        }),
        ..Pod::new(pod_id(word), phase)
    }
}

/// Where systemd-nspawn registers the machine of a pod, without leading slash.
pub(crate) fn machine_slice(word: &str) -> String {
    format!(r"machine.slice/machine-rkt\x2d{word}.scope")
}

/// An image that was Docker's. `image_id` is Docker's id of it: by that the formats' versions
/// are told apart.
pub(crate) fn docker(name: &str, image_id: &str) -> Image {
    Image {
        annotations: vec![
            pair("appc.io/docker/repository", name),
            pair("appc.io/docker/imageid", image_id),
        ],
        ..Image::new(format!("registry-1.docker.io/{name}"), "latest")
    }
}

/// A name and a value.
pub(crate) fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Names and values.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| pair(name, value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_rkt_would_make_up() {
        let id = pod_id("exited/code-3");
        assert_eq!(id, pod_id("exited/code-3"));
        assert_ne!(id, pod_id("exited/code-4"));
        assert_eq!(id.get_version_num(), 4);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    }
}
