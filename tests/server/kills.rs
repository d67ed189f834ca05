//! What others do to the server and its data directory without asking: the server or who writes is
//! killed in the middle of it, the directory is unmounted and mounted again, the disk is full.
//! Answers are right all the same, then or as soon as they can be.
//!
//! `RKT_TEST_KILLS` says how often the server is killed (10 times unless it is set), and
//! `RKT_TEST_SEED` what becomes of the hosts.

mod amid_calls;
mod amid_preparing;
mod amid_transactions;
mod full_disk;
mod unmounted;

use std::{
    fs::File,
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::Signal;

use crate::{
    support::{PROGRAM, Server, complete, eventually},
    watching::unshare,
};

/// Kills the server. When this returns, nothing is left of it.
async fn kill(server: Server) {
    server.signal(Signal::KILL);
    let status = server.wait().await;
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
}

/// A process that holds the exclusive lock on a directory, like rkt's while they write.
struct Holder(Child);

impl Holder {
    fn lock(dir: &Path) -> Self {
        let dir = File::open(dir).unwrap();
        eventually("the lock is free", || dir.try_lock().is_ok());
        // It inherits the lock as its standard output, and does nothing with it.
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(dir)
            .spawn();
        Self(child.unwrap())
    }

    /// Kills it. When this returns, the lock is free.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It was killed already where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Namespaces where the tests may mount what they like, for as long as this is there.
struct Namespaces(Child);

impl Namespaces {
    /// Namespaces in which `script` was run. `None` where the system does not let the tests have
    /// any.
    fn after(script: &str) -> Option<Self> {
        let mut child = unshare()?
            .args(["sh", "-c", &format!("{script} && echo && exec cat")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut done = [0];
        let stdout = child.stdout.as_mut().unwrap();
        stdout.read_exact(&mut done).unwrap();
        Some(Self(child))
    }

    /// Where tests find what is at `path` in there.
    fn at(&self, path: &Path) -> PathBuf {
        format!("/proc/{}/root{}", self.0.id(), path.display()).into()
    }

    fn enter(&self) -> Command {
        let target = self.0.id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &target, "--user", "--mount"]);
        command
    }

    fn run(&self, script: &str) {
        let status = self.enter().args(["sh", "-c", script]).status();
        assert!(status.unwrap().success(), "{script}");
    }

    /// The command that runs the server on `dir` in there.
    fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = self.enter();
        command.arg(PROGRAM);
        complete(command, dir, args)
    }

    /// Starts the server on `dir` in there.
    fn serve(&self, dir: &Path, args: &[&str]) -> Server {
        Server::listen(self.command(dir, args))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // They go with the last process in them.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
