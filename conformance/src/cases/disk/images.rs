//! IM-5, IM-7, IM-8: a store in which manifests are broken, whose index somebody keeps locked,
//! or whose index cannot be read. Calls about pods never notice.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rkt_api::{
    api::{Image, Pod},
    layout::store,
};
use rkt_sim::faults::{self, Kind};
use tonic::Code;

use super::{
    ask::{self, Modelled as _, after},
    by_hand::{self, change},
    locks::lock,
};
use crate::{
    case::{Case, Checking, Method, Objection, On, Verdict},
    clause::{self, Clause},
    environment,
    hosts::disk::SMALL,
    resource::Resource as _,
    stage::Stage,
    text,
};

/// How long a call waits for the index (IM-7).
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Damages after which no server can read a file.
const UNREADABLE: [&str; 10] = [
    "truncated",
    "directory",
    "fifo",
    "link-out",
    "link-out-relative",
    "link-loop",
    "sparse",
    "junk",
    "zeroed",
    "magic",
];

/// Damages by which a manifest is none.
const NO_MANIFEST: [&str; 12] = [
    "missing",
    "empty",
    "truncated",
    "directory",
    "fifo",
    "link-out",
    "link-out-relative",
    "link-loop",
    "sparse",
    "nested",
    "junk",
    "other-kind",
];

pub(super) fn cases() -> Vec<Case> {
    let own = |case: Case| case.on(On::Own(&SMALL));
    let list = |clause: &'static Clause, content: &'static str| {
        move |check: fn(Stage) -> Checking| {
            own(Case::new(Method::ListImages, clause, content, check))
        }
    };
    vec![
        list(&clause::IM_5, "broken-manifests")(|stage| Box::pin(broken_manifests(stage))),
        list(&clause::IM_7, "locked")(|stage| Box::pin(locked(stage))),
        list(&clause::IM_7, "locked-from-the-start")(|stage| {
            Box::pin(locked_from_the_start(stage))
        })
        .thorough(),
        list(&clause::IM_8, "damaged-index")(|stage| {
            Box::pin(damaged(stage, "index", &UNREADABLE))
        }),
        list(&clause::IM_8, "damaged-log")(|stage| {
            Box::pin(damaged(stage, "index-log", &UNREADABLE))
        })
        .thorough(),
        list(&clause::IM_8, "damaged-from-the-start")(|stage| {
            Box::pin(damaged_from_the_start(stage))
        }),
        list(&clause::IM_8, "unreadable")(|stage| Box::pin(unreadable(stage))),
    ]
}

/// One image's manifest after the other is broken, and mended.
async fn broken_manifests(stage: Stage) -> Verdict {
    about_images(&stage).await?;
    for (seed, kind) in (0..).zip(kinds("image-manifest", &NO_MANIFEST)) {
        let broken = Broken::make(&stage, kind, seed).await?;
        let key = broken
            .key()
            .ok_or_else(|| Objection::Bug("a fault without a key".to_owned()))?;
        let world = ask::world(&stage)?;
        let image = world.images().find(|image| image.id == key).cloned();
        let image = image.ok_or_else(|| Objection::Bug(format!("there is no image {key}")))?;
        let shared = stage.setting()?.shared_world();
        shared.change(|world| world.break_image_manifest(&key));
        let asked = about_images(&stage).await;
        asked.map_err(after(kind.sentence()))?;
        broken.mend(&stage).await?;
        shared.change(|world| {
            if let Some(broken) = world.image_mut(&key) {
                *broken = image;
            }
        });
        let asked = about_images(&stage).await;
        asked.map_err(after(format!("this was mended: {}", kind.sentence())))?;
    }
    Ok(())
}

/// Somebody keeps the index locked: the last good picture is the answer.
async fn locked(stage: Stage) -> Verdict {
    about_images(&stage).await?;
    let held = hold_index(&stage).await?;
    let world = ask::world(&stage)?;
    let images = async {
        let request = Image::list_text(&[], true);
        let patience = LOCK_TIMEOUT + ask::PROMPT;
        let listed = ask::within(patience, &request, Image::list(&stage, &[], true)).await??;
        let expected = Image::listed(&world, stage.profile(), &[], true).unwrap_or_default();
        ask::compare(&request, &expected, &listed)
    };
    // Pods first, so that they are asked for while the other call waits.
    let (pods, images) =
        futures_util::future::join(ask::list::<Pod>(&stage, &world, &[], true), images).await;
    let what = "another process has locked the index";
    pods.map_err(after(what))?;
    images.map_err(after(what))?;
    release(&stage, held).await?;
    let asked = about_images(&stage).await;
    asked.map_err(after("the index was unlocked"))
}

/// The index is locked since before the server's start: no answer, unless it has read the
/// index all the same.
async fn locked_from_the_start(stage: Stage) -> Verdict {
    let held = hold_index(&stage).await?;
    let setting = stage.setting()?;
    setting.restart_server().await?;
    let stage = stage.with_target(setting.connect().await?);
    right_or_unavailable(
        &stage,
        "another process has locked the index since the start",
    )
    .await?;
    ask::about_all_pods(&stage).await?;
    release(&stage, held).await?;
    about_images(&stage)
        .await
        .map_err(after("the index was unlocked"))
}

/// The index is damaged in one way after the other, and mended.
async fn damaged(stage: Stage, target: &str, damages: &[&str]) -> Verdict {
    about_images(&stage).await?;
    for kind in kinds(target, damages) {
        let broken = Broken::make(&stage, kind, 0).await?;
        // The last good picture, which is right still.
        let asked = async {
            ask::list::<Image>(&stage, &*ask::world(&stage)?, &[], true).await?;
            ask::list::<Pod>(&stage, &*ask::world(&stage)?, &[], true).await
        };
        asked.await.map_err(after(kind.sentence()))?;
        broken.mend(&stage).await?;
        let asked = about_images(&stage).await;
        asked.map_err(after(format!("this was mended: {}", kind.sentence())))?;
    }
    Ok(())
}

/// The index was damaged before the server's start, and is mended later.
async fn damaged_from_the_start(stage: Stage) -> Verdict {
    let [kind, ..] = kinds("index", &["junk"])[..] else {
        return Err(Objection::Bug("there is no such fault".to_owned()));
    };
    let broken = Broken::make(&stage, kind, 0).await?;
    let setting = stage.setting()?;
    setting.restart_server().await?;
    let shared = setting.shared_world();
    shared.change(|world| world.set_index_readable(false));
    let stage = stage.with_target(setting.connect().await?);
    let request = Image::list_text(&[], false);
    let mut client = stage.client();
    let call = client.list_images(rkt_api::api::ListImagesRequest::default());
    match ask::promptly(&request, call).await? {
        Err(status) if status.code() == Code::Unavailable && !status.message().is_empty() => {}
        other => {
            let actual = other.map_or_else(|status| text::status(&status), |_| "OK".to_owned());
            let expected = "UNAVAILABLE, with the fault's name: the index is junk since the start";
            return Err(Objection::fail(request, expected, actual));
        }
    }
    ask::about_all_pods(&stage).await?;
    broken.mend(&stage).await?;
    shared.change(|world| world.set_index_readable(true));
    about_images(&stage)
        .await
        .map_err(after("the index was mended"))
}

/// Nobody but root can read the index.
async fn unreadable(stage: Stage) -> Verdict {
    if environment::is_root() {
        return Err(Objection::skip(
            "the suite is root, who can read everything",
        ));
    }
    damaged(stage, "index", &["unreadable"]).await
}

/// An answer that is right, or UNAVAILABLE.
async fn right_or_unavailable(stage: &Stage, what: &str) -> Verdict {
    let world = ask::world(stage)?;
    let request = Image::list_text(&[], false);
    let patience = LOCK_TIMEOUT + ask::PROMPT;
    let mut client = stage.client();
    let call = client.list_images(rkt_api::api::ListImagesRequest::default());
    match ask::within(patience, &request, call)
        .await
        .map_err(after(what))?
    {
        Err(status) if status.code() == Code::Unavailable => Ok(()),
        Err(status) => Err(Objection::fail(
            request,
            format!("UNAVAILABLE: {what}"),
            text::status(&status),
        )),
        Ok(answer) => {
            let expected = Image::listed(&world, stage.profile(), &[], false).unwrap_or_default();
            ask::compare(&request, &expected, &answer.into_inner().images)
        }
    }
}

/// All images in every way, and the list of pods.
async fn about_images(stage: &Stage) -> Verdict {
    let world = ask::world(stage)?;
    for detail in [false, true] {
        ask::list::<Image>(stage, &world, &[], detail).await?;
    }
    for image in world.images() {
        ask::inspect::<Image>(stage, &world, &image.id).await?;
    }
    ask::list::<Pod>(stage, &world, &[], false).await
}

/// Locks the index as rkt does to write it: nobody sees what is only half written.
fn lock_index(data_dir: &Path) -> io::Result<File> {
    let dir = File::open(data_dir.join(store::DB_DIR))?;
    lock(&dir)?;
    Ok(dir)
}

async fn hold_index(stage: &Stage) -> Result<File, Objection> {
    by_hand::unseen(stage, lock_index).await
}

async fn release(stage: &Stage, held: File) -> Verdict {
    by_hand::unseen(stage, move |_| held.unlock()).await
}

/// The faults of the target by these damages.
fn kinds(target: &str, damages: &[&str]) -> Vec<Kind> {
    let is_meant = |kind: &Kind| {
        let name = kind.name();
        let damage = name
            .strip_prefix(target)
            .and_then(|rest| rest.strip_prefix('/'));
        damage.is_some_and(|damage| damages.contains(&damage))
    };
    Kind::all().filter(is_meant).collect()
}

/// A file that is broken, and what was there before.
struct Broken {
    /// Relative to the data directory.
    path: PathBuf,
    before: Vec<u8>,
}

impl Broken {
    async fn make(stage: &Stage, kind: Kind, seed: u64) -> Result<Self, Objection> {
        // The fault says only afterwards which file it breaks.
        let files = by_hand::unseen(stage, |data_dir| {
            let mut files = Vec::new();
            contents(data_dir, Path::new(store::CAS), &mut files)?;
            Ok(files)
        })
        .await?;
        let made = by_hand::unseen(stage, move |data_dir| {
            let _lock = lock_index(data_dir)?;
            faults::apply(data_dir, kind, None, seed).map_err(io::Error::other)
        });
        let paths = made.await?.paths;
        let before = files
            .into_iter()
            .find(|(path, _)| Some(path) == paths.first());
        let (path, before) =
            before.ok_or_else(|| Objection::Bug(format!("{kind} changed {paths:?}")))?;
        Ok(Self { path, before })
    }

    /// The key of the image whose manifest it is.
    fn key(&self) -> Option<String> {
        Some(self.path.file_name()?.to_str()?.to_owned())
    }

    async fn mend(self, stage: &Stage) -> Verdict {
        let Self { path, before } = self;
        let mend = move |data_dir: &Path| {
            let _lock = lock_index(data_dir)?;
            let path = data_dir.join(path);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&path)?,
                Ok(_) => fs::remove_file(&path)?,
                Err(_) => {}
            }
            by_hand::replace(&path, &before)
        };
        change(stage, mend, |_, (), _| {}).await
    }
}

/// The plain files below a directory: their paths relative to the data directory, and what is
/// in them.
fn contents(data_dir: &Path, below: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(data_dir.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            contents(data_dir, &path, files)?;
        } else if kind.is_file() {
            files.push((path, fs::read(entry.path())?));
        }
    }
    Ok(())
}
