//! Scalar vectors: the encoding of rows, table records, index keys and most other contents.
//!
//! A vector is tagged values one after the other, up to the end of the content. This module
//! knows the values that can stand in it and how they are written, not what they mean: a
//! time is a byte string here.

use bytes::Bytes;

use super::{block::Handle, error::Flaw};

/// One value of a vector.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// A signed SQL integer of any width, a handle, or a row id.
    Int(i64),
    /// An unsigned SQL integer of any width.
    Uint(u64),
    Float(f64),
    Complex {
        re: f64,
        im: f64,
    },
    Bytes(Bytes),
    /// Text as the engine keeps it: bytes, not necessarily UTF-8.
    Text(Bytes),
}

/// Encodes a vector.
pub(super) fn encode(scalars: &[Scalar]) -> Result<Vec<u8>, Flaw> {
    let mut vector = Vec::new();
    for scalar in scalars {
        scalar.encode(&mut vector)?;
    }
    Ok(vector)
}

impl Scalar {
    /// A handle, or that there is none.
    pub(super) fn link(handle: Option<Handle>) -> Self {
        Self::Int(handle.map_or(0, Handle::to_link))
    }

    /// Appends the shortest encoding, the only one the engine writes.
    fn encode(&self, vector: &mut Vec<u8>) -> Result<(), Flaw> {
        match self {
            Self::Null => vector.push(0x00),
            Self::Bool(false) => vector.push(0x01),
            Self::Bool(true) => vector.push(0x02),
            Self::Float(number) => encode_float(0x03, *number, vector),
            Self::Complex { re, im } => {
                encode_float(0x0C, *re, vector);
                encode_float(0x0C, *im, vector);
            }
            Self::Bytes(bytes) => {
                match bytes.len() {
                    len @ ..=17 => vector.push(0x15 + len as u8),
                    len @ ..=0xFF => vector.extend([0x27, len as u8]),
                    len @ ..=0x1_0000 => {
                        let [.., l0, l1] = (len - 1).to_be_bytes();
                        vector.extend([0x28, l0, l1]);
                    }
                    _ => return Err("a byte string is longer than 65536 bytes"),
                }
                vector.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                match text.len() {
                    len @ ..=17 => vector.push(0x29 + len as u8),
                    len @ ..=0xFF => vector.extend([0x3B, len as u8]),
                    len @ ..=0xFFFF => {
                        let [.., l0, l1] = len.to_be_bytes();
                        vector.extend([0x3C, l0, l1]);
                    }
                    _ => return Err("a text is longer than 65535 bytes"),
                }
                vector.extend_from_slice(text);
            }
            Self::Uint(number) => {
                let bytes = number.to_be_bytes();
                let tail = without_leading(0x00, &bytes);
                vector.push(0x3C + tail.len() as u8);
                vector.extend_from_slice(tail);
            }
            Self::Int(number @ 0..=170) => vector.push(0x55 + *number as u8),
            Self::Int(number @ 171..) => {
                let bytes = number.to_be_bytes();
                let tail = without_leading(0x00, &bytes);
                vector.push(0x4C + tail.len() as u8);
                vector.extend_from_slice(tail);
            }
            // A single byte reaches down to -256: there is no sign bit to keep.
            Self::Int(number @ ..0) => {
                let bytes = number.to_be_bytes();
                let tail = without_leading(0xFF, &bytes);
                vector.push(0x4D - tail.len() as u8);
                vector.extend_from_slice(tail);
            }
        }
        Ok(())
    }
}

fn encode_float(tag: u8, number: f64, vector: &mut Vec<u8>) {
    let bytes = number.to_le_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    vector.push(tag + (bytes.len() - zeros) as u8);
    vector.extend_from_slice(&bytes[zeros..]);
}

/// A number without the leading bytes that decoding fills in again, but at least one byte.
fn without_leading(filler: u8, bytes: &[u8; 8]) -> &[u8] {
    let fillers = bytes[..7]
        .iter()
        .take_while(|byte| **byte == filler)
        .count();
    &bytes[fillers..]
}

const CUT_OFF: Flaw = "a value is cut off";

/// Decodes a vector value by value. Stops at the first error.
pub(super) struct Scalars {
    rest: Bytes,
}

impl Scalars {
    pub(super) fn new(vector: Bytes) -> Self {
        Self { rest: vector }
    }

    /// Takes an integer.
    pub(super) fn int(&mut self) -> Result<i64, Flaw> {
        match self.next().transpose()? {
            Some(Scalar::Int(number)) => Ok(number),
            _ => Err("an integer is missing"),
        }
    }

    /// Takes a handle, or none where a zero stands.
    pub(super) fn link(&mut self) -> Result<Option<Handle>, Flaw> {
        Handle::from_link(self.int()?)
    }

    /// Takes a text that has to be UTF-8, as all names are.
    pub(super) fn name(&mut self) -> Result<String, Flaw> {
        match self.next().transpose()? {
            Some(Scalar::Text(text)) => {
                String::from_utf8(text.into()).map_err(|_| "a name is not UTF-8")
            }
            _ => Err("a name is missing"),
        }
    }

    /// Takes a handle, after which there is to be nothing.
    pub(super) fn last_link(mut self) -> Result<Option<Handle>, Flaw> {
        let link = self.link()?;
        self.end()?;
        Ok(link)
    }

    /// Makes sure that nothing is left.
    pub(super) fn end(&self) -> Result<(), Flaw> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err("there are more values than belong there")
        }
    }

    fn take(&mut self, len: usize) -> Result<Bytes, Flaw> {
        if len > self.rest.len() {
            return Err(CUT_OFF);
        }
        Ok(self.rest.split_to(len))
    }

    /// Takes up to eight bytes as a big-endian number.
    fn number(&mut self, len: u8) -> Result<u64, Flaw> {
        let bytes = self.take(usize::from(len))?;
        Ok(bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn length(&mut self, len: u8) -> Result<usize, Flaw> {
        usize::try_from(self.number(len)?).map_err(|_| CUT_OFF)
    }

    /// Takes the last `len` bytes of a little-endian float whose other bytes are zero.
    fn float(&mut self, len: u8) -> Result<f64, Flaw> {
        let tail = self.take(usize::from(len))?;
        let mut bytes = [0; 8];
        bytes[8 - tail.len()..].copy_from_slice(&tail);
        Ok(f64::from_le_bytes(bytes))
    }

    fn scalar(&mut self) -> Result<Scalar, Flaw> {
        let tag = self.take(1)?[0];
        Ok(match tag {
            0x00 => Scalar::Null,
            0x01 => Scalar::Bool(false),
            0x02 => Scalar::Bool(true),
            0x03..=0x0B => Scalar::Float(self.float(tag - 0x03)?),
            0x0C..=0x14 => {
                let re = self.float(tag - 0x0C)?;
                match self.take(1)?[0] {
                    tag @ 0x0C..=0x14 => {
                        let im = self.float(tag - 0x0C)?;
                        Scalar::Complex { re, im }
                    }
                    _ => return Err("a complex number has no imaginary part"),
                }
            }
            0x15..=0x26 => Scalar::Bytes(self.take(usize::from(tag - 0x15))?),
            0x27 => {
                let len = self.length(1)?;
                Scalar::Bytes(self.take(len)?)
            }
            // Long byte strings store one less than their length, texts do not.
            0x28 => {
                let len = self.length(2)? + 1;
                Scalar::Bytes(self.take(len)?)
            }
            0x29..=0x3A => Scalar::Text(self.take(usize::from(tag - 0x29))?),
            0x3B => {
                let len = self.length(1)?;
                Scalar::Text(self.take(len)?)
            }
            0x3C => {
                let len = self.length(2)?;
                Scalar::Text(self.take(len)?)
            }
            0x3D..=0x44 => Scalar::Uint(self.number(tag - 0x3C)?),
            0x45..=0x4C => {
                let len = 8 - (tag - 0x45);
                let low = self.number(len)?;
                let high = u64::MAX.checked_shl(u32::from(len) * 8).unwrap_or(0);
                Scalar::Int((high | low).cast_signed())
            }
            0x4D..=0x54 => Scalar::Int(
                i64::try_from(self.number(tag - 0x4C)?)
                    .map_err(|_| "an integer is out of range")?,
            ),
            0x55..=0xFF => Scalar::Int(i64::from(tag - 0x55)),
        })
    }
}

impl Iterator for Scalars {
    type Item = Result<Scalar, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let scalar = self.scalar();
        if scalar.is_err() {
            self.rest.clear();
        }
        Some(scalar)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(vector: &[u8]) -> Result<Vec<Scalar>, Flaw> {
        Scalars::new(Bytes::copy_from_slice(vector)).collect()
    }

    /// Checks an encoding both ways.
    fn check(scalar: Scalar, vector: &[u8]) {
        assert_eq!(
            encode(std::slice::from_ref(&scalar)).unwrap(),
            vector,
            "{scalar:?}"
        );
        assert_eq!(decode(vector).unwrap(), [scalar]);
    }

    fn text(len: usize) -> Scalar {
        Scalar::Text(vec![b'x'; len].into())
    }

    fn bytes(len: usize) -> Scalar {
        Scalar::Bytes(vec![b'x'; len].into())
    }

    /// Checks the head of a long encoding, and that the rest is the `len` bytes themselves.
    fn check_head(scalar: Scalar, head: &[u8], len: usize) {
        check(scalar, &[head, &vec![b'x'; len]].concat());
    }

    #[test]
    fn small_values() {
        check(Scalar::Null, &[0x00]);
        check(Scalar::Bool(false), &[0x01]);
        check(Scalar::Bool(true), &[0x02]);
        check(Scalar::Float(0.0), &[0x03]);
        check(Scalar::Float(1.0), &[0x05, 0xF0, 0x3F]);
        check(Scalar::Float(-0.0), &[0x04, 0x80]);
        check(
            Scalar::Complex { re: 1.0, im: 0.0 },
            &[0x0E, 0xF0, 0x3F, 0x0C],
        );
        check(Scalar::Uint(0), &[0x3D, 0x00]);
        check(Scalar::Uint(256), &[0x3E, 0x01, 0x00]);
        check(
            Scalar::Uint(u64::MAX),
            &[0x44, 255, 255, 255, 255, 255, 255, 255, 255],
        );
    }

    #[test]
    fn integers_where_their_length_changes() {
        check(Scalar::Int(0), &[0x55]);
        check(Scalar::Int(170), &[0xFF]);
        check(Scalar::Int(171), &[0x4D, 0xAB]);
        check(Scalar::Int(255), &[0x4D, 0xFF]);
        check(Scalar::Int(256), &[0x4E, 0x01, 0x00]);
        check(Scalar::Int(1_234_567), &[0x4F, 0x12, 0xD6, 0x87]);
        check(
            Scalar::Int(i64::MAX),
            &[0x54, 0x7F, 255, 255, 255, 255, 255, 255, 255],
        );
        check(Scalar::Int(-1), &[0x4C, 0xFF]);
        check(Scalar::Int(-256), &[0x4C, 0x00]);
        check(Scalar::Int(-257), &[0x4B, 0xFE, 0xFF]);
        check(Scalar::Int(-65_536), &[0x4B, 0x00, 0x00]);
        check(Scalar::Int(-65_537), &[0x4A, 0xFE, 0xFF, 0xFF]);
        check(Scalar::Int(-(1 << 56)), &[0x46, 0, 0, 0, 0, 0, 0, 0]);
        check(
            Scalar::Int(-(1 << 56) - 1),
            &[0x45, 0xFE, 255, 255, 255, 255, 255, 255, 255],
        );
        check(Scalar::Int(i64::MIN), &[0x45, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn strings_where_the_form_of_their_length_changes() {
        check_head(text(0), &[0x29], 0);
        check_head(text(17), &[0x3A], 17);
        check_head(text(18), &[0x3B, 18], 18);
        check_head(text(255), &[0x3B, 0xFF], 255);
        check_head(text(256), &[0x3C, 0x01, 0x00], 256);
        check_head(text(65_535), &[0x3C, 0xFF, 0xFF], 65_535);
        assert!(encode(&[text(65_536)]).is_err());

        check_head(bytes(0), &[0x15], 0);
        check_head(bytes(17), &[0x26], 17);
        check_head(bytes(18), &[0x27, 18], 18);
        check_head(bytes(255), &[0x27, 0xFF], 255);
        check_head(bytes(256), &[0x28, 0x00, 0xFF], 256);
        check_head(bytes(65_536), &[0x28, 0xFF, 0xFF], 65_536);
        assert!(encode(&[bytes(65_537)]).is_err());
    }

    #[test]
    fn longer_encodings_than_necessary_are_read() {
        assert_eq!(decode(&[0x4E, 0x00, 0x07]), Ok(vec![Scalar::Int(7)]));
        assert_eq!(
            decode(&[0x45, 255, 255, 255, 255, 255, 255, 255, 255]),
            Ok(vec![Scalar::Int(-1)])
        );
        assert_eq!(decode(&[0x3B, 0x01, b'x']), Ok(vec![text(1)]));
    }

    #[test]
    fn damage_is_an_error_and_the_end() {
        for vector in [
            &[0x4D][..],                        // number cut off
            &[0x54, 0x80, 0, 0, 0, 0, 0, 0, 0], // beyond 63 bits
            &[0x3A, b'x'],                      // text cut off
            &[0x28, 0x00],                      // length cut off
            &[0x0C, 0x55],                      // real part without imaginary part
        ] {
            let mut scalars = Scalars::new(Bytes::copy_from_slice(vector));
            assert!(scalars.next().unwrap().is_err(), "{vector:02x?}");
            assert_eq!(scalars.next(), None, "{vector:02x?}");
        }
    }

    fn any_scalar() -> impl Strategy<Value = Scalar> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        prop_oneof![
            Just(Scalar::Null),
            any::<bool>().prop_map(Scalar::Bool),
            any::<i64>().prop_map(Scalar::Int),
            (-70_000..70_000_i64).prop_map(Scalar::Int),
            any::<u64>().prop_map(Scalar::Uint),
            any::<f64>().prop_map(Scalar::Float),
            any::<(f64, f64)>().prop_map(|(re, im)| Scalar::Complex { re, im }),
            bytes().prop_map(Scalar::Bytes),
            bytes().prop_map(Scalar::Text),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(
            scalars in proptest::collection::vec(any_scalar(), 0..8),
        ) {
            prop_assert_eq!(decode(&encode(&scalars).unwrap()), Ok(scalars));
        }

        #[test]
        fn arbitrary_bytes_decode_or_fail(vector in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&vector);
        }
    }
}
