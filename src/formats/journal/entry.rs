//! A log entry as the caller gives it, and what the format allows in one.

use uuid::Uuid;

use super::error::Error;

/// How long a field's name may be, in bytes, by systemd's rules.
pub const MAX_FIELD_NAME_BYTES: usize = 64;

/// How many fields an entry may have. Systemd's own programs hand on no entry with more.
pub const MAX_FIELDS: usize = 1024;

/// How long name, `=` and value of a field may be together, in bytes. Systemd's own programs
/// hand on no longer value.
pub const MAX_PAYLOAD_BYTES: usize = 768 << 20;

/// The first time, in microseconds, that systemd takes for damage: in the year 3111.
const END_OF_TIME_US: u64 = 1 << 55;

/// One entry of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Wall clock time, in microseconds since 1970; more than 0 and less than 2^55.
    ///
    /// It may be earlier than that of the entry before: clocks are set back, the order of a
    /// file is that of writing, and systemd's verifier does not mind.
    pub realtime_us: u64,
    /// Time since the boot, in microseconds; less than 2^55, and not earlier than that of the
    /// entry before, unless that one is from another boot: this the verifier does mind.
    pub monotonic_us: u64,
    /// The boot to which `monotonic_us` belongs; not nil.
    pub boot_id: Uuid,
    /// At least one, at most [`MAX_FIELDS`]. The same name may come with several values; the same
    /// name and value again is the same field. Readers get them in an order that is
    /// not this one.
    pub fields: &'a [Field<'a>],
}

/// One field of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Capital letters, digits and underscores, no digit first; 1 to [`MAX_FIELD_NAME_BYTES`].
    pub name: &'a str,
    /// Any bytes. With name and `=` at most [`MAX_PAYLOAD_BYTES`].
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field of text or bytes.
    pub fn new(name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            name,
            value: value.as_ref(),
        }
    }

    /// The length of what the file keeps of it, `NAME=value`.
    pub(super) fn payload_bytes(&self) -> usize {
        self.name.len() + 1 + self.value.len()
    }

    /// Fails unless the field may stand in a journal.
    ///
    /// # Errors
    ///
    /// [`Error::FieldName`] or [`Error::FieldTooLong`].
    pub fn check(&self) -> Result<(), Error> {
        let legal = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        if self.name.is_empty() {
            Err(Error::name(self.name, "is empty"))
        } else if self.name.len() > MAX_FIELD_NAME_BYTES {
            Err(Error::name(self.name, "is longer than 64 bytes"))
        } else if !self.name.bytes().all(legal) {
            Err(Error::name(
                self.name,
                "has other characters than A-Z, 0-9 and _",
            ))
        } else if self.name.starts_with(|first: char| first.is_ascii_digit()) {
            Err(Error::name(self.name, "begins with a digit"))
        } else if self.payload_bytes() > MAX_PAYLOAD_BYTES {
            Err(Error::FieldTooLong {
                name: self.name.to_owned(),
                size_bytes: self.payload_bytes(),
            })
        } else {
            Ok(())
        }
    }
}

impl Entry<'_> {
    /// Fails unless the entry, taken alone, may stand in a journal.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.fields.is_empty() {
            return Err(Error::NoFields);
        }
        if self.fields.len() > MAX_FIELDS {
            return Err(Error::TooManyFields {
                count: self.fields.len(),
            });
        }
        self.fields.iter().try_for_each(Field::check)?;
        if self.realtime_us == 0 || self.realtime_us >= END_OF_TIME_US {
            return Err(Error::Time {
                clock: "realtime",
                value_us: self.realtime_us,
            });
        }
        if self.monotonic_us >= END_OF_TIME_US {
            return Err(Error::Time {
                clock: "monotonic",
                value_us: self.monotonic_us,
            });
        }
        if self.boot_id.is_nil() {
            return Err(Error::NilBoot);
        }
        Ok(())
    }
}
