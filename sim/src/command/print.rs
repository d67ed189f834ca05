//! Printing on standard output for commands that say something and end.

use std::io::{self, BufWriter, ErrorKind, Write};

/// Prints with `print`. That whoever reads has seen enough is no error.
pub fn to_stdout(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
