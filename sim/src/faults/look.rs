//! What is on a host, as far as faults have to know it: its pods, their apps, its images.
//!
//! Read from the directory itself and not from a description, so that a host which lives, or
//! which rkt itself wrote, can be broken too.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use rand::RngExt as _;
use rkt_api::layout::{self, Phase};
use rustix::fs::FileType;
use uuid::Uuid;

use super::{Rng, beneath::Root, change::Unfit};

/// The pod's journal, below the root of stage1's file system.
const JOURNAL: &str = "var/log/journal";

/// A pod's directory.
#[derive(Debug)]
pub(super) struct PodDir<'a> {
    root: &'a Root,
    pub(super) id: Uuid,
    pub(super) phase: Phase,
    /// The directory, below the data directory.
    pub(super) path: PathBuf,
}

/// Every pod, by id; one that stands in two phases is found in the first.
pub(super) fn pods(root: &Root) -> Vec<PodDir<'_>> {
    let mut pods = Vec::new();
    for phase in Phase::ALL {
        let dir = phase_dir(phase);
        // What cannot be listed has no pods that could be broken further.
        for name in root.list(&dir).unwrap_or_default() {
            let path = dir.join(&name);
            let is_dir = matches!(root.kind(&path), Ok(Some(FileType::Directory)));
            if let Some(id) = pod_id(&name).filter(|_| is_dir) {
                pods.push(PodDir {
                    root,
                    id,
                    phase,
                    path,
                });
            }
        }
    }
    pods.sort_by_key(|pod| (pod.id, pod.phase));
    pods.dedup_by_key(|pod| pod.id);
    pods
}

/// The directory of a phase, below the data directory.
pub(super) fn phase_dir(phase: Phase) -> PathBuf {
    [layout::PODS, phase.dir_name()].iter().collect()
}

/// The UUID that a directory's name is: lower case with dashes, or none.
fn pod_id(name: &OsString) -> Option<Uuid> {
    let name = name.to_str()?;
    let id = Uuid::try_parse(name).ok()?;
    (id.to_string() == name).then_some(id)
}

impl<'a> PodDir<'a> {
    pub(super) fn root(&self) -> &'a Root {
        self.root
    }

    /// A path in the pod.
    pub(super) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path.join(path)
    }

    /// Whether there is anything at a path in the pod.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> Result<bool, Unfit> {
        Ok(self.root.kind(&self.at(path))?.is_some())
    }

    /// The content of a file in the pod.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, Unfit> {
        let path = self.at(path);
        if self.root.kind(&path)?.is_none() {
            return Err(missing(&path));
        }
        Ok(self.root.read(&path)?)
    }

    /// Fails for a pod that has not been started.
    pub(super) fn must_have_run(&self) -> Result<(), Unfit> {
        match self.phase {
            Phase::Run | Phase::ExitedGarbage => Ok(()),
            phase => Err(Unfit(format!("the pod lies in {phase}, it has never run"))),
        }
    }

    /// Fails for a pod that does not use overlayfs.
    pub(super) fn must_use_overlay(&self) -> Result<(), Unfit> {
        match self.has(layout::pod::OVERLAY_PREPARED)? {
            true => Ok(()),
            false => Err(Unfit("the pod does not use overlayfs".to_owned())),
        }
    }

    /// The root of stage1's file system, in the pod.
    pub(super) fn stage1_root(&self) -> Result<String, Unfit> {
        if !self.has(layout::pod::OVERLAY_PREPARED)? {
            return Ok(layout::pod::STAGE1_ROOTFS.to_owned());
        }
        let id = self.read(layout::pod::STAGE1_TREE_STORE_ID)?;
        let id = String::from_utf8(id).ok().filter(|id| is_name(id));
        let id = id.ok_or_else(|| Unfit("stage1TreeStoreID is broken already".to_owned()))?;
        Ok(layout::pod::stage1_overlay_rootfs(&id))
    }

    /// The directory of the apps' status files, in the pod.
    pub(super) fn status_dir(&self) -> Result<PathBuf, Unfit> {
        let mut of_an_app = PathBuf::from(layout::pod::app_status(&self.stage1_root()?, "app"));
        of_an_app.pop();
        Ok(of_an_app)
    }

    /// One of the apps that something is there of: `path` leads to it from an app's name.
    pub(super) fn app(
        &self,
        rng: &mut Rng,
        path: impl Fn(&str) -> PathBuf,
    ) -> Result<PathBuf, Unfit> {
        let dir = self.at(layout::pod::APPS_INFO);
        let mut apps = self.list(&dir)?;
        apps.retain(|app| self.has(path(app)).unwrap_or(false));
        let app = choose(apps, rng).ok_or_else(|| {
            let what = path("APP");
            Unfit(format!("the pod has no {}", what.display()))
        })?;
        Ok(path(&app))
    }

    /// One of the status files, in the pod.
    pub(super) fn status(&self, rng: &mut Rng) -> Result<PathBuf, Unfit> {
        let dir = self.status_dir()?;
        let mut names = self.list(&self.at(&dir))?;
        // Mutable pods note there too when apps were created and started.
        names.retain(|name| !name.ends_with("-created") && !name.ends_with("-started"));
        let name = choose(names, rng)
            .ok_or_else(|| Unfit("no app of the pod has left a status file".to_owned()))?;
        Ok(dir.join(name))
    }

    /// The pod's journal directory, in the pod.
    pub(super) fn journal_dir(&self) -> Result<PathBuf, Unfit> {
        Ok(Path::new(&self.stage1_root()?).join(JOURNAL))
    }

    /// One of the files of the pod's journal, in the pod.
    pub(super) fn journal(&self, rng: &mut Rng) -> Result<PathBuf, Unfit> {
        let dir = self.journal_dir()?;
        let mut files = Vec::new();
        for machine in self.list(&self.at(&dir))? {
            let dir = dir.join(machine);
            for name in self.list(&self.at(&dir)).unwrap_or_default() {
                files.extend(name.ends_with(".journal").then(|| dir.join(name)));
            }
        }
        choose(files, rng).ok_or_else(|| Unfit("the pod keeps no journal".to_owned()))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, Unfit> {
        if self.root.kind(dir)?.is_none() {
            return Err(missing(dir));
        }
        let names = self.root.list(dir)?.into_iter();
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }
}

/// One of the files of the image store that are named by blob keys, in `cas/imageManifest` or
/// `cas/blob`.
pub(super) fn by_key(root: &Root, dir: &str, rng: &mut Rng) -> Result<PathBuf, Unfit> {
    let dir = Path::new(dir).join("sha512");
    let none = || Unfit(format!("there is nothing in {}", dir.display()));
    let mut files = Vec::new();
    for beginning in root.list(&dir).map_err(|_| none())? {
        let dir = dir.join(beginning);
        for name in root.list(&dir).unwrap_or_default() {
            files.push(dir.join(name));
        }
    }
    choose(files, rng).ok_or_else(none)
}

/// One of several. What there is to choose from must come in a fixed order.
pub(super) fn choose<T>(mut from: Vec<T>, rng: &mut Rng) -> Option<T> {
    if from.is_empty() {
        return None;
    }
    let index = rng.random_range(0..from.len());
    Some(from.swap_remove(index))
}

/// Says that a path is not there.
pub(super) fn missing(path: &Path) -> Unfit {
    Unfit(format!("there is no {}", path.display()))
}

/// Whether a text can be the name of one file.
fn is_name(text: &str) -> bool {
    crate::tree::check_file_name(text).is_ok()
}
