//! `flock(2)`, which rkt's processes hold on pod directories and on the image index.
//! Only shared locks are taken here, and none is ever waited for.

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::{beneath::Dir, state::Lock};

/// Whether some process holds an exclusive lock on `dir`: takes a shared one, and lets it go
/// at once.
pub(crate) fn probe(dir: &Dir) -> Result<Lock, Errno> {
    match try_shared(dir)? {
        true => {
            flock(dir.fd(), FlockOperation::Unlock)?;
            Ok(Lock::Free)
        }
        false => Ok(Lock::Held),
    }
}

/// Takes a shared lock on `dir`, which is held until `dir` is closed; `false` when some
/// process holds an exclusive one.
pub(crate) fn try_shared(dir: &Dir) -> Result<bool, Errno> {
    match flock(dir.fd(), FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_sees_exclusive_locks_only_and_leaves_none() {
        let temp = tempfile::tempdir().unwrap();
        let open = || Dir::open(temp.path()).unwrap();
        let (ours, theirs) = (open(), open());
        assert_eq!(probe(&ours), Ok(Lock::Free));
        flock(theirs.fd(), FlockOperation::NonBlockingLockShared).unwrap();
        assert_eq!(probe(&ours), Ok(Lock::Free));
        // Fails unless the probe has let go.
        flock(theirs.fd(), FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(probe(&ours), Ok(Lock::Held));
        drop(theirs);
        assert_eq!(probe(&ours), Ok(Lock::Free));
    }
}
