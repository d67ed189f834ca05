//! What the service manager that has started the server is told (sd_notify(3)): that it
//! serves, reads everything anew, ends; and now and then that it lives, and how many pods there
//! are. Where nobody wants to be told, nothing is done. When it is told what, is for the program
//! to say.
//!
//! One thread does the telling, outside of the server's runtime. So it can judge from outside
//! whether that lives, and a service manager that takes nothing in holds up nobody else.

use std::{
    env,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;
use tokio::runtime::Handle;

/// How often the status is told where the service manager sets no watchdog.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// The environment variable that says where to tell.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Whether that is a socket without a path.
pub(super) fn socket_is_abstract() -> bool {
    env::var_os(SOCKET).is_some_and(|socket| socket.as_encoded_bytes().starts_with(b"@"))
}

/// How long the end of the server waits until it is told.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager that this process was started by, if it wants to be told of it.
#[derive(Clone)]
pub struct ServiceManager(Option<Sender<Message>>);

struct Message {
    states: Vec<NotifyState<'static>>,
    /// Who waits until it is told.
    told: Option<Sender<()>>,
}

impl ServiceManager {
    /// The one that the environment names. `pods` tells how many pods there are, if that is
    /// known.
    ///
    /// If it has set a watchdog, it is told twice within each interval that this process
    /// lives: that the runtime in which this is called takes up a new task, and comes to its end.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn from_env(pods: impl Fn() -> Option<usize> + Send + 'static) -> Self {
        if env::var_os(SOCKET).is_none() {
            return Self(None);
        }
        let runtime = Handle::current();
        let interval = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero());
        let (messages, received) = mpsc::channel();
        thread::spawn(move || match interval {
            Some(interval) => {
                let beat = || lives(&runtime, interval / 2).then_some(NotifyState::Watchdog);
                run(&received, interval / 2, beat, pods);
            }
            None => run(&received, STATUS_INTERVAL, || None, pods),
        });
        Self(Some(messages))
    }

    /// Tells that the server serves.
    pub fn ready(&self) {
        self.tell(vec![NotifyState::Ready]);
    }

    /// Tells that the server lets go of what it has read. Once it has, it is [ready](Self::ready)
    /// again: no answer from then on is of what was read before, and certificates are read at once.
    pub fn reloading(&self) {
        let mut states = vec![NotifyState::Reloading];
        match NotifyState::monotonic_usec_now() {
            Ok(now) => states.push(now),
            Err(error) => tracing::warn!(%error, "there is no clock"),
        }
        self.tell(states);
    }

    /// Tells that the server ends, and returns when that is told: the process may end at once.
    pub fn stopping(&self) {
        let (told, is_told) = mpsc::channel();
        self.send(Message {
            states: vec![NotifyState::Stopping],
            told: Some(told),
        });
        // Whoever takes nothing in is not waited for.
        let _ = is_told.recv_timeout(PATIENCE);
    }

    fn tell(&self, states: Vec<NotifyState<'static>>) {
        self.send(Message { states, told: None });
    }

    fn send(&self, message: Message) {
        if let Some(messages) = &self.0 {
            // The thread takes them in for as long as this is there.
            let _ = messages.send(message);
        }
    }
}

/// Tells what is `received` until nobody sends any more; and every `interval`, what `beat` gives
/// and how many `pods` there are.
fn run(
    received: &Receiver<Message>,
    interval: Duration,
    beat: impl Fn() -> Option<NotifyState<'static>>,
    pods: impl Fn() -> Option<usize>,
) {
    let mut told_pods = None;
    let mut next_beat = Instant::now();
    loop {
        let pause = next_beat.saturating_duration_since(Instant::now());
        // Who waits is let go when the message is dropped: it was told.
        let Message {
            mut states,
            told: _told,
        } = match received.recv_timeout(pause) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => {
                next_beat = Instant::now() + interval;
                Message {
                    states: Vec::from_iter(beat()),
                    told: None,
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let pods = pods().filter(|pods| told_pods != Some(*pods));
        let status = pods.map(status);
        states.extend(status.as_deref().map(NotifyState::Status));
        if states.is_empty() {
            continue;
        }
        match sd_notify::notify(&states) {
            Ok(()) => told_pods = pods.or(told_pods),
            Err(error) => tracing::warn!(%error, "failed to tell the service manager"),
        }
    }
}

/// What people read of the server in `systemctl status`.
fn status(pods: usize) -> String {
    match pods {
        1 => "1 pod".to_owned(),
        pods => format!("{pods} pods"),
    }
}

/// Whether `runtime` takes up a task, and is done with it, within `patience`.
fn lives(runtime: &Handle, patience: Duration) -> bool {
    let (done, is_done) = mpsc::channel();
    runtime.spawn(async move {
        // Nobody waits for it any more if it took too long.
        let _ = done.send(());
    });
    let lives = is_done.recv_timeout(patience).is_ok();
    if !lives {
        tracing::error!("the server takes up nothing any more");
    }
    lives
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_runtime_that_is_stuck_does_not_live() {
        const LONG: Duration = Duration::from_secs(60);
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).build().unwrap();
        assert!(lives(runtime.handle(), LONG));

        let (end, stuck) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        runtime.spawn(async move {
            begin.send(()).unwrap();
            let _ = stuck.recv();
        });
        begun.recv().unwrap();
        assert!(!lives(runtime.handle(), Duration::from_millis(50)));

        drop(end);
        assert!(lives(runtime.handle(), LONG));
    }
}
