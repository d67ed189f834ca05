//! Faults: each is made in copies of one host, and everything that is then other than before
//! is held against what the fault says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::{self, FileTimes, Permissions},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

use rkt_api::{
    formats::ql::{self, Database},
    layout::{Phase, pod as names, store},
};
use rkt_sim::{
    example,
    faults::{self, Applied, Error, Kind},
    host::Host,
    spec::{Pod, Process},
};
use uuid::Uuid;

/// A host on which there is everything that a fault can be about, in a directory of its own
/// together with other things.
struct Fixture {
    tmp: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let host = Host::create(tmp.path().join("rkt")).unwrap();
        let mut spec = example::host();
        spec.images.truncate(2);
        // The host is copied many times, so there is not more on it than it takes: two pods
        // that run, with all that a pod can have, and one for each of the other phases. And
        // two that look like the first ones, without overlayfs.
        let full = spec.pods[..2].to_vec();
        spec.pods.sort_by_key(|pod| pod.phase);
        spec.pods.dedup_by_key(|pod| pod.phase);
        spec.pods.retain(|pod| pod.phase != Phase::Run);
        for (model, id) in full.iter().zip([u128::MAX, u128::MAX - 1]) {
            spec.pods.push(Pod {
                id: Uuid::from_u128(id),
                overlay: false,
                ..model.clone()
            });
        }
        spec.pods.extend(full);
        host.write(&spec).unwrap();
        for pod in spec.pods.iter().filter(|pod| pod.started.is_some()) {
            let rootfs = match pod.overlay {
                true => names::stage1_overlay_rootfs(
                    &rkt_sim::spec::Image::stage1().tree_store_id().unwrap(),
                ),
                false => names::STAGE1_ROOTFS.to_owned(),
            };
            let dir = host.pod_dir(pod);
            let journal = dir.join(&rootfs).join("var/log/journal/0123456789abcdef");
            fs::create_dir_all(&journal).unwrap();
            fs::write(journal.join("system.journal"), "LPKSHHRH and more").unwrap();
            fs::write(dir.join(names::app_status(&rootfs, "web")), "7\n").unwrap();
        }
        let log = host.dir().join(store::DB_DIR).join(store::DB_LOG);
        fs::write(log, "").unwrap();
        fs::write(tmp.path().join("outside"), "not to be touched").unwrap();
        Self { tmp }
    }

    fn dir(&self) -> PathBuf {
        self.tmp.path().join("rkt")
    }

    /// A copy. Files have one more name in it, so whoever writes into one changes both.
    fn copy(&self, prefix: &str) -> Self {
        let tmp = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        copy(self.tmp.path(), tmp.path());
        Self { tmp }
    }

    /// Makes all that a fault has changed what it is in the fixture that this is a copy of.
    fn restore(&self, applied: &Applied, sound: &Self) {
        for path in &applied.paths {
            let (from, to) = (sound.dir().join(path), self.dir().join(path));
            if to.is_dir() && !to.is_symlink() {
                make_readable(&to).unwrap();
                fs::remove_dir_all(&to).unwrap();
            } else if to.symlink_metadata().is_ok() {
                fs::remove_file(&to).unwrap();
            }
            if from.is_dir() {
                fs::create_dir(&to).unwrap();
                copy(&from, &to);
            } else if from.exists() {
                fs::hard_link(&from, &to).unwrap();
            }
        }
        for path in &applied.paths {
            let dir = path.parent().unwrap();
            if let Ok(meta) = fs::metadata(sound.dir().join(dir)) {
                set_modified(&self.dir().join(dir), meta.modified().unwrap());
            }
        }
    }

    fn apply(&self, kind: Kind, seed: u64) -> Applied {
        let applied = faults::apply(&self.dir(), kind, None, seed);
        applied.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // What may not be read may not be removed either.
        let _ = make_readable(self.tmp.path());
    }
}

fn make_readable(dir: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(dir)?.mode() & 0o700 != 0o700 {
        fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_readable(&entry.path())?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let copied = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&copied).unwrap();
            copy(&entry.path(), &copied);
        } else {
            fs::hard_link(entry.path(), copied).unwrap();
        }
    }
    let meta = fs::metadata(from).unwrap();
    fs::set_permissions(to, meta.permissions()).unwrap();
    set_modified(to, meta.modified().unwrap());
}

fn set_modified(path: &Path, time: SystemTime) {
    let times = FileTimes::new().set_modified(time);
    fs::File::open(path).unwrap().set_times(times).unwrap();
}

/// Everything below a directory, by path.
type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    modified: (i64, i64),
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    File(Vec<u8>),
    /// Too long to be compared.
    Long(u64),
    Link(PathBuf),
    Other,
}

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            assert_eq!(path, root, "only the beginning may be missing");
            return tree;
        };
        let content = if meta.is_dir() {
            // One that may not be read has been looked at when it could.
            let children = fs::read_dir(&path).into_iter().flatten();
            pending.extend(children.map(|child| child.unwrap().path()));
            Content::Other
        } else if meta.is_symlink() {
            Content::Link(fs::read_link(&path).unwrap())
        } else if meta.is_file() && meta.len() < 100 << 20 {
            Content::File(fs::read(&path).unwrap_or_default())
        } else if meta.is_file() {
            Content::Long(meta.len())
        } else {
            Content::Other
        };
        let entry = Entry {
            mode: meta.mode(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            content,
        };
        tree.insert(path.strip_prefix(root).unwrap().to_owned(), entry);
    }
    tree
}

/// The paths at which two trees differ.
fn differences<'t>(before: &'t Tree, after: &'t Tree) -> BTreeSet<&'t PathBuf> {
    let paths = before.keys().chain(after.keys());
    paths
        .filter(|path| before.get(*path) != after.get(*path))
        .collect()
}

#[test]
fn every_fault_changes_what_it_says_and_always_the_same() {
    let sound = Fixture::new();
    let before = tree(sound.tmp.path());
    let kinds: Vec<_> = Kind::all().collect();
    // Nearly all of the time goes into files.
    thread::scope(|scope| {
        for some in kinds.chunks(kinds.len().div_ceil(4)) {
            scope.spawn(|| check_all(some, &sound, &before));
        }
    });
    assert!(before == tree(sound.tmp.path()), "a file was written into");
}

fn check_all(kinds: &[Kind], sound: &Fixture, before: &Tree) {
    let one = sound.copy("a");
    let other = sound.copy("a-longer-prefix");
    for kind in kinds {
        let applied = one.apply(*kind, 7);
        let after = tree(one.tmp.path());
        check_extent(&applied, before, &after);
        check_pod(&applied);
        check_what_is_there(&applied, &one.dir());

        assert_eq!(other.apply(*kind, 7), applied, "{kind}");
        for path in &applied.paths {
            let trees = [&one, &other].map(|fixture| tree(&fixture.dir().join(path)));
            assert!(trees[0] == trees[1], "{kind} is not the same every time");
        }
        one.restore(&applied, sound);
        other.restore(&applied, sound);
    }
    // No difference has built up that no single fault showed.
    for fixture in [one, other] {
        assert!(*before == tree(fixture.tmp.path()));
    }
}

/// All that is changed is at or below what the fault names, which is all changed.
fn check_extent(applied: &Applied, before: &Tree, after: &Tree) {
    let differences = differences(before, after);
    let named: Vec<_> = applied
        .paths
        .iter()
        .map(|p| Path::new("rkt").join(p))
        .collect();
    for changed in &differences {
        let is_named = named.iter().any(|named| changed.starts_with(named));
        assert!(is_named, "{applied}: {}", changed.display());
    }
    for named in &named {
        let changed = differences.iter().any(|changed| changed.starts_with(named));
        assert!(changed, "{applied}: {} is as before", named.display());
    }
}

fn check_pod(applied: &Applied) {
    assert_eq!(applied.pod.is_some(), applied.kind.is_about_pod());
    if let Some(pod) = applied.pod {
        let id = pod.to_string();
        let is_of_pod = |path: &PathBuf| {
            let in_phase = path.components().nth(2).unwrap();
            let is_entry = applied.kind.name().starts_with("entry/");
            in_phase.as_os_str().as_bytes().starts_with(id.as_bytes()) || is_entry
        };
        assert!(applied.paths.iter().all(is_of_pod), "{applied}");
    }
}

/// Where the name says what must be there, that is there.
fn check_what_is_there(applied: &Applied, dir: &Path) {
    let name = applied.kind.name();
    let (what, how) = name.split_once('/').unwrap();
    let path = dir.join(&applied.paths[0]);
    let meta = fs::symlink_metadata(&path).ok();
    let target = fs::read_link(&path).ok();
    let target = target.as_deref();
    let is = |test: fn(&fs::Metadata) -> bool| meta.as_ref().is_some_and(test);
    let holds = match how {
        "missing" => meta.is_none(),
        "directory" => is(|meta| meta.is_dir()),
        "fifo" => is(|meta| meta.file_type().is_fifo()),
        "file" => is(|meta| meta.is_file() && meta.len() == 0),
        "link-out" => target == Some(Path::new("/nonexistent/rkt-sim")),
        "link-out-relative" => target.unwrap().ends_with("nonexistent/rkt-sim") && !path.exists(),
        "link-to-pod" => {
            let real = path.canonicalize().unwrap();
            let real = real.strip_prefix(dir.canonicalize().unwrap()).unwrap();
            real.starts_with("pods") && !real.starts_with(applied.paths[0].parent().unwrap())
                || what == "pod"
        }
        "link-within" => target.unwrap().components().count() == 1 && path.exists(),
        "link-loop" => target.unwrap() == path.file_name().unwrap(),
        "sparse" => is(|meta| meta.len() == 1 << 30 && meta.blocks() < 100),
        "nested" => is(|meta| meta.len() == 100_000),
        "not-utf8" => String::from_utf8(fs::read(&path).unwrap()).is_err(),
        "unreadable" => is(|meta| meta.mode().trailing_zeros() >= 9),
        "huge" => is(|meta| meta.len() >= 5 << 20),
        _ => true,
    };
    assert!(holds, "{applied}");
}

#[test]
fn other_seeds_choose_otherwise() {
    let sound = Fixture::new();
    let kind: Kind = "index/changed-bytes".parse().unwrap();
    let indexes: BTreeSet<_> = (0..4)
        .map(|seed| {
            let fixture = sound.copy("a");
            let applied = fixture.apply(kind, seed);
            fs::read(fixture.dir().join(&applied.paths[0])).unwrap()
        })
        .collect();
    assert_eq!(indexes.len(), 4);
}

#[test]
fn the_named_pod_is_broken() {
    let fixture = Fixture::new();
    let pods: Vec<_> = example::host().pods.into_iter().take(2).collect();
    let in_network = |pod: &&Pod| pod.networks.is_some();
    let last = pods.iter().filter(in_network).map(|pod| pod.id).max();
    let kind: Kind = "net-info/missing".parse().unwrap();
    let applied = faults::apply(&fixture.dir(), kind, last, 0).unwrap();
    assert_eq!(applied.pod, last);

    let error = faults::apply(&fixture.dir(), kind, last, 0).unwrap_err();
    let path = applied.paths[0].display();
    assert_eq!(
        error.to_string(),
        format!("net-info/missing does not fit: there is no {path}")
    );
    let first = faults::apply(&fixture.dir(), kind, None, 0).unwrap();
    assert!(first.pod < last, "{first}");
}

#[test]
fn faults_that_do_not_fit_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    let before = tree(tmp.path());
    let apply = |kind: &str, pod| {
        let error = faults::apply(host.dir(), kind.parse().unwrap(), pod, 0).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        apply("net-info/fifo", None),
        "net-info/fifo fits none of the 0 pods; for the last one: there is none"
    );
    assert_eq!(
        apply("net-info/fifo", Some(Uuid::nil())),
        "there is no pod 00000000-0000-0000-0000-000000000000"
    );
    assert_eq!(
        apply("cas/missing", Some(Uuid::nil())),
        "cas/missing is no fault of a pod"
    );
    assert_eq!(
        apply("index/cut", None),
        "index/cut does not fit: there is no image in the index"
    );
    assert_eq!(
        apply("index/empty", None),
        "index/empty does not fit: cas/db/ql.db is empty already"
    );
    assert!(tree(tmp.path()) == before);
}

#[test]
fn links_lead_nowhere() {
    let fixture = Fixture::new();
    let outside = tempfile::tempdir().unwrap();
    let spec = example::host();
    let pod = spec.pods.iter().find(|pod| pod.networks.is_some()).unwrap();
    let host_dir = fixture.dir();
    let pod_dir = host_dir.join("pods/run").join(pod.id.to_string());

    // The directory of the apps' images, the list of networks and the image index, elsewhere.
    for path in [
        pod_dir.join(names::APPS_INFO),
        pod_dir.join(names::NET_INFO),
        host_dir.join(store::DB_DIR),
    ] {
        let there = outside.path().join(path.file_name().unwrap());
        fs::rename(&path, &there).unwrap();
        symlink(&there, &path).unwrap();
    }
    let before = tree(outside.path());
    let behind_a_link = |kind: &Kind| {
        let name = kind.name();
        let (what, _) = name.split_once('/').unwrap();
        ["apps-info", "app-info", "app-manifest", "net-info"].contains(&what)
            || what.starts_with("index")
    };
    let mut refused = 0;
    for kind in Kind::all().filter(behind_a_link) {
        let pod = kind.is_about_pod().then_some(pod.id);
        let error = faults::apply(&host_dir, kind, pod, 0).unwrap_err();
        assert!(matches!(error, Error::Unfit { .. }), "{error}");
        refused += 1;
    }
    assert!(refused > 80, "{refused}");
    // And those that take away a whole tree with links in it.
    for kind in ["pod/missing", "cas/missing", "pods-dir/missing"] {
        faults::apply(&host_dir, kind.parse().unwrap(), None, 0).unwrap();
    }
    assert!(tree(outside.path()) == before);
}

#[test]
fn kinds_are_known_by_name() {
    let kinds: Vec<_> = Kind::all().collect();
    let names: BTreeSet<_> = kinds.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), kinds.len(), "two faults have one name");
    for kind in kinds {
        let name = kind.name();
        assert_eq!(name.parse(), Ok(kind));
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("{name:?}"));
        assert_eq!(serde_json::from_str::<Kind>(&json).unwrap(), kind);

        let is_kebab = |part: &str| {
            let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            part.starts_with(|c: char| c.is_ascii_lowercase()) && part.bytes().all(ok)
        };
        assert_eq!(
            name.split('/').filter(|part| is_kebab(part)).count(),
            2,
            "{name}"
        );
        let sentence = kind.sentence();
        assert!(sentence.starts_with(char::is_uppercase), "{sentence}");
        assert!(
            sentence.ends_with('.') && !sentence.contains('\n'),
            "{sentence}"
        );
    }
}

#[test]
fn unknown_kinds_bring_near_ones_to_mind() {
    let error = |name: &str| name.parse::<Kind>().unwrap_err().to_string();
    assert_eq!(
        error("net-inof/fifo"),
        r#"there is no fault "net-inof/fifo"; did you mean net-info/fifo?"#
    );
    assert_eq!(
        error("subcgroup"),
        "there is no fault \"subcgroup\"; did you mean subcgroup/missing, or subcgroup/empty, \
         or subcgroup/truncated?"
    );
    assert_eq!(
        error("everything"),
        "there is no fault \"everything\"; the command `rkt-sim faults` lists all"
    );
}

#[test]
fn a_complete_log_mends_the_index_and_others_do_nothing() {
    let sound = Fixture::new();
    let rows = rows(&sound.dir(), true);
    assert_eq!(rows.as_ref().unwrap().len(), 2);
    for seed in 0..8 {
        let after = |kind: &str, with_log| {
            let fixture = sound.copy("a");
            fixture.apply(kind.parse().unwrap(), seed);
            self::rows(&fixture.dir(), with_log)
        };
        assert_eq!(after("index-log/complete", true), rows, "{seed}");
        assert_eq!(after("index-log/incomplete", true), rows, "{seed}");
        assert_eq!(after("index-log/torn", true), rows, "{seed}");
        let too_long = after("index-log/too-long", true).unwrap_err();
        assert!(too_long.contains("log"), "{too_long}");
        let overwritten = after("index-log/overwrites", true).unwrap_err();
        assert!(overwritten.contains("at byte 128"), "{overwritten}");
        // What a log may do it does not do by itself.
        assert_eq!(after("index-log/overwrites", false), rows, "{seed}");
        assert_ne!(after("index-log/complete", false), rows, "{seed}");
    }
}

/// The images in an index, with the log beside it or without.
fn rows(host_dir: &Path, with_log: bool) -> Result<Vec<ql::rkt::Image>, String> {
    let dir = host_dir.join(store::DB_DIR);
    let file = fs::read(dir.join(store::DB)).unwrap();
    let log = fs::read(dir.join(store::DB_LOG)).ok().filter(|_| with_log);
    let db = Database::open(file, log.as_deref()).map_err(|error| error.to_string())?;
    let images = ql::rkt::images(&db).map_err(|error| error.to_string())?;
    images
        .map(|image| image.map_err(|e| e.to_string()))
        .collect()
}

#[test]
fn a_twin_lies_in_another_phase() {
    let fixture = Fixture::new();
    let applied = fixture.apply("entry/twin".parse().unwrap(), 3);
    let id = applied.pod.unwrap().to_string();
    let phases = Phase::ALL.map(|phase| fixture.dir().join("pods").join(phase.dir_name()));
    let lies_in = phases
        .iter()
        .filter(|phase| phase.join(&id).is_dir())
        .count();
    assert_eq!(lies_in, 2);
    assert_eq!(applied.paths[0].file_name(), Some(OsStr::new(&id)));
}

#[test]
fn a_pod_that_runs_loses_its_process() {
    let fixture = Fixture::new();
    for pod in example::host().pods.into_iter().take(2) {
        let started = pod.started.unwrap();
        let kind = "process/fallback".parse().unwrap();
        faults::apply(&fixture.dir(), kind, Some(pod.id), 0).unwrap();
        let dir = fixture.dir().join("pods/run").join(pod.id.to_string());
        let (Process::Pid(number) | Process::Ppid(number)) = started.process;
        let read = |name| fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(read(names::PID), "none\n");
        assert_eq!(read(names::PPID), format!("{number}\n"));

        let kind = "process/none".parse().unwrap();
        faults::apply(&fixture.dir(), kind, Some(pod.id), 0).unwrap();
        assert!(!dir.join(names::PID).exists() && !dir.join(names::PPID).exists());
    }
}
