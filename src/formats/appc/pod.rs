//! The pod manifest.

use super::{Error, NameValue, check_kind, decode, go_json};

/// A pod manifest, as far as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodManifest {
    /// The apps, in order.
    pub apps: Vec<PodApp>,
    /// The pod's annotations, in order, repeated names kept. Not its `userAnnotations`.
    pub annotations: Vec<NameValue>,
}

/// An app in a pod manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodApp {
    /// The app's name.
    pub name: String,
    /// The image's id, as written; a user may have shortened it.
    pub image_id: String,
    /// The app's annotations, in order, repeated names kept.
    pub annotations: Vec<NameValue>,
}

impl PodManifest {
    /// The `acKind` of a pod manifest.
    pub const KIND: &str = "PodManifest";

    /// Reads a pod manifest.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] when `bytes` is no JSON object, or has a value of the wrong type in a
    /// field that is read; [`Error::Kind`] when it is another kind of manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let raw: RawPod = decode(bytes)?;
        check_kind(raw.kind, Self::KIND)?;
        let apps = raw.apps.into_iter().map(|app| PodApp {
            name: app.name,
            image_id: app.image.id,
            annotations: app.annotations,
        });
        Ok(Self {
            apps: apps.collect(),
            annotations: raw.annotations,
        })
    }
}

#[derive(Default)]
struct RawPod {
    kind: String,
    apps: Vec<RawApp>,
    annotations: Vec<NameValue>,
}

go_json::object!(RawPod {
    kind: "acKind",
    apps: "apps",
    annotations: "annotations"
});

#[derive(Default)]
struct RawApp {
    name: String,
    image: RawImage,
    annotations: Vec<NameValue>,
}

go_json::object!(RawApp {
    name: "name",
    image: "image",
    annotations: "annotations"
});

#[derive(Default)]
struct RawImage {
    id: String,
}

go_json::object!(RawImage { id: "id" });

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn nv(name: &str, value: &str) -> NameValue {
        NameValue {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn reads_what_the_api_shows() {
        let manifest = PodManifest::parse(
            br#"{"acVersion":"1.30.0","acKind":"PodManifest","apps":[
                {"name":"web","image":{"name":"example.com/web","id":"sha512-ab","labels":[]},
                 "app":{"exec":["/bin/true"],"user":"0","group":"0"},
                 "annotations":[{"name":"k","value":"v"}]},
                {"name":"db","image":{"id":"sha512-cd"}}],
              "volumes":null,"isolators":null,
              "annotations":[{"name":"b","value":"1"},{"name":"a","value":"2"}],
              "userAnnotations":{"not":"shown"},"ports":[]}"#,
        )
        .unwrap();
        assert_eq!(
            manifest,
            PodManifest {
                apps: vec![
                    PodApp {
                        name: "web".to_owned(),
                        image_id: "sha512-ab".to_owned(),
                        annotations: vec![nv("k", "v")],
                    },
                    PodApp {
                        name: "db".to_owned(),
                        image_id: "sha512-cd".to_owned(),
                        annotations: vec![],
                    },
                ],
                annotations: vec![nv("b", "1"), nv("a", "2")],
            }
        );
    }

    #[test]
    fn reads_what_go_reads() {
        let manifest = PodManifest::parse(
            b"\n{ \"ACKIND\": \"PodManifest\", \"Apps\": [{\"NAME\":\"first\"}], \"apps\": null,
               \"annotations\": [{\"name\":\"k\",\"value\":\"old\"}],
               \"Annotations\": [{\"name\":\"k\",\"value\":\"\xff\"},{\"name\":\"k\"},null],
               \"extra\": {\"deep\": [1, 2.5e300, {}]} }\n",
        )
        .unwrap();
        assert_eq!(manifest.apps.len(), 1);
        assert_eq!(manifest.apps[0].name, "first");
        assert_eq!(
            manifest.annotations,
            [nv("k", "\u{fffd}"), nv("k", ""), nv("", "")]
        );
    }

    #[test]
    fn refuses_other_things() {
        let kind = |text: &str| match PodManifest::parse(text.as_bytes()) {
            Err(Error::Kind { found, .. }) => found,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(
            kind(r#"{"acKind":"ImageManifest","apps":[]}"#),
            "ImageManifest"
        );
        assert_eq!(kind("{}"), "");
        assert_eq!(kind("null"), "");

        for text in [
            "",
            "{",
            "[]",
            "7",
            r#"{"acKind":"PodManifest"} x"#,
            r#"{"acKind":"PodManifest","apps":{}}"#,
            r#"{"acKind":"PodManifest","apps":[{"name":7}]}"#,
            r#"{"acKind":"PodManifest","annotations":"k=v"}"#,
        ] {
            let result = PodManifest::parse(text.as_bytes());
            assert!(matches!(result, Err(Error::Json(_))), "{text}: {result:?}");
        }
    }

    #[test]
    fn deep_nesting_ends_in_a_result() {
        let deep = "[".repeat(100_000);
        let bare = PodManifest::parse(deep.as_bytes());
        assert!(matches!(bare, Err(Error::Json(_))));
        let hidden = format!(r#"{{"acKind":"PodManifest","x":{deep}"#);
        assert!(matches!(
            PodManifest::parse(hidden.as_bytes()),
            Err(Error::Json(_))
        ));
    }

    fn name_values() -> impl Strategy<Value = Vec<NameValue>> {
        let pair = (any::<String>(), any::<String>());
        proptest::collection::vec(pair.prop_map(|(n, v)| nv(&n, &v)), 0..4)
    }

    fn manifests() -> impl Strategy<Value = PodManifest> {
        let app = (any::<String>(), any::<String>(), name_values());
        let app = app.prop_map(|(name, image_id, annotations)| PodApp {
            name,
            image_id,
            annotations,
        });
        (proptest::collection::vec(app, 0..4), name_values())
            .prop_map(|(apps, annotations)| PodManifest { apps, annotations })
    }

    fn to_json(manifest: &PodManifest) -> serde_json::Value {
        let list = |list: &[NameValue]| {
            let pairs = list
                .iter()
                .map(|p| json!({"name": p.name, "value": p.value}));
            pairs.collect::<Vec<_>>()
        };
        let apps = manifest.apps.iter().map(|app| {
            json!({
                "name": app.name,
                "image": {"id": app.image_id},
                "annotations": list(&app.annotations),
            })
        });
        json!({
            "acKind": "PodManifest",
            "apps": apps.collect::<Vec<_>>(),
            "annotations": list(&manifest.annotations),
        })
    }

    proptest! {
        #[test]
        fn round_trips(manifest in manifests()) {
            let json = to_json(&manifest).to_string();
            prop_assert_eq!(PodManifest::parse(json.as_bytes()), Ok(manifest));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = PodManifest::parse(&bytes);
        }

        #[test]
        fn damaged_manifests_never_panic(
            manifest in manifests(),
            at: prop::sample::Index,
            byte: u8,
            cut: prop::sample::Index,
        ) {
            let mut json = to_json(&manifest).to_string().into_bytes();
            let at = at.index(json.len());
            json[at] = byte;
            let _ = PodManifest::parse(&json);
            json.truncate(cut.index(json.len()));
            let _ = PodManifest::parse(&json);
        }
    }
}
