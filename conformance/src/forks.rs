//! Starting processes while locks are being let go.
//!
//! A process that is being started has, until it executes its program, every descriptor that
//! this one has. A pod's lock that is let go by closing the descriptor is held for that instant
//! longer, and a server that looks then would be right to call the pod locked. So nothing is
//! started while a step is being played, on whichever host.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static FORKS: RwLock<()> = RwLock::const_new(());

/// A time in which no other part of the suite starts a process.
#[must_use = "the time ends when this is dropped"]
pub(crate) struct Quiet(#[expect(dead_code, reason = "it guards")] Guard);

enum Guard {
    Shared(#[expect(dead_code, reason = "it guards")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "it guards")] RwLockWriteGuard<'static, ()>),
}

impl Quiet {
    /// A time in which nobody starts a process.
    pub(crate) async fn shared() -> Self {
        Self(Guard::Shared(FORKS.read().await))
    }

    /// A time in which nobody else starts a process, or lets a lock go.
    pub(crate) async fn alone() -> Self {
        Self(Guard::Alone(FORKS.write().await))
    }
}
