//! Which pods, images and events a request asks for. Pure: conditions on messages, as the dialect
//! shows them (F-P0), so that a filter can never see more than a client could.

mod event;
mod image;
mod pod;

pub(crate) use event::event_matches;
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

/// Bounds that are not positive are not set (W-7).
fn is_after(time: i64, bound: i64) -> bool {
    bound <= 0 || time > bound
}

fn is_before(time: i64, bound: i64) -> bool {
    bound <= 0 || time < bound
}

#[cfg(test)]
mod tests;
