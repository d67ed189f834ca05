//! Every subset of the fields of both filters, against a second implementation that is
//! written for nothing but being plain.

mod image;
mod pod;

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use crate::api::KeyValue;

/// How many random cases each subset of fields gets.
const CASES_PER_SUBSET: u32 = 64;

/// Few enough words that two lists of them often meet, among them the empty one and ones
/// that begin or hold others.
fn word() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &["", "a", "ab", "b", "a/b", "ab/a", "B"];
    prop::sample::select(WORDS).prop_map(str::to_owned)
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec(word(), 0..4)
}

fn pairs() -> impl Strategy<Value = Vec<KeyValue>> {
    vec((word(), word()).prop_map(|(k, v)| pair(&k, &v)), 0..4)
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Runs `check` on random values, for each subset of `fields` fields.
fn each_subset<T: std::fmt::Debug>(
    fields: u32,
    values: impl Strategy<Value = T>,
    mut check: impl FnMut(u32, T) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig {
        cases: CASES_PER_SUBSET,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let check = std::cell::RefCell::new(&mut check);
    for subset in 0..1 << fields {
        TestRunner::new(config.clone())
            .run(&values, |value| (check.borrow_mut())(subset, value))
            .unwrap_or_else(|error| panic!("fields {subset:#b}: {error}"));
    }
}

fn is_in(value: &str, values: &[String]) -> bool {
    let mut found = false;
    for other in values {
        if other == value {
            found = true;
        }
    }
    found
}

fn has_pair(wanted: &KeyValue, pairs: &[KeyValue]) -> bool {
    let mut found = false;
    for pair in pairs {
        if pair.key == wanted.key && pair.value == wanted.value {
            found = true;
        }
    }
    found
}
