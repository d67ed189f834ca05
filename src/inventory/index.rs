//! Which pods have what filters mostly ask for: states, names of apps, images. So a call that
//! asks for one pod of many does not look at the others. What comes out are candidates: whether
//! a filter takes them is not for the index to say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::host::{PodFacts, State};

/// Where candidates are more than one pod in so many, to look at all pods is cheaper.
const WORTHWHILE: usize = 4;

/// What pods must have for a filter to take them, as far as an index helps to find them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    /// One of these ids; `None` is any.
    pub(crate) ids: Option<BTreeSet<Uuid>>,
    /// One of these states; `None` is any.
    pub(crate) states: Option<Vec<State>>,
    /// Apps with all of these names.
    pub(crate) app_names: Vec<String>,
    /// Apps of all of these images, named as the pod manifest does.
    pub(crate) image_ids: Vec<String>,
}

/// Pods by what they have.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<Key, BTreeSet<Uuid>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    State(State),
    AppName(Box<str>),
    ImageId(Box<str>),
}

/// What a pod has.
fn keys(facts: &PodFacts) -> impl Iterator<Item = Key> {
    let apps = facts.manifest.iter().flat_map(|m| &m.manifest.apps);
    let apps = apps.flat_map(|app| {
        let name = Key::AppName(app.name.as_str().into());
        [name, Key::ImageId(app.image_id.as_str().into())]
    });
    std::iter::once(Key::State(facts.state)).chain(apps)
}

impl Index {
    /// Adds a pod.
    pub(super) fn insert(&mut self, facts: &PodFacts) {
        for key in keys(facts) {
            self.0.entry(key).or_default().insert(facts.id);
        }
    }

    /// Removes a pod, which was added with the same facts.
    pub(super) fn remove(&mut self, facts: &PodFacts) {
        for key in keys(facts) {
            if let Some(ids) = self.0.get_mut(&key) {
                ids.remove(&facts.id);
                if ids.is_empty() {
                    self.0.remove(&key);
                }
            }
        }
    }

    /// How many pods are in `state`.
    pub(super) fn count(&self, state: State) -> usize {
        self.0.get(&Key::State(state)).map_or(0, BTreeSet::len)
    }

    /// The pods among `all` that may have the traits of any of these filters, in the order of
    /// their ids. `None` where to look at all of them is as good.
    pub(super) fn candidates<'a, T>(
        &self,
        all: &'a BTreeMap<Uuid, T>,
        filters: &[Traits],
    ) -> Option<Vec<&'a T>> {
        if filters.is_empty() {
            return None;
        }
        let limit = all.len() / WORTHWHILE;
        let mut ids = BTreeSet::new();
        for traits in filters {
            let narrowest = self.sets(traits).min_by_key(|set| count(set))?;
            if ids.len() + count(&narrowest) > limit {
                return None;
            }
            ids.extend(narrowest.into_iter().flatten());
        }
        Some(ids.iter().filter_map(|id| all.get(id)).collect())
    }

    /// For each trait, those who have it: sets, of which they are in one.
    fn sets<'a>(&'a self, traits: &'a Traits) -> impl Iterator<Item = Vec<&'a BTreeSet<Uuid>>> {
        let of = |key| self.0.get(&key);
        let ids = traits.ids.iter().map(|ids| vec![ids]);
        let states = traits.states.iter().map(move |states| {
            let states = states.iter().copied().map(Key::State);
            states.filter_map(of).collect()
        });
        let names = traits.app_names.iter();
        let names = names.map(|name| Key::AppName(name.as_str().into()));
        let images = traits.image_ids.iter();
        let images = images.map(|id| Key::ImageId(id.as_str().into()));
        let apps = names.chain(images);
        let apps = apps.map(move |key| of(key).into_iter().collect());
        ids.chain(states).chain(apps)
    }
}

fn count(sets: &[&BTreeSet<Uuid>]) -> usize {
    sets.iter().map(|set| set.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        formats::appc::{PodApp, PodManifest},
        host::{Lock, ManifestFacts},
        layout::Phase,
    };

    /// A pod in `phase` with one app.
    fn facts(number: u128, phase: Phase, app: &str) -> PodFacts {
        let app = PodApp {
            name: app.to_owned(),
            image_id: format!("image of {app}"),
            annotations: Vec::new(),
        };
        PodFacts {
            id: Uuid::from_u128(number),
            phase,
            state: State::of(phase, Lock::Free),
            lock: Lock::Free,
            manifest: Some(ManifestFacts {
                bytes: Default::default(),
                manifest: PodManifest {
                    apps: vec![app],
                    annotations: Vec::new(),
                },
                apps: Vec::new(),
            }),
            created_at_ns: None,
            started_at_ns: None,
            marked_at_ns: None,
            pid: None,
            cgroup: None,
            cgroup_process: None,
            networks: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// A hundred pods that have exited, each with an app `web`; but number 7 is prepared, and
    /// the app of number 8 is `db`.
    fn host() -> (Index, BTreeMap<Uuid, u128>) {
        let mut index = Index::default();
        let mut all = BTreeMap::new();
        for number in 0..100 {
            let phase = if number == 7 {
                Phase::Prepared
            } else {
                Phase::Run
            };
            let app = if number == 8 { "db" } else { "web" };
            index.insert(&facts(number, phase, app));
            all.insert(Uuid::from_u128(number), number);
        }
        (index, all)
    }

    fn ids(numbers: &[u128]) -> Option<BTreeSet<Uuid>> {
        Some(numbers.iter().copied().map(Uuid::from_u128).collect())
    }

    #[test]
    fn what_is_rare_is_found() {
        let (index, all) = host();
        let any = Traits::default();
        let db = Traits {
            app_names: vec!["web".to_owned(), "db".to_owned()],
            ..any.clone()
        };
        let image = Traits {
            image_ids: vec!["image of db".to_owned()],
            ..any.clone()
        };
        let prepared = Traits {
            states: Some(vec![State::Prepared, State::Running]),
            app_names: vec!["web".to_owned()],
            ..any.clone()
        };
        let named = Traits {
            ids: ids(&[3, 5, 1000]),
            ..any.clone()
        };
        let nobody = Traits {
            app_names: vec!["other".to_owned()],
            ..any.clone()
        };
        let found = |filters: &[&Traits]| {
            let filters: Vec<_> = filters.iter().map(|&traits| traits.clone()).collect();
            let found = index.candidates(&all, &filters);
            found.map(|found| found.into_iter().copied().collect::<Vec<_>>())
        };
        assert_eq!(found(&[&db]), Some(vec![8]));
        assert_eq!(found(&[&image]), Some(vec![8]));
        assert_eq!(found(&[&prepared]), Some(vec![7]));
        assert_eq!(found(&[&named]), Some(vec![3, 5]));
        assert_eq!(found(&[&nobody]), Some(vec![]));
        assert_eq!(found(&[&named, &db, &named]), Some(vec![3, 5, 8]));
        assert_eq!(found(&[&db, &any]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn what_most_have_is_not_worth_it() {
        let (index, all) = host();
        let web = Traits {
            app_names: vec!["web".to_owned()],
            ..Traits::default()
        };
        assert_eq!(index.candidates(&all, &[web]), None);
    }

    #[test]
    fn what_is_removed_leaves_nothing() {
        let mut index = Index::default();
        let (old, new) = (
            facts(1, Phase::Prepared, "web"),
            facts(1, Phase::Run, "web"),
        );
        index.insert(&old);
        index.remove(&old);
        index.insert(&new);
        assert!(!index.0.contains_key(&Key::State(State::Prepared)));
        index.remove(&new);
        assert!(index.0.is_empty(), "{index:?}");
    }
}
