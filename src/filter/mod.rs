//! Which pods and images a request asks for. Pure: conditions on messages, as the dialect
//! shows them (F-P0), so that a filter can never see more than a client could.

mod image;
mod pod;

pub(crate) use image::image_matches;
pub(crate) use pod::pod_matches;

use crate::api::KeyValue;

/// A list of values is a condition only when it has any.
fn unset_or<T>(values: &[T], holds: impl FnOnce(&[T]) -> bool) -> bool {
    values.is_empty() || holds(values)
}

/// Whether `pairs` has all of `wanted`, key and value, in any entry.
fn has_all(pairs: &[KeyValue], wanted: &[KeyValue]) -> bool {
    wanted.iter().all(|pair| pairs.contains(pair))
}

/// Whether any filter takes what `matches` judges; with no filter, everything is taken.
fn any_of<F>(filters: &[F], matches: impl Fn(&F) -> bool) -> bool {
    filters.is_empty() || filters.iter().any(matches)
}

#[cfg(test)]
mod tests;
