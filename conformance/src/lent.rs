//! A data directory that somebody lends to the suite, to put one host after the other in it for
//! a server that runs on it already. The suite takes none that could be anybody's: only one
//! that is empty, or that carries its own mark from a run that broke off.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use rkt_api::layout::{self, Phase};
use rkt_sim::live::memory::Memory;

/// What follows the directory's name in that of the mark beside it.
const MARK_SUFFIX: &str = ".rkt-conformance";

/// What the mark says to those who find it.
const MARK: &str = "The directory beside this file is overwritten by rkt-conformance.\n";

/// What a data directory consists of, and all that is ever removed.
const PARTS: [&str; 3] = [layout::PODS, layout::store::CAS, layout::LOCKS];

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum LentError {
    /// It may be somebody's.
    #[error(
        "{} is not empty: there is {found:?}; the suite fills only directories without pods and \
         images", data_dir.display()
    )]
    InUse {
        /// The directory.
        data_dir: PathBuf,
        /// What is in it.
        found: PathBuf,
    },
    /// The system.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
}

/// A directory that is the suite's until [`Lent::give_back`].
#[derive(Debug)]
pub struct Lent {
    data_dir: PathBuf,
    mark: PathBuf,
}

impl Lent {
    /// Takes a directory, and marks it.
    ///
    /// # Errors
    ///
    /// [`LentError::InUse`] when there is anything in it that is not the suite's.
    pub fn take(data_dir: &Path) -> Result<Self, LentError> {
        let data_dir = fs::canonicalize(data_dir).map_err(at(data_dir))?;
        let mark = mark_of(&data_dir);
        if !mark.exists() {
            if let Some(found) = something_in(&data_dir)? {
                return Err(LentError::InUse { data_dir, found });
            }
            fs::write(&mark, MARK).map_err(at(&mark))?;
        }
        Ok(Self { data_dir, mark })
    }

    /// Empties the directory and removes what was put beside it, the mark last.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn give_back(self) -> Result<(), LentError> {
        clear(&self.data_dir)?;
        // What the simulator has noted of the last host's locks.
        let note = Memory::path(&self.data_dir).map_err(at(&self.data_dir))?;
        for file in [&note, &self.mark] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(file)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Removes a host from a directory that is the suite's. What is no part of a data directory
/// stays.
///
/// # Errors
///
/// [`LentError::InUse`] when the directory has no mark; nothing is removed then.
pub fn clear(data_dir: &Path) -> Result<(), LentError> {
    let data_dir = fs::canonicalize(data_dir).map_err(at(data_dir))?;
    if !mark_of(&data_dir).exists() {
        let found = mark_of(&data_dir);
        return Err(LentError::InUse { data_dir, found });
    }
    for part in PARTS {
        let path = data_dir.join(part);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Something in the directory that an empty data directory has not.
fn something_in(data_dir: &Path) -> Result<Option<PathBuf>, LentError> {
    for entry in entries(data_dir)? {
        if !PARTS.iter().any(|part| entry == data_dir.join(part)) {
            return Ok(Some(entry));
        }
    }
    let pods = data_dir.join(layout::PODS);
    for entry in entries(&pods)? {
        if !Phase::ALL
            .iter()
            .any(|phase| entry == pods.join(phase.to_string()))
        {
            return Ok(Some(entry));
        }
        if let Some(pod) = entries(&entry)?.pop() {
            return Ok(Some(pod));
        }
    }
    // The index may be there: without blobs there is no image.
    first_file(&data_dir.join(layout::store::BLOBS))
}

/// A file below the directory, at whatever depth.
fn first_file(dir: &Path) -> Result<Option<PathBuf>, LentError> {
    for entry in entries(dir)? {
        match entry.is_dir() && !entry.is_symlink() {
            false => return Ok(Some(entry)),
            true => {
                if let Some(file) = first_file(&entry)? {
                    return Ok(Some(file));
                }
            }
        }
    }
    Ok(None)
}

/// What is in a directory; nothing where there is none.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, LentError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(dir))?,
    };
    let entries = entries.map(|entry| entry.map(|entry| entry.path()));
    entries.collect::<Result<_, _>>().map_err(at(dir))
}

fn mark_of(data_dir: &Path) -> PathBuf {
    let mut name = OsString::from(data_dir.file_name().unwrap_or_default());
    name.push(MARK_SUFFIX);
    data_dir.with_file_name(name)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LentError {
    let path = path.to_owned();
    move |cause| LentError::Io { path, cause }
}

#[cfg(test)]
mod tests {
    use rkt_sim::{example, host::Host};

    use super::*;

    #[test]
    fn what_may_be_anybodys_is_left_alone() {
        let tmp = tempfile::tempdir().unwrap();
        let refused = |dir: &Path| matches!(Lent::take(dir), Err(LentError::InUse { .. }));
        let spec = example::host();

        let pods = Host::create(tmp.path().join("pods")).unwrap();
        pods.write_pod(&spec.pods[0]).unwrap();
        let images = Host::create(tmp.path().join("images")).unwrap();
        images.write_images(&spec.images).unwrap();
        let home = tmp.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("letter"), "").unwrap();

        for dir in [pods.dir(), images.dir(), &home] {
            assert!(refused(dir), "{}", dir.display());
            assert!(matches!(clear(dir), Err(LentError::InUse { .. })));
            assert!(something_in(dir).unwrap().is_some());
        }
        assert!(Lent::take(&tmp.path().join("none")).is_err());
    }

    #[test]
    fn what_is_lent_is_given_back_empty() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("rkt");
        Host::create(&dir).unwrap();
        let lent = Lent::take(&dir).unwrap();
        clear(&dir).unwrap();
        Host::create(&dir).unwrap().write(&example::host()).unwrap();
        // A run that broke off leaves the mark, and the next one goes on.
        drop(lent);
        let lent = Lent::take(&dir).unwrap();
        lent.give_back().unwrap();
        assert_eq!(something_in(&dir).unwrap(), None);
        assert!(!mark_of(&dir).exists());
    }
}
