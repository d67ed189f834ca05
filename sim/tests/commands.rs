//! The commands that break hosts and look into image indexes, as processes: what they print
//! and what they exit with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rkt_api::{
    formats::ql::{
        Time, Zone,
        rkt::{self, Schema},
    },
    layout::store,
};
use rkt_sim::{example, faults::Kind, host::Host};
use serde_json::{Value, json};

/// What a command did: exit status, standard output, standard error.
type Outcome = (i32, String, String);

fn rkt_sim<'a>(args: impl IntoIterator<Item = &'a str>) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
    let output = command.args(args).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The example host, with its directory as text.
fn host() -> (tempfile::TempDir, String) {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    host.write(&example::host()).unwrap();
    let dir = host.dir().to_str().unwrap().to_owned();
    (tmp, dir)
}

fn index(dir: &str) -> String {
    format!("{dir}/{}/{}", store::DB_DIR, store::DB)
}

#[test]
fn break_says_in_one_line_what_it_did() {
    let (_tmp, dir) = host();
    let pod = "c61e7a94-5b02-4f8d-8e77-3a90d4c126fb";
    let args = ["break", &dir, "net-info/fifo", "--pod", pod, "--seed", "3"];
    assert_eq!(
        rkt_sim(args),
        (
            0,
            format!(
                "net-info/fifo: The list of the pod's networks is a FIFO, which blocks whoever \
                 opens it. Changed: pods/run/{pod}/net-info.json\n"
            ),
            String::new()
        )
    );
    assert_eq!(
        rkt_sim(args),
        (
            254,
            String::new(),
            format!(
                "rkt-sim: net-info/fifo does not fit: pods/run/{pod}/net-info.json is no \
                 regular file\n"
            )
        )
    );
    // Without a pod, the first by id that it fits.
    let (code, said, _) = rkt_sim(["break", &dir, "net-info/fifo"]);
    assert_eq!(code, 0);
    assert!(said.contains("/run/3f0b52c1-"), "{said}");
}

#[test]
fn break_refuses_what_is_no_fault() {
    let (_tmp, dir) = host();
    let (code, _, error) = rkt_sim(["break", &dir, "net-info/fife"]);
    assert_eq!(code, 2);
    assert!(error.contains("did you mean net-info/fi"), "{error}");
    let (code, _, error) = rkt_sim(["break", "/nonexistent/rkt-sim", "cas/missing"]);
    assert_eq!(code, 254);
    assert!(
        error.starts_with("rkt-sim: failed to open the data directory"),
        "{error}"
    );
}

#[test]
fn faults_lists_every_kind() {
    let (code, table, _) = rkt_sim(["faults"]);
    assert_eq!(code, 0);
    let (code, list, _) = rkt_sim(["faults", "--json"]);
    assert_eq!(code, 0);
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(list.len(), Kind::all().count());
    for ((row, line), kind) in list.iter().zip(table.lines()).zip(Kind::all()) {
        let about = if kind.is_about_pod() { "pod" } else { "host" };
        let (name, sentence) = (kind.name(), kind.sentence());
        assert_eq!(
            *row,
            json!({"name": name, "about": about, "sentence": sentence})
        );
        assert!(
            line.starts_with(&format!("{name} ")) && line.ends_with(&sentence),
            "{line}"
        );
    }
}

/// An index in a directory of its own.
fn written(images: &[rkt::Image], remotes: &[rkt::Remote]) -> (tempfile::TempDir, PathBuf) {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join(store::DB);
    let index = rkt::write(Schema::LATEST, images, remotes).unwrap();
    fs::write(&path, index).unwrap();
    (tmp, path)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn dump_prints_what_was_written() {
    let at = |unix_s, zone| Time {
        unix_s,
        nanos: 0,
        zone,
    };
    let images = [1, 2].map(|number| rkt::Image {
        blob_key: format!("sha512-{number:064}"),
        name: format!("example.com/{number}"),
        import_time: at(1_502_266_272, Zone::Offset { east_s: 7200 }),
        last_used: Time::ZERO,
        latest: number == 1,
        size_bytes: number << 40,
        tree_store_size_bytes: 7,
    });
    let remote = rkt::Remote {
        aci_url: "https://example.com/1.aci".to_owned(),
        signature_url: String::new(),
        etag: "\"tag\"".to_owned(),
        blob_key: images[0].blob_key.clone(),
        cache_max_age_s: 300,
        download_time: at(1_457_067_967, Zone::Utc),
    };
    let (_tmp, path) = written(&images, &[remote]);
    let path = path.to_str().unwrap();

    let (code, text, _) = rkt_sim(["db", "dump", path]);
    assert_eq!(code, 0);
    let rows: Vec<_> = lines(&text)
        .into_iter()
        .map(|mut line| {
            line.as_object_mut()
                .unwrap()
                .remove("id")
                .unwrap()
                .as_i64()
                .unwrap();
            line
        })
        .collect();
    let image = |number: i64| {
        json!({"table": "aciinfo", "row": {
            "blobkey": format!("sha512-{number:064}"),
            "name": format!("example.com/{number}"),
            "importtime": "2017-08-09T10:11:12+02:00",
            "lastused": "0001-01-01T00:00:00Z",
            "latest": number == 1,
            "size": number << 40,
            "treestoresize": 7,
        }})
    };
    let remote = json!({"table": "remote", "row": {
        "aciurl": "https://example.com/1.aci",
        "sigurl": "",
        "etag": "\"tag\"",
        "blobkey": format!("sha512-{:064}", 1),
        "cachemaxage": 300,
        "downloadtime": "2016-03-04T05:06:07Z",
    }});
    let version = json!({"table": "version", "row": {"version": 7}});
    assert_eq!(rows, [version, remote, image(1), image(2)]);
    // Columns come in the table's order.
    let last = text.lines().last().unwrap();
    assert!(last.find("blobkey") < last.find("importtime"), "{last}");

    let (code, all, _) = rkt_sim(["db", "dump", "--all", path]);
    assert_eq!(code, 0);
    assert!(all.starts_with(&text));
    let tables: Vec<_> = lines(&all)
        .iter()
        .map(|line| line["table"].to_string())
        .collect();
    assert!(tables.contains(&"\"__Index2\"".to_owned()), "{tables:?}");
}

#[test]
fn a_complete_log_counts_as_applied() {
    let (_tmp, dir) = host();
    let index = index(&dir);
    let dump = || rkt_sim(["db", "dump", &index, "--all"]);
    let sound = dump();
    assert_eq!(
        lines(&sound.1)
            .iter()
            .filter(|row| row["table"] == "aciinfo")
            .count(),
        6
    );
    assert_eq!(rkt_sim(["break", &dir, "index-log/complete"]).0, 0);
    let torn = fs::read(&index).unwrap();
    assert_eq!(dump(), sound);
    assert_eq!(
        rkt_sim(["db", "verify", &index]),
        (0, String::new(), String::new())
    );
    assert!(
        fs::read(&index).unwrap() == torn,
        "the log was applied on disk"
    );

    fs::remove_file(Path::new(&index).with_file_name(store::DB_LOG)).unwrap();
    assert_ne!(rkt_sim(["db", "verify", &index]).0, 0);
}

#[test]
fn verify_tells_what_is_wrong() {
    let (_tmp, dir) = host();
    let index = index(&dir);
    let verify = || rkt_sim(["db", "verify", &index]);
    assert_eq!(verify(), (0, String::new(), String::new()));

    // One atom too many: no table is affected.
    assert_eq!(rkt_sim(["break", &dir, "index/longer"]).0, 0);
    let (code, problems, error) = verify();
    assert_eq!((code, error), (1, String::new()));
    assert!(problems.contains("at byte "), "{problems}");

    assert_eq!(rkt_sim(["break", &dir, "index/magic"]).0, 0);
    for command in ["verify", "dump"] {
        let (code, text, error) = rkt_sim(["db", command, &index]);
        assert_eq!((code, text), (254, String::new()), "{command}: {error}");
        assert_eq!(error.lines().count(), 1);
        assert!(
            error.contains("damaged database") && error.contains("at byte "),
            "{error}"
        );
    }
}

#[test]
fn an_index_that_was_never_used_is_sound_and_empty() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join(store::DB);
    File::create(&path).unwrap();
    let path = path.to_str().unwrap();
    for command in ["verify", "dump"] {
        assert_eq!(
            rkt_sim(["db", command, path]),
            (0, String::new(), String::new())
        );
    }
}

#[test]
fn an_index_that_cannot_be_read_is_one_plain_sentence() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().to_str().unwrap();
    let missing = format!("{dir}/ql.db");
    assert_eq!(
        rkt_sim(["db", "dump", &missing]),
        (
            254,
            String::new(),
            format!("rkt-sim: {missing}: No such file or directory (os error 2)\n")
        )
    );
    assert_eq!(
        rkt_sim(["db", "verify", dir]),
        (
            254,
            String::new(),
            format!("rkt-sim: {dir}: this is no regular file\n")
        )
    );
}

/// Whoever reads may go at any time, as `head -1` does.
#[test]
fn nobody_has_to_read_to_the_end() {
    let (tmp, dir) = host();
    let made = tmp.path().join("made");
    let (made, index) = (made.to_str().unwrap(), index(&dir));
    let commands: [&[&str]; 7] = [
        &["generate", "--pods", "3", "--images", "2", "--out", made],
        &["show", &dir],
        &["schema"],
        &["faults"],
        &["faults", "--json"],
        &["db", "dump", &index],
        &["break", &dir, "net-info/fifo"],
    ];
    for args in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
        let command = command.args(args).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
    // What is to be done is done all the same.
    assert!(Path::new(&format!("{made}.rkt-sim.json")).exists());
}
