//! One pass through the files of a journal: which entries they have, in the order in which they
//! were written (L-2).
//!
//! Files of one series of sequence numbers follow each other by number, whatever the clock was
//! set to meanwhile: they make a *lane*. Within a file the order stays. Lanes are merged by time:
//! of their next entries always the earliest, or at the same time that of the lane that began
//! first. A pod has one lane, and another for each time that its journald found its file damaged
//! and began anew.
//!
//! A pass goes by slices of time. To begin with the last lines, it first goes back until it
//! has counted so many, and then on from there.

use std::{
    collections::BTreeMap,
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    Logs,
    files::{Source, identifier_payload},
};
use crate::{
    formats::journal::read::{Cursor, Direction, Entry, Header, Journal, Selection},
    host::FileId,
};

/// What is asked of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    selection: Selection,
    /// Only entries after that time.
    since_us: Option<u64>,
    /// Only entries before that time.
    until_us: Option<u64>,
}

impl Query {
    /// Asks for the lines of `identifiers`, or of all; and of these only what came strictly after
    /// the beginning of one second since the epoch, and strictly before that of another one.
    pub(crate) fn new(
        identifiers: Option<&[&str]>,
        since_s: Option<u64>,
        until_s: Option<u64>,
    ) -> Self {
        let us = |seconds: u64| seconds.saturating_mul(1_000_000);
        let payloads = |names: &[&str]| names.iter().map(|it| identifier_payload(it)).collect();
        Self {
            selection: match identifiers {
                Some(identifiers) => Selection::Having(payloads(identifiers)),
                None => Selection::All,
            },
            since_us: since_s.map(us),
            until_us: until_s.map(us),
        }
    }

    fn takes(&self, entry: &Entry) -> bool {
        let at_us = entry.realtime_us;
        self.since_us.is_none_or(|since_us| at_us > since_us)
            && self.until_us.is_none_or(|until_us| at_us < until_us)
    }
}

/// For how long one reads before somebody else may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice(Instant);

impl Slice {
    const LENGTH: Duration = Duration::from_millis(20);

    /// One that begins now.
    pub(crate) fn begin() -> Self {
        Self(Instant::now() + Self::LENGTH)
    }

    /// Whether it is over.
    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

/// An entry that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Microseconds since the epoch.
    pub(crate) realtime_us: u64,
    pub(crate) message: Vec<u8>,
}

/// What a pass has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Entry(Found),
    /// The end of the slice.
    Pause,
    End,
}

/// How far a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file's own id: another one, and it is another file.
    file: Uuid,
    after: After,
}

/// A pass through the files of a journal, from oldest to newest.
#[derive(Debug)]
pub(crate) struct Pass {
    query: Query,
    lanes: Vec<Lane>,
}

/// Files that follow each other.
#[derive(Debug, Default)]
struct Lane {
    files: Vec<Part>,
    /// The one that is being read.
    at: usize,
    reading: Option<Reading>,
    /// The next entry.
    head: Option<Entry>,
}

/// A file in a lane.
#[derive(Debug)]
struct Part {
    source: Source,
    header: Header,
    after: After,
    /// The last entry that there was when lines were counted: what came later is not cut (L-6),
    /// nor is it among the last so many (L-3).
    end: Option<u64>,
}

/// How far a file was read, or is to be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The offset of the last entry that was taken.
    Offset(u64),
    /// All that is there.
    Everything,
}

/// A way through one file.
#[derive(Debug)]
struct Reading {
    journal: Journal<Arc<File>>,
    cursor: Cursor,
}

impl Reading {
    fn begin(part: &Part, query: &Query, direction: Direction) -> Option<Self> {
        let mut journal = Journal::open(Arc::clone(&part.source.file)).ok()?;
        let after = match part.after {
            After::Offset(offset) => offset,
            After::Everything => journal.last_offset(),
        };
        let cursor = Cursor::new(&mut journal, &query.selection, direction, after);
        Some(Self { journal, cursor })
    }

    /// Looks at one entry more: `Some(None)` if it is not asked for, `None` at the end.
    fn step(&mut self) -> Option<Option<Entry>> {
        self.cursor.step(&mut self.journal)
    }
}

impl Pass {
    /// Begins a pass through the files, each from its place on. Files that are no journals
    /// are logged as faults of `pod`.
    pub(super) fn new(
        logs: &Logs,
        pod: Uuid,
        query: Query,
        sources: Vec<Source>,
        places: &BTreeMap<FileId, Place>,
    ) -> Self {
        let mut parts = Vec::new();
        for source in sources {
            match Header::of(&*source.file) {
                Ok(header) => {
                    let place = places.get(&source.id);
                    let after = place.filter(|place| place.file == header.file_id);
                    parts.push(Part {
                        source,
                        header,
                        after: after.map_or(After::Offset(0), |place| place.after),
                        end: None,
                    });
                }
                Err(error) => logs.report_unreadable(pod, &source.name, &error),
            }
        }
        Self {
            query,
            lanes: lanes(parts),
        }
    }

    /// A pass through all of `sources`.
    pub(crate) fn through(logs: &Logs, pod: Uuid, query: Query, sources: Vec<Source>) -> Self {
        Self::new(logs, pod, query, sources, &BTreeMap::new())
    }

    /// The next entry with a message, as long as the slice lasts.
    pub(crate) fn next(&mut self, slice: Slice) -> Step {
        loop {
            for lane in &mut self.lanes {
                if !lane.fill(&self.query, slice) {
                    return Step::Pause;
                }
            }
            let heads = self.lanes.iter().enumerate();
            let times = heads.filter_map(|(number, lane)| Some((lane.head?.realtime_us, number)));
            let Some((realtime_us, number)) = times.min() else {
                return Step::End;
            };
            let lane = &mut self.lanes[number];
            if let (Some(entry), Some(reading)) = (lane.head.take(), &mut lane.reading)
                && let Some(message) = reading.journal.message(&entry)
            {
                return Step::Entry(Found {
                    realtime_us,
                    message,
                });
            }
        }
    }

    /// Lets go of what was looked at and not taken: it comes once more.
    pub(super) fn stop(&mut self) {
        for lane in &mut self.lanes {
            lane.reading = None;
            if let (Some(head), Some(part)) = (lane.head.take(), lane.files.get_mut(lane.at)) {
                part.after = After::Offset(head.offset - 1);
            }
        }
    }

    /// How far the files were read, once the pass has come to its end or was stopped.
    pub(super) fn places(&self) -> impl Iterator<Item = (FileId, Place)> {
        let parts = self.lanes.iter().flat_map(|lane| &lane.files);
        parts.map(|part| {
            let (file, after) = (part.header.file_id, part.after);
            (part.source.id, Place { file, after })
        })
    }

    /// Goes on with `files` instead of those that it has, which may be of a file system that
    /// nobody is to hold any more. What is not among them has come to its end.
    pub(crate) fn go_on_with(&mut self, files: Vec<Source>) {
        let mut now = BTreeMap::new();
        for source in files {
            if let Ok(header) = Header::of(&*source.file) {
                now.insert((source.id, header.file_id), source);
            }
        }
        self.stop();
        for lane in &mut self.lanes {
            let mut number = 0;
            let at = lane.at;
            lane.files.retain_mut(|part| {
                let key = (part.source.id, part.header.file_id);
                let is_there = match now.remove(&key) {
                    Some(source) => {
                        part.source = source;
                        true
                    }
                    None => false,
                };
                lane.at -= usize::from(!is_there && number < at);
                number += 1;
                is_there
            });
        }
    }

    /// Has the pass begin with what `back` has counted.
    pub(crate) fn begin_with(&mut self, back: Back) {
        for (lane, back) in self.lanes.iter_mut().zip(back.lanes) {
            for (number, end) in back.ends {
                lane.files[number].end = Some(end);
            }
            let (number, after) = match (back.taken, back.head) {
                (Some((number, offset)), _) => (number, offset.saturating_sub(1)),
                (None, Some(entry)) => (back.at, entry.offset),
                // There was nothing in any file that is not to be passed over.
                (None, None) => continue,
            };
            for part in &mut lane.files[..number] {
                part.after = After::Everything;
            }
            lane.files[number].after = After::Offset(after);
        }
    }
}

impl Lane {
    /// Looks for the next entry. `false` when the slice is over.
    fn fill(&mut self, query: &Query, slice: Slice) -> bool {
        while self.head.is_none()
            && let Some(part) = self.files.get_mut(self.at)
        {
            if self.reading.is_none() {
                self.reading = Reading::begin(part, query, Direction::Forward);
                if part.after == After::Everything && part.source.is_active {
                    let last = self.reading.as_ref().map(|it| it.journal.last_offset());
                    part.after = After::Offset(part.end.or(last).unwrap_or(0));
                }
            }
            let is_late = |entry: &Entry| part.end.is_some_and(|end| entry.offset > end);
            match self.reading.as_mut().and_then(Reading::step) {
                Some(None) => {}
                Some(Some(entry)) if !is_late(&entry) => {
                    part.after = After::Offset(entry.offset);
                    self.head = Some(entry).filter(|entry| query.takes(entry));
                }
                _ => {
                    self.reading = None;
                    self.at += 1;
                }
            }
            if slice.is_over() {
                return false;
            }
        }
        true
    }
}

/// Going back from the end, until so many lines have been counted.
#[derive(Debug)]
pub(crate) struct Back {
    lanes: Vec<BackLane>,
    wanted: usize,
    counted: usize,
}

#[derive(Debug)]
struct BackLane {
    /// The file that is being read.
    at: usize,
    /// Whether all files were read.
    is_over: bool,
    reading: Option<Reading>,
    /// The next entry, which is not taken yet.
    head: Option<Entry>,
    /// The file and offset of the last one that was.
    taken: Option<(usize, u64)>,
    /// The last entry of each file that was read, as it was then.
    ends: Vec<(usize, u64)>,
}

impl Back {
    /// Begins to go back from the end of `pass`, until `wanted` lines have been counted.
    pub(crate) fn from(pass: &Pass, wanted: usize) -> Self {
        let lane = |lane: &Lane| BackLane {
            at: lane.files.len().saturating_sub(1),
            is_over: lane.files.is_empty(),
            reading: None,
            head: None,
            taken: None,
            ends: Vec::new(),
        };
        Self {
            lanes: pass.lanes.iter().map(lane).collect(),
            wanted,
            counted: 0,
        }
    }

    /// The same once more, from the end of `pass`.
    pub(crate) fn anew(&self, pass: &Pass) -> Self {
        Self::from(pass, self.wanted)
    }

    /// Goes on, as long as the slice lasts. `count` says how many lines a message is. `false`
    /// when there is more to do.
    pub(crate) fn count(
        &mut self,
        pass: &Pass,
        slice: Slice,
        count: impl Fn(&[u8]) -> usize,
    ) -> bool {
        loop {
            for (back, lane) in self.lanes.iter_mut().zip(&pass.lanes) {
                if !back.fill(lane, &pass.query, slice) {
                    return false;
                }
            }
            if self.counted >= self.wanted {
                return true;
            }
            let heads = self.lanes.iter().enumerate();
            let times = heads.filter_map(|(number, lane)| Some((lane.head?.realtime_us, number)));
            let Some((_, number)) = times.max() else {
                return true;
            };
            let lane = &mut self.lanes[number];
            if let (Some(entry), Some(reading)) = (lane.head.take(), &mut lane.reading)
                && let Some(message) = reading.journal.message(&entry)
            {
                lane.taken = Some((lane.at, entry.offset));
                self.counted += count(&message);
            }
        }
    }

    /// How many lines of the first entry are too many.
    pub(crate) fn surplus(&self) -> usize {
        self.counted.saturating_sub(self.wanted)
    }
}

impl BackLane {
    fn fill(&mut self, lane: &Lane, query: &Query, slice: Slice) -> bool {
        while self.head.is_none() && !self.is_over {
            if self.reading.is_none() {
                self.reading = Reading::begin(&lane.files[self.at], query, Direction::Backward);
                let last = self.reading.as_ref().map(|it| it.journal.last_offset());
                self.ends.extend(last.map(|last| (self.at, last)));
            }
            match self.reading.as_mut().and_then(Reading::step) {
                Some(entry) => self.head = entry.filter(|entry| query.takes(entry)),
                None => {
                    self.reading = None;
                    self.is_over = self.at == 0;
                    self.at = self.at.saturating_sub(1);
                }
            }
            if slice.is_over() {
                return false;
            }
        }
        true
    }
}

/// Puts files in order.
fn lanes(mut parts: Vec<Part>) -> Vec<Lane> {
    let order = |part: &Part| {
        let header = &part.header;
        (
            header.head_seqnum,
            header.tail_seqnum,
            part.source.name.clone(),
        )
    };
    parts.sort_by_key(order);
    let mut lanes: Vec<Lane> = Vec::new();
    for part in parts {
        let follows = |lane: &&mut Lane| {
            let last = lane.files.last().map(|last| &last.header);
            last.is_some_and(|last| {
                last.seqnum_id == part.header.seqnum_id
                    && last.tail_seqnum < part.header.head_seqnum
            })
        };
        match lanes.iter_mut().find(follows) {
            Some(lane) => lane.files.push(part),
            None => lanes.push(Lane {
                files: vec![part],
                ..Lane::default()
            }),
        }
    }
    lanes.sort_by_key(|lane| {
        let first = lane.files.first();
        first.map(|first| (first.header.head_realtime_us, first.source.name.clone()))
    });
    lanes
}
