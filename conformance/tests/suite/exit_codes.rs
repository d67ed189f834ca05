//! Each exit code, and what goes with it. 0 and 1 are also what `honest` and `broken` are
//! about.

use rkt_api::server::Dialect;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::support::{Served, program, run};

#[tokio::test(flavor = "multi_thread")]
async fn passed_is_0() {
    let server = Served::start(Dialect::Documented).await;
    let ran = run(&server.address, &["GetInfo"]).await;
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
async fn names_can_be_listed() {
    let ran = program(&["list", "GetInfo"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    let names: Vec<&str> = ran.stdout.lines().collect();
    let wanted = [
        "GetInfo/W-3/info",
        "GetInfo/I-1/semver",
        "GetInfo/I-2/global_flags",
        "GetInfo/I-2/dir",
    ];
    assert_eq!(names, wanted);

    let ran = program(&["list", "--long", "ListPods/P-16"]).await;
    assert_eq!(
        ran.stdout,
        "SHOULD ListPods/P-16/order: ListPods orders by id\n"
    );
}

#[tokio::test]
async fn the_help_explains_the_codes() {
    for args in [&["--help"][..], &["run", "--help"]] {
        let ran = program(args).await;
        assert_eq!(ran.exit, 0);
        assert!(
            ran.stdout.contains("3  the server cannot be reached"),
            "{ran:?}"
        );
    }
}
