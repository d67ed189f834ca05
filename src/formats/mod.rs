//! The file formats of a data directory: bytes to types, and types to bytes.
//!
//! Each format is a small library with its own documentation and tests. None of them
//! opens a file, takes a lock, knows where a file lies, or knows what the API makes of it.

pub mod appc;
pub mod journal;
pub mod netinfo;
pub mod ql;
