//! Locks that are held by processes of the pod's own. In a file of its own, one test at a
//! time: a test that starts a child lends it the descriptors of all tests around it for an
//! instant.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{self, File, TryLockError},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rkt_sim::live::{
    Player,
    record::ActionKind,
    step::{Ending, Holder, Start, Step, Write},
};
use uuid::Uuid;

const POD: Uuid = Uuid::from_u128(0x668ecca0_3487_4c27_9134_b769a546e375);

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_locked(dir: &Path) -> bool {
    match File::open(dir).unwrap().try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_child_inherits_the_lock_and_its_end_lets_it_go() {
    let _alone = alone();
    for by in [Ending::Kill, Ending::Close] {
        let tmp = tempfile::tempdir().unwrap();
        let mut player = Player::open(tmp.path().join("rkt")).unwrap();
        let run = player.dir().join("pods/run").join(POD.to_string());
        let pod = POD;
        for step in [
            Step::Create { pod },
            Step::Lock { pod },
            Step::Prepare { pod },
            Step::Write(Write::new(pod)),
        ] {
            player.play(&step).unwrap();
        }
        let holder = Holder::Child;
        let record = player.play(&Step::Run { pod, holder }).unwrap();
        let handed_on = record.actions.last().unwrap();
        assert_eq!(handed_on.action, ActionKind::HandOn);
        let child = handed_on.pid.unwrap();
        assert_ne!(child, std::process::id());
        assert!(is_locked(&run));

        player.play(&Step::Start(Start::new(pod))).unwrap();
        let pid = fs::read_to_string(run.join("pid")).unwrap();
        assert_eq!(pid, format!("{child}\n"));

        let record = player.play(&Step::Exit { pod, by }).unwrap();
        assert!(!is_locked(&run), "{by:?}");
        let expected = match by {
            Ending::Kill => ActionKind::Kill,
            Ending::Close => ActionKind::Close,
        };
        assert_eq!(record.actions[0].action, expected);
        assert!(!Path::new(&format!("/proc/{child}")).exists());
    }
}

#[test]
fn nobody_is_killed_but_children_and_they_end_with_the_player() {
    let _alone = alone();
    let tmp = tempfile::tempdir().unwrap();
    let mut player = Player::open(tmp.path().join("rkt")).unwrap();
    let (ours, childs) = (POD, Uuid::from_u128(1));
    for (pod, holder) in [(ours, Holder::Simulator), (childs, Holder::Child)] {
        for step in [
            Step::Create { pod },
            Step::Lock { pod },
            Step::Prepare { pod },
            Step::Write(Write::new(pod)),
            Step::Run { pod, holder },
        ] {
            player.play(&step).unwrap();
        }
    }
    let by = Ending::Kill;
    assert!(player.play(&Step::Exit { pod: ours, by }).is_err());
    let run = player.dir().join("pods/run");
    let dirs = [ours, childs].map(|pod| run.join(pod.to_string()));
    assert!(dirs.iter().all(|dir| is_locked(dir)));
    drop(player);
    assert!(!dirs.iter().any(|dir| is_locked(dir)));
}
