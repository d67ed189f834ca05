//! Transactions on the image index, in both ways in which it is written: in place by way of
//! the write-ahead log, as rkt's engine does it, and the whole file anew. What changes in the
//! rows is for `images` to say.
//!
//! Either way the exclusive lock on the directory is held from before the file is opened until
//! after it is closed; rkt waits for it as long as it takes, and so do we.

use std::{fs::File, io, path::Path};

use rkt_api::{
    formats::ql::{
        self, Commit, Database,
        rkt::{self, Schema},
    },
    layout::store,
};

use super::{
    disk::{Disk, failed},
    player::StepError,
    record::ActionKind,
    step::Transaction,
};

/// The mode of the index and its log, as rkt's set-up script makes them.
const FILE: u32 = 0o660;
/// The mode of the engine's lock file.
const LOCK: u32 = 0o666;

/// The rows of the index, those written last first.
pub(super) struct Rows {
    pub(super) images: Vec<rkt::Image>,
    pub(super) remotes: Vec<rkt::Remote>,
}

impl Rows {
    fn read(db: &Database) -> Result<Self, ql::Error> {
        Ok(Self {
            images: rkt::images(db)?.collect::<Result<_, _>>()?,
            remotes: rkt::remotes(db)?.collect::<Result<_, _>>()?,
        })
    }
}

/// Changes rows of the index, in one transaction.
///
/// A log that a crash has left is carried out first: while a new one is written in its place, the
/// file has to be whole.
pub(super) fn transact(
    disk: &mut Disk,
    via: Transaction,
    change: impl FnOnce(&mut Rows),
) -> Result<(), StepError> {
    let lock = lock(&disk.at(store::DB_DIR)).map_err(failed("lock", store::DB_DIR))?;
    disk.note(ActionKind::Lock, store::DB_DIR);
    let done = carry_out_log(disk).and_then(|()| match via {
        Transaction::Log => in_place(disk, change),
        Transaction::Rewrite => rewrite(disk, change),
    });
    drop(lock);
    disk.note(ActionKind::Close, store::DB_DIR);
    done
}

/// Reads the rows of the index as they are now.
pub(super) fn read(data_dir: &Path) -> Result<Rows, StepError> {
    let disk = Disk::new(data_dir);
    let _lock = lock(&disk.at(store::DB_DIR)).map_err(failed("lock", store::DB_DIR))?;
    Ok(open(&disk)?.rows)
}

/// The files of the index, and what they say together.
struct Opened {
    file: Vec<u8>,
    log: Vec<u8>,
    db: Database,
    rows: Rows,
}

fn open(disk: &Disk) -> Result<Opened, StepError> {
    let read = |name: &str| match disk.exists(&at(name)) {
        true => disk.read(&at(name)),
        false => Ok(Vec::new()),
    };
    let (file, log) = (read(store::DB)?, read(store::DB_LOG)?);
    let db = Database::open(file.clone(), Some(&log)).map_err(StepError::Index)?;
    let rows = Rows::read(&db).map_err(StepError::Index)?;
    Ok(Opened {
        file,
        log,
        db,
        rows,
    })
}

/// Does what the log says, and empties it. Cut off at any moment, it can be done again.
fn carry_out_log(disk: &mut Disk) -> Result<(), StepError> {
    let (db_path, log_path) = (at(store::DB), at(store::DB_LOG));
    let Opened { file, log, db, .. } = open(disk)?;
    if log.is_empty() {
        return Ok(());
    }
    if *db.file() != file {
        let commit = Commit::between(&file, db.file());
        disk.overwrite(&db_path, commit.writes())?;
        disk.truncate(&db_path, commit.file_len())?;
        disk.sync(&db_path)?;
    }
    disk.truncate(&log_path, 0)?;
    disk.sync(&log_path)
}

/// The engine's way: log, flush, apply, truncate, flush, empty the log, flush.
fn in_place(disk: &mut Disk, change: impl FnOnce(&mut Rows)) -> Result<(), StepError> {
    let (db, log, lock) = (at(store::DB), at(store::DB_LOG), at(store::DB_LOCK));
    let Opened { mut file, rows, .. } = open(disk)?;
    disk.write(&lock, LOCK, b"")?;
    if !disk.exists(&log) {
        disk.write(&log, FILE, b"")?;
    }
    let initialised = ql::initialised();
    if file.len() < initialised.len() {
        disk.write(&db, FILE, &initialised)?;
        file = initialised;
    }
    let commit = Commit::between(&file, &changed(rows, change)?);

    disk.write(&log, FILE, &commit.log())?;
    disk.sync(&log)?;
    disk.overwrite(&db, commit.writes())?;
    disk.truncate(&db, commit.file_len())?;
    disk.sync(&db)?;
    disk.truncate(&log, 0)?;
    disk.sync(&log)?;
    disk.remove(&lock)
}

/// A new file beside the old one, flushed, and renamed over it.
fn rewrite(disk: &mut Disk, change: impl FnOnce(&mut Rows)) -> Result<(), StepError> {
    let db = at(store::DB);
    let opened = open(disk)?;
    let half = format!("{db}.new");
    disk.write(&half, FILE, &changed(opened.rows, change)?)?;
    disk.sync(&half)?;
    disk.rename(&half, &db)?;
    disk.sync(store::DB_DIR)
}

/// The file with the changed rows in it.
fn changed(mut rows: Rows, change: impl FnOnce(&mut Rows)) -> Result<Vec<u8>, StepError> {
    change(&mut rows);
    rkt::write(Schema::LATEST, &rows.images, &rows.remotes).map_err(StepError::Index)
}

fn lock(dir: &Path) -> io::Result<File> {
    let dir = File::open(dir)?;
    dir.lock()?;
    Ok(dir)
}

/// The path of a file of the index, below the data directory.
fn at(name: &str) -> String {
    format!("{}/{name}", store::DB_DIR)
}
