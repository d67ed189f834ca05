//! Whatever host is described: what the server says of it, in both dialects, are the facts
//! that the description states.
//!
//! `any_host` makes hosts up, `expected` says what the contract makes of them. The number of
//! hosts is that of the variable `PROPTEST_CASES`; a failure says how to see it again.

mod any_host;
pub mod expected;

use std::{env, fmt::Debug, fs};

use pretty_assertions::Comparison;
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use rkt_api::{
    api::{InspectImageRequest, InspectPodRequest, ListImagesRequest, ListPodsRequest},
    server::Dialect,
};
use rkt_sim::{
    host::Host,
    spec::{HostSpec, Image, Pod},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    hosts::TempHost,
    support::{Client, Server},
};
use expected::{Expected, fixes_cgroup, is_prepared};

/// How many hosts are tried unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 32;

/// How many smaller hosts are tried to find out what is wrong with one.
const SHRINK_ITERS_MAX: u32 = 500;

#[test]
fn the_facts_of_any_host() {
    let defaults = ProptestConfig::default();
    let seed = match defaults.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => rand_seed(),
    };
    let cases = match env::var_os("PROPTEST_CASES") {
        Some(_) => defaults.cases,
        None => CASES,
    };
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: SHRINK_ITERS_MAX,
        failure_persistence: None,
        ..defaults
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    TestRunner::new(config)
        .run(&any_host::host(), |spec| runtime.block_on(check(&spec)))
        .unwrap_or_else(|error| {
            panic!(
                "{error}\nto see it again: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases} \
                 cargo test --test server the_facts_of_any_host"
            )
        });
}

/// A seed that nobody has chosen.
fn rand_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};

    RandomState::new().hash_one(())
}

/// Writes the host, serves it, and compares everything that the server says of it.
///
/// # Errors
///
/// What is not as expected.
pub async fn check(spec: &HostSpec) -> Result<(), TestCaseError> {
    let host = TempHost::create();
    host.write(spec).unwrap();
    let _holds = host.hold_locked(spec).unwrap();
    for pod in spec.pods.iter().filter(|pod| is_prepared(pod)) {
        check_pod_manifest(&host, pod)?;
    }
    for (dialect, name) in [
        (Dialect::Documented, "documented"),
        (Dialect::Rkt130, "rkt-1.30"),
    ] {
        let server = Server::start(host.dir(), &["--dialect", name]);
        let mut client = server.client().await;
        let host = &host;
        let expected = Expected { host, dialect };
        check_pods(&mut client, &spec.pods, &expected).await?;
        check_images(&mut client, &spec.images, &expected).await?;
    }
    Ok(())
}

async fn check_pods(
    client: &mut Client,
    pods: &[Pod],
    expected: &Expected<'_>,
) -> Result<(), TestCaseError> {
    let call = format!("in {:?}", expected.dialect);
    for detail in [false, true] {
        let filters = Vec::new();
        let answer = client.list_pods(ListPodsRequest { filters, detail }).await;
        let mut listed = answer.unwrap().into_inner().pods;
        for pod in &mut listed {
            let described = pods.iter().find(|other| other.id.to_string() == pod.id);
            if described.is_some_and(|pod| !fixes_cgroup(pod)) {
                pod.cgroup.clear();
            }
        }
        let expected = pods.iter().filter_map(|pod| expected.listed(pod, detail));
        let mut expected: Vec<_> = expected.collect();
        // P-16.
        expected.sort_by(|one, other| one.id.cmp(&other.id));
        same(
            &format!("ListPods {call}, detail {detail}"),
            &listed,
            &expected,
        )?;
    }
    for pod in pods {
        let id = pod.id.to_string();
        let what = format!("InspectPod {id} {call}");
        let answer = client.inspect_pod(InspectPodRequest { id }).await;
        let inspected = match answer {
            Err(error) => {
                prop_assert_eq!(error.code(), Code::NotFound, "{}: {}", what, error);
                None
            }
            Ok(answer) => answer.into_inner().pod.map(|mut inspected| {
                if !fixes_cgroup(pod) {
                    inspected.cgroup.clear();
                }
                inspected
            }),
        };
        same(&what, &inspected, &expected.inspected(pod))?;
    }
    Ok(())
}

async fn check_images(
    client: &mut Client,
    images: &[Image],
    expected: &Expected<'_>,
) -> Result<(), TestCaseError> {
    let call = format!("in {:?}", expected.dialect);
    let mut expected: Vec<_> = images.iter().map(|image| expected.image(image)).collect();
    for (image, expected) in images.iter().zip(&expected) {
        check_image_manifest(&expected.manifest, image)?;
        let id = expected.id.clone();
        let what = format!("InspectImage {id} {call}");
        let answer = client.inspect_image(InspectImageRequest { id }).await;
        let inspected = answer.unwrap().into_inner().image.unwrap();
        same(&what, &inspected, expected)?;
    }
    expected.sort_by(|one, other| one.id.cmp(&other.id));
    for detail in [true, false] {
        if !detail {
            // IM-3.
            expected.iter_mut().for_each(|image| image.manifest.clear());
        }
        let filters = Vec::new();
        let answer = client
            .list_images(ListImagesRequest { filters, detail })
            .await;
        let mut listed = answer.unwrap().into_inner().images;
        // IM-9: any order.
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        same(
            &format!("ListImages {call}, detail {detail}"),
            &listed,
            &expected,
        )?;
    }
    Ok(())
}

fn same<T: Debug + PartialEq>(what: &str, ours: &T, expected: &T) -> Result<(), TestCaseError> {
    let difference = Comparison::new(ours, expected);
    prop_assert!(
        ours == expected,
        "{what}, answered and expected:\n{difference}"
    );
    Ok(())
}

/// The pod's manifest is JSON that says what was described.
fn check_pod_manifest(host: &Host, pod: &Pod) -> Result<(), TestCaseError> {
    let manifest = fs::read(host.pod_dir(pod).join("pod")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    prop_assert_eq!(&manifest["acKind"], "PodManifest");
    prop_assert_eq!(&manifest["annotations"], &name_values(&pod.annotations));
    let apps = manifest["apps"].as_array().unwrap();
    prop_assert_eq!(apps.len(), pod.apps.len());
    for (app, described) in apps.iter().zip(&pod.apps) {
        prop_assert_eq!(&app["name"], &described.name);
        prop_assert_eq!(&app["image"]["name"], &described.image.name);
        check_optional(&app["annotations"], &described.annotations)?;
        check_optional(&app["image"]["labels"], &described.image.labels)?;
    }
    Ok(())
}

/// The image's manifest is JSON that says what was described.
fn check_image_manifest(manifest: &[u8], image: &Image) -> Result<(), TestCaseError> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    prop_assert_eq!(&manifest["acKind"], "ImageManifest");
    prop_assert_eq!(&manifest["name"], &image.name);
    check_optional(&manifest["labels"], &image.labels)?;
    check_optional(&manifest["annotations"], &image.annotations)
}

/// A list of names and values that is left out when it is empty.
fn check_optional(list: &Value, pairs: &[(String, String)]) -> Result<(), TestCaseError> {
    match pairs {
        [] => prop_assert!(list.is_null(), "{list}"),
        pairs => prop_assert_eq!(list, &name_values(pairs)),
    }
    Ok(())
}

fn name_values(pairs: &[(String, String)]) -> Value {
    let pair = |(name, value): &(String, String)| json!({"name": name, "value": value});
    pairs.iter().map(pair).collect()
}
