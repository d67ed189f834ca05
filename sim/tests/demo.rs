//! `rkt-sim demo` as a process: what it prints, and that it leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rkt_api::layout::Phase;
use rkt_sim::{example, spec::Pod};
use rustix::process::{Pid, Signal, kill_process};

/// How long a test waits for what must happen. Only a failing test waits as long.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The demonstration as a process of its own, killed when dropped.
struct Demo(Child);

impl Demo {
    /// Starts it with `tmp` as the place for temporary directories.
    fn start(tmp: &Path, listen: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
        command.args(["demo", "--listen", listen]);
        command.env("TMPDIR", tmp).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// What it prints, up to the line that begins with `last`.
    fn print_until(&mut self, last: &str) -> String {
        let lines = lines(self.0.stdout.take().unwrap());
        let deadline = Instant::now() + DEADLINE;
        let mut text = String::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => text = text + &line + "\n",
                Err(RecvTimeoutError::Timeout) => panic!("no {last:?} in time:\n{text}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("no {last:?} ever:\n{text}{}", self.error());
                }
            }
            if text.lines().last().unwrap().starts_with(last) {
                return text;
            }
        }
    }

    /// What it has to say on standard error, once it has ended.
    fn error(&mut self) -> String {
        let mut error = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        stderr.read_to_string(&mut error).unwrap();
        error
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
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
        let _ = self.0.kill();
        let _ = self.0.wait();
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

#[test]
fn it_shows_every_pod_and_image_and_ends_on_ctrl_c() {
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(tmp.path(), "127.0.0.1:0");
    let text = demo.print_until("Serving");
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
    let mut demo = Demo::start(tmp.path(), &address);
    let text = demo.print_until("Serving");
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
    let mut demo = Demo::start(tmp.path(), &taken);
    assert_eq!(demo.wait().code(), Some(254));
    let error = demo.error();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(&taken), "{error}");
    assert!(error.contains("--listen"), "{error}");
    assert_empty(tmp.path());
}
