//! Lists that were encoded before: an answer is copied from the newest list in runs as long as
//! possible. When something has changed, the next list is made of the one before, and only what
//! has changed is encoded. A list knows what it is of by number, and keeps nothing of it alive but
//! the bytes, which stay until the next list takes their place.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use super::prepared::Items;

/// Where one in so many is wanted, it pays to have all encoded.
const WORTHWHILE: usize = 4;

/// What stands for something in the lists of one [`Listing`].
#[derive(Debug)]
pub(crate) struct Place {
    /// Nothing else has the same.
    number: u64,
    /// Where it stands in the newest list that has it, if there is one. Only a hint: the list
    /// says what stands there.
    at: AtomicUsize,
}

impl Default for Place {
    fn default() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);

        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            at: AtomicUsize::new(0),
        }
    }
}

/// All that there is, encoded, as it was at one moment.
#[derive(Debug, Default)]
struct List {
    numbers: Vec<u64>,
    /// Where each ends in `bytes`.
    ends: Vec<usize>,
    bytes: Bytes,
}

/// Makes lists of one kind.
#[derive(Debug)]
pub(super) struct Listing<T> {
    /// Each has a place for each listing that it may be in.
    place: fn(&T) -> &Place,
    newest: Mutex<Arc<List>>,
}

/// What an answer is to have.
pub(super) enum Wanted<'a, T> {
    /// This, as it is in every answer.
    Item(&'a Arc<T>),
    /// This, which is in this answer only.
    Piece(Bytes),
}

impl<T> Listing<T> {
    /// One in which everything stands for itself by this place.
    pub(super) fn new(place: fn(&T) -> &Place) -> Self {
        Self {
            place,
            newest: Mutex::default(),
        }
    }

    /// The answer with what is wanted. `all` is what there is, if that is known. `append`
    /// encodes one, as a piece of an answer, or leaves it out.
    pub(super) fn answer(
        &self,
        all: Option<&[Arc<T>]>,
        wanted: &[Wanted<'_, T>],
        append: impl Fn(&T, &mut Vec<u8>),
    ) -> Items {
        let mut list = Arc::clone(&self.newest.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(all) = all
            && wanted.len() >= all.len().div_ceil(WORTHWHILE)
            && !list.is_of(all.iter().map(|item| self.number(item)))
        {
            // Others may do so at the same time; which of them is kept does not matter.
            list = Arc::new(self.next(&list, all, &append));
            *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&list);
        }
        let mut pieces = Vec::new();
        let mut run = Run::default();
        for wanted in wanted {
            match wanted {
                Wanted::Item(item) => match list.position(run.next, (self.place)(item)) {
                    Some(at) => pieces.extend(run.extend(&list, at)),
                    None => {
                        pieces.extend(run.end(&list));
                        let mut piece = Vec::new();
                        append(item, &mut piece);
                        pieces.push(piece.into());
                    }
                },
                Wanted::Piece(piece) => {
                    pieces.extend(run.end(&list));
                    pieces.push(piece.clone());
                }
            }
        }
        pieces.extend(run.end(&list));
        pieces
            .into_iter()
            .filter(|piece| !piece.is_empty())
            .collect()
    }

    /// The list of `all`, with what is in `before` copied.
    fn next(&self, before: &List, all: &[Arc<T>], append: impl Fn(&T, &mut Vec<u8>)) -> List {
        let mut bytes = Vec::with_capacity(before.bytes.len());
        let mut ends = Vec::with_capacity(all.len());
        let mut hint = 0;
        for (at, item) in all.iter().enumerate() {
            let place = (self.place)(item);
            match before.position(hint, place) {
                Some(there) => {
                    bytes.extend_from_slice(&before.bytes[before.range(there..there + 1)]);
                    hint = there + 1;
                }
                None => append(item, &mut bytes),
            }
            ends.push(bytes.len());
            place.at.store(at, Ordering::Relaxed);
        }
        bytes.shrink_to_fit();
        List {
            numbers: all.iter().map(|item| self.number(item)).collect(),
            ends,
            bytes: bytes.into(),
        }
    }

    fn number(&self, item: &T) -> u64 {
        (self.place)(item).number
    }
}

/// Items that follow each other in a list.
#[derive(Default)]
struct Run {
    first: usize,
    /// The one after the last.
    next: usize,
}

impl Run {
    /// Goes on with the item at `at`; returns the run that this ends.
    fn extend(&mut self, list: &List, at: usize) -> Option<Bytes> {
        if at == self.next {
            self.next += 1;
            return None;
        }
        let ended = self.end(list);
        *self = Self {
            first: at,
            next: at + 1,
        };
        ended
    }

    /// Ends the run, if there is one.
    fn end(&mut self, list: &List) -> Option<Bytes> {
        let run = list.range(self.first..self.next);
        self.first = self.next;
        (!run.is_empty()).then(|| list.bytes.slice(run))
    }
}

impl List {
    fn is_of(&self, numbers: impl Iterator<Item = u64>) -> bool {
        numbers.eq(self.numbers.iter().copied())
    }

    /// Where what stands by `place` is, perhaps at `hint`.
    fn position(&self, hint: usize, place: &Place) -> Option<usize> {
        let stands_at = |at: &usize| self.numbers.get(*at) == Some(&place.number);
        let places = [hint, place.at.load(Ordering::Relaxed)];
        places.into_iter().find(stands_at)
    }

    /// Where the items `run` lie in the bytes.
    fn range(&self, run: Range<usize>) -> Range<usize> {
        let end = |after: usize| match after.checked_sub(1) {
            Some(last) => self.ends[last],
            None => 0,
        };
        end(run.start)..end(run.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    struct Number(u8, Place);

    fn listing() -> Listing<Number> {
        Listing::new(|number| &number.1)
    }

    /// A number as often as it says, and zero not at all.
    fn append(number: &Number, piece: &mut Vec<u8>) {
        piece.extend(std::iter::repeat_n(number.0, number.0.into()));
    }

    #[derive(Clone, Debug)]
    struct Call {
        /// What changes before: at which place, whether what is there goes, and what comes.
        changes: Vec<(usize, bool, Option<u8>)>,
        /// Which of all are wanted; `None` for a piece of its own.
        wanted: Vec<Option<bool>>,
        /// Whether the caller knows all.
        knows_all: bool,
    }

    fn call() -> impl Strategy<Value = Call> {
        let change = (any::<usize>(), any::<bool>(), any::<Option<u8>>());
        let changes = prop::collection::vec(change, 0..4);
        let wanted = prop::collection::vec(prop::option::weighted(0.9, any::<bool>()), 0..20);
        (changes, wanted, any::<bool>()).prop_map(|(changes, wanted, knows_all)| Call {
            changes,
            wanted,
            knows_all,
        })
    }

    proptest! {
        #[test]
        fn answers_are_as_if_nothing_were_kept(calls in prop::collection::vec(call(), 1..10)) {
            let listing = listing();
            let mut all: Vec<Arc<Number>> = Vec::new();
            for Call { changes, wanted, knows_all } in calls {
                for (at, goes, comes) in changes {
                    let at = at % (all.len() + 1);
                    let gone = usize::from(goes && at < all.len());
                    let come = comes.map(|number| Arc::new(Number(number, Place::default())));
                    all.splice(at..at + gone, come);
                }
                let mut expected = Vec::new();
                let mut asked = Vec::new();
                for (index, item) in all.iter().enumerate() {
                    match wanted.get(index).copied().unwrap_or(Some(true)) {
                        Some(false) => {}
                        Some(true) => {
                            append(item, &mut expected);
                            asked.push(Wanted::Item(item));
                        }
                        None => {
                            expected.push(0);
                            asked.push(Wanted::Piece(Bytes::from_static(&[0])));
                        }
                    }
                }
                let items = listing.answer(knows_all.then_some(&all), &asked, append);
                prop_assert_eq!(items.encode_to_vec(), expected);
            }
        }
    }

    #[test]
    fn what_stays_is_encoded_once_and_sent_as_one() {
        let number = |number| Arc::new(Number(number, Place::default()));
        let mut all = vec![number(1), number(2), number(3)];
        let listing = listing();
        let encoded = AtomicUsize::new(0);
        let answer = |all: &[Arc<Number>]| {
            let wanted: Vec<_> = all.iter().map(Wanted::Item).collect();
            let items = listing.answer(Some(all), &wanted, |number, piece| {
                encoded.fetch_add(1, Ordering::Relaxed);
                append(number, piece);
            });
            let expected = Items::from_iter([Bytes::from(items.encode_to_vec())]);
            assert_eq!(items, expected);
            encoded.load(Ordering::Relaxed)
        };
        assert_eq!(answer(&all), 3);
        assert_eq!(answer(&all), 3);
        all.remove(0);
        assert_eq!(answer(&all), 3);
        all.push(number(4));
        assert_eq!(answer(&all), 4);
        for number in &all {
            assert_eq!(Arc::strong_count(number), 1, "a list keeps what it is of");
        }
    }
}
