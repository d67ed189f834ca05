//! Faults of the image store, beside those of its index.

use std::path::{Path, PathBuf};

use rand::{Rng as _, RngExt as _};
use rkt_api::layout::store;

use super::{Special, of_host};
use crate::faults::{
    Rng,
    beneath::Root,
    change::{Action, Change, Plan, Unfit},
    look,
};

pub(super) static TABLE: &[Special] = &[
    of_host(
        "image-manifest/other-kind",
        "The manifest of an image in the store says that it is a pod manifest.",
        |root, rng| {
            let path = look::by_key(root, store::IMAGE_MANIFESTS, rng)?;
            let manifest = String::from_utf8(root.read(&path)?).unwrap_or_default();
            let edited = manifest.replace("\"ImageManifest\"", "\"PodManifest\"");
            if edited == manifest {
                return Err(Unfit(format!("{} is no image manifest", path.display())));
            }
            Ok(vec![Change::file(path, edited)])
        },
    ),
    of_host(
        "image-manifest/stray",
        "There is an image manifest in the store that the index does not know.",
        |root, rng| {
            let model = look::by_key(root, store::IMAGE_MANIFESTS, rng)?;
            let content = root.read(&model)?;
            // Beside the other one, so that its directory is there.
            let key = model.file_name().unwrap_or_default().to_string_lossy();
            let beginning = key.get(..store::KEY_PREFIX.len() + 2).unwrap_or_default();
            let stray = format!("{beginning}{:062x}", rng.random::<u128>());
            Ok(vec![Change::file(model.with_file_name(stray), content)])
        },
    ),
    of_host(
        "blob/changed",
        "A byte of a blob has changed, so its hash is no longer its key.",
        |root, rng| {
            let path = look::by_key(root, store::BLOBS, rng)?;
            let mut blob = root.read(&path)?;
            if blob.is_empty() {
                return Err(Unfit(format!("{} is empty", path.display())));
            }
            let at = rng.random_range(0..blob.len());
            blob[at] ^= 1 << rng.random_range(0..u8::BITS);
            Ok(vec![Change::file(path, blob)])
        },
    ),
    of_host(
        "import/begun",
        "A crash left a half-written import in cas/tmp.",
        |root, rng| {
            let mut blob = vec![0; IMPORT_BYTES];
            rng.fill_bytes(&mut blob);
            in_tmp(root, rng, Action::File(blob))
        },
    ),
    of_host(
        "import/directory",
        "There is a directory in cas/tmp.",
        |root, rng| in_tmp(root, rng, Action::Dir),
    ),
    of_host("import/fifo", "There is a FIFO in cas/tmp.", |root, rng| {
        in_tmp(root, rng, Action::Fifo)
    }),
];

/// How much there is of the half-written import.
const IMPORT_BYTES: usize = 10_000;

/// Adds an entry to the directory of imports, named as Go names temporary files.
fn in_tmp(root: &Root, rng: &mut Rng, action: Action) -> Plan {
    let name = format!("{:09}", rng.random_range(0..1_000_000_000));
    let path: PathBuf = Path::new(store::TMP).join(name);
    if root.list(Path::new(store::TMP)).is_err() {
        return Err(look::missing(Path::new(store::TMP)));
    }
    match root.kind(&path)? {
        None => Ok(vec![Change::new(path, action)]),
        Some(_) => Err(Unfit(format!("{} is there already", path.display()))),
    }
}
