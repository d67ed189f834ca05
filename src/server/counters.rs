//! What the transport counts, for metrics: connections and streams, and what was refused.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counts since the start, and what there is at this moment. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Connections that calls can come by.
    pub(super) connections_open: Gauge,
    /// Connections that were accepted, whatever became of them.
    pub(super) connections_accepted: Counter,
    connections_refused: Family<ConnectionLabels, Counter>,
    /// How often accepting failed because something ran out, such as descriptors.
    pub(super) accept_errors: Counter,
    /// Connections without streams that made room for others.
    pub(super) connections_displaced: Counter,
    /// Connections that were closed since their clients said nothing for too long.
    pub(super) keepalive_timeouts: Counter,
    /// How often a connection had as many calls under way as it may.
    pub(super) connections_filled: Counter,
    calls_refused: Family<CallLabels, Counter>,
    /// How often certificates were read anew and put to use.
    pub(super) tls_reloads: Counter,
    /// How often certificates were read anew and could not be used.
    pub(super) tls_reload_failures: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConnectionLabels {
    reason: Refusal,
}

/// Why a connection was closed before any call could come by it.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Refusal {
    /// As many as may be are open, and streams by all of them.
    Limit,
    /// It took too long to say that it speaks TLS and HTTP/2.
    Timeout,
    /// It made room for others who have just come, before it said what it speaks.
    Displaced,
    /// It does not speak TLS as it should, or its certificate is not taken.
    Tls,
    /// It does not speak HTTP/2, or hung up before it said so.
    Protocol,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    reason: CallRefusal,
}

/// Why a call was ended before it was answered.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum CallRefusal {
    /// Its headers are larger than may be.
    Headers,
    /// As many streams as may be are open.
    Streams,
    /// As many connections have streams as may.
    Connections,
    /// It is larger than may be.
    RequestSize,
    /// As much of large requests is held as may be.
    RequestBuffer,
    /// As much of large answers waits to be read as may.
    AnswerBuffer,
    /// It has more filters, or values in them, than may be.
    Filters,
    /// It took too long.
    Timeout,
}

impl CallRefusal {
    const ALL: [Self; 8] = [
        Self::Headers,
        Self::Streams,
        Self::Connections,
        Self::RequestSize,
        Self::RequestBuffer,
        Self::AnswerBuffer,
        Self::Filters,
        Self::Timeout,
    ];
}

impl Refusal {
    const ALL: [Self; 5] = [
        Self::Limit,
        Self::Timeout,
        Self::Displaced,
        Self::Tls,
        Self::Protocol,
    ];
}

impl EncodeLabelValue for CallRefusal {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Headers => "headers",
            Self::Streams => "streams",
            Self::Connections => "connections",
            Self::RequestSize => "request_size",
            Self::RequestBuffer => "request_buffer",
            Self::AnswerBuffer => "answer_buffer",
            Self::Filters => "filters",
            Self::Timeout => "timeout",
        };
        name.encode(encoder)
    }
}

impl EncodeLabelValue for Refusal {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Limit => "limit",
            Self::Timeout => "timeout",
            Self::Displaced => "displaced",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
        };
        name.encode(encoder)
    }
}

impl Counters {
    /// Makes the counts known to `registry`, each from the start: what appears only when
    /// something has gone wrong cannot be asked how often it did.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for reason in Refusal::ALL {
            let labels = ConnectionLabels { reason };
            drop(self.connections_refused.get_or_create(&labels));
        }
        for reason in CallRefusal::ALL {
            self.calls_refused(reason);
        }
        registry.register(
            "rkt_api_connections_open",
            "Connections that calls can come by",
            self.connections_open.clone(),
        );
        registry.register(
            "rkt_api_connections_accepted",
            "Connections that were accepted, whatever became of them",
            self.connections_accepted.clone(),
        );
        registry.register(
            "rkt_api_connections_refused",
            "Connections that were closed before any call came by them, by reason",
            self.connections_refused.clone(),
        );
        registry.register(
            "rkt_api_connections_displaced",
            "Connections without streams that were closed to make room for others",
            self.connections_displaced.clone(),
        );
        registry.register(
            "rkt_api_keepalive_timeouts",
            "Connections that were closed since their clients did not say that they are there",
            self.keepalive_timeouts.clone(),
        );
        registry.register(
            "rkt_api_connections_filled",
            "How often a connection had as many calls under way as it may, so that more wait",
            self.connections_filled.clone(),
        );
        registry.register(
            "rkt_api_accept_errors",
            "How often accepting failed because something ran out, such as descriptors",
            self.accept_errors.clone(),
        );
        registry.register(
            "rkt_api_calls_refused",
            "Calls that were ended before they were answered, by the limit that they met",
            self.calls_refused.clone(),
        );
        registry.register(
            "rkt_api_tls_reloads",
            "How often certificates were read anew and put to use",
            self.tls_reloads.clone(),
        );
        registry.register(
            "rkt_api_tls_reload_failures",
            "How often certificates were read anew and could not be used",
            self.tls_reload_failures.clone(),
        );
    }

    /// Counts a call that was refused.
    pub(super) fn refuse_call(&self, reason: CallRefusal) {
        self.calls_refused(reason).inc();
    }

    /// The count of calls that were refused for this reason.
    pub(super) fn calls_refused(&self, reason: CallRefusal) -> Counter {
        self.calls_refused
            .get_or_create(&CallLabels { reason })
            .clone()
    }

    /// Counts a connection that was refused.
    pub(super) fn refuse_connection(&self, reason: Refusal) {
        let labels = ConnectionLabels { reason };
        self.connections_refused.get_or_create(&labels).inc();
    }
}
