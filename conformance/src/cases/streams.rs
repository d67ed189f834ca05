//! What cases about streams have in common: reading each as it comes, on a task of its own, and
//! waiting for the clock. A stream that is left unread holds up all others of its connection.
//! Nothing is judged here.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tonic::Status;

use crate::{
    case::Objection,
    clock,
    stream::{Arrived, Carrier, Next, Stream},
};

/// A second as times are counted.
pub(super) const SECOND_NS: i64 = 1_000_000_000;

/// How early an end by the clock may seem to be: the clocks of timers and of the day differ.
pub(super) const EARLY: Duration = Duration::from_millis(20);

/// How late what the clock brings may be (E-10).
pub(super) const LATE: Duration = Duration::from_millis(250);

/// What has come of a stream.
#[derive(Clone, Debug)]
pub(super) struct Heard<T> {
    /// The items, in the order in which they came.
    pub(super) items: Vec<Arrived<T>>,
    /// How many messages have come, empty ones included.
    pub(super) messages: usize,
    /// The end, and when it came, in nanoseconds since the epoch.
    pub(super) end: Option<(Status, i64)>,
}

impl<T> Default for Heard<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            messages: 0,
            end: None,
        }
    }
}

/// A stream that is being read. Dropping it hangs up.
pub(super) struct Reader<C: Carrier> {
    heard: watch::Receiver<Heard<C::Item>>,
    task: JoinHandle<()>,
}

impl<C: Carrier> Drop for Reader<C> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<C> Reader<C>
where
    C: Carrier,
    C::Item: Clone + Send + Sync,
{
    /// Begins to read.
    pub(super) fn begin(mut stream: Stream<C>) -> Self {
        let (tell, heard) = watch::channel(Heard::default());
        let task = tokio::spawn(async move {
            loop {
                // Whoever listens has a deadline.
                let far = Instant::now() + Duration::from_secs(3600);
                match stream.next(far).await {
                    Next::Item(item) => tell.send_modify(|heard| {
                        heard.messages = stream.messages();
                        heard.items.push(item);
                    }),
                    Next::Nothing => {}
                    Next::End(status, at_unix_ns) => {
                        tell.send_modify(|heard| {
                            heard.messages = stream.messages();
                            heard.end = Some((status, at_unix_ns));
                        });
                        return;
                    }
                }
            }
        });
        Self { heard, task }
    }

    /// What has come so far.
    pub(super) fn heard(&self) -> Heard<C::Item> {
        self.heard.borrow().clone()
    }

    /// Waits for something to come, and says whether it did.
    pub(super) async fn hears(
        &mut self,
        patience: Duration,
        is_it: impl FnMut(&Heard<C::Item>) -> bool,
    ) -> bool {
        let heard = self.heard.wait_for(is_it);
        matches!(tokio::time::timeout(patience, heard).await, Ok(Ok(_)))
    }
}

/// Waits until the machine's clock says so, nanoseconds since the epoch.
pub(super) async fn sleep_until(unix_ns: i64) {
    loop {
        let left = unix_ns.saturating_sub(clock::now_unix_ns());
        if left <= 0 {
            return;
        }
        sleep(Duration::from_nanos(left.unsigned_abs())).await;
    }
}

/// How late the suite itself is at a moment. A server on the same machine cannot be held to
/// less.
pub(super) struct Lateness {
    ns: Arc<AtomicI64>,
    task: JoinHandle<()>,
}

impl Lateness {
    /// Waits for a moment to be late at, nanoseconds since the epoch.
    pub(super) fn at(unix_ns: i64) -> Self {
        let ns = Arc::<AtomicI64>::default();
        let noted = Arc::clone(&ns);
        let task = tokio::spawn(async move {
            sleep_until(unix_ns).await;
            noted.store(clock::now_unix_ns() - unix_ns, Ordering::Relaxed);
        });
        Self { ns, task }
    }

    /// By how much it was, in nanoseconds; 0 before that moment.
    pub(super) fn ns(&self) -> i64 {
        self.ns.load(Ordering::Relaxed)
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A duration as times are counted.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// How many descriptors a process has.
///
/// # Errors
///
/// The case is skipped where the system does not tell.
pub(super) fn descriptors(pid: u32) -> Result<usize, Objection> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    let entries = entries.map_err(|error| Objection::skip(format!("/proc: {error}")))?;
    Ok(entries.count())
}
