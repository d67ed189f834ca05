//! What our writer writes, read back; and files that are torn, or lie.

use std::{cell::Cell, env, io};

use proptest::{collection::vec, option, prelude::*, sample::Index};
use uuid::Uuid;

use super::{
    super::{
        Compression, Entry as Written, Field, Growth, Ids, Options, Revision, State, Writer,
        layout::{self, object::Kind},
    },
    Cursor, Direction, Journal, MAX_VALUE_BYTES, ReadAt, ReadError, Selection,
};

/// An entry: its time, its app and its message.
type Line = (u64, &'static str, Vec<u8>);

const APPS: [&str; 3] = ["web", "db", "log"];

fn options(revision: Revision, keyed_hash: bool) -> Options {
    Options {
        revision,
        keyed_hash,
        ..Options::new(Ids {
            file: Uuid::from_u128(0xf11e),
            machine: Uuid::from_u128(0x3ac41e),
            boot: Uuid::from_u128(0xb007),
            seqnum: Uuid::from_u128(0x5e9),
        })
    }
}

fn append(writer: &mut Writer, (realtime_us, app, message): &Line) {
    let entry = Written {
        realtime_us: *realtime_us,
        monotonic_us: 1,
        boot_id: Uuid::from_u128(0xb007),
        fields: &[
            Field::new("PRIORITY", "6"),
            Field::new("SYSLOG_IDENTIFIER", app),
            Field::new("MESSAGE", message),
        ],
    };
    writer.append(&entry).map(drop).unwrap();
}

/// The file with these lines, and how much of it was in use after each.
fn write(options: &Options, lines: &[Line]) -> (Vec<u8>, Vec<u64>) {
    let mut writer = Writer::new(options).unwrap();
    let mut used = Vec::new();
    for line in lines {
        append(&mut writer, line);
        // Objects end where the last one does.
        let bytes = writer.whole();
        let objects = bytes.iter().map(|change| match change {
            super::super::Change::Bytes { offset, bytes } => offset + bytes.len() as u64,
            super::super::Change::Length(_) => 0,
        });
        used.push(objects.max().unwrap());
    }
    (writer.finish(State::Offline), used)
}

fn selection(apps: &[&str]) -> Selection {
    let payload = |app: &&str| format!("SYSLOG_IDENTIFIER={app}").into_bytes();
    Selection::Having(apps.iter().map(payload).collect())
}

/// What is read: times and messages. Whatever the file is, no more is done than in proportion to
/// its length.
fn read(
    source: impl ReadAt,
    selection: &Selection,
    direction: Direction,
) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let source = Counted(source, Cell::new(0));
    let mut journal = Journal::open(&source)?;
    let mut cursor = Cursor::new(&mut journal, selection, direction, 0);
    let mut read = Vec::new();
    let mut offsets = Vec::new();
    while let Some(entry) = cursor.next(&mut journal) {
        offsets.push(entry.offset);
        if let Some(message) = journal.message(&entry) {
            read.push((entry.realtime_us, message));
        }
    }
    match direction {
        Direction::Forward => assert!(offsets.is_sorted_by(|a, b| a < b)),
        Direction::Backward => assert!(offsets.is_sorted_by(|a, b| a > b)),
    }
    let size_bytes = source.size_bytes()?;
    // Lists have a slot for each 4 bytes at most, and are gone through a dozen times, should none of
    // them lead to an entry.
    let looks = journal.looks();
    assert!(
        looks <= 100 + 4 * size_bytes,
        "{looks} looks at {size_bytes} bytes"
    );
    // With every read of up to 16 blocks, one is read that had not been before: the reader keeps
    // all that there are in files of these tests.
    let read_bytes = source.1.get();
    assert!(
        read_bytes <= 16 * size_bytes,
        "{read_bytes} bytes read of {size_bytes}"
    );
    Ok(read)
}

/// Counts what is read of it, in bytes.
struct Counted<S>(S, Cell<u64>);

impl<S: ReadAt> ReadAt for Counted<S> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = self.0.read_at(buffer, offset)?;
        self.1.set(self.1.get() + length as u64);
        Ok(length)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.0.size_bytes()
    }
}

fn of_apps(lines: &[Line], apps: &[&str]) -> Vec<(u64, Vec<u8>)> {
    let lines = lines.iter().filter(|(_, app, _)| apps.contains(app));
    lines
        .map(|(at, _, message)| (*at, message.clone()))
        .collect()
}

fn any_lines(most: usize) -> impl Strategy<Value = Vec<Line>> {
    let message = prop_oneof![
        9 => vec(any::<u8>(), 0..30),
        // Long enough to be compressed.
        1 => vec(prop::sample::select(&b"ab"[..]), 500..700),
    ];
    let line = (1..1_u64 << 50, prop::sample::select(&APPS[..]), message);
    vec(line, 1..most)
}

/// Every kind of file that we write.
fn any_options() -> impl Strategy<Value = Options> {
    let revision = prop::sample::select(&Revision::ALL[..]);
    let compression = option::of(prop::sample::select(&Compression::ALL[..]));
    (revision, any::<(bool, bool)>(), compression).prop_map(
        |(revision, (keyed, compact), compression)| Options {
            compact,
            compression,
            ..options(revision, keyed)
        },
    )
}

/// Whatever the bytes are, reading them ends, and without a panic.
fn read_anyhow(bytes: &[u8]) {
    for direction in [Direction::Forward, Direction::Backward] {
        for selection in [Selection::All, selection(&APPS)] {
            // Damage is no error.
            drop(read(bytes, &selection, direction));
        }
    }
}

/// Puts bytes into a file where they may hurt.
#[derive(Clone, Debug)]
enum Lie {
    /// Anywhere.
    Byte(Index, u8),
    /// In the header.
    Header(Index, u64),
    /// An offset, size or number at a multiple of 8 bytes.
    Number(Index, u64),
    /// The same, but what stands at another place.
    Copy(Index, Index),
    Cut(Index),
    Zeroes(Index, u16),
}

impl Lie {
    fn tell(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length < 256 {
            return;
        }
        let place = |index: &Index, length: usize| index.index(length / 8 - 1) * 8;
        match self {
            Self::Byte(at, byte) => bytes[at.index(length)] = *byte,
            Self::Header(at, number) => {
                let at = place(at, 240);
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            Self::Number(at, number) => {
                let at = place(at, length);
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            Self::Copy(from, to) => {
                let (from, to) = (place(from, length), place(to, length));
                bytes.copy_within(from..from + 8, to);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Zeroes(at, count) => {
                let at = at.index(length);
                let end = (at + usize::from(*count)).min(length);
                bytes[at..end].fill(0);
            }
        }
    }
}

fn any_lie() -> impl Strategy<Value = Lie> {
    let index = any::<Index>;
    let number = || {
        prop_oneof![
            any::<u64>(),
            Just(1 << 60),
            Just(u64::MAX),
            (0..1_u64 << 12).prop_map(|number| number * 8),
            0..64_u64,
        ]
    };
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Lie::Byte(at, byte)),
        (index(), number()).prop_map(|(at, number)| Lie::Header(at, number)),
        (index(), number()).prop_map(|(at, number)| Lie::Number(at, number)),
        (index(), index()).prop_map(|(from, to)| Lie::Copy(from, to)),
        index().prop_map(Lie::Cut),
        (index(), any::<u16>()).prop_map(|(at, count)| Lie::Zeroes(at, count)),
    ]
}

/// A file with lies in it. Only what is in use of it: the rest would take most of the hits.
fn any_liar() -> impl Strategy<Value = Vec<u8>> {
    (any_options(), any_lines(30), vec(any_lie(), 1..6)).prop_map(|(options, lines, lies)| {
        let (mut bytes, used) = write(&options, &lines);
        bytes.truncate(*used.last().unwrap() as usize);
        for lie in lies {
            lie.tell(&mut bytes);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(options in any_options(), lines in any_lines(120)) {
        let (bytes, _) = write(&options, &lines);
        for apps in [&APPS[..], &["db"], &["web", "log"], &["nobody"], &[]] {
            let expected = of_apps(&lines, apps);
            let forward = read(&bytes[..], &selection(apps), Direction::Forward).unwrap();
            prop_assert_eq!(&forward, &expected);
            let mut back = read(&bytes[..], &selection(apps), Direction::Backward).unwrap();
            back.reverse();
            prop_assert_eq!(back, expected);
        }
        let all = read(&bytes[..], &Selection::All, Direction::Forward).unwrap();
        prop_assert_eq!(all, of_apps(&lines, &APPS));
    }

    #[test]
    fn one_can_go_on_from_anywhere(
        options in any_options(),
        lines in any_lines(120),
        stop in any::<Index>(),
    ) {
        let (bytes, _) = write(&options, &lines);
        for selection in [Selection::All, selection(&["db", "web"])] {
            let mut journal = Journal::open(&bytes[..]).unwrap();
            let mut cursor = Cursor::new(&mut journal, &selection, Direction::Forward, 0);
            let entries: Vec<_> = std::iter::from_fn(|| cursor.next(&mut journal)).collect();
            let Some(last) = entries.get(stop.index(entries.len().max(1))) else { continue };
            let rest = entries.iter().filter(|entry| entry.offset > last.offset);
            let mut cursor = Cursor::new(&mut journal, &selection, Direction::Forward, last.offset);
            for entry in rest {
                prop_assert_eq!(cursor.next(&mut journal), Some(*entry));
            }
            prop_assert_eq!(cursor.next(&mut journal), None);
        }
    }

    #[test]
    fn a_tear_costs_what_is_behind_it(
        options in any_options(),
        lines in any_lines(60),
        cut in any::<Index>(),
        fill in any::<bool>(),
    ) {
        let (mut bytes, used) = write(&options, &lines);
        let length = bytes.len();
        let first = used.first().unwrap() / 2;
        let cut = first as usize + cut.index(length - first as usize);
        bytes.truncate(cut);
        if fill {
            bytes.resize(length, 0);
        }
        let whole = used.iter().filter(|used| **used <= cut as u64).count();
        for apps in [&APPS[..], &["db"]] {
            let all = of_apps(&lines, apps);
            let least = of_apps(&lines[..whole], apps);
            let read = match read(&bytes[..], &selection(apps), Direction::Forward) {
                Ok(read) => read,
                Err(error) => {
                    // The tables were not even there.
                    prop_assert!(whole == 0, "{}", error);
                    continue;
                }
            };
            prop_assert!(read.len() >= least.len());
            prop_assert_eq!(&read[..], &all[..read.len()]);
        }
        // Whichever way one asks, the same lines have survived.
        let of_all = |selection| read(&bytes[..], &selection, Direction::Forward).unwrap_or_default();
        prop_assert_eq!(of_all(Selection::All), of_all(selection(&APPS)));
    }

    #[test]
    fn files_that_lie_are_read_to_an_end(bytes in any_liar()) {
        read_anyhow(&bytes);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(mut bytes in vec(any::<u8>(), 0..4096)) {
        read_anyhow(&bytes);
        let signature = layout::header::SIGNATURE;
        let begin = bytes.len().min(signature.len());
        bytes[..begin].copy_from_slice(&signature[..begin]);
        read_anyhow(&bytes);
    }
}

/// `RKT_JOURNAL_ROUNDS=1000000 cargo test --release lying_for_long -- --ignored`
#[test]
#[ignore = "needs RKT_JOURNAL_ROUNDS, how long to go on, to make sense"]
fn lying_for_long() {
    let rounds = env::var("RKT_JOURNAL_ROUNDS").ok();
    let cases = rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(2_000);
    proptest!(ProptestConfig::with_cases(cases), |(bytes in any_liar())| {
        read_anyhow(&bytes);
    });
}

#[test]
fn the_last_lines_of_an_app_take_a_few_blocks() {
    let mut writer = Writer::new(&Options {
        expected_payloads: 50_000,
        growth: Growth::Systemd,
        ..options(Revision::V189, false)
    })
    .unwrap();
    for number in 0..50_000_u64 {
        let app = if number < 20 { "quiet" } else { "loud" };
        let message = format!("line {number} {}", "x".repeat(100)).into_bytes();
        append(&mut writer, &(number + 1, app, message));
    }
    let bytes = writer.finish(State::Online);
    for app in ["quiet", "loud"] {
        let source = Counted(&bytes[..], Cell::new(0));
        let mut journal = Journal::open(&source).unwrap();
        let mut cursor = Cursor::new(&mut journal, &selection(&[app]), Direction::Backward, 0);
        for _ in 0..10 {
            let entry = cursor.next(&mut journal).unwrap();
            assert!(journal.message(&entry).unwrap().starts_with(b"line "));
        }
        let read_bytes = source.1.get();
        assert!(read_bytes < 300_000, "{read_bytes} of {}", bytes.len());
    }
}

/// Entries whose message is what `data` makes of a place for `room` bytes of it.
fn with_message(room: usize, flags: u8, stored: &[u8]) -> Vec<u8> {
    assert!(stored.len() <= room);
    let lines = [
        (1, "web", b"before".to_vec()),
        (2, "web", vec![b'?'; room]),
        (3, "web", b"after".to_vec()),
    ];
    let (mut bytes, _) = write(&options(Revision::V189, false), &lines);
    let payload = [b"MESSAGE=".to_vec(), vec![b'?'; room]].concat();
    let windows = bytes.windows(payload.len());
    let at = windows.into_iter().position(|it| it == payload).unwrap();
    let object = at - layout::data::PAYLOAD;
    bytes[object + 1] = flags;
    let size = (layout::data::PAYLOAD + stored.len()) as u64;
    bytes[object + 8..object + 16].copy_from_slice(&size.to_le_bytes());
    bytes[at..at + stored.len()].copy_from_slice(stored);
    bytes
}

/// Of a megabyte that becomes more than is read, only that one message is missing.
#[test]
fn bombs_cost_themselves() {
    // A block of LZ4 that says `MESSAGE=`, and goes on for as long as it is told.
    let bomb = |size: u64, more: usize| {
        let mut block = size.to_le_bytes().to_vec();
        block.extend(b"\x8fMESSAGE=\x01\x00");
        block.extend(vec![0xff; more]);
        block.extend(b"\x00\x50tail.");
        block
    };
    for size in [1 << 60, u64::MAX, (MAX_VALUE_BYTES + 9) as u64, 1 << 24, 0] {
        let stored = bomb(size, 200_000);
        let bytes = with_message(stored.len(), 2, &stored);
        let read = read(&bytes[..], &selection(&["web"]), Direction::Forward).unwrap();
        assert_eq!(read, [(1, b"before".to_vec()), (3, b"after".to_vec())]);
    }
    // Neither XZ nor ZSTD, and no compression that there is.
    for flags in [1, 4, 8, 3, 255] {
        let bytes = with_message(1000, flags, &[0x5a; 1000]);
        let read = read(&bytes[..], &Selection::All, Direction::Backward).unwrap();
        assert_eq!(read, [(3, b"after".to_vec()), (1, b"before".to_vec())]);
    }
    // A window of ZSTD that nobody has the memory for, and a dictionary of XZ.
    let zstd = [&b"\x28\xb5\x2f\xfd\x00\xff"[..], &[0; 64]].concat();
    let bytes = with_message(zstd.len(), 4, &zstd);
    assert_eq!(
        read(&bytes[..], &Selection::All, Direction::Forward)
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_message_may_be_long() {
    let long = vec![b'x'; MAX_VALUE_BYTES];
    let longer = vec![b'y'; MAX_VALUE_BYTES + 1];
    let lines = [(1, "web", long), (2, "web", longer), (3, "web", Vec::new())];
    let (bytes, _) = write(&options(Revision::V254, true), &lines);
    let read = read(&bytes[..], &Selection::All, Direction::Forward).unwrap();
    let lengths: Vec<_> = read
        .iter()
        .map(|(at, message)| (*at, message.len()))
        .collect();
    assert_eq!(lengths, [(1, MAX_VALUE_BYTES), (3, 0)]);
}

#[test]
fn chains_that_lead_back_come_to_an_end() {
    let lines: Vec<Line> = (1..40)
        .map(|at| (at, "web", vec![b'a'; at as usize]))
        .collect();
    let (bytes, _) = write(&options(Revision::V189, false), &lines);
    let all = read(&bytes[..], &Selection::All, Direction::Forward).unwrap();
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let first = u64_at(layout::header::ENTRY_ARRAY);
    let second = u64_at(first as usize + layout::array::NEXT);
    // The second array names the first one, itself, nothing that is there.
    for next in [first, second, 1 << 60, 12, u64::MAX] {
        let mut bytes = bytes.clone();
        let at = second as usize + layout::array::NEXT;
        bytes[at..at + 8].copy_from_slice(&next.to_le_bytes());
        let read = read(&bytes[..], &Selection::All, Direction::Forward).unwrap();
        assert_eq!(read[..], all[..12]);
        read_anyhow(&bytes);
    }
    // There are as many entries as there is room for.
    let mut bytes = bytes.clone();
    let at = layout::header::ENTRIES;
    bytes[at..at + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    assert_eq!(
        read(&bytes[..], &Selection::All, Direction::Forward).unwrap(),
        all
    );
}

/// Each array says that it has all that follows, the other ones too: the list of entries would be
/// longer than the file by as many times as there are arrays.
#[test]
fn arrays_within_arrays_are_not_walked() {
    const ARRAYS: u64 = 1000;
    const SLOTS: u64 = 16 << 10;

    let lines: Vec<Line> = (1..3).map(|at| (at, "web", vec![b'a'])).collect();
    let (mut bytes, _) = write(&options(Revision::V189, false), &lines);
    let begin = bytes.len() as u64;
    let end = begin + (3 * ARRAYS + SLOTS) * 8;
    for at in (begin..).step_by(24).take(ARRAYS as usize) {
        let head = [Kind::EntryArray as u64, end - at, at + 24];
        bytes.extend(head.map(u64::to_le_bytes).as_flattened());
    }
    // Nothing that is an entry, but it could be one: it comes before the last one.
    let no_entry = [240_u64.to_le_bytes(); SLOTS as usize - 1];
    bytes.extend(no_entry.as_flattened());
    bytes.extend(begin.to_le_bytes());
    for (at, number) in [
        (layout::header::ENTRY_ARRAY, begin),
        (layout::header::ENTRIES, u64::MAX),
    ] {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    for direction in [Direction::Forward, Direction::Backward] {
        let read = read(&bytes[..], &Selection::All, direction).unwrap();
        assert_eq!(read, []);
    }
}

/// A file that says what it likes, and grows to any length without taking room on a disk.
struct Sparse {
    bytes: Vec<u8>,
    size_bytes: u64,
    reads: Cell<u64>,
}

impl ReadAt for Sparse {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.set(self.reads.get() + 1);
        let room = self.size_bytes.saturating_sub(offset);
        let length = buffer
            .len()
            .min(usize::try_from(room).unwrap_or(usize::MAX));
        buffer[..length].fill(0);
        self.bytes.read_at(&mut buffer[..length], offset)?;
        Ok(length)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.size_bytes)
    }
}

/// A list of entries as long as the file says, and empty for all the terabytes that it has.
#[test]
fn lists_of_nothing_are_not_walked_for_ever() {
    const SIZE_BYTES: u64 = 1 << 50;

    let lines: Vec<Line> = (1..3).map(|at| (at, "web", vec![b'a'])).collect();
    let (mut bytes, _) = write(&options(Revision::V189, false), &lines);
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let all = u64_at(layout::header::ENTRY_ARRAY) as usize;
    let mut set = |at: usize, number: u64| {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    };
    set(all + 8, SIZE_BYTES - all as u64);
    set(layout::header::ENTRIES, SIZE_BYTES / 16);
    for direction in [Direction::Forward, Direction::Backward] {
        let source = Sparse {
            bytes: bytes.clone(),
            size_bytes: SIZE_BYTES,
            reads: Cell::new(0),
        };
        let mut found = read(&source, &Selection::All, direction).unwrap();
        found.sort_unstable();
        assert_eq!(found, of_apps(&lines, &APPS));
        assert!(source.reads.get() < 20_000, "{}", source.reads.get());
    }
}

/// An entry of nothing but messages that cannot be decompressed, and others that have the first of
/// them: that one is reason enough, and is tried once.
#[test]
fn many_bombs_cost_as_much_as_one() {
    let mut writer = Writer::new(&options(Revision::V189, false)).unwrap();
    let messages: Vec<_> = (0..10_u8).map(|byte| vec![b'a' + byte; 100]).collect();
    let fields: Vec<_> = (messages.iter())
        .map(|message| Field::new("MESSAGE", message))
        .collect();
    for at in 1..20 {
        let entry = Written {
            realtime_us: at,
            monotonic_us: at,
            boot_id: Uuid::from_u128(0xb007),
            fields: &fields,
        };
        writer.append(&entry).map(drop).unwrap();
    }
    let mut bytes = writer.finish(State::Offline);
    let data = |from: usize, bytes: &[u8]| {
        let found = bytes[from..].windows(8).position(|it| it == b"MESSAGE=");
        found.map(|at| from + at)
    };
    let mut from = 0;
    while let Some(at) = data(from, &bytes) {
        // A payload of ZSTD, which it is not.
        bytes[at - layout::data::PAYLOAD + 1] = 4;
        from = at + 1;
    }
    let mut journal = Journal::open(&bytes[..]).unwrap();
    let mut cursor = Cursor::new(&mut journal, &Selection::All, Direction::Forward, 0);
    let mut entries = 0;
    while let Some(entry) = cursor.next(&mut journal) {
        assert_eq!(journal.message(&entry), None);
        entries += 1;
    }
    assert_eq!((entries, journal.spoilt.len()), (19, 1));
}
