//! `rkt-sim live` and `rkt-sim hold` as processes: the protocol on standard input and output,
//! scripts, step logs, signals, and what is locked meanwhile and afterwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rkt_sim::live::record::Record;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const ID: &str = "668ecca0-3487-4c27-9134-b769a546e375";

/// How long a test waits for what must happen. Only a failing test waits as long.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A command as a process of its own, killed when dropped.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkt-sim"));
        command.args(args).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Sends a line, and gives the answer.
    fn ask(&mut self, line: &str) -> Value {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: its exit code and what it has said on standard error.
    fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(LOOK_AGAIN);
        };
        let mut error = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut error).unwrap();
        (status.code().unwrap(), error)
    }
}

/// Standard output or error of a command, on a full disk.
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A temporary directory, with room for a data directory and things beside it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn live(&self, more: &[&str]) -> Process {
        let dir = self.at("rkt");
        let args = [OsStr::new("live"), dir.as_os_str()].into_iter();
        Process::start(args.chain(more.iter().map(OsStr::new)))
    }

    fn hold(&self, more: &[&str]) -> Process {
        let dir = self.at("rkt");
        let args = [OsStr::new("hold"), dir.as_os_str()].into_iter();
        Process::start(args.chain(more.iter().map(OsStr::new)))
    }

    fn pod(&self, phase: &str) -> PathBuf {
        self.at("rkt/pods").join(phase).join(ID)
    }

    /// Writes a file of one step per line, and gives its path.
    fn script(&self, steps: &[Value]) -> String {
        let lines: Vec<_> = steps.iter().map(Value::to_string).collect();
        let path = self.at("script");
        fs::write(&path, lines.join("\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn step_log(&self) -> Vec<Record> {
        let text = fs::read_to_string(self.at("steps")).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn is_locked(dir: &Path) -> bool {
    match File::open(dir).unwrap().try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(error) => panic!("{error}"),
    }
}

fn step(name: &str) -> Value {
    json!({"step": name, "pod": ID})
}

#[test]
fn steps_from_stdin_are_answered_when_they_are_done() {
    let place = Place::new();
    let log = place.at("steps");
    let log = ["--steps-from-stdin", "--step-log", log.to_str().unwrap()];
    let mut live = place.live(&log);

    let answer = live.ask(&step("create").to_string());
    assert_eq!(answer["seq"], 0);
    assert_eq!(answer["step"], "create");
    assert_eq!(answer["pod"], ID);
    assert!(place.pod("embryo").is_dir());
    live.ask(&step("lock").to_string());
    assert!(is_locked(&place.pod("embryo")));

    // What is refused is answered too, and is not the end.
    let answer = live.ask(&step("start").to_string());
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with("start is impossible: "), "{error}");
    for nonsense in ["nonsense", "{}", r#"{"step":"create"}"#, "[]"] {
        let answer = live.ask(nonsense);
        assert!(answer["error"].is_string(), "{nonsense}: {answer}");
    }
    let answer = live.ask(&step("prepare").to_string());
    assert_eq!(answer["seq"], 2);

    drop(live.child.stdin.take());
    let (code, error) = live.end();
    assert_eq!(code, 0, "{error}");
    assert_eq!(
        error,
        "played 3 steps; 1 pods are left, 1 of them were locked, and 0 images\n"
    );
    assert!(!is_locked(&place.pod("prepare")));
    let log = place.step_log();
    let names: Vec<_> = log.iter().map(|record| record.step.name()).collect();
    assert_eq!(names, ["create", "lock", "prepare"]);
}

#[test]
fn a_killed_holder_lets_the_lock_go() {
    let place = Place::new();
    let mut live = place.live(&["--steps-from-stdin"]);
    let run = json!({"step": "run", "pod": ID, "holder": "child"});
    let kill = json!({"step": "exit", "pod": ID, "by": "kill"});
    for name in ["create", "lock", "prepare", "write"] {
        live.ask(&step(name).to_string());
    }
    live.ask(&run.to_string());
    assert!(is_locked(&place.pod("run")));
    live.ask(&kill.to_string());
    assert!(!is_locked(&place.pod("run")));
}

#[test]
fn children_do_not_outlive_a_simulator_that_is_killed() {
    let place = Place::new();
    let mut live = place.live(&["--steps-from-stdin"]);
    for name in ["create", "lock", "prepare", "write"] {
        live.ask(&step(name).to_string());
    }
    live.ask(&json!({"step": "run", "pod": ID, "holder": "child"}).to_string());
    live.signal(Signal::KILL);
    live.child.wait().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while is_locked(&place.pod("run")) {
        assert!(Instant::now() < deadline, "the child lives on");
        thread::sleep(LOOK_AGAIN);
    }
}

#[test]
fn a_script_is_played_in_its_time() {
    let place = Place::new();
    let mut steps: Vec<_> = ["create", "lock", "prepare", "write"].map(step).into();
    let mut run = step("run");
    run["at"] = "60ms".into();
    let mut start = step("start");
    start["after"] = json!({"min": "20ms", "max": "30ms"});
    steps.extend([run, start]);
    let script = place.script(&steps);
    let log = place.at("steps");
    let began = Instant::now();
    let live = place.live(&["--script", &script, "--step-log", log.to_str().unwrap()]);
    let (code, error) = live.end();
    assert_eq!(code, 0, "{error}");
    assert!(began.elapsed() >= Duration::from_millis(80));
    let log = place.step_log();
    assert_eq!(log.len(), 6);
    let (run, start) = (&log[4], &log[5]);
    assert!(start.before_unix_ns - run.after_unix_ns >= 20_000_000);
    assert!(place.pod("run").join("pid").exists());
}

#[test]
fn an_impossible_step_ends_a_script() {
    let place = Place::new();
    let script = place.script(&[step("create"), step("run")]);
    let (code, error) = place.live(&["--script", &script]).end();
    assert_eq!(code, 254);
    assert!(
        error.starts_with("rkt-sim: step 2: run is impossible: it needs "),
        "{error}"
    );
    let (code, error) = place.live(&["--script", "/nowhere"]).end();
    assert_eq!(code, 254);
    assert!(error.contains("/nowhere"), "{error}");
}

#[test]
fn a_spec_file_says_which_locks_to_hold() {
    let place = Place::new();
    let spec = place.at("spec.json");
    let pods = json!([{"id": ID, "state": "running"}, {"state": "exited"}]);
    fs::write(&spec, json!({"pods": pods}).to_string()).unwrap();
    let (spec, dir) = (spec.to_str().unwrap(), place.at("rkt"));
    let out = dir.to_str().unwrap();
    let (code, error) = Process::start(["generate", "--spec", spec, "--out", out]).end();
    assert_eq!(code, 0, "{error}");
    fs::remove_file(place.at("rkt.rkt-sim.json")).unwrap();

    let (code, error) = place.hold(&[]).end();
    assert_eq!(code, 254);
    assert!(error.contains("there is no note"), "{error}");
    let mut hold = place.hold(&["--spec", spec]);
    assert_eq!(hold.line(), "holding 1 locks\n");
    assert!(is_locked(&place.pod("run")));
    hold.signal(Signal::TERM);
    assert_eq!(hold.end().0, 0);
    assert!(!is_locked(&place.pod("run")));
    let (code, _) = place.hold(&["--spec", spec, "--pod", ID]).end();
    assert_eq!(code, 2);
}

#[test]
fn random_lives_end_on_signals_and_hold_takes_their_locks() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        let log = place.at("steps");
        let args = ["--rate", "1000/s", "--seed", "3", "--pods-max", "10"];
        let args = [&args[..], &["--step-log", log.to_str().unwrap()]].concat();
        let live = place.live(&args);
        let deadline = Instant::now() + DEADLINE;
        while fs::read_to_string(&log).unwrap_or_default().lines().count() < 100 {
            assert!(Instant::now() < deadline, "nothing happens");
            thread::sleep(LOOK_AGAIN);
        }
        live.signal(signal);
        let (code, error) = live.end();
        assert_eq!(code, 0, "{error}");
        assert!(error.starts_with("played "), "{error}");
        assert!(place.step_log().len() >= 100);

        let run = place.at("rkt/pods/run");
        let pods = || fs::read_dir(&run).unwrap().map(|pod| pod.unwrap().path());
        assert!(!pods().any(|pod| is_locked(&pod)));
        let mut hold = place.hold(&[]);
        let line = hold.line();
        let count = line.strip_prefix("holding ").unwrap();
        let count: usize = count.strip_suffix(" locks\n").unwrap().parse().unwrap();
        let noted = fs::read(place.at("rkt.rkt-sim.json")).unwrap();
        let noted: Value = serde_json::from_slice(&noted).unwrap();
        assert_eq!(count, noted["held"].as_array().unwrap().len());
        for id in noted["held"].as_array().unwrap() {
            let id = id.as_str().unwrap();
            let phases = fs::read_dir(place.at("rkt/pods")).unwrap();
            let mut dirs = phases.map(|phase| phase.unwrap().path().join(id));
            assert!(is_locked(&dirs.find(|dir| dir.is_dir()).unwrap()), "{id}");
        }
        hold.signal(signal);
        assert_eq!(hold.end().0, 0);
        assert!(!pods().any(|pod| is_locked(&pod)));
    }
}

#[test]
fn without_a_delay_a_signal_comes_in_too() {
    let place = Place::new();
    let live = place.live(&["--delay", "0s"]);
    let deadline = Instant::now() + DEADLINE;
    while !place.at("rkt.rkt-sim.json").exists() {
        assert!(Instant::now() < deadline, "nothing happens");
        thread::sleep(LOOK_AGAIN);
    }
    live.signal(Signal::TERM);
    assert_eq!(live.end().0, 0);
}

#[test]
fn it_ends_when_its_time_or_its_steps_are_up() {
    let place = Place::new();
    let (code, error) = place.live(&["--delay", "0s", "--steps", "7"]).end();
    assert_eq!(code, 0);
    assert!(error.starts_with("played 7 steps; "), "{error}");
    let (code, _) = place.live(&["--rate", "1/h", "--duration", "10ms"]).end();
    assert_eq!(code, 0);
}

#[test]
fn hold_takes_the_locks_of_a_host_that_was_generated() {
    let place = Place::new();
    let spec = json!({"seed": 1, "pods": [
        {"id": ID, "state": "running"},
        {"state": "running"},
        {"state": "prepared"},
    ]});
    fs::write(place.at("spec.json"), spec.to_string()).unwrap();
    let (dir, spec) = (place.at("rkt"), place.at("spec.json"));
    let args = ["generate".as_ref(), "--spec".as_ref(), spec.as_os_str()];
    let args = args.into_iter().chain(["--out".as_ref(), dir.as_os_str()]);
    let (code, error) = Process::start(args).end();
    assert_eq!(code, 0, "{error}");
    assert!(!is_locked(&place.pod("run")));
    let mut hold = place.hold(&[]);
    assert_eq!(hold.line(), "holding 2 locks\n");
    assert!(is_locked(&place.pod("run")));
    hold.signal(Signal::TERM);
    assert_eq!(hold.end().0, 0);

    // Living goes on from there.
    let (code, error) = place.live(&["--delay", "0s", "--steps", "50"]).end();
    assert_eq!(code, 0, "{error}");
}

#[test]
fn hold_takes_the_pods_that_are_named() {
    let place = Place::new();
    let script = place.script(&[step("create")]);
    assert_eq!(place.live(&["--script", &script]).end().0, 0);
    let mut hold = place.hold(&["--pod", ID]);
    assert_eq!(hold.line(), "holding 1 locks\n");
    assert!(is_locked(&place.pod("embryo")));
    hold.signal(Signal::INT);
    assert_eq!(hold.end().0, 0);

    for (args, why) in [
        (vec![], "--pod"),
        (
            vec!["--pod", "00000000-0000-4000-8000-000000000000"],
            "no pod",
        ),
    ] {
        let (code, error) = place.hold(&args).end();
        assert_eq!(code, 254);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let place = Place::new();
    let script = place.script(&[json!({"step": "create", "pod": ID})]);
    let process = place.live(&["--script", &script, "--step-log", "/dev/full"]);
    let (code, said) = process.end();
    assert_eq!(code, 254, "{said}");
    let expected = "rkt-sim: failed to write the step log /dev/full: No space left on device";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn an_answer_that_cannot_be_written_ends_the_command() {
    let place = Place::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rkt-sim"))
        .arg("live")
        .arg(place.at("rkt"))
        .arg("--steps-from-stdin")
        .stdin(Stdio::piped())
        .stdout(full())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", json!({"step": "create", "pod": ID})).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(254), "{said}");
    let expected = "rkt-sim: failed to answer on standard output: No space left on device";
    assert!(said.starts_with(expected), "{said}");
    // What was played stays.
    assert!(place.pod("embryo").exists());
}

#[test]
fn what_cannot_be_said_does_not_change_the_exit_status() {
    let place = Place::new();
    let script = place.script(&[json!({"step": "create", "pod": ID})]);
    // The second time, the pod is there already.
    for code in [0, 254] {
        let status = Command::new(env!("CARGO_BIN_EXE_rkt-sim"))
            .arg("live")
            .arg(place.at("rkt"))
            .args(["--script", &script])
            .stderr(full())
            .status();
        assert_eq!(status.unwrap().code(), Some(code));
    }
}
