//! Spec files: what is refused and where, what is made up, and that it is always the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;

use common::list;
use proptest::prelude::*;
use rkt_sim::{
    generate,
    host::Host,
    spec::{Compression, HostSpec, Journal, Network, Phase, Process, Revision, Torn},
    spec_file::{
        AppSpec, Brief, CompressionName, DependencySpec, DockerSpec, FaultSpec, GenerateSpec,
        Given, ImageSpec, JournalSpec, KubernetesSpec, LogSpec, NetworkSpec, Networks, Octets,
        Pairs, PhaseName, PodSpec, RemoteSpec, SpecFile, State, Style, Time, TornName,
    },
};
use uuid::Uuid;

fn host(json: &str) -> HostSpec {
    HostSpec::from_json(json).unwrap_or_else(|error| panic!("{error}\n{json}"))
}

#[track_caller]
fn check_refused(json: &str, expected: &str) {
    let error = HostSpec::from_json(json).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}\nis not\n{expected}");
}

#[test]
fn mistakes_of_form_have_line_column_and_path() {
    check_refused("", "1:0: EOF while parsing a value");
    check_refused("{\"seed\": 1}\n[]", "2:1: trailing characters");
    check_refused(
        "{\n  \"pods\": [\n    { \"nam\": 1 }\n  ]\n}",
        "3:11: pods[0].nam: unknown field `nam`, expected one of `id`, `state`",
    );
    check_refused(
        r#"{"pods": [{"apps": ["etcd", {"image": "etcd", "exitcode": 1}]}]}"#,
        "1:56: pods[0].apps[1].exitcode: unknown field `exitcode`, expected one of",
    );
    check_refused(
        r#"{"pods": [{"state": "done"}]}"#,
        "1:26: pods[0].state: unknown variant",
    );
    check_refused(
        r#"{"pods": [{"created": "soon"}]}"#,
        "1:29: pods[0].created: \"soon\" is no time",
    );
    check_refused(
        r#"{"pods": [{"networks": "none"}]}"#,
        "1:29: pods[0].networks: invalid value",
    );
    check_refused(
        r#"{"pods": [{"networks": [{"name": "a", "ip": "10.0.0"}]}]}"#,
        "1:52: pods[0].networks[0].ip: ",
    );
    check_refused(
        r#"{"pods": [{"apps": [7]}]}"#,
        "1:21: pods[0].apps[0]: invalid type",
    );
    check_refused(
        r#"{"images": [{"labels": {"os": 1}}]}"#,
        "1:31: images[0].labels.os: invalid type",
    );
    check_refused(
        r#"{"pods": [{"apps": [{"logs": [{"at": "-1h"}]}]}]}"#,
        "1:43: pods[0].apps[0].logs[0]: missing field `message`",
    );
    check_refused(
        r#"{"pods": [{"apps": [{"logs": [{"message": {"base64": "?"}}]}]}]}"#,
        "1:57: pods[0].apps[0].logs[0].message: no base64",
    );
    check_refused(
        r#"{"pods": [{"journal": {"rotateAfter": 0}}]}"#,
        "1:39: pods[0].journal.rotateAfter: invalid value",
    );
    check_refused(r#"{"seed": -1}"#, "1:11: seed: invalid value");
    check_refused(
        r#"{"faults": [{"kid": "x"}]}"#,
        "1:18: faults[0].kid: unknown field",
    );
    check_refused(
        r#"{"generate": {"pod": 1}}"#,
        "1:19: generate.pod: unknown field",
    );
}

#[test]
fn what_no_host_can_be_is_refused_at_its_place() {
    let id = "\"id\": \"668ecca0-3487-4c27-9134-b769a546e375\"";
    check_refused(
        &format!("{{\"pods\": [{{{id}}},\n {{{id}}}]}}"),
        "2:9: pods[1].id: there are two pods 668ecca0",
    );
    for (pod, expected) in [
        (
            r#""apps": [{"name": "Web"}]"#,
            "apps[0].name: \"Web\" is no name",
        ),
        (
            r#""phase": "run", "exited": "-2h", "started": "-1h""#,
            "exited: it exits before the pod starts",
        ),
        (
            r#""phase": "run", "started": "-1h", "apps": [{"exitCode": 0, "exited": "-2h"}]"#,
            "apps[0].exited: it exits before the pod starts",
        ),
        (
            r#""apps": [{"image": "a b"}]"#,
            "apps[0].image.name: \"a b\" is no image name",
        ),
        (
            r#""apps": [{"name": "a"}, {"name": "a"}]"#,
            "apps[1].name: there are two apps a",
        ),
        (
            r#""state": "prepared", "phase": "run""#,
            "state: a pod in run, not locked, is EXITED, not PREPARED",
        ),
        (
            r#""state": "running", "locked": false"#,
            "state: a pod in run, not locked",
        ),
        (r#""pid": 1, "ppid": 2"#, "ppid: stage1 notes either"),
        (
            r#""pid": 1, "started": null"#,
            "pid: a pod that did not start",
        ),
        (r#""created": "300y""#, "created: \"300y\" is no time"),
        (
            r#""created": "9999-01-01T00:00:00Z""#,
            "created: 9999-01-01T00:00:00Z is too far",
        ),
        (
            r#""apps": [{"mounts": [{"volume": "v", "path": "/v"}]}], "volumes": []"#,
            "apps[0].mounts[0].volume: the pod has no volume \"v\"",
        ),
        (
            r#""volumes": [{"name": "v", "kind": "empty"}, {"name": "v", "kind": "empty"}]"#,
            "volumes[1].name: there are two volumes v",
        ),
        (
            r#""apps": [{"logs": [{"at": "2s", "message": "a"}, {"at": "1s", "message": "b"}]}]"#,
            "apps[0].logs[1]: a log line is older",
        ),
        (
            r#""journal": {"systemd": 230, "compression": "zstd"}"#,
            "journal.compression: systemd 230 cannot write such a journal: it takes 246",
        ),
        (
            r#""journal": {"systemd": 246, "compact": true}"#,
            "journal.compact: systemd 246 cannot write such a journal: it takes 252",
        ),
        (
            r#""journal": {"systemd": 188}"#,
            "journal.systemd: systemd 188 cannot write such a journal: it takes 189",
        ),
        (
            r#""apps": [{"logs": [{"message": "a", "fields": {"MESSAGE": "b"}}]}]"#,
            "apps[0].logs[0].fields: MESSAGE is no further field",
        ),
        (
            r#""apps": [{"logs": [{"message": null, "fields": {"1ST": "b"}}]}]"#,
            "apps[0].logs[0].fields: field name \"1ST\" begins with a digit",
        ),
    ] {
        let json = format!("{{\"pods\": [{{{pod}}}]}}");
        let error = HostSpec::from_json(&json).unwrap_err();
        let shown = format!("{}: {}", error.path, error.message);
        assert!(
            shown.starts_with(&format!("pods[0].{expected}")),
            "{shown}\n{pod}"
        );
        assert_eq!(error.line, 1);
    }
    check_refused(
        r#"{"images": [{"name": "a", "dependencies": ["b"]}, {"name": "b"}]}"#,
        "1:44: images[0].dependencies[0].image: b is listed later",
    );
    check_refused(
        r#"{"images": [{"name": "a", "version": "1", "annotations": {}}, {"name": "a", "version": "1", "annotations": {}}]}"#,
        "1:63: images[1]: it is the same image as another one",
    );
    check_refused(
        r#"{"baseTime": "-2h"}"#,
        "1:14: baseTime: the base time must be absolute",
    );
    check_refused(
        r#"{"generate": {"pods": 100001}}"#,
        "1:23: generate.pods: 100001 is too many",
    );
    check_refused(
        r#"{"faults": [{"kind": "pod/empty", "pod": "668ecca0-3487-4c27-9134-b769a546e375"}]}"#,
        "1:42: faults[0].pod: there is no pod 668ecca0",
    );
}

#[test]
fn what_is_said_is_what_comes_out() {
    let host = host(
        r#"{
          "baseTime": "2018-05-01T00:00:00Z",
          "images": [
            {"name": "example.com/base", "version": "1", "removed": true},
            {"name": "example.com/web", "version": null, "labels": {"arch": "arm64", "tier": "a"},
             "annotations": {"b": "1", "a": "2"}, "docker": {"imageId": "abc", "entrypoint": null},
             "dependencies": ["example.com/base:1"], "imported": "-1d", "sizeBytes": 7,
             "treeStoreSizeBytes": 9, "exec": ["/web", "-v"],
             "remotes": [{"aciUrl": "https://a", "sigUrl": null, "etag": "x", "cacheMaxAgeS": 60}]}
          ],
          "pods": [
            {"id": "668ecca0-3487-4c27-9134-b769a546e375", "state": "exited",
             "apps": [{"name": "one", "image": "example.com/web", "imageId": "sha512-00",
                       "exitCode": -3, "annotations": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}],
                       "mounts": [{"volume": "v", "path": "/v"}], "readOnlyRootFS": true,
                       "isolators": [{"name": "resource/cpu", "value": {"limit": "1"}}],
                       "environment": {"K": "V"}, "user": "500", "userLabels": {"k": "v"},
                       "logs": ["first", {"at": "-1h", "message": "second"}]},
                      {"image": "example.com/web", "exitCode": null}],
             "volumes": [{"name": "v", "kind": "host", "source": "/srv", "readOnly": true}],
             "ports": [{"name": "http", "hostPort": 80, "hostIP": "::1"}],
             "networks": [{"name": "six", "ip": "fd00::1"}, {"name": "none", "ip": null}, "default"],
             "cgroup": "/system.slice/x.service", "ppid": 12, "mutable": true, "overlay": false,
             "annotations": {"owner": "me"}, "userAnnotations": {"u": "a"},
             "created": "-3h", "started": "2018-04-30T21:00:02Z"},
            {"phase": "garbage", "locked": true, "networks": "host", "cgroup": null}
          ],
          "faults": ["net-info/fifo", {"kind": "status/fifo", "pod": "668ecca0-3487-4c27-9134-b769a546e375"}]
        }"#,
    );
    let [image] = host.images.as_slice() else {
        panic!("{:?}", host.images)
    };
    let pairs = |pairs: &[(String, String)]| -> Vec<_> {
        let joined = pairs.iter().map(|(name, value)| format!("{name}={value}"));
        joined.collect()
    };
    assert_eq!(pairs(&image.labels), ["os=linux", "arch=arm64", "tier=a"]);
    let annotations = pairs(&image.annotations);
    assert_eq!(annotations[..2], ["b=1", "a=2"]);
    assert!(annotations.contains(&"appc.io/docker/imageid=abc".to_owned()));
    assert!(annotations.contains(&"appc.io/docker/repository=web".to_owned()));
    assert!(annotations.contains(&"appc.io/docker/cmd=[\"-v\"]".to_owned()));
    assert!(!annotations.iter().any(|pair| pair.contains("entrypoint")));
    assert_eq!(
        (image.size_bytes, image.tree_store_size_bytes),
        (Some(7), 9)
    );
    assert_eq!(image.imported_at_s, 1_525_132_800 - 86_400);
    assert!(image.latest);
    assert_eq!(image.dependencies[0].image.name, "example.com/base");
    let remote = &image.remotes[0];
    assert_eq!((remote.etag.as_str(), remote.sig_url.as_str()), ("x", ""));
    assert_eq!(remote.downloaded_at_s, image.imported_at_s);

    let [pod, other] = host.pods.as_slice() else {
        panic!()
    };
    assert_eq!((pod.phase, pod.locked), (Phase::Run, false));
    let started = pod.started.unwrap();
    assert_eq!(started.process, Process::Ppid(12));
    assert_eq!(started.at_ns - pod.created_at_ns, 2_000_000_000);
    assert_eq!(
        pairs(&pod.annotations),
        ["coreos.com/rkt/stage1/mutable=true", "owner=me"]
    );
    assert_eq!(pod.subcgroup.as_deref(), Some("system.slice/x.service"));
    let networks = pod.networks.as_ref().unwrap();
    assert_eq!(
        networks[0],
        Network::new("six", "fd00::1".parse::<std::net::Ipv6Addr>().unwrap())
    );
    assert_eq!(networks[1].ip, None);
    assert!(networks[2].ip.unwrap().is_ipv4());
    let app = &pod.apps[0];
    assert_eq!((app.exit_code, pod.apps[1].exit_code), (Some(-3), None));
    assert_eq!(pairs(&app.annotations), ["a=1", "a=2"]);
    assert_eq!(pod.apps[1].name, "web");
    let settings = app.settings.as_ref().unwrap();
    assert_eq!(
        (settings.user.as_str(), settings.group.as_str()),
        ("500", "0")
    );
    assert_eq!(settings.isolators[0].name, "resource/cpu");
    assert_eq!(app.logs[0].message, "first");
    assert_eq!(app.logs[1].at_us, (1_525_132_800 - 3600) * 1_000_000);

    assert_eq!((other.phase, other.locked), (Phase::Garbage, true));
    assert_eq!((&other.networks, &other.subcgroup), (&None, &None));
    let [first, second] = host.faults.as_slice() else {
        panic!("{:?}", host.faults)
    };
    assert_eq!(
        (first.kind.name().as_str(), first.pod),
        ("net-info/fifo", None)
    );
    assert_eq!(
        (second.kind.name().as_str(), second.pod),
        ("status/fifo", Some(pod.id))
    );
    assert_ne!(first.seed, second.seed);
}

#[test]
fn journals_are_as_the_pods_systemd_writes_them() {
    let journal =
        |json: &str| host(&format!(r#"{{"pods": [{{"journal": {json}}}]}}"#)).pods[0].journal;
    assert_eq!(
        host(r#"{"pods": [{}]}"#).pods[0].journal,
        Journal::default()
    );
    assert_eq!(journal("{}"), Journal::default());
    for (systemd, compression, revision) in [
        (219, Compression::Xz, Revision::V189),
        (234, Compression::Lz4, Revision::V189),
        (250, Compression::Zstd, Revision::V246),
        (252, Compression::Zstd, Revision::V252),
        (257, Compression::Zstd, Revision::V254),
    ] {
        let read = journal(&format!(r#"{{"systemd": {systemd}}}"#));
        assert_eq!(read, Journal::of_systemd(systemd));
        assert_eq!(
            (read.compression, read.revision),
            (Some(compression), revision)
        );
        assert_eq!(
            (read.keyed_hash, read.compact),
            (systemd >= 246, systemd >= 252)
        );
    }
    let plain =
        journal(r#"{"systemd": 252, "compression": null, "keyedHash": false, "compact": false}"#);
    let revision = Revision::V252;
    assert_eq!(
        plain,
        Journal {
            revision,
            ..Journal::default()
        }
    );
    // What is said needs no more than it needs.
    let keyed = journal(r#"{"keyedHash": true, "dirty": true, "torn": "zeros", "rotateAfter": 5}"#);
    let expected = Journal {
        revision: Revision::V246,
        keyed_hash: true,
        dirty: true,
        torn: Some(Torn::Zeros),
        rotate_after: std::num::NonZeroU32::new(5),
        ..Journal::default()
    };
    assert_eq!(keyed, expected);
}

#[test]
fn log_lines_may_be_anything_that_a_journal_can_have() {
    let host = host(
        r#"{"pods": [{"journal": {"outOfOrder": true}, "apps": [{"logs": [
            {"at": "-1h", "message": {"text": "ab", "times": 3}},
            {"at": "-2h", "message": {"base64": "/w=="}},
            {"message": {"base64": "YQ=="}},
            {"message": null, "fields": {"TAG": "a"}},
            {"message": null}
        ]}]}]}"#,
    );
    let app = &host.pods[0].apps[0];
    let lines: Vec<_> = app.logs.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines, ["ababab", "a"]);
    let entries: Vec<_> = app
        .entries
        .iter()
        .map(|it| (it.after_lines, it.fields.clone()))
        .collect();
    let field = |name: &str, value: &[u8]| vec![(name.to_owned(), value.to_vec())];
    assert_eq!(
        entries,
        [
            (1, field("MESSAGE", b"\xff")),
            (2, field("TAG", b"a")),
            (2, vec![])
        ]
    );
    assert!(app.entries[0].at_us < app.logs[0].at_us && app.entries[0].at_us < app.logs[1].at_us);
}

#[test]
fn exits_are_when_it_is_said_or_between_start_and_base_time() {
    let said = host(
        r#"{"baseTime": "2018-05-01T00:00:00Z", "pods": [{"state": "exited", "started": "-3h",
            "exited": "-1h", "apps": [{"exitCode": 0, "exited": "-2h"}, {"exitCode": 1}]}]}"#,
    );
    let ns = |hours: i64| (1_525_132_800 - hours * 3600) * 1_000_000_000;
    let pod = &said.pods[0];
    assert_eq!(pod.exited_at_ns, Some(ns(1)));
    assert_eq!(pod.apps[0].exited_at_ns, Some(ns(2)));
    assert_eq!(pod.apps[1].exited_at_ns, Some(ns(1)));

    let made_up = HostSpec::random(300, 10, 4).unwrap();
    let base_ns = 1_527_854_400_000_000_000;
    let mut exited = 0;
    for pod in &made_up.pods {
        let times = pod.apps.iter().filter_map(|app| app.exited_at_ns);
        for (app, at_ns) in pod.apps.iter().filter_map(|a| Some((a, a.exited_at_ns?))) {
            let started_ns = pod.started.unwrap().at_ns;
            assert!((started_ns..base_ns).contains(&at_ns), "{}", pod.id);
            let last_ns = app.logs.last().map_or(started_ns, |line| line.at_us * 1000);
            assert!(at_ns >= last_ns, "{}", pod.id);
            exited += 1;
        }
        let expected = times.max().filter(|_| !pod.locked);
        assert_eq!(pod.exited_at_ns, expected, "{}", pod.id);
    }
    assert!(exited > 50, "{exited}");
}

#[test]
fn the_store_holds_what_pods_name_unless_it_is_said_what_it_holds() {
    let pods = r#""pods": [{"apps": ["coreos.com/etcd", "quay.io/a/b:1"]}, {"apps": ["coreos.com/etcd"]}]"#;
    let names = |json: &str| {
        let images = host(json).images;
        let names: BTreeSet<_> = images.into_iter().map(|image| image.name).collect();
        names.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        names(&format!("{{{pods}}}")),
        [
            "coreos.com/etcd",
            "coreos.com/rkt/stage1-coreos",
            "quay.io/a/b"
        ]
    );
    assert!(names(&format!("{{{pods}, \"images\": []}}")).is_empty());
    let pods = host(&format!("{{{pods}}}")).pods;
    assert_eq!(pods[0].apps[0].image, pods[1].apps[0].image);
}

#[test]
fn one_thing_more_leaves_the_rest_as_it_was() {
    let before = host(r#"{"seed": 5, "pods": [{}, {}], "generate": {"pods": 3, "images": 4}}"#);
    let after = host(
        r#"{"seed": 5, "pods": [{}, {"overlay": true}, {}], "generate": {"pods": 4, "images": 4}}"#,
    );
    assert_eq!(before.images, after.images);
    assert_eq!(before.pods[0], after.pods[0]);
    assert_eq!(before.pods[1].id, after.pods[1].id);
    assert_eq!(before.pods[1].apps, after.pods[1].apps);
    assert_eq!(before.pods[2..], after.pods[3..6]);
    let other = host(r#"{"seed": 6, "pods": [{}]}"#);
    assert_ne!(before.pods[0].id, other.pods[0].id);
}

#[test]
fn what_is_made_up_is_never_there_twice() {
    for style in ["mixed", "kubernetes", "jobs"] {
        let host = host(&format!(
            r#"{{"pods": [{{}}, {{}}, {{}}], "images": [],
                 "generate": {{"pods": 600, "images": 300, "logLines": 3, "style": "{style}"}}}}"#
        ));
        let mut ids = BTreeSet::new();
        let mut processes = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        for pod in &host.pods {
            assert!(ids.insert(pod.id));
            assert_eq!(pod.id.get_version_num(), 4);
            if let Some(started) = pod.started {
                let (Process::Pid(pid) | Process::Ppid(pid)) = started.process;
                assert!(processes.insert(pid) && pid > 1, "{pid}");
                assert!(started.at_ns > pod.created_at_ns);
            }
            for network in pod.networks.iter().flatten() {
                assert!(addresses.insert(network.ip.unwrap()), "{network:?}");
            }
            let names: BTreeSet<_> = pod.apps.iter().map(|app| &app.name).collect();
            assert_eq!(names.len(), pod.apps.len());
            for app in &pod.apps {
                assert!(app.logs.is_sorted_by_key(|line| line.at_us));
                assert!(app.exit_code.is_none() || !(pod.locked && names.len() == 1));
            }
        }
        assert_eq!(host.pods.len(), 603);
        let keys: BTreeSet<_> = host.images.iter().map(|i| i.blob_key().unwrap()).collect();
        assert_eq!(keys.len(), 300);
        assert!(host.images.is_sorted_by_key(|image| image.imported_at_s));
    }
}

#[test]
fn a_host_is_the_same_wherever_it_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let written = |path: &str| {
        let spec = HostSpec::random(40, 15, 11).unwrap();
        let host = Host::create(tmp.path().join(path)).unwrap();
        host.write(&spec).unwrap();
        list(host.dir())
    };
    let one = written("one");
    assert_eq!(one, written("another, with a longer name"));
    assert!(one.len() > 500, "{}", one.len());
}

#[test]
fn a_seed_means_the_same_on_every_machine() {
    let host = HostSpec::random(2, 2, 1).unwrap();
    let shown: Vec<_> = host
        .pods
        .iter()
        .map(|pod| format!("{} {} {}", pod.id, pod.apps[0].name, pod.created_at_ns))
        .chain(host.images.iter().map(|image| image.blob_key().unwrap()))
        .collect();
    assert_eq!(shown, PINNED);
}

const PINNED: [&str; 4] = [
    "dff6f800-5865-4ca3-9d81-763892e500d0 flannel 1527422691049120376",
    "998e4ef5-e5d3-48d8-962f-55aa319f4eea flannel 1527827925777584790",
    "sha512-a04719ad2fc3cbf4fedaac5593dc190b1086568018cd3ec7e879db26f7c8c0d4",
    "sha512-2e9a737398c9958e673ec9e6c55dcf596ac89ba3dd34faa4c5abda2fbe4e4e24",
];

prop_compose! {
    fn pairs()(pairs in prop::collection::vec((text(), text()), 0..3)) -> Pairs {
        Pairs(pairs)
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("web".to_owned()),
        Just("example.com/web:1".to_owned()),
        Just("version".to_owned()),
        "[a-z]{1,8}",
        any::<String>(),
    ]
}

fn given<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Given<T>> {
    prop_oneof![
        value.prop_map(Given::Value),
        Just(()).prop_map(|()| Given::Unsaid),
        Just(()).prop_map(|()| Given::Nothing),
    ]
}

fn fault_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("net-info/fifo".to_owned()),
        Just("index/missing".to_owned()),
        text()
    ]
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        (-100_000_i64..100_000).prop_map(|s| Time::Relative(jiff::SignedDuration::from_secs(s))),
        (any::<i64>(), 0..1_000_000_000_i32).prop_map(|(s, ns)| Time::Relative(
            jiff::SignedDuration::new(s, if s < 0 { -ns } else { ns })
        )),
        (-9_999_999_999_i64..99_999_999_999)
            .prop_map(|s| Time::Absolute(jiff::Timestamp::from_second(s).unwrap())),
    ]
}

prop_compose! {
    fn image()(
        name in prop::option::of(text()), version in given(text()), labels in pairs(),
        annotations in prop::option::of(pairs()), exec in prop::option::of(prop::collection::vec(text(), 0..3)),
        docker in prop::option::of((prop::option::of(text()), given(text()), given(prop::collection::vec(text(), 0..3)))),
        dependencies in prop::collection::vec((text(), any::<bool>(), any::<Option<u64>>()), 0..2),
        imported in prop::option::of(time()), latest in any::<Option<bool>>(), size in given(any::<u64>()),
        tree in any::<Option<u64>>(), removed in any::<bool>(),
        remotes in prop::option::of(prop::collection::vec((prop::option::of(text()), given(text()), any::<Option<u32>>()), 0..3)),
    ) -> ImageSpec {
        let dependency = |(image, by_id, size_bytes)| Brief(DependencySpec { image, by_id, size_bytes });
        let remote = |(aci_url, etag, cache_max_age_s)| RemoteSpec { aci_url, etag, cache_max_age_s, ..RemoteSpec::default() };
        ImageSpec {
            name, version, labels, annotations, exec, imported, latest, removed,
            size_bytes: size,
            tree_store_size_bytes: tree,
            docker: docker.map(|(tag, parent_image_id, cmd)| DockerSpec { tag, parent_image_id, cmd, ..DockerSpec::default() }),
            dependencies: dependencies.into_iter().map(dependency).collect(),
            remotes: remotes.map(|remotes| remotes.into_iter().map(remote).collect()),
            ..ImageSpec::default()
        }
    }
}

fn octets() -> impl Strategy<Value = Octets> {
    prop_oneof![
        text().prop_map(Octets::Text),
        any::<Vec<u8>>().prop_map(Octets::Base64),
        (text(), 0..100_u32).prop_map(|(text, times)| Octets::Repeated { text, times }),
    ]
}

fn field_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["TAG", "MESSAGE", "lower"]).prop_map(str::to_owned)
}

fn journal() -> impl Strategy<Value = JournalSpec> {
    let systemd = prop::sample::select(vec![None, Some(188), Some(219), Some(246), Some(252)]);
    let compressions = [
        CompressionName::Xz,
        CompressionName::Lz4,
        CompressionName::Zstd,
    ];
    let compression = given(prop::sample::select(compressions.to_vec()));
    let torn = prop::sample::select(vec![None, Some(TornName::Cut), Some(TornName::Zeros)]);
    let flags = any::<(Option<bool>, Option<bool>, bool, bool)>();
    (systemd, compression, flags, torn, 0..3_u32).prop_map(
        |(systemd, compression, (keyed_hash, compact, dirty, out_of_order), torn, entries)| {
            let rotate_after = std::num::NonZeroU32::new(entries);
            JournalSpec {
                systemd,
                compression,
                keyed_hash,
                compact,
                rotate_after,
                dirty,
                torn,
                out_of_order,
            }
        },
    )
}

prop_compose! {
    fn app()(
        name in prop::option::of(text()), image in prop::option::of(text()), annotations in pairs(),
        exit_code in given(any::<i32>()), environment in pairs(), read_only_root_fs in any::<bool>(),
        logs in prop::option::of(prop::collection::vec((
            prop::option::of(time()), prop::option::of(octets()), prop::collection::vec((field_name(), octets()), 0..2),
        ), 0..4)),
    ) -> Brief<AppSpec> {
        let line = |(at, message, fields): (_, Option<_>, Vec<_>)| {
            let fields = fields.into_iter().collect();
            Brief(LogSpec { at, message, fields })
        };
        let logs = logs.map(|logs| logs.into_iter().map(line).collect());
        Brief(AppSpec { name, image, annotations, exit_code, environment, read_only_root_fs, logs, ..AppSpec::default() })
    }
}

prop_compose! {
    fn pod()(
        id in any::<Option<u128>>(), state in prop::option::of(prop::sample::select(State::ALL.to_vec())),
        phase in prop::option::of(prop::sample::select(vec![PhaseName::Embryo, PhaseName::Run, PhaseName::Garbage])),
        (locked, manifest, overlay) in any::<(Option<bool>, Option<bool>, Option<bool>)>(),
        apps in prop::option::of(prop::collection::vec(app(), 0..3)), annotations in pairs(),
        mutable in given(any::<bool>()), kubernetes in any::<Option<Option<u32>>>(),
        created in prop::option::of(time()), started in given(time()),
        (pid, ppid) in any::<(Option<i32>, Option<i32>)>(), cgroup in given(text()),
        networks in prop::option::of(prop::collection::vec((text(), given(any::<std::net::IpAddr>())), 0..3)),
        journal in prop::option::of(journal()),
    ) -> PodSpec {
        let network = |(name, ip)| Brief(NetworkSpec { name, ip });
        PodSpec {
            id: id.map(Uuid::from_u128), state, phase, locked, manifest, overlay, apps, annotations,
            mutable, created, started, pid, ppid, cgroup, journal,
            kubernetes: kubernetes.map(|restart_count| KubernetesSpec { restart_count, ..KubernetesSpec::default() }),
            networks: networks.map(|networks| match networks.is_empty() {
                true => Networks::Host,
                false => Networks::Own(networks.into_iter().map(network).collect()),
            }),
            ..PodSpec::default()
        }
    }
}

prop_compose! {
    fn file()(
        seed in any::<u64>(), base_time in prop::option::of(time()),
        images in prop::option::of(prop::collection::vec(image(), 0..4)),
        pods in prop::collection::vec(pod(), 0..4),
        counts in any::<(Option<bool>, Option<bool>, Option<bool>)>(), faults in prop::collection::vec((fault_name(), any::<Option<u128>>()), 0..2),
        style in prop::option::of(prop::sample::select(vec![Style::Mixed, Style::Kubernetes, Style::Jobs])),
    ) -> SpecFile {
        let count = |said: Option<bool>| said.map(|some| if some { 3 } else { 0 });
        let fault = |(kind, pod): (String, Option<u128>)| Brief(FaultSpec { kind, pod: pod.map(Uuid::from_u128) });
        SpecFile {
            seed, base_time, images, pods,
            generate: GenerateSpec { pods: count(counts.0), images: count(counts.1), log_lines: count(counts.2), style },
            faults: faults.into_iter().map(fault).collect(),
            ..SpecFile::default()
        }
    }
}

proptest! {
    #[test]
    fn any_file_is_read_as_it_was_written_and_resolved_or_refused(file in file()) {
        let json = serde_json::to_string_pretty(&file).unwrap();
        prop_assert_eq!(&SpecFile::parse(&json).unwrap(), &file);
        let from_value = generate::resolve(&file);
        let from_text = HostSpec::from_json(&json);
        match (from_value, from_text) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
            (Err(one), Err(other)) => prop_assert_eq!(one.mistake.to_string(), other.message),
            (one, other) => prop_assert!(false, "{one:?}\n{other:?}"),
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text: String) {
        let _ = HostSpec::from_json(&text);
    }

    #[test]
    fn files_without_strange_words_resolve(file in plain_file()) {
        generate::resolve(&file).unwrap();
    }
}

prop_compose! {
    /// Files in which every name is one, so that nothing is refused.
    fn plain_file()(
        seed in any::<u64>(), states in prop::collection::vec(prop::sample::select(State::ALL.to_vec()), 0..6),
        apps in prop::collection::vec("[a-z]{1,8}(/[a-z]{1,8})?", 0..4), images in any::<bool>(),
    ) -> SpecFile {
        let app = |image: &String| Brief(AppSpec { image: Some(image.clone()), ..AppSpec::default() });
        let pod = |state| PodSpec { state: Some(state), apps: Some(apps.iter().map(app).collect()), ..PodSpec::default() };
        SpecFile {
            seed,
            pods: states.into_iter().map(pod).collect(),
            generate: GenerateSpec { images: images.then_some(4), ..GenerateSpec::default() },
            ..SpecFile::default()
        }
    }
}
