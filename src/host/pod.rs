//! What a pod's directory says: its facts, whatever the API makes of them.

use std::{collections::HashSet, fmt::Display};

use bytes::Bytes;
use rustix::{fs::Stat, io::Errno};
use uuid::Uuid;

use super::{
    beneath::Dir,
    fault::{Cause, Fault, is_distress},
    lock, process,
    state::{Lock, State},
};
use crate::{
    formats::{
        appc::{BaseFormat, ImageManifest, PodManifest},
        netinfo::{self, NetInfo},
    },
    layout::{Phase, pod as names},
};

/// The largest manifest that is read: what gRPC clients take by default in a whole answer.
const MANIFEST_LIMIT_BYTES: u64 = 4 << 20;
/// How much is read of the manifests of a pod's images, all together.
const IMAGES_LIMIT_BYTES: u64 = 16 << 20;
/// The largest list of networks that is read.
const NET_INFO_LIMIT_BYTES: u64 = 1 << 20;
/// The largest file that is read for one number or name: a path is no longer.
const WORD_LIMIT_BYTES: u64 = 4 << 10;
/// How many faults of a pod are kept. A manifest can name hundreds of thousands of apps.
const FAULTS_LIMIT: usize = 100;

/// Told of a directory before its files are looked at: the directory of a pod, and the path
/// beneath it, empty for itself.
pub(crate) type Visit<'a> = dyn FnMut(&Dir, &str) + 'a;

/// The process that stage1 noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage1 {
    /// The container's first process.
    Pid(i32),
    /// The parent of the container's first process.
    Ppid(i32),
}

impl Stage1 {
    /// The cgroup that it is in now, where that can be known at once.
    pub(crate) fn cgroup(self) -> Option<String> {
        match self {
            Self::Pid(pid) => process::cgroup(pid),
            Self::Ppid(ppid) => process::cgroup(process::only_child(ppid)?),
        }
    }
}

/// How much of a pod to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// The pod's own files.
    Pod,
    /// Also the manifests of its apps' images.
    Images,
    /// Also the exit statuses of its apps.
    Statuses,
}

/// What a pod's directory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodFacts {
    pub(crate) id: Uuid,
    pub(crate) phase: Phase,
    pub(crate) state: State,
    /// Whether some process holds the lock; not looked at where the state does not hang on it.
    pub(crate) lock: Lock,
    /// `None` where there is no readable pod manifest.
    pub(crate) manifest: Option<ManifestFacts>,
    /// Nanoseconds since the epoch.
    pub(crate) created_at_ns: Option<i64>,
    /// Nanoseconds since the epoch; `None` if the pod never started.
    pub(crate) started_at_ns: Option<i64>,
    /// The directory's change time in nanoseconds since the epoch, in the phases of garbage.
    pub(crate) marked_at_ns: Option<i64>,
    /// The process id of stage1.
    pub(crate) pid: Option<i32>,
    /// Only of a running pod that notes its cgroup.
    pub(crate) cgroup: Option<String>,
    /// Only of a running pod that does not: the process to ask `/proc` about.
    pub(crate) cgroup_process: Option<Stage1>,
    /// Only of a pod in [`Phase::Run`].
    pub(crate) networks: Vec<NetInfo>,
    /// What could not be read, each file once, up to [`FAULTS_LIMIT`].
    pub(crate) faults: Vec<Fault>,
}

/// A pod manifest and what belongs to its apps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestFacts {
    /// The file, byte for byte.
    pub(crate) bytes: Bytes,
    pub(crate) manifest: PodManifest,
    /// One for each of the manifest's apps, in its order.
    pub(crate) apps: Vec<AppFacts>,
}

impl ManifestFacts {
    /// Whether apps can be added to the pod and started in it one by one.
    pub(crate) fn is_mutable(&self) -> bool {
        let mut annotations = self.manifest.annotations.iter();
        annotations.any(|pair| pair.name == names::MUTABLE_ANNOTATION && pair.value == "true")
    }
}

/// What a pod's directory says of an app, beside the pod manifest.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct AppFacts {
    /// The app's image, as its manifest has it, from [`Depth::Images`] on.
    pub(crate) image: Option<AppImage>,
    /// The app's exit status, at [`Depth::Statuses`].
    pub(crate) status: Option<AppStatus>,
    /// When the app was started last, in nanoseconds since the epoch; of mutable pods only, at
    /// [`Depth::Statuses`].
    pub(crate) started_at_ns: Option<i64>,
}

/// What the manifest of an app's image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppImage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) format: BaseFormat,
}

/// An app's status file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AppStatus {
    /// The exit code, where the file begins with one.
    pub(crate) exit_code: Option<i32>,
    /// When it was written, in nanoseconds since the epoch.
    pub(crate) written_at_ns: i64,
    /// Whether nothing is in it, be it yet or at all.
    pub(crate) is_empty: bool,
}

/// The directory of one pod. Nobody who watches it sees this: the directory is named, not
/// opened.
#[derive(Debug)]
pub(crate) struct PodDir {
    dir: Dir,
    stat: Stat,
}

/// A handle on a pod's directory by which its lock can be probed.
#[derive(Debug)]
pub(crate) struct LockHandle(Dir);

impl LockHandle {
    /// Opens the pod `name` in `phase_dir`. `None` when none lies there, or it may not be
    /// opened.
    pub(crate) fn open(phase_dir: &Dir, name: &str) -> Result<Option<Self>, Errno> {
        match phase_dir.name_child(name).and_then(|dir| Self::of(&dir)) {
            Ok(handle) => Ok(Some(handle)),
            Err(errno) if is_distress(errno) => Err(errno),
            Err(_) => Ok(None),
        }
    }

    fn of(dir: &Dir) -> Result<Self, Errno> {
        dir.reopen().map(Self)
    }

    /// Whether some process holds the pod's lock now.
    pub(crate) fn probe(&self) -> Result<Lock, Errno> {
        lock::probe(&self.0)
    }
}

impl PodDir {
    /// The pod `name` in `phase_dir`. `None` when none lies there.
    pub(crate) fn find(phase_dir: &Dir, name: &str) -> Result<Option<Self>, Errno> {
        let dir = match phase_dir.name_child(name) {
            Ok(dir) => dir,
            // Links are no pods.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let stat = dir.stat()?;
        Ok(Some(Self { dir, stat }))
    }

    /// Whether the pod still lies there.
    fn is_in(&self, phase_dir: &Dir, name: &str) -> bool {
        let now = phase_dir.stat_child(name);
        now.is_ok_and(|now| same_file(&now, &self.stat))
    }
}

/// What came of looking at a pod's directory.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) facts: PodFacts,
    /// How much was read.
    pub(crate) depth: Depth,
    /// The handle by which the lock was probed, where it was.
    pub(crate) handle: Option<LockHandle>,
    /// The inode of the pod's directory.
    pub(crate) inode: u64,
    /// Whether some file has more than one name: then it can change without anything's
    /// happening in the pod's directories.
    pub(crate) has_shared_files: bool,
}

/// Reads the pod `name` in `phase_dir`. `None` when no pod of that name lies there, or none
/// any more: then it lies in a later phase, or is gone.
///
/// `depth` says how much of it, for its state.
///
/// `visit` is told of every directory that facts are taken from, or would be if it were there,
/// before the first of its files is looked at: the pod's own, and the path beneath it.
pub(crate) fn read(
    phase_dir: &Dir,
    phase: Phase,
    id: Uuid,
    name: &str,
    depth: impl Fn(State) -> Depth,
    visit: &mut Visit<'_>,
) -> Result<Option<Found>, Errno> {
    let Some(pod) = PodDir::find(phase_dir, name)? else {
        return Ok(None);
    };
    visit(&pod.dir, "");
    let mut facts = PodFacts {
        id,
        phase,
        state: State::of(phase, Lock::Unknown),
        lock: Lock::Unknown,
        manifest: None,
        created_at_ns: None,
        started_at_ns: None,
        marked_at_ns: marked_at_ns(phase, &pod.stat),
        pid: None,
        cgroup: None,
        cgroup_process: None,
        networks: Vec::new(),
        faults: Vec::new(),
    };
    let mut handle = None;
    let opened = match State::hangs_on_lock(phase) {
        true => LockHandle::of(&pod.dir).and_then(|opened| {
            facts.lock = opened.probe()?;
            facts.state = State::of(phase, facts.lock);
            handle = Some(opened);
            Ok(())
        }),
        false => pod.dir.may_be_opened(),
    };
    match opened {
        Ok(()) => {}
        Err(errno) if is_distress(errno) => return Err(errno),
        // It is a pod, but it cannot be looked into.
        Err(errno) => facts.faults.push(Cause::Unreadable(errno).of(".")),
    }
    // A pod that was renamed before the probe may have let go of its lock since: phase and
    // lock would make a state that it never had.
    if handle.is_some() && !pod.is_in(phase_dir, name) {
        return Ok(None);
    }
    let depth = depth(facts.state);
    let mut has_shared_files = false;
    if phase != Phase::Embryo && facts.faults.is_empty() {
        let mut reader = Reader::new(&pod.dir, &mut facts, visit);
        reader.read(depth);
        has_shared_files = reader.has_shared_files;
    }
    // Then nothing is known, and least of all that a file is not there.
    match facts.faults.iter().find_map(Fault::distress) {
        Some(errno) => Err(errno),
        None => Ok(Some(Found {
            facts,
            depth,
            handle,
            inode: pod.stat.st_ino,
            has_shared_files,
        })),
    }
}

fn same_file(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

fn marked_at_ns(phase: Phase, stat: &Stat) -> Option<i64> {
    matches!(phase, Phase::ExitedGarbage | Phase::Garbage)
        .then(|| nanoseconds(stat.st_ctime, stat.st_ctime_nsec as i64))
}

fn modified_at_ns(stat: &Stat) -> i64 {
    nanoseconds(stat.st_mtime, stat.st_mtime_nsec as i64)
}

/// Nanoseconds since the epoch; times beyond the years 1677 to 2262 read as the nearest one.
fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// Reads the files of one pod into its facts.
struct Reader<'a, 'v> {
    dir: &'a Dir,
    facts: &'a mut PodFacts,
    visit: &'a mut Visit<'v>,
    /// The directories that were visited.
    visited: HashSet<String>,
    /// How much may still be read of the manifests of images.
    images_left_bytes: u64,
    has_shared_files: bool,
}

impl<'a, 'v> Reader<'a, 'v> {
    fn new(dir: &'a Dir, facts: &'a mut PodFacts, visit: &'a mut Visit<'v>) -> Self {
        Self {
            dir,
            facts,
            visit,
            visited: HashSet::new(),
            images_left_bytes: IMAGES_LIMIT_BYTES,
            has_shared_files: false,
        }
    }

    fn read(&mut self, depth: Depth) {
        self.read_manifest();
        self.facts.created_at_ns = self
            .modified_at_ns(names::CREATED)
            .or_else(|| self.modified_at_ns(names::MANIFEST));
        if self.has_run() {
            self.facts.started_at_ns = self
                .modified_at_ns(names::PID)
                .or_else(|| self.modified_at_ns(names::PPID));
            let pid = self.number(names::PID);
            let ppid = match pid {
                Some(_) => None,
                None => self.number(names::PPID),
            };
            self.facts.pid = pid.or(ppid);
            if self.facts.phase == Phase::Run {
                self.read_networks();
            }
            if self.facts.state == State::Running {
                self.facts.cgroup = self.cgroup();
                if self.facts.cgroup.is_none() {
                    let pid = pid.map(Stage1::Pid);
                    self.facts.cgroup_process = pid.or_else(|| ppid.map(Stage1::Ppid));
                }
            }
        }
        if depth >= Depth::Images {
            self.read_apps(depth);
        }
    }

    /// Whether the pod lies where only pods lie that have been started.
    fn has_run(&self) -> bool {
        matches!(self.facts.phase, Phase::Run | Phase::ExitedGarbage)
    }

    /// Whether everything that prepares a pod is done, and nobody is taking it apart.
    fn is_complete(&self) -> bool {
        matches!(self.facts.phase, Phase::Prepared | Phase::Run)
    }

    fn read_manifest(&mut self) {
        let Some(bytes) = self.content(names::MANIFEST, MANIFEST_LIMIT_BYTES, self.is_complete())
        else {
            return;
        };
        match PodManifest::parse(&bytes) {
            Ok(manifest) => {
                let apps = vec![AppFacts::default(); manifest.apps.len()];
                self.facts.manifest = Some(ManifestFacts {
                    bytes: bytes.into(),
                    manifest,
                    apps,
                });
            }
            Err(error) => self.malformed(names::MANIFEST, error),
        }
    }

    fn read_networks(&mut self) {
        // Pods in the host's network have none.
        let Some(bytes) = self.content(names::NET_INFO, NET_INFO_LIMIT_BYTES, false) else {
            return;
        };
        match netinfo::parse(&bytes) {
            Ok(networks) => self.facts.networks = networks,
            Err(error) => self.malformed(names::NET_INFO, error),
        }
    }

    fn cgroup(&mut self) -> Option<String> {
        let subcgroup = self.word(names::SUBCGROUP, false)?;
        let path = subcgroup.strip_suffix('\n').unwrap_or(&subcgroup);
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(format!("{slash}{path}"))
    }

    fn read_apps(&mut self, depth: Depth) {
        let Some(mut manifest) = self.facts.manifest.take() else {
            return;
        };
        let status_root = match self.has_run() && depth >= Depth::Statuses {
            true => self.stage1_rootfs(),
            false => None,
        };
        let is_mutable = manifest.is_mutable();
        for (app, facts) in manifest.manifest.apps.iter().zip(&mut manifest.apps) {
            facts.image = self.app_image(&app.name);
            if let Some(root) = &status_root {
                facts.status = self.status(&names::app_status(root, &app.name));
                if is_mutable {
                    facts.started_at_ns = self.modified_at_ns(&names::app_started(root, &app.name));
                }
            }
        }
        self.facts.manifest = Some(manifest);
    }

    fn app_image(&mut self, app: &str) -> Option<AppImage> {
        let file = names::app_image_manifest(app);
        let limit_bytes = MANIFEST_LIMIT_BYTES.min(self.images_left_bytes);
        let bytes = self.content(&file, limit_bytes, self.is_complete())?;
        self.images_left_bytes -= bytes.len() as u64;
        match ImageManifest::parse(&bytes) {
            Ok(manifest) => Some(AppImage {
                version: manifest.version().to_owned(),
                format: manifest.base_format(),
                name: manifest.name,
            }),
            Err(error) => {
                self.malformed(&file, error);
                None
            }
        }
    }

    /// Where the root of stage1's file system lies beneath the pod's directory. `None` when
    /// it cannot be known.
    fn stage1_rootfs(&mut self) -> Option<String> {
        match self.stat(names::OVERLAY_PREPARED) {
            Ok(_) => {
                let id = self.word(names::STAGE1_TREE_STORE_ID, self.is_complete())?;
                let id = id.trim_ascii_end();
                if id.is_empty() {
                    self.malformed(names::STAGE1_TREE_STORE_ID, "no tree store id");
                    return None;
                }
                Some(names::stage1_overlay_rootfs(id))
            }
            Err(cause) => {
                self.note(names::OVERLAY_PREPARED, cause, false);
                Some(names::STAGE1_ROOTFS.to_owned())
            }
        }
    }

    fn status(&mut self, file: &str) -> Option<AppStatus> {
        let stat = match self.stat(file) {
            Ok(stat) => stat,
            // The app has not exited.
            Err(Cause::Missing) => return None,
            Err(cause) => {
                self.note(file, cause, false);
                return None;
            }
        };
        // It has, whatever the file holds.
        let bytes = self.content(file, WORD_LIMIT_BYTES, false);
        Some(AppStatus {
            is_empty: bytes.as_ref().is_some_and(Vec::is_empty),
            exit_code: bytes.and_then(|bytes| leading_number(&bytes)),
            written_at_ns: modified_at_ns(&stat),
        })
    }

    /// The modification time of a regular file.
    fn modified_at_ns(&mut self, file: &str) -> Option<i64> {
        match self.stat(file) {
            Ok(stat) => Some(modified_at_ns(&stat)),
            Err(cause) => {
                self.note(file, cause, false);
                None
            }
        }
    }

    /// The number that a file begins with.
    fn number(&mut self, file: &str) -> Option<i32> {
        let bytes = self.content(file, WORD_LIMIT_BYTES, false)?;
        let number = leading_number(&bytes).filter(|&number| number > 0);
        if number.is_none() {
            self.malformed(file, "no process id");
        }
        number
    }

    /// The text of a file that holds a name or a path. That it is missing is a fault where it
    /// is `expected`.
    fn word(&mut self, file: &str, expected: bool) -> Option<String> {
        let bytes = self.content(file, WORD_LIMIT_BYTES, expected)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                self.malformed(file, error.utf8_error());
                None
            }
        }
    }

    fn stat(&mut self, file: &str) -> Result<Stat, Cause> {
        self.enter(file);
        let stat = self.dir.stat_regular(file)?;
        self.has_shared_files |= stat.st_nlink > 1;
        Ok(stat)
    }

    /// Tells of the directory that `file` lies in, before the first look into it.
    fn enter(&mut self, file: &str) {
        if let Some((dir, _)) = file.rsplit_once('/')
            && !self.visited.contains(dir)
        {
            (self.visit)(self.dir, dir);
            self.visited.insert(dir.to_owned());
        }
    }

    /// The content of a file. That it is missing is a fault where it is `expected`.
    fn content(&mut self, file: &str, limit_bytes: u64, expected: bool) -> Option<Vec<u8>> {
        self.enter(file);
        match self.dir.read_with_status(file, limit_bytes) {
            Ok((bytes, stat)) => {
                self.has_shared_files |= stat.st_nlink > 1;
                Some(bytes)
            }
            Err(cause) => {
                self.note(file, cause, expected);
                None
            }
        }
    }

    fn malformed(&mut self, file: &str, error: impl Display) {
        self.note(file, Cause::malformed(error), true);
    }

    fn note(&mut self, file: &str, cause: Cause, expected: bool) {
        if expected || cause != Cause::Missing {
            let fault = cause.of(file);
            let faults = &mut self.facts.faults;
            if faults.len() >= FAULTS_LIMIT {
                // However many there are, distress decides the answer.
                if fault.distress().is_some() {
                    faults[FAULTS_LIMIT - 1] = fault;
                }
            } else if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
}

/// The decimal number that `bytes` begins with, after blanks and an optional sign, whatever
/// follows it: what Go's `Sscanf("%d")` reads, which rkt reads its files with. `None` when
/// there is none, or it does not fit.
fn leading_number(bytes: &[u8]) -> Option<i32> {
    let bytes = bytes.trim_ascii_start();
    let signs = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits = bytes[signs..].iter().take_while(|b| b.is_ascii_digit());
    let end = signs + digits.count();
    std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_rkt_reads_them() {
        for (text, number) in [
            ("42", Some(42)),
            ("42\n", Some(42)),
            ("  42 43", Some(42)),
            ("7x", Some(7)),
            ("0x10", Some(0)),
            ("-1\n", Some(-1)),
            ("+5", Some(5)),
            ("2147483647", Some(i32::MAX)),
            ("-2147483648", Some(i32::MIN)),
            ("2147483648", None),
            ("", None),
            ("-", None),
            ("abc\n", None),
            ("\u{663}", None),
        ] {
            assert_eq!(leading_number(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn times_beyond_the_range_do_not_overflow() {
        assert_eq!(nanoseconds(1, 5), 1_000_000_005);
        assert_eq!(nanoseconds(-1, 5), -999_999_995);
        assert_eq!(nanoseconds(i64::MAX, 5), i64::MAX);
        assert_eq!(nanoseconds(i64::MIN, 0), i64::MIN);
    }
}
