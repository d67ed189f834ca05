//! What was tried, how often, and what came back, by kind of attack; and what has to come back,
//! so that nothing counts as withstood that was never tried.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

/// What every attacker may meet: the system has no room for one more connection at this moment.
pub const NOT_CONNECTED: &str = "not connected";

/// What came back, by kind of attack. Clones count together.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, Counts>>>);

/// Outcomes are named by how they begin: `GOAWAY` stands for those with every code.
#[derive(Default)]
struct Counts {
    /// What has to come back, all of it.
    must: &'static [&'static str],
    /// What else may come back.
    may: &'static [&'static str],
    outcomes: BTreeMap<Cow<'static, str>, u64>,
}

/// One kind of attack.
#[derive(Clone)]
pub struct Kind {
    name: &'static str,
    tally: Tally,
}

impl Tally {
    /// A kind of attack, and how what must and what may come back begins. Several attackers may
    /// be of one kind.
    pub fn kind(
        &self,
        name: &'static str,
        must: &'static [&'static str],
        may: &'static [&'static str],
    ) -> Kind {
        let mut kinds = self.0.lock().unwrap();
        let counts = kinds.entry(name).or_default();
        (counts.must, counts.may) = (must, may);
        Kind {
            name,
            tally: self.clone(),
        }
    }

    /// Fails unless of every kind everything has come back that must, and nothing that may not.
    pub fn check(&self) {
        let kinds = self.0.lock().unwrap();
        let mut wrong = Vec::new();
        for (name, counts) in &*kinds {
            for must in counts.must {
                if !counts.outcomes.keys().any(|it| it.starts_with(must)) {
                    wrong.push(format!("{name}: nothing was {must:?}"));
                }
            }
            let may = [counts.must, counts.may, &[NOT_CONNECTED]].concat();
            for outcome in counts.outcomes.keys() {
                if !may.iter().any(|may| outcome.starts_with(may)) {
                    wrong.push(format!("{name}: some were {outcome:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| tried | times | came back |\n|---|--:|---|")?;
        for (name, counts) in &*self.0.lock().unwrap() {
            let outcomes = counts.outcomes.iter();
            let times: u64 = outcomes.clone().map(|(_, count)| count).sum();
            let outcomes = outcomes.map(|(outcome, count)| format!("{outcome} {count}"));
            let outcomes = outcomes.collect::<Vec<_>>().join(", ");
            writeln!(f, "| {name} | {times} | {outcomes} |")?;
        }
        Ok(())
    }
}

impl Kind {
    /// Notes that it was tried once more, and what came back.
    pub fn note(&self, outcome: impl Into<Cow<'static, str>>) {
        self.note_many(outcome, 1);
    }

    /// Notes that it was tried so many times more, and what came back each time.
    pub fn note_many(&self, outcome: impl Into<Cow<'static, str>>, times: usize) {
        if times > 0 {
            let mut kinds = self.tally.0.lock().unwrap();
            let counts = kinds.entry(self.name).or_default();
            *counts.outcomes.entry(outcome.into()).or_default() += times as u64;
        }
    }
}
