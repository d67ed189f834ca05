//! What is counted of calls. Calls take no lock that all of them share: each method has its own
//! counters, made the first time that they are needed.

use std::{array, sync::OnceLock, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tonic::Code;

use super::method::{self, METHODS};

/// Upper bounds of the buckets of durations. Most calls are answered from memory; what takes
/// longer reads the disk, waits for the image index (2 s by default), or is in trouble.
const BUCKETS_S: [f64; 14] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// The names of the codes of gRPC, each where its number says.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabel {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    code: &'static str,
}

/// The counters of all methods.
#[derive(Debug)]
pub(in crate::server) struct CallCounts {
    requests: Family<RequestLabels, Counter>,
    durations: Family<MethodLabel, Histogram, fn() -> Histogram>,
    streams_open: Family<MethodLabel, Gauge>,
    methods: [MethodCounts; method::COUNT],
    calls_per_connection: u32,
    /// How often a connection had as many calls under way as that.
    connections_filled: Counter,
}

/// The counters of one method.
#[derive(Debug)]
struct MethodCounts {
    by_code: [OnceLock<Counter>; CODES.len()],
    duration: Histogram,
    /// Of a method that answers with a stream.
    open: Option<Gauge>,
}

/// The name of a code.
pub(super) fn code_name(code: Code) -> &'static str {
    CODES[code as usize]
}

impl CallCounts {
    /// Counts of nothing yet. See [`CallLayer::new`](super::CallLayer::new).
    pub(super) fn new(calls_per_connection: u32, connections_filled: Counter) -> Self {
        let durations: fn() -> Histogram = || Histogram::new(BUCKETS_S);
        let durations = Family::new_with_constructor(durations);
        let streams_open = Family::default();
        let methods = METHODS.map(|method| {
            let label = MethodLabel {
                method: method.label,
            };
            MethodCounts {
                by_code: array::from_fn(|_| OnceLock::new()),
                duration: durations.get_or_create_owned(&label),
                open: method
                    .is_streaming
                    .then(|| streams_open.get_or_create_owned(&label)),
            }
        });
        let counts = Self {
            requests: Family::default(),
            durations,
            streams_open,
            methods,
            calls_per_connection,
            connections_filled,
        };
        // A rate needs something to begin with.
        for place in 0..method::COUNT {
            counts.requests(place, Code::Ok);
        }
        counts
    }

    /// Adds these metrics to those that are told.
    pub(in crate::server) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rkt_api_requests",
            "gRPC calls that have ended, by method and status code",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "rkt_api_request_duration",
            "How long gRPC calls took: unary ones until their answer was handed to the transport, \
             streams until they began or were refused",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "rkt_api_streams_open",
            "gRPC calls under way that answer with a stream",
            self.streams_open.clone(),
        );
    }

    /// Notes that a call of the method at `place` has begun, one of so many on its connection.
    pub(super) fn begin(&self, place: usize, calls: u32) {
        if calls == self.calls_per_connection {
            self.connections_filled.inc();
        }
        if let Some(open) = &self.methods[place].open {
            open.inc();
        }
    }

    /// Notes how long a call took.
    pub(super) fn time(&self, place: usize, duration: Duration) {
        self.methods[place].duration.observe(duration.as_secs_f64());
    }

    /// Notes that a call has ended.
    pub(super) fn end(&self, place: usize, code: Code) {
        if let Some(open) = &self.methods[place].open {
            open.dec();
        }
        self.requests(place, code).inc();
    }

    /// The calls of the method at `place` that have ended with `code`.
    pub(super) fn requests(&self, place: usize, code: Code) -> &Counter {
        self.methods[place].by_code[code as usize].get_or_init(|| {
            self.requests.get_or_create_owned(&RequestLabels {
                method: METHODS[place].label,
                code: code_name(code),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_that_grpc_gives_them() {
        for (number, name) in (0..).zip(CODES) {
            let code = Code::from_i32(number);
            assert_eq!(code as i32, number);
            assert_eq!(code_name(code), name);
            // `NotFound` is NOT_FOUND.
            let joined = name.replace('_', "").to_lowercase();
            assert_eq!(format!("{code:?}").to_lowercase(), joined);
        }
        assert_eq!(Code::from_i32(CODES.len() as i32), Code::Unknown);
    }
}
