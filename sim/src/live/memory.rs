//! What the simulator must remember about a host and the data directory does not say: which
//! pods are to be locked. A small JSON file beside the directory, where rkt does not trip
//! over it: for `/tmp/rkt` it is `/tmp/rkt.rkt-sim.json`.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::tree::at;

/// What follows the data directory's name.
const SUFFIX: &str = ".rkt-sim.json";

/// What is remembered about a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The pods whose lock is to be held.
    pub held: BTreeSet<Uuid>,
}

impl Memory {
    /// Where it is kept for this data directory, which must be there: by whatever path it is
    /// reached, its note is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for the root directory, beside which nothing can stand, and
    /// those of the system.
    pub fn path(data_dir: &Path) -> io::Result<PathBuf> {
        let dir = fs::canonicalize(data_dir).map_err(at(data_dir))?;
        let name = dir.file_name().ok_or_else(|| {
            let text = format!("{}: there is nothing beside it", dir.display());
            io::Error::new(ErrorKind::InvalidInput, text)
        })?;
        let mut name = OsString::from(name);
        name.push(SUFFIX);
        Ok(dir.with_file_name(name))
    }

    /// Reads it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`Memory::path`], [`ErrorKind::InvalidData`] when the file is something else, and
    /// those of the system.
    pub fn load(data_dir: &Path) -> io::Result<Option<Self>> {
        let path = Self::path(data_dir)?;
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|error| at(&path)(io::Error::new(ErrorKind::InvalidData, error))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Writes it: the old one or the new one is there at any moment, never half of it.
    ///
    /// # Errors
    ///
    /// As [`Memory::path`], and those of the system.
    pub fn save(&self, data_dir: &Path) -> io::Result<()> {
        let path = Self::path(data_dir)?;
        let half = path.with_extension("json.tmp");
        let json = serde_json::to_vec(self)?;
        fs::write(&half, json).map_err(at(&half))?;
        fs::rename(&half, &path).map_err(at(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_beside_the_directory() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("rkt.d");
        assert!(Memory::path(&dir).is_err());
        fs::create_dir(&dir).unwrap();
        let expected = fs::canonicalize(tmp.path()).unwrap();
        let expected = expected.join("rkt.d.rkt-sim.json");
        for dir in [
            dir.clone(),
            dir.join(""),
            dir.join("."),
            dir.join("../rkt.d"),
        ] {
            assert_eq!(Memory::path(&dir).unwrap(), expected, "{}", dir.display());
        }
        assert!(Memory::path(Path::new("/")).is_err());
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("rkt");
        fs::create_dir(&dir).unwrap();
        assert_eq!(Memory::load(&dir).unwrap(), None);
        let memory = Memory {
            held: [Uuid::from_u128(7)].into(),
        };
        memory.save(&dir).unwrap();
        assert_eq!(Memory::load(&dir).unwrap(), Some(memory));
        fs::write(Memory::path(&dir).unwrap(), "[]").unwrap();
        assert!(Memory::load(&dir).is_err());
    }
}
