//! The steps of pods, in rkt's order of actions.
//!
//! What lies in the files is decided where hosts are written at once, in [`pod`]
//! and [`manifest`]; here is when it comes there.

use std::collections::BTreeSet;

use rkt_api::layout::{self, Phase};
use uuid::Uuid;

use super::{
    disk::{Disk, failed},
    file_lock::FileLock,
    lock::PodLock,
    player::{Player, StepError, impossible},
    record::ActionKind,
    state::{AppState, PodState, app_created, app_started, pod_path, stage1_rootfs},
    step::{self, Ending, Holder, ImageName, Process, Start, Step, Write},
};
use crate::{journal::Said, manifest, pod, spec, spec_file::Octets, store, tree::Tree};

/// The mode of the directories that rkt makes for itself.
const DIR: u32 = 0o750;
/// The mode of directories that stage1 makes.
const STAGE1_DIR: u32 = 0o755;
/// The mode of the lock that is held while images are rendered.
const LOCK: u32 = 0o640;
/// The mode of the pod manifest.
const MANIFEST: u32 = 0o640;
/// The mode of the files that are written when a pod runs.
const RUN: u32 = 0o644;

impl Player {
    /// Plays a step that is about a pod.
    pub(super) fn play_pod(&mut self, step: &Step, disk: &mut Disk) -> Result<(), StepError> {
        match step {
            Step::Create { pod } => self.create(step, *pod, disk),
            Step::Lock { pod } => self.lock(step, *pod, disk),
            Step::Unlock { pod } => self.unlock(step, *pod, disk),
            Step::Prepare { pod } => self.prepare(step, *pod, disk),
            Step::Write(write) => self.write(step, write, disk),
            Step::Prepared { pod } => self.prepared(step, *pod, disk),
            Step::Abort { pod } => self.abort(step, *pod, disk),
            Step::Run { pod, holder } => self.run(step, *pod, *holder, disk),
            Step::Start(start) => self.start(step, start, disk),
            Step::AppAdd { pod, app } => self.app_add(step, *pod, app, disk),
            Step::AppStart { pod, app } => self.app_start(step, *pod, app, disk),
            Step::AppExit { pod, app, code } => self.app_exit(step, *pod, app, *code, disk),
            Step::Log { pod, app, text } => self.log(step, *pod, app, Said::Text(text), disk),
            Step::LogEntry { pod, app, fields } => {
                let bytes =
                    |(name, value): (&String, &Octets)| (name.clone(), value.bytes().into());
                let fields: Vec<_> = fields.iter().map(bytes).collect();
                self.log(step, *pod, app, Said::Fields(&fields), disk)
            }
            Step::Rotate { pod } => self.rotate(step, *pod, disk),
            Step::Exit { pod, by } => self.exit(step, *pod, *by, disk),
            Step::Mark { pod } => self.mark(step, *pod, disk),
            Step::Sweep { pod } => self.sweep(step, *pod, disk),
            Step::Import(_) | Step::Remove { .. } | Step::Use { .. } => {
                Err(impossible(step, "it is not about a pod"))
            }
        }
    }

    fn create(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        if self.state.pods.contains_key(&id) {
            return Err(impossible(step, format!("pod {id} is there already")));
        }
        disk.mkdir(&pod_path(Phase::Embryo, id), DIR)?;
        let pod = PodState::new(Phase::Embryo);
        self.state.pods.insert(id, pod);
        Ok(())
    }

    fn lock(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        let pod = self.need(step, id, "an unlocked pod outside run", |pod| {
            !pod.locked && pod.phase != Phase::Run
        })?;
        self.take_lock(id, pod.phase, disk)
    }

    fn unlock(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        let pod = self.need(step, id, "a locked pod outside run", |pod| {
            pod.locked && pod.phase != Phase::Run
        })?;
        self.close_lock(id, pod.phase, disk)
    }

    fn prepare(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        let pod = self.need(step, id, "a locked embryo", |pod| {
            pod.locked && pod.phase == Phase::Embryo
        })?;
        self.move_on(id, pod.phase, Phase::Prepare, disk)
    }

    fn write(&mut self, step: &Step, write: &Write, disk: &mut Disk) -> Result<(), StepError> {
        let id = write.pod;
        let needed = "a locked pod in prepare that is not written";
        self.need(step, id, needed, |pod| {
            pod.locked && pod.phase == Phase::Prepare && !pod.written
        })?;
        let names: BTreeSet<_> = write.apps.iter().map(|app| &app.name).collect();
        if names.len() < write.apps.len() {
            return Err(impossible(step, "two apps have the same name"));
        }
        let described = write.to_spec(|name| self.image(name));
        let preparing = FileLock::shared(layout::PREPARE_LOCK.to_owned(), LOCK, disk)?;
        self.render(step, &described, disk)?;
        self.write_missing(step, &described, "", disk)?;
        preparing.close(disk);
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.written = true;
            pod.overlay = write.overlay;
            pod.mutable = write.mutable;
            pod.described = true;
            pod.apps = write.apps.iter().map(|app| new_app(&app.name)).collect();
        }
        self.written.insert(id, described);
        Ok(())
    }

    fn prepared(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        let needed = "a locked pod in prepare that is written";
        let pod = self.need(step, id, needed, |pod| {
            pod.locked && pod.phase == Phase::Prepare && pod.written
        })?;
        self.move_on(id, pod.phase, Phase::Prepared, disk)?;
        // rkt unlocks it and closes the directory when it is done with all else.
        let path = pod_path(Phase::Prepared, id);
        if let Some(lock) = self.locks.get(&id) {
            lock.unlock().map_err(failed("unlock", &path))?;
            disk.note(ActionKind::Unlock, &path);
        }
        self.close_lock(id, Phase::Prepared, disk)
    }

    fn abort(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        let pod = self.need(step, id, "a locked pod in prepare", |pod| {
            pod.locked && pod.phase == Phase::Prepare
        })?;
        self.close_lock(id, pod.phase, disk)
    }

    fn run(
        &mut self,
        step: &Step,
        id: Uuid,
        holder: Holder,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let needed = "a pod that is written, in prepare and locked or in prepared";
        let pod = self.need(step, id, needed, |pod| match pod.phase {
            Phase::Prepare => pod.locked && pod.written,
            Phase::Prepared => pod.written,
            _ => false,
        })?;
        if !pod.locked {
            self.take_lock(id, pod.phase, disk)?;
        }
        self.move_on(id, pod.phase, Phase::Run, disk)?;
        let path = pod_path(Phase::Run, id);
        if pod.overlay {
            make_layers(&path, &pod, disk)?;
        }
        if holder == Holder::Child
            && let Some(lock) = self.locks.remove(&id)
        {
            let lock = lock
                .hand_on()
                .map_err(failed("hand on the lock of", &path))?;
            disk.note(ActionKind::HandOn, &path).pid = Some(lock.pid());
            self.locks.insert(id, lock);
            if let Some(pod) = self.state.pods.get_mut(&id) {
                pod.held_by_child = true;
            }
        }
        Ok(())
    }

    fn start(&mut self, step: &Step, start: &Start, disk: &mut Disk) -> Result<(), StepError> {
        let id = start.pod;
        let needed = "a locked pod in run that has not started";
        let pod = self.need(step, id, needed, |pod| {
            pod.locked && pod.phase == Phase::Run && !pod.started
        })?;
        let holder = self.locks.get(&id).map_or(0, PodLock::pid);
        let path = pod_path(pod.phase, id);
        let at = |name: &str| format!("{path}/{name}");
        if let Some(networks) = &start.networks {
            let networks: Vec<_> = networks.iter().map(step::Network::to_spec).collect();
            let net_info = at(layout::pod::NET_INFO);
            let json = manifest::net_info(&networks).map_err(failed("describe", &net_info))?;
            disk.write(&net_info, RUN, &json)?;
        }
        if let Some(subcgroup) = start.subcgroup.path(id) {
            disk.write(&at(layout::pod::SUBCGROUP), RUN, subcgroup.as_bytes())?;
        }
        let (name, process) = match start.process {
            None => (layout::pod::PID, i64::from(holder)),
            Some(Process::Pid(pid)) => (layout::pod::PID, pid.into()),
            Some(Process::Ppid(pid)) => (layout::pod::PPID, pid.into()),
        };
        disk.write(&at(name), RUN, format!("{process}\n").as_bytes())?;
        if start.process.is_none() {
            disk.note_pid(holder);
        }
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.started = true;
            // Those of a mutable pod wait for steps of their own.
            for app in pod.apps.iter_mut().filter(|_| !pod.mutable) {
                app.started = true;
            }
        }
        Ok(())
    }

    fn app_add(
        &mut self,
        step: &Step,
        id: Uuid,
        app: &step::App,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let pod = self.need(step, id, "a mutable pod that runs", |pod| {
            is_running(pod) && pod.mutable
        })?;
        if pod.apps.iter().any(|there| there.name == app.name) {
            return Err(impossible(step, format!("there is an app {:?}", app.name)));
        }
        let mut described = match self.written.get(&id) {
            Some(described) => described.clone(),
            None => return Err(impossible(step, "the pod was not written here")),
        };
        described.apps.push(app.to_spec(self.image(&app.image)));
        described.phase = pod.phase;

        self.render(step, &described, disk)?;
        let path = pod_path(pod.phase, id);
        let info = format!("{}/{}", layout::pod::APPS_INFO, app.name);
        self.write_missing(step, &described, &info, disk)?;
        match pod.overlay {
            true => make_layers(&path, &pod_with(&pod, &app.name), disk)?,
            false => {
                let tree = layout::pod::app_tree(layout::pod::STAGE1_ROOTFS, &app.name);
                self.write_missing(step, &described, &tree, disk)?;
            }
        }
        // The manifest is replaced, so that readers find the old one or the new one.
        let manifest_path = format!("{path}/{}", layout::pod::MANIFEST);
        let json = manifest::pod(&described, &mut self.known);
        let json = json.map_err(failed("describe", &manifest_path))?;
        let half = format!("{manifest_path}.tmp");
        disk.write(&half, MANIFEST, &json)?;
        disk.rename(&half, &manifest_path)?;
        let status = self.status_path(&path, &pod, &app.name)?;
        disk.write(&app_created(&status), RUN, b"")?;
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.apps.push(new_app(&app.name));
        }
        self.written.insert(id, described);
        Ok(())
    }

    fn app_start(
        &mut self,
        step: &Step,
        id: Uuid,
        app: &str,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let pod = self.need(step, id, "a mutable pod that runs", |pod| {
            is_running(pod) && pod.mutable
        })?;
        let there = self.app(step, &pod, app)?;
        if is_app_running(&pod.apps[there]) {
            return Err(impossible(step, format!("app {app:?} is running")));
        }
        let status = self.status_path(&pod_path(pod.phase, id), &pod, app)?;
        // An app that starts anew has no status until it exits again.
        disk.remove(&status)?;
        disk.write(&app_started(&status), RUN, b"")?;
        self.set_app(id, there, None);
        Ok(())
    }

    fn app_exit(
        &mut self,
        step: &Step,
        id: Uuid,
        app: &str,
        code: i32,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let pod = self.need(step, id, "a pod that runs", is_running)?;
        let there = self.app(step, &pod, app)?;
        if !is_app_running(&pod.apps[there]) {
            return Err(impossible(step, format!("app {app:?} is not running")));
        }
        let status = self.status_path(&pod_path(pod.phase, id), &pod, app)?;
        disk.write(&status, RUN, format!("{code}\n").as_bytes())?;
        self.set_app(id, there, Some(code));
        Ok(())
    }

    fn exit(
        &mut self,
        step: &Step,
        id: Uuid,
        by: Ending,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let pod = self.need(step, id, "a locked pod in run", |pod| {
            pod.locked && pod.phase == Phase::Run
        })?;
        if by == Ending::Close {
            self.close_journal(id, &pod, disk)?;
            return self.close_lock(id, pod.phase, disk);
        }
        if !self.locks.get(&id).is_some_and(PodLock::is_child) {
            let why = "no child holds the lock, so there is nobody to kill";
            return Err(impossible(step, why));
        }
        if let Some(lock) = self.locks.remove(&id) {
            let path = pod_path(pod.phase, id);
            let pid = lock.pid();
            lock.kill().map_err(failed("kill the holder of", &path))?;
            disk.note(ActionKind::Kill, &path).pid = Some(pid);
        }
        self.journals.remove(&id);
        self.set_locked(id, false);
        Ok(())
    }

    fn mark(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        let marked = |phase| match phase {
            Phase::Run => Some(Phase::ExitedGarbage),
            Phase::Prepare | Phase::Prepared => Some(Phase::Garbage),
            Phase::Embryo | Phase::ExitedGarbage | Phase::Garbage => None,
        };
        let needed = "an unlocked pod in prepare, prepared or run";
        let pod = self.need(step, id, needed, |pod| {
            !pod.locked && marked(pod.phase).is_some()
        })?;
        match marked(pod.phase) {
            Some(to) => self.move_on(id, pod.phase, to, disk),
            None => Ok(()),
        }
    }

    fn sweep(&mut self, step: &Step, id: Uuid, disk: &mut Disk) -> Result<(), StepError> {
        let pod = self.need(step, id, "a pod that is marked", |pod| {
            matches!(pod.phase, Phase::ExitedGarbage | Phase::Garbage)
        })?;
        if !pod.locked {
            self.take_lock(id, pod.phase, disk)?;
        }
        let path = pod_path(pod.phase, id);
        disk.remove_tree(&format!("{path}/{}", layout::pod::STAGE1_ROOTFS))?;
        disk.remove_content(&path)?;
        disk.rmdir(&path)?;
        self.close_lock(id, pod.phase, disk)?;
        self.state.pods.remove(&id);
        self.written.remove(&id);
        Ok(())
    }

    fn take_lock(&mut self, id: Uuid, phase: Phase, disk: &mut Disk) -> Result<(), StepError> {
        let path = pod_path(phase, id);
        let lock = PodLock::take(&disk.at(&path)).map_err(failed("lock", &path))?;
        disk.note(ActionKind::Lock, &path);
        self.locks.insert(id, lock);
        self.set_locked(id, true);
        Ok(())
    }

    fn close_lock(&mut self, id: Uuid, phase: Phase, disk: &mut Disk) -> Result<(), StepError> {
        if let Some(lock) = self.locks.remove(&id) {
            let path = pod_path(phase, id);
            lock.close().map_err(failed("let go the lock of", &path))?;
            disk.note(ActionKind::Close, &path);
        }
        self.set_locked(id, false);
        Ok(())
    }

    /// Renames the pod's directory from one phase to the next.
    fn move_on(
        &mut self,
        id: Uuid,
        from: Phase,
        to: Phase,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        disk.rename(&pod_path(from, id), &pod_path(to, id))?;
        if to == Phase::Prepare {
            disk.sync(&format!("{}/{to}", layout::PODS))?;
        }
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.phase = to;
        }
        Ok(())
    }

    /// Renders the images of a described pod into the tree store, those that are not there.
    fn render(
        &mut self,
        step: &Step,
        described: &spec::Pod,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let rendered = pod::rendered(described, &mut self.known);
        for (image, facts) in rendered.map_err(|error| impossible(step, error.to_string()))? {
            let path = store::tree_lock(&facts.tree_store_id);
            let lock = FileLock::exclusive(path, store::TREE_LOCK, disk)?;
            let dir = store::tree_dir(&facts.tree_store_id);
            if !disk.exists(&format!("{dir}/{}", store::RENDERED)) {
                disk.remove_tree(&dir)?;
                let tree = store::rendered(&image, &facts).map_err(failed("render", &dir))?;
                write_entries(&tree, &dir, "", disk)?;
            }
            lock.close(disk);
        }
        Ok(())
    }

    /// Writes what belongs to a described pod below `within` its directory, and is not there.
    fn write_missing(
        &mut self,
        step: &Step,
        described: &spec::Pod,
        within: &str,
        disk: &mut Disk,
    ) -> Result<(), StepError> {
        let dir = pod_path(described.phase, described.id);
        let tree = pod::tree(described, &mut self.known);
        let tree = tree.map_err(|error| impossible(step, error.to_string()))?;
        write_entries(&tree, &dir, within, disk)
    }

    /// The image of an app to be made.
    fn image(&self, name: &ImageName) -> spec::Image {
        let image = self.imported.get(name).cloned();
        image.unwrap_or_else(|| name.to_spec())
    }

    /// The place of an app in the pod's list.
    pub(super) fn app(&self, step: &Step, pod: &PodState, name: &str) -> Result<usize, StepError> {
        let place = pod.apps.iter().position(|app| app.name == name);
        place.ok_or_else(|| impossible(step, format!("the pod has no app {name:?}")))
    }

    /// The status file of an app, for the pod's directory.
    fn status_path(&self, path: &str, pod: &PodState, app: &str) -> Result<String, StepError> {
        let rootfs = stage1_rootfs(&self.dir.join(path), pod.overlay);
        let rootfs = rootfs.map_err(failed("find stage1 of", path))?;
        Ok(format!("{path}/{}", layout::pod::app_status(&rootfs, app)))
    }

    fn set_locked(&mut self, id: Uuid, locked: bool) {
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.locked = locked;
            pod.held_by_child = false;
        }
    }

    /// Notes that an app has started, and what it has exited with.
    fn set_app(&mut self, id: Uuid, app: usize, exit_code: Option<i32>) {
        if let Some(pod) = self.state.pods.get_mut(&id)
            && let Some(app) = pod.apps.get_mut(app)
        {
            app.started = true;
            app.exit_code = exit_code;
        }
    }
}

/// Makes the overlayfs layers that are missing, of stage1 and of every app, and in stage1's
/// the directory of status files.
fn make_layers(path: &str, pod: &PodState, disk: &mut Disk) -> Result<(), StepError> {
    let mut trees = vec![format!("{path}/{}", layout::pod::STAGE1_TREE_STORE_ID)];
    for app in &pod.apps {
        trees.push(format!(
            "{path}/{}",
            layout::pod::app_tree_store_id(&app.name)
        ));
    }
    let rootfs = format!("{path}/{}", layout::pod::STAGE1_ROOTFS);
    if !disk.exists(&rootfs) {
        disk.mkdir(&rootfs, STAGE1_DIR)?;
    }
    for (index, tree) in trees.iter().enumerate() {
        let id = disk.read(tree)?;
        let id = String::from_utf8_lossy(&id);
        let layer = format!("{path}/{}/{}", layout::pod::OVERLAY, id.trim());
        // Apps of one image share its layers.
        if disk.exists(&layer) {
            continue;
        }
        disk.mkdirs(&layer, DIR)?;
        disk.mkdir(&format!("{layer}/upper"), STAGE1_DIR)?;
        disk.mkdir(&format!("{layer}/work"), DIR)?;
        if index == 0 {
            disk.mkdirs(&format!("{layer}/upper/rkt/status"), STAGE1_DIR)?;
        }
    }
    Ok(())
}

/// Writes what a tree has in `dir`, below `within` it, and is not there.
fn write_entries(tree: &Tree, dir: &str, within: &str, disk: &mut Disk) -> Result<(), StepError> {
    for (path, mode, content) in tree.entries() {
        let below = path.strip_prefix(dir);
        let below = below.and_then(|rest| rest.strip_prefix('/').or(rest.is_empty().then_some("")));
        if !below.is_some_and(|below| is_within(below, within)) || disk.exists(path) {
            continue;
        }
        match content {
            None => disk.mkdir(path, mode)?,
            Some(content) => {
                let content = content.bytes().map_err(failed("make", path))?;
                disk.write(path, mode, &content)?;
            }
        }
    }
    Ok(())
}

/// Whether `path` is `within`, or the same; everything is within nothing.
fn is_within(path: &str, within: &str) -> bool {
    within.is_empty()
        || path
            .strip_prefix(within)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn is_running(pod: &PodState) -> bool {
    pod.locked && pod.phase == Phase::Run && pod.started
}

fn is_app_running(app: &AppState) -> bool {
    app.started && app.exit_code.is_none()
}

fn new_app(name: &str) -> AppState {
    AppState {
        name: name.to_owned(),
        started: false,
        exit_code: None,
    }
}

/// The pod with one more app.
fn pod_with(pod: &PodState, app: &str) -> PodState {
    let mut pod = pod.clone();
    pod.apps.push(new_app(app));
    pod
}
