//! Lines of a page: text, and how it is to look. What that means on a terminal is not known
//! here.

use rkt_api::api::PodState;

use crate::command::table::cut;

/// A line of a page.
pub type Line = Vec<Span>;

/// A piece of a line.
#[derive(Clone, Debug)]
pub struct Span {
    pub text: String,
    pub style: Style,
}

/// How a piece of text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// What the eye is to find first.
    Strong,
    /// What it is not to be caught by.
    Faint,
    /// What is in this state.
    State(PodState),
}

impl Span {
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::Plain)
    }

    pub fn strong(text: impl Into<String>) -> Self {
        Self::new(text, Style::Strong)
    }

    pub fn faint(text: impl Into<String>) -> Self {
        Self::new(text, Style::Faint)
    }

    pub fn state(text: impl Into<String>, state: PodState) -> Self {
        Self::new(text, Style::State(state))
    }

    fn new(text: impl Into<String>, style: Style) -> Self {
        let text = text.into();
        Self { text, style }
    }
}

/// How many characters a line has.
pub fn width(line: &Line) -> usize {
    line.iter().map(|span| span.text.chars().count()).sum()
}

/// The line, or as much of it as fits.
pub fn cut_line(line: Line, width: usize) -> Line {
    let mut left = width;
    let cut = |Span { text, style }| {
        let text = cut(&text, left);
        left -= text.chars().count();
        Span { text, style }
    };
    line.into_iter().map(cut).collect()
}
