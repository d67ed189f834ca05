//! Reading and changing a host without ever leaving its directory.
//!
//! Paths are walked component by component from the opened data directory, and no link is
//! followed: not on the way, not at the end. Nothing is ever written into an existing file, for
//! it might have another name elsewhere; it is replaced. What replaces something has its
//! modification time, and its mode where it is of the same kind, and the directory around it
//! keeps its time, so that the same fault makes the same tree every time.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStringExt as _,
    },
    path::{Component, Path},
};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, chmodat, fchmod, fstat,
    ftruncate, futimens, mkdirat, mknodat, openat, renameat, statat, symlinkat, unlinkat,
    utimensat,
};

use super::change::{Action, Change};
use crate::tree::at;

/// The largest file that is read: more than any that rkt writes but images.
const MAX_READ_BYTES: u64 = 64 << 20;

/// The modes of what was not there before: those that rkt gives to most of its files.
const FILE: u32 = 0o640;
const DIR: u32 = 0o750;
const FIFO: u32 = 0o644;

/// How a directory is opened: itself, never one that a link leads to.
const OPEN_DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How anything is opened that may turn out to be no regular file: a FIFO must not block.
const OPEN_ANY: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A data directory, opened. All paths are relative to it.
#[derive(Debug)]
pub(super) struct Root {
    dir: OwnedFd,
}

impl Root {
    /// Opens a data directory. The caller chose it, so links on the way to it are followed.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, dir, flags, Mode::empty()).map_err(|error| at(dir)(error.into()))?;
        Ok(Self { dir })
    }

    /// What kind of thing lies at a path, a link being a link; `None` for nothing.
    pub(super) fn kind(&self, path: &Path) -> io::Result<Option<FileType>> {
        let stat = self.parent(path).and_then(|(dir, name)| stat(&dir, name));
        match stat {
            Ok(stat) => Ok(stat.map(|stat| FileType::from_raw_mode(stat.st_mode))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(path)(error)),
        }
    }

    /// The content of a regular file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.parent(path)
            .and_then(|(dir, name)| read(&dir, name))
            .map_err(at(path))
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.descend(path.components())
            .and_then(|dir| list(&dir))
            .map_err(at(path))
    }

    /// Carries out a change.
    pub(super) fn apply(&self, change: &Change) -> io::Result<()> {
        let apply = || {
            let (dir, name) = self.parent(&change.path)?;
            let dir_times = times(&fstat(&dir)?);
            let outcome = apply(&dir, name, &change.action, &dir_times);
            // Also after a failure: whatever could be done is all that shows.
            futimens(&dir, &dir_times)?;
            outcome
        };
        apply().map_err(at(&change.path))
    }

    /// The directory that a path lies in, and its name there.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
        let mut components = path.components();
        let Some(Component::Normal(name)) = components.next_back() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        Ok((self.descend(components)?, name))
    }

    fn descend<'p>(&self, steps: impl Iterator<Item = Component<'p>>) -> io::Result<OwnedFd> {
        let mut dir = self.dir.try_clone()?;
        for step in steps {
            let Component::Normal(name) = step else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            dir = openat(&dir, name, OPEN_DIR, Mode::empty())?;
        }
        Ok(dir)
    }
}

fn stat(dir: impl AsFd, name: &OsStr) -> io::Result<Option<Stat>> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read(dir: impl AsFd, name: &OsStr) -> io::Result<Vec<u8>> {
    let file = File::from(openat(dir, name, OPEN_ANY, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    if meta.len() > MAX_READ_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut content = Vec::new();
    file.take(MAX_READ_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

fn list(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_bytes().to_owned();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(names)
}

fn apply(dir: &OwnedFd, name: &OsStr, action: &Action, dir_times: &Timestamps) -> io::Result<()> {
    let old = stat(dir, name)?;
    match action {
        Action::Rename(new_name) => {
            if stat(dir, new_name)?.is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            return Ok(renameat(dir, name, dir, new_name)?);
        }
        Action::Unreadable if is(old.as_ref(), FileType::Directory) => {
            let opened = openat(dir, name, OPEN_DIR, Mode::empty())?;
            return Ok(fchmod(opened, Mode::empty())?);
        }
        _ => {}
    }
    // A file is replaced also for its mode, which it would have under another name too.
    let content = match action {
        Action::Unreadable => read(dir, name)?,
        _ => Vec::new(),
    };
    if old.is_some() {
        remove(dir, name)?;
    }
    let mode = |kind, otherwise| match &old {
        Some(old) if is(Some(old), kind) => Mode::from_raw_mode(old.st_mode),
        _ => Mode::from_raw_mode(otherwise),
    };
    match action {
        Action::Remove | Action::Rename(_) => return Ok(()),
        Action::Unreadable => {
            let mut file = create(dir, name)?;
            file.write_all(&content)?;
            fchmod(file, Mode::empty())?;
        }
        Action::File(content) => {
            let mut file = create(dir, name)?;
            file.write_all(content)?;
            fchmod(file, mode(FileType::RegularFile, FILE))?;
        }
        Action::Sparse(len) => {
            let file = create(dir, name)?;
            ftruncate(&file, *len)?;
            fchmod(file, mode(FileType::RegularFile, FILE))?;
        }
        Action::Dir => {
            mkdirat(dir, name, Mode::RWXU)?;
            let made = openat(dir, name, OPEN_DIR, Mode::empty())?;
            fchmod(made, mode(FileType::Directory, DIR))?;
        }
        Action::Fifo => {
            mknodat(dir, name, FileType::Fifo, Mode::empty(), 0)?;
            // Not by a descriptor, for opening it would block.
            chmodat(dir, name, mode(FileType::Fifo, FIFO), AtFlags::empty())?;
        }
        Action::Link(target) => symlinkat(target, dir, name)?,
    }
    let times = old.as_ref().map_or_else(|| dir_times.clone(), times);
    utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn is(stat: Option<&Stat>, kind: FileType) -> bool {
    stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == kind)
}

fn create(dir: impl AsFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Removes whatever is there, a directory with everything in it.
fn remove(dir: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Err(rustix::io::Errno::ISDIR) => {}
        done => return Ok(done?),
    }
    let inner = openat(dir, name, OPEN_DIR, Mode::empty())?;
    for child in list(&inner)? {
        remove(&inner, &child)?;
    }
    Ok(unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

/// The modification time, for both of the times that can be set.
fn times(stat: &Stat) -> Timestamps {
    let modified = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: stat.st_mtime_nsec.cast_signed(),
    };
    Timestamps {
        last_access: modified,
        last_modification: modified,
    }
}
