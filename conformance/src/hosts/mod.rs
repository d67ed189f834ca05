//! The hosts that cases are tried on, by name. Each is a description that the simulator writes
//! and the model reads; which cases need which is said in [`crate::cases`]. Process ids on them
//! are beyond those that Linux gives, so that whatever runs on the machine changes nothing.

pub mod filters;
pub mod images;
pub mod states;

pub(crate) mod parts;

pub mod events;

pub mod logs;

pub mod disk;

use std::fmt;

pub use filters::FILTERS;
pub use images::IMAGES;
pub use states::STATES;

use rkt_sim::spec::HostSpec;

/// A host that cases can name.
pub struct HostDef {
    /// Its name, one word.
    pub name: &'static str,
    /// What is on it, in a line.
    pub about: &'static str,
    /// Its description, the same each time.
    pub spec: fn() -> HostSpec,
}

impl fmt::Debug for HostDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostDef({})", self.name)
    }
}

/// A host with nothing on it.
pub static EMPTY: HostDef = HostDef {
    name: "empty",
    about: "no pods and no images",
    spec: HostSpec::default,
};

/// All of them.
pub static ALL: &[&HostDef] = &[
    &EMPTY,
    &FILTERS,
    &IMAGES,
    &STATES,
    &events::OLD,
    &logs::STILL,
    &logs::LARGE,
    &logs::LIVING,
    &logs::FILES,
    &disk::SMALL,
    &disk::VICTIMS,
];
