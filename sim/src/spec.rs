//! The description of a host: plain values that say what is on it, in the field's own words.
//!
//! Nothing here touches a disk or knows a file name. Times are counted from the Unix epoch, in
//! the unit that ends the field's name.

mod logs;
mod settings;

use std::{collections::BTreeMap, net::IpAddr};

pub use logs::{Compression, Journal, LogEntry, LogLine, Revision, Torn};
pub use rkt_api::layout::Phase;
pub use settings::{ExposedPort, Isolator, Mount, MountPoint, Port, Settings, Volume, VolumeKind};
use uuid::Uuid;

use crate::faults::Kind;

/// When simulated hosts were set up, and the time of everything that has none of its own:
/// 2018-04-16, the day of rkt 1.30.0.
pub const SET_UP_AT_S: i64 = 1_523_836_800;

/// A host: its pods and the images in its store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSpec {
    /// The pods, in any order.
    pub pods: Vec<Pod>,
    /// The images in the store, in the order in which they were imported. The store need not
    /// hold the images of the pods' apps: rkt removes images that a pod was made from.
    pub images: Vec<Image>,
    /// What is broken on the host once all this is written, in the order in which it breaks.
    pub faults: Vec<Fault>,
}

/// Something that is broken on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it is.
    pub kind: Kind,
    /// The pod that it befalls, for a fault of pods; `None` leaves the choice to the fault.
    pub pod: Option<Uuid>,
    /// What decides where there is something to choose.
    pub seed: u64,
}

/// A pod, together with how far it has come.
///
/// The phase decides what is on disk: what a pod gets only later is left out. So one
/// description serves for every phase of a pod's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The pod's UUID.
    pub id: Uuid,
    /// The directory that the pod lies in.
    pub phase: Phase,
    /// Whether some process holds the exclusive lock on the pod's directory. With the phase it
    /// makes the pod's state.
    pub locked: bool,
    /// Whether the pod was prepared to the end, so that its manifest is there. `None`: as
    /// usual in the phase, that is no in `embryo` and `prepare`, yes in the others.
    pub manifest: Option<bool>,
    /// The apps, in the manifest's order. Their names differ.
    pub apps: Vec<App>,
    /// The annotations of the pod manifest, in order, names and values.
    pub annotations: Vec<(String, String)>,
    /// Whether the pod was prepared for overlayfs.
    pub overlay: bool,
    /// When the pod was prepared.
    pub created_at_ns: i64,
    /// When and as what the pod started. Counts from `run` on.
    pub started: Option<Started>,
    /// When the pod's last process ended, and with it its journal; `None` for the moment of
    /// the last log line. Counts from `run` on, unless the pod is locked.
    pub exited_at_ns: Option<i64>,
    /// The pod's cgroup as stage1 notes it, without leading slash. Counts from `run` on.
    pub subcgroup: Option<String>,
    /// The pod's networks, in order; `None` with host networking. Counts from `run` on.
    pub networks: Option<Vec<Network>>,
    /// The pod's volumes, in order. Their names differ.
    pub volumes: Vec<Volume>,
    /// The ports of the host that lead into the pod, in order.
    pub ports: Vec<ExposedPort>,
    /// The limits of the pod as a whole, in order.
    pub isolators: Vec<Isolator>,
    /// Annotations for users' own purposes; the API does not show them.
    pub user_annotations: BTreeMap<String, String>,
    /// Labels for users' own purposes; the API does not show them.
    pub user_labels: BTreeMap<String, String>,
    /// How the pod's journal is kept.
    pub journal: Journal,
}

/// The annotation that rkt puts into every pod manifest it makes itself.
pub const MUTABLE_ANNOTATION: &str = "coreos.com/rkt/stage1/mutable";

impl Pod {
    /// A pod without apps in the phase, unlocked, not started, with the annotation that rkt
    /// puts into every manifest it makes itself.
    pub fn new(id: Uuid, phase: Phase) -> Self {
        Self {
            id,
            phase,
            locked: false,
            manifest: None,
            apps: Vec::new(),
            annotations: vec![(MUTABLE_ANNOTATION.to_owned(), "false".to_owned())],
            overlay: false,
            created_at_ns: SET_UP_AT_S * 1_000_000_000,
            started: None,
            exited_at_ns: None,
            subcgroup: None,
            networks: None,
            volumes: Vec::new(),
            ports: Vec::new(),
            isolators: Vec::new(),
            user_annotations: BTreeMap::new(),
            user_labels: BTreeMap::new(),
            journal: Journal::default(),
        }
    }

    /// Whether the pod was prepared to the end: as it says, or as is usual in its phase.
    pub fn is_prepared(&self) -> bool {
        let usual = !matches!(self.phase, Phase::Embryo | Phase::Prepare);
        self.manifest.unwrap_or(usual)
    }

    /// Whether the pod lies where pods come to that run: what they get only then counts.
    pub fn has_run(&self) -> bool {
        matches!(self.phase, Phase::Run | Phase::ExitedGarbage)
    }

    /// Whether apps can be added to the pod and taken from it while it runs. Its annotations
    /// say so.
    pub fn is_mutable(&self) -> bool {
        let mut annotations = self.annotations.iter();
        annotations.any(|(name, value)| name == MUTABLE_ANNOTATION && value == "true")
    }
}

/// An app of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The app's name: an appc AC name, and a file name in many places.
    pub name: String,
    /// The image that the app was made from.
    pub image: Image,
    /// The image's id as the pod manifest has it, where that is not the blob key: users
    /// shorten it when they write the manifest themselves.
    pub image_id: Option<String>,
    /// The annotations of the app, in order, names and values.
    pub annotations: Vec<(String, String)>,
    /// The status that the app has exited with; `None` while it has not. Counts from `run` on.
    pub exit_code: Option<i32>,
    /// When it exited; `None` for the moment when the pod started. Counts with an exit status.
    pub exited_at_ns: Option<i64>,
    /// The app's command, where it is not the image's.
    pub exec: Option<Vec<String>>,
    /// How the app is run, where that is not as the image says.
    pub settings: Option<Settings>,
    /// Where the pod's volumes are mounted in the app.
    pub mounts: Vec<Mount>,
    /// Whether the app cannot write to its own file system.
    pub read_only_root_fs: bool,
    /// What the app has written, in order. What is older than something before it was written
    /// right after that all the same: the clock was set back. Counts from `run` on.
    pub logs: Vec<LogLine>,
    /// What has come into the journal between its lines and is no line of text.
    pub entries: Vec<LogEntry>,
}

impl App {
    /// An app that has not exited, without annotations.
    pub fn new(name: impl Into<String>, image: Image) -> Self {
        Self {
            name: name.into(),
            image,
            image_id: None,
            annotations: Vec::new(),
            exit_code: None,
            exited_at_ns: None,
            exec: None,
            settings: None,
            mounts: Vec::new(),
            read_only_root_fs: false,
            logs: Vec::new(),
            entries: Vec::new(),
        }
    }
}

/// The start of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The process that stage1 noted.
    pub process: Process,
    /// When the pod started.
    pub at_ns: i64,
}

/// The process that stage1 notes when a pod starts. Which one depends on stage1's flavour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// The container's first process.
    Pid(i32),
    /// The parent of the container's first process.
    Ppid(i32),
}

/// A network that a pod is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The network's name, such as `default`.
    pub name: String,
    /// The pod's address in it; `None` where none was assigned.
    pub ip: Option<IpAddr>,
}

impl Network {
    /// A network with an address.
    pub fn new(name: impl Into<String>, ip: impl Into<IpAddr>) -> Self {
        Self {
            name: name.into(),
            ip: Some(ip.into()),
        }
    }
}

/// An image. Its id, the blob key, follows from these values: see [`Image::blob_key`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// The image's name without version, such as `coreos.com/etcd`.
    pub name: String,
    /// The labels of the image manifest, in order, names and values; the version is one.
    pub labels: Vec<(String, String)>,
    /// The annotations of the image manifest, in order, names and values.
    pub annotations: Vec<(String, String)>,
    /// The command of the image's app; empty for an image without app.
    pub exec: Vec<String>,
    /// When the image was imported.
    pub imported_at_s: i64,
    /// Whether it was imported without asking for a version.
    pub latest: bool,
    /// The size that the index has; `None` for the actual size of the blob.
    pub size_bytes: Option<i64>,
    /// The size of the rendered image in the tree store that the index has; 0 while it is not
    /// rendered.
    pub tree_store_size_bytes: i64,
    /// How the image's app is run unless a pod says otherwise. Counts with a command only.
    pub settings: Settings,
    /// The images that this one builds on, in the manifest's order.
    pub dependencies: Vec<Dependency>,
    /// Where the store has fetched the image from.
    pub remotes: Vec<Remote>,
    /// The size of one more file in the image, which is nothing but zeros and takes no room on
    /// disk; 0 for none.
    pub content_bytes: u64,
}

/// An image that another one builds on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// The image that was found for it when the other one was rendered.
    pub image: Image,
    /// Whether the manifest asks for it by its id too, not by name and labels alone.
    pub by_id: bool,
    /// The size that the manifest asks for.
    pub size_bytes: Option<u64>,
}

/// A place on the network that an image was fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remote {
    /// The image's address.
    pub aci_url: String,
    /// The address of its signature; empty where it has none.
    pub sig_url: String,
    /// What the server called this version of the image; empty where it did not.
    pub etag: String,
    /// How long the server lets the image be used without asking again.
    pub cache_max_age_s: i64,
    /// When it was fetched.
    pub downloaded_at_s: i64,
}

impl Image {
    /// An image for `linux` on `amd64` with one command.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let name = name.into();
        let base_name = name.rsplit('/').next().unwrap_or_default();
        let exec = vec![format!("/usr/bin/{base_name}")];
        let labels = [
            ("version", version.into()),
            ("os", "linux".to_owned()),
            ("arch", "amd64".to_owned()),
        ];
        Self {
            name,
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
            annotations: Vec::new(),
            exec,
            imported_at_s: SET_UP_AT_S,
            latest: false,
            size_bytes: None,
            tree_store_size_bytes: 0,
            settings: Settings::default(),
            dependencies: Vec::new(),
            remotes: Vec::new(),
            content_bytes: 0,
        }
    }

    /// The stage1 image that simulated pods are prepared with: the flavour with systemd.
    pub fn stage1() -> Self {
        let annotations = [
            ("run", "/init"),
            ("enter", "/enter"),
            ("gc", "/gc"),
            ("stop", "/stop"),
            ("interface-version", "5"),
        ];
        let name = |name| format!("coreos.com/rkt/stage1/{name}");
        Self {
            annotations: annotations.map(|(n, v)| (name(n), v.to_owned())).into(),
            exec: Vec::new(),
            ..Self::new("coreos.com/rkt/stage1-coreos", "1.30.0")
        }
    }
}
