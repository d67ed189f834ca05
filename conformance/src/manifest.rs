//! Manifests as far as the API repeats them: what a pod or image is checked against. Read
//! independently of the server, and leniently: judging manifests is not the suite's business.

use rkt_api::api::KeyValue;
use serde_json::Value;

/// A pod or image manifest.
#[derive(Clone, Debug)]
pub(crate) struct Manifest(Value);

/// An app in a pod manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestApp {
    pub(crate) name: String,
    pub(crate) image_id: String,
    pub(crate) annotations: Vec<KeyValue>,
}

impl Manifest {
    /// Reads a manifest. The error says why it is no JSON object.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // Go reads bytes that are no UTF-8 as U+FFFD.
        match serde_json::from_str(&String::from_utf8_lossy(bytes)) {
            Ok(object @ Value::Object(_)) => Ok(Self(object)),
            Ok(other) => Err(format!("no JSON object: {other}")),
            Err(error) => Err(format!("no JSON: {error}")),
        }
    }

    /// Which kind of manifest it says it is.
    pub(crate) fn kind(&self) -> String {
        text(&self.0, "acKind")
    }

    /// The name of an image.
    pub(crate) fn name(&self) -> String {
        text(&self.0, "name")
    }

    /// The annotations, in order.
    pub(crate) fn annotations(&self) -> Vec<KeyValue> {
        pairs(&self.0, "annotations")
    }

    /// The labels of an image, in order.
    pub(crate) fn labels(&self) -> Vec<KeyValue> {
        pairs(&self.0, "labels")
    }

    /// The apps of a pod, in order.
    pub(crate) fn apps(&self) -> Vec<ManifestApp> {
        let apps = list(&self.0, "apps").iter().map(|app| ManifestApp {
            name: text(app, "name"),
            image_id: get(app, "image").map_or_else(String::new, |image| text(image, "id")),
            annotations: pairs(app, "annotations"),
        });
        apps.collect()
    }
}

/// A member of an object. As in Go, a key that fits but for letter case will do.
fn get<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    let members = object.as_object()?;
    members.get(key).or_else(|| {
        let mut members = members.iter();
        let fits = |(name, _): &(&String, &Value)| name.eq_ignore_ascii_case(key);
        members.find(fits).map(|(_, value)| value)
    })
}

fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    let list = get(object, key).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn text(object: &Value, key: &str) -> String {
    let text = get(object, key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn pairs(object: &Value, key: &str) -> Vec<KeyValue> {
    let pairs = list(object, key).iter().map(|pair| KeyValue {
        key: text(pair, "name"),
        value: text(pair, "value"),
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_api_repeats() {
        let manifest = Manifest::parse(
            br#"{"acKind": "PodManifest", "Annotations": [{"name": "k", "value": "v"}, null],
                "apps": [{"name": "web", "image": {"id": "sha512-ab"}}], "labels": null}"#,
        )
        .unwrap();
        assert_eq!(manifest.kind(), "PodManifest");
        let pair = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        assert_eq!(manifest.annotations(), [pair("k", "v"), pair("", "")]);
        assert_eq!(manifest.labels(), []);
        let app = ManifestApp {
            name: "web".to_owned(),
            image_id: "sha512-ab".to_owned(),
            annotations: vec![],
        };
        assert_eq!(manifest.apps(), [app]);
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["", "[]", "null", "{", "x"] {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
