//! The commands, a module each: what they are told, and what they print. What they do is the
//! library's. Beside them is what several print with or wait for.

pub mod break_host;
pub mod db;
pub mod demo;
pub mod faults;
pub mod generate;
pub mod hold;
pub mod live;
pub mod schema;
pub mod show;

mod print;
mod progress;
mod signals;
mod source;
mod table;
