//! What a data directory says: just enough of it for a table, read without trusting it.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Read as _},
    path::Path,
};

use rkt_api::{
    formats::{
        appc::{ImageManifest, PodManifest},
        ql::{Database, rkt},
    },
    layout::{self, Phase, store},
};
use rkt_sim::spec_file::State;
use uuid::Uuid;

use super::{Image, Summary};

/// The most that is read of a manifest.
const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// The most that is read of an index: many times what rkt ever needs.
const MAX_INDEX_BYTES: u64 = 1 << 30;

/// Reads the data directory.
pub(super) fn read(dir: &Path) -> io::Result<Summary> {
    Ok(Summary {
        pods: pods(&dir.join(layout::PODS))?,
        images: images(dir)?,
    })
}

fn pods(dir: &Path) -> io::Result<Vec<(State, usize)>> {
    let mut seen = BTreeSet::new();
    let mut pods = Vec::new();
    for phase in Phase::ALL {
        let phase_dir = dir.join(phase.dir_name());
        let entries = match fs::read_dir(&phase_dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|error| at(&phase_dir, error))?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| {
                let id = Uuid::try_parse(name).ok()?;
                (id.to_string() == name).then_some(id)
            });
            // What is no pod is passed over, as rkt does.
            let Some(id) = id.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())) else {
                continue;
            };
            if seen.insert(id) {
                let pod = entry.path();
                let state = State::of(phase, is_locked(&pod));
                pods.push((state, app_count(&pod)));
            }
        }
    }
    Ok(pods)
}

/// Whether some process holds the pod's lock. A pod that cannot be opened counts as free.
fn is_locked(pod: &Path) -> bool {
    // The lock is let go with the handle, at once.
    let probe = File::open(pod).map(|dir| dir.try_lock_shared());
    matches!(probe, Ok(Err(TryLockError::WouldBlock)))
}

fn app_count(pod: &Path) -> usize {
    let manifest = read_file(&pod.join(layout::pod::MANIFEST), MAX_MANIFEST_BYTES);
    let manifest = manifest
        .ok()
        .and_then(|json| PodManifest::parse(&json).ok());
    manifest.map_or(0, |manifest| manifest.apps.len())
}

fn images(dir: &Path) -> io::Result<Vec<Image>> {
    let db_dir = dir.join(store::DB_DIR);
    // Transactions are under an exclusive lock: this waits for the one that may be going on.
    let lock = File::open(&db_dir).map_err(|error| at(&db_dir, error))?;
    lock.lock_shared().map_err(|error| at(&db_dir, error))?;
    let path = db_dir.join(store::DB);
    let index = read_file(&path, MAX_INDEX_BYTES).map_err(|error| at(&path, error))?;
    let log = read_file(&db_dir.join(store::DB_LOG), MAX_INDEX_BYTES).ok();
    drop(lock);
    // That is how rkt's set-up script leaves it.
    if index.is_empty() {
        return Ok(Vec::new());
    }
    let damaged = |error| at(&path, io::Error::other(error));
    let db = Database::open(index, log.as_deref()).map_err(damaged)?;
    let rows = rkt::images(&db).map_err(damaged)?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>().map_err(damaged)?;
    let image = |row: rkt::Image| {
        let path = store::image_manifest(&row.blob_key);
        let path = path.map(|path| dir.join(store::CAS).join(path));
        let json = path.and_then(|path| read_file(&path, MAX_MANIFEST_BYTES).ok());
        let manifest = json.and_then(|json| ImageManifest::parse(&json).ok());
        let version = manifest.and_then(|manifest| {
            let mut labels = manifest.labels.into_iter();
            labels.find(|label| label.name == "version")
        });
        Image {
            name: row.name,
            version: version.map(|label| label.value).unwrap_or_default(),
            size_bytes: Some(row.size_bytes),
            tree_store_size_bytes: row.tree_store_size_bytes,
        }
    };
    Ok(rows.into_iter().map(image).collect())
}

/// Reads a regular file; anything else, and what is too long, is an error.
fn read_file(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for somebody to write into it.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Puts the path before an error's text.
fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
