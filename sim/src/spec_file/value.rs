//! The kinds of values that a spec file is made of: times, pairs in order, things that can be
//! said, denied or left out, and things that can be written in brief.
//!
//! They are read by hand where serde's own ways (`untagged`, buffering) would lose the place
//! of a mistake.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr};

use jiff::{
    SignedDuration, Span, SpanRelativeTo, Timestamp,
    fmt::friendly::{Direction, SpanPrinter},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A value that can be left out, or denied by `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// Not said: it is made up.
    #[default]
    Unsaid,
    /// `null`: there is none.
    Nothing,
    /// The value.
    Value(T),
}

impl<T> Given<T> {
    /// Whether nothing was said.
    pub fn is_unsaid(&self) -> bool {
        matches!(self, Self::Unsaid)
    }

    /// What was said, or else what is made up.
    pub fn or_else(self, make_up: impl FnOnce() -> Option<T>) -> Option<T> {
        match self {
            Self::Unsaid => make_up(),
            Self::Nothing => None,
            Self::Value(value) => Some(value),
        }
    }

    /// The same of a reference.
    pub fn as_ref(&self) -> Given<&T> {
        match self {
            Self::Unsaid => Given::Unsaid,
            Self::Nothing => Given::Nothing,
            Self::Value(value) => Given::Value(value),
        }
    }
}

impl<T: Serialize> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unsaid | Self::Nothing => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::deserialize(deserializer)?;
        Ok(value.map_or(Self::Nothing, Self::Value))
    }
}

impl<T: JsonSchema> JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// Something that a string can stand for, its most important part.
pub trait InBrief: Sized {
    /// What the string stands for.
    fn in_brief(text: &str) -> Self;
}

/// Something that is written as an object, or in brief as a string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brief<T>(pub T);

impl<T: Serialize> Serialize for Brief<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + InBrief> Deserialize<'de> for Brief<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + InBrief> Visitor<'de> for Either<T> {
            type Value = Brief<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Brief(T::in_brief(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Brief)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Brief<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Brief{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, full] })
    }
}

/// Names and values in order: annotations, labels, environments.
///
/// Written as an object, `{"name": "value"}`, or as appc does,
/// `[{"name": "name", "value": "value"}]`. A name may come twice, in either form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

impl Pairs {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first pair of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs.find_map(|(n, value)| (n == name).then_some(value.as_str()))
    }
}

/// A name with its value, as appc writes it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NameValue {
    name: String,
    value: String,
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: std::collections::BTreeSet<_> = self.0.iter().map(|(name, _)| name).collect();
        let pairs = self.0.iter();
        if names.len() == self.0.len() {
            return serializer.collect_map(pairs.map(|(name, value)| (name, value)));
        }
        // An object with one key twice is not for every reader.
        serializer.collect_seq(pairs.map(|(name, value)| NameValue {
            name: name.clone(),
            value: value.clone(),
        }))
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings, or a list of names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(NameValue { name, value }) = list.next_element()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Pairs {
    fn schema_name() -> Cow<'static, str> {
        "Pairs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let pair = generator.subschema_for::<NameValue>();
        json_schema!({
            "description": "Names and values in order. As a list, a name may come twice.",
            "anyOf": [
                { "type": "object", "additionalProperties": { "type": "string" } },
                { "type": "array", "items": pair },
            ],
        })
    }
}

/// A time: absolute (RFC 3339, `2018-06-01T12:00:00Z`), or relative to the file's base time
/// (`-2h`, `-3d 5h30m`, `5m30s`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// At this time.
    Absolute(Timestamp),
    /// So long after the base time, or before it.
    Relative(SignedDuration),
}

/// A string is neither a time nor a distance in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time: neither absolute, as 2018-06-01T12:00:00Z, nor relative, as -2h or 5m30s"
)]
pub struct NoTime(String);

impl FromStr for Time {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        if let Ok(at) = text.parse() {
            return Ok(Self::Absolute(at));
        }
        if let Ok(distance) = text.parse() {
            return Ok(Self::Relative(distance));
        }
        // What has days in it. They are 24 hours: the hosts have no daylight saving time.
        let span = text.parse::<Span>();
        let distance = span.and_then(|s| s.to_duration(SpanRelativeTo::days_are_24_hours()));
        distance
            .map(Self::Relative)
            .map_err(|_| NoTime(text.to_owned()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: SpanPrinter = SpanPrinter::new().direction(Direction::Sign);
        match self {
            Self::Absolute(at) => at.fmt(f),
            Self::Relative(duration) => f.write_str(&PRINTER.duration_to_string(duration)),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time: absolute (RFC 3339), or relative to the base time.",
            "type": "string",
            "examples": ["2018-06-01T12:00:00Z", "-2h", "-3d 5h30m", "5m30s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T>(json: &str, expected: &T)
    where
        T: for<'de> Deserialize<'de> + Serialize + PartialEq + fmt::Debug,
    {
        let read: T = serde_json::from_str(json).unwrap();
        assert_eq!(read, *expected, "{json}");
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(
            serde_json::from_str::<T>(&written).unwrap(),
            read,
            "{written}"
        );
    }

    #[test]
    fn times_are_absolute_or_relative() {
        let relative = |s, ns| Time::Relative(SignedDuration::new(s, ns));
        check(r#""-2h""#, &relative(-7200, 0));
        check(r#""5m30s""#, &relative(330, 0));
        check(r#""-3d 5h""#, &relative(-3 * 86400 - 5 * 3600, 0));
        check(r#""1.5s""#, &relative(1, 500_000_000));
        check(r#""0s""#, &relative(0, 0));
        let at = "2018-06-01T12:00:00.000000001Z".parse().unwrap();
        check(r#""2018-06-01T12:00:00.000000001Z""#, &Time::Absolute(at));
        for text in ["", "soon", "5", "1mo", "2018-06-01"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        for extreme in [SignedDuration::MIN, SignedDuration::MAX] {
            check(
                &format!("\"{}\"", Time::Relative(extreme)),
                &Time::Relative(extreme),
            );
        }
    }

    #[test]
    fn pairs_keep_their_order_and_come_twice() {
        let pairs = |pairs: &[(&str, &str)]| {
            let owned = |(n, v): &(&str, &str)| (str::to_owned(n), str::to_owned(v));
            Pairs(pairs.iter().map(owned).collect())
        };
        check(r#"{"b": "1", "a": "2"}"#, &pairs(&[("b", "1"), ("a", "2")]));
        check(r#"{"a": "1", "a": "2"}"#, &pairs(&[("a", "1"), ("a", "2")]));
        check(r#"[{"name": "a", "value": ""}]"#, &pairs(&[("a", "")]));
    }

    #[test]
    fn null_is_not_nothing_said() {
        check("null", &Given::<i32>::Nothing);
        check("5", &Given::Value(5));
        assert!(Given::<i32>::default().is_unsaid());
    }
}
