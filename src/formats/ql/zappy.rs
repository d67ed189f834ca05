//! Zappy, the compression of block contents: a relative of snappy.
//!
//! A stream is the decoded length and then chunks, each either literal bytes or a copy of
//! bytes that were produced before. Only unpacking lives here. The writer leaves contents
//! as they are, which the format allows.

use super::error::Flaw;

/// A stream whose stated length has been read, and nothing else yet.
///
/// Looking at [`Stream::decoded_len`] first lets the caller refuse a bomb before anything
/// is allocated for it.
pub(super) struct Stream<'a> {
    decoded_len: u64,
    chunks: &'a [u8],
}

impl<'a> Stream<'a> {
    pub(super) fn new(mut bytes: &'a [u8]) -> Result<Self, Flaw> {
        let decoded_len = uvarint(&mut bytes)?;
        Ok(Self {
            decoded_len,
            chunks: bytes,
        })
    }

    /// The length that the stream says it unpacks to, in bytes.
    pub(super) fn decoded_len(&self) -> u64 {
        self.decoded_len
    }

    /// Unpacks the stream. Allocates [`Stream::decoded_len`] bytes, and never more.
    pub(super) fn decode(self) -> Result<Vec<u8>, Flaw> {
        const OVERRUN: Flaw = "the compressed content is longer than it says";

        let len = usize::try_from(self.decoded_len).map_err(|_| OVERRUN)?;
        let mut out = Vec::with_capacity(len);
        let mut input = self.chunks;
        while !input.is_empty() {
            let chunk = varint(&mut input)?;
            let room = len - out.len();
            let count = usize::try_from(chunk.unsigned_abs()).map_err(|_| OVERRUN)?;
            if chunk >= 0 {
                if count >= room {
                    return Err(OVERRUN);
                }
                let (literal, rest) = input
                    .split_at_checked(count + 1)
                    .ok_or("the compressed content is cut off in a literal")?;
                out.extend_from_slice(literal);
                input = rest;
            } else {
                if count > room {
                    return Err(OVERRUN);
                }
                let distance = usize::try_from(uvarint(&mut input)?)
                    .ok()
                    .filter(|distance| (1..=out.len()).contains(distance))
                    .ok_or("the compressed content copies from before its start")?;
                // Byte by byte: a copy may run into what it has itself just produced, which
                // is how a short pattern is repeated.
                for _ in 0..count {
                    out.push(out[out.len() - distance]);
                }
            }
        }
        if out.len() < len {
            return Err("the compressed content is shorter than it says");
        }
        Ok(out)
    }
}

/// Takes an unsigned integer off the front: seven bits a byte, least significant first.
fn uvarint(input: &mut &[u8]) -> Result<u64, Flaw> {
    let mut value = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = input
            .split_first()
            .ok_or("the compressed content is cut off in a number")?;
        *input = rest;
        let bits = u64::from(byte & 0x7F);
        if (bits << shift) >> shift != bits {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("the compressed content has a number of more than 64 bits")
}

/// Takes a signed integer off the front: zigzag, so that small negative ones stay short.
fn varint(input: &mut &[u8]) -> Result<i64, Flaw> {
    let zigzag = uvarint(input)?;
    let magnitude = (zigzag >> 1).cast_signed();
    Ok(if zigzag & 1 == 0 {
        magnitude
    } else {
        !magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Flaw> {
        Stream::new(bytes)?.decode()
    }

    #[test]
    fn literals_and_copies() {
        assert_eq!(unpack(&[0]), Ok(vec![]));
        assert_eq!(unpack(&[3, 4, b'a', b'b', b'c']), Ok(b"abc".to_vec()));
        // "abc", then 2 bytes from 3 back.
        assert_eq!(
            unpack(&[5, 4, b'a', b'b', b'c', 3, 3]),
            Ok(b"abcab".to_vec())
        );
    }

    #[test]
    fn a_copy_may_overlap_its_own_output() {
        assert_eq!(unpack(&[5, 0, b'x', 7, 1]), Ok(b"xxxxx".to_vec()));
        assert_eq!(unpack(&[7, 2, b'x', b'y', 9, 2]), Ok(b"xyxyxyx".to_vec()));
    }

    #[test]
    fn the_key_tail_of_the_sample_database() {
        let stream = [0x0F, 0x02, 0x62, 0x62, 0x17, 0x01, 0x00, 0x55];
        assert_eq!(unpack(&stream), Ok(b"bbbbbbbbbbbbbbU".to_vec()));
    }

    #[test]
    fn damage_is_an_error() {
        let cases: [&[u8]; 10] = [
            &[],                 // no length
            &[0x80],             // length cut off
            &[0xFF; 11],         // length of more than 64 bits
            &[2, 0, b'a'],       // too short
            &[1, 2, b'a', b'b'], // literal too long
            &[4, 0, b'a', 9, 1], // copy too long
            &[4, 6, b'a'],       // literal cut off
            &[4, 0, b'a', 3],    // copy cut off
            &[4, 0, b'a', 3, 2], // copy from before the start
            &[4, 0, b'a', 3, 0], // copy from nowhere
        ];
        for case in cases {
            assert!(unpack(case).is_err(), "{case:02x?}");
        }
    }

    #[test]
    fn numbers_at_the_edge_of_64_bits() {
        let mut most: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
        assert_eq!(uvarint(&mut most), Ok(u64::MAX));
        let mut least: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
        assert_eq!(varint(&mut least), Ok(i64::MIN));
        let mut more: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02];
        assert!(uvarint(&mut more).is_err());
    }
}
