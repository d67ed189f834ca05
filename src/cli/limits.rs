//! How much the server takes on, by flags.

use std::time::Duration;

use clap::Args;
use rkt_api::server;

use super::duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How many connections may be open in all; more are closed as they come
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 4096)]
    max_connections: usize,

    /// How long a client may take to begin to speak HTTP/2 (and TLS) before its connection is
    /// closed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    handshake_timeout: Duration,

    /// How many events to keep for listeners who ask for the past
    #[arg(long, value_name = "EVENTS", default_value_t = 100_000)]
    event_history: usize,

    /// How many events may wait for a slow listener before its stream is ended
    #[arg(long, value_name = "EVENTS", default_value_t = 10_000)]
    stream_buffer: usize,
}

impl From<Limits> for server::Limits {
    fn from(flags: Limits) -> Self {
        Self {
            connections: flags.max_connections,
            handshake_timeout: flags.handshake_timeout,
            event_history: flags.event_history,
            stream_buffer: flags.stream_buffer,
        }
    }
}
