//! The image store: the index, and the manifests that lie beside it.

use std::path::Path;

use bytes::Bytes;
use rustix::io::Errno;

use super::{
    beneath::Dir,
    fault::{Cause, Fault},
    lock,
};
use crate::{
    formats::{
        appc::ImageManifest,
        ql::{self, rkt},
    },
    layout::store,
};

/// The largest index that is read. rkt's engine never gives space back, but even 200,000
/// images, since removed, leave no more.
const INDEX_LIMIT_BYTES: u64 = 512 << 20;
/// The largest image manifest that is read: what gRPC clients take by default in a whole
/// answer.
const MANIFEST_LIMIT_BYTES: u64 = 4 << 20;

/// What the store says of an image.
#[derive(Clone, Debug)]
pub(crate) struct ImageFacts {
    /// The blob key: `sha512-` and 64 hexadecimal digits.
    pub(crate) key: String,
    /// Seconds since the epoch.
    pub(crate) imported_at_s: i64,
    /// Of the image and of its rendered tree.
    pub(crate) size_bytes: i64,
    pub(crate) manifest: ImageManifest,
    /// The file, byte for byte.
    pub(crate) manifest_bytes: Bytes,
}

/// Why the index cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IndexError {
    /// Another process holds its lock; it may be let go at any moment.
    #[error("the image index is locked by another process")]
    Locked,
    /// A file or directory cannot be read.
    #[error("failed to read {file} of the image index: {cause}")]
    File { file: &'static str, cause: Cause },
    /// The index had images, and now its file is gone or has no bytes. rkt never does that to
    /// it: somebody is just writing it anew, or it is damaged.
    #[error("the image index was emptied")]
    Emptied,
    /// The index is damaged.
    #[error("the image index is damaged: {0}")]
    Damaged(ql::Error),
}

/// Reads the image index of `data_dir`, the row written last first. A store that is not
/// there has no images, and neither has one with an empty index, unless it `had_images`.
pub(crate) fn image_index(
    data_dir: &Path,
    had_images: bool,
) -> Result<Vec<rkt::Image>, IndexError> {
    let unreadable = |file, cause| IndexError::File { file, cause };
    let dir = match Dir::open(data_dir.join(store::DB_DIR)) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(unreadable(store::DB_DIR, Cause::Unreadable(errno))),
    };
    // rkt's transactions hold it exclusively. Held until `dir` is closed: no longer than it
    // takes to copy the files.
    match lock::try_shared(&dir) {
        Ok(true) => {}
        Ok(false) => return Err(IndexError::Locked),
        Err(errno) => return Err(unreadable(store::DB_DIR, Cause::Unreadable(errno))),
    }
    let read = |file| match dir.read(file, INDEX_LIMIT_BYTES) {
        Ok(bytes) => Ok(bytes),
        Err(Cause::Missing) => Ok(Vec::new()),
        Err(cause) => Err(unreadable(file, cause)),
    };
    let file = read(store::DB)?;
    if file.is_empty() && had_images {
        return Err(IndexError::Emptied);
    }
    let log = read(store::DB_LOG)?;
    drop(dir);

    parse(file, &log).map_err(IndexError::Damaged)
}

fn parse(file: Vec<u8>, log: &[u8]) -> Result<Vec<rkt::Image>, ql::Error> {
    rkt::images(&ql::Database::open(file, Some(log))?)?.collect()
}

/// Adds to a row of the index what the image's manifest says.
pub(crate) fn image(data_dir: &Path, row: &rkt::Image) -> Result<ImageFacts, Fault> {
    let Some(file) = store::image_manifest(&row.blob_key) else {
        return Err(Cause::malformed("no blob key").of(&row.blob_key));
    };
    let read = || {
        let cas = Dir::open(data_dir.join(store::CAS)).map_err(Cause::Unreadable)?;
        let bytes = cas.read(&file, MANIFEST_LIMIT_BYTES)?;
        let manifest = ImageManifest::parse(&bytes).map_err(Cause::malformed)?;
        Ok((bytes, manifest))
    };
    let (bytes, manifest) = read().map_err(|cause: Cause| cause.of(&file))?;
    Ok(ImageFacts {
        key: row.blob_key.clone(),
        imported_at_s: row.import_time.unix_s,
        size_bytes: row.size_bytes.saturating_add(row.tree_store_size_bytes),
        manifest,
        manifest_bytes: bytes.into(),
    })
}
