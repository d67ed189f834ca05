//! The hosts whose pods have logs: what was written, to the microsecond, and into which pod's
//! journal. Lines that are written later are the scenes' own.

use rkt_sim::spec::{App, HostSpec, Image, LogLine, Phase, Pod, Process, Started};
use uuid::Uuid;

use super::HostDef;

/// Journals of every kind that a simulator can write at once, and pods without one.
pub static STILL: HostDef = HostDef {
    name: "logs",
    about: "pods in every state, with journals and without",
    spec: still,
};

/// Journals for more than one response.
pub static LARGE: HostDef = HostDef {
    name: "logs-large",
    about: "pods with megabytes of lines",
    spec: large,
};

/// Pods that run, and go on to write lines.
pub static LIVING: HostDef = HostDef {
    name: "logs-living",
    about: "pods that run, with older lines and without",
    spec: living,
};

/// Pods whose journals are put elsewhere, or broken, by hand.
pub static FILES: HostDef = HostDef {
    name: "logs-files",
    about: "pods with a journal of one file each, and pods that never ran",
    spec: files,
};

/// A second of which [`RICH`] has lines at its very beginning, just before and just after:
/// 2020-09-13 12:26:40 UTC, in seconds since the epoch.
pub const SECOND_S: i64 = 1_600_000_000;

/// Exited; two apps that write at the same time, across seconds' beginnings, messages of several
/// lines and empty ones; one that writes nothing.
pub const RICH: Uuid = Uuid::from_u128(0xa7c1_90f3_52de_4b86_9d04_1e7f_c2a8_0001);
/// Exited; two apps that take turns in the middle of seconds, a line at a time.
pub const PLAIN: Uuid = Uuid::from_u128(0xb81d_04e6_6f29_4c57_8ab3_90d2_7e15_0002);
/// Exited; an app for each thing that a message can be made of.
pub const MESSAGES: Uuid = Uuid::from_u128(0xc3f5_7a28_0e9b_4d41_b6c7_2f80_51ad_0003);
/// Exited; times from 1970 to 2999.
pub const AGES: Uuid = Uuid::from_u128(0xd40a_b6c9_83f7_4e12_a05d_6b39_f8e4_0004);
/// Exited, and nobody can say with which apps: there is no manifest.
pub const LOST: Uuid = Uuid::from_u128(0xe96e_1f07_c4a5_4f33_8e71_d52c_0b96_0005);

/// The apps of [`RICH`]; the last one writes nothing.
pub const RICH_APPS: [&str; 3] = ["web", "db", "quiet"];
/// The apps of [`PLAIN`].
pub const PLAIN_APPS: [&str; 2] = ["one", "two"];

/// A pod in some state.
#[derive(Clone, Copy, Debug)]
pub struct InState {
    /// The state in a word or two.
    pub name: &'static str,
    /// The pod.
    pub id: Uuid,
    /// Where it lies.
    pub phase: Phase,
    /// Whether it is locked.
    pub locked: bool,
    /// Whether it was prepared for overlayfs.
    pub overlay: bool,
}

const fn in_state(name: &'static str, n: u128, phase: Phase, locked: bool) -> InState {
    InState {
        name,
        // Near to each other: beginnings of their ids are ambiguous.
        id: Uuid::from_u128(0x51a7_e000_3b6c_4a90_9f2d_0000_0000_0000 + n),
        phase,
        locked,
        overlay: false,
    }
}

const fn overlaid(name: &'static str, n: u128, phase: Phase, locked: bool) -> InState {
    InState {
        overlay: true,
        ..in_state(name, n, phase, locked)
    }
}

/// Pods with a journal, in each state that pods come to with one.
pub const WITH_JOURNAL: [InState; 8] = [
    in_state("running", 0x11, Phase::Run, true),
    in_state("exited", 0x12, Phase::Run, false),
    in_state("deleting", 0x13, Phase::ExitedGarbage, true),
    in_state("garbage", 0x14, Phase::ExitedGarbage, false),
    overlaid("running-overlay", 0x15, Phase::Run, true),
    overlaid("exited-overlay", 0x16, Phase::Run, false),
    overlaid("deleting-overlay", 0x17, Phase::ExitedGarbage, true),
    overlaid("garbage-overlay", 0x18, Phase::ExitedGarbage, false),
];

/// Pods without a journal, in each state.
pub const WITHOUT_JOURNAL: [InState; 13] = [
    in_state("embryo", 0x21, Phase::Embryo, false),
    in_state("embryo-locked", 0x22, Phase::Embryo, true),
    in_state("preparing", 0x23, Phase::Prepare, true),
    in_state("aborted", 0x24, Phase::Prepare, false),
    in_state("prepared", 0x25, Phase::Prepared, false),
    in_state("prepared-locked", 0x26, Phase::Prepared, true),
    in_state("running", 0x27, Phase::Run, true),
    overlaid("running-overlay", 0x28, Phase::Run, true),
    in_state("exited", 0x29, Phase::Run, false),
    in_state("exited-garbage-locked", 0x2a, Phase::ExitedGarbage, true),
    in_state("exited-garbage", 0x2b, Phase::ExitedGarbage, false),
    in_state("garbage-locked", 0x2c, Phase::Garbage, true),
    in_state("garbage", 0x2d, Phase::Garbage, false),
];

/// The app of pods that have but one.
pub const APP: &str = "main";

/// A line at some microseconds from the beginning of [`SECOND_S`].
fn line(offset_us: i64, message: impl Into<String>) -> LogLine {
    LogLine {
        at_us: SECOND_S * 1_000_000 + offset_us,
        message: message.into(),
    }
}

fn app(name: &str, logs: Vec<LogLine>) -> App {
    App {
        logs,
        ..App::new(name, Image::new("example.com/logs", "1.0"))
    }
}

/// A pod that was started three seconds before [`SECOND_S`], and has exited.
fn pod(id: Uuid, apps: Vec<App>) -> Pod {
    let at_ns = (SECOND_S - 3) * 1_000_000_000;
    Pod {
        apps,
        created_at_ns: at_ns,
        started: Some(Started {
            process: Process::Pid(4711),
            at_ns,
        }),
        ..Pod::new(id, Phase::Run)
    }
}

fn running(id: Uuid, apps: Vec<App>) -> Pod {
    Pod {
        locked: true,
        ..pod(id, apps)
    }
}

fn place(it: &InState, logs: Vec<LogLine>) -> Pod {
    Pod {
        phase: it.phase,
        locked: it.locked,
        overlay: it.overlay,
        ..pod(it.id, vec![app(APP, logs)])
    }
}

fn still() -> HostSpec {
    let with = WITH_JOURNAL.iter().map(|it| place(it, few(it.name)));
    let without = WITHOUT_JOURNAL.iter().map(|it| place(it, Vec::new()));
    let lost = Pod {
        manifest: Some(false),
        ..pod(LOST, vec![app(APP, few("lost"))])
    };
    let of_note = [rich(), plain(), messages(), ages(), lost];
    HostSpec {
        pods: of_note.into_iter().chain(with).chain(without).collect(),
        ..HostSpec::default()
    }
}

/// A few lines, one of them from each side of a second's beginning.
fn few(word: &str) -> Vec<LogLine> {
    vec![
        line(-1, format!("{word} begins")),
        line(0, format!("{word} goes on\nand on")),
        line(1_500_000, format!("{word} ends")),
    ]
}

fn rich() -> Pod {
    let web = vec![
        line(-1_500_000, "web starts"),
        line(-1, "web before the second"),
        line(0, "web at the second"),
        line(1, "web after the second"),
        line(250_000, "web first\nsecond\n\nthird"),
        line(1_000_000, "web at the next second"),
        line(3_700_000, ""),
        line(5_000_000, "\n"),
        line(6_000_000, "web last"),
    ];
    let db = vec![
        line(-1, "db before the second"),
        line(0, "db at the second"),
        line(0, "db at the second, too"),
        line(1, "db after the second"),
        line(2_999_999, "db between\nand more"),
        line(6_000_000, "db last"),
        line(6_000_001, "db very last"),
    ];
    let [web_name, db_name, quiet] = RICH_APPS;
    let apps = vec![app(web_name, web), app(db_name, db), app(quiet, Vec::new())];
    pod(RICH, apps)
}

fn plain() -> Pod {
    let turns = |first: i64| {
        let lines = (0..5).map(move |n| {
            let offset_us = (first + 2 * n) * 1_000_000 + 500_000;
            line(offset_us, format!("line {n}"))
        });
        lines.collect()
    };
    let [one, two] = PLAIN_APPS;
    pod(PLAIN, vec![app(one, turns(0)), app(two, turns(1))])
}

/// What apps of [`MESSAGES`] and [`AGES`] write, each a name, and offsets from [`SECOND_S`] in
/// microseconds with messages.
pub type Written = (&'static str, &'static [(i64, &'static str)]);

/// The apps of [`MESSAGES`] whose messages are short.
pub const SHORT: [Written; 4] = [
    (
        "fraction",
        &[
            (0, "none"),
            (1, "all"),
            (1000, "a thousandth"),
            (100_000, "a tenth"),
            (120_000, "twelve"),
            (123_456, "six digits"),
            (999_999, "nines"),
            (1_500_000, "a half"),
            (10_000_000, "ten"),
        ],
    ),
    (
        "split",
        &[
            (0, "two\nlines"),
            (1, "\nempty first"),
            (2, "newline last\n"),
            (3, "a\n\n\nb\n\n"),
            (4, "\n\n"),
            (5, ""),
            (6, "  \n  \n\t\n"),
        ],
    ),
    (
        "signs",
        &[
            (0, "MESSAGE=twice MESSAGE="),
            (1, "  blanks  "),
            (2, "tab\there"),
            (3, "carriage\r\nreturn\r"),
            (4, "nul \0 bell \u{7} escape \u{1b}[0m"),
            (5, "quotes ' \" \\ %s {} $(x) `y`"),
            (6, "=\n=\nFIELD=value"),
        ],
    ),
    (
        "scripts",
        &[
            (0, "ü ж 漢字 🦀 e\u{301}"),
            (1, "separators \u{2028} and \u{85} are no newlines"),
            (2, "\u{feff}mark"),
            (3, "replaced \u{fffd} already"),
            (4, "\u{202e}backwards"),
        ],
    ),
];

/// The app of [`MESSAGES`] that writes long lines, and how long they are.
pub const LONG: (&str, [usize; 4]) = ("long", [1, 4096, 65_536, 300_000]);

/// The app of [`MESSAGES`] that writes many lines in one message, and how many.
pub const MANY: (&str, usize) = ("many", 3000);

fn messages() -> Pod {
    let short = SHORT.iter().map(|(name, written)| {
        let lines = written.iter();
        let lines = lines.map(|(offset_us, message)| line(*offset_us, *message));
        app(name, lines.collect())
    });
    let long = LONG.1.into_iter().zip(0..);
    let long = long.map(|(len, n)| line(n * 1_000_000, "x".repeat(len)));
    let many: Vec<_> = (0..MANY.1).map(|n| format!("line {n}")).collect();
    let many = vec![line(0, many.join("\n"))];
    let further = [app(LONG.0, long.collect()), app(MANY.0, many)];
    pod(MESSAGES, short.chain(further).collect())
}

/// What is written in [`AGES`]: microseconds since the epoch, and the same as clients read it.
pub const TIMES: [(i64, &str); 7] = [
    (1, "1970-01-01 00:00:00.000001"),
    (951_868_799_999_999, "2000-02-29 23:59:59.999999"),
    (2_147_483_648_000_000, "2038-01-19 03:14:08"),
    (4_294_967_296_500_000, "2106-02-07 06:28:16.5"),
    (9_223_372_036_000_000, "2262-04-11 23:47:16"),
    (9_223_372_037_000_010, "2262-04-11 23:47:17.00001"),
    (32_503_679_999_999_999, "2999-12-31 23:59:59.999999"),
];

fn ages() -> Pod {
    let lines = TIMES.iter().map(|(at_us, time)| LogLine {
        at_us: *at_us,
        message: (*time).to_owned(),
    });
    pod(AGES, vec![app(APP, lines.collect())])
}

/// What one response stays under, bytes (L-9).
pub const RESPONSE_BYTES: usize = 4 << 20;

/// One byte less than would have to be split.
pub const FULL: Uuid = Uuid::from_u128(0xf0c4_58d2_7b13_4a6e_9c80_35e9_a1d7_0001);
/// One byte more than need not be split.
pub const OVERFULL: Uuid = Uuid::from_u128(0xf125_e90b_48c6_4d7f_83a1_6f04_d2b8_0002);
/// Three responses, in the midst of it a line that is too long for one.
pub const HUGE: Uuid = Uuid::from_u128(0xf286_7a34_15f9_4e80_b4c2_a91f_03e9_0003);

/// How long the longest message in [`HUGE`] is.
pub const HUGE_LINE_BYTES: usize = 5 << 20;

/// The length of what stands before a message that was written when a second began.
const PREFIX_BYTES: usize = "2020-09-13 12:26:40 +0000 UTC MESSAGE=".len();

/// What an encoded line takes besides itself, for lines of 2^14 to 2^21 bytes: its tag and its
/// length.
const LINE_OVERHEAD_BYTES: usize = 4;

/// Lines that make a response of exactly so many bytes, of many lines' size.
fn lines_of(response_bytes: usize) -> Vec<LogLine> {
    const LINE_BYTES: usize = 100_000;
    let full = response_bytes / LINE_BYTES - 1;
    let last = response_bytes - full * LINE_BYTES;
    let sizes = std::iter::repeat_n(LINE_BYTES, full).chain([last]);
    let lines = sizes.zip(0..).map(|(size, n)| {
        let message_bytes = size - LINE_OVERHEAD_BYTES - PREFIX_BYTES;
        // Different in each, or the journal would keep but one.
        let mut message = format!("{n} ");
        message.push_str(&"x".repeat(message_bytes - message.len()));
        line(n * 1_000_000, message)
    });
    lines.collect()
}

fn large() -> HostSpec {
    let after = |lines: Vec<LogLine>, seconds: i64| {
        lines.into_iter().map(move |line| LogLine {
            at_us: line.at_us + seconds * 1_000_000,
            ..line
        })
    };
    let mut huge = lines_of(3_000_000);
    huge.push(line(1_000_000_000, "y".repeat(HUGE_LINE_BYTES)));
    huge.extend(after(lines_of(6_000_000), 2000));
    let pods = [
        (FULL, lines_of(RESPONSE_BYTES - 1)),
        (OVERFULL, lines_of(RESPONSE_BYTES + 1)),
        (HUGE, huge),
    ];
    let pods = pods.map(|(id, lines)| pod(id, vec![app(APP, lines)]));
    HostSpec {
        pods: pods.into(),
        ..HostSpec::default()
    }
}

/// Runs, with older lines of two apps.
pub const TALKING: Uuid = Uuid::from_u128(0x1e57_c3a0_94d8_4b2f_a613_70be_58f1_0001);
/// The same with overlayfs.
pub const OVERLAID: Uuid = Uuid::from_u128(0x2f68_d4b1_a5e9_4c30_b724_81cf_6902_0002);
/// Runs, and keeps no journal yet.
pub const SILENT: Uuid = Uuid::from_u128(0x3079_e5c2_b6fa_4d41_8835_92d0_7a13_0003);
/// The same; its journal's directory is to be made by hand.
pub const HOLLOW: Uuid = Uuid::from_u128(0x418a_f6d3_c70b_4e52_9946_a3e1_8b24_0004);
/// Runs, with older lines; it is to be gone in no time.
pub const HASTY: Uuid = Uuid::from_u128(0x529b_07e4_d81c_4f63_aa57_b4f2_9c35_0005);

/// The apps of pods on [`LIVING`].
pub const LIVING_APPS: [&str; 2] = ["web", "db"];

fn living() -> HostSpec {
    let [web, db] = LIVING_APPS;
    let older = || {
        let early = |offset_us: i64, text: &str| line(offset_us, format!("older {text}"));
        let of_web = vec![
            early(0, "one"),
            early(2_000_000, "three\nfour"),
            early(4_000_001, "six"),
        ];
        let of_db = vec![early(1_000_000, "two"), early(4_000_000, "five")];
        vec![app(web, of_web), app(db, of_db)]
    };
    let none = || vec![app(web, Vec::new()), app(db, Vec::new())];
    HostSpec {
        pods: vec![
            running(TALKING, older()),
            Pod {
                overlay: true,
                ..running(OVERLAID, older())
            },
            running(SILENT, none()),
            running(HOLLOW, none()),
            running(HASTY, older()),
        ],
        ..HostSpec::default()
    }
}

/// The `n`th pod of [`FILES`]: each runs, and has a journal of a few lines.
pub fn filed(n: u8) -> Uuid {
    Uuid::from_u128(0x6f11_e500_2d4a_4c8b_8e90_0000_0000_0000 + u128::from(n))
}

/// How many pods there are of [`filed`].
pub const FILED: u8 = 32;

/// Pods of [`FILES`] that never ran, in each phase.
pub const NEVER_RAN: [InState; 6] = [
    in_state("embryo", 0x31, Phase::Embryo, false),
    in_state("preparing", 0x32, Phase::Prepare, true),
    in_state("aborted", 0x33, Phase::Prepare, false),
    in_state("prepared", 0x34, Phase::Prepared, false),
    in_state("garbage", 0x35, Phase::Garbage, false),
    in_state("garbage-locked", 0x36, Phase::Garbage, true),
];

fn files() -> HostSpec {
    let filed = (0..FILED).map(|n| running(filed(n), vec![app(APP, few("older"))]));
    let never_ran = NEVER_RAN.iter().map(|it| place(it, Vec::new()));
    HostSpec {
        pods: filed.chain(never_ran).collect(),
        ..HostSpec::default()
    }
}
