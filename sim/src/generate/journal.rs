//! How a pod's journal is kept: as its systemd does, unless something else is said.

use super::{Error, Mistake};
use crate::{
    spec::{Compression, Journal},
    spec_file::{CompressionName, Given, JournalSpec, Path},
};

/// The first systemd that wrote files which others can still read.
const FIRST_SYSTEMD: u32 = 189;
/// The first with keyed hashes and ZSTD.
const KEYED_SYSTEMD: u32 = 246;
/// The first with short offsets.
const COMPACT_SYSTEMD: u32 = 252;

/// The journal of a pod, as the file says at that path.
///
/// # Errors
///
/// When it takes a newer systemd than is said.
pub(super) fn journal(spec: &JournalSpec, at: &Path) -> Result<Journal, Error> {
    let compression = match spec.compression {
        Given::Value(name) => Some(Compression::from(name)),
        Given::Unsaid | Given::Nothing => None,
    };
    let is_zstd = spec.compression == Given::Value(CompressionName::Zstd);
    let needs = [
        ("compression", is_zstd, KEYED_SYSTEMD),
        ("keyedHash", spec.keyed_hash == Some(true), KEYED_SYSTEMD),
        ("compact", spec.compact == Some(true), COMPACT_SYSTEMD),
    ];
    let needs = needs.into_iter().filter(|(_, said, _)| *said);
    let usual = match spec.systemd {
        Some(has) => {
            let is_old = ("systemd", true, FIRST_SYSTEMD);
            let all = std::iter::once(is_old).chain(needs);
            let mut newer = all.filter(|(_, _, needs)| has < *needs);
            if let Some((key, _, needs)) = newer.next() {
                return Err(Mistake::OldSystemd { has, needs }.at(at.key(key)));
            }
            Journal::of_systemd(has)
        }
        // No newer than need be.
        None => Journal {
            revision: match needs.map(|(_, _, needs)| needs).max() {
                Some(needs) => Journal::of_systemd(needs).revision,
                None => Journal::default().revision,
            },
            ..Journal::default()
        },
    };
    Ok(Journal {
        revision: usual.revision,
        keyed_hash: spec.keyed_hash.unwrap_or(usual.keyed_hash),
        compact: spec.compact.unwrap_or(usual.compact),
        compression: match spec.compression {
            Given::Unsaid => usual.compression,
            Given::Nothing | Given::Value(_) => compression,
        },
        rotate_after: spec.rotate_after,
        dirty: spec.dirty,
        torn: spec.torn.map(Into::into),
    })
}
