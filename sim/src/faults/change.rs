//! What a fault changes, as data: a list of paths and of what becomes of them.
//!
//! Faults are planned first, with nothing but reading, and carried out by `beneath`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// One thing that becomes of one path.
#[derive(Debug)]
pub(super) struct Change {
    /// The path, below the data directory.
    pub(super) path: PathBuf,
    /// What becomes of it.
    pub(super) action: Action,
}

/// What can become of a path. All but [`Action::Rename`] and [`Action::Unreadable`] take away
/// what is there before.
#[derive(Debug)]
pub(super) enum Action {
    /// Nothing is there any more.
    Remove,
    /// A regular file with this content.
    File(Vec<u8>),
    /// A regular file of that many zeros which take no space.
    Sparse(u64),
    /// A directory with nothing in it.
    Dir,
    /// A FIFO that nobody writes into.
    Fifo,
    /// A symbolic link with this target, which is never looked up.
    Link(PathBuf),
    /// What is there gets another name in the same directory.
    Rename(OsString),
    /// What is there loses all permissions.
    Unreadable,
}

impl Change {
    pub(super) fn new(path: impl Into<PathBuf>, action: Action) -> Self {
        let path = path.into();
        Self { path, action }
    }

    /// A file with this content, in the place of whatever is there.
    pub(super) fn file(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self::new(path, Action::File(content.into()))
    }

    /// The paths that are other than before.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.path.clone()];
        if let Action::Rename(name) = &self.action {
            paths.push(self.path.with_file_name(name));
        }
        paths
    }
}

/// The way up from the directory that `path` lies in to the data directory.
pub(super) fn way_up(path: &Path) -> PathBuf {
    let above = path.components().count().saturating_sub(1);
    std::iter::repeat_n("..", above).collect()
}

/// Why a fault cannot be planned for a pod or a host: what it is about is not there, or not
/// as the fault needs it. A fragment that follows "because".
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unfit(pub(super) String);

impl From<std::io::Error> for Unfit {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The changes that make a fault, in order.
pub(super) type Plan = Result<Vec<Change>, Unfit>;
