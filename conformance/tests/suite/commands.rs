//! What the commands beside `run` say.

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
