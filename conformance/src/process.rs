//! A server under test as a process: started, watched, ended. That it answers is for
//! [`crate::server`] to find out.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{forks::Quiet, output::Output};

/// How long an ended process's last words may take to come through.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A process, and whatever it starts itself. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    end: Option<ExitStatus>,
}

impl Process {
    /// Starts a program with arguments. What it writes goes to `output`.
    pub(crate) async fn start(words: &[String], output: &Output) -> io::Result<Self> {
        Self::start_with(words, Stdio::null(), output).await
    }

    /// The same with something to be its standard input.
    pub(crate) async fn start_with(
        words: &[String],
        stdin: Stdio,
        output: &Output,
    ) -> io::Result<Self> {
        let [program, arguments @ ..] = words else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What it starts is ended with it. Ctrl-C is for the suite to pass on.
            .process_group(0);
        let quiet = Quiet::alone().await;
        let child = command.spawn();
        // A panic there would be one of the suite's, and has no more to tell.
        let _ = tokio::task::spawn_blocking(|| quiet.end()).await;
        let mut child = child?;
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(tokio::spawn(output.clone().read_from(pipe)));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(tokio::spawn(output.clone().read_from(pipe)));
        }
        Ok(Self {
            child,
            readers,
            end: None,
        })
    }

    /// Its process id, as long as it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it has ended, if it has. Everything that it wrote has been read then.
    pub(crate) async fn ended(&mut self) -> Option<ExitStatus> {
        if self.end.is_none() {
            // Where the system does not know, it runs.
            let end = self.child.try_wait().ok()??;
            self.finish(end).await;
        }
        self.end
    }

    /// Tells it to end, and waits for that; `None` when it did not for so long, and was
    /// killed.
    pub(crate) async fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.ended().await.is_none() {
            self.signal(Signal::TERM);
            match tokio::time::timeout(patience, self.child.wait()).await {
                Ok(Ok(end)) => self.finish(end).await,
                _ => self.kill().await,
            }
        }
        self.end
    }

    /// Ends it in a way that it cannot notice.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        // Nothing withstands that; what is left is to clear away.
        let _ = self.child.wait().await;
    }

    /// Sends a signal to the process and to whatever it has started.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended just now.
            let _ = kill_process_group(pid, signal);
        }
    }

    async fn finish(&mut self, end: ExitStatus) {
        self.end = Some(end);
        for reader in self.readers.drain(..) {
            // Others may have inherited the pipe, and keep it open.
            let _ = tokio::time::timeout(LAST_WORDS, reader).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any of this takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn shell(script: &str) -> (Process, Output) {
        let output = Output::default();
        let words = ["sh", "-c", script].map(str::to_owned);
        let process = Process::start(&words, &output).await.unwrap();
        (process, output)
    }

    async fn says(output: &Output, text: &str) {
        while !output.since(0).contains(text) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn what_it_says_last_is_heard() {
        let (mut process, output) = shell("echo out; echo err >&2; exit 7").await;
        let end = loop {
            if let Some(end) = process.ended().await {
                break end;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert_eq!(end.code(), Some(7));
        assert!(output.since(0).contains("out\n"));
        assert!(output.since(0).contains("err\n"));
        assert_eq!(process.pid(), None);
    }

    #[tokio::test]
    async fn it_may_end_in_good_order() {
        let (mut process, output) =
            shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done").await;
        says(&output, "ready").await;
        assert_eq!(process.ended().await, None);
        assert_eq!(process.end(PATIENCE).await.unwrap().code(), Some(3));
    }

    #[tokio::test]
    async fn it_cannot_refuse_to_end() {
        let (mut process, output) =
            shell("trap '' TERM; echo ready; while :; do sleep 0.01; done").await;
        says(&output, "ready").await;
        assert_eq!(process.end(Duration::from_millis(50)).await, None);
        assert_eq!(process.pid(), None);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let words = ["/no/such/program".to_owned()];
        let error = Process::start(&words, &Output::default()).await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
