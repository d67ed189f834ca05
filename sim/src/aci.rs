//! App Container Images: the tar that an image is, and the ids that follow from it.
//!
//! The images are real but tiny. Nothing in them depends on the time or the machine, so an
//! image's description decides its id.

use std::io;

use rkt_api::layout::store;
use sha2::{Digest, Sha512};

use crate::{
    manifest,
    spec::{Image, SET_UP_AT_S},
};

/// The mode of directories in an image.
pub(crate) const DIR_MODE: u32 = 0o755;

/// The mode of files in an image.
pub(crate) const FILE_MODE: u32 = 0o644;

/// A file or directory of an image.
pub(crate) struct Entry {
    /// Its path in the image, without leading slash.
    pub(crate) path: &'static str,
    /// The content of a file; `None` for a directory.
    pub(crate) content: Option<Vec<u8>>,
}

/// What is in the image, parents before children.
pub(crate) fn entries(image: &Image) -> io::Result<Vec<Entry>> {
    let entry = |path, content| Entry { path, content };
    Ok(vec![
        entry("manifest", Some(manifest::image(image)?)),
        entry("rootfs", None),
        entry("rootfs/etc", None),
        entry("rootfs/etc/os-release", Some(b"ID=linux\n".to_vec())),
    ])
}

/// The image as an uncompressed tar, which is how the store keeps it.
pub(crate) fn tar(image: &Image) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for Entry { path, content } in entries(image)? {
        let mut header = tar::Header::new_ustar();
        header.set_mtime(SET_UP_AT_S.unsigned_abs());
        match content {
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(DIR_MODE);
                header.set_size(0);
                tar.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            Some(content) => {
                header.set_mode(FILE_MODE);
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, path, content.as_slice())?;
            }
        }
    }
    tar.into_inner()
}

/// The key of a blob: `sha512-` and the first half of the digits of its SHA-512.
pub(crate) fn blob_key(blob: &[u8]) -> String {
    format!("{}{}", store::KEY_PREFIX, half_sha512(blob))
}

/// The id of an image's rendered tree: the same over the keys of the image and of all that it
/// depends on, joined by commas.
pub(crate) fn tree_store_id(image_keys: &str) -> String {
    format!("deps-{}", blob_key(image_keys.as_bytes()))
}

/// Adds the keys of the image and of all that it depends on, in the order in which rkt lists
/// them: of several dependencies the last comes first, each followed by its own.
fn add_keys(image: &Image, keys: &mut Vec<String>) -> io::Result<()> {
    keys.push(image.blob_key()?);
    let mut dependencies = image.dependencies.iter().rev();
    dependencies.try_for_each(|dependency| add_keys(&dependency.image, keys))
}

impl Image {
    /// The image's id: the key of its blob, `sha512-` and 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When the image cannot be put into a tar.
    pub fn blob_key(&self) -> io::Result<String> {
        Ok(blob_key(&tar(self)?))
    }

    /// The id of the image's rendered tree in the tree store: `deps-sha512-` and 64
    /// hexadecimal digits.
    ///
    /// # Errors
    ///
    /// As [`Image::blob_key`].
    pub fn tree_store_id(&self) -> io::Result<String> {
        let mut keys = Vec::new();
        add_keys(self, &mut keys)?;
        Ok(tree_store_id(&keys.join(",")))
    }
}

fn half_sha512(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let digest = Sha512::digest(bytes);
    let half = &digest[..digest.len() / 2];
    half.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
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
            ),
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
        assert_eq!(a.tree_store_id().unwrap(), tree_store_id(&keys.join(",")));
    }

    #[test]
    fn an_image_is_a_tar_with_manifest_and_rootfs() {
        let image = Image::new("example.com/web", "1");
        let blob = tar(&image).unwrap();
        let mut tar = tar::Archive::new(blob.as_slice());
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
                "rootfs/etc/os-release"
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
