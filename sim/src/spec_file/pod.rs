//! Pods and their apps, as a spec file describes them.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use uuid::Uuid;

use super::{
    journal::{JournalSpec, LogSpec},
    value::{Brief, Given, InBrief, Pairs, Time},
};
use crate::spec::{ExposedPort, Isolator, Mount, MountPoint, Phase, Port, Volume};

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PodSpec {
    /// The pod's UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The pod's state. Without it, and without a phase, the pod is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The directory that the pod lies in, instead of a state or where a state has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<PhaseName>,
    /// Whether some process holds the lock on the pod, where the state leaves that open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Whether the pod was prepared to the end, so that its manifest is there. Without this:
    /// as usual in the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<bool>,
    /// The apps, in the manifest's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apps: Option<Vec<Brief<AppSpec>>>,
    /// The annotations of the pod manifest. Those that rkt and Kubernetes add come before
    /// them.
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    pub annotations: Pairs,
    /// Whether apps can be added to the pod while it runs; `null` for a manifest that does not
    /// say, as those that users write. Without this, not.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub mutable: Given<bool>,
    /// For a pod that Kubernetes made: how Kubernetes marks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesSpec>,
    /// Whether the pod was prepared for overlayfs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<bool>,
    /// When the pod was prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// When the pod started; `null` for a pod that did not.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub started: Given<Time>,
    /// When the pod exited: with its last app unless this says otherwise. Counts where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exited: Option<Time>,
    /// The container's first process, where stage1 notes that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The parent of the container's first process, where stage1 notes that instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ppid: Option<i32>,
    /// The pod's cgroup, with a leading slash or without; `null` for a pod of which none is
    /// noted.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub cgroup: Given<String>,
    /// The pod's networks, or `"host"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Networks>,
    /// The pod's volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<Volume>>,
    /// The ports of the host that lead into the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<ExposedPort>>,
    /// The limits of the pod as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub isolators: Vec<Isolator>,
    /// Annotations for users' own purposes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user_annotations: BTreeMap<String, String>,
    /// Labels for users' own purposes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user_labels: BTreeMap<String, String>,
    /// How the pod's journal is kept, where its apps have written something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalSpec>,
}

/// The state of a pod, by the API's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has a directory, and nothing in it yet.
    Embryo,
    /// It is being prepared.
    Preparing,
    /// Whoever prepared it has stopped half way.
    AbortedPrepare,
    /// It is ready to run.
    Prepared,
    /// It runs.
    Running,
    /// It has run.
    Exited,
    /// It is being deleted.
    Deleting,
    /// It is marked for removal.
    Garbage,
}

impl State {
    /// The state of a pod that lies in the phase's directory, locked or not.
    pub fn of(phase: Phase, locked: bool) -> Self {
        match (phase, locked) {
            (Phase::Embryo, _) => Self::Embryo,
            (Phase::Prepare, true) => Self::Preparing,
            (Phase::Prepare, false) => Self::AbortedPrepare,
            (Phase::Prepared, _) => Self::Prepared,
            (Phase::Run, true) => Self::Running,
            (Phase::Run, false) => Self::Exited,
            (Phase::ExitedGarbage | Phase::Garbage, true) => Self::Deleting,
            (Phase::ExitedGarbage | Phase::Garbage, false) => Self::Garbage,
        }
    }

    /// The phase that a pod of this state mostly is in, and whether it is locked then.
    pub fn usual(self) -> (Phase, bool) {
        match self {
            Self::Embryo => (Phase::Embryo, true),
            Self::Preparing => (Phase::Prepare, true),
            Self::AbortedPrepare => (Phase::Prepare, false),
            Self::Prepared => (Phase::Prepared, false),
            Self::Running => (Phase::Run, true),
            Self::Exited => (Phase::Run, false),
            Self::Deleting => (Phase::ExitedGarbage, true),
            Self::Garbage => (Phase::ExitedGarbage, false),
        }
    }

    /// The name in the API, without its prefix.
    pub fn api_name(self) -> &'static str {
        match self {
            Self::Embryo => "EMBRYO",
            Self::Preparing => "PREPARING",
            Self::AbortedPrepare => "ABORTED_PREPARE",
            Self::Prepared => "PREPARED",
            Self::Running => "RUNNING",
            Self::Exited => "EXITED",
            Self::Deleting => "DELETING",
            Self::Garbage => "GARBAGE",
        }
    }

    /// All states, in the order of a pod's life.
    pub const ALL: [Self; 8] = [
        Self::Embryo,
        Self::Preparing,
        Self::AbortedPrepare,
        Self::Prepared,
        Self::Running,
        Self::Exited,
        Self::Deleting,
        Self::Garbage,
    ];
}

/// The directory that a pod lies in, below `pods/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// Created.
    Embryo,
    /// Being prepared, or left behind half prepared.
    Prepare,
    /// Ready to run.
    Prepared,
    /// Running, or has run.
    Run,
    /// Has run, and is marked for removal.
    ExitedGarbage,
    /// Has not run, and is marked for removal.
    Garbage,
}

impl From<PhaseName> for Phase {
    fn from(name: PhaseName) -> Self {
        match name {
            PhaseName::Embryo => Self::Embryo,
            PhaseName::Prepare => Self::Prepare,
            PhaseName::Prepared => Self::Prepared,
            PhaseName::Run => Self::Run,
            PhaseName::ExitedGarbage => Self::ExitedGarbage,
            PhaseName::Garbage => Self::Garbage,
        }
    }
}

/// How Kubernetes marks a pod that it made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct KubernetesSpec {
    /// The pod's name in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespace that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod's UID in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// How often it was restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<u32>,
}

/// The networks of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Networks {
    /// `"host"`: the pod shares the host's.
    Host,
    /// A list.
    Own(Vec<Brief<NetworkSpec>>),
}

const HOST: &str = "host";

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Host => HOST.serialize(serializer),
            Self::Own(networks) => networks.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Networks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of networks, or \"host\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Networks, E> {
                match text {
                    HOST => Ok(Networks::Host),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Networks, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Networks::Own)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Networks {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Networks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = generator.subschema_for::<Vec<Brief<NetworkSpec>>>();
        json_schema!({
            "description": "A list of networks, or `host`.",
            "anyOf": [{ "const": HOST }, list],
        })
    }
}

/// A network that a pod is in. In brief: its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// The network's name, such as `default`.
    pub name: String,
    /// The pod's address in it, IPv4 or IPv6; `null` where it has none.
    #[serde(default, skip_serializing_if = "Given::is_unsaid")]
    pub ip: Given<IpAddr>,
}

impl InBrief for NetworkSpec {
    fn in_brief(text: &str) -> Self {
        Self {
            name: text.to_owned(),
            ip: Given::Unsaid,
        }
    }
}

/// An app of a pod. In brief: its image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AppSpec {
    /// The app's name. Without it, the last part of the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The image, `NAME` or `NAME:VERSION`: one that is listed, else one that is made up by
    /// that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The image's id as the pod manifest has it, where that is not the whole: users shorten
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The annotations of the app; those that Kubernetes adds come before them.
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    pub annotations: Pairs,
    /// The status that the app has exited with; `null` while it has not, or where nobody
    /// noted it.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub exit_code: Given<i32>,
    /// When it exited: after its pod started, and before the base time unless this says
    /// otherwise. Counts where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exited: Option<Time>,
    /// The command, where it is not the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// The user, by number, name, or a path whose owner it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The group, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where the app is started: an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// What is added to the image's environment.
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    pub environment: Pairs,
    /// Ports beside the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Places for volumes beside the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mount_points: Vec<MountPoint>,
    /// Where the pod's volumes are mounted in the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<Mount>>,
    /// The limits of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolators: Option<Vec<Isolator>>,
    /// Whether the app cannot write to its own file system.
    #[serde(rename = "readOnlyRootFS", skip_serializing_if = "is_false")]
    pub read_only_root_fs: bool,
    /// Annotations for users' own purposes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user_annotations: BTreeMap<String, String>,
    /// Labels for users' own purposes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user_labels: BTreeMap<String, String>,
    /// What the app has written. Lines without a time come at short intervals after the one
    /// before them, the first after the pod's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<Vec<Brief<LogSpec>>>,
}

impl InBrief for AppSpec {
    fn in_brief(text: &str) -> Self {
        Self {
            image: Some(text.to_owned()),
            ..Self::default()
        }
    }
}

pub(super) fn is_false(value: &bool) -> bool {
    !value
}
