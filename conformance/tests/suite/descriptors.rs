//! The suite where few files may be open: that says nothing of a server.

use std::process::Command;

use crate::support::{PROGRAM, Ran, output};

/// Runs the program after `limits`, commands of the shell.
async fn limited(limits: &str, args: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]);
    command.arg(PROGRAM).args(args);
    output(command).await
}

/// A connection for each case at once would take more than there is.
#[tokio::test]
async fn scenes_share_what_there_is() {
    let case = "ListenEvents/E-1";
    let listed = limited("true", &["list", case]).await;
    assert!(listed.stdout.lines().count() > 40, "{listed:?}");
    let ran = limited("ulimit -n 100", &["run", "--model", "--quick", case]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.stdout.contains(" 0 failed"), "{ran:?}");
    assert!(ran.stdout.contains(" 0 skipped"), "{ran:?}");
}

#[tokio::test]
async fn the_suite_takes_all_that_it_may_have() {
    let limits = "ulimit -Sn 100; ulimit -Hn 200";
    let server = "sh -c 'echo it may open $(ulimit -Sn); exit 7' {data_dir} {listen}";
    let ran = limited(limits, &["run", "--launch", server]).await;
    assert!(ran.stderr.contains("it may open 200"), "{ran:?}");
}
