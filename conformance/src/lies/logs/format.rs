//! Lies about what lines look like, and how they are put into responses (L-8, L-9).

use super::{Lines, act, entries, instantly, parsed, tell, told};
use crate::{
    clause,
    lies::{Lie, keep},
};

pub(super) fn lies() -> Vec<Lie> {
    [format(), responses()].into_iter().flatten().collect()
}

fn format() -> Vec<Lie> {
    /// Each line as `change` has it.
    fn each(lines: Lines, change: impl Fn(String) -> String) -> Vec<Lines> {
        vec![lines.into_iter().map(change).collect()]
    }

    /// Each time as `change` has it.
    fn times(lines: Lines, change: impl Fn(&str) -> String) -> Vec<Lines> {
        each(lines, |line| match line.split_once(" MESSAGE=") {
            Some((time, message)) => format!("{} MESSAGE={message}", change(time)),
            None => line,
        })
    }

    vec![
        tell("times-in-iso-8601", &clause::L_8, |_, lines| {
            times(lines, |time| time.replacen(' ', "T", 1))
        }),
        tell("times-without-zone", &clause::L_8, |_, lines| {
            times(lines, |time| time.trim_end_matches(" UTC").to_owned())
        }),
        tell("fractions-with-zeroes", &clause::L_8, |_, lines| {
            times(lines, |time| match parsed(time) {
                Some(at) => at.strftime("%Y-%m-%d %H:%M:%S%.6f +0000 UTC").to_string(),
                None => time.to_owned(),
            })
        }),
        tell("fractions-in-milliseconds", &clause::L_8, |_, lines| {
            times(lines, |time| match parsed(time) {
                Some(at) => {
                    let text = at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
                    let text = text.trim_end_matches('0').trim_end_matches('.');
                    format!("{text} +0000 UTC")
                }
                None => time.to_owned(),
            })
        }),
        tell("times-in-another-zone", &clause::L_8, |_, lines| {
            times(lines, |time| time.replace("+0000 UTC", "+0200 CEST"))
        }),
        tell("no-equals-sign", &clause::L_8, |_, lines| {
            each(lines, |line| line.replacen("MESSAGE=", "MESSAGE: ", 1))
        }),
        tell("no-prefix", &clause::L_8, |_, lines| {
            each(lines, |line| match line.split_once("MESSAGE=") {
                Some((_, message)) => message.to_owned(),
                None => line,
            })
        }),
        tell("prefix-on-each-line", &clause::L_8, |_, lines| {
            let mut prefix = String::new();
            let mut all = Vec::new();
            for line in lines {
                match line.split_once("MESSAGE=") {
                    Some((time, _)) => {
                        prefix = format!("{time}MESSAGE=");
                        all.push(line);
                    }
                    None => all.push(format!("{prefix}{line}")),
                }
            }
            vec![all]
        }),
        tell("messages-unsplit", &clause::L_8, |_, lines| {
            let entries = entries(lines).into_iter();
            vec![entries.map(|entry| entry.lines.join("\n")).collect()]
        }),
        tell("further-lines-left-out", &clause::L_8, |_, mut lines| {
            lines.retain(|line| line.contains("MESSAGE="));
            vec![lines]
        }),
        tell(
            "empty-first-lines-left-out",
            &clause::L_8,
            |_, mut lines| {
                lines.retain(|line| !line.ends_with(" UTC MESSAGE="));
                vec![lines]
            },
        ),
        tell("empty-further-lines-kept", &clause::L_8, |_, lines| {
            let entries = entries(lines).into_iter().flat_map(|entry| {
                let is_split = entry.lines.len() > 1;
                let more = is_split.then(String::new);
                entry.lines.into_iter().chain(more)
            });
            vec![entries.collect()]
        }),
        tell("blanks-trimmed", &clause::L_8, |_, lines| {
            each(lines, |line| line.trim_end().to_owned())
        }),
        tell("carriage-returns-cut", &clause::L_8, |_, lines| {
            each(lines, |line| line.trim_end_matches('\r').to_owned())
        }),
        tell("escapes-removed", &clause::L_8, |_, lines| {
            each(lines, |line| {
                line.replace(|c: char| c.is_control() && c != '\t', "")
            })
        }),
        tell("scripts-replaced", &clause::L_8, |_, lines| {
            each(lines, |line| {
                line.replace(|c: char| !c.is_ascii(), "\u{fffd}")
            })
        }),
        tell("split-at-other-separators", &clause::L_8, |_, lines| {
            let split = lines.iter().flat_map(|line| line.split('\u{2028}'));
            vec![split.map(str::to_owned).collect()]
        }),
        tell("long-lines-cut", &clause::L_8, |_, lines| {
            each(lines, |mut line| {
                line.truncate(line.floor_char_boundary(48 << 10));
                line
            })
        }),
    ]
}

fn responses() -> Vec<Lie> {
    vec![
        tell("no-response-without-lines", &clause::L_9, |_, lines| {
            keep(!lines.is_empty(), lines)
        }),
        tell(
            "a-response-for-each-line",
            &clause::L_9,
            |_, lines| match lines.is_empty() {
                true => vec![lines],
                false => lines.into_iter().map(|line| vec![line]).collect(),
            },
        ),
        tell("another-empty-response", &clause::L_9, |_, lines| {
            vec![lines, Lines::new()]
        }),
        tell(
            "an-empty-response-first",
            &clause::L_9,
            |told, lines| match told.responses.is_empty() && !told.request.follow {
                true => vec![Lines::new(), lines],
                false => vec![lines],
            },
        ),
        act("never-split", &clause::L_9, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move { told(&asked, |_| ()).await })
            }))
        }),
        tell("split-at-a-mebibyte", &clause::L_9, |_, lines| {
            let mut responses = vec![Lines::new()];
            let mut size = 0;
            for line in lines {
                size += line.len();
                if size > 1 << 20 {
                    responses.push(Lines::new());
                    size = line.len();
                }
                if let Some(last) = responses.last_mut() {
                    last.push(line);
                }
            }
            responses
        }),
        tell("longer-lines-left-out", &clause::L_9, |_, lines| {
            keep(lines.iter().all(|line| line.len() < 4 << 20), lines)
        }),
        tell(
            "longer-lines-divided",
            &clause::L_9,
            |_, mut lines| match lines.first_mut() {
                Some(line) if line.len() > 4 << 20 => {
                    let rest = line.split_off(1 << 20);
                    vec![lines, vec![rest]]
                }
                _ => vec![lines],
            },
        ),
    ]
}
