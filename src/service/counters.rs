//! What calls count of their streams.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// Counts of all streams since the start.
#[derive(Clone, Debug)]
pub(crate) struct StreamCounters {
    /// Events sent to listeners.
    pub(super) events_sent: Counter,
    losses: Family<LossLabel, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabel {
    reason: &'static str,
}

/// Why a listener cannot have all events that it asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    /// It asked for a past of which not all is kept: OUT_OF_RANGE.
    NotKept,
    /// It did not read on, and its stream was ended: RESOURCE_EXHAUSTED (E-14).
    TooSlow,
}

impl Loss {
    fn label(self) -> LossLabel {
        LossLabel {
            reason: match self {
                Self::NotKept => "not_kept",
                Self::TooSlow => "too_slow",
            },
        }
    }
}

impl Default for StreamCounters {
    fn default() -> Self {
        let losses = Family::default();
        for loss in [Loss::NotKept, Loss::TooSlow] {
            drop(losses.get_or_create(&loss.label()));
        }
        Self {
            events_sent: Counter::default(),
            losses,
        }
    }
}

impl StreamCounters {
    /// Adds these metrics to those that are told.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rkt_api_events_sent",
            "Events sent, counted once for each listener",
            self.events_sent.clone(),
        );
        registry.register(
            "rkt_api_event_losses",
            "Listeners who could not have all events: the past that they asked for is no longer \
             kept, or they were too slow and their stream was ended",
            self.losses.clone(),
        );
    }

    /// Notes that a listener lost events.
    pub(super) fn lose(&self, loss: Loss) {
        self.losses.get_or_create(&loss.label()).inc();
    }
}
