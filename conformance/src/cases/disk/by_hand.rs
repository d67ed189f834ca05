//! Changing a host in ways that no step of rkt's does: on disk, and in the model likewise.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rkt_api::layout;
use rkt_sim::spec::Phase;
use uuid::Uuid;

use crate::{
    case::Objection,
    clock::now_unix_ns,
    forks::Quiet,
    model::{World, facts::Moment, world::on_disk},
    stage::Stage,
};

/// Does something on disk, given the data directory, and then tells the model, which also
/// hears what came of it and when it was done.
///
/// # Errors
///
/// The case is skipped when the system refuses.
pub(super) async fn change<T: Send + 'static>(
    stage: &Stage,
    do_it: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    tell: impl FnOnce(&mut World, T, Moment),
) -> Result<(), Objection> {
    let setting = stage.setting()?;
    let data_dir = setting.data_dir().to_owned();
    let quiet = Quiet::shared().await;
    let before = now_unix_ns();
    let done = tokio::task::spawn_blocking(move || {
        let done = do_it(&data_dir);
        quiet.end();
        done
    });
    let done = done
        .await
        .map_err(|error| Objection::Bug(error.to_string()))?;
    let done = done.map_err(|error| refused(&error))?;
    let moment = on_disk(before, now_unix_ns());
    setting
        .shared_world()
        .change(|world| tell(world, done, moment));
    Ok(())
}

/// Does something on disk of which the answers show nothing.
///
/// # Errors
///
/// As [`change`].
pub(super) async fn unseen<T: Send + 'static>(
    stage: &Stage,
    do_it: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Objection> {
    let mut came_of_it = None;
    change(stage, do_it, |_, done, _| came_of_it = Some(done)).await?;
    came_of_it.ok_or_else(|| Objection::Bug("a change was not made".to_owned()))
}

/// Why a case cannot be tried whose preparations the system refuses.
pub(super) fn refused(error: &io::Error) -> Objection {
    Objection::skip(format!("the system does not allow it: {error}"))
}

/// The directory of a pod, relative to the data directory.
pub(super) fn pod_dir(phase: Phase, id: Uuid) -> PathBuf {
    phase_dir(phase).join(id.hyphenated().to_string())
}

/// The directory of a phase, relative to the data directory.
pub(super) fn phase_dir(phase: Phase) -> PathBuf {
    Path::new(layout::PODS).join(phase.to_string())
}

/// Writes a file beside the one that it then replaces, as careful programs do.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, content)?;
    fs::rename(beside, path)
}

/// Copies a directory and what is in it, files and directories alone.
pub(super) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let copy = to.join(entry.file_name());
        if kind.is_dir() {
            copy_tree(&entry.path(), &copy)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &copy)?;
            let modified = entry.metadata()?.modified()?;
            File::open(&copy)?.set_modified(modified)?;
        }
    }
    Ok(())
}
