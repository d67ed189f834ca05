//! The example hosts in `fixtures/hosts/`, and the commands that others make theirs with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::list;
use rkt_api::formats::ql::{Database, rkt};
use rkt_sim::{
    host::Host,
    spec::HostSpec,
    spec_file::{SpecFile, State},
};
use serde_json::Value;

const NAMES: [&str; 7] = [
    "build-box",
    "empty",
    "every-state",
    "hostile",
    "kubernetes-node",
    "logs",
    "tiny",
];

fn path(name: &str) -> PathBuf {
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts");
    hosts.join(format!("{name}.json"))
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn host(name: &str) -> HostSpec {
    HostSpec::from_json(&text(name)).unwrap_or_else(|error| panic!("{name}.json:{error}"))
}

fn rkt_sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
    command.args(arguments).output().unwrap()
}

#[track_caller]
fn stdout(output: Output) -> String {
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_are_known_here() {
    let files = path("tiny").parent().unwrap().read_dir().unwrap();
    let names: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
    let expected: BTreeSet<_> = NAMES.map(|name| format!("{name}.json").into()).into();
    assert_eq!(names, expected);
    assert!(text("tiny").lines().count() <= 10);
}

#[test]
fn every_state_is_there_in_every_phase_that_has_it() {
    let pods = host("every-state").pods;
    let there: BTreeSet<_> = pods.iter().map(|pod| (pod.phase, pod.locked)).collect();
    let states = there
        .iter()
        .map(|(phase, locked)| State::of(*phase, *locked).api_name());
    let states: BTreeSet<_> = states.collect();
    assert_eq!(states.len(), State::ALL.len(), "{states:?}");
    assert_eq!(there.len(), 12, "{there:?}");
}

#[test]
fn each_is_written_and_read_back() {
    let tmp = tempfile::tempdir().unwrap();
    for name in NAMES {
        let spec = host(name);
        let host = Host::create(tmp.path().join(name)).unwrap();
        host.write(&spec).unwrap();
        for pod in &spec.pods {
            assert!(host.pod_dir(pod).is_dir(), "{name}: {}", pod.id);
        }
        if !spec.faults.is_empty() {
            continue;
        }
        let index = fs::read(host.dir().join("cas/db/ql.db")).unwrap();
        if spec.images.is_empty() {
            continue;
        }
        let db = Database::open(index, None).unwrap();
        assert_eq!(rkt::images(&db).unwrap().count(), spec.images.len());
        let remotes: Result<Vec<_>, _> = rkt::remotes(&db).unwrap().collect();
        let fetched: usize = spec.images.iter().map(|image| image.remotes.len()).sum();
        let remotes = remotes.unwrap();
        assert_eq!(remotes.len(), fetched, "{name}");
        let keys: BTreeSet<_> = spec.images.iter().map(|i| i.blob_key().unwrap()).collect();
        assert!(remotes.iter().all(|remote| keys.contains(&remote.blob_key)));
    }
}

#[test]
fn the_published_schema_is_that_of_the_code() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json");
    let published = fs::read_to_string(published).unwrap();
    assert!(
        published == SpecFile::json_schema().unwrap(),
        "sim/schema.json is out of date: cargo run -p rkt-sim -- schema > sim/schema.json"
    );
    assert_eq!(stdout(rkt_sim(&["schema"])), published);
}

#[test]
fn the_schema_takes_what_the_code_takes() {
    let schema: Value = serde_json::from_str(&SpecFile::json_schema().unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for name in NAMES {
        let json: Value = serde_json::from_str(&text(name)).unwrap();
        let errors: Vec<_> = schema.iter_errors(&json).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        // What the code writes it takes, too.
        let written = SpecFile::parse(&text(name)).unwrap();
        assert!(
            schema.is_valid(&serde_json::to_value(written).unwrap()),
            "{name}"
        );
    }
    for json in [
        r#"{"pod": []}"#,
        r#"{"pods": [{"state": "done"}]}"#,
        r#"{"pods": [{"networks": "none"}]}"#,
        r#"{"pods": [{"apps": [7]}]}"#,
        r#"{"images": [{"labels": {"os": 1}}]}"#,
        r#"{"generate": {"pods": 100001}}"#,
        r#"{"seed": -1}"#,
    ] {
        assert!(
            !schema.is_valid(&serde_json::from_str(json).unwrap()),
            "{json}"
        );
        assert!(HostSpec::from_json(json).is_err(), "{json}");
    }
}

#[test]
fn everything_in_the_schema_is_explained() {
    fn check(schema: &Value, at: &str, unexplained: &mut Vec<String>) {
        let Some(object) = schema.as_object() else {
            return;
        };
        for (name, value) in object {
            let at = format!("{at}/{name}");
            let fields = value.as_object().filter(|_| name == "properties");
            for (field, schema) in fields.into_iter().flatten() {
                let explained = schema.get("description").is_some();
                if !explained && field != "value" && field != "name" {
                    unexplained.push(format!("{at}/{field}"));
                }
            }
            check(value, &at, unexplained);
        }
    }
    let schema = serde_json::from_str(&SpecFile::json_schema().unwrap()).unwrap();
    let mut unexplained = Vec::new();
    check(&schema, "", &mut unexplained);
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

#[test]
fn the_commands_write_and_show_the_same_host() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    let dir = dir.to_str().unwrap();
    let spec = path("every-state");
    let spec = spec.to_str().unwrap();
    let said = stdout(rkt_sim(&["generate", "--spec", spec, "--out", dir]));
    assert!(said.contains("16 pods, 5 images"), "{said}");

    let described = stdout(rkt_sim(&["show", spec]));
    let host = host("every-state");
    let locked: Vec<_> = host.pods.iter().filter(|pod| pod.locked).collect();
    let holds: Vec<_> = locked
        .iter()
        .map(|pod| {
            let path = Path::new(dir).join("pods").join(pod.phase.dir_name());
            let held = fs::File::open(path.join(pod.id.to_string())).unwrap();
            held.try_lock().unwrap();
            held
        })
        .collect();
    let there = stdout(rkt_sim(&["show", dir]));
    drop(holds);
    let pods = |text: &str| text.split("\n\n").next().unwrap().to_owned();
    assert_eq!(pods(&there), pods(&described));
    // A blob's own size is known once there is one.
    let names = |text: &str| -> BTreeMap<String, String> {
        let lines = text.split("\n\n").nth(1).unwrap().lines();
        let words = lines.filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        });
        words.collect()
    };
    assert_eq!(names(&there), names(&described));
    let free = stdout(rkt_sim(&["show", dir]));
    assert!(
        !free.contains("RUNNING") && free.contains("EXITED"),
        "{free}"
    );

    let again = rkt_sim(&["generate", "--spec", spec, "--out", dir]);
    assert_eq!(again.status.code(), Some(254));
    let numbers = rkt_sim(&["generate", "--spec", spec, "--pods", "1", "--out", dir]);
    assert_eq!(numbers.status.code(), Some(2));
}

#[test]
fn numbers_make_the_same_host_each_time() {
    let tmp = tempfile::tempdir().unwrap();
    let written = |name: &str, seed: &str| {
        let dir = tmp.path().join(name);
        let out = dir.to_str().unwrap();
        let numbers = ["generate", "--pods", "7", "--images", "3", "--seed", seed];
        stdout(rkt_sim(&[&numbers[..], &["--out", out]].concat()));
        list(&dir)
    };
    let one = written("one", "5");
    assert!(one == written("two", "5"));
    assert!(one != written("three", "6"));
}

#[test]
fn each_is_the_same_wherever_it_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    for name in NAMES {
        let spec = path(name);
        let [one, other] = ["one", "the other, in a longer place"].map(|place| {
            let dir = tmp.path().join(place).join(name);
            fs::create_dir_all(dir.parent().unwrap()).unwrap();
            let out = dir.to_str().unwrap();
            stdout(rkt_sim(&[
                "generate",
                "--spec",
                spec.to_str().unwrap(),
                "--out",
                out,
            ]));
            list(&dir)
        });
        for (path, entry) in &one {
            assert_eq!(Some(entry), other.get(path), "{name}: {path}");
        }
        assert_eq!(one.len(), other.len(), "{name}");
    }
}

#[test]
fn a_mistake_in_a_file_is_one_line_with_its_place() {
    let tmp = tempfile::tempdir().unwrap();
    let spec = tmp.path().join("host.json");
    fs::write(&spec, "{\n  \"sed\": 1\n}\n").unwrap();
    let spec = spec.to_str().unwrap();
    let refused = rkt_sim(&["show", spec]);
    assert_eq!(refused.status.code(), Some(254));
    let error = String::from_utf8(refused.stderr).unwrap();
    let expected = format!("rkt-sim: {spec}:2:7: sed: unknown field `sed`, expected one of");
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
#[ignore = "needs journalctl"]
fn journalctl_gives_the_lines_that_were_described() {
    let tmp = tempfile::tempdir().unwrap();
    for name in ["every-state", "build-box", "kubernetes-node"] {
        let spec = host(name);
        let host = Host::create(tmp.path().join(name)).unwrap();
        host.write(&spec).unwrap();
        for pod in &spec.pods {
            let written = list(&host.pod_dir(pod));
            let journals: Vec<_> = written.keys().filter(|p| p.ends_with(".journal")).collect();
            let logs: usize = pod.apps.iter().map(|app| app.logs.len()).sum();
            let has_run =
                host.pod_dir(pod).join("pid").exists() || host.pod_dir(pod).join("ppid").exists();
            assert_eq!(
                journals.len(),
                usize::from(has_run && logs > 0),
                "{name}: {}",
                pod.id
            );
            let Some(journal) = journals.first() else {
                continue;
            };
            let file = host.pod_dir(pod).join(journal);
            let journalctl = |arguments: &[&str]| {
                let mut command = Command::new("journalctl");
                stdout(
                    command
                        .arg("--file")
                        .arg(&file)
                        .args(arguments)
                        .output()
                        .unwrap(),
                )
            };
            journalctl(&["--verify"]);
            for app in &pod.apps {
                let filter = format!("SYSLOG_IDENTIFIER={}", app.name);
                let lines = journalctl(&["--quiet", "--all", "-o", "json", &filter]);
                let lines: Vec<Value> = lines
                    .lines()
                    .map(|l| serde_json::from_str(l).unwrap())
                    .collect();
                let shown = lines.iter().map(|line| {
                    let at_us: i64 = line["__REALTIME_TIMESTAMP"]
                        .as_str()
                        .unwrap()
                        .parse()
                        .unwrap();
                    (at_us, line["MESSAGE"].as_str().unwrap().to_owned())
                });
                let expected = app
                    .logs
                    .iter()
                    .map(|line| (line.at_us, line.message.clone()));
                assert!(shown.eq(expected), "{name}: {} {lines:#?}", app.name);
            }
        }
    }
}
