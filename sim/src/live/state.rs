//! What is known of a living host: where its pods are and how far they have come, and which
//! images its store has.
//!
//! It follows from the steps that were played, or is read from a directory that is there
//! already. Which pods are locked no directory says: that is for whoever holds the locks.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use rkt_api::{
    formats::appc::{PodApp, PodManifest},
    layout::{self, Phase},
};
use uuid::Uuid;

use crate::{journal, spec::MUTABLE_ANNOTATION, tree::at};

/// The pods and images of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// The pods, by id.
    pub pods: BTreeMap<Uuid, PodState>,
    /// The images in the store: their names, by id.
    pub images: BTreeMap<String, String>,
}

/// How far a pod has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodState {
    /// The directory that it lies in.
    pub phase: Phase,
    /// Whether the simulator, or a child of its, holds the lock.
    pub locked: bool,
    /// Whether a child of the simulator holds it, which can be killed.
    pub held_by_child: bool,
    /// Whether it was prepared to the end.
    pub written: bool,
    /// Whether it was prepared for overlayfs.
    pub overlay: bool,
    /// Whether apps can be added to it.
    pub mutable: bool,
    /// Whether the player wrote it itself. Only then does it know enough to add an app.
    pub described: bool,
    /// Whether it has started.
    pub started: bool,
    /// Whether there is a journal that its next line goes into.
    pub journal: bool,
    /// Its apps, in the manifest's order; empty until it is written.
    pub apps: Vec<AppState>,
}

/// How far an app has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppState {
    /// Its name.
    pub name: String,
    /// Whether it was started: with its pod, or in a mutable pod on its own.
    pub started: bool,
    /// The status that it has exited with.
    pub exit_code: Option<i32>,
}

impl PodState {
    /// A pod of which nothing is known but where it lies.
    pub fn new(phase: Phase) -> Self {
        Self {
            phase,
            locked: false,
            held_by_child: false,
            written: false,
            overlay: false,
            mutable: false,
            described: false,
            started: false,
            journal: false,
            apps: Vec::new(),
        }
    }

    /// Reads a pod's directory, as it lies in `phase` below the data directory.
    fn read(data_dir: &Path, phase: Phase, id: Uuid) -> io::Result<Self> {
        let dir = data_dir.join(pod_path(phase, id));
        let exists = |name: &str| fs::symlink_metadata(dir.join(name)).is_ok();
        let mut pod = Self {
            overlay: exists(layout::pod::OVERLAY_PREPARED),
            started: exists(layout::pod::PID) || exists(layout::pod::PPID),
            ..Self::new(phase)
        };
        let path = dir.join(layout::pod::MANIFEST);
        let manifest = match fs::read(&path) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(pod),
            Err(error) => return Err(at(&path)(error)),
        };
        // A pod whose manifest is broken is one without apps.
        let Ok(manifest) = PodManifest::parse(&manifest) else {
            return Ok(pod);
        };
        let mut annotations = manifest.annotations.iter();
        pod.written = true;
        pod.mutable = annotations
            .any(|annotation| annotation.name == MUTABLE_ANNOTATION && annotation.value == "true");
        let rootfs = stage1_rootfs(&dir, pod.overlay)?;
        pod.journal = exists(&format!(
            "{}/{}",
            journal_dir(&rootfs, id),
            layout::pod::JOURNAL
        ));
        let status = |app: &str| layout::pod::app_status(&rootfs, app);
        let exit_code = |app: &str| {
            let code = fs::read_to_string(dir.join(status(app))).ok()?;
            code.trim().parse().ok()
        };
        let started = |app: &str| match pod.mutable {
            true => exists(&app_started(&status(app))),
            false => pod.started,
        };
        let app = |app: PodApp| AppState {
            started: started(&app.name),
            exit_code: exit_code(&app.name),
            name: app.name,
        };
        pod.apps = manifest.apps.into_iter().map(app).collect();
        Ok(pod)
    }
}

/// Finds a pod, in the order of a pod's life, and reads its directory. `None` where there is
/// none.
///
/// # Errors
///
/// Those of the system, naming the path.
pub(super) fn find_pod(data_dir: &Path, id: Uuid) -> io::Result<Option<PodState>> {
    let mut phases = Phase::ALL.into_iter();
    let there = phases.find(|phase| data_dir.join(pod_path(*phase, id)).is_dir());
    there
        .map(|phase| PodState::read(data_dir, phase, id))
        .transpose()
}

/// Reads every pod of the data directory.
///
/// # Errors
///
/// Those of the system, naming the path.
pub(super) fn pods(data_dir: &Path) -> io::Result<BTreeMap<Uuid, PodState>> {
    let mut pods = BTreeMap::new();
    for phase in Phase::ALL {
        let dir = data_dir.join(layout::PODS).join(phase.dir_name());
        for entry in fs::read_dir(&dir).map_err(at(&dir))? {
            let entry = entry.map_err(at(&dir))?;
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(pod_id) else {
                continue;
            };
            if entry.file_type().map_err(at(&dir))?.is_dir() && !pods.contains_key(&id) {
                pods.insert(id, PodState::read(data_dir, phase, id)?);
            }
        }
    }
    Ok(pods)
}

/// The path of a pod's directory below the data directory.
pub(super) fn pod_path(phase: Phase, id: Uuid) -> String {
    format!("{}/{phase}/{}", layout::PODS, id.hyphenated())
}

/// The root of stage1's file system, within the pod's directory `dir`.
///
/// # Errors
///
/// With overlayfs, when the id of stage1's tree cannot be read.
pub(super) fn stage1_rootfs(dir: &Path, overlay: bool) -> io::Result<String> {
    if !overlay {
        return Ok(layout::pod::STAGE1_ROOTFS.to_owned());
    }
    let path = dir.join(layout::pod::STAGE1_TREE_STORE_ID);
    let id = fs::read_to_string(&path).map_err(at(&path))?;
    Ok(layout::pod::stage1_overlay_rootfs(id.trim()))
}

/// The directory of the files that a pod's journald writes, for the root of stage1's file
/// system.
pub(super) fn journal_dir(stage1_rootfs: &str, id: Uuid) -> String {
    let dir = layout::pod::journal_dir(stage1_rootfs);
    format!("{dir}/{}", journal::machine_id(id))
}

/// What appears beside an app's status file when the app was added to a mutable pod.
pub(super) fn app_created(status: &str) -> String {
    format!("{status}-created")
}

/// What appears beside an app's status file each time the app starts in a mutable pod.
pub(super) fn app_started(status: &str) -> String {
    format!("{status}-started")
}

/// The UUID that rkt would see in a directory's name: lower case, with dashes.
fn pod_id(name: &str) -> Option<Uuid> {
    let id: Uuid = name.parse().ok()?;
    (id.hyphenated().to_string() == name).then_some(id)
}
