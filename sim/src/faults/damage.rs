//! What can be done to a file or directory, whichever it is.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use rand::{Rng as _, RngExt as _};

use super::{
    Rng,
    beneath::Root,
    change::{Action, Change, Plan, Unfit, way_up},
    look::{self, PodDir},
    target::{Form, Target},
};

/// Where links out of the data directory lead. It need not exist.
const ELSEWHERE: &str = "/nonexistent/rkt-sim";

/// What is put behind the name of what a link stands for.
const ASIDE: &str = ".aside";

/// How deep the nested JSON is.
const DEPTH: usize = 100_000;

/// The length of the sparse file.
const SPARSE_BYTES: u64 = 1 << 30;

/// The length of the file of random bytes.
const JUNK_BYTES: usize = 4096;

/// Something that can be done to a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Damage {
    Missing,
    Empty,
    Truncated,
    Directory,
    File,
    Fifo,
    LinkOut,
    LinkOutRelative,
    LinkToPod,
    LinkWithin,
    LinkLoop,
    Sparse,
    NotUtf8,
    Nested,
    Junk,
    Unreadable,
}

impl Damage {
    /// All of them, in the order in which faults are listed.
    pub(super) const ALL: [Self; 16] = [
        Self::Missing,
        Self::Empty,
        Self::Truncated,
        Self::Directory,
        Self::File,
        Self::Fifo,
        Self::LinkOut,
        Self::LinkOutRelative,
        Self::LinkToPod,
        Self::LinkWithin,
        Self::LinkLoop,
        Self::Sparse,
        Self::NotUtf8,
        Self::Nested,
        Self::Junk,
        Self::Unreadable,
    ];

    /// Its stable name, the second half of the names of faults, and what it says of its
    /// subject in a sentence.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Missing => ("missing", "is missing"),
            Self::Empty => ("empty", "is empty"),
            Self::Truncated => ("truncated", "is cut off in the middle"),
            Self::Directory => ("directory", "is a directory"),
            Self::File => ("file", "is an empty file"),
            Self::Fifo => ("fifo", "is a FIFO, which blocks whoever opens it"),
            Self::LinkOut => (
                "link-out",
                "is an absolute link out of the data directory, to nothing",
            ),
            Self::LinkOutRelative => (
                "link-out-relative",
                "is a relative link out of the data directory, to nothing",
            ),
            Self::LinkToPod => ("link-to-pod", "is a link to that of another pod"),
            Self::LinkWithin => (
                "link-within",
                "is a link to what it was, which has another name beside it",
            ),
            Self::LinkLoop => ("link-loop", "is a link to itself"),
            Self::Sparse => ("sparse", "is 1 GiB of zeros that take no space"),
            Self::NotUtf8 => ("not-utf8", "has a byte in it that is not UTF-8"),
            Self::Nested => ("nested", "is JSON nested 100,000 deep"),
            Self::Junk => ("junk", "is 4 KiB of random bytes"),
            Self::Unreadable => ("unreadable", "has mode 0000, so that only root can read it"),
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.words().0
    }

    pub(super) fn predicate(self) -> &'static str {
        self.words().1
    }

    /// Whether it makes sense for the target, on some host.
    pub(super) fn suits(self, target: &Target) -> bool {
        match self {
            Self::Missing
            | Self::Fifo
            | Self::LinkOut
            | Self::LinkOutRelative
            | Self::LinkWithin
            | Self::LinkLoop
            | Self::Unreadable => true,
            Self::LinkToPod => target.is_in_pod(),
            Self::Truncated => matches!(target.form, Form::Text | Form::Binary),
            Self::Empty => target.form != Form::Marker,
            Self::File => target.form == Form::Dir,
            Self::Directory | Self::Sparse | Self::Junk => target.form != Form::Dir,
            Self::NotUtf8 | Self::Nested => matches!(target.form, Form::Text | Form::Marker),
        }
    }

    /// Plans damage to the target, which lies at `path`. `pod` is the pod that it lies in, if
    /// in one.
    pub(super) fn plan(
        self,
        target: &Target,
        root: &Root,
        path: PathBuf,
        pod: Option<&PodDir<'_>>,
        rng: &mut Rng,
    ) -> Plan {
        let action = match self {
            Self::Missing => Action::Remove,
            Self::Empty => return empty(root, path),
            Self::Truncated => {
                let content = root.read(&path)?;
                if content.len() < 2 {
                    return Err(Unfit(format!("{} is too short", path.display())));
                }
                Action::File(content[..content.len() / 2].to_vec())
            }
            Self::Directory => Action::Dir,
            Self::File => Action::File(Vec::new()),
            Self::Fifo => Action::Fifo,
            Self::LinkOut => Action::Link(ELSEWHERE.into()),
            Self::LinkOutRelative => Action::Link(way_out(&path)),
            Self::LinkToPod => Action::Link(in_another_pod(target, &path, pod, rng)?),
            Self::LinkWithin => {
                let aside = aside(&path);
                if root.kind(&path.with_file_name(&aside))?.is_some() {
                    return Err(Unfit(format!(
                        "{} has been set aside before",
                        path.display()
                    )));
                }
                return Ok(vec![
                    Change::new(path.clone(), Action::Rename(aside.clone())),
                    Change::new(path, Action::Link(aside.into())),
                ]);
            }
            Self::LinkLoop => Action::Link(path.file_name().unwrap_or_default().into()),
            Self::Sparse => Action::Sparse(SPARSE_BYTES),
            Self::NotUtf8 => {
                let mut content = root.read(&path)?;
                let place = rng.random_range(0..=content.len());
                content.insert(place, 0xFF);
                Action::File(content)
            }
            Self::Nested => Action::File(b"[".repeat(DEPTH)),
            Self::Junk => {
                let mut junk = vec![0; JUNK_BYTES];
                rng.fill_bytes(&mut junk);
                Action::File(junk)
            }
            Self::Unreadable => Action::Unreadable,
        };
        Ok(vec![Change::new(path, action)])
    }
}

/// Leaves nothing in a file or directory that has something in it.
fn empty(root: &Root, path: PathBuf) -> Plan {
    let unfit = || Unfit(format!("{} is empty already", path.display()));
    if let Ok(children) = root.list(&path) {
        let children = children.into_iter().map(|name| path.join(name));
        let changes: Vec<_> = children.map(|c| Change::new(c, Action::Remove)).collect();
        return if changes.is_empty() {
            Err(unfit())
        } else {
            Ok(changes)
        };
    }
    if root.read(&path)?.is_empty() {
        return Err(unfit());
    }
    Ok(vec![Change::file(path, "")])
}

/// A relative target that leads out of the data directory, wherever that lies: more steps up
/// than any path has end at the root.
fn way_out(path: &Path) -> PathBuf {
    const MORE_THAN_ANY: usize = 32;
    let up: PathBuf = std::iter::repeat_n("..", MORE_THAN_ANY).collect();
    way_up(path)
        .join(up)
        .join(ELSEWHERE.trim_start_matches('/'))
}

/// A relative target: what the same is in the first other pod that has it.
fn in_another_pod(
    target: &Target,
    path: &Path,
    pod: Option<&PodDir<'_>>,
    rng: &mut Rng,
) -> Result<PathBuf, Unfit> {
    let none = || Unfit(format!("no other pod has {}", target.noun));
    let pod = pod.ok_or_else(none)?;
    let pods = look::pods(pod.root());
    let others = pods.iter().filter(|other| other.id != pod.id);
    let there = others
        .flat_map(|other| target.find_in_pod(other, rng))
        .next();
    Ok(way_up(path).join(there.ok_or_else(none)?))
}

fn aside(path: &Path) -> OsString {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ASIDE);
    name
}
