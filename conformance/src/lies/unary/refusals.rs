//! Lies instead of errors, and in them (W-3).

use tonic::{Code, Status};

use super::{
    Found,
    How::{Image, Pod},
    lie,
};
use crate::{clause, lies::Lie};

pub(super) fn lies() -> Vec<Lie> {
    vec![
        lie(
            &clause::W_3,
            "unknown-pods-are-empty",
            Pod(|_, _, found| {
                instead(found, Code::NotFound, Ok(None));
            }),
        ),
        lie(
            &clause::W_3,
            "known-pods-are-empty",
            Pod(|_, _, found| {
                if found.is_ok() {
                    *found = Ok(None);
                }
            }),
        ),
        lie(
            &clause::W_3,
            "unknown-pods-are-invalid",
            Pod(|id, _, found| {
                instead(found, Code::NotFound, Err(Status::invalid_argument(id)));
            }),
        ),
        lie(
            &clause::W_3,
            "what-is-no-id-is-not-found",
            Pod(|id, _, found| {
                instead(found, Code::InvalidArgument, Err(Status::not_found(id)));
            }),
        ),
        lie(
            &clause::W_3,
            "errors-about-pods-name-nothing",
            Pod(|_, _, found| {
                if let Err(status) = found {
                    *status = Status::new(status.code(), "failed");
                }
            }),
        ),
        lie(
            &clause::W_3,
            "errors-about-pods-are-internal",
            Pod(|_, _, found| {
                if let Err(status) = found {
                    *status = Status::internal(status.message());
                }
            }),
        ),
        lie(
            &clause::W_3,
            "no-id-is-any-pod",
            Pod(|id, all, found| {
                if id.is_empty() {
                    *found = Ok(all.first().cloned());
                }
            }),
        ),
        lie(
            &clause::W_3,
            "unknown-images-are-empty",
            Image(|_, _, found| {
                instead(found, Code::NotFound, Ok(None));
            }),
        ),
        lie(
            &clause::W_3,
            "errors-about-images-name-nothing",
            Image(|_, _, found| {
                if let Err(status) = found {
                    *status = Status::new(status.code(), "failed");
                }
            }),
        ),
        lie(
            &clause::W_3,
            "errors-about-images-are-unknown",
            Image(|_, _, found| {
                if let Err(status) = found {
                    *status = Status::unknown(status.message());
                }
            }),
        ),
    ]
}

/// Another answer instead of an error with this code.
fn instead<T>(found: &mut Found<T>, code: Code, answer: Found<T>) {
    if found.as_ref().is_err_and(|status| status.code() == code) {
        *found = answer;
    }
}
