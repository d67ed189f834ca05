//! The program, run to its end or left running.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{DEADLINE, wait_for};

/// The command that asks the server at `address`.
pub fn rktctl(address: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rktctl"));
    command.env("RKT_API_ADDRESS", address);
    for name in ["TLS_CA", "TLS_CERT", "TLS_KEY", "TLS_SERVER_NAME"] {
        command.env_remove(format!("RKT_API_{name}"));
    }
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(address: &str, args: &[&str]) -> Output {
    rktctl(address, args).output().unwrap()
}

/// What it prints when all goes well.
#[track_caller]
pub fn printed(address: &str, args: &[&str]) -> String {
    let output = run(address, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    assert_eq!(stderr, "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when all does not go well.
#[track_caller]
pub fn fails(address: &str, args: &[&str], code: i32) -> String {
    let output = run(address, args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
    stderr
}

/// The program while it follows something. Killed when dropped.
pub struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    pub fn start(address: &str, args: &[&str]) -> Self {
        let mut child = rktctl(address, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Nobody waits any more when the test is over.
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// Reads until there is a line that `is_wanted`.
    #[track_caller]
    pub fn wait_for(&self, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) if is_wanted(&line) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("waited in vain for {what} ({error}): {seen:#?}"),
            }
        }
    }

    /// Ends it as Ctrl-C does.
    pub fn interrupt(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        wait_for(&mut self.child)
    }

    /// Waits until it ends by itself, and gives what it has written on standard error, too.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = wait_for(&mut self.child);
        let stderr = std::io::read_to_string(self.child.stderr.take().unwrap());
        (status, stderr.unwrap())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
