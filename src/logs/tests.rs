//! Any entries, in any files, some of them torn: against a model that knows only lists.

use std::{fs, path::Path};

use proptest::{collection::vec, option, prelude::*, sample::Index};
use uuid::Uuid;

use super::{Back, Follower, Logs, Pass, Query, Slice, Step};
use crate::{
    formats::journal::{Entry, Field, Ids, Options, State, Writer},
    layout::{self, Phase},
};

const POD: Uuid = Uuid::from_u128(0x5eed);

const APPS: [&str; 3] = ["web", "db", "systemd"];

/// An entry: its time in microseconds, its app, and its message if it has one.
type Line = (u64, &'static str, Option<String>);

fn any_line() -> impl Strategy<Value = Line> {
    let message = option::weighted(0.9, "[a-c\n]{0,6}");
    (1..30_000_000_u64, prop::sample::select(&APPS[..]), message)
}

/// What one journald has written, file by file.
type Series = Vec<Vec<Line>>;

fn any_series() -> impl Strategy<Value = Series> {
    vec(vec(any_line(), 1..20), 1..5)
}

/// The file that begins with the entry of that number.
fn file(series: u128, first_seqnum: u64, lines: &[Line]) -> Vec<u8> {
    writer(series, first_seqnum, lines).finish(State::Archived)
}

fn writer(series: u128, first_seqnum: u64, lines: &[Line]) -> Writer {
    let options = Options {
        first_seqnum,
        ..Options::new(Ids {
            file: Uuid::from_u128(series << 64 | u128::from(first_seqnum)),
            machine: POD,
            boot: Uuid::from_u128(0xb007),
            seqnum: Uuid::from_u128(series),
        })
    };
    let mut writer = Writer::new(&options).unwrap();
    for (realtime_us, app, message) in lines {
        let mut fields = vec![Field::new("SYSLOG_IDENTIFIER", app)];
        fields.extend(
            message
                .as_ref()
                .map(|message| Field::new("MESSAGE", message)),
        );
        let entry = Entry {
            realtime_us: *realtime_us,
            monotonic_us: 1,
            boot_id: Uuid::from_u128(0xb007),
            fields: &fields,
        };
        writer.append(&entry).map(drop).unwrap();
    }
    writer
}

/// Writes a series into a directory, under names that tell nothing.
fn write(dir: &Path, number: u128, series: &[Vec<Line>]) {
    let mut first_seqnum = 1;
    for (place, lines) in series.iter().enumerate() {
        let name = format!("system@{number}-{}.journal", series.len() - place);
        let bytes = file(number, first_seqnum, lines);
        fs::write(dir.join(name), bytes).unwrap();
        first_seqnum += lines.len() as u64;
    }
}

/// A data directory with a pod and the directory of its journals.
fn data_dir() -> (tempfile::TempDir, Logs, std::path::PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = format!(
        "{}/{}/{POD}/{}",
        layout::PODS,
        Phase::Run,
        layout::pod::journal_dir(layout::pod::STAGE1_ROOTFS)
    );
    let dir = temp.path().join(dir);
    fs::create_dir_all(&dir).unwrap();
    let logs = Logs::new(temp.path().to_owned(), false);
    (temp, logs, dir)
}

/// What is asked.
#[derive(Clone, Debug)]
struct Ask {
    apps: Option<Vec<&'static str>>,
    since_s: Option<u64>,
    until_s: Option<u64>,
    lines: usize,
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let apps = option::of(prop::sample::subsequence(&APPS[..], 0..=3));
    let time = || option::of(1..31_u64);
    (apps, time(), time(), 0..40_usize).prop_map(|(apps, since_s, until_s, lines)| Ask {
        apps,
        since_s,
        until_s,
        lines,
    })
}

/// How many lines a message is.
fn count(message: &[u8]) -> usize {
    message.split(|byte| *byte == b'\n').count()
}

/// What a pass finds, each message split into its lines, and those that are too many left out.
fn read(logs: &Logs, ask: &Ask) -> Vec<(u64, String)> {
    let (mut pass, surplus) = begin(logs, ask);
    rest(&mut pass).split_off(surplus)
}

/// A pass that begins with the last lines; and how many of the first entry are too many.
fn begin(logs: &Logs, ask: &Ask) -> (Pass, usize) {
    let query = Query::new(ask.apps.as_deref(), ask.since_s, ask.until_s);
    let sources = logs.files(POD).unwrap();
    let mut pass = Pass::through(logs, POD, query, sources);
    let mut surplus = 0;
    if ask.lines > 0 {
        let mut back = Back::from(&pass, ask.lines);
        while !back.count(&pass, Slice::begin(), count) {}
        surplus = back.surplus();
        pass.begin_with(back);
    }
    (pass, surplus)
}

/// The next entries that a pass finds, of one line each.
fn take(pass: &mut Pass, count: usize) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    while lines.len() < count {
        match pass.next(Slice::begin()) {
            Step::Entry(found) => {
                let message = String::from_utf8(found.message).unwrap();
                lines.push((found.realtime_us, message));
            }
            Step::Pause => {}
            Step::End => panic!("there are no more than {lines:?}"),
        }
    }
    lines
}

/// What a pass finds from here on.
fn rest(pass: &mut Pass) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    loop {
        match pass.next(Slice::begin()) {
            Step::Entry(found) => {
                let message = String::from_utf8(found.message).unwrap();
                let parts = message.split('\n');
                lines.extend(parts.map(|part| (found.realtime_us, part.to_owned())));
            }
            Step::Pause => {}
            Step::End => return lines,
        }
    }
}

/// The same, of a list.
fn expected<'a>(entries: impl Iterator<Item = &'a Line>, ask: &Ask) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    for (at_us, app, message) in entries {
        let is_wanted = ask.apps.as_ref().is_none_or(|apps| apps.contains(app))
            && ask.since_s.is_none_or(|since| *at_us > since * 1_000_000)
            && ask.until_s.is_none_or(|until| *at_us < until * 1_000_000);
        if let (true, Some(message)) = (is_wanted, message) {
            lines.extend(message.split('\n').map(|part| (*at_us, part.to_owned())));
        }
    }
    match ask.lines {
        0 => lines,
        count => lines.split_off(lines.len().saturating_sub(count)),
    }
}

/// Merges what several have written: of the next entries always the earliest.
fn merged(all: &[Series]) -> Vec<&Line> {
    let mut rest: Vec<Vec<&Line>> = all
        .iter()
        .map(|series| series.iter().flatten().rev().collect())
        .collect();
    let mut merged = Vec::new();
    // Lanes in the order in which they begin.
    rest.sort_by_key(|lines| lines.last().map(|line| line.0));
    while let Some(next) = rest
        .iter_mut()
        .filter(|lines| !lines.is_empty())
        .min_by_key(|lines| lines.last().map(|line| line.0))
    {
        merged.extend(next.pop());
    }
    merged
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The clock may be set as one likes: what one journald has written keeps its order.
    #[test]
    fn files_of_a_series_follow_each_other(
        series in any_series(),
        asks in vec(any_ask(), 1..8),
    ) {
        let (_temp, logs, dir) = data_dir();
        write(&dir, 1, &series);
        for ask in asks {
            let lines = expected(series.iter().flatten(), &ask);
            prop_assert_eq!(read(&logs, &ask), lines, "{:?}", ask);
        }
    }

    #[test]
    fn several_series_are_merged_by_time(
        mut all in vec(any_series(), 1..4),
        asks in vec(any_ask(), 1..8),
    ) {
        // Clocks go on, and no two entries are of the same time: who comes first is certain.
        let mut times: Vec<u64> = Vec::new();
        for (number, series) in all.iter_mut().enumerate() {
            let mut at_us: Vec<u64> = series.iter().flatten().map(|line| line.0).collect();
            at_us.sort_unstable();
            for (line, at_us) in series.iter_mut().flatten().zip(at_us) {
                line.0 = at_us * 4 + number as u64;
                times.push(line.0);
            }
        }
        let (_temp, logs, dir) = data_dir();
        for (number, series) in (1..).zip(&all) {
            let machine = dir.join(Uuid::from_u128(number).simple().to_string());
            fs::create_dir(&machine).unwrap();
            write(&machine, number, series);
        }
        let merged = merged(&all);
        for ask in asks {
            let lines = expected(merged.iter().copied(), &ask);
            prop_assert_eq!(read(&logs, &ask), lines, "{:?}", ask);
        }
    }

    /// Of entries with the same time those come first whose series began first, or has the lesser
    /// name.
    #[test]
    fn entries_of_one_time_stay_together(
        mut all in vec(any_series(), 1..4),
        asks in vec(any_ask(), 1..8),
    ) {
        let (_temp, logs, dir) = data_dir();
        for (number, series) in (1..).zip(&mut all) {
            series.iter_mut().flatten().for_each(|line| line.0 = 7_000_000);
            write(&dir, number, series);
        }
        for ask in asks {
            let lines = expected(all.iter().flatten().flatten(), &ask);
            prop_assert_eq!(read(&logs, &ask), lines, "{:?}", ask);
        }
    }

    /// Of a torn file the beginning is left, and all of the others; every call sees the same.
    #[test]
    fn a_torn_tail_costs_no_more(
        series in any_series(),
        torn in any::<Index>(),
        cut in any::<Index>(),
        asks in vec(any_ask(), 1..8),
    ) {
        let (_temp, logs, dir) = data_dir();
        write(&dir, 1, &series);
        let torn = torn.index(series.len());
        let path = dir.join(format!("system@1-{}.journal", series.len() - torn));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..cut.index(bytes.len())]).unwrap();

        let ask = Ask { apps: None, since_s: None, until_s: None, lines: 0 };
        let left = read(&logs, &ask);
        let of = |lines: &[Line]| expected(lines.iter(), &ask);
        let before: Vec<_> = series[..torn].iter().flat_map(|lines| of(lines)).collect();
        let after: Vec<_> = series[torn + 1..].iter().flat_map(|lines| of(lines)).collect();
        prop_assert!(left.starts_with(&before) && left.ends_with(&after));
        let survivors = left.len() - before.len() - after.len();
        let mut whole = 0;
        while of(&series[torn][..whole]).len() < survivors {
            whole += 1;
        }
        let survivors: Vec<_> = series[..torn]
            .iter()
            .flatten()
            .chain(&series[torn][..whole])
            .chain(series[torn + 1..].iter().flatten())
            .collect();
        for ask in asks {
            let lines = expected(survivors.iter().copied(), &ask);
            prop_assert_eq!(read(&logs, &ask), lines, "{:?}", ask);
        }
    }
}

/// What is written after the last lines were counted is not among them (L-3).
#[test]
fn lines_that_come_too_late_are_no_more_than_were_asked_for() {
    let lines: Vec<Line> = (1..=10)
        .map(|at_us| (at_us, "web", Some(format!("line {at_us}"))))
        .collect();
    let (_temp, logs, dir) = data_dir();
    let path = dir.join(layout::pod::JOURNAL);
    fs::write(&path, writer(1, 1, &lines[..5]).finish(State::Online)).unwrap();
    for lines_asked in [1, 3, 5, 9] {
        let ask = Ask {
            apps: None,
            since_s: None,
            until_s: None,
            lines: lines_asked,
        };
        fs::write(&path, writer(1, 1, &lines[..5]).finish(State::Online)).unwrap();
        let (mut pass, _) = begin(&logs, &ask);
        fs::write(&path, writer(1, 1, &lines).finish(State::Online)).unwrap();
        let found = rest(&mut pass);
        assert_eq!(found, expected(lines[..5].iter(), &ask), "{lines_asked}");
    }
}

/// Files may be let go of at any moment, and gone on with.
#[test]
fn a_pass_goes_on_with_files_opened_anew() {
    let lines: Vec<Line> = (1..=30)
        .map(|at_us| (at_us, "web", Some(format!("line {at_us}"))))
        .collect();
    let series: Series = lines.chunks(7).map(<[Line]>::to_vec).collect();
    let ask = Ask {
        apps: None,
        since_s: None,
        until_s: None,
        lines: 0,
    };
    let (_temp, logs, dir) = data_dir();
    write(&dir, 1, &series);
    let machine = dir.join(Uuid::from_u128(2).simple().to_string());
    fs::create_dir(&machine).unwrap();
    write(&machine, 2, &series);
    let all = read(&logs, &ask);
    assert_eq!(all.len(), 60);
    for taken in 0..60 {
        let (mut pass, _) = begin(&logs, &ask);
        let mut found = take(&mut pass, taken);
        pass.go_on_with(logs.files(POD).unwrap());
        found.extend(rest(&mut pass));
        assert_eq!(found, all, "{taken}");
        // Or with none.
        let (mut pass, _) = begin(&logs, &ask);
        pass.next(Slice::begin());
        pass.go_on_with(Vec::new());
        assert_eq!(rest(&mut pass), []);
    }
}

/// Files that a pass has to do without may come back: one who follows them goes on where it was.
#[test]
fn a_follower_goes_on_with_files_that_come_back() {
    let lines: Vec<Line> = (1..=9)
        .map(|at_us| (at_us, "web", Some(format!("line {at_us}"))))
        .collect();
    let (_temp, logs, dir) = data_dir();
    let path = dir.join(layout::pod::JOURNAL);
    fs::write(path, writer(1, 1, &lines).finish(State::Online)).unwrap();
    for lines_asked in [0, 4] {
        let ask = Ask {
            apps: None,
            since_s: None,
            until_s: None,
            lines: lines_asked,
        };
        let all = expected(lines.iter(), &ask);
        for taken in 0..=all.len() {
            let query = Query::new(None, None, None);
            let mut follower = Follower::new(logs.watch(POD), query);
            let (mut pass, _) = follower.pass(&logs).unwrap();
            if lines_asked > 0 {
                let mut back = Back::from(&pass, lines_asked);
                while !back.count(&pass, Slice::begin(), count) {}
                pass.begin_with(back);
            }
            let mut found = take(&mut pass, taken);
            logs.begin_anew();
            follower.let_go(&mut pass).let_go(&logs);
            pass.go_on_with(Vec::new());
            assert_eq!(rest(&mut pass), []);
            follower.end(&pass);
            let (mut pass, _) = follower.pass(&logs).unwrap();
            found.extend(rest(&mut pass));
            assert_eq!(found, all, "{lines_asked}, {taken}");
        }
    }
}
