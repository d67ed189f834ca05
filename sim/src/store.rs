//! What lies in the image store, for the images in it: the images themselves, what rkt keeps
//! beside them, and the rows of the index.
//!
//! Writing the files is `tree`'s business, making a database of rows that of
//! [`rkt_api::formats::ql`]. The tree store, where rkt keeps images rendered, stays empty.

use std::io;

use rkt_api::{
    formats::ql::{
        Time, Zone,
        rkt::{self, Schema},
    },
    layout::store,
};

use crate::{
    aci, manifest,
    spec::{Image, Remote},
    tree::{Tree, time_s},
};

/// The mode of the store's directories.
const DIR: u32 = 0o770;
/// The mode of the files that rkt writes into the store.
pub(crate) const FILE: u32 = 0o660;
/// The mode of images: that of the temporary files that they are renamed from.
const BLOB: u32 = 0o600;

/// The path of the index below the data directory.
pub(crate) fn index_path() -> String {
    format!("{}/{}", store::DB_DIR, store::DB)
}

/// A store with these images in it, relative to the data directory. Without images, nothing.
///
/// # Errors
///
/// When an image cannot be made, or the system has no such time as that of its import.
pub(crate) fn tree(images: &[Image]) -> io::Result<Tree> {
    let mut tree = Tree::default();
    let mut rows = Vec::new();
    let mut remotes = Vec::new();
    for image in images {
        let blob = aci::tar(image)?;
        rows.push(row(image, &blob)?);
        let key = aci::blob_key(&blob);
        remotes.extend(image.remotes.iter().map(|from| remote(from, &key)));
        add(&mut tree, image, blob)?;
    }
    if let Some(changed_at_s) = images.iter().map(|image| image.imported_at_s).max() {
        let changed = time_s(changed_at_s)?;
        let log = format!("{}/{}", store::DB_DIR, store::DB_LOG);
        // The row written last comes first.
        rows.reverse();
        remotes.reverse();
        let index = rkt::write(Schema::LATEST, &rows, &remotes).map_err(io::Error::other)?;
        tree.shared_dir(store::DB_DIR, DIR, changed);
        tree.replacing_file(index_path(), FILE, changed, index);
        // Empty, as every transaction that ends well leaves it.
        tree.replacing_file(log, FILE, changed, "");
    }
    Ok(tree)
}

/// Adds the files of one image.
fn add(tree: &mut Tree, image: &Image, blob: Vec<u8>) -> io::Result<()> {
    let imported = time_s(image.imported_at_s)?;
    let key = aci::blob_key(&blob);
    let mut file = |path: String, mode, content| {
        // The directories above it, which other images share.
        for (end, _) in path.match_indices('/') {
            tree.shared_dir(&path[..end], DIR, imported);
        }
        tree.file(path, mode, imported, content);
    };
    let in_cas = |path: Option<String>| {
        let path = path.ok_or_else(|| io::Error::other(format!("{key} is no blob key")))?;
        Ok::<_, io::Error>(format!("{}/{path}", store::CAS))
    };
    file(format!("{}/{key}", store::IMAGE_LOCKS), FILE, vec![]);
    file(in_cas(store::blob(&key))?, BLOB, blob);
    let manifest = manifest::image(image)?;
    file(in_cas(store::image_manifest(&key))?, FILE, manifest);
    Ok(())
}

/// An image's row in the index.
fn row(image: &Image, blob: &[u8]) -> io::Result<rkt::Image> {
    let imported = time(image.imported_at_s);
    Ok(rkt::Image {
        blob_key: aci::blob_key(blob),
        name: image.name.clone(),
        import_time: imported,
        // Nobody has used it yet, and that is how rkt notes it.
        last_used: imported,
        latest: image.latest,
        size_bytes: match image.size_bytes {
            Some(size_bytes) => size_bytes,
            None => i64::try_from(blob.len()).map_err(io::Error::other)?,
        },
        tree_store_size_bytes: image.tree_store_size_bytes,
    })
}

/// The row in the index of a place that an image was fetched from.
fn remote(remote: &Remote, blob_key: &str) -> rkt::Remote {
    rkt::Remote {
        aci_url: remote.aci_url.clone(),
        signature_url: remote.sig_url.clone(),
        etag: remote.etag.clone(),
        blob_key: blob_key.to_owned(),
        cache_max_age_s: remote.cache_max_age_s,
        download_time: time(remote.downloaded_at_s),
    }
}

/// A time as the index has it.
fn time(unix_s: i64) -> Time {
    // rkt stores the times of the local clock; the hosts that were seen are on UTC.
    Time {
        unix_s,
        nanos: 0,
        zone: Zone::Offset { east_s: 0 },
    }
}
