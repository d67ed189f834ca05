//! ListImages under one condition at a time (F-I1 to F-I6): what just fits and what just does
//! not. Values are made of those on the host.

use rkt_api::api::{Image, ImageFilter, KeyValue};

use super::{
    filtering::{self, Fields as _, pivot},
    image_filters::{ImageField, NO_IMAGE, with_value},
};
use crate::{
    case::Case,
    clause::{self, Clause},
    filters::{ImageFacts, base_name},
};

/// A condition, and how a filter with it is made of an image that has the field.
struct Condition {
    clause: &'static Clause,
    content: &'static str,
    field: ImageField,
    make: fn(&ImageFacts) -> ImageFilter,
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for condition in CONDITIONS {
        cases.extend(filtering::cases::<Image>(
            condition.clause,
            condition.content,
            |all| {
                let image = pivot::<Image>(&[condition.field], all, 0)?;
                // One of whose name the base name is only a part, where there is such.
                let mut others = all.iter();
                let has_path = |image: &&ImageFacts| {
                    Image::can_pick(condition.field, image) && image.name.contains('/')
                };
                let image = others.find(has_path).unwrap_or(image);
                Ok(vec![(condition.make)(image)])
            },
        ));
    }
    cases.extend(filtering::cases::<Image>(&clause::F_I1, "ids/all", |all| {
        Ok(vec![ImageFilter {
            ids: all.iter().map(|image| image.id.clone()).collect(),
            ..ImageFilter::default()
        }])
    }));
    for (content, after, before) in TIMES {
        cases.extend(filtering::cases::<Image>(
            &clause::F_I6,
            content,
            move |all| {
                let fields = [ImageField::ImportedAfter, ImageField::ImportedBefore];
                // One with neighbours in time on both sides, where there are such.
                let image = pivot::<Image>(&fields, all, all.len() / 2)?;
                let bound = |offset: &Option<i64>| {
                    offset.map_or(0, |offset| image.imported_s.saturating_add(offset))
                };
                Ok(vec![ImageFilter {
                    imported_after: bound(after),
                    imported_before: bound(before),
                    ..ImageFilter::default()
                }])
            },
        ));
    }
    cases
}

/// Bounds around the import time of an image, in seconds from it.
static TIMES: &[(&str, Option<i64>, Option<i64>)] = &[
    ("imported_after/second-before", Some(-1), None),
    ("imported_after/same-second", Some(0), None),
    ("imported_after/second-after", Some(1), None),
    ("imported_before/second-before", None, Some(-1)),
    ("imported_before/same-second", None, Some(0)),
    ("imported_before/second-after", None, Some(1)),
    ("between/neighbours", Some(-1), Some(1)),
    ("between/two-seconds-on-each-side", Some(-2), Some(2)),
    ("between/from-itself", Some(0), Some(2)),
    ("between/to-itself", Some(-2), Some(0)),
];

macro_rules! conditions {
    ($($clause:ident $content:literal $field:ident $make:expr;)+) => {
        static CONDITIONS: &[Condition] = &[$(Condition {
            clause: &clause::$clause,
            content: $content,
            field: ImageField::$field,
            make: $make,
        }),+];
    };
}

conditions! {
    F_I1 "ids/one" Ids |image| with_value(ImageField::Ids, &image.id);
    F_I1 "ids/none" Ids |_| with_value(ImageField::Ids, NO_IMAGE);
    F_I1 "ids/beginning" Ids |image| with_value(ImageField::Ids, shorter(&image.id));
    F_I1 "ids/without-prefix" Ids |image| {
        with_value(ImageField::Ids, image.id.trim_start_matches("sha512-"))
    };
    F_I1 "ids/longer" Ids |image| with_value(ImageField::Ids, &format!("{}0", image.id));
    F_I1 "full_names/one" FullNames |image| with_value(ImageField::FullNames, &image.name);
    F_I1 "full_names/beginning" FullNames |image| {
        with_value(ImageField::FullNames, shorter(&image.name))
    };
    F_I1 "full_names/with-version" FullNames |image| {
        with_value(ImageField::FullNames, &format!("{}:{}", image.name, image.version))
    };
    F_I1 "full_names/with-blank" FullNames |image| {
        with_value(ImageField::FullNames, &format!("{} ", image.name))
    };
    F_I2 "prefixes/whole" Prefixes |image| with_value(ImageField::Prefixes, &image.name);
    F_I1 "full_names/one-and-none" FullNames |image| ImageFilter {
        full_names: and_none(&image.name),
        ..ImageFilter::default()
    };
    F_I2 "prefixes/one-and-none" Prefixes |image| ImageFilter {
        prefixes: and_none(&image.name),
        ..ImageFilter::default()
    };
    F_I3 "base_names/one-and-none" BaseNames |image| ImageFilter {
        base_names: and_none(base_name(&image.name)),
        ..ImageFilter::default()
    };
    F_I4 "keywords/one-and-none" Keywords |image| ImageFilter {
        keywords: and_none(&image.name),
        ..ImageFilter::default()
    };
    F_I2 "prefixes/first-letter" Prefixes |image| {
        let first: String = image.name.chars().take(1).collect();
        with_value(ImageField::Prefixes, &first)
    };
    F_I2 "prefixes/longer" Prefixes |image| {
        with_value(ImageField::Prefixes, &format!("{}x", image.name))
    };
    F_I2 "prefixes/end" Prefixes |image| {
        with_value(ImageField::Prefixes, base_name(&image.name))
    };
    F_I2 "prefixes/wildcards" Prefixes |image| ImageFilter {
        prefixes: wildcards(&image.name),
        ..ImageFilter::default()
    };
    F_I3 "base_names/one" BaseNames |image| {
        with_value(ImageField::BaseNames, base_name(&image.name))
    };
    F_I3 "base_names/whole" BaseNames |image| with_value(ImageField::BaseNames, &image.name);
    F_I3 "base_names/beginning" BaseNames |image| {
        with_value(ImageField::BaseNames, shorter(base_name(&image.name)))
    };
    F_I3 "base_names/longer" BaseNames |image| {
        with_value(ImageField::BaseNames, &format!("{}-backup", base_name(&image.name)))
    };
    F_I3 "base_names/with-slash" BaseNames |image| {
        with_value(ImageField::BaseNames, &format!("/{}", base_name(&image.name)))
    };
    F_I3 "base_names/first-element" BaseNames |image| {
        let first = image.name.split('/').next().unwrap_or_default();
        with_value(ImageField::BaseNames, first)
    };
    F_I4 "keywords/whole" Keywords |image| with_value(ImageField::Keywords, &image.name);
    F_I4 "keywords/end" Keywords |image| {
        with_value(ImageField::Keywords, base_name(&image.name))
    };
    F_I4 "keywords/across-the-slash" Keywords |image| {
        let base = base_name(&image.name);
        let length = image.name.len() - base.len();
        let begin = image.name[..length].char_indices().rev().nth(1);
        let part = begin.map_or(image.name.as_str(), |(at, _)| shorter(&image.name[at..]));
        with_value(ImageField::Keywords, part)
    };
    F_I4 "keywords/version" Keywords |image| with_value(ImageField::Keywords, &image.version);
    F_I4 "keywords/longer" Keywords |image| {
        with_value(ImageField::Keywords, &format!("{}x", image.name))
    };
    F_I4 "keywords/wildcards" Keywords |image| ImageFilter {
        keywords: wildcards(&image.name),
        ..ImageFilter::default()
    };
    F_I5 "labels/one" Labels |image| labels(&image.labels[..1]);
    F_I5 "labels/last" Labels |image| labels(&image.labels[image.labels.len() - 1..]);
    F_I5 "labels/all" Labels |image| labels(&image.labels);
    F_I5 "labels/other-value" Labels |image| {
        labels(&[pair(&image.labels[0].key, "no such value")])
    };
    F_I5 "labels/no-value" Labels |image| labels(&[pair(&image.labels[0].key, "")]);
    F_I5 "labels/value-of-another-key" Labels |image| {
        let last = &image.labels[image.labels.len() - 1];
        labels(&[pair(&image.labels[0].key, &last.value)])
    };
    F_I5 "labels/one-and-none" Labels |image| {
        labels(&[image.labels[0].clone(), pair("no-such-label", "")])
    };
    F_I5 "labels/annotation" Annotations |image| labels(&image.annotations[..1]);
    F_I5 "annotations/one" Annotations |image| annotations(&image.annotations[..1]);
    F_I5 "annotations/last" Annotations |image| {
        annotations(&image.annotations[image.annotations.len() - 1..])
    };
    F_I5 "annotations/all" Annotations |image| annotations(&image.annotations);
    F_I5 "annotations/other-value" Annotations |image| {
        annotations(&[pair(&image.annotations[0].key, "no such value")])
    };
    F_I5 "annotations/one-and-none" Annotations |image| {
        annotations(&[image.annotations[0].clone(), pair("no-such-annotation", "")])
    };
    F_I5 "annotations/label" Labels |image| annotations(&image.labels[..1]);
}

fn labels(pairs: &[KeyValue]) -> ImageFilter {
    ImageFilter {
        labels: pairs.to_vec(),
        ..ImageFilter::default()
    }
}

fn annotations(pairs: &[KeyValue]) -> ImageFilter {
    ImageFilter {
        annotations: pairs.to_vec(),
        ..ImageFilter::default()
    }
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// What would fit if filters were patterns of SQL, of shells, or regular expressions.
fn wildcards(name: &str) -> Vec<String> {
    let part = shorter(name);
    ["%", "_", "*", "?", ".*"]
        .iter()
        .map(|wildcard| format!("{part}{wildcard}"))
        .chain(["^".to_owned() + name, name.replacen('.', "?", 1) + "$"])
        .collect()
}

/// A value that fits, and one that fits no image.
fn and_none(value: &str) -> Vec<String> {
    vec![value.to_owned(), "no-such-value".to_owned()]
}

fn shorter(text: &str) -> &str {
    let mut letters = text.chars();
    letters.next_back();
    letters.as_str()
}
