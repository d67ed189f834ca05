//! Lies about logs: for each clause about GetLogs some ways to break it. A lie changes what is
//! asked, or what is told, or acts for itself, on top of a server that is honest.

use std::{sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rkt_api::api::GetLogsRequest;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use super::Lie;
use crate::{
    clause::{self, Clause},
    clock::now_unix_ns,
    hosts::logs::{PLAIN_APPS, RICH_APPS, filed},
};

/// What a liar does.
#[derive(Clone, Copy)]
pub enum How {
    /// It answers another question.
    Ask(fn(&mut GetLogsRequest)),
    /// It sends these responses instead of one.
    Tell(fn(&Told, Lines) -> Vec<Lines>),
    /// It acts for itself.
    Act(fn(Asked) -> Acting),
}

/// The lines of one response.
pub type Lines = Vec<String>;

/// The responses of a stream, one by one.
pub type Responses = BoxStream<'static, Result<Lines, Status>>;

/// A liar at work.
pub type Acting = BoxFuture<'static, Result<Responses, Status>>;

/// An honest server.
pub type Honest =
    Arc<dyn Fn(GetLogsRequest) -> BoxFuture<'static, Result<Responses, Status>> + Send + Sync>;

/// Says whether a pod is running.
pub type Runs = Arc<dyn Fn(String) -> BoxFuture<'static, bool> + Send + Sync>;

/// What a stream has told so far.
#[derive(Default)]
pub struct Told {
    /// What was asked for.
    request: GetLogsRequest,
    /// When, in seconds since the epoch.
    called_s: i64,
    /// What the honest server told, in order.
    responses: Vec<Lines>,
}

impl Told {
    /// Whether what comes now is new: what was there has been told.
    pub(super) fn is_live(&self) -> bool {
        self.request.follow && !self.responses.is_empty()
    }
}

/// A request, and an honest server to answer it.
pub struct Asked {
    /// What is asked for.
    pub request: GetLogsRequest,
    /// The honest server.
    pub honest: Honest,
    /// What it says of pods.
    pub runs: Runs,
}

impl How {
    /// Answers a request.
    ///
    /// # Errors
    ///
    /// Those of the honest server, and whatever the lie makes up.
    pub async fn answer(self, asked: Asked) -> Result<Responses, Status> {
        match self {
            Self::Ask(change) => {
                let mut request = asked.request;
                change(&mut request);
                (asked.honest)(request).await
            }
            Self::Tell(tell) => {
                let mut told = Told {
                    request: asked.request.clone(),
                    called_s: now_s(),
                    responses: Vec::new(),
                };
                let responses = (asked.honest)(asked.request).await?;
                let responses = responses.flat_map(move |response| match response {
                    Err(status) => stream::iter(vec![Err(status)]),
                    Ok(lines) => {
                        let instead = tell(&told, lines.clone());
                        told.responses.push(lines);
                        stream::iter(instead.into_iter().map(Ok).collect::<Vec<_>>())
                    }
                });
                Ok(responses.boxed())
            }
            Self::Act(act) => act(asked).await,
        }
    }
}

const fn ask(name: &'static str, clause: &'static Clause, change: fn(&mut GetLogsRequest)) -> Lie {
    let how = super::How::Logs(How::Ask(change));
    Lie { name, clause, how }
}

pub(super) const fn tell(
    name: &'static str,
    clause: &'static Clause,
    tell: fn(&Told, Lines) -> Vec<Lines>,
) -> Lie {
    let how = super::How::Logs(How::Tell(tell));
    Lie { name, clause, how }
}

pub(super) const fn act(
    name: &'static str,
    clause: &'static Clause,
    act: fn(Asked) -> Acting,
) -> Lie {
    let how = super::How::Logs(How::Act(act));
    Lie { name, clause, how }
}

/// All lies about logs.
pub fn all() -> Vec<Lie> {
    [
        refusals(),
        selection(),
        tail(),
        bounds(),
        following(),
        ends(),
        format(),
        responses(),
        files(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn refusals() -> Vec<Lie> {
    vec![
        act("unknown-apps-have-no-lines", &clause::L_1, |asked| {
            Box::pin(async move {
                let has_app = !asked.request.app_name.is_empty();
                let answer = (asked.honest)(asked.request).await;
                match answer {
                    Err(status) if has_app && status.code() == Code::NotFound => Ok(empty()),
                    answer => answer,
                }
            })
        }),
        act("apps-only-by-the-manifest", &clause::L_1, |asked| {
            Box::pin(async move {
                match asked.request.app_name.as_str() {
                    "systemd" => Err(Status::not_found("there is no \"systemd\"")),
                    _ => (asked.honest)(asked.request).await,
                }
            })
        }),
        act("unknown-pods-have-no-lines", &clause::L_1, |asked| {
            Box::pin(instead_of(asked, Code::NotFound))
        }),
        act("no-journal-is-no-lines", &clause::W_3, |asked| {
            Box::pin(instead_of(asked, Code::FailedPrecondition))
        }),
        act("wrong-ids-are-not-found", &clause::W_3, |asked| {
            Box::pin(async move {
                let id = asked.request.pod_id.clone();
                let answer = (asked.honest)(asked.request).await;
                answer.map_err(|status| match status.code() {
                    Code::InvalidArgument => Status::not_found(format!("there is no {id:?}")),
                    _ => status,
                })
            })
        }),
        act("errors-name-nothing", &clause::W_3, |asked| {
            Box::pin(async move {
                let answer = (asked.honest)(asked.request).await;
                answer.map_err(|status| Status::new(status.code(), "failed"))
            })
        }),
        ask("negative-lines-are-all", &clause::W_3, |it| {
            it.lines = it.lines.max(0);
        }),
        act("logs-by-whole-ids-only", &clause::P_17, |asked| {
            Box::pin(async move {
                match asked.request.pod_id.len() {
                    36 => (asked.honest)(asked.request).await,
                    _ => Err(Status::not_found("there is no such pod")),
                }
            })
        }),
        act("logs-by-lower-case-ids-only", &clause::P_17, |asked| {
            Box::pin(async move {
                match asked.request.pod_id.contains(char::is_uppercase) {
                    true => Err(Status::not_found("there is no such pod")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
    ]
}

fn selection() -> Vec<Lie> {
    vec![
        ask("other-apps-too", &clause::L_2, |it| {
            if RICH_APPS.contains(&it.app_name.as_str()) || PLAIN_APPS.contains(&&*it.app_name) {
                it.app_name.clear();
            }
        }),
        act("systemd-too", &clause::L_2, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let mut lines = told(&asked, |_| ()).await?;
                    if asked.request.app_name.is_empty() {
                        let systemd = told(&asked, |it| it.app_name = "systemd".to_owned()).await;
                        lines.splice(0..0, systemd.unwrap_or_default());
                    }
                    Ok(lines)
                })
            }))
        }),
        act("ordered-by-app", &clause::L_2, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    if !asked.request.app_name.is_empty() {
                        return told(&asked, |_| ()).await;
                    }
                    let mut lines = Vec::new();
                    for app in RICH_APPS.iter().chain(&PLAIN_APPS) {
                        let of_app = told(&asked, |it| it.app_name = (*app).to_owned()).await;
                        lines.extend(of_app.unwrap_or_default());
                    }
                    Ok(lines)
                })
            }))
        }),
        tell("newest-first", &clause::L_2, |_, mut lines| {
            lines.reverse();
            vec![lines]
        }),
        tell(
            "no-second-line-of-the-same-time",
            &clause::L_2,
            |_, lines| {
                let time = |line: &String| line.split_once(" MESSAGE=").map(|it| it.0.to_owned());
                let mut kept: Lines = Vec::new();
                for line in lines {
                    let last = kept.last().and_then(time);
                    if last.is_none() || last != time(&line) {
                        kept.push(line);
                    }
                }
                vec![kept]
            },
        ),
    ]
}

fn tail() -> Vec<Lie> {
    vec![
        ask("lines-ignored", &clause::L_3, |it| {
            it.lines = it.lines.min(0)
        }),
        ask("one-line-too-many", &clause::L_3, |it| {
            if it.lines > 0 {
                it.lines = it.lines.saturating_add(1);
            }
        }),
        act("first-lines", &clause::L_3, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let mut lines = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    lines.truncate(most(&asked.request));
                    Ok(lines)
                })
            }))
        }),
        act("counts-entries", &clause::L_3, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let lines = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    let entries = entries(lines);
                    let left_out = entries.len().saturating_sub(most(&asked.request));
                    Ok(joined(entries.into_iter().skip(left_out)))
                })
            }))
        }),
        act("counts-all-apps", &clause::L_3, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let own = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    let all = told(&asked, |it| it.app_name.clear()).await?;
                    Ok(all.into_iter().filter(|it| own.contains(it)).collect())
                })
            }))
        }),
        act("counts-before-bounds", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let between = told(&asked, |it| it.lines = it.lines.min(0)).await?;
                    let all = told(&asked, |it| {
                        it.since_time = 0;
                        it.until_time = 0;
                    });
                    let all = all.await?.into_iter();
                    Ok(all.filter(|it| between.contains(it)).collect())
                })
            }))
        }),
    ]
}

fn bounds() -> Vec<Lie> {
    vec![
        ask("since-ignored", &clause::L_4, |it| it.since_time = 0),
        ask("until-ignored", &clause::L_4, |it| it.until_time = 0),
        ask("since-drops-lines", &clause::L_4, |it| {
            if it.since_time > 0 {
                it.lines = it.lines.min(0);
            }
        }),
        act("since-inclusive", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let since_us = asked.request.since_time.saturating_mul(1_000_000);
                    let lines = told(&asked, |it| {
                        it.since_time = it.since_time.max(1) - 1;
                        it.lines = it.lines.min(0);
                    });
                    let kept = entries(lines.await?).into_iter();
                    let lines = joined(kept.filter(|entry| entry.at_us >= since_us));
                    Ok(last(lines, most(&asked.request)))
                })
            }))
        }),
        act("until-inclusive", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let until_us = match asked.request.until_time {
                        until if until > 0 => until.saturating_mul(1_000_000),
                        _ => i64::MAX,
                    };
                    let lines = told(&asked, |it| {
                        it.until_time = it.until_time.saturating_add((it.until_time > 0).into());
                        it.lines = it.lines.min(0);
                    });
                    let kept = entries(lines.await?).into_iter();
                    let lines = joined(kept.filter(|entry| entry.at_us <= until_us));
                    Ok(last(lines, most(&asked.request)))
                })
            }))
        }),
        act("since-by-whole-seconds", &clause::L_4, |asked| {
            Box::pin(instantly(asked, |asked| {
                Box::pin(async move {
                    let since = asked.request.since_time;
                    let lines = told(&asked, |_| ()).await?;
                    let kept = entries(lines).into_iter();
                    let second = |at_us: i64| at_us.div_euclid(1_000_000);
                    Ok(joined(kept.filter(|entry| second(entry.at_us) > since)))
                })
            }))
        }),
        ask("negative-until-is-the-epoch", &clause::W_7, |it| {
            if it.until_time < 0 {
                it.until_time = 1;
            }
        }),
        ask("far-since-overflows", &clause::W_7, |it| {
            if it.since_time > i64::MAX / 1_000_000_000 {
                it.since_time = 0;
            }
        }),
        ask("far-until-overflows", &clause::W_7, |it| {
            if it.until_time > i64::MAX / 1_000_000_000 {
                it.until_time = 1;
            }
        }),
        act("shut-bounds-are-refused", &clause::W_7, |asked| {
            Box::pin(async move {
                let GetLogsRequest {
                    since_time,
                    until_time,
                    ..
                } = asked.request;
                match until_time > 0 && since_time >= until_time {
                    true => Err(Status::invalid_argument("nothing lies between")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
    ]
}

fn following() -> Vec<Lie> {
    vec![
        tell("lines-cut-what-is-new", &clause::L_6, |told, mut lines| {
            if told.request.follow {
                let sent: usize = told.responses.iter().map(Vec::len).sum();
                lines.truncate(most(&told.request).saturating_sub(sent));
            }
            vec![lines]
        }),
        ask("what-is-there-uncut", &clause::L_6, |it| {
            if it.follow {
                it.lines = it.lines.min(0);
            }
        }),
        tell("only-what-is-new", &clause::L_6, |told, lines| {
            keep(!told.request.follow || !told.responses.is_empty(), lines)
        }),
        tell("only-what-is-there", &clause::L_6, |told, lines| {
            keep(!told.request.follow || told.responses.is_empty(), lines)
        }),
        tell("gap-before-what-is-new", &clause::L_6, |told, lines| {
            keep(!told.request.follow || told.responses.len() != 1, lines)
        }),
        tell(
            "overlap-with-what-is-new",
            &clause::L_6,
            |told, mut lines| {
                if let ([first], true) = (&told.responses[..], told.request.follow) {
                    lines.splice(0..0, first.last().cloned());
                }
                vec![lines]
            },
        ),
        tell("rotation-loses-a-line", &clause::L_6, |told, mut lines| {
            let is_live = told.request.follow && !told.responses.is_empty();
            lines.retain(|line| !is_live || !line.ends_with("after a rotation"));
            vec![lines]
        }),
        tell("rotation-repeats-a-line", &clause::L_6, |_, mut lines| {
            let again = lines
                .iter()
                .position(|line| line.ends_with("alone in a journal"));
            if let Some(place) = again {
                lines.insert(place, lines[place].clone());
            }
            vec![lines]
        }),
        tell("rotation-begins-anew", &clause::L_6, |told, mut lines| {
            if told.request.follow && lines.iter().any(|line| line.ends_with("alone, too")) {
                lines.splice(0..0, told.responses.concat());
            }
            vec![lines]
        }),
        tell(
            "new-lines-of-all-messages-cut",
            &clause::L_6,
            |told, mut lines| {
                let is_live = told.request.follow && !told.responses.is_empty();
                lines.retain(|line| !is_live || line.contains(" MESSAGE="));
                vec![lines]
            },
        ),
        act("ends-at-exit", &clause::L_6, |asked| {
            Box::pin(async move {
                let Asked {
                    request,
                    honest,
                    runs,
                } = asked;
                let (pod, follow) = (request.pod_id.clone(), request.follow);
                let responses = honest(request).await?;
                let exited = async move {
                    while !follow || runs(pod.clone()).await {
                        sleep(Duration::from_millis(50)).await;
                    }
                };
                Ok(responses.take_until(Box::pin(exited)).boxed())
            })
        }),
        act("ends-when-nothing-comes", &clause::L_6, |asked| {
            Box::pin(async move {
                let responses = (asked.honest)(asked.request).await?;
                let quiet = Duration::from_millis(250);
                Ok(stream::unfold(responses, move |mut responses| async move {
                    let next = timeout(quiet, responses.next()).await;
                    Some((next.ok().flatten()?, responses))
                })
                .boxed())
            })
        }),
        act("deleted-pods-are-followed-on", &clause::L_6, |asked| {
            Box::pin(async move {
                let is_unbounded = asked.request.follow && asked.request.until_time <= 0;
                let responses = (asked.honest)(asked.request).await?;
                Ok(match is_unbounded {
                    true => responses.chain(stream::pending()).boxed(),
                    false => responses,
                })
            })
        }),
        act("deletion-is-an-error", &clause::L_6, |asked| {
            Box::pin(async move {
                let is_unbounded = asked.request.follow && asked.request.until_time <= 0;
                let responses = (asked.honest)(asked.request).await?;
                let error = is_unbounded.then(|| Err(Status::not_found("the pod is gone")));
                Ok(responses.chain(stream::iter(error)).boxed())
            })
        }),
        act("new-lines-come-late", &clause::L_6, |asked| {
            Box::pin(async move {
                let follow = asked.request.follow;
                let responses = (asked.honest)(asked.request).await?;
                let responses = responses.enumerate().then(move |(n, response)| async move {
                    if follow && n > 0 {
                        sleep(Duration::from_secs(7)).await;
                    }
                    response
                });
                Ok(responses.boxed())
            })
        }),
        ask("past-until-ignored-by-followers", &clause::L_7, |it| {
            if it.follow && it.until_time <= now_s() {
                it.until_time = 0;
            }
        }),
        ask("future-since-ignored", &clause::L_7, |it| {
            if it.since_time > now_s() {
                it.since_time = 0;
            }
        }),
        tell(
            "future-since-cut-by-lines",
            &clause::L_7,
            |told, mut lines| {
                if told.request.since_time > told.called_s {
                    let sent: usize = told.responses.iter().map(Vec::len).sum();
                    lines.truncate(most(&told.request).saturating_sub(sent));
                }
                vec![lines]
            },
        ),
        act("empty-directories-are-no-journals", &clause::L_7, |asked| {
            Box::pin(async move {
                let all = told(&asked, |it| {
                    *it = GetLogsRequest {
                        pod_id: it.pod_id.clone(),
                        ..GetLogsRequest::default()
                    };
                });
                match all.await?.is_empty() {
                    true => Err(Status::failed_precondition("the pod keeps no journal")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
    ]
}

fn ends() -> Vec<Lie> {
    vec![
        act("answers-do-not-end", &clause::L_5, |asked| {
            Box::pin(async move {
                let responses = (asked.honest)(asked.request).await?;
                Ok(responses.chain(stream::pending()).boxed())
            })
        }),
        act("answers-end-with-an-error", &clause::L_5, |asked| {
            Box::pin(async move {
                let responses = (asked.honest)(asked.request).await?;
                let error = stream::iter([Err(Status::out_of_range("that was all"))]);
                Ok(responses.chain(error).boxed())
            })
        }),
        ask("until-ends-early", &clause::L_11, |it| {
            if it.until_time > now_s() + 1 {
                it.until_time -= 1;
            }
        }),
        act("until-ends-late", &clause::L_11, |asked| {
            Box::pin(async move {
                let is_future = asked.request.until_time > now_s();
                let responses = (asked.honest)(asked.request).await?;
                let late = stream::once(async move {
                    if is_future {
                        sleep(Duration::from_millis(900)).await;
                    }
                });
                Ok(responses
                    .chain(late.filter_map(|()| async { None }))
                    .boxed())
            })
        }),
        ask("future-until-never-ends", &clause::L_11, |it| {
            if it.until_time > now_s() {
                it.until_time = 0;
            }
        }),
    ]
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

fn files() -> Vec<Lie> {
    vec![
        tell("archived-journals-unread", &clause::L_10, |_, mut lines| {
            let is_new = |line: &String| line.contains("newe") || line.contains("of two lines");
            if lines.iter().any(is_new) {
                lines.retain(is_new);
            }
            vec![lines]
        }),
        act("torn-journals-are-errors", &clause::L_10, |asked| {
            Box::pin(async move {
                // Those of the tricks that tear.
                let torn = [22, 23].map(|n| filed(n).to_string());
                match torn.contains(&asked.request.pod_id) {
                    true => Err(Status::data_loss("the journal is torn")),
                    false => (asked.honest)(asked.request).await,
                }
            })
        }),
        act("logs-only-of-running-pods", &clause::L_12, |asked| {
            Box::pin(async move {
                match (asked.runs)(asked.request.pod_id.clone()).await {
                    true => (asked.honest)(asked.request).await,
                    false => Err(Status::failed_precondition("the pod does not run")),
                }
            })
        }),
    ]
}

/// What the honest server answers to a request, changed, that does not follow.
async fn told(asked: &Asked, change: impl FnOnce(&mut GetLogsRequest)) -> Result<Lines, Status> {
    let mut request = GetLogsRequest {
        follow: false,
        ..asked.request.clone()
    };
    change(&mut request);
    let mut responses = (asked.honest)(request).await?;
    let mut lines = Lines::new();
    while let Some(response) = responses.next().await {
        lines.extend(response?);
    }
    Ok(lines)
}

/// A lie in one response to those who do not follow; to others the truth.
async fn instantly(
    asked: Asked,
    lie: impl FnOnce(Asked) -> BoxFuture<'static, Result<Lines, Status>>,
) -> Result<Responses, Status> {
    match asked.request.follow {
        true => (asked.honest)(asked.request).await,
        false => Ok(stream::iter([Ok(lie(asked).await?)]).boxed()),
    }
}

/// No lines instead of this error.
async fn instead_of(asked: Asked, code: Code) -> Result<Responses, Status> {
    match (asked.honest)(asked.request).await {
        Err(status) if status.code() == code => Ok(empty()),
        answer => answer,
    }
}

fn empty() -> Responses {
    stream::iter([Ok(Lines::new())]).boxed()
}

fn keep(is_kept: bool, lines: Lines) -> Vec<Lines> {
    match is_kept {
        true => vec![lines],
        false => Vec::new(),
    }
}

/// How many lines there may be.
fn most(request: &GetLogsRequest) -> usize {
    match usize::try_from(request.lines) {
        Ok(lines) if lines > 0 => lines,
        _ => usize::MAX,
    }
}

fn last(mut lines: Lines, most: usize) -> Lines {
    lines.drain(..lines.len().saturating_sub(most));
    lines
}

/// What was written at once.
struct Entry {
    at_us: i64,
    lines: Lines,
}

/// Lines by what was written at once.
fn entries(lines: Lines) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines {
        let time = line.split_once(" MESSAGE=").and_then(|it| parsed(it.0));
        match (time, entries.last_mut()) {
            (None, Some(entry)) => entry.lines.push(line),
            (time, _) => entries.push(Entry {
                at_us: time.map_or(0, Timestamp::as_microsecond),
                lines: vec![line],
            }),
        }
    }
    entries
}

fn joined(entries: impl Iterator<Item = Entry>) -> Lines {
    entries.flat_map(|entry| entry.lines).collect()
}

/// The time that stands before a message.
fn parsed(time: &str) -> Option<Timestamp> {
    let time = time.strip_suffix(" +0000 UTC")?;
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn now_s() -> i64 {
    now_unix_ns().div_euclid(1_000_000_000)
}
