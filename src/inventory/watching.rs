//! Whether the data directory is watched, and whether it still is the one that is watched.
//!
//! Where it cannot be watched (no inotify, or a file system where it says nothing), everything
//! is looked at anew at each call: slower, and right all the same.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use prometheus_client::metrics::gauge::Gauge;
use rustix::fs::stat;
use tokio::sync::Notify;

use super::{
    lock,
    watcher::{PodNews, Watcher},
};
use crate::layout::{self, store};

/// How long a data directory is left alone that could not be watched.
const RETRY: Duration = Duration::from_secs(10);

/// What is known by watching at this moment.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// Goes up whenever watching began anew: nothing that was known before counts.
    pub(super) generation: u64,
    /// Goes up whenever the pods are another host's.
    pub(super) pods_host: u64,
    /// Goes up whenever the images are another host's.
    pub(super) store_host: u64,
    /// Whether everything that is to be watched is there.
    pub(super) is_whole: bool,
    /// Whether the data directory is there.
    pub(super) is_there: bool,
    /// `None` where everything has to be looked at anew each time.
    pub(super) watcher: Option<Arc<Watcher>>,
}

/// Watching a data directory.
#[derive(Debug)]
pub(super) struct Watching {
    data_dir: PathBuf,
    is_wanted: bool,
    changes_max: usize,
    /// How many directories are watched.
    watches: Gauge,
    state: Mutex<State>,
    /// Told when something has happened to pods.
    pub(super) pods_changed: Notify,
    /// Told when something has happened to images.
    pub(super) store_changed: Notify,
}

#[derive(Debug)]
struct State {
    watch: Watch,
    anchors: Anchors,
    identity: Identity,
    /// When to try to watch again, where that has failed.
    retry_at: Instant,
    /// Why the data directory is not watched, as it was last said.
    said: Option<String>,
}

/// The directories that everything else hangs on, by device and inode; `None` for one that is
/// not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Anchors([Option<(u64, u64)>; 2]);

impl Anchors {
    fn look(data_dir: &Path) -> Self {
        let at = |name| {
            let stat = stat(data_dir.join(name)).ok()?;
            Some((stat.st_dev, stat.st_ino))
        };
        Self([at(layout::PODS), at(store::DB_DIR)])
    }
}

/// By what a host is told from another one that takes its place: the data directory, by device
/// and inode, and the devices that pods and index lie on. What is made anew in the same data
/// directory is the same host's.
#[derive(Clone, Copy, Debug, Default)]
struct Identity {
    data_dir: Option<(u64, u64)>,
    pods_device: Option<u64>,
    store_device: Option<u64>,
}

impl Identity {
    fn look(data_dir: &Path, Anchors([pods, store]): &Anchors) -> Self {
        let stat = stat(data_dir).ok();
        Self {
            data_dir: stat.map(|stat| (stat.st_dev, stat.st_ino)),
            pods_device: pods.map(|(device, _)| device),
            store_device: store.map(|(device, _)| device),
        }
    }

    /// Takes over what `now` is known; tells whether pods, and whether images, are another
    /// host's than those before.
    fn update(&mut self, now: Self) -> (bool, bool) {
        let is_another = differs(&mut self.data_dir, now.data_dir);
        let are_pods = differs(&mut self.pods_device, now.pods_device);
        let is_store = differs(&mut self.store_device, now.store_device);
        (is_another || are_pods, is_another || is_store)
    }
}

/// What is not there is nothing else than before.
fn differs<T: Copy + PartialEq>(known: &mut Option<T>, now: Option<T>) -> bool {
    let before = *known;
    *known = now.or(before);
    before.is_some() && *known != before
}

impl Watching {
    /// Watches `data_dir` from the first [`Self::look`] on, unless that is not wanted; up to
    /// `changes_max` changes wait to be asked for. `watches` says how many directories are watched.
    pub(super) fn new(
        data_dir: PathBuf,
        is_wanted: bool,
        changes_max: usize,
        watches: Gauge,
    ) -> Self {
        let state = State {
            watch: Watch {
                generation: 0,
                pods_host: 0,
                store_host: 0,
                is_whole: false,
                is_there: false,
                watcher: None,
            },
            anchors: Anchors::default(),
            identity: Identity::default(),
            retry_at: Instant::now(),
            said: None,
        };
        Self {
            data_dir,
            is_wanted,
            changes_max,
            watches,
            state: Mutex::new(state),
            pods_changed: Notify::new(),
            store_changed: Notify::new(),
        }
    }

    /// Takes in everything that has happened until now, and begins anew where the data
    /// directory is another one.
    pub(super) fn look(&self) -> Watch {
        let mut state = lock(&self.state);
        let State {
            watch,
            anchors,
            identity,
            retry_at,
            said,
        } = &mut *state;
        let now = Anchors::look(&self.data_dir);
        let is_good = match &watch.watcher {
            Some(watcher) => *anchors == now && watcher.drain(),
            None => watch.generation > 0 && *anchors == now && Instant::now() < *retry_at,
        };
        if !is_good {
            let (pods, store) = identity.update(Identity::look(&self.data_dir, &now));
            watch.pods_host += u64::from(pods);
            watch.store_host += u64::from(store);
            watch.is_whole = now.0.iter().all(Option::is_some);
            *anchors = now;
            watch.generation += 1;
            let moves = match &watch.watcher {
                Some(watcher) if !pods => {
                    watcher.drain();
                    watcher.moves()
                }
                _ => PodNews::default(),
            };
            // Before the new one: watches are limited.
            watch.watcher = None;
            *retry_at = Instant::now() + RETRY;
            match self.begin() {
                Ok(watcher) => {
                    watcher.begin_with(moves);
                    watch.watcher = Some(Arc::new(watcher));
                    *said = None;
                }
                Err(reason) if said.as_ref() == Some(&reason) => {}
                Err(reason) => {
                    if self.is_wanted {
                        tracing::warn!(
                            reason,
                            "the data directory is not watched; it is read at each call"
                        );
                    }
                    *said = Some(reason);
                }
            }
        }
        watch.is_there = watch.is_whole || stat(&self.data_dir).is_ok();
        let watch = state.watch.clone();
        drop(state);
        let (pods, images) = match &watch.watcher {
            Some(watcher) if is_good => watcher.has_news(),
            Some(_) => (true, true),
            None => (false, false),
        };
        for (has_changed, told) in [(pods, &self.pods_changed), (images, &self.store_changed)] {
            if has_changed {
                told.notify_one();
            }
        }
        watch
    }

    /// Begins anew: lets everything go that keeps the data directory's file system in use.
    pub(super) fn begin_anew(&self) {
        lock(&self.state).anchors = Anchors::default();
        self.pods_changed.notify_one();
        self.store_changed.notify_one();
    }

    fn begin(&self) -> Result<Watcher, String> {
        if !self.is_wanted {
            return Err("it is not wanted".to_owned());
        }
        let watches = self.watches.clone();
        Watcher::new(&self.data_dir, self.changes_max, watches).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::{fs, num::NonZero};

    use uuid::Uuid;

    use super::*;
    use crate::{inventory::watcher::PodChange, layout::Phase};

    /// A pod comes and goes, and then `renew` has watching begin anew.
    fn moves_are_kept(renew: impl Fn(&Watching)) {
        let temp = tempfile::tempdir().unwrap();
        let phase = |phase: Phase| temp.path().join(layout::PODS).join(phase.dir_name());
        for each in Phase::ALL {
            fs::create_dir_all(phase(each)).unwrap();
        }
        let data_dir = temp.path().to_owned();
        let watching = Watching::new(data_dir, true, 100, Gauge::default());
        let before = watching.look();
        let id = Uuid::from_u128(1);
        let at = |each| phase(each).join(id.to_string());
        fs::create_dir(at(Phase::Embryo)).unwrap();
        fs::rename(at(Phase::Embryo), at(Phase::Prepare)).unwrap();
        fs::remove_dir(at(Phase::Prepare)).unwrap();
        renew(&watching);
        let after = watching.look();
        assert_eq!(after.generation, before.generation + 1);
        let news = after.watcher.unwrap().pod_news();
        let moves = news.changes.iter().map(|change| match change {
            PodChange::Entered(of, phase, _) if *of == id => ("in", *phase),
            PodChange::Left(of, phase, _) if *of == id => ("out", *phase),
            other => panic!("{other:?}"),
        });
        let expected = [
            ("in", Phase::Embryo),
            ("out", Phase::Embryo),
            ("in", Phase::Prepare),
            ("out", Phase::Prepare),
        ];
        assert_eq!(moves.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_not_asked_for_is_kept_when_watching_begins_anew() {
        moves_are_kept(Watching::begin_anew);
        // A host's first image.
        moves_are_kept(|watching| {
            fs::create_dir_all(watching.data_dir.join(store::DB_DIR)).unwrap();
        });
    }

    #[test]
    fn half_a_move_is_not_kept() {
        let data_dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::new(data_dir.path(), 100, Gauge::default()).unwrap();
        let [whole, half] = [1, 2].map(NonZero::new);
        let id = Uuid::from_u128(1);
        let moved = [
            PodChange::Left(id, Phase::Embryo, whole),
            PodChange::Entered(id, Phase::Prepare, whole),
        ];
        let changes = [&moved[..], &[PodChange::Left(id, Phase::Prepare, half)]].concat();
        watcher.begin_with(PodNews {
            changes,
            overflowed: false,
        });
        assert_eq!(watcher.moves().changes, moved);
    }
}
