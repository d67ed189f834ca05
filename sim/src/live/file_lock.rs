//! Locks on files of their own, by which rkt's commands keep out of each other's way: those of
//! images, of rendered images, and of preparing. The files stay for ever.

use std::fs::File;

use super::{
    disk::{Disk, failed},
    player::StepError,
    record::ActionKind,
};

/// A held lock.
pub(super) struct FileLock {
    path: String,
    file: File,
}

impl FileLock {
    /// Waits for the exclusive lock on a file, which is made where it is missing.
    pub(super) fn exclusive(path: String, mode: u32, disk: &mut Disk) -> Result<Self, StepError> {
        Self::take(path, mode, ActionKind::Lock, File::lock, disk)
    }

    /// Waits for a lock that others can share.
    pub(super) fn shared(path: String, mode: u32, disk: &mut Disk) -> Result<Self, StepError> {
        Self::take(path, mode, ActionKind::LockShared, File::lock_shared, disk)
    }

    fn take(
        path: String,
        mode: u32,
        kind: ActionKind,
        lock: fn(&File) -> std::io::Result<()>,
        disk: &mut Disk,
    ) -> Result<Self, StepError> {
        if !disk.exists(&path) {
            disk.write(&path, mode, b"")?;
        }
        let file = File::open(disk.at(&path)).map_err(failed("open", &path))?;
        lock(&file).map_err(failed("lock", &path))?;
        disk.note(kind, &path);
        Ok(Self { path, file })
    }

    /// Lets it go.
    pub(super) fn close(self, disk: &mut Disk) {
        let Self { path, file } = self;
        drop(file);
        disk.note(ActionKind::Close, &path);
    }
}
