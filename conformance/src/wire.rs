//! Protocol Buffers as bytes, written and read by field number: for requests that no generated
//! message can be, and answers that are to be read without trusting one. What the numbers mean
//! is said in [`crate::cases`].

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use tonic::{
    Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::{case::Method, target::Target};

/// The wire types that the API has or that unknown fields may have.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// Appends a field with a number.
pub(crate) fn put_varint(message: &mut Vec<u8>, field: u64, value: u64) {
    put_number(message, field << 3 | VARINT);
    put_number(message, value);
}

/// Appends a field with bytes, a string or a message.
pub(crate) fn put_bytes(message: &mut Vec<u8>, field: u64, value: &[u8]) {
    put_number(message, field << 3 | LENGTH);
    put_number(message, value.len() as u64);
    message.extend_from_slice(value);
}

/// Appends a field of every wire type, numbered from `first` on.
pub(crate) fn put_unknown(message: &mut Vec<u8>, first: u64) {
    put_varint(message, first, u64::MAX);
    put_bytes(message, first + 1, b"unknown");
    put_number(message, (first + 2) << 3 | FIXED_64);
    message.extend_from_slice(&[1; 8]);
    put_number(message, (first + 3) << 3 | FIXED_32);
    message.extend_from_slice(&[1; 4]);
}

fn put_number(message: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        message.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    message.push(number.to_le_bytes()[0]);
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A number: a bool, an enum, any kind of integer.
    Varint(u64),
    /// A string, bytes or a message.
    Bytes(Bytes),
    /// A number of fixed size, which the API has none of.
    Fixed,
}

impl Value {
    /// As an `int64`, `int32`, bool or enum; `None` for anything else.
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Varint(value) => Some(value.cast_signed()),
            Self::Bytes(_) | Self::Fixed => None,
        }
    }

    /// As a `sint32`; `None` for anything else.
    pub(crate) fn sint(&self) -> Option<i64> {
        let value = self.int()?.cast_unsigned();
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// As a string; `None` for anything else.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            Self::Varint(_) | Self::Fixed => None,
        }
    }
}

/// The fields of a message in order, by number. `None` when it is none.
pub(crate) fn fields(mut message: Bytes) -> Option<Vec<(u64, Value)>> {
    let mut fields = Vec::new();
    while message.has_remaining() {
        let key = take_number(&mut message)?;
        let value = match key & 7 {
            VARINT => Value::Varint(take_number(&mut message)?),
            LENGTH => {
                let length = usize::try_from(take_number(&mut message)?).ok()?;
                Value::Bytes((length <= message.len()).then(|| message.split_to(length))?)
            }
            FIXED_64 => {
                message.try_get_u64().ok()?;
                Value::Fixed
            }
            FIXED_32 => {
                message.try_get_u32().ok()?;
                Value::Fixed
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

/// The values at the end of a path of field numbers, through all that is repeated on it. `None`
/// when something on the path is no message.
pub(crate) fn at(message: &Bytes, path: &[u64]) -> Option<Vec<Value>> {
    let (number, rest) = path.split_first()?;
    let fields = fields(message.clone())?.into_iter();
    let values = fields.filter(|(field, _)| field == number);
    if rest.is_empty() {
        return Some(values.map(|(_, value)| value).collect());
    }
    let mut found = Vec::new();
    for (_, value) in values {
        match value {
            Value::Bytes(message) => found.extend(at(&message, rest)?),
            Value::Varint(_) | Value::Fixed => return None,
        }
    }
    Some(found)
}

fn take_number(message: &mut Bytes) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = message.try_get_u8().ok()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Calls a method with a message as bytes, and takes all messages that come until the end.
///
/// # Errors
///
/// The server's.
pub(crate) async fn call(
    target: &Target,
    method: Method,
    message: Vec<u8>,
) -> Result<Vec<Bytes>, Status> {
    let path = format!("/v1alpha.PublicAPI/{method}");
    let path = PathAndQuery::try_from(path).map_err(|error| Status::internal(error.to_string()))?;
    let mut client = target.raw().await?;
    let request = Request::new(Bytes::from(message));
    let answer = client.server_streaming(request, path, AsIs).await?;
    let mut answer = answer.into_inner();
    let mut messages = Vec::new();
    while let Some(message) = answer.message().await? {
        messages.push(message);
    }
    Ok(messages)
}

/// Messages as they are on the wire.
struct AsIs;

impl Codec for AsIs {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsIs {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for AsIs {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use rkt_api::api::{App, Pod, PodFilter};

    use super::*;

    #[test]
    fn what_is_written_by_number_is_what_messages_read() {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, b"a");
        put_unknown(&mut message, 100);
        put_varint(&mut message, 2, 300);
        let filter = PodFilter::decode(message.as_slice()).unwrap();
        assert_eq!(
            (filter.ids, filter.states),
            (vec!["a".to_owned()], vec![300])
        );
    }

    #[test]
    fn what_messages_write_is_read_by_number() {
        let app = |exit_code| App {
            name: "web".to_owned(),
            exit_code,
            ..App::default()
        };
        let pod = Pod {
            pid: i32::MIN,
            apps: vec![app(-1), app(i32::MAX)],
            created_at: -2,
            ..Pod::default()
        };
        let bytes = Bytes::from(pod.encode_to_vec());
        let read = |path: &[u64], read: fn(&Value) -> Option<i64>| {
            let values = at(&bytes, path).unwrap();
            values.iter().filter_map(read).collect::<Vec<_>>()
        };
        assert_eq!(read(&[2], Value::sint), [i64::from(i32::MIN)]);
        assert_eq!(read(&[4, 4], Value::sint), [-1, i64::from(i32::MAX)]);
        assert_eq!(read(&[9], Value::int), [-2]);
        let names = at(&bytes, &[4, 1]).unwrap();
        assert_eq!(names[1].text().as_deref(), Some("web"));
        assert_eq!(at(&bytes, &[2, 1]), None);
    }

    #[test]
    fn what_is_no_message_is_found_out() {
        for message in [&[0x0a, 5, 1][..], &[0x80], &[0x0b], &[0x09, 1]] {
            assert_eq!(fields(Bytes::copy_from_slice(message)), None, "{message:?}");
        }
    }
}
