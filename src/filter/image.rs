//! Conditions on images (clauses F-I).

use super::{any_of, has_all, is_after, is_before, unset_or};
use crate::api::{Image, ImageFilter};

/// Whether any of `filters` takes `image`; with no filter, every image is taken.
pub(crate) fn image_matches(filters: &[ImageFilter], image: &Image) -> bool {
    any_of(filters, |filter| matches(filter, image))
}

fn matches(filter: &ImageFilter, image: &Image) -> bool {
    let name = image.name.as_str();
    unset_or(&filter.ids, |ids| ids.contains(&image.id))
        && unset_or(&filter.full_names, |names| names.contains(&image.name))
        && unset_or(&filter.prefixes, |prefixes| {
            prefixes
                .iter()
                .any(|prefix| name.starts_with(prefix.as_str()))
        })
        && unset_or(&filter.base_names, |names| {
            names.iter().any(|base| base_name(name) == base)
        })
        && unset_or(&filter.keywords, |keywords| {
            keywords
                .iter()
                .any(|keyword| name.contains(keyword.as_str()))
        })
        && has_all(&image.labels, &filter.labels)
        && has_all(&image.annotations, &filter.annotations)
        && is_after(image.import_timestamp, filter.imported_after)
        && is_before(image.import_timestamp, filter.imported_before)
}

/// What stands behind the last slash.
fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
