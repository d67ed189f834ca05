//! How much the server takes on, by flags.

use std::time::Duration;

use clap::Args;
use rkt_api::server;

use super::duration;

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How many connections may be open in all; for more, those that were not used for long make
    /// room, but for those with streams, which may be seven in eight; streams of others are
    /// RESOURCE_EXHAUSTED
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 4096)]
    max_connections: usize,

    /// How long a client may take to begin to speak HTTP/2 (and TLS) before its connection is
    /// closed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    handshake_timeout: Duration,

    /// How long nothing may come from a client before it is asked whether it is there; 0s: it is
    /// not asked
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    keepalive_interval: Duration,

    /// How long a client may take to say that it is there before its connection is closed
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration)]
    keepalive_timeout: Duration,

    /// How many calls may be under way on one connection, streams included; more wait
    #[arg(long, value_name = "CALLS", default_value_t = 1024)]
    max_calls_per_connection: u32,

    /// How many streams may be open in all, of events, logs, health and reflection; more are
    /// RESOURCE_EXHAUSTED
    #[arg(long, value_name = "STREAMS", default_value_t = 10_000)]
    max_streams: usize,

    /// How long a call may take until it is answered or its stream begins; then it is
    /// DEADLINE_EXCEEDED
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    call_timeout: Duration,

    /// How large the headers of a request may be in all; more is RESOURCE_EXHAUSTED, and HTTP/2
    /// refuses more than twice as much
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 10)]
    max_header_bytes: u32,

    /// How large a request may be; more is OUT_OF_RANGE
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20)]
    max_request_bytes: usize,

    /// How much of large requests may be held in all, beside the first 16 KiB of each, and those
    /// of streams as long as these are open; more are RESOURCE_EXHAUSTED
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    request_buffer_bytes: usize,

    /// How much of large answers may wait to be read in all, beside the first 16 KiB of each part;
    /// who has not read for two seconds is disconnected to make room, and what is too much then is
    /// RESOURCE_EXHAUSTED
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    answer_buffer_bytes: usize,

    /// How many filters a request may have; more are INVALID_ARGUMENT
    #[arg(long, value_name = "FILTERS", default_value_t = 1000)]
    max_filters: usize,

    /// How many values the filters of a request may have in all; more are INVALID_ARGUMENT
    #[arg(long, value_name = "VALUES", default_value_t = 10_000)]
    max_filter_values: usize,

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
            keepalive_interval: flags.keepalive_interval,
            keepalive_timeout: flags.keepalive_timeout,
            calls_per_connection: flags.max_calls_per_connection,
            streams: flags.max_streams,
            call_timeout: flags.call_timeout,
            header_bytes: flags.max_header_bytes,
            request_bytes: flags.max_request_bytes,
            request_buffer_bytes: flags.request_buffer_bytes,
            answer_buffer_bytes: flags.answer_buffer_bytes,
            filters: flags.max_filters,
            filter_values: flags.max_filter_values,
            event_history: flags.event_history,
            stream_buffer: flags.stream_buffer,
        }
    }
}
