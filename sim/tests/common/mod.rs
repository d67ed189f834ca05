//! Looking at what was written, without any of the code that reads hosts.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Everything at and below a directory, by path relative to it.
pub(crate) type List = BTreeMap<String, Entry>;

/// A file or directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its type and permissions.
    pub(crate) mode: u32,
    /// Its modification time.
    pub(crate) modified_ns: i64,
    /// The bytes of a file, or its length where it is too long to be read; `None` for a
    /// directory.
    pub(crate) content: Option<Vec<u8>>,
    /// Where a link leads to.
    pub(crate) target: Option<PathBuf>,
}

/// Longer files are holes, made so that servers choke on them.
const MAX_READ_BYTES: u64 = 64 << 20;

/// Lists a directory, itself included as `.`.
pub(crate) fn list(root: &Path) -> List {
    let mut list = List::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            let children = fs::read_dir(&path).unwrap();
            pending.extend(children.map(|child| child.unwrap().path()));
        }
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap();
        let name = if relative.is_empty() { "." } else { relative };
        let entry = Entry {
            mode: meta.mode(),
            modified_ns: modified_ns(&meta),
            content: meta.is_file().then(|| match meta.len() {
                0..=MAX_READ_BYTES => fs::read(&path).unwrap(),
                length => length.to_string().into_bytes(),
            }),
            target: meta.is_symlink().then(|| fs::read_link(&path).unwrap()),
        };
        list.insert(name.to_owned(), entry);
    }
    list
}

/// The list as `permissions path`.
pub(crate) fn names(list: &List) -> Vec<String> {
    let line = |(path, entry): (&String, &Entry)| format!("{:04o} {path}", entry.mode & 0o7777);
    list.iter().map(line).collect()
}

/// The modification and the access time.
pub(crate) fn times_ns(path: &Path) -> (i64, i64) {
    let meta = fs::symlink_metadata(path).unwrap();
    let accessed_ns = meta.atime() * 1_000_000_000 + meta.atime_nsec();
    (modified_ns(&meta), accessed_ns)
}

fn modified_ns(meta: &fs::Metadata) -> i64 {
    meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
}
