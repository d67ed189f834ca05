//! Reading files beneath a directory that is not trusted.
//!
//! Containers can write below a pod's `stage1/rootfs`. So no link is followed on the way to
//! a file, nothing leads out of the directory, only regular files are opened for reading (to
//! open a FIFO can block, to open a device can do anything), and never more than a given
//! number of bytes is read.

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsRawFd as _, OwnedFd},
};

use rustix::{
    fs::{self, Access, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use super::fault::Cause;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A handle that names a file without opening it: no FIFO waits, no device wakes.
const NAME_ONLY: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Opening a regular file for reading. NONBLOCK: a lease (`fcntl(2)`, F_SETLEASE) that
/// someone holds on the file is an error then, not a wait of up to 45 seconds.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);

impl Dir {
    /// Opens the directory at `path`. Links are followed: this is for paths that the
    /// administrator chose.
    pub(crate) fn open(path: impl rustix::path::Arg) -> Result<Self, Errno> {
        fs::openat(CWD, path, DIRECTORY, Mode::empty()).map(Self)
    }

    /// Names the directory at `path` without opening it. Links are followed, as by
    /// [`Self::open`].
    pub(crate) fn name(path: impl rustix::path::Arg) -> Result<Self, Errno> {
        fs::openat(CWD, path, NAME_ONLY | OFlags::DIRECTORY, Mode::empty()).map(Self)
    }

    /// Names the directory `name` in this one without opening it, unless it is a link: nobody
    /// who watches sees it opened. Files can be read beneath it; it cannot be listed or locked.
    pub(crate) fn name_child(&self, name: &str) -> Result<Self, Errno> {
        let flags = NAME_ONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        fs::openat(&self.0, name, flags, Mode::empty()).map(Self)
    }

    /// Names the directory at `path` beneath this one without opening it, following no link;
    /// the empty path is this one.
    pub(crate) fn name_beneath(&self, path: &str) -> Result<Self, Errno> {
        if path.is_empty() {
            return rustix::io::fcntl_dupfd_cloexec(&self.0, 0).map(Self);
        }
        let handle = self.resolve(path)?;
        let stat = fs::fstat(&handle)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(Self(handle)),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Opens the directory itself, so that it can be listed and locked.
    pub(crate) fn reopen(&self) -> Result<Self, Errno> {
        // Not ".": to look that up takes the right to search the directory, too.
        fs::openat(CWD, proc_path(&self.0), DIRECTORY, Mode::empty()).map(Self)
    }

    /// Whether the directory may be opened.
    pub(crate) fn may_be_opened(&self) -> Result<(), Errno> {
        fs::accessat(CWD, self.proc_path(), Access::READ_OK, AtFlags::EACCESS)
    }

    /// Whether what is in the directory may be reached.
    pub(crate) fn may_be_searched(&self) -> Result<(), Errno> {
        fs::accessat(CWD, self.proc_path(), Access::EXEC_OK, AtFlags::EACCESS)
    }

    /// A path by which this process reaches the directory, whatever its name is by now.
    pub(crate) fn proc_path(&self) -> String {
        proc_path(&self.0)
    }

    /// The open handle.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// The status of the directory itself.
    pub(crate) fn stat(&self) -> Result<Stat, Errno> {
        fs::fstat(&self.0)
    }

    /// The status of the entry `name` in this directory, links not followed.
    pub(crate) fn stat_child(&self, name: &str) -> Result<Stat, Errno> {
        fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Reads the regular file at `path` beneath this directory, when it has at most
    /// `limit_bytes` bytes.
    pub(crate) fn read(&self, path: &str, limit_bytes: u64) -> Result<Vec<u8>, Cause> {
        let (bytes, _) = self.read_with_status(path, limit_bytes)?;
        Ok(bytes)
    }

    /// [`Self::read`], and the file's status just before.
    pub(crate) fn read_with_status(
        &self,
        path: &str,
        limit_bytes: u64,
    ) -> Result<(Vec<u8>, Stat), Cause> {
        let (handle, stat) = self.regular(path)?;
        let bytes = read_handle(&handle, &stat, limit_bytes)?;
        Ok((bytes, stat))
    }

    /// Opens the regular file at `path` beneath this directory for reading.
    pub(crate) fn open_regular(&self, path: &str) -> Result<(File, Stat), Cause> {
        let (handle, stat) = self.regular(path)?;
        Ok((open_handle(&handle)?, stat))
    }

    /// The status of the regular file at `path` beneath this directory.
    pub(crate) fn stat_regular(&self, path: &str) -> Result<Stat, Cause> {
        self.regular(path).map(|(_, stat)| stat)
    }

    fn regular(&self, path: &str) -> Result<(OwnedFd, Stat), Cause> {
        let handle = self.resolve(path).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => Cause::Missing,
            // A link on the way, or a way out.
            Errno::LOOP | Errno::XDEV => Cause::NotRegular,
            other => Cause::Unreadable(other),
        })?;
        let stat = fs::fstat(&handle).map_err(Cause::Unreadable)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((handle, stat)),
            _ => Err(Cause::NotRegular),
        }
    }

    /// A handle that names the file at `path` beneath this directory, following no link.
    fn resolve(&self, path: &str) -> Result<OwnedFd, Errno> {
        // Paths are built from names that manifests give to apps.
        if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(Errno::NOENT);
        }
        match resolve_at_once(&self.0, path) {
            // The kernel (before 5.6) or a seccomp filter does not have openat2.
            Err(Errno::NOSYS | Errno::PERM) => resolve_stepwise(&self.0, path),
            result => result,
        }
    }
}

fn resolve_at_once(dir: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // AGAIN: something was renamed meanwhile, and the kernel cannot tell whether the path
    // stayed beneath.
    loop {
        match fs::openat2(dir, path, NAME_ONLY, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

fn resolve_stepwise(dir: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = NAME_ONLY | OFlags::NOFOLLOW;
    let mut parent: Option<OwnedFd> = None;
    let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
    for step in dirs.split('/').filter(|step| !step.is_empty()) {
        let at = parent.as_ref().unwrap_or(dir);
        parent = Some(fs::openat(
            at,
            step,
            flags | OFlags::DIRECTORY,
            Mode::empty(),
        )?);
    }
    fs::openat(parent.as_ref().unwrap_or(dir), name, flags, Mode::empty())
}

/// The one way to open what a PATH handle names, whatever its name is by now.
fn proc_path(handle: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

fn open_handle(handle: &OwnedFd) -> Result<File, Cause> {
    let file = fs::openat(CWD, proc_path(handle), READ, Mode::empty());
    file.map(File::from).map_err(Cause::Unreadable)
}

fn read_handle(handle: &OwnedFd, stat: &Stat, limit_bytes: u64) -> Result<Vec<u8>, Cause> {
    let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
    if size_bytes > limit_bytes {
        return Err(Cause::TooLarge(limit_bytes));
    }
    let file = open_handle(handle)?;
    let mut content = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
    // The file may grow while it is read.
    file.take(limit_bytes + 1)
        .read_to_end(&mut content)
        .map_err(|error| Cause::Unreadable(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if content.len() as u64 > limit_bytes {
        return Err(Cause::TooLarge(limit_bytes));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::{fs as disk, os::unix::fs::symlink};

    use super::*;

    /// A directory with one of everything, beside a file that must never be reached.
    fn tree() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let at = |path: &str| temp.path().join(path);
        disk::write(at("secret"), "secret").unwrap();
        disk::create_dir_all(at("pod/a/b")).unwrap();
        disk::write(at("pod/file"), "top").unwrap();
        disk::write(at("pod/a/b/file"), "deep").unwrap();
        symlink("file", at("pod/link")).unwrap();
        symlink("../secret", at("pod/out")).unwrap();
        symlink("/etc/passwd", at("pod/absolute")).unwrap();
        symlink("a", at("pod/dirlink")).unwrap();
        symlink("/proc/self/fd", at("pod/magic")).unwrap();
        rustix::fs::mknodat(CWD, at("pod/fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let dir = Dir::open(at("pod")).unwrap();
        (temp, dir)
    }

    #[test]
    fn reads_regular_files_only() {
        let (_temp, dir) = tree();
        assert_eq!(dir.read("file", 9), Ok(b"top".to_vec()));
        assert_eq!(dir.read("a/b/file", 4), Ok(b"deep".to_vec()));
        assert_eq!(dir.stat_regular("file").unwrap().st_size, 3);

        for (path, cause) in [
            ("link", Cause::NotRegular),
            ("out", Cause::NotRegular),
            ("absolute", Cause::NotRegular),
            ("dirlink/b/file", Cause::NotRegular),
            ("magic/0", Cause::NotRegular),
            ("fifo", Cause::NotRegular),
            ("a", Cause::NotRegular),
            ("none", Cause::Missing),
            ("none/file", Cause::Missing),
            ("file/file", Cause::Missing),
            ("../secret", Cause::Missing),
            ("a/../file", Cause::Missing),
            ("/etc/passwd", Cause::Missing),
            ("", Cause::Missing),
            (".", Cause::Missing),
        ] {
            assert_eq!(dir.read(path, 9), Err(cause.clone()), "{path}");
            assert_eq!(dir.stat_regular(path).err(), Some(cause), "{path}");
        }
    }

    #[test]
    fn both_ways_to_resolve_agree() {
        let (_temp, dir) = tree();
        let regular = |handle: Result<OwnedFd, Errno>| {
            let stat = fs::fstat(handle.ok()?).unwrap();
            (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(stat.st_ino)
        };
        for path in [
            "file",
            "a/b/file",
            "link",
            "out",
            "dirlink/b/file",
            "magic/0",
            "fifo",
            "a",
            "none",
        ] {
            assert_eq!(
                regular(resolve_at_once(&dir.0, path)),
                regular(resolve_stepwise(&dir.0, path)),
                "{path}"
            );
        }
    }

    #[test]
    fn reads_no_more_than_the_limit() {
        let (temp, dir) = tree();
        assert_eq!(dir.read("file", 3), Ok(b"top".to_vec()));
        assert_eq!(dir.read("file", 2), Err(Cause::TooLarge(2)));
        let sparse = disk::File::create(temp.path().join("pod/sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        assert_eq!(dir.read("sparse", 4096), Err(Cause::TooLarge(4096)));
    }
}
