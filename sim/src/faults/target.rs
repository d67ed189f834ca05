//! What damage is done to: the files and directories of a host that somebody reads, by name.

use std::path::{Path, PathBuf};

use rkt_api::layout::{self, Phase, pod, store};
use rustix::fs::FileType;

use super::{
    Rng,
    beneath::Root,
    change::Unfit,
    look::{self, PodDir, missing, phase_dir},
};

/// A file or directory with a part to play, wherever it lies on a given host.
#[derive(Debug)]
pub(super) struct Target {
    /// Its stable name, the first half of the names of faults.
    pub(super) name: &'static str,
    /// What it is called in a sentence, as its subject.
    pub(super) noun: &'static str,
    /// What it is when it is sound.
    pub(super) form: Form,
    /// How it is found.
    pub(super) place: Place,
}

/// What a target is when it is sound. Not every damage suits every form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A file of text that counts.
    Text,
    /// A file whose content counts and is no text.
    Binary,
    /// A file that is empty, and counts by being there or by its time.
    Marker,
    /// A directory.
    Dir,
}

/// How a target is found.
#[derive(Debug)]
pub(super) enum Place {
    /// At this path in a pod; the empty path is the pod's directory itself.
    InPod(&'static str),
    /// In a pod, where exactly depends on the pod. The path is relative to the pod.
    SomewhereInPod(fn(&PodDir<'_>, &mut Rng) -> Result<PathBuf, Unfit>),
    /// At this path in the data directory.
    OnHost(&'static str),
    /// The directory of a phase.
    PhaseDir(Phase),
    /// At this path in the directory of the image index.
    InIndexDir(&'static str),
    /// A file of the image store that is named by a blob key, in this directory.
    ByKey(&'static str),
}

use Form::{Binary, Dir, Marker, Text};
use Place::{ByKey, InIndexDir, InPod, OnHost, PhaseDir, SomewhereInPod};

const fn target(name: &'static str, noun: &'static str, form: Form, place: Place) -> Target {
    Target {
        name,
        noun,
        form,
        place,
    }
}

/// All targets, in the order in which faults are listed.
#[rustfmt::skip]
pub(super) static TARGETS: [Target; 36] = [
    target("pod", "the pod's directory", Dir, InPod("")),
    target("pod-manifest", "the pod manifest", Text, InPod(pod::MANIFEST)),
    target("pod-created", "the file that dates the pod", Marker, InPod(pod::CREATED)),
    target("pod-lock", "the lock file of mutable pods", Marker, InPod(pod::LOCK)),
    target("pid", "the file with stage1's process id", Text, InPod(pod::PID)),
    target("ppid", "the file with the process id of stage1's parent", Text, InPod(pod::PPID)),
    target("subcgroup", "the file with the pod's cgroup", Text, InPod(pod::SUBCGROUP)),
    target("net-info", "the list of the pod's networks", Text, InPod(pod::NET_INFO)),
    target("overlay-prepared", "the mark of overlayfs", Marker, InPod(pod::OVERLAY_PREPARED)),
    target("stage1-tree-store-id", "the file with stage1's tree store id", Text, InPod(pod::STAGE1_TREE_STORE_ID)),
    target("stage1", "the directory of stage1's image", Dir, InPod(pod::STAGE1)),
    target("stage1-manifest", "the manifest of stage1's image", Text, InPod(pod::STAGE1_MANIFEST)),
    target("stage1-root", "the root of stage1's file system", Dir, SomewhereInPod(|pod, _| Ok(pod.stage1_root()?.into()))),
    target("overlay", "the directory of the pod's overlayfs layers", Dir, InPod(pod::OVERLAY)),
    target("apps-info", "the directory of all that is kept of the apps' images", Dir, InPod(pod::APPS_INFO)),
    target("app-info", "the directory of what is kept of an app's image", Dir, SomewhereInPod(|pod, rng| pod.app(rng, |app| Path::new(pod::APPS_INFO).join(app)))),
    target("app-manifest", "the manifest of an app's image", Text, SomewhereInPod(|pod, rng| pod.app(rng, |app| pod::app_image_manifest(app).into()))),
    target("app-tree-store-id", "the file with the tree store id of an app's image", Text, SomewhereInPod(|pod, rng| pod.app(rng, |app| pod::app_tree_store_id(app).into()))),
    target("status-dir", "the directory of the apps' exit statuses", Dir, SomewhereInPod(|pod, _| pod.status_dir())),
    target("status", "the exit status of an app", Text, SomewhereInPod(|pod, rng| pod.status(rng))),
    target("journal-dir", "the directory of the pod's journal", Dir, SomewhereInPod(|pod, _| pod.journal_dir())),
    target("journal", "a file of the pod's journal", Binary, SomewhereInPod(|pod, rng| pod.journal(rng))),

    target("pods-dir", "the directory of all pods", Dir, OnHost(layout::PODS)),
    target("embryo-dir", "the directory of pods in embryo", Dir, PhaseDir(Phase::Embryo)),
    target("prepare-dir", "the directory of pods that are being prepared", Dir, PhaseDir(Phase::Prepare)),
    target("prepared-dir", "the directory of prepared pods", Dir, PhaseDir(Phase::Prepared)),
    target("run-dir", "the directory of pods that run or have run", Dir, PhaseDir(Phase::Run)),
    target("exited-garbage-dir", "the directory of marked pods that have run", Dir, PhaseDir(Phase::ExitedGarbage)),
    target("garbage-dir", "the directory of marked pods that never ran", Dir, PhaseDir(Phase::Garbage)),

    target("cas", "the image store", Dir, OnHost(store::CAS)),
    target("index-dir", "the directory of the image index", Dir, OnHost(store::DB_DIR)),
    target("index", "the image index", Binary, InIndexDir(store::DB)),
    target("index-log", "the write-ahead log of the image index", Marker, InIndexDir(store::DB_LOG)),
    target("image-manifests", "the directory of the images' manifests", Dir, OnHost(store::IMAGE_MANIFESTS)),
    target("image-manifest", "the manifest of an image in the store", Text, ByKey(store::IMAGE_MANIFESTS)),
    target("blob", "the blob of an image in the store", Binary, ByKey(store::BLOBS)),
];

impl Target {
    pub(super) fn is_in_pod(&self) -> bool {
        matches!(self.place, InPod(_) | SomewhereInPod(_))
    }

    /// Where it is in a pod, below the data directory. It is there, in its sound form.
    pub(super) fn find_in_pod(&self, pod: &PodDir<'_>, rng: &mut Rng) -> Result<PathBuf, Unfit> {
        let path = match self.place {
            // Joining nothing would leave a slash at the end.
            InPod("") => pod.path.clone(),
            InPod(path) => pod.at(path),
            SomewhereInPod(find) => pod.at(find(pod, rng)?),
            OnHost(_) | PhaseDir(_) | InIndexDir(_) | ByKey(_) => {
                return Err(Unfit(format!("{} is in no pod", self.noun)));
            }
        };
        self.check(pod.root(), path)
    }

    /// Where it is on a host, below the data directory. It is there, in its sound form.
    pub(super) fn find_on_host(&self, root: &Root, rng: &mut Rng) -> Result<PathBuf, Unfit> {
        let path = match self.place {
            OnHost(path) => path.into(),
            PhaseDir(phase) => phase_dir(phase),
            InIndexDir(name) => Path::new(store::DB_DIR).join(name),
            ByKey(dir) => look::by_key(root, dir, rng)?,
            InPod(_) | SomewhereInPod(_) => {
                return Err(Unfit(format!("{} is in a pod", self.noun)));
            }
        };
        self.check(root, path)
    }

    fn check(&self, root: &Root, path: PathBuf) -> Result<PathBuf, Unfit> {
        let (sound, name) = match self.form {
            Text | Binary | Marker => (FileType::RegularFile, "regular file"),
            Dir => (FileType::Directory, "directory"),
        };
        match root.kind(&path)? {
            Some(kind) if kind == sound => Ok(path),
            Some(_) => Err(Unfit(format!("{} is no {name}", path.display()))),
            None => Err(missing(&path)),
        }
    }
}
