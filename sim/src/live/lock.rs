//! The exclusive `flock(2)` on a pod's directory, and who holds it: this process, or one that
//! has inherited the locked descriptor, as a pod's own processes inherit it from rkt.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long others may hold a lock that is wanted. Servers probe locks and let them go at
/// once; whoever holds one for longer than this is in the way for good.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often to look whether it is free.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a pod's own process runs: a program that is on every machine, does nothing as long as
/// nobody writes to it, and ends when its standard input does. So it does not outlive the
/// simulator, however that ends. The locked directory is its standard output.
const CHILD: &str = "cat";

/// A held lock. Dropping it lets the lock go: a descriptor of this process is closed, a child
/// is killed.
#[derive(Debug)]
pub(super) struct PodLock(Option<Held>);

#[derive(Debug)]
enum Held {
    Here(File),
    Child(Child),
}

impl PodLock {
    /// Takes the lock on the directory.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when others hold it for ten seconds; any other that the
    /// system reports.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        let dir = File::open(path)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match dir.try_lock() {
                Ok(()) => return Ok(Self(Some(Held::Here(dir)))),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(LOOK_AGAIN);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The process that holds the lock.
    pub(super) fn pid(&self) -> u32 {
        match &self.0 {
            Some(Held::Child(child)) => child.id(),
            Some(Held::Here(_)) | None => std::process::id(),
        }
    }

    /// Whether a child holds it, which can be killed.
    pub(super) fn is_child(&self) -> bool {
        matches!(self.0, Some(Held::Child(_)))
    }

    /// Starts a child that inherits the lock. It is never free meanwhile: the descriptor
    /// is the same one.
    pub(super) fn hand_on(mut self) -> io::Result<Self> {
        let held = match self.0.take() {
            Some(Held::Here(dir)) => Held::Child(
                Command::new(CHILD)
                    .stdin(Stdio::piped())
                    .stdout(dir)
                    .stderr(Stdio::null())
                    .spawn()?,
            ),
            other => return Ok(Self(other)),
        };
        Ok(Self(Some(held)))
    }

    /// Lets the lock go while the descriptor is still open, and closes that afterwards with
    /// [`Self::close`]. A child's lock is let go by its end alone.
    pub(super) fn unlock(&self) -> io::Result<()> {
        match &self.0 {
            Some(Held::Here(dir)) => dir.unlock(),
            Some(Held::Child(_)) | None => Ok(()),
        }
    }

    /// Lets the lock go by closing the descriptor; a child is told to end, and waited for.
    pub(super) fn close(mut self) -> io::Result<()> {
        match self.0.take() {
            // Closing alone would not do: a child that was just started has a copy of the
            // descriptor until the system has closed it, which may be after it was said to
            // have started.
            Some(Held::Here(dir)) => dir.unlock(),
            Some(Held::Child(mut child)) => {
                drop(child.stdin.take());
                child.wait().map(drop)
            }
            None => Ok(()),
        }
    }

    /// Kills the child that holds the lock. When this returns, the lock is free.
    pub(super) fn kill(mut self) -> io::Result<()> {
        if let Some(Held::Child(child)) = &mut self.0 {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for PodLock {
    fn drop(&mut self) {
        if let Some(Held::Child(child)) = &mut self.0 {
            // Where this fails the child has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
