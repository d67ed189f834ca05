//! Whether what was told is what has happened, as far as the server can know that.

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use rkt_api::api::Event;

use super::model::Happened;
use crate::events::short;

/// What the server gets to see of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It looks after every step.
    EveryStep,
    /// It is told of every change, and looks when it comes to it. What files said in between is
    /// lost.
    EveryChange,
    /// It is told that there were changes.
    Some,
}

/// What was told: of which id, and the event in short.
pub fn told(events: &[Event]) -> Vec<(String, String)> {
    let events = events.iter();
    events
        .map(|event| (event.id.clone(), short(event)))
        .collect()
}

/// What happens to a pod as a whole, which can be told even of one that was never read.
pub fn of_pods(told: &[(String, String)]) -> BTreeMap<&str, Vec<&str>> {
    let mut pods = BTreeMap::<_, Vec<_>>::new();
    for (id, event) in told {
        if event.starts_with("POD_") {
            pods.entry(id.as_str()).or_default().push(event.as_str());
        }
    }
    pods
}

/// Checks what was told, ids and events in short, against what has happened. The first `early`
/// events may be missing; with [`Sight::EveryStep`] they must be.
pub fn check(
    sight: Sight,
    told: &[(String, String)],
    happened: &[Happened],
    early: usize,
    why: &str,
) {
    if sight == Sight::EveryStep {
        let late = happened[early..].iter();
        let late: Vec<_> = late.map(|e| (e.id.clone(), e.event.clone())).collect();
        assert_eq!(told, late, "{why}");
        return;
    }
    let mut told_stories = stories(told.iter().map(|(id, event)| (id.as_str(), event.as_str())));
    let all_stories = stories(happened.iter().map(|e| (e.id.as_str(), e.event.as_str())));
    let knows =
        |e: &&Happened| e.is_shown || sight == Sight::EveryChange && e.event.starts_with("POD_");
    let known = happened[early..].iter().filter(knows);
    let mut known_stories = stories(known.map(|e| (e.id.as_str(), e.event.as_str())));
    for (key, all) in all_stories {
        let told = told_stories.remove(&key).unwrap_or_default();
        let known = known_stories.remove(&key).unwrap_or_default();
        let why = format!("{why}: {key:?}: told {told:?}, known {known:?} of {all:?}");
        assert!(is_among(&told, &all, stands_for), "{why}");
        assert!(
            is_among(&known, &told, |known, told| known == told),
            "{why}"
        );
    }
    assert_eq!(
        told_stories,
        Stories::new(),
        "{why}: none of this has happened"
    );
    check_order(told, why);
}

/// The events of one pod, app or image in short, by the id, and where they are about an app, its
/// name.
type Stories<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a str>>;

fn stories<'a>(events: impl Iterator<Item = (&'a str, &'a str)>) -> Stories<'a> {
    let mut stories = Stories::new();
    for (id, event) in events {
        stories.entry((id, app(event))).or_default().push(event);
    }
    stories
}

/// The app that an event is about; empty where it is about none.
pub fn app(event: &str) -> &str {
    event.split(' ').nth(1).unwrap_or_default()
}

/// Whether `some` are among `all`, in the same order.
fn is_among(some: &[&str], all: &[&str], is: fn(&str, &str) -> bool) -> bool {
    let mut all = all.iter();
    some.iter().all(|one| all.any(|other| is(one, other)))
}

/// Whether an event may be told for another one, of which nobody saw all: with what an app has
/// exited, or how a pod that is next seen in `garbage/` came out of `prepare/`.
fn stands_for(told: &str, happened: &str) -> bool {
    let without_code = || {
        happened
            .rsplit_once(' ')
            .is_some_and(|(rest, _)| rest == told)
    };
    told == happened
        || told.starts_with("APP_EXITED") && without_code()
        || (told, happened) == ("POD_PREPARE_ABORTED", "POD_PREPARED")
}

/// Checks that apps live while their pods do.
fn check_order(told: &[(String, String)], why: &str) {
    let mut pods = BTreeMap::<_, Vec<_>>::new();
    for (id, event) in told {
        pods.entry(id).or_default().push(event.as_str());
    }
    for (id, told) in pods {
        let rank = |event: &&str| match *event {
            "POD_PREPARED" | "POD_PREPARE_ABORTED" | "POD_STARTED" => Some(0),
            "POD_EXITED" | "POD_GARBAGE_COLLECTED" => Some(2),
            event if event.starts_with("APP_") => Some(1),
            _ => None,
        };
        let ranks = told.iter().filter_map(rank);
        assert!(ranks.is_sorted(), "{why}: {id}: {told:?}");
    }
}
