//! Which of the two dialects a server is expected to speak. What exactly differs is said where
//! it is checked, beside the clause; here are only the names.

use std::fmt;

use clap::ValueEnum;

/// Whose word the server goes by where the API's document and rkt 1.30.0 differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// The API's document.
    #[default]
    Documented,
    /// The shapes that rkt 1.30.0 gave (the contract's square brackets).
    #[value(name = "rkt-1.30")]
    Rkt130,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As the command line has it. No variant is hidden there.
        self.to_possible_value()
            .map_or(Ok(()), |value| f.pad(value.get_name()))
    }
}
