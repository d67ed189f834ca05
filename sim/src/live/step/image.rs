//! What steps say of images: how they come into the store, and what they are called.

use std::{collections::BTreeMap, convert::Infallible, fmt, str::FromStr};

use rkt_api::layout::store;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::spec;

/// How a transaction writes the image index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transaction {
    /// In place by way of the write-ahead log, as rkt's engine does it.
    #[default]
    Log,
    /// The whole file anew, renamed over the old one.
    Rewrite,
}

/// An image to be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Its name and version.
    pub image: ImageName,
    /// Whether it is imported without asking for a version.
    #[serde(default, skip_serializing_if = "is_false")]
    pub latest: bool,
    /// The size that the index has; absent for the actual size of the blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// The size of the rendered image that the index has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tree_store_size_bytes: i64,
    /// The annotations of the image manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Where it is downloaded from; absent for an image from a local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// How the index is written.
    #[serde(default)]
    pub via: Transaction,
}

impl Import {
    /// A local image without annotations, whose size is that of its blob.
    pub fn new(image: ImageName) -> Self {
        Self {
            image,
            latest: false,
            size_bytes: None,
            tree_store_size_bytes: 0,
            annotations: BTreeMap::new(),
            remote: None,
            via: Transaction::default(),
        }
    }

    /// The image as a description has it, imported at that second since the epoch.
    pub fn to_spec(&self, imported_at_s: i64) -> spec::Image {
        let annotations = self.annotations.clone();
        spec::Image {
            annotations: annotations.into_iter().collect(),
            imported_at_s,
            latest: self.latest,
            size_bytes: self.size_bytes,
            tree_store_size_bytes: self.tree_store_size_bytes,
            ..self.image.to_spec()
        }
    }
}

/// Where an image was downloaded from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// The URL of the image.
    pub url: String,
    /// The ETag that the server gave.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub etag: String,
}

/// An image by name and version; in JSON `NAME:VERSION`, or `NAME` where it has no version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ImageName {
    /// The name, such as `coreos.com/etcd`.
    pub name: String,
    /// The value of the label `version`.
    pub version: Option<String>,
}

impl ImageName {
    /// An image with a version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: Some(version.into()),
        }
    }

    /// What a description makes of the name alone.
    pub fn to_spec(&self) -> spec::Image {
        match &self.version {
            Some(version) => spec::Image::new(&self.name, version),
            None => {
                let mut image = spec::Image::new(&self.name, "");
                image.labels.retain(|(name, _)| name != "version");
                image
            }
        }
    }
}

impl From<String> for ImageName {
    fn from(text: String) -> Self {
        match text.rsplit_once(':') {
            Some((name, version)) => Self::new(name, version),
            None => Self {
                name: text,
                version: None,
            },
        }
    }
}

impl From<ImageName> for String {
    fn from(image: ImageName) -> Self {
        image.to_string()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.version {
            Some(version) => write!(f, ":{version}"),
            None => Ok(()),
        }
    }
}

/// An image in the store: its id, or its name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ImageRef {
    /// The id: `sha512-` and 64 hexadecimal digits.
    Id(String),
    /// Name and version.
    Name(ImageName),
}

impl From<String> for ImageRef {
    fn from(text: String) -> Self {
        if text.starts_with(store::KEY_PREFIX) {
            Self::Id(text)
        } else {
            Self::Name(text.into())
        }
    }
}

impl FromStr for ImageRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Name(name) => name.fmt(f),
        }
    }
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}
