//! Checks servers of rkt's `v1alpha.PublicAPI` against the behaviour contract.
//!
//! A [`clause`] is one promise of the contract, a [`case`] one way to hold a server to it;
//! [`cases`] has all of them. [`run`] runs them against a [`target`], [`report`] tells what
//! came out. Cases need no knowledge of the host: they check the server against its own
//! answers, for which [`survey`] gathers them and [`filters`] evaluates conditions.
//!
//! Of the server's crate only `rkt_api::api` is used, the generated messages and client: what
//! judges the server must not share its code. The program is in `main.rs`.

pub mod case;
pub mod cases;
pub mod clause;
pub mod clock;
pub mod descriptors;
pub mod environment;
pub mod exit;
pub mod filters;
pub mod hosts;
pub mod known;
pub mod launch;
pub mod lent;
pub mod lies;
pub mod made;
pub mod model;
pub mod profile;
pub mod random;
pub mod report;
pub mod run;
pub mod select;
pub mod serve_model;
pub mod setting;
pub mod source;
pub mod stage;
pub mod stream;
pub mod survey;
pub mod target;

mod exchange;
mod forks;
mod manifest;
mod oracle;
mod output;
mod plan;
mod ports;
mod process;
mod resource;
mod server;
mod text;
mod wire;
