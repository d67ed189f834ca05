//! Rows of a database as JSON: what has no form of its own there is an object that says what
//! it is, so that nothing is lost or mistaken for something else.

use jiff::{Timestamp, tz::Offset};
use rkt_api::formats::ql::{Row, Table, Time, Value, Zone};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// A row of a table, with all that it takes to know where it is from.
pub(super) struct Line<'a> {
    pub(super) table: &'a Table,
    pub(super) row: &'a Row,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(3))?;
        line.serialize_entry("table", self.table.name())?;
        line.serialize_entry("id", &self.row.id)?;
        line.serialize_entry("row", &Columns(self))?;
        line.end()
    }
}

/// The values of a row by column.
struct Columns<'a>(&'a Line<'a>);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.0.table.columns().iter().map(|column| column.name());
        let values = self.0.row.values.iter().map(Json);
        serializer.collect_map(names.zip(values))
    }
}

/// One value.
struct Json<'a>(&'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Uint(value) => serializer.serialize_u64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Complex { re, im } => tagged(serializer, "complex", &[re, im]),
            Value::Text(bytes) => match str::from_utf8(bytes) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => tagged(serializer, "not_utf8", &hex(bytes)),
            },
            Value::Blob(bytes) => tagged(serializer, "blob", &hex(bytes)),
            Value::Duration(nanos) => tagged(serializer, "duration_ns", nanos),
            Value::Time(time) => match rfc_3339(*time) {
                Some(text) => serializer.serialize_str(&text),
                None => tagged(serializer, "unix_s", &time.unix_s),
            },
            Value::BigInt(gob) => tagged(serializer, "bigint_gob", &hex(gob)),
            Value::BigRat(gob) => tagged(serializer, "bigrat_gob", &hex(gob)),
        }
    }
}

fn tagged<S: Serializer>(
    serializer: S,
    kind: &'static str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    serializer.collect_map([(kind, value)])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The time in its own zone: `Z` for Go's UTC, else the offset, also where that is `+00:00`.
/// `None` for a time beyond the years that RFC 3339 has.
///
/// An offset with odd seconds, which rkt's version of Go cannot write, has no form there: such
/// a time is given in UTC.
fn rfc_3339(time: Time) -> Option<String> {
    let instant = Timestamp::new(time.unix_s, time.nanos.try_into().ok()?).ok()?;
    let text = match time.zone {
        Zone::Offset { east_s } if east_s % 60 == 0 => {
            let offset = Offset::from_seconds(east_s).ok()?;
            instant.display_with_offset(offset).to_string()
        }
        Zone::Offset { .. } | Zone::Utc => instant.to_string(),
    };
    // Years before 0 and after 9999 have a sign.
    (!text.starts_with(['-', '+'])).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: Value) -> String {
        serde_json::to_string(&Json(&value)).unwrap()
    }

    #[test]
    fn times_keep_their_zone() {
        let at = |unix_s, nanos, zone| {
            json(Value::Time(Time {
                unix_s,
                nanos,
                zone,
            }))
        };
        let east = |east_s| Zone::Offset { east_s };
        assert_eq!(json(Value::Time(Time::ZERO)), r#""0001-01-01T00:00:00Z""#);
        assert_eq!(
            at(1_457_067_967, 890, Zone::Utc),
            r#""2016-03-04T05:06:07.00000089Z""#
        );
        assert_eq!(
            at(1_502_266_272, 0, east(7200)),
            r#""2017-08-09T10:11:12+02:00""#
        );
        assert_eq!(
            at(1_502_266_272, 0, east(-12600)),
            r#""2017-08-09T04:41:12-03:30""#
        );
        assert_eq!(
            at(1_502_266_272, 0, east(0)),
            r#""2017-08-09T08:11:12+00:00""#
        );
        assert_eq!(at(1_502_266_272, 0, east(7)), r#""2017-08-09T08:11:12Z""#);
        assert_eq!(
            at(i64::MAX, 0, Zone::Utc),
            r#"{"unix_s":9223372036854775807}"#
        );
    }

    #[test]
    fn what_json_has_no_form_for_says_what_it_is() {
        let bytes = |bytes: &'static [u8]| bytes::Bytes::from_static(bytes);
        assert_eq!(json(Value::Null), "null");
        assert_eq!(json(Value::Text(bytes(b"a\"b"))), r#""a\"b""#);
        assert_eq!(json(Value::Text(bytes(b"a\xFF"))), r#"{"not_utf8":"61ff"}"#);
        assert_eq!(json(Value::Blob(bytes(b"\0a"))), r#"{"blob":"0061"}"#);
        assert_eq!(json(Value::Duration(-7)), r#"{"duration_ns":-7}"#);
    }
}
