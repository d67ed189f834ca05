//! Going through the entries of a file that have one of some fields, in either direction.
//!
//! A file may be damaged or lie: an entry that is not there is passed over, none comes twice,
//! and entries do not overlap, so that all together take no longer than the file is long. Where
//! the list of a field is torn, all entries are looked at: they may be there without it.

use std::collections::BinaryHeap;

use super::{
    Journal,
    chain::{Chain, MAX_EMPTY},
    object::Entry,
    source::ReadAt,
};

/// Which entries to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those that have one of these payloads, `NAME=value`.
    Having(Vec<Vec<u8>>),
}

/// Where to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what was written later.
    Forward,
    /// To what was written earlier.
    Backward,
}

/// A way through the entries of a file.
#[derive(Debug)]
pub struct Cursor {
    direction: Direction,
    /// The data objects one of which an entry is to have, where no list tells that.
    having: Option<Vec<u64>>,
    lists: Vec<List>,
    /// The next entry of each list that has one, the next one of all on top.
    heads: BinaryHeap<(Rank, usize)>,
    /// Between these two come all entries that are still to be taken.
    from: u64,
    to: u64,
}

/// What makes the entry that comes next the greatest.
type Rank = u64;

#[derive(Debug)]
struct List {
    chain: Chain,
    /// The number of the next entry to look at; backwards, one more than that.
    next: u64,
    /// How many slots led nowhere.
    empty: u64,
}

impl Cursor {
    /// A way through the selected entries that begin behind the offset `after`, up to those
    /// that there were when the journal was opened.
    pub fn new<S: ReadAt>(
        journal: &mut Journal<S>,
        selection: &Selection,
        direction: Direction,
        after: u64,
    ) -> Self {
        let mut having = None;
        let chains = match selection {
            Selection::All => vec![Chain::of_all(journal)],
            Selection::Having(payloads) => {
                let list = |payload: &Vec<u8>| {
                    let data = journal.find(payload).ok()??;
                    Some((data, Chain::of_data(journal, data).ok()?))
                };
                let lists: Vec<_> = payloads.iter().filter_map(list).collect();
                if lists.iter().any(|(_, chain)| chain.is_torn()) {
                    having = Some(lists.iter().map(|(data, _)| *data).collect());
                    vec![Chain::of_all(journal)]
                } else {
                    lists.into_iter().map(|(_, chain)| chain).collect()
                }
            }
        };
        let list = |chain: Chain| List {
            next: match direction {
                Direction::Forward => chain.behind(journal, after),
                Direction::Backward => chain.len(),
            },
            chain,
            empty: 0,
        };
        let lists: Vec<_> = chains.into_iter().map(list).collect();
        let last = journal.last;
        let mut cursor = Self {
            direction,
            having,
            heads: BinaryHeap::with_capacity(lists.len()),
            lists,
            from: after.saturating_add(1),
            to: journal.entry(last).map_or(last, |last| last.end()),
        };
        for list in 0..cursor.lists.len() {
            cursor.advance(journal, list);
        }
        cursor
    }

    /// The next entry.
    pub fn next<S: ReadAt>(&mut self, journal: &mut Journal<S>) -> Option<Entry> {
        loop {
            if let Some(entry) = self.step(journal)? {
                return Some(entry);
            }
        }
    }

    /// Looks at one entry more, for those who have only so much time: `Some(None)` if it is not
    /// to be taken, `None` at the end.
    pub fn step<S: ReadAt>(&mut self, journal: &mut Journal<S>) -> Option<Option<Entry>> {
        while let Some((rank, list)) = self.heads.pop() {
            let offset = self.direction.offset(rank);
            self.advance(journal, list);
            if offset < self.from {
                // It was in another list, too, or lies within one that was taken.
                continue;
            }
            let Ok(entry) = journal.entry(offset) else {
                continue;
            };
            match self.direction {
                Direction::Forward => self.from = entry.end(),
                Direction::Backward if entry.end() > self.to => continue,
                Direction::Backward => self.to = offset,
            }
            let is_selected = match &self.having {
                Some(having) => journal.has_one_of(&entry, having),
                None => true,
            };
            return Some(is_selected.then_some(entry));
        }
        None
    }

    /// Looks for the next entry of a list.
    fn advance<S: ReadAt>(&mut self, journal: &mut Journal<S>, number: usize) {
        let list = &mut self.lists[number];
        while list.empty < MAX_EMPTY {
            let index = match self.direction {
                Direction::Forward if list.next < list.chain.len() => {
                    list.next += 1;
                    list.next - 1
                }
                Direction::Backward if list.next > 0 => {
                    list.next -= 1;
                    list.next
                }
                _ => return,
            };
            match list.chain.get(journal, index) {
                Some(offset) if (self.from..self.to).contains(&offset) => {
                    self.heads.push((self.direction.rank(offset), number));
                    return;
                }
                // Lists are sorted; going back, nothing more is to be found.
                Some(offset) if self.direction == Direction::Backward && offset < self.from => {
                    return;
                }
                _ => list.empty += 1,
            }
        }
    }
}

impl Direction {
    fn rank(self, offset: u64) -> Rank {
        match self {
            Self::Forward => !offset,
            Self::Backward => offset,
        }
    }

    fn offset(self, rank: Rank) -> u64 {
        match self {
            Self::Forward => !rank,
            Self::Backward => rank,
        }
    }
}
