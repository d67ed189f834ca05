//! What the writer refuses, and that it is then as it was.

use super::{
    super::{Entry, Error, Field, MAX_FIELDS, MAX_PAYLOAD_BYTES, Options, State, Writer},
    BOOT, options,
};

const MESSAGE: Field<'_> = Field {
    name: "MESSAGE",
    value: b"text",
};

const GOOD: Entry<'_> = Entry {
    realtime_us: 1_500_000_000_000_000,
    monotonic_us: 1_000,
    boot_id: BOOT,
    fields: &[MESSAGE],
};

/// Fails unless the entry is refused, as `expected`, and leaves the file alone.
fn check(entry: &Entry<'_>, expected: &Error) {
    let mut writer = Writer::new(&options()).unwrap();
    writer.append(&GOOD).unwrap();
    assert_eq!(writer.append(entry).unwrap_err(), *expected);

    let mut untouched = Writer::new(&options()).unwrap();
    untouched.append(&GOOD).unwrap();
    assert!(writer.finish(State::Offline) == untouched.finish(State::Offline));
}

#[test]
fn names() {
    let long = "A".repeat(65);
    for (name, why) in [
        ("", "is empty"),
        ("message", "has other characters than A-Z, 0-9 and _"),
        ("A=B", "has other characters than A-Z, 0-9 and _"),
        ("Ä", "has other characters than A-Z, 0-9 and _"),
        ("1ST", "begins with a digit"),
        (&long, "is longer than 64 bytes"),
    ] {
        let fields = &[MESSAGE, Field::new(name, "value")];
        let name = name.to_owned();
        check(&Entry { fields, ..GOOD }, &Error::FieldName { name, why });
    }
    for name in ["_", "A", "__A1_", &long[1..]] {
        let fields = &[Field::new(name, "")];
        let mut writer = Writer::new(&options()).unwrap();
        writer.append(&Entry { fields, ..GOOD }).unwrap();
    }
}

#[test]
fn numbers_of_fields() {
    check(
        &Entry {
            fields: &[],
            ..GOOD
        },
        &Error::NoFields,
    );
    let count = MAX_FIELDS + 1;
    let fields = &vec![MESSAGE; count];
    check(&Entry { fields, ..GOOD }, &Error::TooManyFields { count });
}

#[test]
fn long_fields() {
    // Zeros that are never looked at cost no memory.
    let value = vec![0; MAX_PAYLOAD_BYTES - 1];
    let fields = &[Field::new("A", &value)];
    let expected = Error::FieldTooLong {
        name: "A".to_owned(),
        size_bytes: MAX_PAYLOAD_BYTES + 1,
    };
    check(&Entry { fields, ..GOOD }, &expected);
}

#[test]
fn times() {
    let too_late = 1 << 55;
    for realtime_us in [0, too_late, u64::MAX] {
        let expected = Error::Time {
            clock: "realtime",
            value_us: realtime_us,
        };
        check(
            &Entry {
                realtime_us,
                ..GOOD
            },
            &expected,
        );
    }
    let expected = Error::Time {
        clock: "monotonic",
        value_us: too_late,
    };
    check(
        &Entry {
            monotonic_us: too_late,
            ..GOOD
        },
        &expected,
    );
    let expected = Error::MonotonicBackwards {
        now_us: 999,
        before_us: 1_000,
    };
    check(
        &Entry {
            monotonic_us: 999,
            ..GOOD
        },
        &expected,
    );
    let boot_id = uuid::Uuid::nil();
    check(&Entry { boot_id, ..GOOD }, &Error::NilBoot);
}

#[test]
fn sequence_numbers() {
    let with_first = |first_seqnum| {
        Writer::new(&Options {
            first_seqnum,
            ..options()
        })
    };
    assert_eq!(with_first(0).err(), Some(Error::Seqnum(0)));
    let mut writer = with_first(u64::MAX - 1).unwrap();
    writer.append(&GOOD).unwrap();
    assert_eq!(writer.append(&GOOD), Err(Error::Seqnum(u64::MAX)));
}

#[test]
fn large_files() {
    let expected_payloads = u32::MAX;
    let options = Options {
        expected_payloads,
        ..options()
    };
    let limit_bytes = super::super::MAX_FILE_BYTES;
    assert_eq!(
        Writer::new(&options).err(),
        Some(Error::Full { limit_bytes })
    );
}

/// The estimate of what an entry takes is not below what it does take, nor far above.
#[test]
fn files_stay_below_their_limit() {
    let mut writer = Writer::new(&options()).unwrap();
    let limit_bytes = 60_000;
    writer.limit_bytes = limit_bytes;
    let refused = (0..).find_map(|number: u64| {
        let text = number.to_string();
        let fields = &[Field::new("MESSAGE", &text), Field::new("APP", "web")];
        writer.append(&Entry { fields, ..GOOD }).err()
    });
    assert_eq!(refused, Some(Error::Full { limit_bytes }));
    let used = writer.whole().iter().map(used_to).max().unwrap();
    assert!((50_000..=limit_bytes).contains(&used), "{used}");
}

/// Where the bytes of a change end.
fn used_to(change: &super::super::Change<'_>) -> u64 {
    match change {
        super::super::Change::Length(_) => 0,
        super::super::Change::Bytes { offset, bytes } => offset + bytes.len() as u64,
    }
}

#[test]
fn closed_files() {
    let mut writer = Writer::new(&options()).unwrap();
    for state in [State::Offline, State::Archived] {
        writer.set_state(state);
        assert_eq!(writer.append(&GOOD), Err(Error::NotOnline(state)));
    }
    writer.set_state(State::Online);
    writer.append(&GOOD).unwrap();
}
