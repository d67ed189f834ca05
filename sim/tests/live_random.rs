//! Random lives: the seed decides, every step can be played, and in the end the directory is
//! as the player says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    path::Path,
};

use common::list;
use rkt_api::{
    formats::ql::{self, Database, rkt},
    layout::Phase,
};
use rkt_sim::live::{HostState, Player, memory::Memory, random::Lives, record::Record};

const STEPS: usize = 400;

fn is_locked(dir: &Path) -> bool {
    match File::open(dir).unwrap().try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(error) => panic!("{error}"),
    }
}

fn play(player: &mut Player, seed: u64, steps: usize) -> Vec<Record> {
    let mut lives = Lives::new(seed, 15).unwrap();
    let mut step = |_| {
        let step = lives.next(player.state());
        player.play(&step).unwrap()
    };
    (0..steps).map(&mut step).collect()
}

/// Checks what the directory says against what the player says.
fn check(dir: &Path, state: &HostState) {
    let mut pods = BTreeMap::new();
    for phase in Phase::ALL {
        for entry in fs::read_dir(dir.join("pods").join(phase.dir_name())).unwrap() {
            let entry = entry.unwrap();
            let id = entry.file_name().to_str().unwrap().parse().unwrap();
            let before = pods.insert(id, (phase, is_locked(&entry.path())));
            assert_eq!(before, None, "{id} is in two places");
        }
    }
    let known = state.pods.iter();
    let known: BTreeMap<_, _> = known
        .map(|(id, pod)| (*id, (pod.phase, pod.locked)))
        .collect();
    assert_eq!(pods, known);

    let db = Database::open(fs::read(dir.join("cas/db/ql.db")).unwrap(), None).unwrap();
    assert!(ql::verify(&db).is_empty());
    let rows = rkt::images(&db).unwrap();
    let rows: BTreeSet<_> = rows.map(|row| row.unwrap().blob_key).collect();
    let known: BTreeSet<_> = state.images.keys().cloned().collect();
    assert_eq!(rows, known);
    for kind in ["blob", "imageManifest"] {
        let files = list(&dir.join("cas").join(kind)).into_iter();
        let files = files.filter(|(_, entry)| entry.content.is_some());
        let files: BTreeSet<_> = files
            .map(|(path, _)| path.rsplit_once('/').unwrap().1.to_owned())
            .collect();
        assert_eq!(files, known, "{kind}");
    }
    assert!(fs::read_dir(dir.join("cas/tmp")).unwrap().next().is_none());
}

/// One test, since children are started: others beside it would lend them their locks.
#[test]
fn the_directory_is_as_the_player_says_and_the_seed_decides() {
    let tmp = tempfile::tempdir().unwrap();
    let mut player = Player::open(tmp.path().join("first")).unwrap();
    let records = play(&mut player, 7, STEPS);
    check(player.dir(), player.state());

    // Everything has happened.
    let names: BTreeSet<_> = records.iter().map(|record| record.step.name()).collect();
    for name in [
        "create",
        "lock",
        "prepare",
        "write",
        "prepared",
        "abort",
        "run",
        "start",
        "app-add",
        "app-exit",
        "app-start",
        "log",
        "exit",
        "mark",
        "sweep",
        "import",
        "remove",
        "use",
    ] {
        assert!(names.contains(name), "{name}");
    }
    assert!(player.state().pods.len() <= 15);
    let times = records.iter();
    let times = times.flat_map(|record| [record.before_unix_ns, record.after_unix_ns]);
    assert!(times.is_sorted());

    // A player that comes later goes on from there.
    let (dir, state) = (player.dir().to_owned(), player.state().clone());
    drop(player);
    let held = Memory::load(&dir).unwrap().unwrap().held;
    let locked = state.pods.iter().filter(|(_, pod)| pod.locked);
    assert!(held.iter().eq(locked.map(|(id, _)| id)));
    let mut player = Player::open(&dir).unwrap();
    play(&mut player, 8, STEPS / 4);
    check(player.dir(), player.state());

    let mut other = Player::open(tmp.path().join("other")).unwrap();
    let steps = |records: &[Record]| {
        let steps = records.iter().map(|record| record.step.clone());
        steps.collect::<Vec<_>>()
    };
    let again = play(&mut other, 7, STEPS);
    assert_eq!(steps(&again), steps(&records));
    let mut third = Player::open(tmp.path().join("third")).unwrap();
    assert_ne!(steps(&play(&mut third, 9, 20)), steps(&records[..20]));
}
