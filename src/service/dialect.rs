//! The two ways to answer.

use std::fmt;

/// Whose word a client goes by where the document and the historical server differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// The API's document.
    #[default]
    Documented,
    /// The shapes that rkt 1.30.0 gave, for clients written against it.
    #[value(name = "rkt-1.30")]
    Rkt130,
}

impl fmt::Display for Dialect {
    /// As it is called on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documented => "documented",
            Self::Rkt130 => "rkt-1.30",
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn dialects_are_called_the_same_everywhere() {
        for dialect in Dialect::value_variants() {
            assert_eq!(Dialect::from_str(&dialect.to_string(), false), Ok(*dialect));
        }
    }
}
