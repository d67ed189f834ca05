//! `rkt-sim demo` as a process, away from terminals: what it prints, that its host lives, and
//! that it leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rkt_api::{
    api::{ListPodsRequest, ListPodsResponse, public_api_client::PublicApiClient},
    layout::{self, Phase},
};
use rkt_sim::{example, spec::Pod};
use rustix::process::{Pid, Signal, kill_process};
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for what must happen. Only a failing test waits as long.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The demonstration as a process of its own, killed when dropped.
struct Demo {
    process: Child,
    lines: Receiver<String>,
}

impl Demo {
    /// Starts it with `tmp` as the place for temporary directories.
    fn start(tmp: &Path, listen: &str, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
        command.args(["demo", "--listen", listen]).args(args);
        command.env("TMPDIR", tmp).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = lines(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// What it prints, up to the first line that is as wanted.
    fn print_until(&mut self, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut text = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    text = text + &line + "\n";
                    if is_wanted(&line) {
                        return text;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} in time:\n{text}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("no {what} ever:\n{text}{}", self.error());
                }
            }
        }
    }

    /// What it prints until it serves.
    fn report(&mut self) -> String {
        self.print_until("address", |line| line.starts_with("Serving"))
    }

    /// What it has to say on standard error, once it has ended.
    fn error(&mut self) -> String {
        let mut error = String::new();
        let mut stderr = self.process.stderr.take().unwrap();
        stderr.read_to_string(&mut error).unwrap();
        error
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines of a child's output, as they come.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.send(line))
    });
    receiver
}

#[track_caller]
fn assert_empty(dir: &Path) {
    let left: Vec<_> = dir.read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn state(pod: &Pod) -> &'static str {
    match (pod.phase, pod.locked) {
        (Phase::Embryo, _) => "EMBRYO",
        (Phase::Prepare, true) => "PREPARING",
        (Phase::Prepare, false) => "ABORTED_PREPARE",
        (Phase::Prepared, _) => "PREPARED",
        (Phase::Run, true) => "RUNNING",
        (Phase::Run, false) => "EXITED",
        (Phase::ExitedGarbage | Phase::Garbage, true) => "DELETING",
        (Phase::ExitedGarbage | Phase::Garbage, false) => "GARBAGE",
    }
}

/// The only entry of a directory.
fn only_entry(dir: &Path) -> PathBuf {
    let entries: Vec<_> = dir.read_dir().unwrap().collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].as_ref().unwrap().path()
}

/// A client of the server that a report is about.
async fn client(report: &str) -> PublicApiClient<Channel> {
    let line = report.lines().last().unwrap();
    let address = line.split_whitespace().nth(2).unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    PublicApiClient::new(endpoint.connect().await.unwrap())
}

async fn pods(client: &mut PublicApiClient<Channel>) -> ListPodsResponse {
    let request = ListPodsRequest {
        detail: true,
        ..ListPodsRequest::default()
    };
    client.list_pods(request).await.unwrap().into_inner()
}

/// Whether a line is about a step: `12:03:05 run 668ecca0 (etcd, web)`.
fn is_step(line: &str) -> bool {
    let mut words = line.split(' ');
    let time: Vec<_> = words.next().unwrap_or_default().split(':').collect();
    let is_number = |text: &&str| text.len() == 2 && text.parse::<u8>().is_ok();
    time.len() == 3 && time.iter().all(is_number) && words.count() >= 2
}

#[test]
fn it_shows_every_pod_and_image_and_ends_on_ctrl_c() {
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(tmp.path(), "127.0.0.1:0", &[]);
    let text = demo.report();
    let has_line = |words: &[&str]| {
        let mut lines = text.lines();
        lines.any(|line| {
            line.split_whitespace()
                .collect::<Vec<_>>()
                .starts_with(words)
        })
    };
    let example = example::host();
    for pod in &example.pods {
        let id = pod.id.to_string();
        assert!(has_line(&[&id[..8], state(pod)]), "{id}:\n{text}");
    }
    for image in &example.images {
        let key = image.blob_key().unwrap();
        assert!(has_line(&[&key[..19], &image.name]), "{key}:\n{text}");
    }
    assert!(text.contains("rkt 1.30.0, appc 0.8.11"), "{text}");
    assert!(
        text.contains("default 172.16.28.2, cluster fd00:5e::7"),
        "{text}"
    );
    assert!(text.contains("grpcurl -plaintext 127.0.0.1:"), "{text}");

    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(0));
    assert_empty(tmp.path());
}

#[test]
fn a_termination_ends_it_as_well() {
    let tmp = tempfile::tempdir().unwrap();
    let socket = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", socket.path().join("api.sock").display());
    let mut demo = Demo::start(tmp.path(), &address, &["--rate", "50/s"]);
    let text = demo.report();
    demo.print_until("step", is_step);
    assert!(text.contains("grpcurl -plaintext -unix /"), "{text}");
    demo.signal(Signal::TERM);
    assert_eq!(demo.wait().code(), Some(0));
    assert_empty(tmp.path());
    assert_empty(socket.path());
}

#[test]
fn an_address_that_is_taken_is_one_sentence() {
    let tmp = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let mut demo = Demo::start(tmp.path(), &taken, &[]);
    assert_eq!(demo.wait().code(), Some(254));
    let error = demo.error();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(&taken), "{error}");
    assert!(error.contains("--listen"), "{error}");
    assert_empty(tmp.path());
}

#[tokio::test]
async fn the_host_lives() {
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(tmp.path(), "127.0.0.1:0", &["--rate", "50/s"]);
    let mut client = client(&demo.report()).await;
    let first = pods(&mut client).await;
    demo.print_until("step", is_step);
    let deadline = Instant::now() + DEADLINE;
    while pods(&mut client).await == first {
        assert!(Instant::now() < deadline, "nothing happens");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    // Pods that were there before are taken over, not left alone.
    let example = example::host();
    demo.print_until("step of the example's own pods", |line| {
        let is_about = |pod: &Pod| line.contains(&pod.id.to_string()[..8]);
        is_step(line) && example.pods.iter().any(is_about)
    });
    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(0));
    assert_empty(tmp.path());
}

#[tokio::test]
async fn a_frozen_host_stays_as_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(tmp.path(), "127.0.0.1:0", &["--frozen"]);
    let mut client = client(&demo.report()).await;
    let first = pods(&mut client).await;
    for _ in 0..200 {
        assert_eq!(pods(&mut client).await, first);
    }
    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(0));
    let more: Vec<_> = demo.lines.iter().collect();
    assert!(more.is_empty(), "{more:?}");
    assert_empty(tmp.path());
}

#[test]
fn a_frozen_host_has_no_rate() {
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(tmp.path(), "127.0.0.1:0", &["--frozen", "--rate", "5/s"]);
    assert_eq!(demo.wait().code(), Some(2));
    assert_empty(tmp.path());
}

#[test]
fn whoever_asks_twice_does_not_wait_for_clients() {
    let tmp = tempfile::tempdir().unwrap();
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("api.sock");
    let mut demo = Demo::start(tmp.path(), &format!("unix:{}", path.display()), &[]);
    demo.report();
    let _client = UnixStream::connect(&path).unwrap();
    demo.signal(Signal::INT);
    demo.signal(Signal::TERM);
    assert_eq!(demo.wait().code(), Some(0));
    assert_empty(tmp.path());
    assert_empty(socket.path());
}

#[test]
fn a_host_that_cannot_live_on_is_one_sentence() {
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(tmp.path(), "127.0.0.1:0", &["--rate", "50/s"]);
    demo.report();
    let pods = only_entry(tmp.path()).join("rkt").join(layout::PODS);
    fs::rename(&pods, pods.with_extension("gone")).unwrap();
    assert_eq!(demo.wait().code(), Some(254));
    let error = demo.error();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("the host cannot live on: "), "{error}");
    assert_empty(tmp.path());
}
