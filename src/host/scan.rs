//! Finding pods: the phase directories, searched in the order in which pods pass through
//! them, so that one that is renamed meanwhile is met at least once; and it counts once.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, FileType},
    io::Errno,
};
use uuid::Uuid;

use super::{
    beneath::Dir,
    pod::{self, Depth, Found, LockHandle, Visit},
    state::State,
};
use crate::layout::{self, Phase};

/// An entry of a phase directory that is no pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Skipped {
    pub(crate) phase: Phase,
    /// Its name, bytes that are no UTF-8 replaced.
    pub(crate) name: String,
}

/// A directory cannot be read, so the pods in it are not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed to read {}: {errno}", path.display())]
pub(crate) struct ScanError {
    path: PathBuf,
    errno: Errno,
}

/// The phase directories that are there, in order.
#[derive(Debug)]
pub(crate) struct PhaseDirs(Vec<Place>);

#[derive(Debug)]
struct Place {
    phase: Phase,
    path: PathBuf,
    /// Named, not opened: nobody who watches sees it.
    dir: Dir,
}

/// What lies in the phase directories.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// The pods and where each lies, in the order of phases; each once.
    pub(crate) pods: Vec<(Uuid, Phase)>,
    /// Entries that are passed over (S-12).
    pub(crate) skipped: Vec<Skipped>,
}

impl PhaseDirs {
    /// Those of `data_dir`. Directories that are missing hold no pods.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, ScanError> {
        let pods = data_dir.join(layout::PODS);
        let mut places = Vec::with_capacity(Phase::ALL.len());
        for phase in Phase::ALL {
            let path = pods.join(phase.dir_name());
            match Dir::name(&path) {
                Ok(dir) => places.push(Place { phase, path, dir }),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(ScanError { path, errno }),
            }
        }
        Ok(Self(places))
    }

    /// The directories, with their phases.
    pub(crate) fn dirs(&self) -> impl Iterator<Item = (Phase, &Dir)> {
        self.0.iter().map(|place| (place.phase, &place.dir))
    }

    /// What lies in them.
    pub(crate) fn entries(&self) -> Result<Entries, ScanError> {
        let mut seen = HashSet::new();
        let mut entries = Entries::default();
        for place in &self.0 {
            place.list(&mut seen, &mut entries)?;
        }
        Ok(entries)
    }

    /// Reads the pod `id`, wherever it lies. `None` when there is none. Pods only ever move on
    /// to later phases, so one pass in order does not miss it.
    pub(crate) fn read(
        &self,
        id: Uuid,
        depth: impl Fn(State) -> Depth,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Found>, ScanError> {
        let name = id.hyphenated().to_string();
        for place in &self.0 {
            let found = pod::read(&place.dir, place.phase, id, &name, &depth, visit);
            if let Some(found) = found.map_err(|errno| place.error(errno))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Names the directory of the pod `id` without opening it, wherever it lies. `None` when
    /// there is none.
    pub(crate) fn name_pod(&self, id: Uuid) -> Result<Option<Dir>, ScanError> {
        let name = id.hyphenated().to_string();
        for place in &self.0 {
            match place.dir.name_child(&name) {
                Ok(dir) => return Ok(Some(dir)),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(place.error(errno)),
            }
        }
        Ok(None)
    }

    /// A handle to probe the lock of the pod `id` in `phase` with. `None` when it does not lie
    /// there, or may not be opened.
    pub(crate) fn lock_handle(
        &self,
        id: Uuid,
        phase: Phase,
    ) -> Result<Option<LockHandle>, ScanError> {
        let name = id.hyphenated().to_string();
        let Some(place) = self.0.iter().find(|place| place.phase == phase) else {
            return Ok(None);
        };
        LockHandle::open(&place.dir, &name).map_err(|errno| place.error(errno))
    }
}

impl Place {
    fn error(&self, errno: Errno) -> ScanError {
        ScanError {
            path: self.path.clone(),
            errno,
        }
    }

    fn list(&self, seen: &mut HashSet<Uuid>, entries: &mut Entries) -> Result<(), ScanError> {
        let dir = self.dir.reopen().map_err(|errno| self.error(errno))?;
        for entry in fs::Dir::read_from(dir.fd()).map_err(|errno| self.error(errno))? {
            let entry = entry.map_err(|errno| self.error(errno))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            match pod_id(name) {
                Some(id) if self.is_dir(&entry) => {
                    if seen.insert(id) {
                        entries.pods.push((id, self.phase));
                    }
                }
                _ => entries.skipped.push(Skipped {
                    phase: self.phase,
                    name: String::from_utf8_lossy(name).into_owned(),
                }),
            }
        }
        Ok(())
    }

    fn is_dir(&self, entry: &fs::DirEntry) -> bool {
        match entry.file_type() {
            FileType::Directory => true,
            // Some file systems do not say.
            FileType::Unknown => {
                let flags = fs::AtFlags::SYMLINK_NOFOLLOW;
                fs::statat(self.dir.fd(), entry.file_name(), flags)
                    .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
            }
            _ => false,
        }
    }
}

/// The id of the pod whose directory has this name: a UUID in lower case with dashes.
pub(crate) fn pod_id(name: &[u8]) -> Option<Uuid> {
    let name = std::str::from_utf8(name).ok()?;
    let id = Uuid::try_parse(name).ok()?;
    let mut buffer = Uuid::encode_buffer();
    (id.hyphenated().encode_lower(&mut buffer) == name).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_named_by_lower_case_dashed_uuids() {
        for (name, is_id) in [
            ("00000003-1111-4222-8333-444455556666", true),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", true),
            ("ABCDEF01-1111-4222-8333-444455556666", false),
            ("abcdef02111142228333444455556666", false),
            ("{00000003-1111-4222-8333-444455556666}", false),
            ("00000003-1111-4222-8333-44445555666", false),
            ("not-a-uuid", false),
        ] {
            assert_eq!(pod_id(name.as_bytes()).is_some(), is_id, "{name}");
        }
        assert_eq!(pod_id(b"\xff"), None);
    }
}
