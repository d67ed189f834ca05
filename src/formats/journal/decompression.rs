//! Payloads that were made shorter, made long again: as much of them as somebody wants, up to a
//! limit. Nobody vouches for what is decompressed here. How payloads are compressed, and which are,
//! is in `compression`.

use std::io::{self, Read};

use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

use super::compression::Compression;

/// How much memory a compressed payload may ask for beside itself. systemd's take far less: a
/// dictionary of 1 MiB for XZ, a window of no more than the payload for ZSTD.
const WORKSPACE_BYTES: u32 = 16 << 20;

/// Why a payload is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoilt {
    /// It is longer than the limit.
    TooLong,
    /// It is not as its compressor leaves it.
    Damaged,
}

/// What comes after `prefix` in the payload that was compressed to `stored`, if that is no longer
/// than the limit. `None` if it does not begin so: to find out takes no more than the beginning.
pub(super) fn after_prefix(
    compression: Compression,
    stored: &[u8],
    prefix: &[u8],
    limit_bytes: usize,
) -> Result<Option<Vec<u8>>, Spoilt> {
    match compression {
        Compression::Lz4 => lz4(stored, prefix, limit_bytes),
        Compression::Xz => {
            let reader = XzReader::new_mem_limit(stored, false, WORKSPACE_BYTES >> 10);
            stream(reader, prefix, limit_bytes)
        }
        Compression::Zstd => {
            let window = u64::from(WORKSPACE_BYTES).max(limit_bytes as u64);
            let reader = StreamingDecoder::new_with_max_window_size(stored, window);
            stream(reader.map_err(|_| Spoilt::Damaged)?, prefix, limit_bytes)
        }
    }
}

fn stream(
    mut reader: impl Read,
    prefix: &[u8],
    limit_bytes: usize,
) -> Result<Option<Vec<u8>>, Spoilt> {
    let mut begin = vec![0; prefix.len()];
    match reader.read_exact(&mut begin) {
        Ok(()) if begin == prefix => {}
        Ok(()) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(_) => return Err(Spoilt::Damaged),
    }
    let mut value = Vec::new();
    let read = reader.take(limit_bytes as u64 + 1).read_to_end(&mut value);
    match read {
        Ok(length) if length > limit_bytes => Err(Spoilt::TooLong),
        Ok(_) => Ok(Some(value)),
        Err(_) => Err(Spoilt::Damaged),
    }
}

/// The length of the payload, in 8 bytes, and one raw block.
fn lz4(stored: &[u8], prefix: &[u8], limit_bytes: usize) -> Result<Option<Vec<u8>>, Spoilt> {
    /// What no block of that many bytes exceeds, by that factor.
    const MAX_RATIO: u64 = 255;

    let (size, block) = stored.split_first_chunk().ok_or(Spoilt::Damaged)?;
    let size = u64::from_le_bytes(*size);
    if !lz4_may_begin(block, prefix) {
        return Ok(None);
    }
    if size > (limit_bytes + prefix.len()) as u64 {
        return Err(Spoilt::TooLong);
    }
    if size > (block.len() as u64 + 1) * MAX_RATIO {
        return Err(Spoilt::Damaged);
    }
    let mut payload = vec![0; size as usize];
    match lz4_flex::block::decompress_into(block, &mut payload) {
        Ok(length) if length == payload.len() => {}
        _ => return Err(Spoilt::Damaged),
    }
    Ok(match payload.starts_with(prefix) {
        true => Some(payload.split_off(prefix.len())),
        false => None,
    })
}

/// Whether the payload of an LZ4 block may begin with `prefix`: a block begins with bytes that
/// stand for themselves.
fn lz4_may_begin(block: &[u8], prefix: &[u8]) -> bool {
    let Some((token, mut rest)) = block.split_first() else {
        return prefix.is_empty();
    };
    let mut literals = usize::from(token >> 4);
    if literals == 15 {
        while let Some((more, after)) = rest.split_first() {
            rest = after;
            literals = literals.saturating_add(usize::from(*more));
            if *more != u8::MAX {
                break;
            }
        }
    }
    let known = literals.min(rest.len()).min(prefix.len());
    rest[..known] == prefix[..known]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MESSAGE=` and 3,000 times `C`, as systemd 252 stores it.
    const SYSTEMDS: [(Compression, &str); 3] = [
        (
            Compression::Xz,
            "fd377a585a000000ff12d941020021010c0000008f98419ce00bbf001e5d00269146acd06f74b8a5aee8\
             4b4e2907e9662a5108aad2fff1b01306a5ba00000000000132c01700000086f53caea8000afc02000000\
             0000595a",
        ),
        (
            Compression::Lz4,
            "c00b0000000000009f4d4553534147453d430100ffffffffffffffffffffffaa504343434343",
        ),
        (
            Compression::Zstd,
            "28b52ffd60c00a850000484d4553534147453d430100b4f3c111",
        ),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect()
    }

    #[test]
    fn what_systemd_compresses_is_read() {
        for (way, hex) in SYSTEMDS {
            let stored = bytes(hex);
            let read = |prefix: &[u8], limit| after_prefix(way, &stored, prefix, limit);
            let value = vec![b'C'; 3000];
            assert_eq!(read(b"MESSAGE=", 3000), Ok(Some(value.clone())), "{way:?}");
            let payload = [b"MESSAGE=", &value[..]].concat();
            assert_eq!(read(b"", 3008), Ok(Some(payload.clone())), "{way:?}");
            assert_eq!(read(&payload, 0), Ok(Some(Vec::new())), "{way:?}");
            assert_eq!(read(b"PRIORITY=", 3000), Ok(None), "{way:?}");
            assert_eq!(read(b"MESSAGE=", 2999), Err(Spoilt::TooLong), "{way:?}");
        }
    }

    /// What is cut short is told from what is whole, wherever it was cut.
    #[test]
    fn beginnings_are_no_payloads() {
        for (way, hex) in SYSTEMDS {
            let stored = bytes(hex);
            // What follows the last block of XZ or ZSTD says nothing of the payload.
            let needed = match way {
                Compression::Xz => stored.len() - 40,
                Compression::Lz4 => stored.len(),
                Compression::Zstd => stored.len() - 4,
            };
            for length in 0..needed {
                let read = after_prefix(way, &stored[..length], b"MESSAGE=", 4096);
                assert!(!matches!(read, Ok(Some(_))), "{way:?} of {length} bytes");
            }
        }
    }
}
