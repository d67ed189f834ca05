//! Lists that were encoded before, for as long as what they are of holds: an answer is copied
//! from the newest list in runs as long as possible. When something has changed, the next list
//! is made of the one before, and only what has changed is encoded.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use super::prepared::Items;

/// Where one in so many is wanted, it pays to have all encoded.
const WORTHWHILE: usize = 4;

/// Where something stands in the newest list that has it, if there is one. Only a hint: the list
/// says what stands there.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicUsize);

/// What is listed, and can say where.
pub(super) trait Listed {
    /// Where in lists of this kind.
    fn place(&self) -> &Place;
}

/// All that there is, encoded, as it was at one moment.
#[derive(Debug)]
struct List<T> {
    items: Vec<Arc<T>>,
    /// Where each ends in `bytes`.
    ends: Vec<usize>,
    bytes: Bytes,
}

/// Makes lists of one kind.
#[derive(Debug)]
pub(super) struct Listing<T> {
    newest: Mutex<Arc<List<T>>>,
}

/// What an answer is to have.
pub(super) enum Wanted<'a, T> {
    /// This, as it is in every answer.
    Item(&'a Arc<T>),
    /// This, which is in this answer only.
    Piece(Bytes),
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        let list = List {
            items: Vec::new(),
            ends: Vec::new(),
            bytes: Bytes::new(),
        };
        Self {
            newest: Mutex::new(Arc::new(list)),
        }
    }
}

impl<T: Listed> Listing<T> {
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
            && !list.is_of(all)
        {
            // Others may do so at the same time; which of them is kept does not matter.
            list = Arc::new(list.next(all, &append));
            *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&list);
        }
        let mut pieces = Vec::new();
        let mut run = Run::default();
        for wanted in wanted {
            match wanted {
                Wanted::Item(item) => match list.position(run.next, item) {
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
    fn extend<T>(&mut self, list: &List<T>, at: usize) -> Option<Bytes> {
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
    fn end<T>(&mut self, list: &List<T>) -> Option<Bytes> {
        let run = list.range(self.first..self.next);
        self.first = self.next;
        (!run.is_empty()).then(|| list.bytes.slice(run))
    }
}

impl<T: Listed> List<T> {
    fn is_of(&self, all: &[Arc<T>]) -> bool {
        let mut pairs = self.items.iter().zip(all);
        self.items.len() == all.len() && pairs.all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }

    /// Where `item` stands, perhaps at `hint`.
    fn position(&self, hint: usize, item: &Arc<T>) -> Option<usize> {
        let stands_at = |at: usize| {
            let there = self.items.get(at);
            there.is_some_and(|there| Arc::ptr_eq(there, item))
        };
        if stands_at(hint) {
            return Some(hint);
        }
        let place = item.place().0.load(Ordering::Relaxed);
        stands_at(place).then_some(place)
    }

    /// The list of `all`, with what is in this one copied.
    fn next(&self, all: &[Arc<T>], append: impl Fn(&T, &mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut ends = Vec::with_capacity(all.len());
        let mut hint = 0;
        for (at, item) in all.iter().enumerate() {
            match self.position(hint, item) {
                Some(before) => {
                    bytes.extend_from_slice(&self.bytes[self.range(before..before + 1)]);
                    hint = before + 1;
                }
                None => append(item, &mut bytes),
            }
            ends.push(bytes.len());
            item.place().0.store(at, Ordering::Relaxed);
        }
        bytes.shrink_to_fit();
        Self {
            items: all.to_vec(),
            ends,
            bytes: bytes.into(),
        }
    }
}

impl<T> List<T> {
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

    impl Listed for Number {
        fn place(&self) -> &Place {
            &self.1
        }
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
            let listing = Listing::default();
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
        let listing = Listing::default();
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
    }
}
