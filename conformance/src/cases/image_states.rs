//! The fields of each image of the host `images`, against the model (IM-1 to IM-4), and the
//! order in which they come (IM-9).

use rkt_api::api::Image;

use super::{
    described::{self, Aspect, Subject, json, members},
    fields::Via,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::{IMAGES, images},
    oracle::Oracle,
    resource::Resource as _,
    stage::Stage,
};

const WITH_DETAIL: &[Via] = &[Via::Detailed, Via::Inspected];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            Method::ListImages,
            &clause::IM_9,
            "last-written-first",
            last_written_first,
        )
        .on(On::Still(&IMAGES)),
    ];
    for (label, image) in images::images() {
        // Of an image that cannot be made there is no host either.
        let Ok(id) = image.blob_key() else {
            continue;
        };
        let subject = Subject {
            host: &IMAGES,
            label: label.into(),
            id: id.into(),
        };
        cases.extend(described::presence::<Image>(&subject, &clause::IM_1));
        let all = ASPECTS.iter();
        cases.extend(all.flat_map(|aspect| described::cases(&subject, aspect)));
        let (version, size) = match is_decided(label) {
            true => (&DECIDED_VERSION, &DECIDED_SIZE),
            false => (&VERSION, &SIZE),
        };
        cases.extend(described::cases(&subject, version));
        cases.extend(described::cases(&subject, size));
    }
    cases
}

/// Whether the document says nothing of versions and sizes of such an image.
fn is_decided(label: &str) -> bool {
    matches!(
        label,
        "no-labels" | "no-version" | "no-version-latest" | "size-with-tree" | "size-beyond-32-bits"
    )
}

type ImageAspect = Aspect<Image>;

static VERSION: ImageAspect = version();
static DECIDED_VERSION: ImageAspect = version().decided();
static SIZE: ImageAspect = size();
static DECIDED_SIZE: ImageAspect = size().decided();

const fn version() -> ImageAspect {
    ImageAspect::new(&clause::IM_1, "version", |image| {
        format!("{:?}", image.version)
    })
}

const fn size() -> ImageAspect {
    ImageAspect::new(&clause::IM_1, "size", |image| image.size.to_string())
}

static ASPECTS: &[ImageAspect] = &[
    ImageAspect::new(&clause::IM_1, "name", |image| image.name.clone()),
    ImageAspect::new(&clause::IM_1, "import_timestamp", |image| {
        image.import_timestamp.to_string()
    }),
    ImageAspect::new(&clause::IM_2, "labels", |image| members(&image.labels)),
    ImageAspect::new(&clause::IM_2, "annotations", |image| {
        members(&image.annotations)
    }),
    ImageAspect::new(&clause::IM_2, "order", |image| {
        format!("{:?} {:?}", image.labels, image.annotations)
    })
    .decided(),
    ImageAspect::new(&clause::IM_3, "", |image| json(&image.manifest)).only(WITH_DETAIL),
    ImageAspect::new(&clause::IM_3, "bytes", |image| {
        String::from_utf8_lossy(&image.manifest).into_owned()
    })
    .decided(),
    ImageAspect::new(&clause::IM_4, "type", |image| {
        let format = image.base_format.as_ref();
        format.map_or_else(
            || "none".to_owned(),
            |format| format!("{:?}", format.r#type()),
        )
    }),
    ImageAspect::new(&clause::IM_4, "", |image| {
        format!("{:?}", image.base_format)
    })
    .decided(),
];

/// Any order is right. Whether it is rkt's is recorded, so another one is no failure.
async fn last_written_first(stage: Stage) -> Verdict {
    Oracle::required(&stage).await?;
    let answer = Image::list(&stage, &[], false).await?;
    let actual: Vec<&str> = answer.iter().map(|image| image.name.as_str()).collect();
    let images = images::images();
    let images = images.iter().rev();
    let wanted: Vec<&str> = images.map(|(_, image)| image.name.as_str()).collect();
    match actual == wanted {
        true => Ok(()),
        false => Err(Objection::skip(
            "any order will do, and the server's is not rkt's, the row written last first",
        )),
    }
}
