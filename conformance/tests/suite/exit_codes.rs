//! Each exit code, and what goes with it. 0 and 1 are also what `honest` and `broken` are
//! about.

use std::{
    fs::{self, File},
    process::Command,
};

use rkt_api::server::Dialect;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::support::{PROGRAM, Served, program, run};

#[tokio::test(flavor = "multi_thread")]
async fn passed_is_0() {
    let server = Served::start(Dialect::Documented).await;
    let ran = run(&server.address, &["GetInfo/I-1", "GetInfo/W-3"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.stdout.ends_with(" 0 skipped\n"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_is_1() {
    let server = Served::start(Dialect::Documented).await;
    let case = "InspectPod/P-4/none-is";
    let args = ["--profile", "rkt-1.30", "--strict", case];
    let ran = run(&server.address, &args).await;
    assert_eq!(ran.exit, 1, "{ran:?}");
    assert_eq!(ran.failed(), [case]);
    for part in [
        "\n    request: InspectPod {\"id\":\"a0c30",
        "\n    - pid -1\n    + 0 (pod ",
        "\n    again: rkt-conformance run --connect ",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
}

#[tokio::test]
async fn usage_is_2() {
    for args in [
        &[][..],
        &["run"],
        &["run", "--connect", "no address"],
        &["run", "--connect", "localhost:1", "--model"],
        &["run", "--data-dir", "/tmp"],
        &["run", "--launch", "server without blanks"],
        &["run", "--", "server", "without", "blanks"],
        &["run", "--model", "--known-failing", "/no/such/file"],
        &["run", "--model", "--fix"],
        &["run", "--model", "["],
        &["explain", "GetInfo"],
        &["run", "--connect", "localhost:1", "--profile", "other"],
        &["other"],
    ] {
        let ran = program(args).await;
        assert_eq!(ran.exit, 2, "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "");
    }
}

#[tokio::test]
async fn unreachable_is_3() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let ran = run(&address, &[]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(
        ran.stderr
            .starts_with("rkt-conformance: failed to reach a server at 127.0.0.1:")
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");

    let ran = run("unix:/no/such/socket", &[]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
}

#[tokio::test]
async fn who_speaks_no_grpc_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            answer.await.unwrap();
        }
    });
    let ran = run(&address, &[]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
}

#[tokio::test]
async fn a_model_that_cannot_start_exits_as_a_server_does() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("host.json");
    let spec = path.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let args = ["serve-model", "--spec", spec, "--listen", &listen];
    for (description, sentence) in [
        (None, "rkt-conformance: failed to read the description "),
        (
            Some("{"),
            "rkt-conformance: failed to read the description ",
        ),
        (
            Some("{}"),
            "rkt-conformance: failed to listen on 127.0.0.1:",
        ),
    ] {
        if let Some(description) = description {
            fs::write(&path, description).unwrap();
        }
        let ran = program(&args).await;
        assert_eq!(ran.exit, 254, "{description:?}: {ran:?}");
        assert!(ran.stderr.starts_with(sentence), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

#[tokio::test]
async fn an_error_that_nobody_can_be_told_of_has_its_status() {
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--connect", "unix:/no/such/socket"]);
    let full = File::options().write(true).open("/dev/full");
    let mut process = command.stderr(full.unwrap()).spawn().unwrap();
    let status = tokio::task::spawn_blocking(move || process.wait());
    assert_eq!(status.await.unwrap().unwrap().code(), Some(3));
}

#[tokio::test]
async fn nothing_matched_is_4() {
    // Found out before anybody is called.
    for args in [
        &["run", "--connect", "localhost:1", "ListPods/F-P99"][..],
        &["run", "--connect", "localhost:1", "GetInfo", "getinfo"],
        &["list", "Nothing"],
    ] {
        let ran = program(args).await;
        assert_eq!(ran.exit, 4, "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

#[tokio::test]
async fn stale_is_5() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("known.txt");
    let list = path.to_str().unwrap();
    let args = ["run", "--model", "--known-failing", list, "GetInfo"];

    fs::write(
        &path,
        "# What is missing\nGetInfo/*  # of old\nNothing/*  # gone\n",
    )
    .unwrap();
    let ran = program(&args).await;
    assert_eq!(ran.exit, 5, "{ran:?}");
    for stale in ["GetInfo/*", "Nothing/*"] {
        assert!(ran.stdout.contains(stale), "{ran:?}");
    }

    let ran = program(&[&args[..], &["--fix"]].concat()).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "# What is missing\n");
    assert_eq!(program(&args).await.exit, 0);
}

#[tokio::test]
async fn random_cases_say_nothing_of_what_is_listed() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("known.txt");
    let list = path.to_str().unwrap();
    let args = ["run", "--model", "--known-failing", list];
    let random = [&args[..], &["--random", "1", "--seed", "4"]].concat();

    let listed = "GetInfo/*  # of old\nListPods/*  # all\n*/random/5  # another\n";
    fs::write(&path, listed).unwrap();
    let ran = program(&random).await;
    assert_eq!(ran.exit, 0, "{ran:?}");

    // But what is said of the very case counts, and is no concern of other runs.
    let case = "ListPods/F-P9/random/4";
    fs::write(&path, format!("{case}  # of old\n")).unwrap();
    let ran = program(&random).await;
    assert_eq!(ran.exit, 5, "{ran:?}");
    assert!(ran.stdout.contains(case), "{ran:?}");
    let ran = program(&[&args[..], &["GetInfo/I-1"]].concat()).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_to_fail_is_no_failure() {
    let server = Served::start(Dialect::Documented).await;
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("known.txt");
    fs::write(&path, "").unwrap();
    let case = "InspectPod/P-4/none-is";
    let args = ["--profile", "rkt-1.30", "--strict", "--known-failing"];
    let args = [&args[..], &[path.to_str().unwrap(), case]].concat();

    let ran = run(&server.address, &args).await;
    assert_eq!((ran.exit, ran.failed()), (1, vec![case]), "{ran:?}");
    let fixed = run(&server.address, &[&args[..], &["--fix"]].concat()).await;
    assert_eq!(fixed.exit, 0, "{fixed:?}");
    let list = fs::read_to_string(&path).unwrap();
    assert_eq!(list, format!("{case}  # new\n"));
    let ran = run(&server.address, &args).await;
    assert_eq!((ran.exit, ran.failed()), (0, vec![]), "{ran:?}");
    assert!(ran.stdout.contains("1 failed as known"), "{ran:?}");
}

#[tokio::test]
async fn names_can_be_listed() {
    let ran = program(&["list", "GetInfo/W-3", "GetInfo/I-2"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    let names: Vec<&str> = ran.stdout.lines().collect();
    let wanted = [
        "GetInfo/W-3/info",
        "GetInfo/I-2/global_flags",
        "GetInfo/I-2/dir",
        "GetInfo/I-2/dir-as-started",
        "GetInfo/I-2/config-dirs",
        "GetInfo/I-2/insecure_flags",
    ];
    assert_eq!(names, wanted);

    let ran = program(&["list", "--long", "ListPods/P-16"]).await;
    assert_eq!(
        ran.stdout,
        "SHOULD ListPods/P-16/order: ListPods orders by id\n"
    );

    let ran = program(&["list", "--json", "ListPods/P-16/order"]).await;
    let listed: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(listed[0]["name"], "ListPods/P-16/order");
    assert_eq!(listed[0]["clause"], "P-16");
    assert_eq!(listed[0]["level"], "SHOULD");
    assert_eq!(listed[0]["quick"], true);
}

#[tokio::test]
async fn the_help_explains_the_codes() {
    for args in [&["--help"][..], &["run", "--help"]] {
        let ran = program(args).await;
        assert_eq!(ran.exit, 0);
        assert!(
            ran.stdout
                .contains("3  the server cannot be started or reached"),
            "{ran:?}"
        );
    }
}
