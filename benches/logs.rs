//! What logs cost to read, in this process and without a client: all lines of a journal, and the
//! last ten of one app as the journal grows. What tail-10 reads is printed beside its time.
//!
//! `cargo bench --bench logs`; `RKT_BENCH_MIB=1024` makes the largest journal as large as that.
//! The page cache is warm. Where `journalctl` is installed, what it takes for the same files is
//! printed, its start included.

use std::{
    cell::Cell,
    env,
    fs::File,
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rkt_api::formats::journal::{
    Entry, Field, Growth, Ids, Options, State, Writer,
    read::{Cursor, Direction, Journal, ReadAt, Selection},
};
use tempfile::NamedTempFile;
use uuid::Uuid;

/// A journal of so many MiB in which one line of ten is of the app that is asked for; and how
/// many lines it has.
fn journal(mib: u64) -> (NamedTempFile, u64) {
    let bytes = mib << 20;
    let boot = Uuid::from_u128(3);
    let mut writer = Writer::new(&Options {
        // In steps of 8 MiB, the smallest would have no line.
        growth: match mib {
            ..8 => Growth::Page,
            _ => Growth::Systemd,
        },
        expected_payloads: u32::try_from(bytes / 500).expect("a number of payloads"),
        ..Options::new(Ids {
            file: Uuid::from_u128(1),
            machine: Uuid::from_u128(2),
            boot,
            seqnum: Uuid::from_u128(4),
        })
    })
    .expect("a writer");
    let mut lines = 0;
    while writer.file_bytes() <= bytes {
        let message = format!("{lines} {}", "x".repeat(150));
        let app = if lines % 10 == 0 { "web" } else { "db" };
        let entry = Entry {
            realtime_us: lines + 1,
            monotonic_us: lines,
            boot_id: boot,
            fields: &[
                Field::new("MESSAGE", &message),
                Field::new("SYSLOG_IDENTIFIER", app),
                Field::new("_TRANSPORT", "stdout"),
                Field::new("PRIORITY", "6"),
            ],
        };
        writer.append(&entry).map(drop).expect("room for an entry");
        lines += 1;
    }
    let file = tempfile::Builder::new().suffix(".journal").tempfile();
    let mut file = file.expect("a temporary file");
    file.write_all(&writer.finish(State::Offline))
        .expect("room on the disk");
    (file, lines)
}

/// Counts what is read.
struct Counted<'a>(&'a File, Cell<u64>);

impl ReadAt for Counted<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = ReadAt::read_at(self.0, buffer, offset)?;
        self.1.set(self.1.get() + length as u64);
        Ok(length)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        ReadAt::size_bytes(self.0)
    }
}

/// Reads up to so many messages; how many there were.
fn read(source: impl ReadAt, selection: &Selection, direction: Direction, most: usize) -> usize {
    let mut journal = Journal::open(source).expect("a journal");
    let mut cursor = Cursor::new(&mut journal, selection, direction, 0);
    let mut messages = 0;
    while messages < most
        && let Some(entry) = cursor.next(&mut journal)
    {
        messages += usize::from(journal.message(&entry).is_some());
    }
    messages
}

/// How long `journalctl` takes for a file: the best of so many runs.
fn journalctl(runs: usize, file: &Path, arguments: &[&str]) -> Option<Duration> {
    let run = || {
        let mut command = Command::new("journalctl");
        command.arg("--file").arg(file).args(arguments);
        command.args(["--quiet", "--no-pager", "--output=export"]);
        let start = Instant::now();
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status
            .is_ok_and(|status| status.success())
            .then(|| start.elapsed())
    };
    (0..runs).filter_map(|_| run()).min()
}

fn logs(criterion: &mut Criterion) {
    let largest = env::var("RKT_BENCH_MIB")
        .ok()
        .and_then(|mib| mib.parse().ok());
    let largest: u64 = largest.unwrap_or(128);
    let of_app = Selection::Having(vec![b"SYSLOG_IDENTIFIER=web".to_vec()]);
    let sizes = [1, 16, 128, 1024].into_iter().filter(|mib| *mib <= largest);
    for mib in sizes {
        let (named, lines) = journal(mib);
        let file = named.as_file();
        let mut group = criterion.benchmark_group("journal");
        group.sample_size(10);
        group.throughput(Throughput::Elements(lines));
        group.bench_function(BenchmarkId::new("all lines, MiB", mib), |bencher| {
            bencher.iter(|| read(file, &Selection::All, Direction::Forward, usize::MAX));
        });
        group.throughput(Throughput::Elements(10));
        group.bench_function(
            BenchmarkId::new("last ten of an app, MiB", mib),
            |bencher| {
                bencher.iter(|| read(file, &of_app, Direction::Backward, 10));
            },
        );
        group.finish();
        let counted = Counted(file, Cell::new(0));
        read(&counted, &of_app, Direction::Backward, 10);
        println!(
            "last ten of an app, {mib} MiB: {} bytes read",
            counted.1.get()
        );
        let last = journalctl(5, named.path(), &["--lines=10", "SYSLOG_IDENTIFIER=web"]);
        let all = journalctl(2, named.path(), &[]);
        if let (Some(last), Some(all)) = (last, all) {
            println!("journalctl, {mib} MiB: last ten of an app {last:?}, all lines {all:?}");
        }
    }
}

criterion_group!(benches, logs);
criterion_main!(benches);
