//! Answers as text: tables and details for people, documents for programs. All of it is pure: the
//! width of the page and the time come with the [`Look`].

mod details;
pub mod document;
pub mod events;
pub mod images;
pub mod info;
pub mod pods;
pub mod table;
pub mod text;
mod words;

use jiff::Timestamp;

/// How tables and details are to look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// How many columns a line may have; as many as it takes where there is none.
    pub width: Option<usize>,
    /// Whether there may be colours.
    pub has_colour: bool,
    /// Whether there are more columns than the usual.
    pub is_wide: bool,
    /// Whether ids are shown whole.
    pub is_whole: bool,
    /// What time it is: ages are counted from here.
    pub now: Timestamp,
}

impl Look {
    /// An id as it's shown.
    fn id<'a>(&self, id: &'a str) -> &'a str {
        match self.is_whole {
            true => id,
            false => crate::ids::short(id),
        }
    }
}
