//! Watching directories by inotify(7), where it says anything.

use std::{fmt, os::fd::AsFd};

use rustix::{
    fs::{
        fstatfs,
        inotify::{self, WatchFlags},
    },
    io::Errno,
};

use super::Dir;

/// File systems (`f_type` of statfs(2), from linux/magic.h and the kernel's own headers) whose files
/// other machines, other processes or the kernel itself change without inotify's saying so.
const SILENT: [(u32, &str); 15] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x786f_4256, "vboxsf"),
    (0x9fa0, "proc"),
];

/// Why a directory is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWatched {
    /// It lies on a file system, named here, of whose changes nobody tells.
    Silent(&'static str),
    /// The system will not, or no more.
    System(Errno),
}

impl From<Errno> for NotWatched {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl fmt::Display for NotWatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(name) => write!(f, "on {name} nobody tells of changes"),
            Self::System(Errno::NOSPC) => {
                write!(f, "fs.inotify.max_user_watches directories are watched")
            }
            Self::System(errno) => errno.fmt(f),
        }
    }
}

impl std::error::Error for NotWatched {}

impl Dir {
    /// Has `inotify` tell of changes in this directory. Returns what it calls the directory.
    pub(crate) fn watch(&self, inotify: impl AsFd, flags: WatchFlags) -> Result<i32, NotWatched> {
        // It would let itself be watched.
        if let Some(name) = silent(fstatfs(self.fd())?.f_type as u32) {
            return Err(NotWatched::Silent(name));
        }
        Ok(inotify::add_watch(inotify, self.proc_path(), flags)?)
    }
}

/// The name of a file system of whose changes nobody tells.
fn silent(f_type: u32) -> Option<&'static str> {
    let found = SILENT.iter().find(|(magic, _)| *magic == f_type);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use rustix::fs::inotify::CreateFlags;

    use super::*;

    fn watch(path: &std::path::Path) -> Result<i32, NotWatched> {
        let inotify = inotify::init(CreateFlags::CLOEXEC).unwrap();
        let dir = Dir::name(path).unwrap();
        dir.watch(&inotify, WatchFlags::CREATE)
    }

    #[test]
    fn where_nobody_tells_of_changes_nothing_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        assert!(watch(dir.path()).is_ok());
        assert_eq!(watch("/proc".as_ref()), Err(NotWatched::Silent("proc")));
        assert_eq!(silent(0x6969), Some("NFS"));
        // That of ext4.
        assert_eq!(silent(0xef53), None);
    }
}
