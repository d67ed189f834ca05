//! How long payloads are kept shorter: XZ, LZ4 or ZSTD, one of them per file.
//!
//! Whether a payload is compressed is decided here too. What its hash is, and where it lies, is
//! not: hashes are those of the payload as it was given. `decompression` is the way back.

use std::{borrow::Cow, io::Write as _};

use lzma_rust2::{CheckType, XzOptions, XzWriter};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{
    decompression,
    entry::MAX_PAYLOAD_BYTES,
    layout::{header, object},
};

/// From this length on payloads are compressed, in bytes.
const THRESHOLD_BYTES: usize = 512;

/// The fastest preset of XZ. Systemd's is as fast.
const XZ_PRESET: u32 = 0;

/// How a file's long payloads are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Whole `.xz` streams without checksums: systemd's way up to 229.
    Xz,
    /// Single raw blocks after their length: systemd's way from 230 to 245.
    Lz4,
    /// Whole frames with their length: systemd's way since 246.
    Zstd,
}

impl Compression {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Xz, Self::Lz4, Self::Zstd];

    /// The flag of files that may have such payloads.
    pub(super) fn file_flag(self) -> u8 {
        match self {
            Self::Xz => header::XZ_FLAG,
            Self::Lz4 => header::LZ4_FLAG,
            Self::Zstd => header::ZSTD_FLAG,
        }
    }

    /// The flag of data whose payload is compressed so.
    fn object_flag(self) -> u8 {
        match self {
            Self::Xz => object::XZ_FLAG,
            Self::Lz4 => object::LZ4_FLAG,
            Self::Zstd => object::ZSTD_FLAG,
        }
    }

    /// The one of data with those flags; `None` where there are others, or none.
    pub(super) fn of_object(flags: u8) -> Option<Self> {
        let mut ways = Self::ALL.into_iter();
        ways.find(|way| way.object_flag() == flags)
    }

    fn compress(self, payload: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Xz => xz(payload),
            Self::Lz4 => {
                let length = (payload.len() as u64).to_le_bytes();
                Some([&length[..], &lz4_flex::block::compress(payload)].concat())
            }
            Self::Zstd => zstd(payload),
        }
    }
}

/// What a file keeps of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    /// The flags of the data object.
    pub(super) flags: u8,
    /// The payload, compressed or not.
    pub(super) bytes: Cow<'a, [u8]>,
}

impl<'a> Stored<'a> {
    /// What is kept in a file with that compression: the shorter of the two. The same payload
    /// is always kept in the same way.
    pub(super) fn new(payload: &'a [u8], compression: Option<Compression>) -> Self {
        let compressed = compression
            .filter(|_| payload.len() >= THRESHOLD_BYTES)
            .and_then(|compression| Some((compression, compression.compress(payload)?)))
            .filter(|(_, bytes)| bytes.len() < payload.len());
        match compressed {
            Some((compression, bytes)) => Self {
                flags: compression.object_flag(),
                bytes: bytes.into(),
            },
            None => Self {
                flags: 0,
                bytes: payload.into(),
            },
        }
    }

    /// The payload; `None` when these are no bytes that it was compressed to, or when it would
    /// be longer than a payload can be.
    pub(super) fn payload(self) -> Option<Cow<'a, [u8]>> {
        if self.flags == 0 {
            return Some(self.bytes);
        }
        let way = Compression::of_object(self.flags)?;
        let payload = decompression::after_prefix(way, &self.bytes, b"", MAX_PAYLOAD_BYTES);
        payload.ok()?.map(Cow::Owned)
    }
}

fn xz(payload: &[u8]) -> Option<Vec<u8>> {
    let mut options = XzOptions::with_preset(XZ_PRESET);
    options.set_check_sum_type(CheckType::None);
    let mut writer = XzWriter::new(Vec::new(), options).ok()?;
    writer.write_all(payload).ok()?;
    writer.finish().ok()
}

/// A frame that says how long its content is: readers of journals ask for that, and the encoder
/// leaves it out. So its header, which says nothing else, is replaced.
fn zstd(payload: &[u8]) -> Option<Vec<u8>> {
    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    /// After the magic number: a descriptor without any flags, and the window's size.
    const ENCODERS: [u8; 1] = [0];
    const WINDOW_BYTES: usize = 1;
    /// The content's length follows in 4 bytes, and is the window's size, too.
    const OURS: [u8; 1] = [0b1010_0000];

    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let frame = compress_to_vec(payload, CompressionLevel::Fastest);
    let rest = frame.strip_prefix(&MAGIC)?.strip_prefix(&ENCODERS)?;
    let blocks = rest.get(WINDOW_BYTES..)?;
    Some([&MAGIC[..], &OURS, &length, blocks].concat())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn any_way() -> impl Strategy<Value = Compression> {
        select(&Compression::ALL[..])
    }

    /// Text of few words, or bytes without any order.
    fn any_payload() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(select(&["GET ", "/index.html ", "200 ", "\n"][..]), 0..400)
                .prop_map(|words| words.concat().into_bytes()),
            vec(any::<u8>(), 0..2_000),
            (any::<u8>(), 0_usize..300_000).prop_map(|(byte, length)| vec![byte; length]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn payloads_come_back(payload in any_payload(), way in any_way()) {
            let stored = Stored::new(&payload, Some(way));
            prop_assert_eq!(&stored, &Stored::new(&payload, Some(way)));
            prop_assert!(stored.bytes.len() <= payload.len());
            if payload.len() < THRESHOLD_BYTES {
                prop_assert_eq!(stored.flags, 0);
            }
            prop_assert!(stored.payload().as_deref() == Some(&payload[..]));
        }

        #[test]
        fn any_bytes_are_something_or_nothing(bytes in vec(any::<u8>(), 0..200), way in any_way()) {
            let flags = way.object_flag();
            drop(Stored { flags, bytes: (&bytes[..]).into() }.payload());
        }
    }

    #[test]
    fn what_repeats_gets_short_in_every_way() {
        let payload = [b"MESSAGE=".to_vec(), b"again and ".repeat(30_000)].concat();
        for way in Compression::ALL {
            let stored = Stored::new(&payload, Some(way));
            assert_eq!(stored.flags, way.object_flag());
            assert!(
                stored.bytes.len() < 3_000,
                "{way:?}: {}",
                stored.bytes.len()
            );
        }
        assert_eq!(Stored::new(&payload, None).flags, 0);
    }

    #[test]
    fn what_lz4_says_of_its_length_is_not_believed() {
        let payload = [b'x'; 600];
        let stored = Stored::new(&payload, Some(Compression::Lz4));
        assert_eq!(stored.bytes[..8], 600_u64.to_le_bytes());
        let lying = [&u64::MAX.to_le_bytes()[..], &stored.bytes[8..]].concat();
        let flags = stored.flags;
        assert_eq!(
            Stored {
                flags,
                bytes: lying.into()
            }
            .payload(),
            None
        );
    }
}
