//! Images, as a spec file describes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    pod::is_false,
    value::{Brief, Given, InBrief, Pairs, Time},
};
use crate::spec::{MountPoint, Port};

/// An image in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ImageSpec {
    /// The image's name without version, such as `coreos.com/etcd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The label `version`; `null` for an image without that label.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub version: Given<String>,
    /// The labels. `version`, `os` and `arch` are put before them where they are not among
    /// them.
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    pub labels: Pairs,
    /// The annotations; those of Docker come after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Pairs>,
    /// For an image that was converted from one of Docker's: what the converter noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<DockerSpec>,
    /// The command; an empty list for an image without app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// The environment of the image's app.
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    pub environment: Pairs,
    /// The ports that the image's app listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<Port>>,
    /// The places that the image offers for volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_points: Option<Vec<MountPoint>>,
    /// The images that this one builds on. Each is listed before this one, or nowhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Brief<DependencySpec>>,
    /// When it was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<Time>,
    /// Whether it was imported without asking for a version. Without this: whether it has no
    /// version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<bool>,
    /// The size that the store's index has, in bytes; `null` for the blob's own.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub size_bytes: Given<u64>,
    /// The size of one more file in the image, in bytes: zeros, which take no room on disk. An
    /// image is tiny without it, whatever its size in the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_bytes: Option<u64>,
    /// The size of the rendered image that the store's index has, in bytes; 0 while it is not
    /// rendered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree_store_size_bytes: Option<u64>,
    /// Where the store has fetched the image from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remotes: Option<Vec<RemoteSpec>>,
    /// Whether the store no longer holds it: pods made from it remain.
    #[serde(skip_serializing_if = "is_false")]
    pub removed: bool,
}

/// What the converter notes of an image of Docker's, as annotations under `appc.io/docker/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DockerSpec {
    /// The registry, such as `registry-1.docker.io`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_url: Option<String>,
    /// The repository, such as `library/redis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Docker's id of the image. It begins with `sha256:` where the image came in the second
    /// format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Docker's id of the image that it builds on; `null` for none.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub parent_image_id: Given<String>,
    /// The hash of Docker's manifest; `null` for none.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub manifest_hash: Given<String>,
    /// The name that the user gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_name: Option<String>,
    /// Docker's entry point; `null` for none.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub entrypoint: Given<Vec<String>>,
    /// Docker's command; `null` for none.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub cmd: Given<Vec<String>>,
}

/// An image that another one builds on. In brief: its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DependencySpec {
    /// The image, `NAME` or `NAME:VERSION`.
    pub image: String,
    /// Whether it is asked for by its id too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_id: bool,
    /// The size that is asked for, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

impl InBrief for DependencySpec {
    fn in_brief(text: &str) -> Self {
        Self {
            image: text.to_owned(),
            ..Self::default()
        }
    }
}

/// A place that the store has fetched an image from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RemoteSpec {
    /// The image's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aci_url: Option<String>,
    /// The address of its signature; `null` for none.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub sig_url: Given<String>,
    /// The ETag that the server sent; `null` for none.
    #[serde(skip_serializing_if = "Given::is_unsaid")]
    pub etag: Given<String>,
    /// How long the server lets the image be used without asking again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_max_age_s: Option<u32>,
    /// When it was fetched. Without this, when the image was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloaded: Option<Time>,
}
