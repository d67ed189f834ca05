//! Journals that tests write, line by line, as the journald of a pod does.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rkt_api::{
    api::{GetLogsRequest, GetLogsResponse},
    formats::journal::{Entry, Field, Ids, Options, State, Writer},
    layout,
};
use rkt_sim::spec::Phase;
use tokio::time::timeout;
use tonic::Streaming;
use uuid::Uuid;

use crate::{
    hosts::{self, TempHost, phase_dir},
    support::{Client, at_once},
};

const BOOT: Uuid = Uuid::from_u128(0xb007);

/// How long to wait for lines, perhaps among a thousand who do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The journal of a pod without overlay, with a file that is being written.
pub struct Journal {
    machine: PathBuf,
    writer: Writer,
    file: File,
    lines: u64,
}

/// How many files there have been: each has an id of its own.
static FILES: AtomicU64 = AtomicU64::new(0);

/// The directory of the journals of a pod in `phase`.
pub fn journal_dir(data_dir: &Path, phase: Phase, id: Uuid) -> PathBuf {
    let dir = layout::pod::journal_dir(layout::pod::STAGE1_ROOTFS);
    phase_dir(data_dir, phase).join(id.to_string()).join(dir)
}

impl Journal {
    /// A journal without lines, of a pod in `run/`.
    pub fn create(data_dir: &Path, id: Uuid) -> Self {
        let dir = journal_dir(data_dir, Phase::Run, id);
        let machine = dir.join(id.simple().to_string());
        fs::create_dir_all(&machine).unwrap();
        let (writer, file) = begin(&machine, 1);
        Self {
            machine,
            writer,
            file,
            lines: 0,
        }
    }

    /// The file that is being written.
    pub fn path(&self) -> PathBuf {
        self.machine.join(layout::pod::JOURNAL)
    }

    /// Writes a line of an app; the time of line `n` is `n` seconds after the epoch.
    pub fn log(&mut self, app: &str, message: &str) {
        self.log_at((self.lines + 1) * 1_000_000, app, message);
    }

    /// Writes a line with a time of its own.
    pub fn log_at(&mut self, realtime_us: u64, app: &str, message: impl AsRef<[u8]>) {
        self.lines += 1;
        let message = message.as_ref();
        let entry = Entry {
            realtime_us,
            monotonic_us: self.lines * 1_000_000,
            boot_id: BOOT,
            fields: &[
                Field::new("MESSAGE", message),
                Field::new("SYSLOG_IDENTIFIER", app),
            ],
        };
        for change in self.writer.append(&entry).unwrap() {
            change.apply_to(&self.file).unwrap();
        }
    }

    /// Puts the file away and begins another one.
    pub fn rotate(&mut self) {
        let span = self.writer.span().unwrap();
        let archived = format!(
            "system@{}-{:016x}-{:016x}.journal",
            self.writer.seqnum_id().simple(),
            span.first_seqnum,
            span.first_realtime_us
        );
        fs::rename(self.path(), self.machine.join(archived)).unwrap();
        let archive = self.writer.set_state(State::Archived);
        archive.apply_to(&self.file).unwrap();
        (self.writer, self.file) = begin(&self.machine, span.last_seqnum + 1);
    }
}

fn begin(machine: &Path, first_seqnum: u64) -> (Writer, File) {
    let options = Options {
        first_seqnum,
        ..Options::new(Ids {
            file: Uuid::from_u128(FILES.fetch_add(1, Ordering::Relaxed).into()),
            machine: Uuid::from_u128(0x3ac41e),
            boot: BOOT,
            seqnum: Uuid::from_u128(1),
        })
    };
    let writer = Writer::new(&options).unwrap();
    let file = File::create_new(machine.join(layout::pod::JOURNAL)).unwrap();
    for change in writer.whole() {
        change.apply_to(&file).unwrap();
    }
    (writer, file)
}

/// A host with a running pod that has a journal.
pub fn host() -> (TempHost, Uuid, Journal) {
    let host = TempHost::create();
    let pod = hosts::pod(1, Phase::Run);
    host.add(&pod);
    let journal = Journal::create(host.dir(), pod.id);
    (host, pod.id, journal)
}

/// A request for all lines of a pod.
pub fn of(id: Uuid) -> GetLogsRequest {
    GetLogsRequest {
        pod_id: id.to_string(),
        ..GetLogsRequest::default()
    }
}

/// A request to follow all lines of a pod.
pub fn following(id: Uuid) -> GetLogsRequest {
    GetLogsRequest {
        follow: true,
        ..of(id)
    }
}

/// All lines of a call that ends by itself.
pub async fn lines_of(client: &mut Client, request: GetLogsRequest) -> Vec<String> {
    let mut stream = client.get_logs(request).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(response) = at_once("lines", stream.message()).await.unwrap() {
        lines.extend(response.lines);
    }
    lines
}

/// The next `count` messages of a stream that stays open, without their times.
pub async fn next(stream: &mut Streaming<GetLogsResponse>, count: usize) -> Vec<String> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let response = timeout(PATIENCE, stream.message()).await;
        let response = response.expect("more lines come").unwrap();
        let lines = response.expect("the stream stays open").lines;
        messages.extend(lines.iter().map(|line| message(line).to_owned()));
    }
    messages
}

/// What a line says, without its time.
pub fn message(line: &str) -> &str {
    line.split_once("MESSAGE=")
        .map_or(line, |(_, message)| message)
}
