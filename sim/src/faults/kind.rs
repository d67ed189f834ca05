//! Kinds of faults: their names, what they mean, and finding one by its name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Rng,
    beneath::Root,
    change::{Plan, Unfit},
    damage::Damage,
    look::PodDir,
    special::{self, Recipe, Special},
    target::{TARGETS, Target},
};

/// A kind of fault. Its name is stable, and stands for it in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kind(Repr);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Repr {
    /// The same damage that can be done to other files too. The target is given by its place
    /// in [`TARGETS`].
    Damaged(usize, Damage),
    Special(&'static Special),
}

impl Kind {
    /// All kinds, in the order of the table: those of pods and of the host by what they damage,
    /// then those of a kind of their own.
    pub fn all() -> impl Iterator<Item = Self> {
        let damaged = TARGETS.iter().enumerate().flat_map(|(index, target)| {
            let suitable = Damage::ALL.into_iter().filter(|d| d.suits(target));
            suitable.map(move |damage| Self(Repr::Damaged(index, damage)))
        });
        let special = special::all().map(|special| Self(Repr::Special(special)));
        damaged.chain(special)
    }

    /// The stable name, `WHAT/HOW` in kebab case: what is damaged, and how.
    pub fn name(self) -> String {
        self.to_string()
    }

    /// What the fault is, in one sentence.
    pub fn sentence(self) -> String {
        match self.0 {
            Repr::Damaged(index, damage) => {
                let noun = TARGETS[index].noun;
                let (first, rest) = noun.split_at(1);
                format!("{}{rest} {}.", first.to_uppercase(), damage.predicate())
            }
            Repr::Special(special) => special.sentence.to_owned(),
        }
    }

    /// Whether it is a fault of one pod, so that a pod can be named for it. The others are
    /// faults of the host or of its image store.
    pub fn is_about_pod(self) -> bool {
        match self.0 {
            Repr::Damaged(index, _) => TARGETS[index].is_in_pod(),
            Repr::Special(special) => matches!(special.recipe, Recipe::Pod(_)),
        }
    }

    /// Plans the fault for a pod.
    pub(super) fn plan_for_pod(self, pod: &PodDir<'_>, rng: &mut Rng) -> Plan {
        match self.0 {
            Repr::Damaged(index, damage) => {
                let target = &TARGETS[index];
                let path = target.find_in_pod(pod, rng)?;
                damage.plan(target, pod.root(), path, Some(pod), rng)
            }
            Repr::Special(Special {
                recipe: Recipe::Pod(plan),
                ..
            }) => plan(pod, rng),
            Repr::Special(_) => Err(Unfit("it is about no pod".to_owned())),
        }
    }

    /// Plans the fault for a host.
    pub(super) fn plan_for_host(self, root: &Root, rng: &mut Rng) -> Plan {
        match self.0 {
            Repr::Damaged(index, damage) => {
                let target = &TARGETS[index];
                let path = target.find_on_host(root, rng)?;
                damage.plan(target, root, path, None, rng)
            }
            Repr::Special(Special {
                recipe: Recipe::Host(plan),
                ..
            }) => plan(root, rng),
            Repr::Special(_) => Err(Unfit("it is about a pod".to_owned())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Damaged(index, damage) => {
                let Target { name, .. } = TARGETS[index];
                write!(f, "{name}/{}", damage.name())
            }
            Repr::Special(special) => f.write_str(special.name),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.name()
    }
}

/// There is no fault of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault {name:?}{}", hint(.similar))]
pub struct UnknownKind {
    /// The name that is none.
    pub name: String,
    /// Names that are like it, the most similar first.
    pub similar: Vec<String>,
}

fn hint(similar: &[String]) -> String {
    match similar {
        [] => "; the command `rkt-sim faults` lists all".to_owned(),
        similar => format!("; did you mean {}?", similar.join(", or ")),
    }
}

/// How many similar names are suggested.
const SUGGESTIONS: usize = 3;

/// How similar a name must be to be suggested, from 0 to 1.
const SIMILAR: f64 = 0.75;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        if let Some(kind) = Self::all().find(|kind| kind.name() == name) {
            return Ok(kind);
        }
        let similarity = |kind: &str| match !name.is_empty() && kind.contains(name) {
            true => 1.0,
            false => strsim::normalized_damerau_levenshtein(name, kind),
        };
        let mut similar: Vec<_> = Self::all()
            .map(|kind| (similarity(&kind.name()), kind.name()))
            .filter(|(similarity, _)| *similarity >= SIMILAR)
            .collect();
        similar.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        similar.truncate(SUGGESTIONS);
        Err(UnknownKind {
            name: name.to_owned(),
            similar: similar.into_iter().map(|(_, name)| name).collect(),
        })
    }
}

impl TryFrom<String> for Kind {
    type Error = UnknownKind;

    fn try_from(name: String) -> Result<Self, UnknownKind> {
        name.parse()
    }
}
