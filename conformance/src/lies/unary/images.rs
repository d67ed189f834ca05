//! Lies about images and their fields (IM-1 to IM-8).

use rkt_api::api::{Image, ImageType};
use serde_json::Value;
use tonic::{Code, Status};

use super::{
    How::{Image as Find, Images, InspectedImages, ListedImages, StaleImages, TellImages},
    lie,
};
use crate::{clause, lies::Lie};

pub(super) fn lies() -> Vec<Lie> {
    [fields(), found()].into_iter().flatten().collect()
}

fn fields() -> Vec<Lie> {
    vec![
        lie(
            &clause::IM_1,
            "ids-shortened",
            Images(|image| image.id.truncate(19)),
        ),
        lie(
            &clause::IM_1,
            "name-with-version",
            Images(|image| {
                image.name = format!("{}:{}", image.name, image.version);
            }),
        ),
        lie(
            &clause::IM_1,
            "version-missing",
            Images(|image| image.version.clear()),
        ),
        lie(
            &clause::IM_1,
            "version-only-by-label",
            Images(|image| {
                if !image.labels.iter().any(|label| label.key == "version") {
                    image.version.clear();
                }
            }),
        ),
        lie(
            &clause::IM_1,
            "imported-in-milliseconds",
            Images(|image| {
                image.import_timestamp = image.import_timestamp.saturating_mul(1000);
            }),
        ),
        lie(
            &clause::IM_1,
            "size-missing",
            Images(|image| image.size = 0),
        ),
        lie(
            &clause::IM_1,
            "size-of-32-bits",
            Images(|image| image.size &= 0xffff_ffff),
        ),
        lie(
            &clause::IM_2,
            "labels-in-reverse",
            Images(|image| image.labels.reverse()),
        ),
        lie(
            &clause::IM_2,
            "labels-without-version",
            Images(|image| {
                image.labels.retain(|label| label.key != "version");
            }),
        ),
        lie(
            &clause::IM_2,
            "no-annotations",
            Images(|image| image.annotations.clear()),
        ),
        lie(
            &clause::IM_2,
            "annotations-once",
            Images(|image| {
                let all = std::mem::take(&mut image.annotations);
                for pair in all {
                    if !image.annotations.contains(&pair) {
                        image.annotations.push(pair);
                    }
                }
            }),
        ),
        lie(
            &clause::IM_3,
            "manifest-without-detail",
            ListedImages(|image, whole| {
                image.manifest.clone_from(&whole.manifest);
            }),
        ),
        lie(
            &clause::IM_3,
            "no-manifest-in-lists",
            ListedImages(|image, _| image.manifest.clear()),
        ),
        lie(
            &clause::IM_3,
            "no-manifest-inspected",
            InspectedImages(|image| image.manifest.clear()),
        ),
        lie(
            &clause::IM_3,
            "manifest-written-anew",
            Images(|image| {
                let value = serde_json::from_slice::<Value>(&image.manifest);
                if let Ok(Ok(text)) = value.map(|value| serde_json::to_string_pretty(&value)) {
                    image.manifest = text.into();
                }
            }),
        ),
        lie(
            &clause::IM_4,
            "always-appc",
            Images(|image| {
                if let Some(format) = &mut image.base_format {
                    format.set_type(ImageType::Appc);
                }
            }),
        ),
        lie(
            &clause::IM_4,
            "format-undefined",
            Images(|image| {
                if let Some(format) = &mut image.base_format {
                    format.set_type(ImageType::Undefined);
                }
            }),
        ),
        lie(
            &clause::IM_4,
            "format-missing",
            Images(|image| image.base_format = None),
        ),
        lie(
            &clause::IM_4,
            "format-without-version",
            Images(|image| {
                if let Some(format) = &mut image.base_format {
                    format.version.clear();
                }
            }),
        ),
        lie(
            &clause::IM_4,
            "docker-always-version-1",
            Images(|image| {
                if let Some(format) = &mut image.base_format
                    && format.r#type() == ImageType::Docker
                {
                    format.version = "1".to_owned();
                }
            }),
        ),
    ]
}

fn found() -> Vec<Lie> {
    vec![
        lie(
            &clause::IM_5,
            "broken-images-found-empty",
            Find(|id, _, found| {
                if found.is_err() {
                    let id = id.to_owned();
                    *found = Ok(Some(Image {
                        id,
                        ..Image::default()
                    }));
                }
            }),
        ),
        lie(
            &clause::IM_6,
            "only-whole-ids",
            Find(|id, _, found| {
                if id.len() != "sha512-".len() + 64 {
                    *found = Err(Status::not_found(format!("there is no image {id}")));
                }
            }),
        ),
        lie(
            &clause::IM_6,
            "the-first-of-several",
            Find(|id, all, found| {
                let is_ambiguous = found
                    .as_ref()
                    .is_err_and(|status| status.code() == Code::InvalidArgument);
                let first = all.iter().find(|image| image.id.starts_with(id));
                if is_ambiguous && first.is_some() && !id.is_empty() {
                    *found = Ok(first.cloned());
                }
            }),
        ),
        lie(
            &clause::IM_6,
            "ids-without-prefix",
            Find(|id, all, found| {
                let same = all
                    .iter()
                    .find(|image| image.id.trim_start_matches("sha512-") == id);
                if let Some(image) = same {
                    *found = Ok(Some(image.clone()));
                }
            }),
        ),
        lie(&clause::IM_7, "the-answer-before", StaleImages),
        lie(
            &clause::IM_8,
            "no-images-where-the-index-is-broken",
            TellImages(|answer| {
                if answer
                    .as_ref()
                    .is_err_and(|status| status.code() == Code::Unavailable)
                {
                    *answer = Ok(Vec::new());
                }
            }),
        ),
    ]
}
