//! Whoever writes the image index is killed in the middle of a transaction, in both ways in which
//! it is written: whatever was written until then, the index is the old one or the new one, at once
//! and for good; so it is for a server that is started then, and for the next who writes.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{GetInfoRequest, Image},
    formats::ql::Commit,
    layout::store,
};
use rkt_sim::live::{
    Player,
    step::{ImageName, Import, Step},
};
use tonic::Code;

use super::{Holder, kill};
use crate::{
    hosts::TempHost,
    store::{base_names, count_pods, host, import_but_for_index, index, list},
    support::{Client, Server, at_once},
};

/// One thing that whoever writes has the system do.
#[derive(Clone, Debug)]
enum Act {
    /// The file is made or emptied.
    Create(PathBuf),
    /// Of these bytes, as many may have been written as one likes.
    Write(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    Rename(PathBuf, PathBuf),
}

impl Act {
    fn perform(&self) {
        match self {
            Self::Create(path) => drop(File::create(path).unwrap()),
            Self::Write(path, offset, bytes) => {
                let file = File::options().write(true).open(path).unwrap();
                file.write_all_at(bytes, *offset).unwrap();
            }
            Self::Truncate(path, len) => {
                let file = File::options().write(true).open(path).unwrap();
                file.set_len(*len).unwrap();
            }
            Self::Rename(from, to) => fs::rename(from, to).unwrap(),
        }
    }

    /// What may have been done of it when whoever does it is killed, if not nothing and not all.
    fn torn(&self) -> Vec<Self> {
        let Self::Write(path, offset, bytes) = self else {
            return vec![];
        };
        let cuts = [1, bytes.len() / 2, bytes.len() - 1];
        let torn = cuts.map(|cut| Self::Write(path.clone(), *offset, bytes[..cut].to_vec()));
        torn.into()
    }
}

/// What a transaction does, and how much of that has to be done for it to count.
struct Transaction {
    acts: Vec<Act>,
    counts_after: usize,
}

/// The paths of the index and of its log.
fn files(dir: &Path) -> (PathBuf, PathBuf) {
    let db = index(dir);
    let log = db.with_file_name(store::DB_LOG);
    (db, log)
}

impl Transaction {
    /// In place, by way of the write-ahead log.
    fn by_log(dir: &Path, before: &[u8], after: &[u8]) -> Self {
        let (db, log) = files(dir);
        let commit = Commit::between(before, after);
        let mut acts = vec![
            Act::Create(log.clone()),
            Act::Write(log.clone(), 0, commit.log()),
        ];
        let counts_after = acts.len();
        let write = |(offset, bytes): (u64, &[u8])| Act::Write(db.clone(), offset, bytes.to_vec());
        acts.extend(commit.writes().map(write));
        acts.push(Act::Truncate(db.clone(), commit.file_len()));
        acts.push(Act::Truncate(log, 0));
        Self { acts, counts_after }
    }

    /// As a new file, renamed over the old one.
    fn by_rename(dir: &Path, after: &[u8]) -> Self {
        let (db, _) = files(dir);
        let new = db.with_extension("db.new");
        let acts = vec![
            Act::Create(new.clone()),
            Act::Write(new.clone(), 0, after.to_vec()),
            Act::Rename(new, db),
        ];
        let counts_after = acts.len();
        Self { acts, counts_after }
    }

    /// Every point at which it can be cut off: what was done, and whether it counts.
    fn points(&self) -> Vec<(Vec<Act>, bool)> {
        let mut points = Vec::new();
        for (number, act) in self.acts.iter().enumerate() {
            let before = &self.acts[..number];
            let counts = number >= self.counts_after;
            points.push((before.to_vec(), counts));
            for torn in act.torn() {
                points.push(([before, &[torn]].concat(), counts));
            }
        }
        points.push((self.acts.clone(), true));
        points
    }
}

/// The names of the images that the index has.
async fn names(client: &mut Client) -> Vec<String> {
    let images: Vec<Image> = list(client).await.unwrap();
    base_names(&images).into_iter().map(str::to_owned).collect()
}

/// Puts the index back as it was, by a transaction that nobody cuts off.
fn put_back(dir: &Path, before: &[u8]) {
    let lock = File::open(dir.join(store::DB_DIR)).unwrap();
    lock.lock().unwrap();
    let (db, log) = files(dir);
    fs::write(db, before).unwrap();
    fs::write(log, "").unwrap();
    lock.unlock().unwrap();
}

const OLD: [&str; 5] = ["busybox", "nginx", "redis", "etcd", "web"];
const NEW: [&str; 6] = ["new", "busybox", "nginx", "redis", "etcd", "web"];

/// How long servers wait for the lock: longer than a test lasts, or hardly at all.
const PATIENT: &str = "--store-lock-timeout=1h";
const HASTY: &str = "--store-lock-timeout=20ms";

/// Cuts the transaction off at each point, with a server that has seen the old index; at some also
/// with one that is started then.
async fn cut_off(host: &TempHost, before: &[u8], transaction: &Transaction) {
    let dir = host.dir();
    let db_dir = dir.join(store::DB_DIR);
    let hasty = Server::start(dir, &[HASTY]);
    let mut hasty = (hasty.client().await, hasty);
    let patient = Server::start(dir, &[PATIENT]);
    let mut patient = (patient.client().await, patient);
    let points = transaction.points();
    for (number, (acts, counts)) in points.iter().enumerate() {
        let why = format!("point {number} of {}", points.len());
        put_back(dir, before);
        assert_eq!(names(&mut hasty.0).await, OLD, "{why}");
        assert_eq!(names(&mut patient.0).await, OLD, "{why}");

        let holder = Holder::lock(&db_dir);
        acts.iter().for_each(Act::perform);
        // As long as it is not known what comes of it, nothing has come of it.
        assert_eq!(names(&mut hasty.0).await, OLD, "{why}");
        let starts_anew = number % 4 == 0;
        if starts_anew {
            // Killed just when a call waits for the lock, and started while it is held.
            let mut waiting = patient.0.clone();
            let waiting = tokio::spawn(async move { list(&mut waiting).await });
            at_once("GetInfo", patient.0.get_info(GetInfoRequest {}))
                .await
                .unwrap();
            kill(patient.1).await;
            // It may not have had to wait, where nothing was written.
            if let Ok(images) = waiting.await.unwrap() {
                assert_eq!(base_names(&images), OLD, "{why}");
            }
            kill(hasty.1).await;
            let server = Server::start(dir, &[HASTY]);
            hasty = (server.client().await, server);
            let refused = list(&mut hasty.0).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{why}: {refused}");
            assert_eq!(count_pods(&mut hasty.0).await, 1, "{why}");
            let server = Server::start(dir, &[PATIENT]);
            patient = (server.client().await, server);
        }
        let mut waiting = patient.0.clone();
        let waiting = tokio::spawn(async move { names(&mut waiting).await });
        holder.kill();
        let expected: &[&str] = if *counts { &NEW } else { &OLD };
        // The one waits for the lock as long as it takes.
        assert_eq!(names(&mut patient.0).await, expected, "{why}");
        assert_eq!(names(&mut hasty.0).await, expected, "{why}");
        assert_eq!(waiting.await.unwrap(), expected, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_by_the_log_counts_or_does_not() {
    let host = host();
    let before = fs::read(index(host.dir())).unwrap();
    let after = import_but_for_index(&host);
    let transaction = Transaction::by_log(host.dir(), &before, &after);
    assert!(transaction.acts.len() >= 8, "{}", transaction.acts.len());
    cut_off(&host, &before, &transaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_by_renaming_counts_or_does_not() {
    let host = host();
    let before = fs::read(index(host.dir())).unwrap();
    let after = import_but_for_index(&host);
    let transaction = Transaction::by_rename(host.dir(), &after);
    cut_off(&host, &before, &transaction).await;
}

/// Who writes next finds what was cut off, and is itself answered for.
#[tokio::test]
async fn the_next_transaction_makes_it_whole() {
    let host = host();
    let before = fs::read(index(host.dir())).unwrap();
    let after = import_but_for_index(&host);
    let server = Server::start(host.dir(), &[PATIENT]);
    let mut client = server.client().await;
    let by_log = Transaction::by_log(host.dir(), &before, &after);
    let by_rename = Transaction::by_rename(host.dir(), &after);
    for transaction in [by_log, by_rename] {
        for (number, (acts, counts)) in transaction.points().into_iter().enumerate() {
            put_back(host.dir(), &before);
            let holder = Holder::lock(&host.dir().join(store::DB_DIR));
            acts.iter().for_each(Act::perform);
            holder.kill();
            let mut player = Player::open(host.dir()).unwrap();
            let next = Import::new(ImageName::new("example.com/next", "1.0"));
            player.play(&Step::Import(next)).unwrap();
            let expected: &[&str] = if counts { &NEW } else { &OLD };
            let expected = [&["next"], expected].concat();
            assert_eq!(names(&mut client).await, expected, "point {number}");
        }
    }
}
