//! Single actions on a data directory, each done and noted. Which ones, and in which order,
//! is for the modules that play steps.
//!
//! Unlike [`tree`](crate::tree), which writes a host as it was left long ago, nothing is
//! backdated here: what is written now has the time of now.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rkt_api::formats::journal::Change;

use super::{
    player::StepError,
    record::{Action, ActionKind, now_unix_ns},
};

/// A data directory, and what one step has done to it so far. Paths are relative to it.
pub(super) struct Disk {
    root: PathBuf,
    actions: Vec<Action>,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            actions: Vec::new(),
        }
    }

    /// What was done, in order.
    pub(super) fn into_actions(self) -> Vec<Action> {
        self.actions
    }

    /// Where `path` is.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Whether something is there. A link counts as itself.
    pub(super) fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.at(path)).is_ok()
    }

    /// The content of a file.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, StepError> {
        fs::read(self.at(path)).map_err(failed("read", path))
    }

    /// The names in a directory, in order; without those that are no text.
    pub(super) fn names(&self, path: &str) -> Result<Vec<String>, StepError> {
        let list = || {
            let entries = fs::read_dir(self.at(path))?;
            let names = entries.map(|entry| Ok(entry?.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        };
        let names = list().map_err(failed("list", path))?.into_iter();
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Makes a directory that is not there yet.
    pub(super) fn mkdir(&mut self, path: &str, mode: u32) -> Result<(), StepError> {
        let full = self.at(path);
        let make = || {
            DirBuilder::new().mode(mode).create(&full)?;
            set_mode(&full, &fs::metadata(&full)?, mode)
        };
        make().map_err(failed("make the directory", path))?;
        self.note(ActionKind::Mkdir, path);
        Ok(())
    }

    /// Makes a directory unless it is there, and all that are missing above it.
    pub(super) fn mkdirs(&mut self, path: &str, mode: u32) -> Result<(), StepError> {
        for end in path.match_indices('/').map(|(end, _)| end) {
            self.mkdir_missing(&path[..end], mode)?;
        }
        self.mkdir_missing(path, mode)
    }

    fn mkdir_missing(&mut self, path: &str, mode: u32) -> Result<(), StepError> {
        match self.exists(path) {
            true => Ok(()),
            false => self.mkdir(path, mode),
        }
    }

    /// Writes a whole file: first empty, then with its content, like Go's `WriteFile`.
    pub(super) fn write(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), StepError> {
        let full = self.at(path);
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(mode);
            let mut file = options.open(&full)?;
            set_mode(&full, &file.metadata()?, mode)?;
            file.write_all(content)
        };
        write().map_err(failed("write", path))?;
        self.note(ActionKind::Write, path);
        Ok(())
    }

    /// Writes over bytes of a file that is there. Writing the same bytes is an action, too.
    pub(super) fn overwrite<'a>(
        &mut self,
        path: &str,
        writes: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<(), StepError> {
        let file = OpenOptions::new().write(true).open(self.at(path));
        let file = file.map_err(failed("open", path))?;
        for (offset, bytes) in writes {
            file.write_all_at(bytes, offset)
                .map_err(failed("write over", path))?;
            self.note(ActionKind::Overwrite, path);
        }
        Ok(())
    }

    /// Cuts or extends a file to a length in bytes.
    pub(super) fn truncate(&mut self, path: &str, len: u64) -> Result<(), StepError> {
        let file = OpenOptions::new().write(true).open(self.at(path));
        file.and_then(|file| file.set_len(len))
            .map_err(failed("truncate", path))?;
        self.note(ActionKind::Truncate, path);
        Ok(())
    }

    /// Makes changes to a journal that is there, in order.
    pub(super) fn change<'a>(
        &mut self,
        path: &str,
        changes: impl IntoIterator<Item = Change<'a>>,
    ) -> Result<(), StepError> {
        let file = OpenOptions::new().write(true).open(self.at(path));
        let file = file.map_err(failed("open", path))?;
        for change in changes {
            change.apply_to(&file).map_err(failed("change", path))?;
            let kind = match change {
                Change::Length(_) => ActionKind::Truncate,
                Change::Bytes { .. } => ActionKind::Overwrite,
            };
            self.note(kind, path);
        }
        Ok(())
    }

    /// Flushes a file or directory.
    pub(super) fn sync(&mut self, path: &str) -> Result<(), StepError> {
        File::open(self.at(path))
            .and_then(|file| file.sync_all())
            .map_err(failed("flush", path))?;
        self.note(ActionKind::Sync, path);
        Ok(())
    }

    /// Renames a file, replacing one that is there, or a directory.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), StepError> {
        fs::rename(self.at(from), self.at(to)).map_err(failed("rename", from))?;
        self.note(ActionKind::Rename, from).to = Some(to.to_owned());
        Ok(())
    }

    /// Removes a file. One that is not there is no error, and no action.
    pub(super) fn remove(&mut self, path: &str) -> Result<(), StepError> {
        match fs::remove_file(self.at(path)) {
            Ok(()) => {
                self.note(ActionKind::Remove, path);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove", path)(error)),
        }
    }

    /// Removes a directory and all in it. One that is not there is no error, and no action.
    pub(super) fn remove_tree(&mut self, path: &str) -> Result<(), StepError> {
        match fs::remove_dir_all(self.at(path)) {
            Ok(()) => {
                self.note(ActionKind::RemoveTree, path);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove", path)(error)),
        }
    }

    /// Removes what is in a directory, in the order of names.
    pub(super) fn remove_content(&mut self, path: &str) -> Result<(), StepError> {
        let list = || {
            let entries = fs::read_dir(self.at(path))?;
            let entry = |entry: io::Result<fs::DirEntry>| {
                let entry = entry?;
                Ok((entry.file_name(), entry.file_type()?.is_dir()))
            };
            entries.map(entry).collect::<io::Result<Vec<_>>>()
        };
        let mut entries = list().map_err(failed("list", path))?;
        entries.sort();
        for (name, is_dir) in entries {
            let path = format!("{path}/{}", name.to_string_lossy());
            match is_dir {
                true => self.remove_tree(&path)?,
                false => self.remove(&path)?,
            }
        }
        Ok(())
    }

    /// Removes an empty directory.
    pub(super) fn rmdir(&mut self, path: &str) -> Result<(), StepError> {
        fs::remove_dir(self.at(path)).map_err(failed("remove", path))?;
        self.note(ActionKind::Rmdir, path);
        Ok(())
    }

    /// Notes that what was done last was about this process.
    pub(super) fn note_pid(&mut self, pid: u32) {
        if let Some(last) = self.actions.last_mut() {
            last.pid = Some(pid);
        }
    }

    /// Notes an action that was done elsewhere, just now.
    pub(super) fn note(&mut self, action: ActionKind, path: &str) -> &mut Action {
        self.actions.push(Action {
            action,
            path: path.to_owned(),
            to: None,
            pid: None,
            at_unix_ns: now_unix_ns(),
        });
        let last = self.actions.len() - 1;
        &mut self.actions[last]
    }
}

/// Says what failed.
pub(super) fn failed<'a>(
    action: &'static str,
    path: &'a str,
) -> impl FnOnce(io::Error) -> StepError + 'a {
    move |source| StepError::Disk {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Gives exactly this mode to what was just made: the umask may have taken some of it.
fn set_mode(path: &Path, meta: &fs::Metadata, mode: u32) -> io::Result<()> {
    match meta.permissions().mode() & 0o7777 == mode {
        true => Ok(()),
        false => fs::set_permissions(path, Permissions::from_mode(mode)),
    }
}
