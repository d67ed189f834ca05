//! Lies about what filters take of the images (F-I0 to F-I7, and what W-7 and W-8 say of them).

use rkt_api::api::{ImageFilter, ListImagesRequest};

use super::{
    How::{self, AskImages, PickImages},
    lie,
};
use crate::{
    clause,
    filters::{ImageFacts, base_name, image_meets},
    lies::{Lie, SECOND_NS},
};

/// A field of each filter is passed over.
macro_rules! ignored {
    ($clause:ident $name:literal $field:ident) => {
        lie(
            &clause::$clause,
            $name,
            AskImages(|request| each(request, |filter| filter.$field = Default::default())),
        )
    };
}

/// One field is understood in another way, all others rightly.
macro_rules! misread {
    ($clause:ident $name:literal $field:ident |$values:ident, $image:ident| $meets:expr) => {
        lie(
            &clause::$clause,
            $name,
            PickImages(|filter, image| {
                let $image = &ImageFacts::from(image);
                let $values = &filter.$field;
                let mut rest = filter.clone();
                rest.$field.clear();
                ($values.is_empty() || $meets) && image_meets(&rest, $image)
            }),
        )
    };
}

pub(super) fn lies() -> Vec<Lie> {
    [together(), fields(), values()]
        .into_iter()
        .flatten()
        .collect()
}

fn together() -> Vec<Lie> {
    const OR_FOR_AND: How = AskImages(|request| {
        request.filters = request.filters.drain(..).flat_map(split).collect();
    });
    vec![
        lie(
            &clause::F_I0,
            "no-filter-takes-nothing",
            AskImages(|request| {
                if request.filters.is_empty() {
                    request.filters = vec![nothing()];
                }
            }),
        ),
        lie(
            &clause::F_I0,
            "empty-filter-takes-nothing",
            AskImages(|request| {
                each(request, |filter| {
                    if *filter == ImageFilter::default() {
                        *filter = nothing();
                    }
                });
            }),
        ),
        lie(&clause::F_I7, "or-for-and", OR_FOR_AND),
        lie(
            &clause::F_I7,
            "and-for-or",
            AskImages(|request| {
                if request.filters.len() > 1 {
                    let joined = request.filters.drain(..).fold(ImageFilter::default(), join);
                    request.filters = vec![joined];
                }
            }),
        ),
        lie(
            &clause::F_I7,
            "last-filter-only",
            AskImages(|request| {
                let last = request.filters.pop();
                request.filters = last.into_iter().collect();
            }),
        ),
        lie(
            &clause::F_I7,
            "labels-ignored-beside-keywords-and-ids",
            AskImages(|request| {
                each(request, |filter| {
                    if !filter.keywords.is_empty() && !filter.ids.is_empty() {
                        filter.labels.clear();
                    }
                });
            }),
        ),
        lie(
            &clause::F_I7,
            "times-ignored-without-detail",
            AskImages(|request| {
                if !request.detail {
                    each(request, |filter| {
                        filter.imported_after = 0;
                        filter.imported_before = 0;
                    });
                }
            }),
        ),
    ]
}

fn fields() -> Vec<Lie> {
    vec![
        ignored!(F_I1 "ids-ignored" ids),
        ignored!(F_I1 "full-names-ignored" full_names),
        ignored!(F_I2 "prefixes-ignored" prefixes),
        ignored!(F_I3 "base-names-ignored" base_names),
        ignored!(F_I4 "keywords-ignored" keywords),
        ignored!(F_I5 "labels-ignored" labels),
        ignored!(F_I5 "annotations-ignored" annotations),
        ignored!(F_I6 "after-ignored" imported_after),
        ignored!(F_I6 "before-ignored" imported_before),
        misread!(F_I1 "all-for-any" ids |ids, image| ids.iter().all(|id| *id == image.id)),
        misread!(F_I1 "beginnings-of-ids" ids |ids, image| {
            ids.iter().any(|id| image.id.starts_with(id.as_str()))
        }),
        misread!(F_I1 "full-names-with-version" full_names |names, image| {
            let full = format!("{}:{}", image.name, image.version);
            names.iter().any(|name| *name == image.name || *name == full)
        }),
        misread!(F_I2 "prefixes-of-base-names" prefixes |prefixes, image| {
            prefixes.iter().any(|prefix| base_name(&image.name).starts_with(prefix.as_str()))
        }),
        misread!(F_I2 "prefixes-anywhere" prefixes |prefixes, image| {
            prefixes.iter().any(|prefix| image.name.contains(prefix.as_str()))
        }),
        misread!(F_I2 "all-for-any" prefixes |prefixes, image| {
            prefixes.iter().all(|prefix| image.name.starts_with(prefix.as_str()))
        }),
        misread!(F_I3 "parts-of-base-names" base_names |names, image| {
            names.iter().any(|name| base_name(&image.name).contains(name.as_str()))
        }),
        misread!(F_I3 "ends-of-names" base_names |names, image| {
            names.iter().any(|name| image.name.ends_with(name.as_str()))
        }),
        misread!(F_I3 "whole-names-too" base_names |names, image| {
            names.iter().any(|name| *name == image.name || name == base_name(&image.name))
        }),
        misread!(F_I4 "keywords-are-elements" keywords |words, image| {
            words.iter().any(|word| image.name.split('/').any(|element| element == word))
        }),
        misread!(F_I4 "keywords-in-versions" keywords |words, image| {
            words.iter().any(|word| {
                image.name.contains(word.as_str()) || image.version.contains(word.as_str())
            })
        }),
        misread!(F_I4 "all-for-any" keywords |words, image| {
            words.iter().all(|word| image.name.contains(word.as_str()))
        }),
        misread!(F_I5 "any-label-for-all" labels |pairs, image| {
            pairs.iter().any(|pair| image.labels.contains(pair))
        }),
        misread!(F_I5 "keys-of-labels" labels |pairs, image| {
            pairs.iter().all(|pair| image.labels.iter().any(|it| it.key == pair.key))
        }),
        misread!(F_I5 "any-annotation-for-all" annotations |pairs, image| {
            pairs.iter().any(|pair| image.annotations.contains(pair))
        }),
        misread!(F_I5 "annotations-are-labels" annotations |pairs, image| {
            pairs.iter().all(|pair| image.labels.contains(pair))
        }),
        lie(
            &clause::F_I6,
            "after-inclusive",
            AskImages(|request| {
                each(request, |filter| {
                    if filter.imported_after > 1 {
                        filter.imported_after -= 1;
                    }
                });
            }),
        ),
        lie(
            &clause::F_I6,
            "before-inclusive",
            AskImages(|request| {
                each(request, |filter| {
                    if filter.imported_before > 0 {
                        filter.imported_before = filter.imported_before.saturating_add(1);
                    }
                });
            }),
        ),
        lie(
            &clause::F_I6,
            "bounds-exchanged",
            AskImages(|request| {
                each(request, |filter| {
                    std::mem::swap(&mut filter.imported_after, &mut filter.imported_before);
                });
            }),
        ),
    ]
}

fn values() -> Vec<Lie> {
    vec![
        lie(
            &clause::W_7,
            "negative-before-is-set",
            AskImages(|request| {
                each(request, |filter| {
                    if filter.imported_before < 0 {
                        *filter = nothing();
                    }
                });
            }),
        ),
        lie(
            &clause::W_7,
            "far-after-overflows",
            AskImages(|request| {
                each(request, |filter| {
                    if filter.imported_after > i64::MAX / SECOND_NS {
                        filter.imported_after = 0;
                    }
                });
            }),
        ),
        lie(
            &clause::W_7,
            "far-before-overflows",
            AskImages(|request| {
                each(request, |filter| {
                    if filter.imported_before > i64::MAX / SECOND_NS {
                        *filter = nothing();
                    }
                });
            }),
        ),
        misread!(W_8 "letter-case-of-names-ignored" full_names |names, image| {
            names.iter().any(|name| name.eq_ignore_ascii_case(&image.name))
        }),
        misread!(W_8 "letter-case-of-keywords-ignored" keywords |words, image| {
            let name = image.name.to_lowercase();
            words.iter().any(|word| name.contains(&word.to_lowercase()))
        }),
        misread!(W_8 "empty-keyword-takes-nothing" keywords |words, image| {
            words.iter().any(|word| !word.is_empty() && image.name.contains(word.as_str()))
        }),
        misread!(W_8 "empty-name-is-a-wildcard" full_names |names, image| {
            names.iter().any(|name| name.is_empty() || *name == image.name)
        }),
    ]
}

fn each(request: &mut ListImagesRequest, change: impl FnMut(&mut ImageFilter)) {
    request.filters.iter_mut().for_each(change);
}

/// What no image meets.
fn nothing() -> ImageFilter {
    ImageFilter {
        ids: vec!["none".to_owned()],
        ..ImageFilter::default()
    }
}

/// A filter for each condition.
fn split(filter: ImageFilter) -> Vec<ImageFilter> {
    macro_rules! parts {
        ($($field:ident)+) => {
            vec![$(ImageFilter { $field: filter.$field, ..ImageFilter::default() }),+]
        };
    }
    let mut parts = parts! {
        ids prefixes base_names keywords labels imported_after imported_before annotations
        full_names
    };
    parts.retain(|part| *part != ImageFilter::default());
    parts
}

/// The conditions of both.
fn join(mut filter: ImageFilter, other: ImageFilter) -> ImageFilter {
    macro_rules! extend {
        ($($field:ident)+) => { $(filter.$field.extend(other.$field);)+ };
    }
    extend! { ids prefixes base_names keywords labels annotations full_names }
    filter.imported_after = filter.imported_after.max(other.imported_after);
    filter.imported_before = filter.imported_before.max(other.imported_before);
    filter
}
