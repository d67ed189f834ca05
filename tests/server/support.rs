//! What the tests share: the real server as a process, and clients of it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rkt_api::api::{GetInfoRequest, public_api_client::PublicApiClient};
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for what must happen. Only a failing test waits as long.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub type Client = PublicApiClient<Channel>;

/// A client of the server at `address`, an HTTP URL or `unix:PATH`.
pub async fn connect(address: &str) -> Client {
    let endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
    let channel = endpoint.connect().await.unwrap();
    PublicApiClient::new(channel).max_decoding_message_size(usize::MAX)
}

/// The server under test, a process of its own. Killed when dropped.
pub struct Server {
    child: Child,
    log: Arc<Log>,
}

/// What the server has written on standard error.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    ended: bool,
}

/// The server's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_rkt-api-service");

/// The command that runs the server on `dir`.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    command_of(PROGRAM, dir, args)
}

/// The command that runs the server's program, wherever it is, on `dir`.
pub fn command_of(program: impl AsRef<OsStr>, dir: &Path, args: &[&str]) -> Command {
    complete(Command::new(program), dir, args)
}

/// Adds to a `command` that runs the server that it is to serve `dir`, and log as tests read it.
pub fn complete(mut command: Command, dir: &Path, args: &[&str]) -> Command {
    command
        .arg("--dir")
        .arg(dir)
        .args(["--log-format", "json"])
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

impl Server {
    /// Starts the server on `dir` at a free TCP port, and waits until it answers.
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        Self::listen(command(dir, args))
    }

    /// Runs `command` at a free TCP port, and waits until it answers.
    pub fn listen(mut command: Command) -> Self {
        command.args(["--listen", "127.0.0.1:0"]);
        Self::spawn(command)
    }

    /// Runs `command`, and waits until it says that it answers.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    log.lines.lock().unwrap().text.push(line);
                    log.grown.notify_all();
                }
                log.lines.lock().unwrap().ended = true;
                log.grown.notify_all();
            }
        });
        let server = Self { child, log };
        server.wait_for_log("API service running");
        server
    }

    /// The addresses that the server says it listens on.
    pub fn addresses(&self) -> Vec<String> {
        self.addresses_said("listening")
    }

    fn addresses_said(&self, message: &str) -> Vec<String> {
        let lines = self.log.lines.lock().unwrap();
        let addresses = lines.text.iter().filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let fields = &line["fields"];
            (fields["message"] == message).then(|| fields["address"].as_str().unwrap().to_owned())
        });
        addresses.collect()
    }

    /// The first address at which the server says that it tells of its metrics.
    pub fn metrics_address(&self) -> String {
        self.addresses_said("telling metrics").swap_remove(0)
    }

    /// The URL of the first address, which is a TCP one.
    pub fn url(&self) -> String {
        format!("http://{}", self.addresses()[0])
    }

    pub async fn client(&self) -> Client {
        connect(&self.url()).await
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that the server has written so far.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap().text.join("\n")
    }

    /// Waits until the server has written a line with `text` in it.
    pub fn wait_for_log(&self, text: &str) {
        let found = |lines: &Lines| lines.text.iter().any(|line| line.contains(text));
        let lines = self.log.lines.lock().unwrap();
        let (lines, _) = self
            .log
            .grown
            .wait_timeout_while(lines, DEADLINE, |lines| !found(lines) && !lines.ended)
            .unwrap();
        assert!(
            found(&lines),
            "the server did not write {text:?}:\n{}",
            lines.text.join("\n")
        );
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Tells the server to end, and gives all that it has written.
    pub async fn end(self) -> String {
        self.signal(rustix::process::Signal::TERM);
        self.end_of_log().await
    }

    /// Waits until the server has ended in good order, and gives all that it has written.
    pub async fn end_of_log(mut self) -> String {
        let ended = tokio::task::spawn_blocking(move || {
            assert!(wait_for(&mut self.child).success(), "{}", self.log());
            eventually("the log ends", || self.log.lines.lock().unwrap().ended);
            self.log()
        });
        ended.await.unwrap()
    }

    /// Waits until the server has ended. Clients go on meanwhile: one that did not would hold
    /// it up.
    pub async fn wait(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || wait_for(&mut self.child))
            .await
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `call` gives. Fails if it takes so long that it must have been held up.
pub async fn at_once<T>(what: &str, call: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE / 2, call).await {
        Ok(answer) => answer,
        Err(_) => panic!("no answer: {what}"),
    }
}

/// Makes sure that a server answers at `address`.
pub async fn answers(address: &str) {
    let mut client = connect(address).await;
    let info = client.get_info(GetInfoRequest {}).await.unwrap();
    assert!(info.into_inner().info.is_some(), "{address}");
}

/// Runs the server where it cannot start, and gives what it says.
pub fn failed_start(mut command: Command) -> String {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let status = wait_for(&mut child);
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(254), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// The server with `socket` as the one that systemd hands over.
pub fn handed_over(dir: &Path, socket: impl Into<OwnedFd>, args: &[&str]) -> Command {
    let server = command(dir, args);
    let mut shell = Command::new("sh");
    // The first descriptor to hand over is 3, and LISTEN_PID is the server's own.
    let script = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#;
    shell
        .args(["-c", script])
        .arg(server.get_program())
        .args(server.get_args())
        .env_remove("RUST_LOG")
        .stdin(Stdio::from(socket.into()));
    shell
}

/// The lines of a log that are JSON.
pub fn log_lines(log: &str) -> impl Iterator<Item = Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

/// The warnings and errors in a log, each without its time, and how often it is there.
pub fn warnings(log: &str) -> BTreeMap<String, usize> {
    let mut warnings = BTreeMap::new();
    for line in log_lines(log).filter(|line| line["level"] == "WARN" || line["level"] == "ERROR") {
        *warnings.entry(line["fields"].to_string()).or_default() += 1;
    }
    warnings
}

/// Says that a test is skipped, or the rest of it, and why. What `eprintln!` says is shown of tests
/// alone that fail.
pub fn skip(why: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(io::stderr(), "{test} is skipped: {why}");
}

/// Waits until `child` has ended.
pub fn wait_for(child: &mut Child) -> ExitStatus {
    let mut status = None;
    eventually("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Waits until `holds`.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
