//! A page on the terminal that standard output is: a screen of its own, which gives way to
//! what was there before when it is dropped.

use std::{
    env,
    io::{self, IsTerminal as _, Stdout, Write as _},
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    execute, queue,
    style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor},
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
        LeaveAlternateScreen,
    },
};
use rkt_api::api::PodState;
use rustix::termios::tcgetwinsize;

use super::{
    layout::Size,
    line::{self, Line, Span, Style},
};

/// The size of a terminal that does not tell its own.
const USUAL: Size = Size {
    width: 80,
    height: 24,
};

/// Whether standard output is a terminal that can be drawn on.
pub fn is_there() -> bool {
    io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The terminal while it shows pages.
pub struct Screen {
    out: Stdout,
}

impl Screen {
    /// Puts what is on the terminal aside.
    pub fn open() -> io::Result<Self> {
        let mut screen = Self { out: io::stdout() };
        execute!(screen.out, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// How large the terminal is by now.
    pub fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(&self.out)?;
        Ok(match (size.ws_col, size.ws_row) {
            (0, _) | (_, 0) => USUAL,
            (width, height) => Size {
                width: width.into(),
                height: height.into(),
            },
        })
    }

    /// Draws the lines, as many as a terminal of this size has, over those that were there.
    pub fn draw(&mut self, lines: &[Line], size: Size) -> io::Result<()> {
        let page = encode(lines, size.width)?;
        self.out.write_all(&page)?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no care.
        let _ = execute!(self.out, Show, LeaveAlternateScreen);
    }
}

/// What makes a terminal show the lines, to be written at once. Nothing is cleared before it
/// is written over, so that nothing flickers. Colours are left out where `NO_COLOR` is set.
fn encode(lines: &[Line], width: usize) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    queue!(page, BeginSynchronizedUpdate)?;
    for (row, line) in (0..).zip(lines) {
        queue!(page, MoveTo(0, row))?;
        for Span { text, style } in line {
            match style {
                Style::Plain => queue!(page, Print(text))?,
                Style::Strong => with(&mut page, Attribute::Bold, text)?,
                Style::Faint => with(&mut page, Attribute::Dim, text)?,
                Style::State(state) => queue!(
                    page,
                    SetForegroundColor(colour(*state)),
                    Print(text),
                    ResetColor
                )?,
            }
        }
        // At the end of a full line the cursor still is on the last character.
        if line::width(line) < width {
            queue!(page, Clear(ClearType::UntilNewLine))?;
        }
    }
    queue!(page, EndSynchronizedUpdate)?;
    Ok(page)
}

fn with(page: &mut Vec<u8>, attribute: Attribute, text: &str) -> io::Result<()> {
    queue!(
        page,
        SetAttribute(attribute),
        Print(text),
        SetAttribute(Attribute::Reset)
    )
}

/// One of the colours that terminals have for any background.
fn colour(state: PodState) -> Color {
    match state {
        PodState::Running => Color::DarkGreen,
        PodState::Embryo | PodState::Preparing => Color::DarkYellow,
        PodState::Prepared => Color::DarkCyan,
        PodState::Exited => Color::DarkMagenta,
        PodState::AbortedPrepare => Color::DarkRed,
        PodState::Deleting | PodState::Garbage | PodState::Undefined => Color::DarkGrey,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line_keeps_its_last_character() {
        let line = vec![Span::plain("ab"), Span::plain("cd")];
        let lines = [line];
        let encoded = |width| String::from_utf8(encode(&lines, width).unwrap()).unwrap();
        assert!(encoded(5).contains("abcd\x1b[K"));
        assert!(!encoded(4).contains("\x1b[K"));
    }
}
