//! What a step makes of the world, and which events happen by it (E-1, E-12): the table of a
//! pod's life once more, as the model has it. How the step is played on a disk is the
//! simulator's.

use std::{io, sync::Arc};

use rkt_api::{
    api::EventType::{self, *},
    layout,
};
use rkt_sim::{
    JournalLine,
    live::{
        record::{Action, Record},
        step::{self, ImageRef, Import, Process, Start, Step, Write},
    },
    spec::{self, Phase},
};
use uuid::Uuid;

use super::{
    World,
    events::{app_event, image_event, pod_event},
    facts::{Image, Moment, Pod},
    world::on_disk,
};

/// Why what was on disk can be in the model.
const PLAYED: &str = "what the simulator has written can be described";

impl World {
    /// Moves on by a step that was played. What happened by it is added to [`Self::events`].
    ///
    /// # Panics
    ///
    /// When the record is of a step that nobody can have played, such as one that writes what
    /// cannot be written.
    pub fn apply(&mut self, record: &Record) {
        match &record.step {
            Step::Create { pod } => {
                let pod = Pod::new(*pod, Phase::Embryo);
                self.pods.insert(pod.id, Arc::new(pod));
            }
            Step::Lock { pod } => self.set_locked(*pod, true),
            Step::Unlock { pod } | Step::Abort { pod } => self.unlock(*pod, record),
            Step::Prepare { pod } => self.move_on(*pod, Phase::Prepare),
            Step::Write(write) => self.write(write, record),
            Step::Prepared { pod } => {
                self.pod_happened(PodPrepared, *pod, &moved(record));
                self.move_on(*pod, Phase::Prepared);
                self.set_locked(*pod, false);
            }
            Step::Run { pod, .. } => self.run(*pod, record),
            Step::Start(start) => self.start(start, record),
            Step::AppAdd { pod, app } => self.add_app(*pod, app),
            Step::AppStart { pod, app } => self.set_app(*pod, app, None, record),
            Step::AppExit { pod, app, code } => self.set_app(*pod, app, Some(*code), record),
            Step::Log { pod, app, text } => self.log(*pod, app, text, record),
            Step::LogEntry { pod, app, fields } => {
                let text = |name: &str| {
                    let value = fields.get(name)?.bytes();
                    Some(String::from_utf8_lossy(&value).into_owned())
                };
                let identifier = text("SYSLOG_IDENTIFIER");
                if let Some(message) = text("MESSAGE") {
                    self.log(*pod, identifier.as_ref().unwrap_or(app), &message, record);
                }
            }
            // Where lines stand is not seen.
            Step::Rotate { .. } => {}
            Step::Exit { pod, .. } => self.exit(*pod, record),
            Step::Mark { pod } => self.mark(*pod, record),
            Step::Sweep { pod } => {
                self.vanish(*pod, record.before_unix_ns, record.after_unix_ns);
            }
            Step::Import(import) => self.import(import, record),
            Step::Remove { image, .. } => self.remove(image, record),
            // When an image was last used is not seen.
            Step::Use { .. } => {}
        }
    }

    fn set_locked(&mut self, id: Uuid, locked: bool) {
        if let Some(pod) = self.pod_mut(id) {
            pod.locked = locked;
        }
    }

    fn move_on(&mut self, id: Uuid, to: Phase) {
        if let Some(pod) = self.pod_mut(id) {
            pod.phase = to;
        }
    }

    fn pod_happened(&mut self, of: EventType, id: Uuid, moment: &Moment) {
        self.happened(pod_event(of, id), moment);
    }

    fn unlock(&mut self, id: Uuid, record: &Record) {
        let phase = self.pod(id).map(|pod| pod.phase);
        self.set_locked(id, false);
        if phase == Some(Phase::Prepare) {
            self.pod_happened(PodPrepareAborted, id, &whole(record));
        }
    }

    fn write(&mut self, write: &Write, record: &Record) {
        let spec = write.to_spec(|name| self.described_image(name));
        let wrote = |name: &str| {
            let path = format!("/{name}");
            during(record, |action| action.path.ends_with(&path))
        };
        // P-7: where the record has no actions, sometime meanwhile.
        let created = wrote(layout::pod::CREATED).unwrap_or_else(|| whole(record));
        if let Some(pod) = self.pod_mut(write.pod) {
            pod.write_manifest(spec).expect(PLAYED);
            pod.created_at_ns = Some(on_disk(*created.start(), *created.end()));
        }
    }

    fn described_image(&self, name: &step::ImageName) -> spec::Image {
        let image = self.imported.get(name).cloned();
        image.unwrap_or_else(|| name.to_spec())
    }

    fn run(&mut self, id: Uuid, record: &Record) {
        let moved = moved(record);
        if self.pod(id).is_some_and(|pod| pod.phase == Phase::Prepare) {
            self.pod_happened(PodPrepared, id, &moved);
        }
        self.pod_happened(PodStarted, id, &moved);
        self.set_locked(id, true);
        self.move_on(id, Phase::Run);
    }

    fn start(&mut self, start: &Start, record: &Record) {
        let id = start.pod;
        let noted = |action: &Action| {
            let name = action.path.rsplit('/').next();
            matches!(name, Some(layout::pod::PID | layout::pod::PPID))
        };
        let started = during(record, noted).unwrap_or_else(|| whole(record));
        let Some(pod) = self.pod_mut(id) else {
            return;
        };
        let networks = start.networks.as_ref();
        pod.networks = networks.map(|n| n.iter().map(step::Network::to_spec).collect());
        pod.subcgroup = start.subcgroup.path(id);
        pod.pid = match start.process {
            Some(Process::Pid(pid) | Process::Ppid(pid)) => Some(pid),
            None => {
                let mut actions = record.actions.iter().rev();
                let action = actions.find(|action| noted(action));
                action
                    .and_then(|action| action.pid)
                    .and_then(|pid| pid.try_into().ok())
            }
        };
        pod.started_at_ns = Some(on_disk(*started.start(), *started.end()));
        if pod.spec.is_mutable() {
            return;
        }
        let mut events = Vec::new();
        let apps = pod.manifest.iter_mut().flat_map(|m| &mut m.apps);
        for app in apps {
            app.is_started = true;
            events.push(app_event(AppStarted, id, app, None));
        }
        for event in events {
            self.happened(event, &started);
        }
    }

    fn add_app(&mut self, id: Uuid, app: &step::App) {
        let app = app.to_spec(self.described_image(&app.image));
        if let Some(pod) = self.pod_mut(id) {
            let mut spec = pod.spec.clone();
            spec.apps.push(app);
            pod.write_manifest(spec).expect(PLAYED);
        }
    }

    /// An app starts, in a mutable pod, or exits.
    fn set_app(&mut self, id: Uuid, name: &str, exit_code: Option<i32>, record: &Record) {
        let Some(app) = self.pod_mut(id).and_then(|pod| pod.app_mut(name)) else {
            return;
        };
        app.exit_code = exit_code;
        app.is_started = true;
        let of = match exit_code {
            Some(_) => AppExited,
            None => AppStarted,
        };
        let event = app_event(of, id, app, exit_code);
        self.happened(event, &whole(record));
    }

    fn log(&mut self, id: Uuid, app: &str, text: &str, record: &Record) {
        let at_us = record.noted_unix_us.unwrap_or(record.before_unix_ns / 1000);
        if let Some(pod) = self.pod_mut(id) {
            pod.journal.get_or_insert_default().push(JournalLine {
                at_us,
                identifier: app.to_owned(),
                message: text.to_owned(),
            });
        }
    }

    fn exit(&mut self, id: Uuid, record: &Record) {
        let left = self.pod(id).into_iter().flat_map(Pod::apps);
        // Those that exited before have said so, and those that never started do not exit.
        let left = left.filter(|app| app.is_started && app.exit_code.is_none());
        let exited: Vec<_> = left
            .map(|app| app_event(AppExited, id, app, None))
            .collect();
        let moment = whole(record);
        for event in exited {
            self.happened(event, &moment);
        }
        self.pod_happened(PodExited, id, &moment);
        self.set_locked(id, false);
    }

    fn mark(&mut self, id: Uuid, record: &Record) {
        let moved = moved(record);
        let Some(pod) = self.pod_mut(id) else {
            return;
        };
        pod.phase = match pod.phase {
            Phase::Run => Phase::ExitedGarbage,
            _ => Phase::Garbage,
        };
        pod.marked_at_ns = Some(on_disk(*moved.start(), *moved.end()));
        if !pod.is_collected {
            pod.is_collected = true;
            self.pod_happened(PodGarbageCollected, id, &moved);
        }
    }

    fn import(&mut self, import: &Import, record: &Record) {
        let moment = whole(record);
        let second = |ns: i64| ns.div_euclid(1_000_000_000);
        let imported_at_s = match record.noted_unix_us {
            Some(us) => us.div_euclid(1_000_000)..=us.div_euclid(1_000_000),
            None => second(*moment.start())..=second(*moment.end()),
        };
        let spec = import.to_spec(*imported_at_s.start());
        let image = Image::described(&spec, imported_at_s).expect(PLAYED);
        self.happened(image_event(ImageImported, &image), &moment);
        self.images.insert(image.id.clone(), Arc::new(image));
        self.imported.insert(import.image.clone(), spec);
    }

    fn remove(&mut self, image: &ImageRef, record: &Record) {
        let id = match &record.image_id {
            Some(id) => Some(id.clone()),
            None => self.image_id(image).ok(),
        };
        if let Some(image) = id.and_then(|id| self.images.remove(&id)) {
            self.happened(image_event(ImageRemoved, &image), &whole(record));
        }
    }

    /// The id of an image that a step names.
    pub(super) fn image_id(&self, image: &ImageRef) -> io::Result<String> {
        match image {
            ImageRef::Id(id) => Ok(id.clone()),
            ImageRef::Name(name) => self.described_image(name).blob_key(),
        }
    }
}

/// The whole time that the step took.
fn whole(record: &Record) -> Moment {
    record.before_unix_ns..=record.after_unix_ns
}

/// When the step renamed the pod's directory.
fn moved(record: &Record) -> Moment {
    let renamed = during(record, |action| {
        // Files that are replaced have a name further down.
        action
            .to
            .as_ref()
            .is_some_and(|to| to.matches('/').count() == 2)
    });
    renamed.unwrap_or_else(|| whole(record))
}

/// When the last such action of the step was done: after the one before it.
fn during(record: &Record, is_it: impl Fn(&Action) -> bool) -> Option<Moment> {
    let place = record.actions.iter().rposition(is_it)?;
    let before = match place.checked_sub(1) {
        Some(before) => record.actions[before].at_unix_ns,
        None => record.before_unix_ns,
    };
    Some(before..=record.actions[place].at_unix_ns)
}
