//! How apps are run: the parts of appc's manifests that say which ports, volumes, mounts and
//! limits there are.
//!
//! These types have one form everywhere: the description in code, the description as a file,
//! and the manifests that are written; so their fields stand in the order in which Go writes
//! them. What is run, and from which image, is not here.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a manifest says of an app beside its command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The user, by number, name, or a path whose owner it is.
    pub user: String,
    /// The group, likewise.
    pub group: String,
    /// Where the app is started: an absolute path.
    pub working_directory: Option<String>,
    /// The environment, in order, names and values.
    pub environment: Vec<(String, String)>,
    /// Where volumes can be mounted.
    pub mount_points: Vec<MountPoint>,
    /// The ports that the app listens on.
    pub ports: Vec<Port>,
    /// The limits of the app.
    pub isolators: Vec<Isolator>,
    /// Annotations for users' own purposes.
    pub user_annotations: BTreeMap<String, String>,
    /// Labels for users' own purposes.
    pub user_labels: BTreeMap<String, String>,
}

/// As root, and nothing else.
impl Default for Settings {
    fn default() -> Self {
        Self {
            user: "0".to_owned(),
            group: "0".to_owned(),
            working_directory: None,
            environment: Vec::new(),
            mount_points: Vec::new(),
            ports: Vec::new(),
            isolators: Vec::new(),
            user_annotations: BTreeMap::new(),
            user_labels: BTreeMap::new(),
        }
    }
}

/// A port that an app listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// The port's name, such as `http`.
    pub name: String,
    /// The protocol, `tcp` or `udp`.
    #[serde(default = "tcp")]
    pub protocol: String,
    /// The port's number, of a range the first.
    pub port: u16,
    /// How many ports there are in the range.
    #[serde(default = "one")]
    pub count: u16,
    /// Whether systemd listens and starts the app when somebody connects.
    #[serde(default)]
    pub socket_activated: bool,
}

/// A port of the host that leads to a port of the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExposedPort {
    /// The name of an app's port.
    pub name: String,
    /// The port on the host.
    pub host_port: u16,
    /// The host's address that it is bound to; without it, all of them.
    #[serde(rename = "hostIP", default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// The port in the pod, where no app has one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_port: Option<Port>,
}

/// A volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// The volume's name.
    pub name: String,
    /// What it is.
    pub kind: VolumeKind,
    /// The path on the host, absolute; only of kind `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether it can only be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Whether what is mounted below it on the host is there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
    /// The mode of the directory, octal; only of kind `empty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The user that the directory belongs to; only of kind `empty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The group that the directory belongs to; only of kind `empty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// What a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeKind {
    /// A directory of the pod's own, empty at first.
    Empty,
    /// A file or directory of the host.
    Host,
}

/// Where a volume is mounted in an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The name of one of the pod's volumes.
    pub volume: String,
    /// The path in the app.
    pub path: String,
}

/// A place that an image offers for a volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountPoint {
    /// The name of the volume that is to be mounted there.
    pub name: String,
    /// The path in the app.
    pub path: String,
    /// Whether the app only reads there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// A limit, such as `resource/memory`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Isolator {
    /// The isolator's name.
    pub name: String,
    /// What it is set to; its form depends on the name.
    pub value: serde_json::Value,
}

fn tcp() -> String {
    "tcp".to_owned()
}

fn one() -> u16 {
    1
}
