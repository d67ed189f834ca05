//! App Container Images: the tar that an image is, and the ids that follow from it.
//!
//! The images are real but tiny, unless they are asked to have content: zeros. Nothing in them
//! depends on the time or the machine, so an image's description decides its id.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
};

use rkt_api::layout::store;
use sha2::{Digest as _, Sha512};

use crate::{
    content::Content,
    manifest,
    spec::{Image, SET_UP_AT_S},
};

/// The mode of directories in an image.
pub(crate) const DIR_MODE: u32 = 0o755;

/// The mode of files in an image.
pub(crate) const FILE_MODE: u32 = 0o644;

/// What a tar is made of, in bytes.
const BLOCK_BYTES: u64 = 512;

/// The path of an image's manifest in it.
pub(crate) const MANIFEST: &str = "manifest";

/// A file or directory of an image.
pub(crate) struct Entry {
    /// Its path in the image, without leading slash.
    pub(crate) path: &'static str,
    /// The content of a file; `None` for a directory.
    pub(crate) content: Option<Content>,
}

/// What follows from an image.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The image manifest.
    pub(crate) manifest: Vec<u8>,
    /// The image's id: the key of its blob.
    pub(crate) blob_key: String,
    /// The size of the blob, in bytes.
    pub(crate) blob_bytes: u64,
    /// The id of its rendered tree.
    pub(crate) tree_store_id: String,
    /// The keys of the image and of all that it depends on, in rkt's order.
    keys: Vec<String>,
}

/// What follows from images, found out once for each.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<Image, Arc<Facts>>);

impl Known {
    /// What follows from the image.
    ///
    /// # Errors
    ///
    /// When it cannot be put into a tar.
    pub(crate) fn facts(&mut self, image: &Image) -> io::Result<Arc<Facts>> {
        if let Some(facts) = self.0.get(image) {
            return Ok(Arc::clone(facts));
        }
        let manifest = manifest::image(image, self)?;
        let blob = tar(image, &manifest)?;
        let blob_key = hash_key(&blob)?;
        let mut keys = vec![blob_key.clone()];
        // Of several dependencies the last comes first, each followed by its own.
        for dependency in image.dependencies.iter().rev() {
            keys.extend_from_slice(&self.facts(&dependency.image)?.keys);
        }
        let facts = Arc::new(Facts {
            manifest,
            blob_key,
            blob_bytes: blob.size_bytes(),
            tree_store_id: tree_store_id(&keys.join(","))?,
            keys,
        });
        self.0.insert(image.clone(), Arc::clone(&facts));
        Ok(facts)
    }
}

/// What is in the image, parents before children.
pub(crate) fn entries(image: &Image, manifest: &[u8]) -> Vec<Entry> {
    let entry = |path, content| Entry { path, content };
    let mut entries = vec![
        entry(MANIFEST, Some(manifest.to_vec().into())),
        entry("rootfs", None),
        entry("rootfs/etc", None),
        entry("rootfs/etc/os-release", Some("ID=linux\n".into())),
    ];
    if image.content_bytes > 0 {
        let content = Content::zeros(image.content_bytes);
        entries.push(entry("rootfs/content", Some(content)));
    }
    entries
}

/// The image as an uncompressed tar, which is how the store keeps it.
pub(crate) fn tar(image: &Image, manifest: &[u8]) -> io::Result<Content> {
    let mut tar = Content::default();
    for Entry { path, content } in entries(image, manifest) {
        let mut header = tar::Header::new_ustar();
        header.set_mtime(SET_UP_AT_S.unsigned_abs());
        match &content {
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(DIR_MODE);
                header.set_size(0);
                header.set_path(format!("{path}/"))?;
            }
            Some(content) => {
                header.set_mode(FILE_MODE);
                header.set_size(content.size_bytes());
                header.set_path(path)?;
            }
        }
        header.set_cksum();
        tar.push(header.as_bytes().to_vec());
        if let Some(content) = content {
            let padded = content.size_bytes().next_multiple_of(BLOCK_BYTES);
            let padding = padded - content.size_bytes();
            tar.push(content);
            tar.push(Content::zeros(padding));
        }
    }
    // Two empty blocks are the end.
    tar.push(Content::zeros(2 * BLOCK_BYTES));
    Ok(tar)
}

/// `sha512-` and the first half of the digits of a content's SHA-512: of a blob, its key.
pub(crate) fn hash_key(content: &Content) -> io::Result<String> {
    struct Hashed(Sha512);

    impl Write for Hashed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut hashed = Hashed(Sha512::new());
    content.write_to(&mut hashed)?;
    let digest = hashed.0.finalize();
    let half = digest[..digest.len() / 2].iter();
    let digits: String = half.map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}{digits}", store::KEY_PREFIX))
}

/// The id of an image's rendered tree: the same over the keys of the image and of all that it
/// depends on, joined by commas.
fn tree_store_id(image_keys: &str) -> io::Result<String> {
    Ok(format!("deps-{}", hash_key(&image_keys.into())?))
}

impl Image {
    /// The image's id: the key of its blob, `sha512-` and 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When the image cannot be put into a tar.
    pub fn blob_key(&self) -> io::Result<String> {
        Ok(Known::default().facts(self)?.blob_key.clone())
    }

    /// The size of the image that the index has: that of its blob, unless the description
    /// says another.
    ///
    /// # Errors
    ///
    /// As [`Image::blob_key`].
    pub fn index_size_bytes(&self) -> io::Result<i64> {
        match self.size_bytes {
            Some(size_bytes) => Ok(size_bytes),
            None => {
                let facts = Known::default().facts(self)?;
                i64::try_from(facts.blob_bytes).map_err(io::Error::other)
            }
        }
    }

    /// The id of the image's rendered tree in the tree store: `deps-sha512-` and 64
    /// hexadecimal digits.
    ///
    /// # Errors
    ///
    /// As [`Image::blob_key`].
    pub fn tree_store_id(&self) -> io::Result<String> {
        Ok(Known::default().facts(self)?.tree_store_id.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::spec::Dependency;

    #[test]
    fn tree_store_ids_are_those_of_rkt() {
        // Image and tree of a store that rkt 1.30.0 wrote.
        assert_eq!(
            tree_store_id(
                "sha512-4fc4ba81ba37253faf868a99eba85e1a0d1aff7dc322c52062af042d0592d812"
            )
            .unwrap(),
            "deps-sha512-f29f2a9a72de48fac25c53d7fae0006c42611b1ebe7133005ae5d1511303f338"
        );
    }

    #[test]
    fn dependencies_count_from_the_last_to_the_first_each_with_its_own() {
        let on = |image: &Image| Dependency {
            image: image.clone(),
            by_id: false,
            size_bytes: None,
        };
        let [mut a, b, mut c, d] = ["a", "b", "c", "d"].map(|name| Image::new(name, "1"));
        c.dependencies = vec![on(&d)];
        a.dependencies = vec![on(&b), on(&c)];
        let keys = [&a, &c, &d, &b].map(|image| image.blob_key().unwrap());
        let expected = tree_store_id(&keys.join(",")).unwrap();
        assert_eq!(a.tree_store_id().unwrap(), expected);
    }

    #[test]
    fn an_image_is_a_tar_with_manifest_and_rootfs() {
        let image = Image {
            content_bytes: 100_000,
            ..Image::new("example.com/web", "1")
        };
        let facts = Known::default().facts(&image).unwrap();
        let blob = tar(&image, &facts.manifest).unwrap();
        let blob = blob.bytes().unwrap();
        assert_eq!(facts.blob_bytes, blob.len() as u64);
        let mut tar = tar::Archive::new(&*blob);
        let mut paths = Vec::new();
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            if path == "manifest" {
                let mut manifest = Vec::new();
                entry.read_to_end(&mut manifest).unwrap();
                let read = rkt_api::formats::appc::ImageManifest::parse(&manifest).unwrap();
                assert_eq!(read.name, image.name);
                assert_eq!(read.version(), "1");
            }
            paths.push(path);
        }
        assert_eq!(
            paths,
            [
                "manifest",
                "rootfs/",
                "rootfs/etc/",
                "rootfs/etc/os-release",
                "rootfs/content"
            ]
        );
    }

    #[test]
    fn ids_follow_from_descriptions() {
        let image = Image::new("example.com/web", "1");
        let key = image.blob_key().unwrap();
        assert_eq!(key, image.clone().blob_key().unwrap());
        assert_eq!(key.len(), "sha512-".len() + 64);
        assert_ne!(key, Image::new("example.com/web", "2").blob_key().unwrap());

        let imported_later = Image {
            imported_at_s: 7,
            ..image
        };
        assert_eq!(key, imported_later.blob_key().unwrap());
    }
}
