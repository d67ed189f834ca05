//! What steps say of pods: how they are prepared, started and ended.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ImageName, is_false};
use crate::spec;

/// What a pod is prepared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The pod, locked and in `prepare`.
    pub pod: Uuid,
    /// The apps, in the manifest's order; their names differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apps: Vec<App>,
    /// Whether the pod is prepared for overlayfs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overlay: bool,
    /// Whether apps can be added to it while it runs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mutable: bool,
    /// Annotations of the pod manifest, besides the one that rkt adds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Write {
    /// The pod as a description has it, locked in `prepare`. `image` describes the images of
    /// the apps.
    pub fn to_spec(&self, image: impl Fn(&ImageName) -> spec::Image) -> spec::Pod {
        let annotations = self.annotations.clone().into_iter();
        let mutable = (
            spec::MUTABLE_ANNOTATION.to_owned(),
            self.mutable.to_string(),
        );
        let apps = self.apps.iter();
        spec::Pod {
            locked: true,
            apps: apps.map(|app| app.to_spec(image(&app.image))).collect(),
            annotations: annotations.chain([mutable]).collect(),
            overlay: self.overlay,
            manifest: Some(true),
            ..spec::Pod::new(self.pod, spec::Phase::Prepare)
        }
    }

    /// A pod without apps, not for overlayfs, not mutable.
    pub fn new(pod: Uuid) -> Self {
        Self {
            pod,
            apps: Vec::new(),
            overlay: false,
            mutable: false,
            annotations: BTreeMap::new(),
        }
    }
}

/// An app to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its name: an appc AC name, and a file name in many places.
    pub name: String,
    /// The image that it is made from. It need not be in the store: then it is made up from
    /// its name and version.
    pub image: ImageName,
    /// The app's annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl App {
    /// The app as a description has it, made from `image`.
    pub fn to_spec(&self, image: spec::Image) -> spec::App {
        spec::App {
            annotations: self.annotations.clone().into_iter().collect(),
            ..spec::App::new(&self.name, image)
        }
    }

    /// An app without annotations.
    pub fn new(name: impl Into<String>, image: ImageName) -> Self {
        Self {
            name: name.into(),
            image,
            annotations: BTreeMap::new(),
        }
    }
}

/// What stage1 notes when a pod starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The pod, in `run`, locked and not started yet.
    pub pod: Uuid,
    /// The pod's networks; absent with host networking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<Network>>,
    /// The pod's cgroup.
    #[serde(default)]
    pub subcgroup: Subcgroup,
    /// The process noted; absent for the one that holds the lock, as `pid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

impl Start {
    /// With host networking, in systemd's slice of machines, run by the lock's holder.
    pub fn new(pod: Uuid) -> Self {
        Self {
            pod,
            networks: None,
            subcgroup: Subcgroup::default(),
            process: None,
        }
    }
}

/// A network that a pod is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name, such as `default`.
    pub name: String,
    /// The pod's address in it, of either family; absent where none was assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
}

impl Network {
    /// The network as a description has it.
    pub fn to_spec(&self) -> spec::Network {
        spec::Network {
            name: self.name.clone(),
            ip: self.ip,
        }
    }
}

/// What the file `subcgroup` says: `"machine"`, `"absent"` or `{"path": "…"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subcgroup {
    /// The scope that systemd gives to a pod of `rkt run`.
    #[default]
    Machine,
    /// There is no such file: stage1 is fly.
    Absent,
    /// This path, without a leading slash.
    Path(String),
}

impl Subcgroup {
    /// The cgroup of this pod, without a leading slash; `None` where there is no such file.
    pub fn path(&self, pod: Uuid) -> Option<String> {
        match self {
            // The backslashes are literal.
            Self::Machine => {
                let id = pod.hyphenated().to_string().replace('-', r"\x2d");
                Some(format!(r"machine.slice/machine-rkt\x2d{id}.scope"))
            }
            Self::Path(path) => Some(path.clone()),
            Self::Absent => None,
        }
    }
}

/// The process that stage1 notes: `{"pid": 4021}` or `{"ppid": 4020}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// The container's first process.
    Pid(i32),
    /// The parent of the container's first process.
    Ppid(i32),
}

/// Which process holds a running pod's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// The simulator itself.
    #[default]
    Simulator,
    /// A process of the pod's own that has inherited the lock, as with rkt; it can be killed.
    Child,
}

/// How a running pod's lock is let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The holder closes the directory: the simulator does, or the child ends by itself.
    #[default]
    Close,
    /// The child that holds it is killed.
    Kill,
}
