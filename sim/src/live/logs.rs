//! The steps of a pod's journal, as the journald in the pod takes them.
//!
//! Which fields a line has is decided where hosts are written at once, in [`journal`], and how
//! a file grows in [`Writer`]; here is when files come, go on, and are put away.

use std::io;

use rkt_api::{
    formats::journal::{Entry, Ids, Options, State, Writer},
    layout,
};
use uuid::Uuid;

use super::{
    disk::{Disk, failed},
    player::{Player, StepError, impossible},
    pods::is_running,
    record::now_unix_ns,
    state::{PodState, journal_dir, pod_path, stage1_rootfs},
    step::Step,
};
use crate::{
    journal::{self, ARCHIVED, SUFFIX, Said},
    spec,
};

/// The mode of the directories that journald makes.
const DIR: u32 = 0o755;
/// The mode of journals.
const FILE: u32 = 0o640;

impl Player {
    pub(super) fn log(
        &mut self,
        step: &Step,
        id: Uuid,
        app: &str,
        said: Said<'_>,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let pod = self.need(step, id, "a pod that runs", is_running)?;
        let place = self.app(step, &pod, app)?;
        if !pod.apps[place].started {
            return Err(impossible(step, format!("app {app:?} has not started")));
        }
        let described = match self.written.get(&id) {
            Some(described) => described.clone(),
            None => make_up(id, &pod),
        };
        let Some(app) = described.apps.iter().find(|there| there.name == app) else {
            return Err(impossible(
                step,
                format!("app {app:?} was not written here"),
            ));
        };

        let dir = journal_dir_of(id, &pod, disk)?;
        let path = format!("{dir}/{}", layout::pod::JOURNAL);
        let now_us = now_us();
        let last = match self.journals.remove(&id) {
            Some(last) => Some(last),
            None => find(&dir, now_us, disk)?,
        };
        let span = match last.as_ref().map(Writer::span) {
            // Its clock is that of the file before it.
            Some(None) => newest_archived(&dir, disk)?.and_then(|before| before.span()),
            Some(span) => span,
            None => None,
        };
        let boot_id = span.map_or_else(|| journal::id(id, "boot"), |span| span.last_boot_id);
        let monotonic_us = span.map_or(journal::BEFORE_FIRST_LINE_US.unsigned_abs(), |span| {
            span.last_monotonic_us + now_us.saturating_sub(span.last_realtime_us)
        });
        let fields = journal::fields(&described, app, said, boot_id);
        let entry = Entry {
            realtime_us: now_us,
            monotonic_us,
            boot_id,
            fields: &journal::in_journal(&fields),
        };
        let cannot = |error| failed("append to", &path)(io::Error::other(error));
        let writer = match last {
            Some(mut writer) if writer.state() != State::Archived => {
                if writer.state() != State::Online {
                    disk.change(&path, [writer.set_state(State::Online)])?;
                }
                disk.change(&path, writer.append(&entry).map_err(cannot)?)?;
                writer
            }
            archived => {
                let options = options(id, &described, boot_id, now_us, archived.as_ref());
                let mut writer = Writer::new(&options).map_err(cannot)?;
                writer.append(&entry).map(drop).map_err(cannot)?;
                disk.mkdirs(&dir, DIR)?;
                begin(&path, &writer, disk)?;
                writer
            }
        };
        self.journals.insert(id, writer);
        self.set_journal(id, true);
        Ok(())
    }

    pub(super) fn rotate(
        &mut self,
        step: &Step,
        id: Uuid,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let needed = "a pod that runs and has a journal";
        let pod = self.need(step, id, needed, |pod| is_running(pod) && pod.journal)?;
        let dir = journal_dir_of(id, &pod, disk)?;
        let path = format!("{dir}/{}", layout::pod::JOURNAL);
        let Some(mut old) = self.take_journal(id, &path, disk)? else {
            return Err(impossible(step, "the journal is damaged"));
        };
        let boot_id = old
            .span()
            .map_or_else(|| journal::id(id, "boot"), |span| span.last_boot_id);
        let file = journal::id(id, &format!("file {}", now_us()));
        let new = Writer::new(&old.successor(file, boot_id));
        let new = new.map_err(|error| failed("make", &path)(io::Error::other(error)))?;

        // The order of systemd.
        let archived = format!("{dir}/{}", journal::archived_name(&old));
        disk.rename(&path, &archived)?;
        disk.change(&archived, [old.set_state(State::Archived)])?;
        begin(&path, &new, disk)?;
        self.journals.insert(id, new);
        Ok(())
    }

    /// Sets the journal offline, if there is one, as journald does when it ends. One that is
    /// damaged stays as it is.
    pub(super) fn close_journal(
        &mut self,
        id: Uuid,
        pod: &PodState,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        if !pod.journal {
            self.journals.remove(&id);
            return Ok(());
        }
        let path = format!(
            "{}/{}",
            journal_dir_of(id, pod, disk)?,
            layout::pod::JOURNAL
        );
        match self.take_journal(id, &path, disk)? {
            Some(mut writer) if writer.state() == State::Online => {
                disk.change(&path, [writer.set_state(State::Offline)])
            }
            _ => Ok(()),
        }
    }

    /// The journal there, no longer known to the player; `None` if it is damaged.
    fn take_journal(
        &mut self,
        id: Uuid,
        path: &str,
        disk: &Disk,
    ) -> Result<Option<Writer>, StepError> {
        match self.journals.remove(&id) {
            Some(writer) => Ok(Some(writer)),
            None => Ok(Writer::resume(&disk.read(path)?).ok()),
        }
    }

    fn set_journal(&mut self, id: Uuid, journal: bool) {
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.journal = journal;
        }
    }
}

/// The last journal that another player has left in the directory, to be gone on with unless it
/// is archived. A damaged one is renamed, as journald does with what it does not trust.
fn find(dir: &str, now_us: u64, disk: &mut Disk) -> Result<Option<Writer>, StepError> {
    let path = format!("{dir}/{}", layout::pod::JOURNAL);
    if disk.exists(&path) {
        return match Writer::resume(&disk.read(&path)?) {
            Ok(writer) if writer.state() != State::Archived => Ok(Some(writer)),
            _ => {
                // Where journald has chance, so that two do not meet, here is time alone.
                let aside = format!("{dir}/{}", journal::dirty_name(now_us, now_us));
                disk.rename(&path, &aside)?;
                Ok(None)
            }
        };
    }
    newest_archived(dir, disk)
}

/// The last journal of the directory that was archived, unless it is damaged.
fn newest_archived(dir: &str, disk: &Disk) -> Result<Option<Writer>, StepError> {
    if !disk.exists(dir) {
        return Ok(None);
    }
    let names = disk.names(dir)?.into_iter();
    let archived = names.filter(|name| name.starts_with(ARCHIVED) && name.ends_with(SUFFIX));
    // Their names end with the time of the first entry, in so many digits each.
    match archived.max_by_key(|name| name.rsplit('-').next().map(str::to_owned)) {
        Some(name) => Ok(Writer::resume(&disk.read(&format!("{dir}/{name}"))?).ok()),
        None => Ok(None),
    }
}

/// Makes a journal that is not there yet.
fn begin(path: &str, writer: &Writer, disk: &mut Disk) -> Result<(), StepError> {
    disk.write(path, FILE, b"")?;
    disk.change(path, writer.whole())
}

/// What the next journal of a pod begins with, after one that was archived.
fn options(
    id: Uuid,
    pod: &spec::Pod,
    boot_id: Uuid,
    now_us: u64,
    archived: Option<&Writer>,
) -> Options {
    let new_id = |of: &str| journal::id(id, &format!("{of} {now_us}"));
    match archived {
        Some(archived) => archived.successor(new_id("file"), boot_id),
        None => journal::options(
            pod,
            Ids {
                file: new_id("file"),
                machine: id,
                boot: boot_id,
                seqnum: new_id("seqnum"),
            },
        ),
    }
}

/// A description of a pod that another player wrote: of its apps, only their names are known.
fn make_up(id: Uuid, pod: &PodState) -> spec::Pod {
    let app = |name: &String| spec::App::new(name, spec::Image::new(name, ""));
    spec::Pod {
        apps: pod.apps.iter().map(|there| app(&there.name)).collect(),
        ..spec::Pod::new(id, pod.phase)
    }
}

/// The directory of a pod's journals, below the data directory.
fn journal_dir_of(id: Uuid, pod: &PodState, disk: &Disk) -> Result<String, StepError> {
    let path = pod_path(pod.phase, id);
    let rootfs = stage1_rootfs(&disk.at(&path), pod.overlay);
    let rootfs = rootfs.map_err(failed("find stage1 of", &path))?;
    Ok(format!("{path}/{}", journal_dir(&rootfs, id)))
}

/// The time now, in microseconds since the epoch.
fn now_us() -> u64 {
    now_unix_ns().unsigned_abs() / 1000
}
