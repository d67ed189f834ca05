//! The two ways to answer.

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
