//! Why a journal refuses an entry, or cannot be begun: the one error type of this library.

use super::{
    entry::{MAX_FIELD_NAME_BYTES, MAX_FIELDS, MAX_PAYLOAD_BYTES},
    options::State,
};

/// Why nothing was written. The writer is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field's name is not one that a journal can have.
    #[error("field name {name:?} {why}")]
    FieldName {
        /// The name.
        name: String,
        /// What is wrong with it, as the end of a sentence.
        why: &'static str,
    },

    /// An entry has no fields. Systemd's verifier takes such an entry for damage.
    #[error("the entry has no fields")]
    NoFields,

    /// An entry has more than [`MAX_FIELDS`] fields.
    #[error("the entry has {count} fields, more than {MAX_FIELDS}")]
    TooManyFields {
        /// How many it has.
        count: usize,
    },

    /// A field is longer than [`MAX_PAYLOAD_BYTES`].
    #[error("field {name} takes {size_bytes} bytes, more than {MAX_PAYLOAD_BYTES}")]
    FieldTooLong {
        /// The field's name.
        name: String,
        /// The length of name, `=` and value, in bytes.
        size_bytes: usize,
    },

    /// A time is one that systemd takes for damage: 2^55 µs or more, or realtime 0.
    #[error("{clock} time of {value_us} µs is out of range")]
    Time {
        /// Which clock: `realtime` or `monotonic`.
        clock: &'static str,
        /// The time, in microseconds.
        value_us: u64,
    },

    /// The monotonic clock is behind that of the entry before, though the boot is the same.
    #[error("monotonic time of {now_us} µs is before the last entry's, {before_us} µs")]
    MonotonicBackwards {
        /// The entry's time, in microseconds.
        now_us: u64,
        /// The time of the entry before, in microseconds.
        before_us: u64,
    },

    /// The entry's boot id is nil, which newer systemds take for damage.
    #[error("the boot id is nil")]
    NilBoot,

    /// The entry's number would be 0, or the last one that there is.
    #[error("no entry can have the sequence number {0}")]
    Seqnum(u64),

    /// The file could outgrow the largest size that it may have.
    #[error("the file could outgrow {limit_bytes} bytes")]
    Full {
        /// That size, in bytes.
        limit_bytes: u64,
    },

    /// The file is closed: entries go only into one that is [`State::Online`].
    #[error("the file is {0}, not online")]
    NotOnline(State),

    /// A file is not just as a writer leaves one: it is damaged, or somebody else's.
    #[error("the file is not as this writer would have left it")]
    NotResumable,
}

impl Error {
    /// A name that breaks a rule.
    pub(super) fn name(name: &str, why: &'static str) -> Self {
        // The name may be of any length: what the message shows of it is not.
        let name = name.chars().take(MAX_FIELD_NAME_BYTES + 1).collect();
        Self::FieldName { name, why }
    }
}
