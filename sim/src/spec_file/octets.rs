//! Bytes in JSON: as text, in base64, or as text that repeats.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
};

/// The most bytes that a text may come to that repeats.
const MAX_REPEATED_BYTES: usize = 64 << 20;

/// Bytes of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Octets {
    /// `"text"`.
    Text(String),
    /// `{"base64": "//4="}`, for what is no UTF-8.
    Base64(Vec<u8>),
    /// `{"text": "tick ", "times": 1000}`, for what is long.
    Repeated {
        /// What repeats.
        text: String,
        /// How often it stands there.
        times: u32,
    },
}

/// Fields of an entry, by name.
pub type Fields = BTreeMap<String, Octets>;

impl Octets {
    /// The bytes.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(text) => text.as_bytes().into(),
            Self::Base64(bytes) => bytes.into(),
            Self::Repeated { text, times } => text.repeat(*times as usize).into_bytes().into(),
        }
    }
}

impl From<&str> for Octets {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Shape {
    Base64(Base64),
    Repeated(Repeated),
}

/// Bytes in base64, with padding.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Base64 {
    /// The bytes.
    base64: String,
}

/// A text that repeats; at most 64 MiB.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Repeated {
    /// What repeats.
    text: String,
    /// How often it stands there.
    times: u32,
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = match self {
            Self::Text(text) => return text.serialize(serializer),
            Self::Base64(bytes) => Shape::Base64(Base64 {
                base64: BASE64_STANDARD.encode(bytes),
            }),
            Self::Repeated { text, times } => Shape::Repeated(Repeated {
                text: text.clone(),
                times: *times,
            }),
        };
        shape.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Octets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or an object of `base64`, or of `text` and `times`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Octets, E> {
                Ok(text.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Octets, A::Error> {
                object(map)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Octets, A::Error> {
    const KEYS: &[&str] = &["base64", "text", "times"];
    let (mut base64, mut text, mut times) = (None, None, None);
    while let Some(key) = map.next_key::<Cow<'de, str>>()? {
        match key.as_ref() {
            "base64" => base64 = Some(map.next_value::<Cow<'de, str>>()?),
            "text" => text = Some(map.next_value::<String>()?),
            "times" => times = Some(map.next_value::<u32>()?),
            other => return Err(de::Error::unknown_field(other, KEYS)),
        }
    }
    match (base64, text, times) {
        (Some(base64), None, None) => {
            let bytes = BASE64_STANDARD.decode(base64.as_bytes());
            let bytes = bytes.map_err(|_| de::Error::custom("no base64 with padding"))?;
            Ok(Octets::Base64(bytes))
        }
        (None, Some(text), Some(times)) => {
            let length = text.len().checked_mul(times as usize);
            if length.is_none_or(|length| length > MAX_REPEATED_BYTES) {
                return Err(de::Error::custom("that repeats to more than 64 MiB"));
            }
            Ok(Octets::Repeated { text, times })
        }
        _ => Err(de::Error::custom("either `base64`, or `text` and `times`")),
    }
}

impl JsonSchema for Octets {
    fn schema_name() -> Cow<'static, str> {
        "Octets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let base64 = generator.subschema_for::<Base64>();
        let repeated = generator.subschema_for::<Repeated>();
        json_schema!({
            "description": "Text, bytes in base64, or a text that repeats.",
            "anyOf": [{ "type": "string" }, base64, repeated],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_three_ways() {
        for (json, octets, bytes) in [
            (r#""a\n""#, Octets::from("a\n"), &b"a\n"[..]),
            (
                r#"{"base64":"//4A"}"#,
                Octets::Base64(vec![0xff, 0xfe, 0]),
                b"\xff\xfe\0",
            ),
            (
                r#"{"text":"ab","times":3}"#,
                Octets::Repeated {
                    text: "ab".to_owned(),
                    times: 3,
                },
                b"ababab",
            ),
        ] {
            let read: Octets = serde_json::from_str(json).unwrap();
            assert_eq!(read, octets);
            assert_eq!(*read.bytes(), *bytes);
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for (json, why) in [
            ("5", "invalid type"),
            ("{}", "either `base64`, or `text` and `times`"),
            (r#"{"text":"a"}"#, "either"),
            (r#"{"base64":"AAAA","times":2}"#, "either"),
            (r#"{"base64":"A"}"#, "no base64"),
            (r#"{"hex":"00"}"#, "unknown field `hex`"),
            (
                r#"{"text":"ab","times":4000000000}"#,
                "that repeats to more than 64 MiB",
            ),
        ] {
            let error = serde_json::from_str::<Octets>(json)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(why), "{json}: {error}");
        }
    }
}
