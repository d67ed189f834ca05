//! The read-only gRPC API service of the rkt container runtime, as a library.

pub mod api;
pub mod formats;
