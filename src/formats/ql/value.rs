//! Column types, and the values of columns as SQL sees them.

use std::{
    cmp::Ordering,
    fmt::{self, Display},
};

use bytes::Bytes;

use super::{
    block::Handle,
    error::{Error, Flaw},
    scalar::{Scalar, Scalars, encode},
    time::{Time, duration_from_payload},
    walk::{Content, Walk},
};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "these are SQL's own names")]
pub enum ColumnType {
    Bool,
    Int8,
    Int16,
    Int32,
    /// Also SQL's `int`.
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float32,
    Float64,
    Complex64,
    Complex128,
    String,
    Blob,
    Duration,
    Time,
    BigInt,
    BigRat,
}

impl ColumnType {
    const ALL: [Self; 19] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
        Self::String,
        Self::Blob,
        Self::Duration,
        Self::Time,
        Self::BigInt,
        Self::BigRat,
    ];

    /// The letter that stands for the type in a table record, and its name in SQL.
    fn names(self) -> (u8, &'static str) {
        match self {
            Self::Bool => (b'b', "bool"),
            Self::Int8 => (b'i', "int8"),
            Self::Int16 => (b'j', "int16"),
            Self::Int32 => (b'k', "int32"),
            Self::Int64 => (b'l', "int64"),
            Self::Uint8 => (b'u', "uint8"),
            Self::Uint16 => (b'v', "uint16"),
            Self::Uint32 => (b'w', "uint32"),
            Self::Uint64 => (b'x', "uint64"),
            Self::Float32 => (b'f', "float32"),
            Self::Float64 => (b'g', "float64"),
            Self::Complex64 => (b'c', "complex64"),
            Self::Complex128 => (b'd', "complex128"),
            Self::String => (b's', "string"),
            Self::Blob => (b'B', "blob"),
            Self::Duration => (b'D', "duration"),
            Self::Time => (b'T', "time"),
            Self::BigInt => (b'I', "bigint"),
            Self::BigRat => (b'R', "bigrat"),
        }
    }

    /// The type that a letter stands for in a table record.
    pub(super) fn from_letter(letter: u8) -> Result<Self, Flaw> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.letter() == letter)
            .ok_or("a column is of an unknown type")
    }

    /// The letter that stands for the type in a table record.
    pub(super) fn letter(self) -> u8 {
        self.names().0
    }

    /// Whether [`Value::collate`] knows how the engine orders values of the type.
    pub(super) fn has_known_order(self) -> bool {
        use ColumnType as T;
        !matches!(self, T::Complex64 | T::Complex128 | T::BigInt | T::BigRat)
    }

    /// Whether values are stored as payloads: wrapped in a byte string, with the rest in other
    /// blocks if they are long.
    fn has_payload(self) -> bool {
        use ColumnType as T;
        matches!(
            self,
            T::Blob | T::Duration | T::Time | T::BigInt | T::BigRat
        )
    }
}

/// The name that SQL has for the type.
impl Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names().1)
    }
}

/// The value of one column in one row.
///
/// Widths are those of storage: all signed integers are [`Value::Int`], a `float32` is
/// widened. What the column holds is the type's business.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value. Possible in any column.
    Null,
    /// A `bool`.
    Bool(bool),
    /// An `int8` to `int64`, within its type's range.
    Int(i64),
    /// A `uint8` to `uint64`, within its type's range.
    Uint(u64),
    /// A `float32` or `float64`.
    Float(f64),
    /// A `complex64` or `complex128`.
    Complex {
        /// The real part.
        re: f64,
        /// The imaginary part.
        im: f64,
    },
    /// A `string`. The engine stores any bytes, UTF-8 or not.
    Text(Bytes),
    /// A `blob`.
    Blob(Bytes),
    /// A `duration`, in nanoseconds.
    Duration(i64),
    /// A `time`.
    Time(Time),
    /// A `bigint`, as Go's gob encoding left it.
    BigInt(Bytes),
    /// A `bigrat`, as Go's gob encoding left it.
    BigRat(Bytes),
}

impl Value {
    /// Makes a column's value of what is stored for it in `row`.
    ///
    /// The rest of a long payload is fetched by `walk`.
    pub(super) fn decode(
        kind: ColumnType,
        stored: Scalar,
        row: &Content<'_>,
        walk: &mut Walk,
    ) -> Result<Self, Error> {
        let corrupt = |why| row.corrupt(why);
        if !kind.has_payload() {
            return plain(kind, stored).map_err(corrupt);
        }
        let wrapped = match stored {
            Scalar::Null => return Ok(Self::Null),
            Scalar::Bytes(bytes) => bytes,
            _ => return Err(corrupt(WRONG_TYPE)),
        };
        let (rest, head) = unwrap_payload(kind, wrapped).map_err(corrupt)?;
        let payload = match rest {
            None => head,
            Some(rest) => join(head, rest, row, walk)?,
        };
        from_payload(kind, payload).map_err(corrupt)
    }

    /// What is stored for the value.
    ///
    /// Made for rkt's tables: of the types with payloads only times are stored.
    pub(super) fn encode(&self) -> Result<Scalar, Flaw> {
        Ok(match self {
            Self::Null => Scalar::Null,
            Self::Bool(bool) => Scalar::Bool(*bool),
            Self::Int(number) => Scalar::Int(*number),
            Self::Uint(number) => Scalar::Uint(*number),
            Self::Float(number) => Scalar::Float(*number),
            Self::Complex { re, im } => Scalar::Complex { re: *re, im: *im },
            Self::Text(text) => Scalar::Text(text.clone()),
            Self::Time(time) => {
                let letter = Scalar::Int(ColumnType::Time.letter().into());
                let payload = Scalar::Bytes(Bytes::copy_from_slice(&time.to_payload()?));
                Scalar::Bytes(encode(&[letter, payload])?.into())
            }
            Self::Blob(_) | Self::Duration(_) | Self::BigInt(_) | Self::BigRat(_) => {
                return Err("values of this type are not written");
            }
        })
    }

    /// The order of index keys: NULL, false, true, and then numbers by size, text and blobs by
    /// their bytes, and times by their instants.
    ///
    /// Values of one column are compared, so they are of one type. Where the type has no known
    /// order, they are all equal.
    pub(super) fn collate(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) | (Self::Duration(a), Self::Duration(b)) => a.cmp(b),
            (Self::Uint(a), Self::Uint(b)) => a.cmp(b),
            // Adding zero makes one of the two zeros.
            (Self::Float(a), Self::Float(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Self::Text(a), Self::Text(b)) | (Self::Blob(a), Self::Blob(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.instant().cmp(&b.instant()),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    /// Where the value stands among those of other types.
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            _ => 2,
        }
    }
}

const WRONG_TYPE: Flaw = "a value is not of its column's type";

/// The value of a type that is stored as it is.
fn plain(kind: ColumnType, stored: Scalar) -> Result<Value, Flaw> {
    use ColumnType as T;

    Ok(match (kind, stored) {
        (_, Scalar::Null) => Value::Null,
        (T::Bool, Scalar::Bool(bool)) => Value::Bool(bool),
        (T::Int8, Scalar::Int(number)) if i8::try_from(number).is_ok() => Value::Int(number),
        (T::Int16, Scalar::Int(number)) if i16::try_from(number).is_ok() => Value::Int(number),
        (T::Int32, Scalar::Int(number)) if i32::try_from(number).is_ok() => Value::Int(number),
        (T::Int64, Scalar::Int(number)) => Value::Int(number),
        (T::Uint8, Scalar::Uint(number)) if u8::try_from(number).is_ok() => Value::Uint(number),
        (T::Uint16, Scalar::Uint(number)) if u16::try_from(number).is_ok() => Value::Uint(number),
        (T::Uint32, Scalar::Uint(number)) if u32::try_from(number).is_ok() => Value::Uint(number),
        (T::Uint64, Scalar::Uint(number)) => Value::Uint(number),
        (T::Float32 | T::Float64, Scalar::Float(number)) => Value::Float(number),
        (T::Complex64 | T::Complex128, Scalar::Complex { re, im }) => Value::Complex { re, im },
        (T::String, Scalar::Text(text)) => Value::Text(text),
        _ => return Err(WRONG_TYPE),
    })
}

/// The value of a type that is stored as a payload.
fn from_payload(kind: ColumnType, payload: Bytes) -> Result<Value, Flaw> {
    Ok(match kind {
        ColumnType::Blob => Value::Blob(payload),
        ColumnType::Duration => Value::Duration(duration_from_payload(&payload)?),
        ColumnType::Time => Value::Time(Time::from_payload(&payload)?),
        ColumnType::BigInt => Value::BigInt(payload),
        ColumnType::BigRat => Value::BigRat(payload),
        _ => return Err(WRONG_TYPE),
    })
}

/// Unwraps a payload: the type's letter, for a long payload the handle of the rest, and the
/// payload or its beginning.
fn unwrap_payload(kind: ColumnType, wrapped: Bytes) -> Result<(Option<Handle>, Bytes), Flaw> {
    let mut scalars = Scalars::new(wrapped);
    if scalars.next().transpose()? != Some(Scalar::Int(i64::from(kind.letter()))) {
        return Err("a payload is not of its column's type");
    }
    piece(scalars)
}

/// A piece of a payload: the handle of the next piece, if any, and the bytes of this one.
fn piece(mut scalars: Scalars) -> Result<(Option<Handle>, Bytes), Flaw> {
    let mut scalar = scalars.next().transpose()?;
    let mut next = None;
    if let Some(Scalar::Int(link)) = scalar {
        next = Handle::from_link(link)?;
        scalar = scalars.next().transpose()?;
    }
    match (scalar, scalars.next()) {
        (Some(Scalar::Bytes(bytes)), None) => Ok((next, bytes)),
        _ => Err("a payload is not a byte string"),
    }
}

/// Joins a payload that is longer than a row may hold with the rest of it.
fn join(head: Bytes, rest: Handle, row: &Content<'_>, walk: &mut Walk) -> Result<Bytes, Error> {
    let what = format_args!("payload of a {}", row.what);
    let mut payload = head.to_vec();
    let mut next = Some(rest);
    while let Some(handle) = next {
        let content = walk.content(handle, &what)?;
        let bytes;
        (next, bytes) = piece(content.scalars()).map_err(|why| content.corrupt(why))?;
        payload.extend_from_slice(&bytes);
    }
    Ok(payload.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::ql::time::Zone;

    #[test]
    fn letters() {
        let letters: Vec<u8> = ColumnType::ALL.map(ColumnType::letter).to_vec();
        assert_eq!(letters, b"bijkluvwxfgcdsBDTIR");
        for kind in ColumnType::ALL {
            assert_eq!(ColumnType::from_letter(kind.letter()), Ok(kind));
        }
        assert!(ColumnType::from_letter(b'z').is_err());
    }

    #[test]
    fn the_order_of_keys() {
        let text = |text: &'static str| Value::Text(text.into());
        let time = |unix_s, nanos, zone| {
            Value::Time(Time {
                unix_s,
                nanos,
                zone,
            })
        };
        let (utc, east) = (Zone::Utc, Zone::Offset { east_s: 3600 });
        let ascending = [
            vec![Value::Null, Value::Bool(false), Value::Bool(true)],
            vec![Value::Null, Value::Int(-1), Value::Int(0), Value::Int(256)],
            vec![Value::Null, Value::Uint(0), Value::Uint(1 << 63)],
            vec![Value::Float(-1.0), Value::Float(0.0), Value::Float(0.5)],
            vec![
                Value::Null,
                text(""),
                text("B"),
                text("a"),
                text("aa"),
                text("b"),
                text("é"),
            ],
            vec![Value::Duration(-5), Value::Duration(1)],
            vec![time(-1, 5, east), time(0, 0, utc), time(0, 1, east)],
        ];
        for values in ascending {
            for pair in values.windows(2) {
                assert!(pair[0].collate(&pair[1]).is_lt(), "{pair:?}");
                assert!(pair[1].collate(&pair[0]).is_gt(), "{pair:?}");
            }
        }
        assert!(time(0, 0, utc).collate(&time(0, 0, east)).is_eq());
        assert!(Value::Float(0.0).collate(&Value::Float(-0.0)).is_eq());
    }
}
