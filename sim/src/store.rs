//! What lies in the image store and in the tree store, for the images in them: the images
//! themselves, what rkt keeps beside them, the rows of the index, and the images rendered.
//!
//! Writing the files is `tree`'s business, making a database of rows that of
//! [`rkt_api::formats::ql`]. Which images are rendered is for others to say.

use std::{io, sync::Arc};

use rkt_api::{
    formats::ql::{
        Time, Zone,
        rkt::{self, Schema},
    },
    layout::store,
};

use serde::Serialize;

use crate::{
    aci::{self, Facts},
    content::Content,
    go_json,
    spec::{Image, Remote, SET_UP_AT_S},
    tree::{Tree, time_s},
};

/// The mode of the store's directories.
const DIR: u32 = 0o770;
/// The mode of the files that rkt writes into the store.
pub(crate) const FILE: u32 = 0o660;
/// The mode of images: that of the temporary files that they are renamed from.
const BLOB: u32 = 0o600;
/// The mode of the tree store's directories.
const TREE_DIR: u32 = 0o755;
/// The mode of the files that rkt writes beside a rendered image.
const TREE_FILE: u32 = 0o644;
/// The mode of the locks of rendered images.
pub(crate) const TREE_LOCK: u32 = 0o640;

/// What tells that an image was rendered to the end.
pub(crate) const RENDERED: &str = "rendered";

/// The path of the index below the data directory.
pub(crate) fn index_path() -> String {
    format!("{}/{}", store::DB_DIR, store::DB)
}

/// The files of an image in the store, relative to the data directory: blob, manifest, lock.
///
/// # Errors
///
/// When the image cannot be made, or the system has no such time as that of its import.
pub(crate) fn image(image: &Image, facts: &Facts) -> io::Result<Tree> {
    let imported = time_s(image.imported_at_s)?;
    let key = &facts.blob_key;
    let mut tree = Tree::default();
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
    file(
        format!("{}/{key}", store::IMAGE_LOCKS),
        FILE,
        Content::default(),
    );
    let blob = aci::tar(image, &facts.manifest)?;
    file(in_cas(store::blob(key))?, BLOB, blob);
    let manifest = facts.manifest.clone().into();
    file(in_cas(store::image_manifest(key))?, FILE, manifest);
    Ok(tree)
}

/// The index of a store with these images, relative to the data directory: the first one was
/// imported first. Without images, nothing.
///
/// # Errors
///
/// When the index cannot hold them, or the system has no such time as that of the last import.
pub(crate) fn index(images: &[(&Image, Arc<Facts>)]) -> io::Result<Tree> {
    let mut tree = Tree::default();
    let changed_at_s = images.iter().map(|(image, _)| image.imported_at_s).max();
    let Some(changed_at_s) = changed_at_s else {
        return Ok(tree);
    };
    let changed = time_s(changed_at_s)?;
    // The row written last comes first.
    let last_first = || images.iter().rev();
    let rows: Vec<_> = last_first()
        .map(|(image, facts)| row(image, facts))
        .collect::<io::Result<_>>()?;
    let remotes: Vec<_> = last_first()
        .flat_map(|(image, facts)| {
            let remotes = image.remotes.iter().rev();
            remotes.map(|from| remote(from, &facts.blob_key))
        })
        .collect();
    let index = rkt::write(Schema::LATEST, &rows, &remotes).map_err(io::Error::other)?;
    let log = format!("{}/{}", store::DB_DIR, store::DB_LOG);
    tree.shared_dir(store::DB_DIR, DIR, changed);
    tree.replacing_file(index_path(), FILE, changed, index);
    // Empty, as every transaction that ends well leaves it.
    tree.replacing_file(log, FILE, changed, "");
    Ok(tree)
}

/// An image rendered into the tree store right after its import, relative to the data
/// directory, in the order in which rkt writes it.
///
/// # Errors
///
/// When the system has no such time as that of the import.
pub(crate) fn rendered(image: &Image, facts: &Facts) -> io::Result<Tree> {
    let rendered = time_s(image.imported_at_s)?;
    // What comes out of the image has the times that it has there.
    let packed = time_s(SET_UP_AT_S)?;
    let id = &facts.tree_store_id;
    let mut tree = Tree::default();
    tree.shared_dir(store::TREE_LOCKS, TREE_DIR, rendered);
    tree.file(tree_lock(id), TREE_LOCK, rendered, "");
    tree.shared_dir(store::TREES, TREE_DIR, rendered);
    let dir = tree_dir(id);
    tree.dir(dir.clone(), TREE_DIR, rendered);
    for aci::Entry { path, content } in aci::entries(image, &facts.manifest) {
        let path = format!("{dir}/{path}");
        match content {
            None => tree.dir(path, aci::DIR_MODE, packed),
            Some(content) => tree.file(path, aci::FILE_MODE, packed, content),
        }
    }
    let mut file = |name, content: String| {
        tree.file(format!("{dir}/{name}"), TREE_FILE, rendered, content);
    };
    file("hash", tree_hash(image, facts)?);
    file(RENDERED, String::new());
    file("image", facts.blob_key.clone());
    Ok(tree)
}

/// The path of the lock of a rendered image.
pub(crate) fn tree_lock(id: &str) -> String {
    format!("{}/{id}", store::TREE_LOCKS)
}

/// The path of the directory of a rendered image.
pub(crate) fn tree_dir(id: &str) -> String {
    format!("{}/{id}", store::TREES)
}

/// The hash by which rkt checks a rendered image: over what its root file system holds, the
/// description of each file as Go writes it in JSON, and after it the content.
fn tree_hash(image: &Image, facts: &Facts) -> io::Result<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct FileInfo<'a> {
        name: &'a str,
        mode: u32,
        uid: u32,
        gid: u32,
        size: u64,
        typeflag: u8,
        linkname: &'a str,
        devmajor: u32,
        devminor: u32,
        xattrs: [(); 0],
    }

    /// What Go adds to the mode.
    const IS_DIR: u32 = 0o040_000;
    const IS_FILE: u32 = 0o100_000;

    let mut entries = aci::entries(image, &facts.manifest);
    entries.retain(|entry| entry.path != aci::MANIFEST);
    // Directories are walked in the order of names.
    entries.sort_by_key(|entry| entry.path);
    let mut hashed = Content::default();
    for aci::Entry { path, content } in entries {
        let (mode, typeflag) = match content {
            None => (IS_DIR | aci::DIR_MODE, b'5'),
            Some(_) => (IS_FILE | aci::FILE_MODE, b'0'),
        };
        hashed.push(go_json::to_vec(&FileInfo {
            name: path,
            mode,
            uid: 0,
            gid: 0,
            size: content.as_ref().map_or(0, Content::size_bytes),
            typeflag,
            linkname: "",
            devmajor: 0,
            devminor: 0,
            xattrs: [],
        })?);
        if let Some(content) = content {
            hashed.push(content);
        }
    }
    aci::hash_key(&hashed)
}

/// An image's row in the index.
fn row(image: &Image, facts: &Facts) -> io::Result<rkt::Image> {
    let imported = time(image.imported_at_s);
    Ok(rkt::Image {
        blob_key: facts.blob_key.clone(),
        name: image.name.clone(),
        import_time: imported,
        // Nobody has used it yet, and that is how rkt notes it.
        last_used: imported,
        latest: image.latest,
        size_bytes: match image.size_bytes {
            Some(size_bytes) => size_bytes,
            None => i64::try_from(facts.blob_bytes).map_err(io::Error::other)?,
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
