//! Looks: whatever this process opens and closes to probe locks, what others do is seen; and who
//! waits for a look shares it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, time::Instant};

use futures_util::FutureExt as _;
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
    fn with_pods(count: u128, watch: bool) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let ids: Vec<_> = (1..=count).map(Uuid::from_u128).collect();
        for id in &ids {
            fs::create_dir_all(Self::path(data_dir.path(), *id)).unwrap();
        }
        let dir = data_dir.path().to_owned();
        let inventory = Inventory::new(
            dir,
            watch,
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
    let host = Host::with_pods(count, true);
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

#[tokio::test]
async fn who_waits_shares_the_next_look() {
    let host = Host::with_pods(2, false);
    let scans = || host.inventory.shared.counters.scans.get();
    let all = || host.inventory.pods(Vec::new(), Depth::Pod);
    let one = |id: u128| host.inventory.pod(Uuid::from_u128(id), Depth::Pod);
    assert_eq!(all().await.unwrap().iter().count(), 2);
    assert_eq!(scans(), 1);

    // While somebody looks, others call.
    let looking = host.inventory.pods.lock().await;
    let mut calls: Vec<_> = (0..9).map(|_| Box::pin(all())).collect();
    for call in &mut calls {
        assert!(call.as_mut().now_or_never().is_none());
    }
    let mut call = Box::pin(one(3));
    assert!(call.as_mut().now_or_never().is_none());
    fs::create_dir(Host::path(host.data_dir.path(), Uuid::from_u128(3))).unwrap();
    drop(looking);
    for call in calls {
        assert_eq!(call.await.unwrap().iter().count(), 3);
    }
    assert!(call.await.unwrap().is_some());
    assert_eq!(scans(), 2);

    // Who calls later does not share it.
    fs::create_dir(Host::path(host.data_dir.path(), Uuid::from_u128(4))).unwrap();
    assert_eq!(all().await.unwrap().iter().count(), 4);
    assert_eq!(scans(), 3);
}

/// What a look at one pod has found says nothing of others where nothing is watched.
#[tokio::test]
async fn a_look_at_one_pod_is_not_shared() {
    let host = Host::with_pods(1, false);
    let looking = host.inventory.pods.lock().await;
    let mut one = Box::pin(host.inventory.pod(host.ids[0], Depth::Pod));
    let mut all = Box::pin(host.inventory.pods(Vec::new(), Depth::Pod));
    assert!(one.as_mut().now_or_never().is_none());
    assert!(all.as_mut().now_or_never().is_none());
    fs::create_dir(Host::path(host.data_dir.path(), Uuid::from_u128(2))).unwrap();
    drop(looking);
    assert!(one.await.unwrap().is_some());
    assert_eq!(all.await.unwrap().iter().count(), 2);
}
