//! What a pod's own journald has written: the lines of its apps, and those of the systemd
//! that starts them.
//!
//! Which fields a line has is decided here; how a journal file is made is
//! [`rkt_api::formats::journal`]'s business, where it lies `pod`'s, and when lines come to a
//! living one `live`'s.

use std::io;

use rkt_api::{
    formats::journal::{self, Entry, Field, Ids, Options, State, Writer},
    layout::Phase,
};
use sha2::{Digest as _, Sha512};
use uuid::Uuid;

use crate::spec::{App, Pod};

/// How long before the first line the pod's clock was started.
pub(crate) const BEFORE_FIRST_LINE_US: i64 = 700_000;

/// The most that the kernel keeps of a process's name.
const MAX_COMM_BYTES: usize = 15;

/// The name of the directory that a pod's journals lie in, its machine id.
pub(crate) fn machine_id(pod: Uuid) -> String {
    pod.simple().to_string()
}

/// What an entry of a pod's journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// When it was written, microseconds since the epoch.
    pub at_us: i64,
    /// Who has written it, the field `SYSLOG_IDENTIFIER`: an app's name, or `systemd`.
    pub identifier: String,
    /// The field `MESSAGE`; newlines may be in it.
    pub message: String,
}

impl Pod {
    /// What the pod's journal says, in order: the lines of its apps and those of the systemd
    /// that starts them, whether the pod has come far enough to have a journal or not. Without
    /// any there is none.
    pub fn journal_lines(&self) -> Vec<JournalLine> {
        let text = |fields: &[(&'static str, String)], name| {
            let field = fields.iter().find(|(field, _)| *field == name);
            field.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let lines = lines(self).into_iter().map(|line| {
            let fields = fields(self, line.app, line.message, Uuid::nil());
            JournalLine {
                at_us: line.at_us,
                identifier: text(&fields, "SYSLOG_IDENTIFIER"),
                message: text(&fields, "MESSAGE"),
            }
        });
        lines.collect()
    }
}

/// A line of the journal.
struct Line<'a> {
    at_us: i64,
    app: &'a App,
    /// What the app has written; `None` for what systemd says when it starts it.
    message: Option<&'a str>,
}

/// The pod's journal, and when the last line was written, in microseconds since the epoch.
/// `None` where no app has written anything.
///
/// # Errors
///
/// When a line cannot be in a journal: before 1970, or too long.
pub(crate) fn of(pod: &Pod) -> io::Result<Option<(Vec<u8>, i64)>> {
    let lines = lines(pod);
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return Ok(None);
    };
    let boot_id = id(pod.id, "boot");
    let mut options = Options::new(Ids {
        file: id(pod.id, "file"),
        machine: pod.id,
        boot: boot_id,
        seqnum: id(pod.id, "seqnum"),
    });
    options.expected_payloads = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let mut writer = Writer::new(&options).map_err(io::Error::other)?;
    for line in &lines {
        let fields = fields(pod, line.app, line.message, boot_id);
        let entry = Entry {
            realtime_us: time(line.at_us)?,
            monotonic_us: time(line.at_us - first.at_us + BEFORE_FIRST_LINE_US)?,
            boot_id,
            fields: &in_journal(&fields),
        };
        let append = writer.append(&entry).map(drop);
        append.map_err(|error: journal::Error| {
            let text = format!("a log line of {} in pod {}: {error}", line.app.name, pod.id);
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
    }
    let is_open = pod.phase == Phase::Run && pod.locked;
    let state = if is_open {
        State::Online
    } else {
        State::Offline
    };
    Ok(Some((writer.finish(state), last.at_us)))
}

/// All lines in the order in which they were written.
fn lines(pod: &Pod) -> Vec<Line<'_>> {
    let started_at_us = pod.started.map(|started| started.at_ns.div_euclid(1000));
    let mut lines = Vec::new();
    for app in &pod.apps {
        let Some(first) = app.logs.first() else {
            continue;
        };
        lines.push(Line {
            at_us: started_at_us.unwrap_or(first.at_us).min(first.at_us),
            app,
            message: None,
        });
        lines.extend(app.logs.iter().map(|line| Line {
            at_us: line.at_us,
            app,
            message: Some(&line.message),
        }));
    }
    // Lines of one moment stay as they are: systemd's before the app's, and the apps in order.
    lines.sort_by_key(|line| line.at_us);
    lines
}

/// The fields of a line of the app's: what it has written, or where that is `None` what
/// systemd says when it starts it.
pub(crate) fn fields(
    pod: &Pod,
    app: &App,
    message: Option<&str>,
    boot_id: Uuid,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("PRIORITY", "6".to_owned()),
        ("SYSLOG_FACILITY", "3".to_owned()),
        ("_BOOT_ID", boot_id.simple().to_string()),
        ("_MACHINE_ID", machine_id(pod.id)),
        ("_HOSTNAME", format!("rkt-{}", pod.id)),
    ];
    let unit = format!("{}.service", app.name);
    let own = match message {
        None => vec![
            (
                "MESSAGE",
                format!("Started Application={} Image={}.", app.name, app.image.name),
            ),
            ("SYSLOG_IDENTIFIER", "systemd".to_owned()),
            ("UNIT", unit),
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
        ],
        Some(message) => {
            let settings = app.settings.as_ref().unwrap_or(&app.image.settings);
            let exec = app.exec.as_ref().unwrap_or(&app.image.exec);
            let program = exec.first().map_or("", String::as_str);
            let name = program.rsplit('/').next().unwrap_or_default();
            let number = |id: &str| id.parse::<u32>().unwrap_or(0).to_string();
            let place = pod.apps.iter().position(|other| other.name == app.name);
            vec![
                ("MESSAGE", message.to_owned()),
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
            ]
        }
    };
    fields.extend(own);
    fields
}

/// The fields as an entry has them.
pub(crate) fn in_journal<'a>(fields: &'a [(&'static str, String)]) -> Vec<Field<'a>> {
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
