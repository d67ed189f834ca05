//! How much the server takes on. What it does with those who want more stands at each limit.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

/// How much of a request is taken in, and of an answer held, whatever others send and leave unread:
/// what clients ask for in earnest is smaller, and so are most answers.
pub(super) const SMALL_BYTES: usize = 16 << 10;

/// How much the server takes on.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many connections may be open in all. Those who come when there are as many get the
    /// place of one that was not used for long, without calls under way unless most have such, but for
    /// those by which streams are open; these may be seven in eight.
    pub connections: usize,
    /// How long a client may take to say that it speaks TLS, where it has to, and HTTP/2; then
    /// its connection is closed.
    pub handshake_timeout: Duration,
    /// How long nothing may come from a client before it is asked whether it is there, by a PING
    /// of HTTP/2. Zero: it is not asked.
    pub keepalive_interval: Duration,
    /// How long a client may take to say that it is there; then its connection is closed.
    pub keepalive_timeout: Duration,
    /// How many calls may be under way on one connection, streams included. HTTP/2 tells clients,
    /// and theirs wait.
    pub calls_per_connection: u32,
    /// How many streams may be open in all. More are ended with RESOURCE_EXHAUSTED.
    pub streams: usize,
    /// How long a call may take until it is answered, or its stream begins; then it is ended with
    /// DEADLINE_EXCEEDED.
    pub call_timeout: Duration,
    /// How large the headers of a request may be in all, in bytes as HTTP/2 counts them (RFC 9113,
    /// section 6.5.2). More are ended with RESOURCE_EXHAUSTED, twice as many by HTTP/2 itself.
    pub header_bytes: u32,
    /// How large a request may be, in bytes. More is OUT_OF_RANGE.
    pub request_bytes: usize,
    /// How many bytes of requests may be held in all, beside the first 16 KiB of each; that of a
    /// stream is held as long as the stream is open. More are ended with RESOURCE_EXHAUSTED.
    pub request_buffer_bytes: usize,
    /// How many bytes of answers may wait to be read in all, beside the first 16 KiB of each part
    /// that is sent. Clients that do not read for two seconds make room for others by being
    /// disconnected; what is too much then is ended with RESOURCE_EXHAUSTED.
    pub answer_buffer_bytes: usize,
    /// How many filters a request may have. More are INVALID_ARGUMENT: they would be the next
    /// time too.
    pub filters: usize,
    /// How many values the filters of a request may have in all. More are INVALID_ARGUMENT.
    pub filter_values: usize,
    /// How many events are kept for listeners who ask for the past.
    pub event_history: usize,
    /// How many events may wait for a listener who is slow, before its stream is ended (E-14).
    pub stream_buffer: usize,
}

impl Limits {
    /// How many connections may have streams: one in eight is left to those who come and ask.
    pub(super) fn streaming_connections(&self) -> usize {
        self.connections - self.connections / 8
    }

    /// How long a client may say nothing before its connection is closed. `None`: for ever.
    pub(super) fn silence_max(&self) -> Option<Duration> {
        let is_asked = !self.keepalive_interval.is_zero();
        is_asked.then(|| {
            self.keepalive_interval
                .saturating_add(self.keepalive_timeout)
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            calls_per_connection: 1024,
            streams: 10_000,
            call_timeout: Duration::from_secs(60),
            header_bytes: 16 << 10,
            request_bytes: 4 << 20,
            request_buffer_bytes: 64 << 20,
            answer_buffer_bytes: 256 << 20,
            filters: 1000,
            filter_values: 10_000,
            event_history: 100_000,
            stream_buffer: 10_000,
        }
    }
}

/// So many permits, or as many as there can be.
pub(super) fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}
