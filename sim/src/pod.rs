//! What lies in a pod's directory, for the pod's description: which files, in which phase,
//! with which modes and times.
//!
//! As rkt 1.30.0 was seen to leave them; where only another flavour of stage1 could be
//! watched, as its published documentation has it. Writing them is `tree`'s business.

use std::{io, sync::Arc, time::SystemTime};

use rkt_api::layout::{self, Phase};

use crate::{
    aci::{self, Facts, Known},
    journal, manifest,
    spec::{App, Image, Pod, Process},
    tree::{Tree, check_file_name, time_ns},
};

/// The mode of the directories that rkt makes for itself.
const DIR: u32 = 0o750;
/// The mode of directories that come out of images or are made by stage1.
const STAGE1_DIR: u32 = 0o755;
/// The mode of the files that rkt writes when it prepares a pod.
const PREPARED: u32 = 0o640;
/// The mode of the files that are written when a pod runs.
const RUN: u32 = 0o644;
/// The mode of lock files.
const LOCK: u32 = 0o600;

/// The path of a pod's directory below the data directory.
pub(crate) fn dir(pod: &Pod) -> String {
    format!("{}/{}/{}", layout::PODS, pod.phase, pod.id.hyphenated())
}

/// The pod's directory and everything in it, relative to the data directory.
///
/// # Errors
///
/// When an app's name is no file name, or an image cannot be made.
pub(crate) fn tree(pod: &Pod, known: &mut Known) -> io::Result<Tree> {
    let dir = Dir::of(pod, known)?;
    let mut tree = Tree::default();
    tree.shared_dir(format!("{}/{}", layout::PODS, pod.phase), DIR, dir.changed);
    tree.dir(dir.path.clone(), DIR, dir.changed);
    if pod.phase == Phase::Embryo && !dir.prepared {
        return Ok(tree);
    }
    dir.prepare(&mut tree)?;
    if dir.has_run {
        dir.run(&mut tree)?;
    }
    Ok(tree)
}

/// The images that were rendered into the tree store when the pod was prepared: stage1's, and
/// with overlayfs those of the apps. Without it these are rendered into the pod.
///
/// # Errors
///
/// When an app's name is no file name, or an image cannot be made.
pub(crate) fn rendered(pod: &Pod, known: &mut Known) -> io::Result<Vec<Rendered>> {
    let dir = Dir::of(pod, known)?;
    if pod.phase == Phase::Embryo && !dir.prepared {
        return Ok(Vec::new());
    }
    let mut rendered = vec![(Image::stage1(), dir.stage1)];
    if dir.prepared && pod.overlay {
        let images = pod.apps.iter().map(|app| app.image.clone());
        rendered.extend(images.zip(dir.apps));
    }
    Ok(rendered)
}

/// An image in the tree store, and what follows from it.
pub(crate) type Rendered = (Image, Arc<Facts>);

/// A pod's directory, and what is to be known before anything in it can be described.
struct Dir<'a> {
    pod: &'a Pod,
    path: String,
    /// Whether it was prepared to the end.
    prepared: bool,
    has_run: bool,
    created: SystemTime,
    /// When the last file was put into it.
    changed: SystemTime,
    manifest: Vec<u8>,
    stage1: Arc<Facts>,
    /// What follows from the apps' images, in the apps' order.
    apps: Vec<Arc<Facts>>,
}

impl<'a> Dir<'a> {
    fn of(pod: &'a Pod, known: &mut Known) -> io::Result<Self> {
        for app in &pod.apps {
            check_file_name(&app.name)?;
        }
        let apps = pod.apps.iter().map(|app| known.facts(&app.image));
        let apps = apps.collect::<io::Result<_>>()?;
        let created = time_ns(pod.created_at_ns);
        let has_run = pod.has_run();
        Ok(Self {
            pod,
            path: dir(pod),
            prepared: pod.is_prepared(),
            has_run,
            created,
            changed: match pod.started {
                Some(started) if has_run => time_ns(started.at_ns),
                _ => created,
            },
            manifest: manifest::pod(pod, known)?,
            stage1: known.facts(&Image::stage1())?,
            apps,
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.path)
    }

    /// What `rkt prepare` leaves, and the first half of `rkt run`.
    fn prepare(&self, tree: &mut Tree) -> io::Result<()> {
        tree.dir(self.at(layout::pod::APPS_INFO), DIR, self.created);
        self.stage1(tree);
        if !self.prepared {
            // Rendering an image takes longest, so that is where preparing mostly stops: the
            // app's directory is there and still empty.
            if let Some(app) = self.pod.apps.first() {
                tree.dir(self.app_info(app), DIR, self.created);
            }
            return Ok(());
        }
        for (app, facts) in self.pod.apps.iter().zip(&self.apps) {
            self.app(tree, app, facts);
        }
        let mut file = |name, mode, content| {
            tree.file(self.at(name), mode, self.created, content);
        };
        file(layout::pod::LOCK, LOCK, vec![]);
        file(layout::pod::MANIFEST, PREPARED, self.manifest.clone());
        file(layout::pod::CREATED, PREPARED, vec![]);
        if self.pod.overlay {
            file(layout::pod::OVERLAY_PREPARED, RUN, vec![]);
        }
        Ok(())
    }

    /// The stage1 image: rendered into the pod, unless overlayfs is to lay it there.
    fn stage1(&self, tree: &mut Tree) {
        let created = self.created;
        tree.dir(self.at(layout::pod::STAGE1), DIR, created);
        tree.file(
            self.at(layout::pod::STAGE1_MANIFEST),
            PREPARED,
            created,
            self.stage1.manifest.clone(),
        );
        tree.file(
            self.at(layout::pod::STAGE1_TREE_STORE_ID),
            PREPARED,
            created,
            self.stage1.tree_store_id.clone(),
        );
        if !self.pod.overlay {
            let rootfs = layout::pod::STAGE1_ROOTFS;
            for dir in ["", "/opt", "/opt/stage2"] {
                tree.dir(self.at(&format!("{rootfs}{dir}")), STAGE1_DIR, created);
            }
            self.status_dir(tree, rootfs);
        }
    }

    fn app_info(&self, app: &App) -> String {
        self.at(&format!("{}/{}", layout::pod::APPS_INFO, app.name))
    }

    /// What is kept of an app: its image's manifest and either the name of its rendered image
    /// or that image itself.
    fn app(&self, tree: &mut Tree, app: &App, facts: &Facts) {
        let created = self.created;
        let image_manifest = self.at(&layout::pod::app_image_manifest(&app.name));
        tree.dir(self.app_info(app), DIR, created);
        tree.file(image_manifest, PREPARED, created, facts.manifest.clone());
        if self.pod.overlay {
            let path = self.at(&layout::pod::app_tree_store_id(&app.name));
            tree.file(path, PREPARED, created, facts.tree_store_id.clone());
            return;
        }
        let dir = self.at(&layout::pod::app_tree(
            layout::pod::STAGE1_ROOTFS,
            &app.name,
        ));
        tree.dir(dir.clone(), aci::DIR_MODE, created);
        for aci::Entry { path, content } in aci::entries(&app.image, &facts.manifest) {
            let path = format!("{dir}/{path}");
            match content {
                None => tree.dir(path, aci::DIR_MODE, created),
                Some(content) => tree.file(path, aci::FILE_MODE, created, content),
            }
        }
    }

    /// What stage1 adds when the pod runs.
    fn run(&self, tree: &mut Tree) -> io::Result<()> {
        let pod = self.pod;
        let rootfs = if pod.overlay {
            self.overlay(tree);
            layout::pod::stage1_overlay_rootfs(&self.stage1.tree_store_id)
        } else {
            layout::pod::STAGE1_ROOTFS.to_owned()
        };
        for app in &pod.apps {
            if let Some(exit_code) = app.exit_code {
                let path = self.at(&layout::pod::app_status(&rootfs, &app.name));
                tree.file(path, RUN, self.exited(app), format!("{exit_code}\n"));
            }
            // Where apps come and go while the pod runs, each has times of its own.
            let events: &[_] = if pod.is_mutable() {
                &["created", "started"]
            } else {
                &[]
            };
            for event in events {
                let status = format!("{}-{event}", app.name);
                let path = self.at(&layout::pod::app_status(&rootfs, &status));
                tree.file(path, RUN, self.changed, "");
            }
        }
        self.journal(tree, &rootfs)?;
        let mut file = |name, content| tree.file(self.at(name), RUN, self.changed, content);
        if let Some(networks) = &pod.networks {
            file(layout::pod::NET_INFO, manifest::net_info(networks)?);
        }
        if let Some(subcgroup) = &pod.subcgroup {
            file(layout::pod::SUBCGROUP, subcgroup.clone().into_bytes());
        }
        if let Some(started) = pod.started {
            let (name, pid) = match started.process {
                Process::Pid(pid) => (layout::pod::PID, pid),
                Process::Ppid(pid) => (layout::pod::PPID, pid),
            };
            file(name, format!("{pid}\n").into_bytes());
        }
        Ok(())
    }

    /// The overlay layers, of stage1 and of every app, and the place where they are mounted.
    fn overlay(&self, tree: &mut Tree) {
        let changed = self.changed;
        tree.dir(self.at(layout::pod::STAGE1_ROOTFS), STAGE1_DIR, changed);
        tree.dir(self.at(layout::pod::OVERLAY), DIR, changed);
        let mut layers = vec![&self.stage1.tree_store_id];
        for facts in &self.apps {
            let layer = &facts.tree_store_id;
            // Apps of one image share its layers.
            if !layers.contains(&layer) {
                layers.push(layer);
            }
        }
        for layer in layers {
            let layer = self.at(&format!("{}/{layer}", layout::pod::OVERLAY));
            tree.dir(layer.clone(), DIR, changed);
            tree.dir(format!("{layer}/upper"), STAGE1_DIR, changed);
            tree.dir(format!("{layer}/work"), DIR, changed);
        }
        let rootfs = layout::pod::stage1_overlay_rootfs(&self.stage1.tree_store_id);
        self.status_dir(tree, &rootfs);
    }

    /// The pod's journal, where there are logs.
    fn journal(&self, tree: &mut Tree, rootfs: &str) -> io::Result<()> {
        let files = journal::files(self.pod)?;
        if files.is_empty() {
            return Ok(());
        }
        let dir = format!(
            "{}/{}",
            layout::pod::journal_dir(rootfs),
            journal::machine_id(self.pod.id)
        );
        let places = dir.match_indices('/').map(|(end, _)| end);
        for end in places.filter(|end| *end > rootfs.len()).chain([dir.len()]) {
            tree.dir(self.at(&dir[..end]), STAGE1_DIR, self.changed);
        }
        for file in files {
            let path = self.at(&format!("{dir}/{}", file.name));
            // The last change of what is written last is that of its state, when the pod exits.
            let is_last = file.name == layout::pod::JOURNAL;
            let exited_at_ns = self
                .pod
                .exited_at_ns
                .filter(|_| is_last && !self.pod.locked);
            let changed_ns = file.changed_us.saturating_mul(1000);
            let written = time_ns(exited_at_ns.unwrap_or_default().max(changed_ns));
            tree.file(path, PREPARED, written, file.bytes);
        }
        Ok(())
    }

    /// When an app exited that has.
    fn exited(&self, app: &App) -> SystemTime {
        app.exited_at_ns.map_or(self.changed, time_ns)
    }

    /// The directory of the apps' status files.
    fn status_dir(&self, tree: &mut Tree, rootfs: &str) {
        let exited = self.pod.apps.iter().filter(|app| app.exit_code.is_some());
        let last_exited = exited.map(|app| self.exited(app)).max();
        let modified = match last_exited {
            Some(last_exited) if self.has_run => last_exited.max(self.changed),
            None if self.has_run && self.pod.is_mutable() => self.changed,
            _ => self.created,
        };
        tree.dir(self.at(&format!("{rootfs}/rkt")), STAGE1_DIR, self.created);
        tree.dir(
            self.at(&format!("{rootfs}/rkt/status")),
            STAGE1_DIR,
            modified,
        );
    }
}
