//! What a pod's own journald has written: the lines of its apps, and those of the systemd
//! that starts them.
//!
//! Which fields a line has is decided here; how a journal file is made is
//! [`rkt_api::formats::journal`]'s business, where it lies `pod`'s, and when lines come to a
//! living one `live`'s.

use std::{borrow::Cow, io};

use rkt_api::{
    formats::journal::{self, Entry, Field, Ids, Options, State, Writer},
    layout::{self, Phase},
};
use sha2::{Digest as _, Sha512};
use uuid::Uuid;

use crate::spec::{App, Journal, Pod, Torn};

/// How long before the first line the pod's clock was started.
pub(crate) const BEFORE_FIRST_LINE_US: i64 = 700_000;

/// The most that the kernel keeps of a process's name.
const MAX_COMM_BYTES: usize = 15;

/// What names of journals that were put away begin with.
pub(crate) const ARCHIVED: &str = "system@";
/// What names of journals end with, unless they were found damaged.
pub(crate) const SUFFIX: &str = ".journal";

/// How much of the first object is left that was not written to the end, in bytes: a head, and
/// not much more.
const TORN_OBJECT_BYTES: usize = 24;

/// The name of the directory that a pod's journals lie in, its machine id.
pub(crate) fn machine_id(pod: Uuid) -> String {
    pod.simple().to_string()
}

/// What a file is called that was archived.
pub(crate) fn archived_name(writer: &Writer) -> String {
    let span = writer.span();
    let (seqnum, realtime_us) =
        span.map_or((0, 0), |span| (span.first_seqnum, span.first_realtime_us));
    let series = writer.seqnum_id().simple();
    format!("{ARCHIVED}{series}-{seqnum:016x}-{realtime_us:016x}{SUFFIX}")
}

/// What a file is called that was found not closed, at that time; `chance` keeps names apart.
pub(crate) fn dirty_name(found_us: u64, chance: u64) -> String {
    format!("{ARCHIVED}{found_us:016x}-{chance:016x}{SUFFIX}~")
}

/// What an entry of a pod's journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// When it was written, microseconds since the epoch.
    pub at_us: i64,
    /// Who has written it, the field `SYSLOG_IDENTIFIER`: an app's name, or `systemd`.
    pub identifier: String,
    /// The field `MESSAGE`; newlines may be in it. Bytes that are no UTF-8 are U+FFFD.
    pub message: String,
}

impl Pod {
    /// What the pod's journal says, in the order of writing: the lines of its apps and those of
    /// the systemd that starts them, whether the pod has come far enough to have a journal or
    /// not. Without any there is none. Entries without `MESSAGE` are left out, and so is what a
    /// torn file has lost.
    pub fn journal_lines(&self) -> Vec<JournalLine> {
        self.journal_files().concat()
    }

    /// The same by files, in the order in which these were written.
    pub fn journal_files(&self) -> Vec<Vec<JournalLine>> {
        let lines = lines(self);
        let parts = parts(&lines, &self.journal);
        let torn = torn_part(&self.journal, parts.len());
        let survive = |(place, part): (usize, &[Line<'_>])| {
            let lost = usize::from(torn.is_some_and(|(torn, _)| torn == place));
            let left = part.len().saturating_sub(lost);
            part[..left]
                .iter()
                .filter_map(|line| line.shown(self))
                .collect()
        };
        parts.into_iter().enumerate().map(survive).collect()
    }
}

/// An entry of the journal.
struct Line<'a> {
    at_us: i64,
    /// When it came into the journal by a clock that is never set back.
    written_us: i64,
    app: &'a App,
    said: Said<'a>,
}

/// What an entry says.
#[derive(Clone, Copy)]
pub(crate) enum Said<'a> {
    /// What systemd says when it starts the app.
    Started,
    /// What the app has written.
    Text(&'a str),
    /// Other fields than those that a line of the app's has.
    Fields(&'a [(String, Vec<u8>)]),
}

/// Names and values of an entry's fields.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, Cow<'a, [u8]>)>;

impl Line<'_> {
    /// What is to be seen of it; `None` without a message.
    fn shown(&self, pod: &Pod) -> Option<JournalLine> {
        let fields = fields(pod, self.app, self.said, Uuid::nil());
        let text = |name| {
            let (_, value) = fields.iter().find(|(field, _)| *field == name)?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        Some(JournalLine {
            at_us: self.at_us,
            identifier: text("SYSLOG_IDENTIFIER").unwrap_or_default(),
            message: text("MESSAGE")?,
        })
    }
}

/// A file of the journal.
pub(crate) struct JournalFile {
    /// Its name.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
    /// When it was changed last, but for being closed; microseconds since the epoch.
    pub(crate) changed_us: i64,
}

/// The files of the pod's journal, in the order in which they were written; none where no app
/// has written anything.
///
/// # Errors
///
/// When an entry cannot be in a journal: before 1970, too long, or with fields that none has.
pub(crate) fn files(pod: &Pod) -> io::Result<Vec<JournalFile>> {
    let lines = lines(pod);
    let Some(first) = lines.first() else {
        return Ok(Vec::new());
    };
    let parts = parts(&lines, &pod.journal);
    let torn = torn_part(&pod.journal, parts.len());
    let boot_id = id(pod.id, "boot");
    let file_id = |place| match place {
        place if place + 1 == parts.len() => id(pod.id, "file"),
        place => id(pod.id, &format!("file {place}")),
    };
    let mut files = Vec::new();
    let mut changed_us = first.written_us;
    let mut next: Option<Options> = None;
    for (place, part) in parts.iter().enumerate() {
        let following = parts.get(place + 1);
        let is_dirty = pod.journal.dirty && place == 0;
        let torn = torn.filter(|(torn, _)| *torn == place);

        let mut options = next.take().unwrap_or_else(|| {
            // One that ended untimely has a series of its own.
            let seqnum = if is_dirty { "seqnum dirty" } else { "seqnum" };
            let ids = Ids {
                file: file_id(place),
                machine: pod.id,
                boot: boot_id,
                seqnum: id(pod.id, seqnum),
            };
            options(pod, ids)
        });
        options.expected_payloads = u32::try_from(part.len()).unwrap_or(u32::MAX);
        let mut writer = Writer::new(&options).map_err(io::Error::other)?;
        let mut whole_bytes = writer.used_bytes();
        for line in *part {
            whole_bytes = writer.used_bytes();
            append(&mut writer, pod, line, first.written_us, boot_id)?;
            changed_us = line.written_us;
        }

        // A file is put away when there is more to write.
        if let Some(line) = following.and_then(|part| part.first()) {
            changed_us = line.written_us;
        }
        next = (!is_dirty).then(|| writer.successor(file_id(place + 1), boot_id));
        let name = match following {
            None => layout::pod::JOURNAL.to_owned(),
            Some(_) if is_dirty => {
                let (_, chance) = id(pod.id, "dirty").as_u64_pair();
                dirty_name(time(changed_us)?, chance)
            }
            Some(_) => archived_name(&writer),
        };
        let is_running = pod.phase == Phase::Run && pod.locked;
        let state = match following {
            _ if is_dirty || torn.is_some() => State::Online,
            Some(_) => State::Archived,
            None if is_running => State::Online,
            None => State::Offline,
        };
        let mut bytes = writer.finish(state);
        if let Some((_, how)) = torn {
            tear(&mut bytes, whole_bytes as usize + TORN_OBJECT_BYTES, how);
        }
        files.push(JournalFile {
            name,
            bytes,
            changed_us,
        });
    }
    Ok(files)
}

/// How to make the first file of a series, in the pod's way.
pub(crate) fn options(pod: &Pod, ids: Ids) -> Options {
    let Journal {
        revision,
        keyed_hash,
        compact,
        compression,
        ..
    } = pod.journal;
    Options {
        revision,
        keyed_hash,
        compact,
        compression,
        ..Options::new(ids)
    }
}

fn append(
    writer: &mut Writer,
    pod: &Pod,
    line: &Line<'_>,
    first_us: i64,
    boot_id: Uuid,
) -> io::Result<()> {
    let fields = fields(pod, line.app, line.said, boot_id);
    let entry = Entry {
        realtime_us: time(line.at_us)?,
        monotonic_us: time(line.written_us - first_us + BEFORE_FIRST_LINE_US)?,
        boot_id,
        fields: &in_journal(&fields),
    };
    let append = writer.append(&entry).map(drop);
    append.map_err(|error: journal::Error| {
        let text = format!("a log line of {} in pod {}: {error}", line.app.name, pod.id);
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

/// Loses what a file has from there on.
fn tear(file: &mut Vec<u8>, from: usize, how: Torn) {
    match how {
        Torn::Cut => file.truncate(from),
        Torn::Zeros => file.iter_mut().skip(from).for_each(|byte| *byte = 0),
    }
}

/// The entries by files: after a dirty one there is always another, that may be empty.
fn parts<'a, 'b>(lines: &'a [Line<'b>], journal: &Journal) -> Vec<&'a [Line<'b>]> {
    let most = journal.rotate_after.map(|entries| entries.get() as usize);
    let mut parts: Vec<_> = lines.chunks(most.unwrap_or(lines.len()).max(1)).collect();
    if journal.dirty && parts.len() == 1 {
        parts.push(&[]);
    }
    parts
}

/// Which of so many files has lost its end, and how.
fn torn_part(journal: &Journal, parts: usize) -> Option<(usize, Torn)> {
    let last = parts.checked_sub(1)?;
    let place = if journal.dirty { 0 } else { last };
    Some((place, journal.torn?))
}

/// All entries in the order in which they were written.
fn lines(pod: &Pod) -> Vec<Line<'_>> {
    let started_at_us = pod.started.map(|started| started.at_ns.div_euclid(1000));
    let mut lines = Vec::new();
    for app in &pod.apps {
        let own = own_lines(app);
        let Some((first_us, _)) = own.first() else {
            continue;
        };
        let mut written_us = started_at_us.unwrap_or(*first_us).min(*first_us);
        let started = (written_us, Said::Started);
        for (at_us, said) in std::iter::once(started).chain(own) {
            written_us = written_us.max(at_us);
            lines.push(Line {
                at_us,
                written_us,
                app,
                said,
            });
        }
    }
    // Lines of one moment stay as they are: systemd's before the app's, and the apps in order.
    lines.sort_by_key(|line| line.written_us);
    lines
}

/// What an app has written, in order, with the times.
fn own_lines(app: &App) -> Vec<(i64, Said<'_>)> {
    let lines = app.logs.iter().zip(0..);
    let lines = lines.map(|(line, place)| (2 * place + 1, line.at_us, Said::Text(&line.message)));
    let entries = app.entries.iter().map(|entry| {
        let place = entry.after_lines.min(app.logs.len());
        (2 * place, entry.at_us, Said::Fields(&entry.fields))
    });
    let mut all: Vec<_> = lines.chain(entries).collect();
    all.sort_by_key(|(place, ..)| *place);
    all.into_iter()
        .map(|(_, at_us, said)| (at_us, said))
        .collect()
}

/// The fields of an entry of the app's.
pub(crate) fn fields<'a>(pod: &Pod, app: &App, said: Said<'a>, boot_id: Uuid) -> Fields<'a> {
    let mut fields = owned([
        ("PRIORITY", "6".to_owned()),
        ("SYSLOG_FACILITY", "3".to_owned()),
        ("_BOOT_ID", boot_id.simple().to_string()),
        ("_MACHINE_ID", machine_id(pod.id)),
        ("_HOSTNAME", format!("rkt-{}", pod.id)),
    ]);
    match said {
        Said::Started => fields.extend(systemds_fields(app)),
        Said::Text(text) => {
            fields.push(("MESSAGE".into(), text.as_bytes().into()));
            fields.extend(app_fields(pod, app));
        }
        Said::Fields(own) => {
            fields.extend(app_fields(pod, app));
            fields.retain(|(name, _)| own.iter().all(|(other, _)| name != other));
            let own = own.iter();
            fields.extend(own.map(|(name, value)| (name.into(), value.into())));
        }
    }
    fields
}

fn owned<'a>(fields: impl IntoIterator<Item = (&'static str, String)>) -> Fields<'a> {
    let fields = fields.into_iter();
    let owned = fields.map(|(name, value)| (name.into(), value.into_bytes().into()));
    owned.collect()
}

/// What systemd says when it starts an app.
fn systemds_fields<'a>(app: &App) -> Fields<'a> {
    owned([
        (
            "MESSAGE",
            format!("Started Application={} Image={}.", app.name, app.image.name),
        ),
        ("SYSLOG_IDENTIFIER", "systemd".to_owned()),
        ("UNIT", format!("{}.service", app.name)),
        ("_TRANSPORT", "journal".to_owned()),
        ("_PID", "1".to_owned()),
        ("_UID", "0".to_owned()),
        ("_GID", "0".to_owned()),
        ("_COMM", "systemd".to_owned()),
        ("_EXE", "/usr/lib/systemd/systemd".to_owned()),
        ("_CMDLINE", "/usr/lib/systemd/systemd".to_owned()),
        ("_SYSTEMD_CGROUP", "/init.scope".to_owned()),
        ("_SYSTEMD_UNIT", "init.scope".to_owned()),
        ("_SYSTEMD_SLICE", "-.slice".to_owned()),
    ])
}

/// What goes with everything that an app writes.
fn app_fields<'a>(pod: &Pod, app: &App) -> Fields<'a> {
    let settings = app.settings.as_ref().unwrap_or(&app.image.settings);
    let exec = app.exec.as_ref().unwrap_or(&app.image.exec);
    let program = exec.first().map_or("", String::as_str);
    let name = program.rsplit('/').next().unwrap_or_default();
    let number = |id: &str| id.parse::<u32>().unwrap_or(0).to_string();
    let place = pod.apps.iter().position(|other| other.name == app.name);
    let unit = format!("{}.service", app.name);
    owned([
        ("SYSLOG_IDENTIFIER", app.name.clone()),
        ("_TRANSPORT", "stdout".to_owned()),
        ("_PID", (place.unwrap_or_default() + 6).to_string()),
        ("_UID", number(&settings.user)),
        ("_GID", number(&settings.group)),
        (
            "_COMM",
            name[..name.floor_char_boundary(MAX_COMM_BYTES)].to_owned(),
        ),
        ("_EXE", program.to_owned()),
        ("_CMDLINE", exec.join(" ")),
        ("_SYSTEMD_CGROUP", format!("/system.slice/{unit}")),
        ("_SYSTEMD_UNIT", unit),
        ("_SYSTEMD_SLICE", "system.slice".to_owned()),
    ])
}

/// The fields as an entry has them.
pub(crate) fn in_journal<'a>(fields: &'a Fields<'_>) -> Vec<Field<'a>> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| Field::new(name, value))
        .collect()
}

/// An id of the pod's, the same each time.
pub(crate) fn id(pod: Uuid, of: &str) -> Uuid {
    let mut hash = Sha512::new();
    hash.update(pod.as_bytes());
    hash.update(of);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn time(us: i64) -> io::Result<u64> {
    let text = format!("{us} us is no time of a journal");
    u64::try_from(us).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, text))
}
