//! The description of a host as users write it: a JSON file, of which every part can be left
//! out.
//!
//! Here is the file's form: the types that it is read into, its schema, and where in the text
//! a mistake is. What is left out is made up in [`crate::generate`], which turns the file into
//! the [`HostSpec`](crate::spec::HostSpec) that is written to disk.
//!
//! Three things hold for the whole file. Keys are strict: an unknown one is an error. In fields
//! whose description speaks of `null`, it says that there is none, which differs from saying
//! nothing ([`Given`]); elsewhere the two are the same. Strings that name images are `NAME` or
//! `NAME:VERSION`.

mod error;
mod image;
mod journal;
mod octets;
mod pod;
mod value;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use error::{Error, Path};
pub use image::{DependencySpec, DockerSpec, ImageSpec, RemoteSpec};
pub use journal::{CompressionName, JournalSpec, LogSpec, TornName};
pub use octets::{Fields, Octets};
pub use pod::{AppSpec, KubernetesSpec, NetworkSpec, Networks, PhaseName, PodSpec, State};
pub use value::{Brief, Given, InBrief, Pairs, Time};

/// A host of the rkt container runtime: its pods and the images in its store.
///
/// Everything that is not said is made up from the seed, believably and always the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SpecFile {
    /// Where the schema of this file is, for editors.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What everything that is not said is made up from. Hosts with other seeds are other
    /// hosts.
    #[serde(skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// The time that relative times count from: RFC 3339. Without it,
    /// 2018-06-01T12:00:00Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_time: Option<Time>,
    /// The images in the store. Without this, and without a number of generated ones: the
    /// images of the pods' apps, and stage1's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<ImageSpec>>,
    /// The pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodSpec>,
    /// How many pods and images there are beside those that are listed.
    #[serde(skip_serializing_if = "GenerateSpec::is_default")]
    pub generate: GenerateSpec,
    /// What is broken on the host, by the names that `rkt-sim faults` lists, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Brief<FaultSpec>>,
}

/// Pods and images in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GenerateSpec {
    /// How many pods to make up beside those that are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000))]
    pub pods: Option<u32>,
    /// How many images to make up beside those that are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000))]
    pub images: Option<u32>,
    /// Whose pods they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// How many log lines every app has that has run and of which none are listed. Without
    /// this, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000))]
    pub log_lines: Option<u32>,
}

impl GenerateSpec {
    /// The most pods, images, or log lines of an app that are made up.
    pub const MAX: u32 = 100_000;

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whose pods a host runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// Pods of people and of Kubernetes, in every state.
    #[default]
    Mixed,
    /// Kubernetes' pods: most of them running, the rest exited.
    Kubernetes,
    /// Short jobs, most of them done.
    Jobs,
}

/// Something that is broken. In brief: the name of the fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// The name of the fault.
    pub kind: String,
    /// The pod that it befalls, for a fault of pods: its UUID. Without this, the fault
    /// chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Uuid>,
}

impl InBrief for FaultSpec {
    fn in_brief(text: &str) -> Self {
        Self {
            kind: text.to_owned(),
            pod: None,
        }
    }
}

impl SpecFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// Where the text is no JSON, or not of this form.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let file = serde_path_to_error::deserialize(&mut json).map_err(Error::form)?;
        json.end().map_err(Error::syntax)?;
        Ok(file)
    }

    /// The file's JSON Schema, as it is published.
    ///
    /// # Errors
    ///
    /// Never in practice: a schema is plain JSON.
    pub fn json_schema() -> serde_json::Result<String> {
        let schema = schemars::schema_for!(Self);
        Ok(serde_json::to_string_pretty(&schema)? + "\n")
    }
}

fn is_zero(seed: &u64) -> bool {
    *seed == 0
}
