//! Starting processes while locks are being let go.
//!
//! A process that is being started has, until it executes its program, every descriptor that
//! this one has. A pod's lock that is let go by closing the descriptor is held for that instant
//! longer, and a server that looks then would be right to call the pod locked. So nothing is
//! started while a step is being played, on whichever host.

use std::{
    io::{self, PipeReader, Read as _},
    os::fd::OwnedFd,
};

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Resource, getrlimit},
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static FORKS: RwLock<()> = RwLock::const_new(());

/// Descriptors of locks have smaller numbers than this, or the largest that there may be.
const DESCRIPTORS: u64 = 8192;

/// How many numbers are left free above the descriptor that children are watched by.
const SPARE: u64 = 16;

/// A time in which no other part of the suite starts a process.
#[must_use = "the time ends when this is dropped"]
pub(crate) struct Quiet {
    children: Option<Children>,
    _guard: Guard,
}

enum Guard {
    Shared(#[expect(dead_code, reason = "it guards")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "it guards")] RwLockWriteGuard<'static, ()>),
}

impl Quiet {
    /// A time in which nobody starts a process.
    pub(crate) async fn shared() -> Self {
        Self {
            children: None,
            _guard: Guard::Shared(FORKS.read().await),
        }
    }

    /// A time in which nobody else starts a process, or lets a lock go.
    pub(crate) async fn alone() -> Self {
        let guard = Guard::Alone(FORKS.write().await);
        Self {
            // Without it one waits less, and gains a small risk.
            children: Children::watch().ok(),
            _guard: guard,
        }
    }

    /// Ends the time, once the processes that were started in it have let go of what they
    /// inherited. Blocks for as long as that takes: for what the system does between two
    /// programs.
    pub(crate) fn end(self) {
        if let Some(children) = self.children {
            children.wait();
        }
    }
}

/// A pipe that children inherit and have closed once they execute their programs: the system
/// closes descriptors in the order of their numbers then, and this one has a large number.
struct Children {
    end: PipeReader,
    held: OwnedFd,
}

impl Children {
    fn watch() -> io::Result<Self> {
        let (end, held) = io::pipe()?;
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS);
        let number = limit.min(DESCRIPTORS).saturating_sub(SPARE);
        let held = fcntl_dupfd_cloexec(held, i32::try_from(number).unwrap_or_default())?;
        Ok(Self { end, held })
    }

    fn wait(mut self) {
        drop(self.held);
        // Nothing is ever written: this is the end of the file, when all have closed it.
        let _ = self.end.read(&mut [0]);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        process::{Command, Stdio},
    };

    use super::*;

    #[tokio::test]
    async fn children_keep_no_lock() {
        let tmp = tempfile::tempdir().unwrap();
        for _ in 0..100 {
            let quiet = Quiet::alone().await;
            let lock = File::open(tmp.path()).unwrap();
            lock.lock().unwrap();
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            quiet.end();
            drop(lock);
            File::open(tmp.path()).unwrap().try_lock().unwrap();
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}
