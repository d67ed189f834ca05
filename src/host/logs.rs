//! Where a pod's journals are: the directory below its stage1 root, and the files in it and in
//! those right below it that are named by a machine id (L-10).
//!
//! All of it can be written by the pod's apps. So nothing is reached but beneath the pod's
//! directory and through no link, and only so many files count.

use std::{fs::File, path::Path};

use rustix::{
    fs::{FileType, RawDir, Stat},
    io::Errno,
};
use uuid::Uuid;

use super::{
    beneath::Dir,
    fault::{Cause, Fault},
    scan::{PhaseDirs, ScanError},
};
use crate::layout::pod as names;

/// How many journals of a pod are read. journald keeps 100 by default.
const FILES_LIMIT: usize = 256;
/// How many directories are named by machine ids. A pod has one.
const MACHINES_LIMIT: usize = 16;
/// How many entries of a directory are looked at.
const ENTRIES_LIMIT: usize = 1 << 16;
/// How much of a directory is listed at once, in bytes: more journals than are read.
const LISTING_BYTES: usize = 64 << 10;
/// How often a directory is listed, where journals are put away faster than they are looked at.
const LIST_ATTEMPTS: usize = 8;
/// The largest file that is read for a tree store id.
const WORD_LIMIT_BYTES: u64 = 4 << 10;

/// Why the journals of a pod cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LogsError {
    /// There is no such pod.
    #[error("there is no such pod")]
    NoPod,
    /// The pod keeps no journal.
    #[error("it keeps no journal")]
    NoJournal,
    /// The pod, or the directory of its journals, cannot be looked into.
    #[error("{0}")]
    Fault(Fault),
    /// Nor can the data directory.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// The directories of a pod's journals.
#[derive(Debug)]
pub(crate) struct JournalDirs(Vec<JournalDir>);

/// One of them.
#[derive(Debug)]
pub(crate) struct JournalDir {
    dir: Dir,
    /// Its path beneath the pod's.
    path: String,
}

/// What a file is, whatever its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(u64, u64);

/// A journal that was found.
#[derive(Clone, Debug)]
pub(crate) struct JournalFile {
    pub(crate) id: FileId,
    /// Which of the directories it lies in.
    dir: usize,
    pub(crate) name: String,
    /// When it was written last, for those that are too many.
    modified: (i64, i64),
}

impl JournalFile {
    /// Whether its name is that of a file which may still be written.
    pub(crate) fn is_active(&self) -> bool {
        is_active(&self.name)
    }
}

impl JournalDirs {
    /// Those of the pod `id`, wherever it lies in `data_dir`.
    pub(crate) fn find(data_dir: &Path, id: Uuid) -> Result<Self, LogsError> {
        let pod = PhaseDirs::open(data_dir)?.name_pod(id)?;
        let pod = pod.ok_or(LogsError::NoPod)?;
        let rootfs = stage1_rootfs(&pod).map_err(LogsError::Fault)?;
        let path = names::journal_dir(&rootfs);
        let fault = |cause: Cause| LogsError::Fault(cause.of(path.as_str()));
        let dir = match pod.name_beneath(&path) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
                return Err(LogsError::NoJournal);
            }
            Err(errno) => return Err(fault(Cause::Unreadable(errno))),
        };
        let mut machines = Vec::new();
        each_entry(&dir, |name, kind, _| {
            let is_machine = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_dir = matches!(kind, FileType::Directory | FileType::Unknown);
            if is_machine && is_dir && machines.len() < MACHINES_LIMIT {
                machines.push(name.to_owned());
            }
        })
        .map_err(|errno| fault(Cause::Unreadable(errno)))?;
        machines.sort_unstable();
        let machines = machines.into_iter().filter_map(|name| {
            let path = format!("{path}/{name}");
            let dir = dir.name_child(&name).ok()?;
            Some(JournalDir { dir, path })
        });
        let machines: Vec<_> = machines.collect();
        let mut dirs = vec![JournalDir { dir, path }];
        dirs.extend(machines);
        Ok(Self(dirs))
    }

    /// Hands the directories on the way to the journals of the pod `id` to `visit`, as far as
    /// there are any: each one before it is looked into.
    pub(crate) fn way(
        data_dir: &Path,
        id: Uuid,
        mut visit: impl FnMut(&Dir),
    ) -> Result<(), LogsError> {
        let pod = PhaseDirs::open(data_dir)?.name_pod(id)?;
        let mut dir = pod.ok_or(LogsError::NoPod)?;
        visit(&dir);
        let rootfs = stage1_rootfs(&dir).map_err(LogsError::Fault)?;
        let path = names::journal_dir(&rootfs);
        let (way, _) = path.rsplit_once('/').unwrap_or_default();
        for name in way.split('/') {
            dir = match dir.name_child(name) {
                Ok(dir) => dir,
                Err(_) => break,
            };
            visit(&dir);
        }
        Ok(())
    }

    /// What the directories are, whatever their names.
    pub(crate) fn ids(&self) -> Vec<FileId> {
        let stats = self.0.iter().filter_map(|journal| journal.dir.stat().ok());
        stats.map(|stat| FileId::of(&stat)).collect()
    }

    /// The directories, for those who watch them.
    pub(crate) fn dirs(&self) -> impl Iterator<Item = &Dir> {
        self.0.iter().map(|journal| &journal.dir)
    }

    /// The journals in them, and what is in the way of others.
    pub(crate) fn files(&self) -> (Vec<JournalFile>, Vec<Fault>) {
        let mut files = Vec::new();
        let mut faults = Vec::new();
        for (number, JournalDir { dir, path }) in self.0.iter().enumerate() {
            match journals(dir) {
                Ok(journals) => {
                    files.extend(journals.into_iter().map(|(name, stat)| JournalFile {
                        id: FileId::of(&stat),
                        dir: number,
                        name,
                        modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
                    }))
                }
                Err(errno) => faults.push(Cause::Unreadable(errno).of(path.as_str())),
            }
        }
        if files.len() > FILES_LIMIT {
            files.sort_unstable_by_key(|file| std::cmp::Reverse(file.modified));
            files.truncate(FILES_LIMIT);
            let cause = Cause::malformed(format_args!("more than {FILES_LIMIT} journals"));
            faults.push(cause.of(self.0[0].path.as_str()));
        }
        // Under two names: once is enough.
        files.sort_unstable_by(|a, b| (a.id, &a.name).cmp(&(b.id, &b.name)));
        files.dedup_by_key(|file| file.id);
        (files, faults)
    }

    /// Opens a journal, unless another file has taken its name.
    pub(crate) fn open(&self, file: &JournalFile) -> Result<Option<File>, Fault> {
        let JournalDir { dir, path } = &self.0[file.dir];
        match dir.open_regular(&file.name) {
            Ok((opened, stat)) if FileId::of(&stat) == file.id => Ok(Some(opened)),
            Ok(_) | Err(Cause::Missing) => Ok(None),
            Err(cause) => Err(cause.of(format!("{path}/{}", file.name))),
        }
    }
}

impl FileId {
    fn of(stat: &Stat) -> Self {
        Self(stat.st_dev, stat.st_ino)
    }
}

/// Where the root of stage1's file system lies beneath the pod's directory, whatever state the
/// pod is in (L-12).
fn stage1_rootfs(pod: &Dir) -> Result<String, Fault> {
    match pod.stat_regular(names::OVERLAY_PREPARED) {
        Ok(_) => {}
        Err(Cause::Unreadable(errno)) => {
            return Err(Cause::Unreadable(errno).of(names::OVERLAY_PREPARED));
        }
        Err(_) => return Ok(names::STAGE1_ROOTFS.to_owned()),
    }
    let fault = |cause: Cause| cause.of(names::STAGE1_TREE_STORE_ID);
    let id = pod.read(names::STAGE1_TREE_STORE_ID, WORD_LIMIT_BYTES);
    let id = id.map_err(fault)?;
    match std::str::from_utf8(id.trim_ascii_end()) {
        Ok(id) if !id.is_empty() => Ok(names::stage1_overlay_rootfs(id)),
        _ => Err(fault(Cause::malformed("no tree store id"))),
    }
}

/// The journals in `dir`, all as of one moment: none is missed that is put away meanwhile, and none
/// stands for the one that had its name before.
fn journals(dir: &Dir) -> Result<Vec<(String, Stat)>, Errno> {
    let status = |name: &str| {
        let stat = dir.stat_child(name).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        is_file.then_some(stat)
    };
    let mut before = Vec::new();
    let mut files = Vec::new();
    let mut archived = Vec::new();
    for _ in 0..LIST_ATTEMPTS {
        let mut active = Vec::new();
        let mut inodes = Vec::new();
        archived.clear();
        for (name, inode) in listed_journals(dir)? {
            if !is_active(&name) {
                archived.push(name);
                continue;
            }
            // At once, as it may be put away at any moment.
            let stat = status(&name);
            inodes.push((inode, stat.as_ref().map(|stat| stat.st_ino)));
            active.extend(stat.map(|stat| (name, stat)));
        }
        // Some file systems list other numbers than those of their files, but always the same.
        if inodes.iter().all(|(listed, found)| Some(*listed) == *found) || inodes == before {
            files = active;
            break;
        }
        before = inodes;
    }
    // One that is put away too fast is left for the next look, with what comes after it.
    files.extend(archived.into_iter().filter_map(|name| {
        let stat = status(&name)?;
        Some((name, stat))
    }));
    Ok(files)
}

/// What is listed as journals in `dir`, by names and inodes.
fn listed_journals(dir: &Dir) -> Result<Vec<(String, u64)>, Errno> {
    let mut journals = Vec::new();
    each_entry(dir, |name, kind, inode| {
        let is_file = matches!(kind, FileType::RegularFile | FileType::Unknown);
        let is_journal = name.ends_with(".journal") || name.ends_with(".journal~");
        if is_file && is_journal {
            journals.push((name.to_owned(), inode));
        }
    })?;
    Ok(journals)
}

/// Whether a journal of this name may still be written.
fn is_active(name: &str) -> bool {
    !name.contains('@') && !name.ends_with('~')
}

/// Hands every entry of `dir` with a name of text to `each`, with what it is, and its inode. The kernel
/// lists what the buffer holds while nothing is renamed.
fn each_entry(dir: &Dir, mut each: impl FnMut(&str, FileType, u64)) -> Result<(), Errno> {
    let opened = dir.reopen()?;
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = RawDir::new(opened.fd(), buffer.spare_capacity_mut());
    for _ in 0..ENTRIES_LIMIT {
        let Some(entry) = entries.next() else { break };
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str() {
            each(name, entry.file_type(), entry.ino());
        }
    }
    Ok(())
}

impl LogsError {
    /// Whether it is the server that cannot go on.
    pub(crate) fn is_distress(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.distress().is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn no_journal_is_missed_that_is_put_away_meanwhile() {
        // As many as journald keeps.
        const FILES: usize = 100;

        let temp = tempfile::tempdir().unwrap();
        let active = temp.path().join("system.journal");
        let archived = |number| temp.path().join(format!("system@{number:064}.journal"));
        let dir = Dir::open(temp.path()).unwrap();
        // Each has its number of bytes.
        fs::write(&active, "").unwrap();
        thread::scope(|scope| {
            let rotating = scope.spawn(|| {
                for number in 0..FILES {
                    let next = temp.path().join("next");
                    fs::write(&next, vec![0; number + 1]).unwrap();
                    fs::rename(&active, archived(number)).unwrap();
                    fs::rename(&next, &active).unwrap();
                    thread::yield_now();
                }
            });
            while !rotating.is_finished() {
                let journals = journals(&dir).unwrap();
                let mut sizes: Vec<_> = journals.iter().map(|(_, stat)| stat.st_size).collect();
                sizes.sort_unstable();
                assert!(sizes.iter().copied().eq(0..sizes.len() as i64), "{sizes:?}");
            }
        });
    }
}
