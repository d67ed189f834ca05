//! What the program finds around it: where the answer goes, how wide that is, and what time it
//! is. Everything else is given these, so that tests can give others.

use std::{
    env,
    io::{self, IsTerminal as _, Write},
};

use jiff::Timestamp;
use rustix::termios::tcgetwinsize;

/// The size of a terminal that does not tell its own.
const USUAL: Size = Size {
    width: 80,
    height: 24,
};

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// What is around the program.
pub struct Environment {
    /// Where answers are written.
    pub out: Box<dyn Write>,
    /// The size of the terminal that answers are written on; none where it is none.
    pub size: fn() -> Option<Size>,
    /// Whether there may be colours.
    pub has_colour: bool,
    /// What time it is.
    pub now: fn() -> Timestamp,
}

impl Environment {
    /// What is around this process.
    pub fn of_process() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            out: Box::new(io::stdout()),
            size: stdout_size,
            // https://no-color.org
            has_colour: io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb,
            now: Timestamp::now,
        }
    }

    /// Writes text, at once: whoever follows sees it as it comes.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

fn stdout_size() -> Option<Size> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&stdout).ok();
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    Some(size.map_or(USUAL, |size| Size {
        width: size.ws_col.into(),
        height: size.ws_row.into(),
    }))
}
