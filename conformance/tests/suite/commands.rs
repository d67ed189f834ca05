//! What the commands beside `run` say, and what all do when nobody listens.

use std::process::{Command, Stdio};

use rkt_sim::live::Holding;

use crate::support::program;

#[tokio::test]
async fn a_clause_is_explained() {
    let ran = program(&["explain", "p-16"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(
        ran.stdout
            .starts_with("P-16 (SHOULD): ListPods orders by id\n"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("\nIn the document: "), "{ran:?}");
    assert!(ran.stdout.contains("list '*/P-16/*'"), "{ran:?}");

    let ran = program(&["explain", "P-4"]).await;
    assert!(ran.stdout.contains("\nrkt 1.30.0: "), "{ran:?}");
}

#[tokio::test]
async fn a_case_is_explained_by_the_models_answers() {
    let ran = program(&["explain", "GetInfo/I-2/dir"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(
        ran.stdout.starts_with("GetInfo/I-2/dir (MUST)\n"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("\nHost: "), "{ran:?}");
    assert!(
        ran.stdout.contains("\nGetInfo {}\n-> {\"info\":"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_host_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    let args = ["host", "GetInfo/I-2/dir", "--out", dir.to_str().unwrap()];
    let ran = program(&args).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    // What `rkt-sim hold` does.
    assert_eq!(Holding::of_host(&dir).unwrap().count(), 0);

    let again = program(&args).await;
    assert_eq!(again.exit, 1, "{again:?}");
    assert!(
        again.stderr.contains("failed to write the host"),
        "{again:?}"
    );
}

/// Whoever reads may go at any time, as `head -1` does. Where the exit code is a judgement it
/// says that there is none: it is that of a program that SIGPIPE has ended.
#[tokio::test]
async fn nobody_has_to_read_to_the_end() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    let dir = dir.to_str().unwrap();
    let commands: [(&[&str], i32); 7] = [
        (&["list"], 0),
        (&["list", "--json"], 0),
        (&["explain", "P-16"], 0),
        (&["explain", "GetInfo/I-2/dir"], 0),
        (&["host", "GetInfo/I-2/dir", "--out", dir], 0),
        (&["run", "--model", "--verbose", "GetInfo/I-"], 141),
        (&["self-test", "--skip-honest", "I-1/"], 141),
    ];
    for (args, exit) in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-conformance"));
        command.args(args).stdout(writer).stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}
