//! `rkt-sim db`: looking into an image index, `ql.db`.
//!
//! What the commands have in common is here: reading the file together with the log beside it.
//! The format itself is [`rkt_api::formats::ql`]'s.

mod dump;
mod json;
mod verify;

use std::{
    error::Error as StdError,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Subcommand;
use rkt_api::formats::ql::{self, Database};
use sha1::{Digest as _, Sha1};

/// How long the index may be locked. rkt's transactions take milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often to look whether it still is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Look into an image index.
///
/// Nothing is changed. A complete write-ahead log beside the file counts as applied. While the
/// file is read, its directory is locked against rkt's transactions.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dump(dump::Args),
    Verify(verify::Args),
}

/// Why an index cannot be looked into, in one plain sentence.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{}: {error}", .path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: another process keeps it locked", .path.display())]
    Locked { path: PathBuf },
    #[error("{}: {error}", .path.display())]
    Format { path: PathBuf, error: ql::Error },
    #[error("failed to print: {0}")]
    Print(#[from] io::Error),
}

/// Runs one of the commands.
pub fn run(args: Args) -> Result<ExitCode, Box<dyn StdError>> {
    Ok(match args.command {
        Command::Dump(args) => dump::run(&args)?,
        Command::Verify(args) => verify::run(&args)?,
    })
}

/// Opens the database in the file, with the log that lies beside it.
fn open(path: &Path) -> Result<Database, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::Read { path, error }
    };
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // Let go when this returns.
    let _lock = lock(dir)?;
    let file = read(path).map_err(failed(path))?;
    let log_path = dir.join(log_name(path));
    let log = match read(&log_path) {
        Ok(log) => Some(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&log_path)(error)),
    };
    let path = path.to_owned();
    Database::open(file, log.as_deref()).map_err(|error| Error::Format { path, error })
}

/// Locks the directory of an index against transactions, which take the lock exclusively.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.to_owned();
    let dir = match File::open(dir) {
        Ok(dir) => dir,
        Err(error) => return Err(Error::Read { path, error }),
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match dir.try_lock_shared() {
            Ok(()) => return Ok(dir),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(LOOK_AGAIN);
            }
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(Error::Read { path, error }),
        }
    }
}

/// The content of a regular file: reading a FIFO would not end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("this is no regular file"));
    }
    fs::read(path)
}

/// The name of the log that belongs to a file: a dot, and the SHA-1 of the file's name.
fn log_name(path: &Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};

    let name = path.file_name().unwrap_or_default();
    let digest = Sha1::digest(name.as_bytes());
    digest.iter().fold(".".to_owned(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use rkt_api::layout::store;

    use super::*;

    #[test]
    fn the_log_is_where_rkt_has_it() {
        let index = Path::new(store::DB_DIR).join(store::DB);
        assert_eq!(log_name(&index), store::DB_LOG);
    }
}
