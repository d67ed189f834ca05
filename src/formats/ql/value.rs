//! Column types, and the values of columns as SQL sees them.

use std::fmt::{self, Display};

use bytes::Bytes;

use super::{
    block::Handle,
    error::{Error, Flaw},
    scalar::{Scalar, Scalars},
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
    /// The type that a letter stands for in a table record.
    pub(super) fn from_letter(letter: u8) -> Result<Self, Flaw> {
        Ok(match letter {
            b'b' => Self::Bool,
            b'i' => Self::Int8,
            b'j' => Self::Int16,
            b'k' => Self::Int32,
            b'l' => Self::Int64,
            b'u' => Self::Uint8,
            b'v' => Self::Uint16,
            b'w' => Self::Uint32,
            b'x' => Self::Uint64,
            b'f' => Self::Float32,
            b'g' => Self::Float64,
            b'c' => Self::Complex64,
            b'd' => Self::Complex128,
            b's' => Self::String,
            b'B' => Self::Blob,
            b'D' => Self::Duration,
            b'T' => Self::Time,
            b'I' => Self::BigInt,
            b'R' => Self::BigRat,
            _ => return Err("a column is of an unknown type"),
        })
    }

    /// The letter of a type whose values are kept as wrapped payloads.
    fn payload_letter(self) -> Option<u8> {
        match self {
            Self::Blob => Some(b'B'),
            Self::Duration => Some(b'D'),
            Self::Time => Some(b'T'),
            Self::BigInt => Some(b'I'),
            Self::BigRat => Some(b'R'),
            _ => None,
        }
    }
}

/// The name that SQL has for the type.
impl Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Blob => "blob",
            Self::Duration => "duration",
            Self::Time => "time",
            Self::BigInt => "bigint",
            Self::BigRat => "bigrat",
        })
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
        let Some(letter) = kind.payload_letter() else {
            return plain(kind, stored).map_err(corrupt);
        };
        let wrapped = match stored {
            Scalar::Null => return Ok(Self::Null),
            Scalar::Bytes(bytes) => bytes,
            _ => return Err(corrupt(WRONG_TYPE)),
        };
        let (rest, head) = unwrap_payload(letter, wrapped).map_err(corrupt)?;
        let payload = match rest {
            None => head,
            Some(rest) => join(head, rest, row, walk)?,
        };
        from_payload(kind, payload).map_err(corrupt)
    }
}

const WRONG_TYPE: Flaw = "a value is not of its column's type";

/// The value of a type that is stored as it is.
fn plain(kind: ColumnType, stored: Scalar) -> Result<Value, Flaw> {
    use ColumnType as T;

    let fits = match (kind, &stored) {
        (T::Int8, Scalar::Int(n)) => i8::try_from(*n).is_ok(),
        (T::Int16, Scalar::Int(n)) => i16::try_from(*n).is_ok(),
        (T::Int32, Scalar::Int(n)) => i32::try_from(*n).is_ok(),
        (T::Uint8, Scalar::Uint(n)) => u8::try_from(*n).is_ok(),
        (T::Uint16, Scalar::Uint(n)) => u16::try_from(*n).is_ok(),
        (T::Uint32, Scalar::Uint(n)) => u32::try_from(*n).is_ok(),
        (_, Scalar::Null)
        | (T::Bool, Scalar::Bool(_))
        | (T::Int64, Scalar::Int(_))
        | (T::Uint64, Scalar::Uint(_))
        | (T::Float32 | T::Float64, Scalar::Float(_))
        | (T::Complex64 | T::Complex128, Scalar::Complex { .. })
        | (T::String, Scalar::Text(_)) => true,
        _ => false,
    };
    if !fits {
        return Err(WRONG_TYPE);
    }
    Ok(match stored {
        Scalar::Null => Value::Null,
        Scalar::Bool(bool) => Value::Bool(bool),
        Scalar::Int(number) => Value::Int(number),
        Scalar::Uint(number) => Value::Uint(number),
        Scalar::Float(number) => Value::Float(number),
        Scalar::Complex { re, im } => Value::Complex { re, im },
        Scalar::Text(text) => Value::Text(text),
        Scalar::Bytes(_) => return Err(WRONG_TYPE),
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
fn unwrap_payload(letter: u8, wrapped: Bytes) -> Result<(Option<Handle>, Bytes), Flaw> {
    let mut scalars = Scalars::new(wrapped);
    if scalars.next().transpose()? != Some(Scalar::Int(i64::from(letter))) {
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
