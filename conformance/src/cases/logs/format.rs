//! What lines look like (L-8), said here once more, in so many words, and not taken from the
//! model; and by what clients take them apart.

use jiff::civil::DateTime;

use super::answer::{ask, of_app, same, show};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::logs::{AGES, APP, LONG, MANY, MESSAGES, RICH, RICH_APPS, SHORT, STILL, TIMES},
    stage::Stage,
    target::refused,
};

/// The lines that come of the apps with short messages, in the order of [`SHORT`].
const DUE: [(&str, &[&str]); 4] = [
    (
        "fraction",
        &[
            "2020-09-13 12:26:40 +0000 UTC MESSAGE=none",
            "2020-09-13 12:26:40.000001 +0000 UTC MESSAGE=all",
            "2020-09-13 12:26:40.001 +0000 UTC MESSAGE=a thousandth",
            "2020-09-13 12:26:40.1 +0000 UTC MESSAGE=a tenth",
            "2020-09-13 12:26:40.12 +0000 UTC MESSAGE=twelve",
            "2020-09-13 12:26:40.123456 +0000 UTC MESSAGE=six digits",
            "2020-09-13 12:26:40.999999 +0000 UTC MESSAGE=nines",
            "2020-09-13 12:26:41.5 +0000 UTC MESSAGE=a half",
            "2020-09-13 12:26:50 +0000 UTC MESSAGE=ten",
        ],
    ),
    (
        "split",
        &[
            "2020-09-13 12:26:40 +0000 UTC MESSAGE=two",
            "lines",
            "2020-09-13 12:26:40.000001 +0000 UTC MESSAGE=",
            "empty first",
            "2020-09-13 12:26:40.000002 +0000 UTC MESSAGE=newline last",
            "2020-09-13 12:26:40.000003 +0000 UTC MESSAGE=a",
            "b",
            "2020-09-13 12:26:40.000004 +0000 UTC MESSAGE=",
            "2020-09-13 12:26:40.000005 +0000 UTC MESSAGE=",
            "2020-09-13 12:26:40.000006 +0000 UTC MESSAGE=  ",
            "  ",
            "\t",
        ],
    ),
    (
        "signs",
        &[
            "2020-09-13 12:26:40 +0000 UTC MESSAGE=MESSAGE=twice MESSAGE=",
            "2020-09-13 12:26:40.000001 +0000 UTC MESSAGE=  blanks  ",
            "2020-09-13 12:26:40.000002 +0000 UTC MESSAGE=tab\there",
            "2020-09-13 12:26:40.000003 +0000 UTC MESSAGE=carriage\r",
            "return\r",
            "2020-09-13 12:26:40.000004 +0000 UTC MESSAGE=nul \0 bell \u{7} escape \u{1b}[0m",
            "2020-09-13 12:26:40.000005 +0000 UTC MESSAGE=quotes ' \" \\ %s {} $(x) `y`",
            "2020-09-13 12:26:40.000006 +0000 UTC MESSAGE==",
            "=",
            "FIELD=value",
        ],
    ),
    (
        "scripts",
        &[
            "2020-09-13 12:26:40 +0000 UTC MESSAGE=ü ж 漢字 🦀 e\u{301}",
            "2020-09-13 12:26:40.000001 +0000 UTC MESSAGE=separators \u{2028} and \u{85} are no newlines",
            "2020-09-13 12:26:40.000002 +0000 UTC MESSAGE=\u{feff}mark",
            "2020-09-13 12:26:40.000003 +0000 UTC MESSAGE=replaced \u{fffd} already",
            "2020-09-13 12:26:40.000004 +0000 UTC MESSAGE=\u{202e}backwards",
        ],
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let short = SHORT
        .iter()
        .zip(DUE)
        .flat_map(|((app, written), (_, due))| {
            let whole = exact(app.to_string(), MESSAGES, app, move || {
                due.iter().map(ToString::to_string).collect()
            });
            // Each message by itself, so that a report says which one is wrong.
            let each = (0..written.len()).map(move |n| {
                let content = format!("{app}:{}", n + 1);
                exact_entry(content, app, n, due)
            });
            [whole].into_iter().chain(each)
        });
    let (long, many) = (LONG, MANY);
    let further = [
        exact("long".to_owned(), MESSAGES, long.0, move || {
            let lines = long.1.iter().enumerate().map(|(n, len)| {
                let second = 40 + n;
                format!(
                    "2020-09-13 12:26:{second} +0000 UTC MESSAGE={}",
                    "x".repeat(*len)
                )
            });
            lines.collect()
        }),
        exact("many".to_owned(), MESSAGES, many.0, move || {
            let first = "2020-09-13 12:26:40 +0000 UTC MESSAGE=line 0".to_owned();
            let further = (1..many.1).map(|n| format!("line {n}"));
            [first].into_iter().chain(further).collect()
        }),
        exact("ages".to_owned(), AGES, APP, || {
            let lines = TIMES.iter();
            let lines = lines.map(|(_, time)| format!("{time} +0000 UTC MESSAGE={time}"));
            lines.collect()
        }),
        Case::new(Method::GetLogs, &clause::L_8, "clients-parse", parses).on(On::Still(&STILL)),
    ];
    short.chain(further).collect()
}

/// That these are the lines of an app.
fn exact(
    content: String,
    pod: uuid::Uuid,
    app: &'static str,
    due: impl Fn() -> Vec<String> + Copy + Send + Sync + 'static,
) -> Case {
    let check = move |stage: Stage| async move {
        let lines = lines(&stage, pod, app).await?;
        same(&of_app(pod, app), &due(), &lines)
    };
    Case::new(Method::GetLogs, &clause::L_8, content, check).on(On::Still(&STILL))
}

/// That these are the lines of the `n`th entry of an app.
fn exact_entry(content: String, app: &'static str, n: usize, due: &'static [&'static str]) -> Case {
    let check = move |stage: Stage| async move {
        let lines = lines(&stage, MESSAGES, app).await?;
        let due: Vec<String> = due.iter().map(ToString::to_string).collect();
        same(&of_app(MESSAGES, app), &entry(&due, n), &entry(&lines, n))
    };
    Case::new(Method::GetLogs, &clause::L_8, content, check).on(On::Still(&STILL))
}

/// The lines of the `n`th entry: those from the `n`th with a prefix up to the next.
fn entry(lines: &[String], n: usize) -> Vec<String> {
    let mut number = None;
    let of_entry = lines.iter().filter(|line| {
        if line.contains(" +0000 UTC MESSAGE=") {
            number = Some(number.map_or(0, |number| number + 1));
        }
        number == Some(n)
    });
    of_entry.cloned().collect()
}

async fn lines(stage: &Stage, pod: uuid::Uuid, app: &str) -> Result<Vec<String>, Objection> {
    let request = of_app(pod, app);
    match ask(stage, &request).await? {
        Ok(answer) => Ok(answer.lines),
        Err(status) => Err(refused(show(&request), &status)),
    }
}

/// That what stands before `MESSAGE=` can be read as the time that it is: Go's default form of
/// one.
async fn parses(stage: Stage) -> Verdict {
    let app = RICH_APPS[1];
    let lines = lines(&stage, RICH, app).await?;
    let with_time = lines.iter().filter_map(|line| line.split_once(" MESSAGE="));
    let times = with_time.map(|(time, _)| time);
    let readable = |time: &&str| {
        let time = time.strip_suffix(" +0000 UTC");
        time.is_some_and(|time| DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", time).is_ok())
    };
    let (right, wrong): (Vec<_>, Vec<_>) = times.partition(readable);
    match wrong.first() {
        None if right.len() == 7 => Ok(()),
        _ => Err(Objection::fail(
            show(&of_app(RICH, app)),
            "7 lines that begin with a time as Go writes it, and MESSAGE=",
            format!("{} of them; otherwise {wrong:?}", right.len()),
        )),
    }
}
