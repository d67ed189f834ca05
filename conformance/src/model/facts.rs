//! What the model knows of a pod and of an image: what lies on disk of them, as far as the API
//! shows it. How that comes from a description is here; what steps make of it is
//! `steps`', and what calls answer is said beside the clauses.

use std::{io, ops::RangeInclusive};

use bytes::Bytes;
use rkt_api::api::{ImageFormat, ImageType, KeyValue};
use rkt_sim::{
    JournalLine,
    spec::{self, Network, Phase, Process},
};
use uuid::Uuid;

use crate::manifest::Manifest;

/// A moment that lies in this range, both ends included, nanoseconds since the epoch.
pub type Moment = RangeInclusive<i64>;

/// A pod. What its phase does not show may be here all the same: that is for the clauses.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its id.
    pub id: Uuid,
    /// The directory that it lies in.
    pub phase: Phase,
    /// Whether some process holds its lock.
    pub locked: bool,
    /// The pod manifest; `None` where it is missing or none.
    pub manifest: Option<PodManifest>,
    /// The modification time of `pod-created`, else of `pod`; `None` without either.
    pub created_at_ns: Option<Moment>,
    /// What `pid` or else `ppid` holds; `None` without a number in either.
    pub pid: Option<i32>,
    /// The modification time of `pid`, else of `ppid`; `None` without either.
    pub started_at_ns: Option<Moment>,
    /// When it came to `exited-garbage/` or `garbage/`.
    pub marked_at_ns: Option<Moment>,
    /// The content of `subcgroup`. Without it the model takes it that no process can be found
    /// whose cgroup would be the pod's.
    pub subcgroup: Option<String>,
    /// The networks in `net-info.json`; `None` where it is missing or broken.
    pub networks: Option<Vec<Network>>,
    /// The pod's journal; `None` where there is no `var/log/journal`.
    pub journal: Option<Vec<JournalLine>>,
    /// Whether its collection has been told as an event, or came before the server's start.
    pub(super) is_collected: bool,
    /// The description that the pod was written from, which more apps may come to.
    pub(super) spec: spec::Pod,
}

/// A pod manifest, and what else is kept of its apps.
#[derive(Clone, Debug)]
pub struct PodManifest {
    /// The bytes of the file.
    pub json: Bytes,
    /// The annotations, in order.
    pub annotations: Vec<KeyValue>,
    /// The apps, in order.
    pub apps: Vec<App>,
}

/// An app of a pod.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Its image's id, as the pod manifest has it.
    pub image_id: String,
    /// Its annotations in the pod manifest, in order.
    pub annotations: Vec<KeyValue>,
    /// What the manifest of its image says; `None` where that cannot be read.
    pub image: Option<AppImage>,
    /// The number in its status file, 0 where there is none in it; `None` without the file.
    pub exit_code: Option<i32>,
    /// Whether it has been started: with its pod, or in a mutable pod on its own.
    pub(super) is_started: bool,
}

/// The image of an app, as `appsinfo/<app>/manifest` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppImage {
    /// Its name.
    pub name: String,
    /// Its version (IM-1).
    pub version: String,
    /// The format that it had before it was imported.
    pub format: BaseFormat,
}

/// An image in the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its blob key.
    pub id: String,
    /// Its name in the index.
    pub row_name: String,
    /// Its manifest; `None` where that is missing or broken.
    pub manifest: Option<ImageManifest>,
    /// When it was imported, seconds since the epoch.
    pub imported_at_s: RangeInclusive<i64>,
    /// Its size and that of its rendered tree, in the index.
    pub size_bytes: i64,
}

/// An image manifest.
#[derive(Clone, Debug)]
pub struct ImageManifest {
    /// The bytes of the file.
    pub json: Bytes,
    /// The name of the image.
    pub name: String,
    /// The version (IM-1).
    pub version: String,
    /// The labels, in order.
    pub labels: Vec<KeyValue>,
    /// The annotations, in order.
    pub annotations: Vec<KeyValue>,
    /// The format that the image had before it was imported.
    pub format: BaseFormat,
}

/// The format that an image had before it was imported (IM-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFormat {
    /// An App Container Image from the start.
    Appc,
    /// A Docker image of this version.
    Docker(&'static str),
}

impl BaseFormat {
    /// IM-4: Docker's annotations, and the id among them, tell.
    fn of(annotations: &[(String, String)]) -> Self {
        let (mut is_docker, mut is_second) = (false, false);
        for (name, value) in annotations {
            is_docker |= name.starts_with("appc.io/docker/");
            is_second |= name == "appc.io/docker/imageid" && value.starts_with("sha256:");
        }
        match (is_docker, is_second) {
            (false, _) => Self::Appc,
            (true, false) => Self::Docker("1"),
            (true, true) => Self::Docker("2"),
        }
    }

    /// As messages have it, where `appc_version` is the server's.
    pub(super) fn message(self, appc_version: &str) -> ImageFormat {
        let (kind, version) = match self {
            Self::Appc => (ImageType::Appc, appc_version),
            Self::Docker(version) => (ImageType::Docker, version),
        };
        ImageFormat {
            r#type: kind.into(),
            version: version.to_owned(),
        }
    }
}

impl Pod {
    /// A pod of which nothing is there but its directory.
    pub(super) fn new(id: Uuid, phase: Phase) -> Self {
        Self {
            id,
            phase,
            locked: false,
            manifest: None,
            created_at_ns: None,
            pid: None,
            started_at_ns: None,
            marked_at_ns: None,
            subcgroup: None,
            networks: None,
            journal: None,
            is_collected: false,
            spec: spec::Pod::new(id, phase),
        }
    }

    /// The pod as described, on a host that was written in the range `written`.
    pub(super) fn described(spec: &spec::Pod, written: &Moment) -> io::Result<Self> {
        let mut pod = Self {
            locked: spec.locked,
            spec: spec.clone(),
            ..Self::new(spec.id, spec.phase)
        };
        if matches!(spec.phase, Phase::ExitedGarbage | Phase::Garbage) {
            pod.marked_at_ns = Some(written.clone());
            pod.is_collected = true;
        }
        if spec.is_prepared() {
            pod.write_manifest(spec.clone())?;
            pod.created_at_ns = Some(spec.created_at_ns..=spec.created_at_ns);
        }
        if spec.has_run() {
            pod.pid = spec.started.map(|started| match started.process {
                Process::Pid(pid) | Process::Ppid(pid) => pid,
            });
            pod.started_at_ns = spec.started.map(|started| started.at_ns..=started.at_ns);
            pod.subcgroup = spec.subcgroup.clone();
            pod.networks = spec.networks.clone();
            let lines = spec.journal_lines();
            pod.journal = (!lines.is_empty()).then_some(lines);
            let apps = pod.manifest.iter_mut().flat_map(|m| &mut m.apps);
            for (app, described) in apps.zip(&spec.apps) {
                app.exit_code = described.exit_code;
                app.is_started = spec.started.is_some();
            }
        }
        Ok(pod)
    }

    /// Writes the pod manifest of `spec`, and what is kept of its apps' images. Apps that were
    /// there already stay as far as they have come.
    pub(super) fn write_manifest(&mut self, spec: spec::Pod) -> io::Result<()> {
        let json = Bytes::from(spec.manifest_json()?);
        let manifest = Manifest::parse(&json).map_err(io::Error::other)?;
        let apps = manifest.apps().into_iter().zip(&spec.apps);
        let apps = apps.map(|(read, described)| {
            let before = self.app(&read.name);
            App {
                exit_code: before.and_then(|app| app.exit_code),
                is_started: before.is_some_and(|app| app.is_started),
                name: read.name,
                image_id: read.image_id,
                annotations: read.annotations,
                image: Some(AppImage {
                    name: described.image.name.clone(),
                    version: version(&described.image),
                    format: BaseFormat::of(&described.image.annotations),
                }),
            }
        });
        self.manifest = Some(PodManifest {
            apps: apps.collect(),
            annotations: manifest.annotations(),
            json,
        });
        self.spec = spec;
        Ok(())
    }

    /// The app of that name, if the manifest has it.
    pub fn app(&self, name: &str) -> Option<&App> {
        self.apps().iter().find(|app| app.name == name)
    }

    /// The app of that name, to be changed.
    pub fn app_mut(&mut self, name: &str) -> Option<&mut App> {
        let manifest = self.manifest.as_mut()?;
        manifest.apps.iter_mut().find(|app| app.name == name)
    }

    /// The apps of the manifest; none where there is no manifest.
    pub fn apps(&self) -> &[App] {
        let manifest = self.manifest.as_ref();
        manifest.map_or(&[], |manifest| &manifest.apps)
    }
}

impl Image {
    /// The image as described, imported within `imported_at_s`.
    pub(super) fn described(
        spec: &spec::Image,
        imported_at_s: RangeInclusive<i64>,
    ) -> io::Result<Self> {
        let json = Bytes::from(spec.manifest_json()?);
        let manifest = Manifest::parse(&json).map_err(io::Error::other)?;
        let size_bytes = spec.index_size_bytes()?;
        Ok(Self {
            id: spec.blob_key()?,
            row_name: spec.name.clone(),
            manifest: Some(ImageManifest {
                json,
                name: manifest.name(),
                version: version(spec),
                labels: manifest.labels(),
                annotations: manifest.annotations(),
                format: BaseFormat::of(&spec.annotations),
            }),
            imported_at_s,
            size_bytes: size_bytes.saturating_add(spec.tree_store_size_bytes),
        })
    }
}

/// IM-1: the label `version`, else `latest`.
fn version(image: &spec::Image) -> String {
    let mut labels = image.labels.iter();
    let version = labels.find(|(name, _)| name == "version");
    version.map_or_else(|| "latest".to_owned(), |(_, value)| value.clone())
}
