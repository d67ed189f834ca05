//! How much the server takes on. What it does with those who want more stands at each limit.

use std::time::Duration;

/// How much the server takes on.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many connections may be open in all. Those who come when there are as many are
    /// accepted and closed at once, so that they know.
    pub connections: usize,
    /// How long a client may take to say that it speaks TLS, where it has to, and HTTP/2; then
    /// its connection is closed.
    pub handshake_timeout: Duration,
    /// How many events are kept for listeners who ask for the past.
    pub event_history: usize,
    /// How many events may wait for a listener who is slow, before its stream is ended (E-14).
    pub stream_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake_timeout: Duration::from_secs(10),
            event_history: 100_000,
            stream_buffer: 10_000,
        }
    }
}
