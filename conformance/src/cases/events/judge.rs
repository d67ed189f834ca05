//! What a stream is to have, and how what came differs from it.
//!
//! Which times a server gave its events only the server knows, so filters are judged by what it
//! told of everything, its *history*, which itself is held against the model first. An event
//! can also be one that a stream may have or not: it happened while the call was under way.
//!
//! Events are compared for each subject by itself: what happens to different pods and images at
//! the same time has no order.

use std::{collections::BTreeMap, time::Duration};

use rkt_api::api::{Event, EventFilter, EventType};
use tokio::time::sleep;
use tonic::Code;

use super::listener::{Heard, Listener};
use crate::{
    case::{Objection, Verdict},
    clock,
    model::{
        World,
        events::{self, Happening, Span},
    },
    stage::Stage,
    text,
};

/// How much later than it happened a server may learn of something (E-4).
pub(super) const LEARNS_WITHIN: Duration = Duration::from_secs(1);

/// How early an end by the clock may seem to be: the clocks of timers and of the day differ.
const EARLY: Duration = Duration::from_millis(20);

/// How long after its last event a stream of past events may take to end, where the contract
/// only says "as soon as".
pub(super) const AT_ONCE: Duration = Duration::from_secs(5);

/// How close to the end of a stream something may happen that need not be in it: it can be
/// learned of after the end.
const CLOSE: Duration = Duration::from_millis(100);

pub(super) const SECOND_NS: i64 = 1_000_000_000;

/// An event of the server, and when what it tells of was over.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// As the server told it.
    pub(super) event: Event,
    /// Nanoseconds since the epoch.
    pub(super) done_unix_ns: i64,
}

/// Something that a stream is to have.
#[derive(Clone, Debug)]
struct Due<'a> {
    event: &'a Event,
    /// Whether it must.
    must: bool,
}

/// What has happened, in the server's own words and with its times: a replay of everything
/// since it started, asked for when all of that has been learned. It is as the model has it.
pub(super) async fn history(stage: &Stage) -> Result<Vec<Known>, Objection> {
    needs_young_server(stage)?;
    let world = known_world(stage)?;
    let happenings = world.events();
    let last = happenings.iter().map(|happening| happening.done_unix_ns);
    let last = last.max().unwrap_or(world.started_unix_ns());
    // What is learned within a second bears the next second at the latest.
    let settled = last + nanos(LEARNS_WITHIN + stage.slack());
    let asked_s = settled.div_euclid(SECOND_NS) + 1;
    sleep_until(asked_s * SECOND_NS).await;
    let filter = EventFilter {
        since_time: 1,
        until_time: asked_s,
        ..EventFilter::default()
    };
    let mut listener = Listener::open(stage, filter).await?;
    if !listener.ends(AT_ONCE + stage.slack()).await {
        let nothing = "it is still open";
        return Err(Objection::fail(
            listener.request(),
            "the stream ends",
            nothing,
        ));
    }
    let heard: Vec<Event> = listener.heard().plain().cloned().collect();
    let same = |happening: &&Happening, event: &&Event| is_told_by(happening, event);
    let mut done = vec![None; heard.len()];
    for id in ids(happenings.iter().map(|happening| &happening.event), &heard) {
        let due = with_needs(happenings, id);
        let there: Vec<usize> = (0..heard.len()).filter(|&n| heard[n].id == id).collect();
        let events: Vec<&Event> = there.iter().map(|&n| &heard[n]).collect();
        let Some(found) = align(&due, &events, same) else {
            let due = due
                .iter()
                .map(|(happening, must)| (&happening.event, *must));
            return Err(Objection::fail(
                listener.request(),
                format!("of {id}: {}", show_due(due)),
                format!("of {id}: {}", show(events)),
            ));
        };
        for (n, (happening, _)) in due.iter().enumerate() {
            if let Some(at) = found[n] {
                done[there[at]] = Some(happening.done_unix_ns);
            }
        }
    }
    let known = heard.into_iter().zip(done);
    Ok(known
        .filter_map(|(event, done)| {
            Some(Known {
                event,
                done_unix_ns: done?,
            })
        })
        .collect())
}

/// Skips a case that asks for everything since the server's start where that is more than the
/// model knows of.
pub(super) fn needs_young_server(stage: &Stage) -> Verdict {
    match stage.setting()?.server_is_older() {
        false => Ok(()),
        true => Err(Objection::skip(
            "the server has started before the host was made",
        )),
    }
}

/// What the model knows of the stage's host.
pub(super) fn known_world(stage: &Stage) -> Result<std::sync::Arc<World>, Objection> {
    let world = stage.world();
    world.ok_or_else(|| Objection::skip("nobody has described the host"))
}

/// Whether an event tells of a happening, its time and further facts aside.
pub(super) fn is_told_by(happening: &Happening, event: &Event) -> bool {
    let due = &happening.event;
    (due.r#type, &due.id, &due.from) == (event.r#type, &event.id, &event.from)
}

/// What has happened to one subject, and whether that must be told: an image that goes and
/// comes, or comes twice, between two looks is seen once.
pub(super) fn with_needs<'a>(happenings: &'a [Happening], id: &str) -> Vec<(&'a Happening, bool)> {
    let own: Vec<&Happening> = happenings.iter().filter(|it| it.event.id == id).collect();
    let is_swallowed = |n: usize| {
        let Some(next) = own.get(n + 1) else {
            return false;
        };
        let between = next.done_unix_ns - own[n].done_unix_ns;
        is_image(own[n]) && is_import(next) && between < nanos(LEARNS_WITHIN)
    };
    (0..own.len()).map(|n| (own[n], !is_swallowed(n))).collect()
}

fn is_image(happening: &Happening) -> bool {
    is_import(happening) || happening.event.r#type() == EventType::ImageRemoved
}

fn is_import(happening: &Happening) -> bool {
    happening.event.r#type() == EventType::ImageImported
}

/// Everyone that something is due of, or was heard of.
pub(super) fn ids<'a>(
    due: impl IntoIterator<Item = &'a Event>,
    heard: impl IntoIterator<Item = &'a Event>,
) -> Vec<&'a str> {
    let all = due.into_iter().chain(heard);
    let mut ids: Vec<&str> = all.map(|event| event.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Which of `heard` is which of `due`: all of `heard`, and all that must be of `due`, in order.
/// `None` where that cannot be.
pub(super) fn align<D, H>(
    due: &[(D, bool)],
    heard: &[H],
    same: impl Fn(&D, &H) -> bool,
) -> Option<Vec<Option<usize>>> {
    let mut found = vec![None; due.len()];
    let mut left = heard.len();
    // From the end: what may be missing comes before its like that must not.
    for (n, (wanted, must)) in due.iter().enumerate().rev() {
        if left > 0 && same(wanted, &heard[left - 1]) {
            left -= 1;
            found[n] = Some(left);
        } else if *must {
            return None;
        }
    }
    (left == 0).then_some(found)
}

/// Holds a stream that was read to its end, or for long enough, against what has happened.
pub(super) fn judge(listener: &Listener, history: &[Known], slack: Duration) -> Verdict {
    let heard = listener.heard();
    // A bound that came while the call was under way can be seen either way.
    let calls = [listener.called_unix_ns, listener.answered_unix_ns];
    let [first, second] = calls.map(|at| judge_as(listener, &heard, history, at, slack));
    match first {
        Ok(()) => Ok(()),
        Err(objection) => second.map_err(|_| objection),
    }
}

fn judge_as(
    listener: &Listener,
    heard: &Heard,
    history: &[Known],
    called_unix_ns: i64,
    slack: Duration,
) -> Verdict {
    let span = events::span(&listener.filter, called_unix_ns);
    let due = due_of(listener, history, span, slack);
    has_all_of(listener, &due, heard)?;
    let (earliest, latest) = end_of(listener, span, called_unix_ns, slack);
    ends_between(listener, heard, earliest, latest)
}

/// What a stream of this span is to have of what has happened.
fn due_of<'a>(
    listener: &Listener,
    history: &'a [Known],
    span: Span,
    slack: Duration,
) -> Vec<Due<'a>> {
    let taken = history
        .iter()
        .filter(|known| events::takes(&listener.filter, &known.event));
    let learned = nanos(LEARNS_WITHIN + slack);
    let end_unix_ns = match (span.ends_at_once, span.ends_unix_s) {
        (false, Some(second)) => second.saturating_mul(SECOND_NS),
        _ => i64::MAX,
    };
    let due = taken.filter_map(
        |Known {
             event,
             done_unix_ns,
         }| {
            let is_close = *done_unix_ns > end_unix_ns - nanos(CLOSE);
            let is_before = *done_unix_ns < listener.called_unix_ns - learned;
            let is_after = *done_unix_ns > listener.answered_unix_ns + learned;
            match span.replays || is_after {
                true => Some(Due {
                    event,
                    must: !is_close,
                }),
                // What happened while the call was under way may be learned of before or after.
                false => (!is_before).then_some(Due { event, must: false }),
            }
        },
    );
    due.collect()
}

/// Between which moments a stream of this span is to end, nanoseconds since the epoch; neither
/// where it is not to.
fn end_of(
    listener: &Listener,
    span: Span,
    called_unix_ns: i64,
    slack: Duration,
) -> (Option<i64>, Option<i64>) {
    let Some(second) = span.ends_unix_s else {
        return (None, None);
    };
    let by_clock = second.saturating_mul(SECOND_NS);
    let limit = nanos(AT_ONCE + slack);
    // What nothing can lie between may end at once, or when the clock says so.
    let earliest = match span.ends_at_once || !has_room(&listener.filter) {
        true => called_unix_ns,
        false => by_clock,
    };
    let latest = by_clock
        .max(listener.answered_unix_ns)
        .saturating_add(limit);
    (Some(earliest), Some(latest))
}

/// Whether a whole second lies between the bounds of a filter.
fn has_room(filter: &EventFilter) -> bool {
    let (since, until) = (filter.since_time, filter.until_time);
    since <= 0 || until <= 0 || since.saturating_add(1) < until
}

/// That a stream has all that is due, and nothing else; and that time never runs back in it.
fn has_all_of(listener: &Listener, due: &[Due<'_>], heard: &Heard) -> Verdict {
    let events: Vec<&Event> = heard.plain().collect();
    if let Some(pair) = events.windows(2).find(|pair| pair[0].time > pair[1].time) {
        return Err(Objection::fail(
            listener.request(),
            "events in the order of their times",
            format!("{} before {}", show_one(pair[0]), show_one(pair[1])),
        ));
    }
    let due_events = || due.iter().map(|due| due.event);
    for id in ids(due_events(), events.iter().copied()) {
        let own = due.iter().filter(|due| due.event.id == id);
        let own: Vec<(&Event, bool)> = own.map(|due| (due.event, due.must)).collect();
        let there: Vec<&Event> = events.iter().copied().filter(|e| e.id == id).collect();
        if align(&own, &there, |due, event| due == event).is_none() {
            return Err(Objection::fail(
                listener.request(),
                format!("of {id}: {}", show_due(own)),
                format!("of {id}: {}", show(there)),
            ));
        }
    }
    Ok(())
}

/// That a stream ended with OK between two moments, or has not ended where there is no latest.
pub(super) fn ends_between(
    listener: &Listener,
    heard: &Heard,
    earliest_unix_ns: Option<i64>,
    latest_unix_ns: Option<i64>,
) -> Verdict {
    let fail = |expected: String, actual: String| {
        Err(Objection::fail(listener.request(), expected, actual))
    };
    let after = |at: i64| {
        let seconds = at.saturating_sub(listener.called_unix_ns) as f64 / 1e9;
        format!("{seconds:.3} s after the call")
    };
    let end = heard.end.as_ref();
    let Some(earliest) = earliest_unix_ns else {
        return match end {
            None => Ok(()),
            Some((status, at)) => fail(
                "the stream stays open".to_owned(),
                format!("ended {} with {}", after(*at), text::status(status)),
            ),
        };
    };
    match end {
        None => match latest_unix_ns {
            Some(latest) if latest < clock::now_unix_ns() => fail(
                format!("the end at latest {}", after(latest)),
                "it is still open".to_owned(),
            ),
            _ => Ok(()),
        },
        Some((status, _)) if status.code() != Code::Ok => {
            fail("the end with OK".to_owned(), text::status(status))
        }
        Some((_, at)) if *at < earliest.saturating_sub(nanos(EARLY)) => fail(
            format!("the end not before {}", after(earliest)),
            format!("ended {}", after(*at)),
        ),
        Some((_, at)) => match latest_unix_ns {
            Some(latest) if *at > latest => fail(
                format!("the end at latest {}", after(latest)),
                format!("ended {}", after(*at)),
            ),
            _ => Ok(()),
        },
    }
}

/// Events by what makes them alike, those that are alike in their order.
pub(super) fn occurrences<'a, K: Ord>(
    events: impl IntoIterator<Item = &'a Event>,
    key: impl Fn(&'a Event) -> K,
) -> BTreeMap<K, Vec<&'a Event>> {
    let mut by_key: BTreeMap<K, Vec<&Event>> = BTreeMap::new();
    for event in events {
        by_key.entry(key(event)).or_default().push(event);
    }
    by_key
}

/// Waits until the day's clock shows a time, in nanoseconds since the epoch.
pub(super) async fn sleep_until(unix_ns: i64) {
    loop {
        let left = unix_ns - clock::now_unix_ns();
        if left <= 0 {
            return;
        }
        sleep(Duration::from_nanos(left.unsigned_abs())).await;
    }
}

/// A duration as times are counted.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// An event in a few words.
pub(super) fn show_one(event: &Event) -> String {
    let name = match EventType::try_from(event.r#type) {
        Ok(r#type) => r#type
            .as_str_name()
            .trim_start_matches("EVENT_TYPE_")
            .to_owned(),
        Err(_) => event.r#type.to_string(),
    };
    let data = event
        .data
        .iter()
        .map(|it| format!("{}={}", it.key, it.value));
    let data: Vec<String> = data.collect();
    let data = match data.is_empty() {
        true => String::new(),
        false => format!(" {{{}}}", data.join(", ")),
    };
    format!("{name} {:?} at {}{data}", event.from, event.time)
}

/// Events in a few words each.
pub(super) fn show<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    let events: Vec<String> = events.into_iter().map(show_one).collect();
    match events.is_empty() {
        true => "nothing".to_owned(),
        false => events.join("; "),
    }
}

fn show_due<'a>(due: impl IntoIterator<Item = (&'a Event, bool)>) -> String {
    let due = due.into_iter().map(|(event, must)| match must {
        true => show_one(event),
        false => format!("perhaps {}", show_one(event)),
    });
    let due: Vec<String> = due.collect();
    match due.is_empty() {
        true => "nothing".to_owned(),
        false => due.join("; "),
    }
}
