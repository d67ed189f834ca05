//! GetInfo: the server about itself.

use rkt_api::api::{GetInfoRequest, GlobalFlags, Info};

use crate::{
    case::{Case, Method, Objection, Verdict},
    clause,
    stage::Stage,
    target::Target,
    text,
};

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
