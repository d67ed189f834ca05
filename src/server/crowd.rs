//! Those who may be many and have not shown yet that they mean it: when there are too many of
//! them, the oldest make room.

use std::{collections::VecDeque, future::Future};

use tokio::task::{AbortHandle, JoinSet};

/// Tasks for connections, of which there is a number that honest clients never come to. They end
/// with this.
pub(super) struct Crowd {
    max: usize,
    tasks: JoinSet<()>,
    /// Also some that are over.
    oldest_first: VecDeque<AbortHandle>,
}

impl Crowd {
    /// A crowd of nobody.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            tasks: JoinSet::new(),
            oldest_first: VecDeque::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&mut self) -> usize {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.len()
    }

    /// Whether there are as many as may be.
    pub(super) fn is_full(&mut self) -> bool {
        self.len() >= self.max
    }

    pub(super) fn begin(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        if self.oldest_first.len() >= 2 * self.max {
            self.oldest_first.retain(|task| !task.is_finished());
        }
        self.oldest_first.push_back(self.tasks.spawn(task));
    }

    /// Ends the oldest `count`, and gives how many those were.
    pub(super) fn end_oldest(&mut self, count: usize) -> usize {
        self.oldest_first.retain(|task| !task.is_finished());
        let count = count.min(self.oldest_first.len());
        for task in self.oldest_first.drain(..count) {
            task.abort();
        }
        count
    }
}
