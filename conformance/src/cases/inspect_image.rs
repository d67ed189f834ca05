//! InspectImage: naming an image, and agreeing with what is listed of it. What is in the image
//! is `image_fields`' business.

use rkt_api::api::Image;
use tonic::Code;

use super::{
    fields::{self, Agreement},
    ids,
};
use crate::{case::Case, clause};

/// An id that is one, but of no image.
const UNKNOWN: &str = "sha512-ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00";

/// The shortest beginning of an id that a server has to take: `sha512-` and two digits.
const MIN_BEGINNING: usize = 9;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![ids::present::<Image>()];
    cases.extend(ids::refused::<Image>("unknown-id", UNKNOWN, Code::NotFound));
    cases.push(ids::refused_by_name::<Image>("unknown-id", UNKNOWN));
    cases.extend(ids::refused::<Image>("empty-id", "", Code::InvalidArgument));
    let clause = &clause::IM_6;
    cases.extend([
        ids::full::<Image>(clause),
        ids::asked::<Image>(clause, "beginning/shortest", |ids| {
            ids::shortest(ids, MIN_BEGINNING)
        }),
        ids::asked::<Image>(clause, "beginning/longest", ids::almost_full),
        ids::asked::<Image>(clause, "beginning/ambiguous", |ids| {
            ids::ambiguous(ids, MIN_BEGINNING)
        }),
    ]);
    cases.extend(fields::agreements(AGREEMENTS));
    cases
}

/// What InspectImage and ListImages both say: everything.
static AGREEMENTS: &[Agreement<Image>] = &[
    Agreement {
        clause: &clause::IM_1,
        content: "name+version+import_timestamp+size",
        pick: |image| {
            let texts = (&image.name, &image.version);
            format!("{texts:?}, {}, {}", image.import_timestamp, image.size)
        },
    },
    Agreement {
        clause: &clause::IM_2,
        content: "labels+annotations",
        pick: |image| format!("{:?}, {:?}", image.labels, image.annotations),
    },
    Agreement {
        clause: &clause::IM_3,
        content: "manifest",
        pick: |image| format!("{:?}", image.manifest),
    },
    Agreement {
        clause: &clause::IM_4,
        content: "base_format",
        pick: |image| format!("{:?}", image.base_format),
    },
];
