//! The commands of living hosts: what they are told, where their steps come from and what
//! they print. What steps do is the library's.

pub mod hold;
pub mod live;

mod signals;
mod source;
