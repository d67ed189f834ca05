//! Following what happens although nobody asks, so that it can be told in time (E-4): tasks
//! that sleep until the kernel tells of a change, and then look as any call would.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::io::{Interest, unix::AsyncFd};

use super::{Inventory, lock, pods::Want, watcher::Watcher};
use crate::{host::Depth, trouble::Trouble};

/// How long a data directory is left alone that cannot be watched: events are told within a
/// second (E-4).
const UNWATCHED: Duration = Duration::from_millis(500);

impl<P, I> Inventory<P, I>
where
    P: Default + Send + Sync + 'static,
    I: Default + Send + Sync + 'static,
{
    /// Follows what happens until the inventory is dropped.
    pub(crate) fn follow(self: &Arc<Self>) {
        let mut followers = lock(&self.followers);
        followers.spawn(wait(Arc::downgrade(self)));
        followers.spawn(follow_pods(Arc::downgrade(self)));
        followers.spawn(follow_images(Arc::downgrade(self)));
    }
}

/// Takes in what the kernel tells when it does; that tells those who look.
async fn wait<P, I>(inventory: Weak<Inventory<P, I>>) {
    let mut shortage = Trouble::default();
    loop {
        let Some(shared) = inventory.upgrade().map(|i| Arc::clone(&i.shared)) else {
            return;
        };
        let watch = shared.watching.look();
        let must_look = watch.watcher.is_none() || !watch.is_whole;
        drop(shared);
        let patience = match must_look {
            true => UNWATCHED,
            false => Duration::MAX,
        };
        let told = async {
            match watch.watcher.as_deref() {
                Some(watcher) => readable(watcher, &mut shortage).await,
                None => std::future::pending().await,
            }
        };
        let was_told = tokio::time::timeout(patience, told).await;
        if was_told.is_err()
            && let Some(inventory) = inventory.upgrade()
        {
            inventory.shared.watching.pods_changed.notify_one();
            inventory.shared.watching.store_changed.notify_one();
        }
    }
}

/// Waits until the kernel has something to tell.
async fn readable(watcher: &Watcher, shortage: &mut Trouble) {
    let told = async {
        // Registered anew each time: so what has come meanwhile is told at once.
        let descriptor = register(watcher.descriptor()?)?;
        descriptor.readable().await.map(drop)
    };
    if let Err(error) = told.await {
        if shortage.is_news() {
            tracing::warn!(%error, "cannot wait for changes; looking for them every now and then");
        }
        tokio::time::sleep(UNWATCHED).await;
    }
}

/// Has the runtime watch a descriptor for something to read.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe; an owned descriptor stays open, which is all it asks for"
)]
pub(crate) fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

async fn follow_pods<P, I>(inventory: Weak<Inventory<P, I>>)
where
    P: Default + Send + Sync + 'static,
    I: Default + Send + Sync + 'static,
{
    while let Some(inventory) = inventory.upgrade() {
        // Whoever asks is told why it cannot be looked at.
        let looked = inventory.current(Want::All(Depth::Pod), |live| live.patience());
        let patience = looked.await.unwrap_or(UNWATCHED);
        let shared = Arc::clone(&inventory.shared);
        drop(inventory);
        let changed = shared.watching.pods_changed.notified();
        // Either way it is time to look.
        let _ = tokio::time::timeout(patience, changed).await;
    }
}

async fn follow_images<P, I>(inventory: Weak<Inventory<P, I>>)
where
    P: Default + Send + Sync + 'static,
    I: Default + Send + Sync + 'static,
{
    while let Some(inventory) = inventory.upgrade() {
        let patience = match inventory.current_images().await {
            Ok(_) => Duration::MAX,
            Err(_) => UNWATCHED,
        };
        let shared = Arc::clone(&inventory.shared);
        drop(inventory);
        let changed = shared.watching.store_changed.notified();
        let _ = tokio::time::timeout(patience, changed).await;
    }
}
