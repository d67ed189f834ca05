//! Faults of a kind of their own: those that are not the same damage done to another file.
//!
//! Each module has a table of them; this one puts the tables together.

mod entry;
mod index;
mod manifest;
mod pod_file;
mod process;
mod rows;
mod store;

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use super::{Rng, beneath::Root, change::Plan, look::PodDir};

/// A fault of a kind of its own.
pub(super) struct Special {
    /// Its stable name.
    pub(super) name: &'static str,
    /// What it means, one sentence.
    pub(super) sentence: &'static str,
    /// What it takes to make it.
    pub(super) recipe: Recipe,
}

/// How a fault is planned.
#[derive(Clone, Copy)]
pub(super) enum Recipe {
    /// For a pod.
    Pod(fn(&PodDir<'_>, &mut Rng) -> Plan),
    /// For a whole host.
    Host(fn(&Root, &mut Rng) -> Plan),
}

/// A row of a table of faults of pods.
const fn of_pod(
    name: &'static str,
    sentence: &'static str,
    plan: fn(&PodDir<'_>, &mut Rng) -> Plan,
) -> Special {
    Special {
        name,
        sentence,
        recipe: Recipe::Pod(plan),
    }
}

/// A row of a table of faults of hosts.
const fn of_host(
    name: &'static str,
    sentence: &'static str,
    plan: fn(&Root, &mut Rng) -> Plan,
) -> Special {
    Special {
        name,
        sentence,
        recipe: Recipe::Host(plan),
    }
}

/// All of them, in the order in which they are listed.
pub(super) fn all() -> impl Iterator<Item = &'static Special> {
    let tables = [
        process::TABLE,
        manifest::TABLE,
        pod_file::TABLE,
        entry::TABLE,
        index::TABLE,
        rows::TABLE,
        store::TABLE,
    ];
    tables.into_iter().flatten()
}

// A fault is its name: no two have the same.

impl PartialEq for Special {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Special {}

impl Hash for Special {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
