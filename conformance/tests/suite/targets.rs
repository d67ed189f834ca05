//! Servers that the suite starts, and everything that can be wrong with them.

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    num::NonZeroUsize,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rkt_conformance::{
    case::{Case, Failure, Method, Objection, On, Verdict},
    clause, hosts,
    known::KnownFailing,
    profile::Profile,
    report::{self, CaseResult, ReportError, Reporter, Summary},
    run::{self, Options, Outcome},
    setting::Props,
    source::Source,
    stage::Stage,
};
use rkt_sim::{example, host::Host, live::step::Step};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Ran, program};

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that starts a server which reads no data directory.
struct Model {
    spec: PathBuf,
    tmp: TempDir,
}

impl Model {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let spec = tmp.path().join("spec.json");
        fs::write(&spec, "{}").unwrap();
        Self { spec, tmp }
    }

    fn command(&self) -> String {
        format!(
            "'{}' serve-model --spec '{}' --dir {{data_dir}} --listen {{listen}} --profile {{profile}}",
            env!("CARGO_BIN_EXE_rkt-conformance"),
            self.spec.display()
        )
    }

    /// A command that does this instead from the second start on: the first one only shows
    /// that it starts at all.
    fn but_then(&self, script: &str) -> String {
        let mark = self.tmp.path().join("started");
        let model = self.command().replace("{data_dir}", "\"$0\"");
        let model = model
            .replace("{listen}", "\"$1\"")
            .replace("{profile}", "documented");
        let script = format!(
            "if mkdir '{}'; then exec {model}; else {script}; fi",
            mark.display()
        );
        format!(
            "sh -c {} {{data_dir}} {{listen}}",
            shell_words::quote(&script)
        )
    }
}

async fn launch(command: &str, args: &[&str]) -> Ran {
    program(&[&["run", "--launch", command], args].concat()).await
}

#[tokio::test]
async fn a_server_is_started_for_every_host() {
    let model = Model::new();
    for profile in ["documented", "rkt-1.30"] {
        let args = ["--strict", "--profile", profile, "GetInfo/I-1"];
        let ran = launch(&model.command(), &args).await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        assert!(ran.stdout.contains(" 0 failed "), "{ran:?}");
    }
    let words = shell_words::split(&model.command()).unwrap();
    let words = words.iter().map(String::as_str);
    let args: Vec<_> = ["run", "GetInfo/I-1", "--"]
        .into_iter()
        .chain(words)
        .collect();
    let ran = program(&args).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
}

#[tokio::test]
async fn who_cannot_start_is_not_tried() {
    let ran = launch("/no/such/server {data_dir} {listen}", &[]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("failed to start \"/no/such/server\""),
        "{ran:?}"
    );

    let ran = launch("sh -c 'echo No luck. >&2; exit 7' {data_dir} {listen}", &[]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(ran.stderr.contains("exit status: 7"), "{ran:?}");
    assert!(ran.stderr.contains("No luck."), "{ran:?}");
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for() {
    let command = "sh -c 'echo Starting.; exec sleep 1000' {data_dir} {listen}";
    let ran = launch(command, &["--start-timeout", "1"]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(ran.stderr.contains("does not answer after 1 s"), "{ran:?}");
    assert!(ran.stderr.contains("Starting."), "{ran:?}");

    // Connections are taken by the system, and nobody says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let ran = program(&["run", "--connect", &address, "--start-timeout", "1"]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(ran.stderr.contains("it does not answer GetInfo"), "{ran:?}");
}

#[tokio::test]
async fn who_starts_only_once_fails_the_cases_of_the_host() {
    let model = Model::new();
    let command = model.but_then("echo Not again. >&2; exit 9");
    let ran = launch(&command, &["GetInfo/I-1/semver"]).await;
    assert_eq!(ran.exit, 1, "{ran:?}");
    assert_eq!(ran.failed(), ["GetInfo/I-1/semver"]);
    assert!(ran.stdout.contains("exit status: 9"), "{ran:?}");
    assert!(ran.stdout.contains("Not again."), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_grpc_and_has_nothing_to_say_fails() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tonic::transport::Server::builder().add_routes(tonic::service::Routes::default());
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    let ran = program(&["run", "--connect", &address, "GetInfo/I-1"]).await;
    assert_eq!(ran.exit, 1, "{ran:?}");
    assert!(ran.stdout.contains("UNIMPLEMENTED"), "{ran:?}");
}

#[tokio::test]
async fn who_answers_garbage_fails() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = silent.accept().await {
            let garbage: Vec<u8> = (0..=u8::MAX).rev().cycle().take(4096).collect();
            // Whoever hears that hangs up.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut connection, &garbage).await;
        }
    });
    let ran = program(&["run", "--connect", &address]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
}

#[tokio::test]
async fn a_directory_that_may_be_anybodys_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    host.write(&example::host()).unwrap();
    let dir = host.dir().to_str().unwrap();
    let ran = program(&["run", "--connect", "localhost:1", "--data-dir", dir]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(ran.stderr.contains("is not empty"), "{ran:?}");
    assert!(host.pod_dir(&example::host().pods[0]).exists());
}

#[tokio::test]
async fn a_signal_ends_all_that_was_started() {
    let tmp = tempfile::tempdir().unwrap();
    let temporary = tmp.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let note = tmp.path().join("pid");
    let script = format!(
        "echo $$ > '{0}.half'; mv '{0}.half' '{0}'; exec sleep 1000",
        note.display()
    );
    let command = format!(
        "sh -c {} {{data_dir}} {{listen}}",
        shell_words::quote(&script)
    );
    let mut suite = Command::new(env!("CARGO_BIN_EXE_rkt-conformance"))
        .args(["run", "--start-timeout", "600", "--launch", &command])
        .env("TMPDIR", &temporary)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| note.exists()).await;
    let server: i32 = fs::read_to_string(&note).unwrap().trim().parse().unwrap();
    let server = Pid::from_raw(server).unwrap();
    test_kill_process(server).unwrap();

    let pid = Pid::from_raw(i32::try_from(suite.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        suite
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(said, "");
        suite.wait().unwrap()
    });
    assert_eq!(status.await.unwrap().code(), Some(130));
    wait_until(|| test_kill_process(server).is_err()).await;
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

/// Waits for a condition.
async fn wait_until(is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What came of cases, by name.
#[derive(Default)]
struct Results(Vec<(String, Outcome)>);

impl Reporter for Results {
    fn started(&mut self, _run: &report::Run) -> Result<(), ReportError> {
        Ok(())
    }

    fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
        let name = result.case.name().rsplit('/').next().unwrap();
        self.0.push((name.to_owned(), result.outcome.clone()));
        Ok(())
    }

    fn ended(&mut self, _summary: &Summary) -> Result<(), ReportError> {
        Ok(())
    }
}

/// Runs cases that are not the suite's, in order.
async fn results(source: Source, cases: &[Case]) -> Vec<(String, Outcome)> {
    let room = tempfile::tempdir().unwrap();
    let options = Options {
        props: Arc::new(Props {
            source,
            profile: Profile::Documented,
            patience: PATIENCE,
            room: room.path().to_owned(),
        }),
        jobs: NonZeroUsize::MIN,
        scenes: None,
        known: KnownFailing::default(),
        keeps_exchanges: false,
    };
    let about = report::Run {
        target: options.props.source.to_string(),
        profile: Profile::Documented,
        replay: Vec::new(),
        cases: cases.len(),
    };
    let selected: Vec<_> = cases.iter().collect();
    let mut results = Results::default();
    run::run(&options, &about, cases, &selected, &mut results)
        .await
        .unwrap();
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), 0);
    results.0
}

fn case<C>(content: &str, check: impl Fn(Stage) -> C + Send + Sync + 'static) -> Case
where
    C: Future<Output = Verdict> + Send + 'static,
{
    Case::new(Method::GetInfo, &clause::I_1, content, check).on(On::Still(&hosts::EMPTY))
}

/// Makes sure that the server answers.
async fn ask(stage: Stage) -> Verdict {
    stage.setting()?.connect().await.map(drop)
}

/// Kills the server, and makes sure that it does not answer.
async fn kill(stage: Stage) -> Verdict {
    let setting = stage.setting()?;
    let pid = setting.server_pid().await?;
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    loop {
        setting.connect().await?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_costs_the_case_and_not_the_run() {
    let model = Model::new();
    let source = Source::Launch(model.command().parse().unwrap());
    let names = ["ask", "kill", "ask", "kill", "kill", "kill", "ask"];
    let cases = names.map(|name| match name {
        "ask" => case(name, ask),
        _ => case(name, kill),
    });
    let results = results(source, &cases).await;
    let passed: Vec<_> = results
        .iter()
        .map(|(_, outcome)| *outcome == Outcome::Passed)
        .collect();
    // After the fourth death nobody starts it again.
    assert_eq!(
        passed,
        [true, false, true, false, false, false, false],
        "{results:?}"
    );
    let reasons = results.iter().map(|(_, outcome)| match outcome {
        Outcome::Failed(Failure { actual, .. }) => actual.as_str(),
        _ => "",
    });
    let reasons: Vec<_> = reasons.collect();
    assert!(
        reasons[1].contains("the server has ended with signal: 9"),
        "{reasons:?}"
    );
    assert!(
        reasons[6].contains("for the last of 4 times"),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_is_wrong_is_broken_and_the_others_are_not() {
    let pod = Uuid::from_u128(7);
    let cases = [
        case("panics", |_| async { panic!("a bug") }),
        case("impossible", move |stage| async move {
            stage.play(Step::Prepare { pod }).await.map(drop)
        }),
        case("plays", move |stage| async move {
            stage.play(Step::Create { pod }).await?;
            match stage.world().unwrap().pod(pod) {
                Some(_) => Ok(()),
                None => Err(Objection::Bug("the model has no such pod".to_owned())),
            }
        })
        .on(On::Own(&hosts::EMPTY)),
        case("skips", |stage| async move { stage.seat().map(drop) }),
        case("asks", ask),
    ];
    let results = results(Source::model(), &cases).await;
    let broken = |index: usize| match &results[index].1 {
        Outcome::Broken(why) => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(broken(0).contains("a bug"));
    assert!(broken(1).contains("prepare is impossible"));
    assert_eq!(results[2].1, Outcome::Passed);
    assert!(matches!(results[3].1, Outcome::Skipped(_)));
    assert_eq!(results[4].1, Outcome::Passed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_started_again_on_the_same_host() {
    let pod = Uuid::from_u128(7);
    let cases = [case("restarts", move |stage| async move {
        stage.play(Step::Create { pod }).await?;
        let setting = stage.setting()?;
        let before = stage.world().unwrap().started_unix_ns();
        setting.restart_server().await?;
        setting.connect().await?;
        let world = stage.world().unwrap();
        assert!(world.started_unix_ns() > before);
        assert!(world.pod(pod).is_some());
        Ok(())
    })
    .on(On::Own(&hosts::EMPTY))];
    let model = Model::new();
    let launch = Source::Launch(model.command().parse().unwrap());
    for source in [Source::model(), launch] {
        assert_eq!(results(source, &cases).await[0].1, Outcome::Passed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lent_directory_is_filled_and_given_back() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("rkt");
    Host::create(&dir).unwrap();
    let mut config = rkt_api::server::Config::new(&dir);
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    let server = rkt_api::server::Server::bind(config).await.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.serve(std::future::pending()));

    let args = ["run", "--strict", "--connect", &address, "--data-dir"];
    let args = [&args[..], &[dir.to_str().unwrap(), "GetInfo/I-1"]].concat();
    let ran = program(&args).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    // Nothing is left beside it either.
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
}
