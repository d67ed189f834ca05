//! The fields of an image, one rule after the other: what they may be at all, and what the
//! manifest in the same answers says they are (IM-1 to IM-5).

use rkt_api::api::{Image, ImageType, KeyValue};

use super::{
    fields::{self, Finding, Rule, Shown, Via, expect, expect_eq, none_inspected},
    pod_fields::is_image_type,
};
use crate::{
    case::{Case, Method, Objection, Verdict},
    clause,
    profile::Profile,
    resource::{self, Resource as _},
    stage::Stage,
    survey::NotInspected,
    text,
};

const WITH_DETAIL: &[Via] = &[Via::Detailed, Via::Inspected];

/// No time that is meant to be in seconds is beyond: it would be in the year 5138, where
/// milliseconds of 1973 lie.
const MOST_S: i64 = 100_000_000_000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = fields::cases(RULES).collect();
    cases.extend([
        Case::new(
            Method::ListImages,
            &clause::IM_4,
            "appc-version",
            appc_version,
        )
        .decided(),
        Case::new(Method::InspectImage, &clause::IM_5, "listed", listed),
    ]);
    cases
}

type ImageRule = Rule<Image>;

static RULES: &[ImageRule] = &[
    ImageRule::new(&clause::IM_1, "id", IMAGE, |shown| {
        let digits = shown.answer.id.strip_prefix("sha512-").unwrap_or_default();
        let is_key = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        expect(
            is_key,
            "sha512- and 64 hexadecimal digits",
            &shown.answer.id,
        )
    })
    .decided(),
    ImageRule::new(&clause::IM_1, "name", IMAGE, |shown| {
        match &shown.manifest {
            Some(manifest) => expect_eq("name", &shown.answer.name, &manifest.name()),
            None => expect(!shown.answer.name.is_empty(), "a name", ""),
        }
    }),
    ImageRule::new(
        &clause::IM_1,
        "version",
        "image with a label version",
        |shown| match label_version(shown.answer) {
            Some(version) => expect_eq("version", &shown.answer.version.as_str(), &version),
            None => Finding::Silent,
        },
    ),
    ImageRule::new(
        &clause::IM_1,
        "latest",
        "image without label version",
        |shown| match label_version(shown.answer) {
            Some(_) => Finding::Silent,
            None => expect_eq("version", &shown.answer.version.as_str(), &"latest"),
        },
    )
    .decided(),
    ImageRule::new(
        &clause::IM_1,
        "seconds",
        "image with an import time",
        |shown| match shown.answer.import_timestamp {
            0 => Finding::Silent,
            time => expect(time < MOST_S, "import_timestamp in seconds", time),
        },
    ),
    ImageRule::new(&clause::IM_1, "size", IMAGE, |shown| {
        expect(shown.answer.size >= 0, "a size", shown.answer.size)
    }),
    ImageRule::new(&clause::IM_2, "manifest", IMAGE_WITH_MANIFEST, |shown| {
        repeated(shown, |found, wanted| {
            found.iter().all(|pair| wanted.contains(pair))
                && wanted.iter().all(|pair| found.contains(pair))
        })
    }),
    ImageRule::new(&clause::IM_2, "order", IMAGE_WITH_MANIFEST, |shown| {
        repeated(shown, |found, wanted| found == wanted)
    })
    .decided(),
    ImageRule::new(&clause::IM_3, "json", IMAGE, |shown| {
        match shown.answer.manifest.is_empty() {
            true => expect(false, "a manifest", ""),
            false => fields::manifest_kind(&shown.answer.manifest, "ImageManifest"),
        }
    })
    .only(WITH_DETAIL),
    ImageRule::new(&clause::IM_3, "no-detail", IMAGE, |shown| {
        let manifest = &shown.answer.manifest;
        expect(manifest.is_empty(), "no manifest without detail", manifest)
    })
    .decided()
    .only(&[Via::Brief]),
    ImageRule::new(&clause::IM_4, "set", IMAGE, |shown| {
        let format = &shown.answer.base_format;
        let is_set = format
            .as_ref()
            .is_some_and(|format| is_image_type(format.r#type) && !format.version.is_empty());
        expect(is_set, "a base format with type and version", format)
    }),
    ImageRule::new(&clause::IM_4, "docker", IMAGE, docker).decided(),
];

const IMAGE: &str = "image";
const IMAGE_WITH_MANIFEST: &str = "image with a manifest";

fn label_version(image: &Image) -> Option<&str> {
    let label = image.labels.iter().find(|label| label.key == "version");
    label.map(|label| label.value.as_str())
}

fn repeated(shown: &Shown<'_, Image>, same: fn(&[KeyValue], &[KeyValue]) -> bool) -> Finding {
    let Some(manifest) = &shown.manifest else {
        return Finding::Silent;
    };
    let found = (&shown.answer.labels, &shown.answer.annotations);
    let wanted = (manifest.labels(), manifest.annotations());
    let holds = same(found.0, &wanted.0) && same(found.1, &wanted.1);
    expect(holds, format!("labels and annotations {wanted:?}"), found)
}

/// An image that was converted from Docker says so in its annotations.
fn docker(shown: &Shown<'_, Image>) -> Finding {
    let Some(format) = &shown.answer.base_format else {
        return Finding::Silent;
    };
    let mut notes = shown
        .answer
        .annotations
        .iter()
        .filter(|note| note.key.starts_with("appc.io/docker/"));
    let is_docker = notes.clone().next().is_some();
    let is_second =
        notes.any(|note| note.key == "appc.io/docker/imageid" && note.value.starts_with("sha256:"));
    let found = (format.r#type(), format.version.as_str());
    match (shown.profile, is_docker) {
        (Profile::Rkt130, _) | (_, false) => expect_eq("type", &found.0, &ImageType::Appc),
        (Profile::Documented, true) => {
            let version = if is_second { "2" } else { "1" };
            expect_eq("type and version", &found, &(ImageType::Docker, version))
        }
    }
}

async fn appc_version(target: Stage) -> Verdict {
    let info = target.info().await?.info.unwrap_or_default();
    let survey = resource::survey::<Image>(&target).await?;
    let formats = survey.seen.iter().filter_map(|seen| {
        let format = seen.detailed.base_format.as_ref()?;
        (format.r#type() == ImageType::Appc).then_some((&seen.detailed.id, format))
    });
    let mut compared = false;
    for (id, format) in formats {
        compared = true;
        if format.version != info.appc_version {
            return Err(Objection::fail(
                Image::list_text(&[], true),
                format!("version {:?} as in GetInfo", info.appc_version),
                format!("{:?} (image {id})", format.version),
            ));
        }
    }
    match compared {
        true => Ok(()),
        false => Err(Objection::skip("there is no APPC image")),
    }
}

/// That what is listed can be answered by itself, too.
async fn listed(target: Stage) -> Verdict {
    let survey = resource::survey::<Image>(&target).await?;
    for seen in &survey.seen {
        if let Err(NotInspected::Refused(status)) = &seen.inspected {
            let id = &seen.detailed.id;
            let expected = "the image, which is listed";
            return Err(Objection::fail(
                Image::inspect_text(id),
                expected,
                text::status(status),
            ));
        }
    }
    match survey.seen.is_empty() {
        true => Err(Objection::skip(none_inspected::<Image>())),
        false => Ok(()),
    }
}
