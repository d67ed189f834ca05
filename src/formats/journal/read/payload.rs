//! What data objects hold, compressed or not, up to a limit.

use std::io::{self, Read};

use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// How much memory a compressed payload may ask for beside itself. systemd's take far less: a
/// dictionary of 1 MiB for XZ, a window of no more than the payload for ZSTD.
const WORKSPACE_BYTES: u32 = 16 << 20;

/// How a payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Xz,
    Lz4,
    Zstd,
}

impl Compression {
    /// What an object's flags say; `None` where they say nothing that can be.
    pub(super) fn of(flags: u8) -> Option<Self> {
        match flags {
            0 => Some(Self::None),
            1 => Some(Self::Xz),
            2 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Why a payload is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoilt {
    /// It is longer than the limit.
    TooLong,
    /// It is not as its compressor leaves it.
    Damaged,
}

/// What comes after `prefix` in the payload that is stored as `stored`. `None` if it does not
/// begin with that: to find out takes no more than the beginning.
pub(super) fn after_prefix(
    compression: Compression,
    stored: &[u8],
    prefix: &[u8],
    limit_bytes: usize,
) -> Result<Option<Vec<u8>>, Spoilt> {
    match compression {
        Compression::None => Ok(stored.strip_prefix(prefix).map(<[u8]>::to_vec)),
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
