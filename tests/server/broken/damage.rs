//! What becomes of a file or directory that is damaged, and of the damage when it is over.

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// What becomes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Missing,
    Directory,
    Fifo,
    /// A link to a sound file outside of the data directory.
    LinkOut,
    RelativeLinkOut,
    /// A link to the file itself, which has another name now.
    LinkWithin,
    Empty,
    /// The first half is left.
    Truncated,
    NotUtf8,
    /// JSON nested 100,000 deep.
    Nested,
    /// 1 GiB of zeros that take no space.
    Sparse,
}

use Damage::{
    Directory, Empty, Fifo, LinkOut, LinkWithin, Missing, Nested, NotUtf8, RelativeLinkOut, Sparse,
    Truncated,
};

impl Damage {
    pub const ALL: [Self; 11] = [
        Missing,
        Directory,
        Fifo,
        LinkOut,
        RelativeLinkOut,
        LinkWithin,
        Empty,
        Truncated,
        NotUtf8,
        Nested,
        Sparse,
    ];

    pub fn is_link(self) -> bool {
        matches!(self, LinkOut | RelativeLinkOut | LinkWithin)
    }

    /// Whether something is left, but no regular file.
    pub fn is_odd(self) -> bool {
        self.is_link() || matches!(self, Directory | Fifo)
    }

    pub fn is_regular(self) -> bool {
        !self.is_odd() && self != Missing
    }

    /// Damages `dir/file`; links out lead to `other_dir/file`. A regular file keeps its time.
    pub fn inflict(self, dir: &Path, file: &str, other_dir: &Path) -> Damaged {
        let path = &dir.join(file);
        let existed = path.exists();
        if !existed {
            fs::write(path, "").unwrap();
        }
        let modified = path.metadata().unwrap().modified().unwrap();
        let half = match fs::read(path) {
            Ok(content) => content[..content.len() / 2].to_owned(),
            Err(_) => vec![],
        };
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).unwrap();
        let depth = dir.components().count() + Path::new(file).components().count() - 1;
        let to_root = "../".repeat(depth - 1);
        match self {
            Missing => {}
            Directory => fs::create_dir(path).unwrap(),
            Fifo => mknodat(CWD, path, FileType::Fifo, Mode::from(0o644), 0).unwrap(),
            LinkOut => symlink(other_dir.join(file), path).unwrap(),
            RelativeLinkOut => {
                let other = other_dir.join(file);
                let other = other.strip_prefix("/").unwrap();
                symlink(Path::new(&to_root).join(other), path).unwrap();
            }
            LinkWithin => symlink(aside.file_name().unwrap(), path).unwrap(),
            Empty => fs::write(path, "").unwrap(),
            Truncated => fs::write(path, half).unwrap(),
            NotUtf8 => fs::write(path, b"\xff\xfe\n").unwrap(),
            Nested => fs::write(path, "[".repeat(100_000)).unwrap(),
            Sparse => File::create(path).unwrap().set_len(1 << 30).unwrap(),
        }
        if self.is_link() {
            assert!(path.exists(), "{self:?} {file} dangles");
        }
        if self.is_regular() {
            set_modified(path, modified);
        }
        Damaged {
            path: path.clone(),
            aside,
            existed,
        }
    }
}

/// Something that is damaged. Made good when dropped.
#[must_use = "the damage is made good when this is dropped"]
pub struct Damaged {
    path: PathBuf,
    aside: PathBuf,
    existed: bool,
}

impl Drop for Damaged {
    fn drop(&mut self) {
        let remove = |path: &Path| match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => fs::remove_dir(path).unwrap(),
            Ok(_) => fs::remove_file(path).unwrap(),
            Err(_) => {}
        };
        remove(&self.path);
        match self.existed {
            true => fs::rename(&self.aside, &self.path).unwrap(),
            false => remove(&self.aside),
        }
    }
}

/// Makes it so that the file was last written then.
pub fn set_modified(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}
