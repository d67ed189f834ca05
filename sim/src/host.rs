//! A host on disk: a data directory that is set up, filled and locked.
//!
//! What a pod's directory holds is decided in `pod`; this module is about the directory as a
//! whole, and about the locks, which are no files but states.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rkt_api::layout::{self, Phase};

use crate::{
    aci::{Facts, Known},
    faults::{self, Applied},
    pod,
    spec::{Fault, HostSpec, Image, Pod, SET_UP_AT_S},
    store,
    tree::{Tree, at, time_s},
};

/// How long [`Host::hold`] lets others hold the lock. Servers probe locks and let them go at
/// once; whoever holds one for longer than this is in the way for good.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often [`Host::hold`] looks whether the lock is free.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The directories of the image store, with the modes that rkt gives them.
const STORE: [(&str, u32); 8] = [
    (layout::store::CAS, 0o770),
    (layout::store::BLOBS, 0o770),
    (layout::store::DB_DIR, 0o770),
    (layout::store::IMAGE_MANIFESTS, 0o770),
    (layout::store::IMAGE_LOCKS, 0o770),
    (layout::store::TMP, 0o770),
    (layout::store::TREES, 0o755),
    (layout::store::TREE_LOCKS, 0o755),
];

/// A data directory on disk.
#[derive(Debug)]
pub struct Host {
    dir: PathBuf,
}

impl Host {
    /// Sets up an empty data directory: `pods/` and its phases, `cas/` with an index of no
    /// images, and `locks/`. `dir` itself is made when it is not there; its parent must be.
    ///
    /// The modes are rkt's without its set-up script, which would give the directories to a
    /// group `rkt`. One is not: rkt makes `locks/` 0640, which nobody but root can use or
    /// remove; here it is 0750, as the script would leave it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when `dir` is a data directory already; any other that
    /// the system reports.
    pub fn create(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        let set_up = time_s(SET_UP_AT_S)?;
        let mut tree = Tree::default();
        tree.shared_dir("", 0o750, set_up);
        tree.dir(layout::PODS, 0o750, set_up);
        for phase in Phase::ALL {
            tree.dir(format!("{}/{phase}", layout::PODS), 0o750, set_up);
        }
        for (path, mode) in STORE {
            tree.dir(path, mode, set_up);
        }
        // rkt's set-up script makes the index as an empty file; the first transaction fills it.
        tree.file(store::index_path(), store::FILE, set_up, "");
        tree.dir(layout::LOCKS, 0o750, set_up);
        tree.file(layout::PREPARE_LOCK, 0o640, set_up, "");
        tree.write_below(&dir)?;
        Ok(Self { dir })
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the pod's directory is, or would be.
    pub fn pod_dir(&self, pod: &Pod) -> PathBuf {
        self.dir.join(pod::dir(pod))
    }

    /// Writes the pod's directory as rkt leaves it in the pod's phase, and the rendered images
    /// that it needs, where they are not there. The lock that the description may ask for is
    /// not taken: that is [`Host::hold`]'s.
    ///
    /// Who writes many pods uses one [`Writer`] for all.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when the pod is in that phase already,
    /// [`io::ErrorKind::InvalidInput`] when an app's name cannot be the name of a file, any
    /// other that the system reports.
    pub fn write_pod(&self, pod: &Pod) -> io::Result<()> {
        self.writer().pod(pod)
    }

    /// Imports the images into the empty store, the first one first: the images themselves,
    /// their manifests and locks, the index, and the trees of those that are rendered. The
    /// index is locked meanwhile, as rkt's transactions do.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when there are images in the store, or the same image
    /// comes twice; [`io::ErrorKind::WouldBlock`] when others keep the index locked for ten
    /// seconds; any other that the system reports. What was written until then stays.
    pub fn write_images(&self, images: &[Image]) -> io::Result<()> {
        self.writer().images(images, || {})
    }

    /// Writes all images and pods of the description, and then breaks what it has broken.
    ///
    /// # Errors
    ///
    /// As [`Host::write_images`], [`Host::write_pod`] and [`Host::make_fault`]; what was
    /// written until then stays.
    pub fn write(&self, spec: &HostSpec) -> io::Result<()> {
        let mut writer = self.writer();
        writer.images(&spec.images, || {})?;
        spec.pods.iter().try_for_each(|pod| writer.pod(pod))?;
        let mut faults = spec.faults.iter();
        faults.try_for_each(|fault| self.make_fault(fault).map(drop))
    }

    /// What writes many pods and images.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            host: self,
            known: Known::default(),
            rendered: BTreeSet::new(),
        }
    }

    /// Breaks something, and says what has changed.
    ///
    /// # Errors
    ///
    /// When what the fault is about is not on the host, or broken already; any other that the
    /// system reports.
    pub fn make_fault(&self, fault: &Fault) -> io::Result<Applied> {
        let applied = faults::apply(&self.dir, fault.kind, fault.pod, fault.seed);
        applied.map_err(io::Error::other)
    }

    /// Takes the locks on all pods that the description has as locked.
    ///
    /// # Errors
    ///
    /// As [`Host::hold`].
    pub fn hold_locked(&self, spec: &HostSpec) -> io::Result<Vec<Hold>> {
        let locked = spec.pods.iter().filter(|pod| pod.locked);
        locked.map(|pod| self.hold(pod)).collect()
    }

    /// Takes the exclusive lock on the pod's directory, the way rkt and the pod's processes
    /// hold it, for as long as the returned guard lives.
    ///
    /// # Errors
    ///
    /// When the pod is not there; [`io::ErrorKind::WouldBlock`] when the lock is held by
    /// others and stays so for ten seconds.
    pub fn hold(&self, pod: &Pod) -> io::Result<Hold> {
        Hold::of(&self.pod_dir(pod))
    }
}

/// Writes pods and images, and finds out only once what follows from each image.
#[derive(Debug)]
pub struct Writer<'a> {
    host: &'a Host,
    known: Known,
    /// The ids of the trees that are in the tree store for sure.
    rendered: BTreeSet<String>,
}

impl Writer<'_> {
    /// As [`Host::write_pod`].
    ///
    /// # Errors
    ///
    /// Those of [`Host::write_pod`].
    pub fn pod(&mut self, pod: &Pod) -> io::Result<()> {
        let tree = pod::tree(pod, &mut self.known)?;
        for (image, facts) in pod::rendered(pod, &mut self.known)? {
            self.render(&image, &facts)?;
        }
        tree.write_below(&self.host.dir)
    }

    /// As [`Host::write_images`]; calls `step` after each image.
    ///
    /// # Errors
    ///
    /// Those of [`Host::write_images`].
    pub fn images(&mut self, images: &[Image], mut step: impl FnMut()) -> io::Result<()> {
        let dir = &self.host.dir;
        let _lock = Hold::of(&dir.join(layout::store::DB_DIR))?;
        let index = dir.join(store::index_path());
        if fs::metadata(&index).map_err(at(&index))?.len() > 0 {
            let text = format!("{}: there are images in the store", index.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let mut written = Vec::new();
        for image in images {
            let facts = self.known.facts(image)?;
            store::image(image, &facts)?.write_below(dir)?;
            if image.tree_store_size_bytes > 0 {
                self.render(image, &facts)?;
            }
            written.push((image, facts));
            step();
        }
        store::index(&written)?.write_below(dir)
    }

    /// Renders the image into the tree store, unless it is there.
    fn render(&mut self, image: &Image, facts: &Facts) -> io::Result<()> {
        if !self.rendered.insert(facts.tree_store_id.clone()) {
            return Ok(());
        }
        // Others may be writing pods of the same image. rkt locks the one tree; all of them will
        // do for a simulator, and the lock's file need not be made before it is written.
        let _lock = Hold::of(&self.host.dir.join(layout::store::TREE_LOCKS))?;
        let dir = self.host.dir.join(store::tree_dir(&facts.tree_store_id));
        if fs::symlink_metadata(dir).is_ok() {
            return Ok(());
        }
        store::rendered(image, facts)?.write_below(&self.host.dir)
    }
}

/// The exclusive lock on a directory. Dropping it lets the lock go.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub struct Hold {
    dir: File,
}

impl Hold {
    fn of(path: &Path) -> io::Result<Self> {
        let dir = File::open(path).map_err(at(path))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match dir.try_lock() {
                Ok(()) => return Ok(Self { dir }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(LOOK_AGAIN);
                }
                Err(error) => return Err(at(path)(error.into())),
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Closing would do, were it not for children that are being started elsewhere in this
        // process: until they execute, they have the descriptor too.
        // Where it fails nothing is left to try: the descriptor is closed next.
        let _ = self.dir.unlock();
    }
}
