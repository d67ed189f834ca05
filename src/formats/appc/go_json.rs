//! Decoding JSON objects by the rules of Go's `encoding/json`, where serde's differ.
//! Only the rules that manifests need; strings and numbers are serde's own.

/// Implements `Deserialize` for a struct with `Default`: a key names a field whatever its
/// letter case, the last of several keys counts, `null` leaves the field as it is, and
/// unknown keys are skipped. `null` instead of the whole object is the default.
macro_rules! object {
    ($type:ident { $($field:ident: $key:literal),+ $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_unit<E: serde::de::Error>(self) -> Result<$type, E> {
                        Ok($type::default())
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$type, A::Error> {
                        let mut object = $type::default();
                        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                            $(
                                if key.eq_ignore_ascii_case($key) {
                                    if let Some(value) = map.next_value::<Option<_>>()? {
                                        object.$field = value;
                                    }
                                    continue;
                                }
                            )+
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                        Ok(object)
                    }
                }

                from.deserialize_any(Visitor)
            }
        }
    };
}

pub(super) use object;
