//! The read-only gRPC API service of the rkt container runtime, as a library.
//!
//! [`server`] is the whole service; [`api`] its messages, client and server. [`formats`] and
//! [`layout`] describe what is on the disk, for programs that write it. How the parts belong
//! together is told in `ARCHITECTURE.md`.

pub mod api;
pub mod formats;
pub mod layout;
pub mod server;

mod clock;
mod filter;
mod host;
mod inventory;
mod logs;
mod service;
mod trouble;
