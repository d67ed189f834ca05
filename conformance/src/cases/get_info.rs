//! GetInfo: the server about itself.

use std::path::Path;

use rkt_api::api::{GetInfoRequest, GlobalFlags, Info};

use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause, hosts,
    stage::Stage,
    target::Target,
    text,
};

/// The version of the API that the document describes.
const API_VERSION: &str = "1.0.0-alpha";

pub(super) fn cases() -> Vec<Case> {
    let method = Method::GetInfo;
    vec![
        Case::new(method, &clause::W_3, "info", |target| async move {
            info(&target).await.map(drop)
        }),
        Case::new(method, &clause::I_1, "semver", semver),
        Case::new(method, &clause::I_2, "global_flags", |target| async move {
            flags(&target).await.map(drop)
        }),
        Case::new(method, &clause::I_2, "dir", dir),
        Case::new(method, &clause::I_2, "dir-as-started", dir_as_started)
            .on(On::Still(&hosts::EMPTY)),
        Case::new(method, &clause::I_2, "config-dirs", config_dirs).decided(),
        Case::new(method, &clause::I_2, "insecure_flags", insecure_flags).decided(),
        Case::new(method, &clause::I_1, "api-version", api_version).decided(),
        Case::new(method, &clause::I_1, "steady", steady).decided(),
    ]
}

async fn semver(target: Stage) -> Verdict {
    let info = info(&target).await?;
    for (field, version) in [
        ("rkt_version", info.rkt_version),
        ("appc_version", info.appc_version),
        ("api_version", info.api_version),
    ] {
        if let Err(error) = semver::Version::parse(&version) {
            let actual = format!("{version:?}: {error}");
            return Err(wrong(&format!("a semantic version in {field}"), actual));
        }
    }
    Ok(())
}

async fn dir(target: Stage) -> Verdict {
    let flags = flags(&target).await?;
    match flags.dir.is_empty() {
        true => Err(wrong(
            "the data directory in global_flags.dir",
            "an empty one",
        )),
        false => Ok(()),
    }
}

/// That it is the one that the suite has started the server with. Links on the way there are
/// the server's own business.
async fn dir_as_started(stage: Stage) -> Verdict {
    let wanted = stage.data_dir()?;
    let found = flags(&stage).await?.dir;
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match real(Path::new(&found)) == real(wanted) {
        true => Ok(()),
        false => Err(wrong(
            &format!("global_flags.dir {:?}", wanted.display().to_string()),
            format!("{found:?}"),
        )),
    }
}

/// That those two are paths which every rkt has.
async fn config_dirs(stage: Stage) -> Verdict {
    let flags = flags(&stage).await?;
    for (field, dir) in [
        ("system_config_dir", flags.system_config_dir),
        ("local_config_dir", flags.local_config_dir),
    ] {
        if !dir.starts_with('/') {
            return Err(wrong(
                &format!("an absolute path in global_flags.{field}"),
                format!("{dir:?}"),
            ));
        }
    }
    Ok(())
}

/// That there is a word for no flag at all.
async fn insecure_flags(stage: Stage) -> Verdict {
    let found = flags(&stage).await?.insecure_flags;
    let mut names = found.split(',');
    let is_list = names
        .clone()
        .all(|name| !name.is_empty() && name.trim() == name);
    match is_list && (found == "none" || !names.any(|name| name == "none")) {
        true => Ok(()),
        false => Err(wrong(
            "\"none\" or names joined by commas in global_flags.insecure_flags",
            format!("{found:?}"),
        )),
    }
}

async fn api_version(stage: Stage) -> Verdict {
    let found = info(&stage).await?.api_version;
    match found == API_VERSION {
        true => Ok(()),
        false => Err(wrong(
            &format!("api_version {API_VERSION:?}"),
            format!("{found:?}"),
        )),
    }
}

/// That it says the same each time it is asked.
async fn steady(stage: Stage) -> Verdict {
    let first = info(&stage).await?;
    let second = info(&stage).await?;
    match first == second {
        true => Ok(()),
        false => Err(wrong(
            &format!("{first:?} as before"),
            format!("{second:?}"),
        )),
    }
}

async fn info(target: &Target) -> Result<Info, Objection> {
    let info = target.info().await?.info;
    info.ok_or_else(|| wrong("info", "OK without it"))
}

async fn flags(target: &Target) -> Result<GlobalFlags, Objection> {
    let flags = info(target).await?.global_flags;
    flags.ok_or_else(|| wrong("info.global_flags", "info without them"))
}

fn wrong(expected: &str, actual: impl Into<String>) -> Objection {
    let request = text::request(Method::GetInfo, &GetInfoRequest {});
    Objection::fail(request, expected, actual)
}
