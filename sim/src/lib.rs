//! Simulated rkt hosts.
