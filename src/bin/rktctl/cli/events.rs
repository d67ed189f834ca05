//! `events`: flags to a filter.

use clap::Args;
use jiff::Timestamp;
use rkt_api::api::{EventFilter, EventType};

use super::{
    Output,
    values::{WHEN, When, unix_s, words},
};

/// Event types by the names that flags and tables have for them.
pub const TYPES: [(&str, EventType); 10] = [
    ("pod-prepared", EventType::PodPrepared),
    ("pod-prepare-aborted", EventType::PodPrepareAborted),
    ("pod-started", EventType::PodStarted),
    ("pod-exited", EventType::PodExited),
    ("pod-garbage-collected", EventType::PodGarbageCollected),
    ("app-started", EventType::AppStarted),
    ("app-exited", EventType::AppExited),
    ("image-imported", EventType::ImageImported),
    ("image-removed", EventType::ImageRemoved),
    ("undefined", EventType::Undefined),
];

/// Show what happens, as it happens
///
/// Until Ctrl-C, or the end of --until. Different filters narrow each other; where one is given
/// more than once, an event must have one of the values.
#[derive(Debug, Args)]
pub struct EventsArgs {
    #[command(flatten)]
    pub output: Output,

    /// Begin with what has happened since then, as far back as the server remembers: 10m, an RFC
    /// 3339 time, or seconds since the epoch
    #[arg(long, value_name = WHEN)]
    pub since: Option<When>,

    /// End then: +10m for what is to come, or a time in the past, with which the stream ends
    /// at once
    #[arg(long, value_name = WHEN)]
    pub until: Option<When>,

    #[command(flatten)]
    pub filter: EventFilterArgs,
}

/// Conditions on events, before the ids are whole.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters (may be repeated)")]
pub struct EventFilterArgs {
    /// Events of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = words!(TYPES), ignore_case = true)]
    pub types: Vec<EventType>,

    /// Events of the pod or the image with this id, or this beginning of the id of one that is
    /// there
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,

    /// Events from the pod (rkt-UUID), app or image of this name
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
}

impl EventsArgs {
    /// The filter that says the same as far as it goes without looking at the host: ids as they
    /// were given.
    pub fn filter(&self, now: Timestamp) -> EventFilter {
        let types = self.filter.types.iter();
        EventFilter {
            types: types.map(|kind| (*kind).into()).collect(),
            ids: self.filter.ids.clone(),
            names: self.filter.names.clone(),
            since_time: unix_s(self.since, now),
            until_time: unix_s(self.until, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parsed;

    #[test]
    fn every_flag_arrives() {
        let args = [
            "--type=pod-started",
            "--type=IMAGE-REMOVED",
            "--id=a",
            "--name=b",
            "--since=1m",
            "--until=+1m",
        ];
        let now = Timestamp::from_second(1_523_880_000).unwrap();
        let events: EventsArgs = parsed(&args).unwrap();
        let expected = EventFilter {
            types: vec![EventType::PodStarted.into(), EventType::ImageRemoved.into()],
            ids: vec!["a".to_owned()],
            names: vec!["b".to_owned()],
            since_time: 1_523_879_940,
            until_time: 1_523_880_060,
        };
        assert_eq!(events.filter(now), expected);
    }

    #[test]
    fn every_type_has_a_name() {
        for number in 0..=9 {
            let kind = EventType::try_from(number).unwrap();
            let names = TYPES.iter().filter(|(_, named)| *named == kind);
            assert_eq!(names.count(), 1, "{kind:?}");
        }
        assert!(EventType::try_from(10).is_err());
    }
}
