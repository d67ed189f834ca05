//! Locks: whatever this process opens and closes to probe them, what others do is seen.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, time::Instant};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};

use super::{
    locks::{FEW, SUSPICION},
    *,
};
use crate::{
    host::Lock,
    layout::{PODS, Phase},
};

const DEADLINE: Duration = Duration::from_secs(60);

/// A host with this many pods that have ended.
struct Host {
    data_dir: tempfile::TempDir,
    inventory: Inventory<(), ()>,
    ids: Vec<Uuid>,
}

impl Host {
    fn with_pods(count: u128) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let ids: Vec<_> = (1..=count).map(Uuid::from_u128).collect();
        for id in &ids {
            fs::create_dir_all(Self::path(data_dir.path(), *id)).unwrap();
        }
        let dir = data_dir.path().to_owned();
        let inventory = Inventory::new(
            dir,
            true,
            1 << 16,
            DEADLINE,
            10,
            10,
            Clock::of_the_machine(),
        );
        Self {
            data_dir,
            inventory,
            ids,
        }
    }

    fn path(data_dir: &Path, id: Uuid) -> PathBuf {
        let run = data_dir.join(PODS).join(Phase::Run.dir_name());
        run.join(id.hyphenated().to_string())
    }

    /// Calls until no lock has to be probed at the next call.
    async fn calm(&self) {
        let began_at = Instant::now();
        loop {
            let patience = |live: &mut LivePods<()>| live.patience();
            let all = Want::All(Depth::Pod);
            if self.inventory.current(all, patience).await.unwrap() == Duration::MAX {
                return;
            }
            assert!(began_at.elapsed() < DEADLINE, "locks are probed for ever");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn lock_of(&self, id: Uuid) -> Lock {
        let pod = self.inventory.pod(id, Depth::Pod).await.unwrap();
        pod.unwrap().0.facts.lock
    }

    /// Locks a pod as rkt does, calls, and lets it go.
    async fn lock_and_release(&self, id: Uuid) {
        let path = Self::path(self.data_dir.path(), id);
        let pod = openat(CWD, path, OFlags::RDONLY, Mode::empty()).unwrap();
        assert_eq!(self.lock_of(id).await, Lock::Free, "{id}");
        // Then only that someone has it open still says that its lock may change.
        tokio::time::sleep(SUSPICION).await;
        flock(&pod, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(self.lock_of(id).await, Lock::Held, "{id}");
        self.calm().await;
        drop(pod);
        assert_eq!(self.lock_of(id).await, Lock::Free, "{id}");
    }
}

#[tokio::test]
async fn a_few_pods_are_left_alone_until_others_open_them() {
    locks_are_seen(3).await;
}

#[tokio::test]
async fn many_pods_are_left_alone_until_others_open_them() {
    locks_are_seen(2 * FEW as u128).await;
}

async fn locks_are_seen(count: u128) {
    let host = Host::with_pods(count);
    host.calm().await;
    // Read anew, all at once.
    for id in &host.ids {
        fs::create_dir(Host::path(host.data_dir.path(), *id).join("appsinfo")).unwrap();
    }
    host.calm().await;
    for id in [host.ids[0], host.ids[1], host.ids[0]] {
        host.lock_and_release(id).await;
    }
    host.calm().await;
}
