//! The image manifest.

use super::{Error, NameValue, check_kind, decode, go_json};

/// An image manifest, as far as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageManifest {
    /// The image's name, never empty, such as `coreos.com/etcd`.
    pub name: String,
    /// The labels, in order, repeated names kept.
    pub labels: Vec<NameValue>,
    /// The annotations, in order, repeated names kept.
    pub annotations: Vec<NameValue>,
}

/// The format that an image had before rkt imported it (IM-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BaseFormat {
    /// An App Container Image from the start.
    #[default]
    Appc,
    /// A Docker image of manifest schema 1, whose layers have ids of their own.
    DockerV1,
    /// A Docker image of manifest schema 2, whose image id is a SHA-256.
    DockerV2,
}

impl ImageManifest {
    /// The `acKind` of an image manifest.
    pub const KIND: &str = "ImageManifest";

    /// What the version of an image without a version label reads.
    pub const DEFAULT_VERSION: &str = "latest";

    /// Reads an image manifest.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] when `bytes` is no JSON object, or has a value of the wrong type in a
    /// field that is read; [`Error::Kind`] when it is another kind of manifest;
    /// [`Error::NoName`] when it names no image.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let raw: RawImage = decode(bytes)?;
        check_kind(raw.kind, Self::KIND)?;
        if raw.name.is_empty() {
            return Err(Error::NoName);
        }
        Ok(Self {
            name: raw.name,
            labels: raw.labels,
            annotations: raw.annotations,
        })
    }

    /// The image's version: its first label `version`, else [`Self::DEFAULT_VERSION`].
    pub fn version(&self) -> &str {
        let label = self.labels.iter().find(|label| label.name == "version");
        label.map_or(Self::DEFAULT_VERSION, |label| &label.value)
    }

    /// The format that the image had before rkt imported it, told from the annotations that
    /// the converter (docker2aci) leaves.
    pub fn base_format(&self) -> BaseFormat {
        const DOCKER: &str = "appc.io/docker/";
        const IMAGE_ID: &str = "appc.io/docker/imageid";

        let mut docker = self
            .annotations
            .iter()
            .filter(|annotation| annotation.name.starts_with(DOCKER))
            .peekable();
        if docker.peek().is_none() {
            BaseFormat::Appc
        } else if docker.any(|a| a.name == IMAGE_ID && a.value.starts_with("sha256:")) {
            BaseFormat::DockerV2
        } else {
            BaseFormat::DockerV1
        }
    }
}

#[derive(Default)]
struct RawImage {
    kind: String,
    name: String,
    labels: Vec<NameValue>,
    annotations: Vec<NameValue>,
}

go_json::object!(RawImage {
    kind: "acKind",
    name: "name",
    labels: "labels",
    annotations: "annotations",
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn image(labels: serde_json::Value, annotations: serde_json::Value) -> ImageManifest {
        let json = json!({
            "acKind": "ImageManifest",
            "acVersion": "0.8.11",
            "name": "example.com/web",
            "labels": labels,
            "annotations": annotations,
        });
        ImageManifest::parse(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_version_is_a_label() {
        let labels = json!([{"name": "os", "value": "linux"}, {"name": "version", "value": "2"}]);
        assert_eq!(image(labels, json!([])).version(), "2");
        assert_eq!(image(json!(null), json!([])).version(), "latest");
        assert_eq!(
            image(json!([{"name": "version", "value": ""}]), json!([])).version(),
            ""
        );
    }

    #[test]
    fn the_base_format_is_told_from_annotations() {
        let of = |annotations| image(json!([]), annotations).base_format();
        let id = |id: &str| json!({"name": "appc.io/docker/imageid", "value": id});
        let tag = json!({"name": "appc.io/docker/tag", "value": "latest"});
        assert_eq!(of(json!([])), BaseFormat::Appc);
        assert_eq!(
            of(json!([{"name": "appc.io/dockerish", "value": "x"}])),
            BaseFormat::Appc
        );
        assert_eq!(of(json!([tag])), BaseFormat::DockerV1);
        assert_eq!(of(json!([tag, id("0f3a")])), BaseFormat::DockerV1);
        assert_eq!(of(json!([tag, id("sha256:0f3a")])), BaseFormat::DockerV2);
        assert_eq!(of(json!([id("sha256:0f3a"), tag])), BaseFormat::DockerV2);
    }

    #[test]
    fn refuses_other_things() {
        let error = |text: &str| ImageManifest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error("{bad"), Error::Json(_)));
        assert!(matches!(
            error(r#"{"acKind":"ImageManifest","labels":1}"#),
            Error::Json(_)
        ));
        assert!(matches!(
            error(r#"{"acKind":"PodManifest","name":"x"}"#),
            Error::Kind { .. }
        ));
        assert_eq!(error(r#"{"acKind":"ImageManifest"}"#), Error::NoName);
    }

    proptest! {
        #[test]
        fn round_trips(
            name in ".+",
            labels: Vec<(String, String)>,
            annotations: Vec<(String, String)>,
        ) {
            let list = |pairs: &[(String, String)]| {
                let pairs = pairs.iter().map(|(n, v)| json!({"name": n, "value": v}));
                pairs.collect::<Vec<_>>()
            };
            let json = json!({
                "acKind": "ImageManifest",
                "name": name,
                "labels": list(&labels),
                "annotations": list(&annotations),
            });
            let read = ImageManifest::parse(json.to_string().as_bytes()).unwrap();
            let pairs = |list: Vec<NameValue>| {
                list.into_iter().map(|p| (p.name, p.value)).collect::<Vec<_>>()
            };
            prop_assert_eq!(read.name, name);
            prop_assert_eq!(pairs(read.labels), labels);
            prop_assert_eq!(pairs(read.annotations), annotations);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = ImageManifest::parse(&bytes);
        }
    }
}
