//! ListImages under filters: the nine fields (F-I1 to F-I6), and values that are easily taken
//! for something else (W-7, W-8).

use rkt_api::api::{Image, ImageFilter, KeyValue};

use super::{
    filtering::{self, Fields, richest, twice},
    pod_filters::and_another_value,
};
use crate::{
    case::Case,
    clause::{self, Clause},
    filters::{ImageFacts, base_name},
};

/// How many other images' ids stand in a condition beside the pivot's.
const OTHERS: usize = 3;

/// An id that no image has, since it is not hexadecimal.
pub(super) const NO_IMAGE: &str = "sha512-no-such-image";

/// What no image's name has in it.
const NO_NAME: &str = "no such name";

/// The fields of an image filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageField {
    Ids,
    FullNames,
    Prefixes,
    BaseNames,
    Keywords,
    Labels,
    Annotations,
    ImportedAfter,
    ImportedBefore,
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = filtering::common::<Image>();
    for (name, time) in [
        ("zero", 0),
        ("negative", -1),
        ("least", i64::MIN),
        ("one", 1),
        ("most", i64::MAX),
    ] {
        cases.extend(filtering::cases::<Image>(
            &clause::W_7,
            format_args!("imported_after:{name}"),
            move |_| Ok(imported(time, 0)),
        ));
        cases.extend(filtering::cases::<Image>(
            &clause::W_7,
            format_args!("imported_before:{name}"),
            move |_| Ok(imported(0, time)),
        ));
    }
    for (name, after, before) in [
        ("both-negative", -1, -1),
        ("both-least", i64::MIN, i64::MIN),
        ("both-most", i64::MAX, i64::MAX),
        ("least-and-most", i64::MIN, i64::MAX),
        ("most-and-least", i64::MAX, i64::MIN),
        ("most-and-one", i64::MAX, 1),
        ("one-and-most", 1, i64::MAX),
    ] {
        cases.extend(filtering::cases::<Image>(&clause::W_7, name, move |_| {
            Ok(imported(after, before))
        }));
    }
    for (name, wider_s) in [
        ("nothing-between", 1),
        ("before-ends-before-after", 0),
        ("contradictory", -1),
    ] {
        cases.extend(filtering::cases::<Image>(&clause::W_7, name, move |all| {
            let (pivot, _) = richest::<Image>(all)?;
            let time = pivot.imported_s;
            Ok(imported(time, time.saturating_add(wider_s)))
        }));
    }
    for field in Image::FIELDS.iter().filter(|field| is_text(**field)) {
        let name = Image::name(*field);
        cases.extend(filtering::cases::<Image>(
            &clause::W_8,
            format_args!("empty:{name}"),
            |_| Ok(vec![with_value(*field, "")]),
        ));
        cases.extend(filtering::cases::<Image>(
            &clause::W_8,
            format_args!("upper-case:{name}"),
            |all| upper_case(*field, all),
        ));
    }
    cases
}

fn imported(after: i64, before: i64) -> Vec<ImageFilter> {
    vec![ImageFilter {
        imported_after: after,
        imported_before: before,
        ..ImageFilter::default()
    }]
}

fn is_text(field: ImageField) -> bool {
    !matches!(
        field,
        ImageField::ImportedAfter | ImageField::ImportedBefore
    )
}

impl Fields for Image {
    type Field = ImageField;

    const FIELDS: &'static [ImageField] = &[
        ImageField::Ids,
        ImageField::FullNames,
        ImageField::Prefixes,
        ImageField::BaseNames,
        ImageField::Keywords,
        ImageField::Labels,
        ImageField::Annotations,
        ImageField::ImportedAfter,
        ImageField::ImportedBefore,
    ];
    const FILTERS: &'static Clause = &clause::F_I0;
    const SUBSETS: &'static Clause = &clause::F_I7;

    fn name(field: ImageField) -> &'static str {
        match field {
            ImageField::Ids => "ids",
            ImageField::FullNames => "full_names",
            ImageField::Prefixes => "prefixes",
            ImageField::BaseNames => "base_names",
            ImageField::Keywords => "keywords",
            ImageField::Labels => "labels",
            ImageField::Annotations => "annotations",
            ImageField::ImportedAfter => "imported_after",
            ImageField::ImportedBefore => "imported_before",
        }
    }

    fn can_pick(field: ImageField, pivot: &ImageFacts) -> bool {
        match field {
            ImageField::Ids => true,
            ImageField::FullNames
            | ImageField::Prefixes
            | ImageField::BaseNames
            | ImageField::Keywords => !pivot.name.is_empty(),
            ImageField::Labels => !pivot.labels.is_empty(),
            ImageField::Annotations => !pivot.annotations.is_empty(),
            // The second before has to be a time that is set, the one after to exist.
            ImageField::ImportedAfter | ImageField::ImportedBefore => {
                (2..i64::MAX).contains(&pivot.imported_s)
            }
        }
    }

    /// Where any of the values will do, one that does not fit stands before the pivot's; where
    /// all have to, all of the pivot's are there. Times are next to the pivot's.
    fn hit(field: ImageField, filter: &mut ImageFilter, pivot: &ImageFacts, _all: &[ImageFacts]) {
        let any = |value: &str| vec![NO_NAME.to_owned(), value.to_owned()];
        match field {
            ImageField::Ids => filter.ids = vec![NO_IMAGE.to_owned(), pivot.id.clone()],
            ImageField::FullNames => filter.full_names = any(&pivot.name),
            ImageField::Prefixes => filter.prefixes = any(without_last(&pivot.name)),
            ImageField::BaseNames => filter.base_names = any(base_name(&pivot.name)),
            ImageField::Keywords => {
                filter.keywords = any(without_first(without_last(&pivot.name)));
            }
            ImageField::Labels => filter.labels = pivot.labels.clone(),
            ImageField::Annotations => filter.annotations = pivot.annotations.clone(),
            ImageField::ImportedAfter => filter.imported_after = pivot.imported_s - 1,
            ImageField::ImportedBefore => filter.imported_before = pivot.imported_s + 1,
        }
    }

    /// Where any of the values will do, none fits the pivot, though all come close; where all
    /// have to, one is missing. Times are the pivot's own, since the bounds are strict.
    fn miss(field: ImageField, filter: &mut ImageFilter, pivot: &ImageFacts, all: &[ImageFacts]) {
        let name = pivot.name.as_str();
        let longer = format!("{name}x");
        match field {
            ImageField::Ids => {
                let others = all.iter().map(|image| &image.id);
                let others = others.filter(|id| **id != pivot.id);
                filter.ids = others.take(OTHERS).cloned().collect();
                filter.ids.push(NO_IMAGE.to_owned());
            }
            ImageField::FullNames => {
                let tagged = format!("{name}:{}", pivot.version);
                let close = [without_last(name), base_name(name), &tagged];
                filter.full_names = those(&close, |close| close != name);
            }
            ImageField::Prefixes => {
                let close = [longer.as_str(), without_first(name)];
                filter.prefixes = those(&close, |close| !name.starts_with(close));
            }
            ImageField::BaseNames => {
                let base = base_name(name);
                let close = [
                    longer.as_str(),
                    name,
                    without_first(base),
                    without_last(base),
                ];
                filter.base_names = those(&close, |close| close != base);
            }
            ImageField::Keywords => {
                let close = [longer.as_str(), pivot.version.as_str()];
                filter.keywords = those(&close, |close| !name.contains(close));
            }
            ImageField::Labels => filter.labels = and_another_value(&pivot.labels),
            ImageField::Annotations => filter.annotations = and_another_value(&pivot.annotations),
            ImageField::ImportedAfter => filter.imported_after = pivot.imported_s,
            ImageField::ImportedBefore => filter.imported_before = pivot.imported_s,
        }
    }

    fn double(filter: &ImageFilter) -> ImageFilter {
        ImageFilter {
            ids: twice(&filter.ids),
            prefixes: twice(&filter.prefixes),
            base_names: twice(&filter.base_names),
            keywords: twice(&filter.keywords),
            labels: twice(&filter.labels),
            imported_after: filter.imported_after,
            imported_before: filter.imported_before,
            annotations: twice(&filter.annotations),
            full_names: twice(&filter.full_names),
        }
    }
}

/// Those of `close` that `miss`, as values.
fn those(close: &[&str], miss: impl Fn(&str) -> bool) -> Vec<String> {
    let values = close.iter().filter(|value| miss(value));
    values.map(|value| (*value).to_owned()).collect()
}

fn without_first(text: &str) -> &str {
    let mut letters = text.chars();
    letters.next();
    letters.as_str()
}

fn without_last(text: &str) -> &str {
    let mut letters = text.chars();
    letters.next_back();
    letters.as_str()
}

/// A filter with one value, or for labels and annotations with it as key and value.
pub(super) fn with_value(field: ImageField, value: &str) -> ImageFilter {
    let mut filter = ImageFilter::default();
    let values = vec![value.to_owned()];
    let pairs = vec![KeyValue {
        key: value.to_owned(),
        value: value.to_owned(),
    }];
    match field {
        ImageField::Ids => filter.ids = values,
        ImageField::FullNames => filter.full_names = values,
        ImageField::Prefixes => filter.prefixes = values,
        ImageField::BaseNames => filter.base_names = values,
        ImageField::Keywords => filter.keywords = values,
        ImageField::Labels => filter.labels = pairs,
        ImageField::Annotations => filter.annotations = pairs,
        ImageField::ImportedAfter | ImageField::ImportedBefore => {}
    }
    filter
}

/// A filter with some image's value in upper case; of a label or annotation, only the key.
fn upper_case(field: ImageField, all: &[ImageFacts]) -> filtering::Filters<Image> {
    let upper = |pairs: &[KeyValue]| {
        let pair = pairs.first()?;
        let key = pair.key.to_uppercase();
        let value = pair.value.clone();
        (key != pair.key).then_some(vec![KeyValue { key, value }])
    };
    let mut filters = all.iter().filter_map(|image| {
        let mut filter = ImageFilter::default();
        let text = match field {
            ImageField::Labels => {
                filter.labels = upper(&image.labels)?;
                return Some(filter);
            }
            ImageField::Annotations => {
                filter.annotations = upper(&image.annotations)?;
                return Some(filter);
            }
            ImageField::Ids => image.id.as_str(),
            ImageField::BaseNames => base_name(&image.name),
            _ => image.name.as_str(),
        };
        let upper = text.to_uppercase();
        (upper != text).then(|| with_value(field, &upper))
    });
    match filters.next() {
        Some(filter) => Ok(vec![filter]),
        None => Err(format!(
            "no listed image has lower-case {}",
            Image::name(field)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::image_meets;

    fn image(id: &str, name: &str) -> ImageFacts {
        let pairs = |key: &str| {
            vec![KeyValue {
                key: key.to_owned(),
                value: "v".to_owned(),
            }]
        };
        ImageFacts {
            id: id.to_owned(),
            name: name.to_owned(),
            version: "3.1".to_owned(),
            labels: pairs("os"),
            annotations: pairs("k"),
            imported_s: 10,
        }
    }

    #[test]
    fn a_hit_hits_and_a_miss_misses() {
        let names = ["coreos.com/etcd", "etcd", "a", "aa", "3.1"];
        let all = names.map(|name| image(name, name));
        for pivot in &all {
            for &field in Image::FIELDS {
                assert!(Image::can_pick(field, pivot));
                let mut hit = ImageFilter::default();
                Image::hit(field, &mut hit, pivot, &all);
                assert_ne!(hit, ImageFilter::default(), "{field:?}");
                assert!(image_meets(&hit, pivot), "{hit:?}");
                assert!(image_meets(&Image::double(&hit), pivot), "{hit:?}");
                let mut miss = ImageFilter::default();
                Image::miss(field, &mut miss, pivot, &all);
                assert!(!image_meets(&miss, pivot), "{miss:?}");
            }
        }
    }
}
