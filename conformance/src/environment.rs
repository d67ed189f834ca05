//! What the machine must be able to do for hosts to be made on it. Where it is not, that is no
//! fault of the server under test, and has to be told apart from one.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Makes sure that locks on directories work in this one: that one who holds it keeps out
/// another. Pods that run are told by them alone.
///
/// # Errors
///
/// Why they do not.
pub(crate) fn locks_work(dir: &Path) -> io::Result<()> {
    let held = File::open(dir)?;
    held.try_lock()?;
    match File::open(dir)?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "flock(2) keeps nobody out on this file system",
        )),
    }
}

/// Whether this process may do anything to files, as root may.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_tried() {
        let tmp = tempfile::tempdir().unwrap();
        locks_work(tmp.path()).unwrap();
        // It let go of what it took.
        locks_work(tmp.path()).unwrap();
        let held = File::open(tmp.path()).unwrap();
        held.try_lock().unwrap();
        assert!(locks_work(tmp.path()).is_err());
    }
}
