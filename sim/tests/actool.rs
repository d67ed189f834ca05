//! What `actool`, the tool of the appc specification, says of what is written: of images, of
//! their manifests wherever they lie, and of pod manifests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::list;
use rkt_sim::{host::Host, spec::HostSpec};

/// A pod manifest that is to be refused: the specification takes no annotation twice, the API
/// does, and an example host has one to show it.
const REFUSED: (&str, &str) = (
    "pods/run/4e0b52c1-8c1d-4a7e-9d26-6e1f07a4c501/pod",
    "invalid PodManifest: duplicate annotations of name \"example.com/owner\"",
);

/// The example hosts and a random one, before anything is broken on them, by name.
fn hosts() -> BTreeMap<String, HostSpec> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts");
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let example = |path: PathBuf| {
        let mut spec = HostSpec::from_json(&fs::read_to_string(&path).unwrap()).unwrap();
        spec.faults.clear();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), spec)
    };
    let random = HostSpec::random(60, 40, 7).unwrap();
    let random = [("random".to_owned(), random)];
    files.map(example).chain(random).collect()
}

/// What `actool` is to find a file to be; `None` for files that are none of its business.
fn kind(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    if path.starts_with("cas/blob/") {
        Some("app container image")
    } else if path.starts_with("cas/imageManifest/") || name == "manifest" {
        Some("ImageManifest")
    } else if path.starts_with("pods/") && name == "pod" {
        Some("PodManifest")
    } else {
        None
    }
}

/// What `actool` says of these files, a line for each up to the first that it refuses.
fn validate<'a>(dir: &Path, files: impl Iterator<Item = &'a str>) -> String {
    let mut actool = Command::new("actool");
    actool.args(["--debug", "validate"]).args(files);
    let said = actool.current_dir(dir).output().unwrap();
    String::from_utf8(said.stderr).unwrap()
}

#[test]
#[ignore = "needs actool"]
fn actool_takes_everything_for_what_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let mut kinds = BTreeMap::<_, usize>::new();
    let mut refused = 0;
    for (name, spec) in hosts() {
        let host = Host::create(tmp.path().join(&name)).unwrap();
        host.write(&spec).unwrap();
        let written = list(host.dir());
        let files = written.iter().filter(|(_, entry)| entry.content.is_some());
        let mut files: BTreeMap<_, _> = files
            .filter_map(|(path, _)| Some((path.as_str(), kind(path)?)))
            .collect();
        let (path, why) = REFUSED;
        if files.remove(path).is_some() {
            let said = validate(host.dir(), [path].into_iter());
            assert_eq!(said, format!("{path}: {why}\n"));
            refused += 1;
        }
        if files.is_empty() {
            continue;
        }
        let said = validate(host.dir(), files.keys().copied());
        let expected = files
            .iter()
            .map(|(path, kind)| format!("{path}: valid {kind}"));
        for (said, expected) in said.lines().zip(expected) {
            assert_eq!(said, expected, "host {name}");
        }
        assert_eq!(said.lines().count(), files.len(), "host {name}: {said}");
        for kind in files.into_values() {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    assert_eq!(refused, 1, "{REFUSED:?}");
    assert_eq!(kinds.len(), 3, "{kinds:?}");
}
