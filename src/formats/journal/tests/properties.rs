//! What holds for any entries.

use std::{collections::BTreeSet, sync::LazyLock};

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    super::{Compression, Error, Growth, Options, Revision, State, Writer, hash::jenkins},
    Line, apply, options,
    reader::Reader,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_can_be_read(options in any_options(), lines in any_lines(40)) {
        let bytes = write(&options, &lines);
        let reader = Reader(&bytes);
        reader.check_all();
        let entries = reader.entries();
        for (read, seqnum) in entries.iter().zip(options.first_seqnum..) {
            prop_assert_eq!(read.seqnum, seqnum);
        }
        let read: Vec<Line> = entries.into_iter().map(|read| as_set(&read.line)).collect();
        prop_assert_eq!(read, lines.iter().map(as_set).collect::<Vec<_>>());
    }

    #[test]
    fn the_same_input_makes_the_same_bytes(options in any_options(), lines in any_lines(10)) {
        prop_assert_eq!(write(&options, &lines), write(&options, &lines));
    }

    #[test]
    fn a_file_can_be_gone_on_with(
        options in any_options(),
        lines in any_lines(20),
        stop in 0_usize..20,
        state in select(&[State::Offline, State::Online, State::Archived][..]),
    ) {
        let (before, after) = lines.split_at(stop.min(lines.len()));
        let mut stopped = Writer::new(&options).unwrap();
        append(&mut stopped, before);
        stopped.set_state(state);
        let mut resumed = Writer::resume(&stopped.finish(state)).unwrap();
        prop_assert_eq!(resumed.state(), state);
        resumed.set_state(State::Online);
        append(&mut resumed, after);
        prop_assert!(resumed.finish(State::Offline) == write(&options, &lines));
    }

    #[test]
    fn numbers_go_on_in_the_next_file(options in any_options(), lines in any_lines(5)) {
        let mut writer = Writer::new(&options).unwrap();
        append(&mut writer, &lines);
        let file = uuid::Uuid::from_u128(7);
        let next = writer.successor(file, super::BOOT);
        prop_assert_eq!(next.first_seqnum, options.first_seqnum + lines.len() as u64);
        prop_assert_eq!((next.ids.file, next.ids.seqnum), (file, options.ids.seqnum));
        // Also when another writer goes on with it before it has any entries.
        let empty = Writer::new(&next).unwrap().finish(State::Online);
        let resumed = Writer::resume(&empty).unwrap();
        prop_assert_eq!(resumed.successor(file, super::BOOT), next);
    }

    #[test]
    fn only_what_a_writer_left_is_gone_on_with(
        lines in any_lines(6),
        at in any::<prop::sample::Index>(),
        in_header in 0_usize..240,
        bits in 1..=u8::MAX,
    ) {
        let bytes = write(&options(), &lines);
        prop_assert!(Writer::resume(&bytes[..at.index(bytes.len())]).is_err());
        for at in [at.index(bytes.len()), in_header] {
            let mut changed = bytes.clone();
            changed[at] ^= bits;
            // Some changes make another file that is as good, such as those of ids and times.
            if let Ok(resumed) = Writer::resume(&changed) {
                let state = resumed.state();
                prop_assert!(resumed.finish(state) == changed);
            }
        }
    }

    #[test]
    fn after_every_step_a_reader_sees_whole_entries(
        options in any_options(),
        lines in any_lines(12),
    ) {
        let mut writer = Writer::new(&options).unwrap();
        let mut file = Vec::new();
        for change in writer.whole() {
            prop_assert!(!Reader(&file).is_journal());
            apply(change, &mut file);
        }
        for (written, line) in lines.iter().enumerate() {
            let changes = line.with_entry(|entry| writer.append(entry)).unwrap();
            let last = changes.len() - 1;
            for (step, change) in changes.into_iter().enumerate() {
                apply(change, &mut file);
                let expected = &lines[..written + usize::from(step == last)];
                let read: Vec<Line> =
                    Reader(&file).entries().iter().map(|read| as_set(&read.line)).collect();
                prop_assert_eq!(read, expected.iter().map(as_set).collect::<Vec<_>>());
            }
        }
        apply(writer.set_state(State::Archived), &mut file);
        let mut anew = Vec::new();
        writer.whole().into_iter().for_each(|change| apply(change, &mut anew));
        prop_assert!(anew == file);
        prop_assert!(writer.finish(State::Archived) == file);
    }
}

/// Far more payloads than buckets: chains, and the records of their lengths.
#[test]
fn chains_get_long() {
    let mut lines: Vec<Line> = (0..5_000)
        .map(|number: u64| Line {
            realtime_us: 1 + number,
            monotonic_us: number,
            boot_id: super::BOOT,
            fields: vec![
                ("MESSAGE".to_owned(), format!("line {number}").into_bytes()),
                (format!("FIELD_{number}"), b"value".to_vec()),
            ],
        })
        .collect();
    lines.extend(lines.clone().into_iter().map(|line| Line {
        monotonic_us: 5_000,
        ..line
    }));
    let options = Options {
        revision: Revision::V254,
        ..options()
    };
    let bytes = write(&options, &lines);
    Reader(&bytes).check_all();
    let depth = |at: usize| u64::from_le_bytes(bytes[at..][..8].try_into().unwrap());
    assert!((5..20).contains(&depth(240)), "{}", depth(240));
    assert!((15..40).contains(&depth(248)), "{}", depth(248));
}

#[test]
fn a_journal_may_be_empty() {
    for state in [State::Offline, State::Online, State::Archived] {
        let bytes = write(&options(), &[]);
        Reader(&bytes).check_all();
        assert_eq!(bytes.len(), 40 << 10, "{state}");
    }
}

#[test]
fn files_grow_in_steps() {
    let line = Line {
        realtime_us: 1,
        monotonic_us: 1,
        boot_id: super::BOOT,
        fields: vec![("MESSAGE".to_owned(), vec![b'x'; 9 << 20])],
    };
    for (growth, length) in [
        (Growth::Page, (9 << 20) + (40 << 10)),
        (Growth::Systemd, 16 << 20),
    ] {
        let options = Options {
            growth,
            ..options()
        };
        let bytes = write(&options, std::slice::from_ref(&line));
        assert_eq!(bytes.len(), length);
    }
}

#[test]
fn tables_are_made_for_what_is_expected() {
    for (expected_payloads, buckets) in [(0, 2047), (1535, 2047), (1536, 2048), (30_000, 40_000)] {
        let bytes = write(
            &Options {
                expected_payloads,
                ..options()
            },
            &[],
        );
        let size = u64::from_le_bytes(bytes[112..120].try_into().unwrap());
        assert_eq!(size, 16 * buckets);
        Reader(&bytes).check_all();
    }
}

#[test]
fn damage_is_not_gone_on_with() {
    let line = Line {
        realtime_us: 1,
        monotonic_us: 1,
        boot_id: super::BOOT,
        fields: vec![("MESSAGE".to_owned(), b"text".to_vec())],
    };
    let bytes = write(&options(), std::slice::from_ref(&line));
    assert!(Writer::resume(&bytes).is_ok());
    let payload = bytes.windows(12).position(|there| there == b"MESSAGE=text");
    // Signature, flags, state, header size, number of entries, payload, end of the file.
    for at in [0, 12, 16, 88, 152, payload.unwrap() + 8, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        assert_eq!(
            Writer::resume(&damaged).err(),
            Some(Error::NotResumable),
            "{at}"
        );
    }
}

fn write(options: &Options, lines: &[Line]) -> Vec<u8> {
    let mut writer = Writer::new(options).unwrap();
    append(&mut writer, lines);
    writer.finish(State::Offline)
}

fn append(writer: &mut Writer, lines: &[Line]) {
    for line in lines {
        line.with_entry(|entry| writer.append(entry).map(drop))
            .unwrap();
    }
}

/// The line as a journal keeps it: each field once, in no order that counts.
fn as_set(line: &Line) -> Line {
    let fields: BTreeSet<_> = line.fields.iter().cloned().collect();
    Line {
        fields: fields.into_iter().collect(),
        ..line.clone()
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    const REVISIONS: [Revision; 4] = [
        Revision::V189,
        Revision::V246,
        Revision::V252,
        Revision::V254,
    ];
    let compression = option::of(select(&Compression::ALL[..]));
    (
        select(&REVISIONS[..]),
        any::<bool>(),
        any::<bool>(),
        compression,
        1..u64::MAX / 2,
    )
        .prop_map(
            |(revision, keyed_hash, compact, compression, first_seqnum)| Options {
                first_seqnum,
                revision,
                keyed_hash,
                compact,
                compression,
                ..options()
            },
        )
}

/// Entries that share most of what they say, in two boots, with a wall clock that jumps.
fn any_lines(max: usize) -> impl Strategy<Value = Vec<Line>> {
    let line = (
        1..1_u64 << 55,
        0..3_u64,
        option::weighted(0.1, Just(())),
        vec(
            (select(&["MESSAGE", "_PID", "A", "B9_"][..]), any_value()),
            1..6,
        ),
    );
    vec(line, 0..max).prop_map(|lines| {
        let mut monotonic_us = 0;
        let mut boot = super::BOOT.as_u128();
        lines
            .into_iter()
            .map(|(realtime_us, later_us, reboot, fields)| {
                monotonic_us += later_us;
                if reboot.is_some() {
                    monotonic_us = 0;
                    boot += 1;
                }
                Line {
                    realtime_us,
                    monotonic_us,
                    boot_id: uuid::Uuid::from_u128(boot),
                    fields: fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                }
            })
            .collect()
    })
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => select(&COLLIDING[..]),
        2 => vec(any::<u8>(), 0..20),
        1 => vec(any::<u8>(), 0..3_000),
        1 => vec(select(&b"ab"[..]), 400..3_000),
    ]
}

/// Values of `MESSAGE` that all fall into one bucket.
static COLLIDING: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    (0_u32..)
        .map(|number| number.to_string().into_bytes())
        .filter(|value| jenkins(&[b"MESSAGE=", &value[..]].concat()) % 2047 == 7)
        .take(6)
        .collect()
});
