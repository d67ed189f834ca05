//! Where everything made up comes from: one seed, and a stream of random numbers of its own
//! for every thing and every part of it.
//!
//! So whatever is added to a description, or said in it, changes nothing else on the host.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use sha2::{Digest as _, Sha512};

/// The source of everything that is made up about one thing.
#[derive(Clone, Debug)]
pub(super) struct Stream([u8; 32]);

impl Stream {
    /// The source for the host as a whole.
    pub(super) fn new(seed: u64) -> Self {
        Self::derive(&[b"rkt-sim", &seed.to_le_bytes()])
    }

    /// The source for a part, or for one of several things.
    pub(super) fn child(&self, name: &str, index: usize) -> Self {
        Self::derive(&[&self.0, name.as_bytes(), &(index as u64).to_le_bytes()])
    }

    /// The random numbers for one fact, by its name.
    pub(super) fn of(&self, fact: &str) -> Dice {
        Dice(ChaCha12Rng::from_seed(self.child(fact, 0).0))
    }

    fn derive(parts: &[&[u8]]) -> Self {
        let mut hash = Sha512::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(&hash.finalize()[..32]);
        Self(key)
    }
}

/// Random numbers, and choices by them.
pub(crate) struct Dice(ChaCha12Rng);

impl Dice {
    /// Numbers that follow from another generator's next ones.
    pub(crate) fn from_rng(rng: &mut ChaCha12Rng) -> Self {
        Self(ChaCha12Rng::from_rng(rng))
    }

    /// A number from `low` up to but not `high`; `low` where there is none between.
    pub(super) fn number(&mut self, low: i64, high: i64) -> i64 {
        if low < high {
            self.0.random_range(low..high)
        } else {
            low
        }
    }

    /// The same of small numbers.
    pub(super) fn small(&mut self, low: u16, high: u16) -> u16 {
        if low < high {
            self.0.random_range(low..high)
        } else {
            low
        }
    }

    /// Whether something happens that happens so many times out of a hundred.
    pub(super) fn percent(&mut self, chance: u8) -> bool {
        self.0.random_range(0..100_u8) < chance
    }

    /// A number from `low`, at least 1, to `high`, where each order of magnitude is as likely as another.
    pub(super) fn magnitude(&mut self, low: i64, high: i64) -> i64 {
        let (low, high) = (low.max(1), high.max(low).max(1));
        let power = self.number(low.ilog2().into(), i64::from(high.ilog2()) + 1);
        let floor = 1_i64 << power;
        let ceiling = floor.saturating_mul(2).min(high.saturating_add(1));
        self.number(floor.max(low), ceiling)
    }

    /// One of the things; `None` where there are none.
    pub(super) fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        let count = i64::try_from(things.len()).unwrap_or(i64::MAX);
        let index = self.number(0, count);
        things.get(usize::try_from(index).unwrap_or_default())
    }

    /// One of the words.
    pub(super) fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.pick(words).copied().unwrap_or_default()
    }

    /// One of the things, by their weights; `None` where there are none.
    pub(super) fn weighted<T: Copy>(&mut self, things: &[(u16, T)]) -> Option<T> {
        let total = things.iter().map(|(weight, _)| i64::from(*weight)).sum();
        let mut at = self.number(0, total);
        let chosen = things.iter().find(|(weight, _)| {
            at -= i64::from(*weight);
            at < 0
        });
        chosen.map(|(_, thing)| *thing)
    }

    /// So many hexadecimal digits.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        self.text("0123456789abcdef", digits)
    }

    /// So many characters out of an alphabet of single bytes.
    pub(super) fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters = alphabet.as_bytes();
        let letter = |_| self.pick(letters).copied().map_or('0', char::from);
        (0..length).map(letter).collect()
    }

    /// A seed for others.
    pub(super) fn seed(&mut self) -> u64 {
        self.0.random()
    }

    /// Sixteen bytes.
    pub(super) fn bytes(&mut self) -> [u8; 16] {
        self.0.random()
    }

    /// The generator itself, for those who make things up by it.
    pub(super) fn rng(&mut self) -> &mut ChaCha12Rng {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_the_same_everywhere_and_apart_from_each_other() {
        let stream = Stream::new(7).child("pod", 3);
        // Made on one machine; every other must make the same.
        assert_eq!(stream.of("id").hex(16), PINNED);
        assert_ne!(stream.of("name").hex(16), PINNED);
        assert_ne!(Stream::new(7).child("pod", 4).of("id").hex(16), PINNED);
        assert_ne!(Stream::new(8).child("pod", 3).of("id").hex(16), PINNED);
    }

    const PINNED: &str = "5d24c65d77508758";

    #[test]
    fn choices_stay_within_their_bounds() {
        let mut dice = Stream::new(0).of("bounds");
        assert_eq!(dice.number(5, 5), 5);
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert_eq!(dice.weighted::<u8>(&[]), None);
        for _ in 0..1000 {
            assert!((-3..4).contains(&dice.number(-3, 4)));
            assert!((100..=5000).contains(&dice.magnitude(100, 5000)));
            assert_eq!(dice.weighted(&[(0, 'a'), (3, 'b')]), Some('b'));
        }
        dice.magnitude(i64::MIN, i64::MAX);
    }
}
