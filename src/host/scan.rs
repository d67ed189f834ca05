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
    pod::{self, Depth, PodFacts},
};
use crate::layout::{self, Phase};

/// The pods of a data directory, and what lies among them that is none.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Every pod once, in no order.
    pub(crate) pods: Vec<PodFacts>,
    /// Entries that were passed over (S-12).
    pub(crate) skipped: Vec<Skipped>,
}

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

/// Reads every pod of `data_dir`. Directories that are missing hold none.
pub(crate) fn pods(data_dir: &Path, depth: Depth) -> Result<Scan, ScanError> {
    let phases = PhaseDirs::open(data_dir)?;
    let mut scan = Scan::default();
    let mut seen = HashSet::new();
    for place in &phases.0 {
        let entries = place.entries()?;
        scan.skipped.extend(entries.skipped);
        for id in entries.ids {
            if !seen.contains(&id)
                && let Some(facts) = phases.read_from(place.phase, id, depth)?
            {
                seen.insert(id);
                scan.pods.push(facts);
            }
        }
    }
    Ok(scan)
}

/// Reads the pod `id` of `data_dir`, wherever it lies. `None` when there is none.
pub(crate) fn pod(data_dir: &Path, id: Uuid, depth: Depth) -> Result<Option<PodFacts>, ScanError> {
    PhaseDirs::open(data_dir)?.read_from(Phase::Embryo, id, depth)
}

/// The ids of the pods of `data_dir` and where each lies.
pub(crate) fn pod_ids(data_dir: &Path) -> Result<Vec<(Uuid, Phase)>, ScanError> {
    let mut seen = HashSet::new();
    let mut ids = Vec::new();
    for place in &PhaseDirs::open(data_dir)?.0 {
        let here = place.entries()?.ids.into_iter();
        ids.extend(
            here.filter(|id| seen.insert(*id))
                .map(|id| (id, place.phase)),
        );
    }
    Ok(ids)
}

/// The phase directories that are there, in order.
struct PhaseDirs(Vec<Place>);

struct Place {
    phase: Phase,
    path: PathBuf,
    dir: Dir,
}

struct Entries {
    ids: Vec<Uuid>,
    skipped: Vec<Skipped>,
}

impl PhaseDirs {
    fn open(data_dir: &Path) -> Result<Self, ScanError> {
        let pods = data_dir.join(layout::PODS);
        let mut places = Vec::with_capacity(Phase::ALL.len());
        for phase in Phase::ALL {
            let path = pods.join(phase.dir_name());
            match Dir::open(&path) {
                Ok(dir) => places.push(Place { phase, path, dir }),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(ScanError { path, errno }),
            }
        }
        Ok(Self(places))
    }

    /// Reads the pod `id` in `phase`, or where it has gone since. Pods only ever move on to
    /// later phases, so one pass in order does not miss it.
    fn read_from(
        &self,
        phase: Phase,
        id: Uuid,
        depth: Depth,
    ) -> Result<Option<PodFacts>, ScanError> {
        let name = id.hyphenated().to_string();
        for place in self.0.iter().filter(|place| place.phase >= phase) {
            let found = pod::read(&place.dir, place.phase, id, &name, depth);
            if let Some(facts) = found.map_err(|errno| place.error(errno))? {
                return Ok(Some(facts));
            }
        }
        Ok(None)
    }
}

impl Place {
    fn error(&self, errno: Errno) -> ScanError {
        ScanError {
            path: self.path.clone(),
            errno,
        }
    }

    fn entries(&self) -> Result<Entries, ScanError> {
        let mut entries = Entries {
            ids: Vec::new(),
            skipped: Vec::new(),
        };
        for entry in fs::Dir::read_from(self.dir.fd()).map_err(|errno| self.error(errno))? {
            let entry = entry.map_err(|errno| self.error(errno))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            match pod_id(name) {
                Some(id) if self.is_dir(&entry) => entries.ids.push(id),
                _ => entries.skipped.push(Skipped {
                    phase: self.phase,
                    name: String::from_utf8_lossy(name).into_owned(),
                }),
            }
        }
        Ok(entries)
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
fn pod_id(name: &[u8]) -> Option<Uuid> {
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
