//! Files and directories in memory, and writing them with exact modes and times.
//!
//! What the entries are for is not known here.

use std::{
    ffi::OsStr,
    fs::{self, File, FileTimes, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::content::Content;

/// Files and directories to be written, parents before children.
#[derive(Default)]
pub(crate) struct Tree {
    entries: Vec<Entry>,
}

struct Entry {
    path: String,
    mode: u32,
    modified: SystemTime,
    kind: Kind,
}

enum Kind {
    /// A directory; `shared` when it may be there already.
    Dir { shared: bool },
    /// A file; `replaces` when one may be there already.
    File { content: Content, replaces: bool },
}

impl Tree {
    /// Adds a directory that is not there yet.
    pub(crate) fn dir(&mut self, path: impl Into<String>, mode: u32, modified: SystemTime) {
        self.add(path.into(), mode, modified, Kind::Dir { shared: false });
    }

    /// Adds a directory that may be there already. Then its mode stays, and the later of the
    /// two times counts: so it does not matter in which order trees are written into it.
    pub(crate) fn shared_dir(&mut self, path: impl Into<String>, mode: u32, modified: SystemTime) {
        self.add(path.into(), mode, modified, Kind::Dir { shared: true });
    }

    /// Adds a file that is not there yet.
    pub(crate) fn file(
        &mut self,
        path: impl Into<String>,
        mode: u32,
        modified: SystemTime,
        content: impl Into<Content>,
    ) {
        let kind = Kind::File {
            content: content.into(),
            replaces: false,
        };
        self.add(path.into(), mode, modified, kind);
    }

    /// Adds a file that may be there already. Then its mode stays.
    pub(crate) fn replacing_file(
        &mut self,
        path: impl Into<String>,
        mode: u32,
        modified: SystemTime,
        content: impl Into<Content>,
    ) {
        let kind = Kind::File {
            content: content.into(),
            replaces: true,
        };
        self.add(path.into(), mode, modified, kind);
    }

    /// The entries in the order in which they were added: path, mode, and a file's content.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, u32, Option<&Content>)> {
        self.entries.iter().map(|entry| {
            let content = match &entry.kind {
                Kind::File { content, .. } => Some(content),
                Kind::Dir { .. } => None,
            };
            (entry.path.as_str(), entry.mode, content)
        })
    }

    fn add(&mut self, path: String, mode: u32, modified: SystemTime, kind: Kind) {
        self.entries.push(Entry {
            path,
            mode,
            modified,
            kind,
        });
    }

    /// Writes everything below `root`, with exactly the modes given, whatever the umask, and
    /// with modification and access times as given.
    ///
    /// # Errors
    ///
    /// The first that the system reports, naming the path. What was written until then stays.
    pub(crate) fn write_below(&self, root: &Path) -> io::Result<()> {
        // Writing into a directory changes its time, and may be forbidden by its mode: so
        // directories get both last, children before parents.
        let mut dirs = Vec::new();
        for entry in &self.entries {
            let path = root.join(&entry.path);
            match &entry.kind {
                Kind::File { content, replaces } => {
                    write_file(&path, *replaces, entry, content).map_err(at(&path))?;
                }
                Kind::Dir { shared } => {
                    let meta = make_dir(&path, *shared, entry).map_err(at(&path))?;
                    dirs.push((path, meta));
                }
            }
        }
        for (path, (mode, modified)) in dirs.into_iter().rev() {
            let set = |dir: File| set_meta(&dir, mode, modified);
            File::open(&path).and_then(set).map_err(at(&path))?;
        }
        Ok(())
    }
}

/// Makes the directory, and says what mode and time it is to have in the end.
fn make_dir(path: &Path, shared: bool, entry: &Entry) -> io::Result<(u32, SystemTime)> {
    match fs::create_dir(path) {
        Ok(()) => Ok((entry.mode, entry.modified)),
        Err(error) if shared && error.kind() == io::ErrorKind::AlreadyExists => {
            let there = fs::symlink_metadata(path)?;
            if !there.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            let mode = there.permissions().mode() & 0o7777;
            Ok((mode, entry.modified.max(there.modified()?)))
        }
        Err(error) => Err(error),
    }
}

fn write_file(path: &Path, replaces: bool, entry: &Entry, content: &Content) -> io::Result<()> {
    let (mut file, mode) = match File::create_new(path) {
        Ok(file) => (file, entry.mode),
        Err(error) if replaces && error.kind() == io::ErrorKind::AlreadyExists => {
            let file = File::options().write(true).truncate(true).open(path)?;
            let mode = file.metadata()?.permissions().mode() & 0o7777;
            (file, mode)
        }
        Err(error) => return Err(error),
    };
    content.fill(&mut file)?;
    set_meta(&file, mode, entry.modified)
}

fn set_meta(file: &File, mode: u32, modified: SystemTime) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    let times = FileTimes::new();
    file.set_times(times.set_modified(modified).set_accessed(modified))
}

/// Puts the path before an error's text.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// Fails unless `name` can be the name of one file.
pub(crate) fn check_file_name(name: &str) -> io::Result<()> {
    let is_one = Path::new(name).file_name() == Some(OsStr::new(name)) && !name.contains('\0');
    if is_one {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no file name"),
        ))
    }
}

/// The time so many nanoseconds after the Unix epoch, or before it.
pub(crate) fn time_ns(unix_ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(unix_ns.unsigned_abs());
    if unix_ns < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

/// The time so many seconds after the Unix epoch, or before it.
///
/// # Errors
///
/// When the system has no such time.
pub(crate) fn time_s(unix_s: i64) -> io::Result<SystemTime> {
    let distance = Duration::from_secs(unix_s.unsigned_abs());
    let time = if unix_s < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.ok_or_else(|| {
        let text = format!("{unix_s} s after the epoch is out of range");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_names_are_file_names() {
        for name in ["web", "..web", "a b", "-"] {
            assert!(check_file_name(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "/a", "a/", "a/.", "a\0"] {
            assert!(check_file_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn times_go_both_ways_from_the_epoch() {
        assert_eq!(
            time_ns(-1_500_000_000),
            UNIX_EPOCH - Duration::from_millis(1500)
        );
        assert_eq!(time_s(-2).unwrap(), time_ns(-2_000_000_000));
        assert_eq!(time_s(3).unwrap(), time_ns(3_000_000_000));
        time_ns(i64::MIN);
        time_ns(i64::MAX);
    }

    #[test]
    fn shared_directories_keep_their_mode_and_the_later_time() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, mode, modified_s| {
            let modified = time_s(modified_s).unwrap();
            let mut tree = Tree::default();
            tree.shared_dir("shared", mode, modified);
            tree.file(format!("shared/{file}"), 0o600, modified, "");
            tree.write_below(root.path())
        };
        write("a", 0o750, 20).unwrap();
        write("b", 0o700, 10).unwrap();
        let meta = fs::metadata(root.path().join("shared")).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o750);
        assert_eq!(meta.modified().unwrap(), time_s(20).unwrap());

        let again = write("a", 0o750, 30).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert!(again.to_string().contains("shared/a"), "{again}");
    }
}
