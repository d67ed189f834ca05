//! Lists under filters, for pods and images alike: a request is made out of what the server
//! says of everything, and the ids that it answers are compared with a plain evaluation of the
//! filters. Which fields there are, and what values hit and miss, is said in `pod_filters` and
//! `image_filters`.
//!
//! A living host can change between two calls, so each comparison stands between two lists of
//! everything, and is tried again when they differ. Where they are the same, so was the host
//! in between: pods and images move on through their lives and never go back.

use std::{fmt, sync::Arc};

use crate::{
    case::{Case, Objection, Verdict},
    clause::{self, Clause},
    resource::{self, Resource},
    stage::Stage,
    target::Target,
    text,
};

/// How often a comparison is tried while the host keeps changing.
const TRIES: usize = 10;

/// The fields of a filter, by which pods or images can be picked out.
pub(super) trait Fields: Resource {
    /// A field of the filter.
    type Field: Copy + PartialEq + Send + Sync + 'static;

    /// All fields, in the order of the contract's clauses.
    const FIELDS: &'static [Self::Field];

    /// The clause about filters as such.
    const FILTERS: &'static Clause;
    /// The clause about subsets of fields.
    const SUBSETS: &'static Clause;

    /// The field's name in the proto.
    fn name(field: Self::Field) -> &'static str;

    /// Whether values of the field can pick out `pivot`.
    fn can_pick(field: Self::Field, pivot: &Self::Facts) -> bool;

    /// Adds a condition on `field` that `pivot` meets, and others may.
    fn hit(field: Self::Field, filter: &mut Self::Filter, pivot: &Self::Facts, all: &[Self::Facts]);

    /// Adds a condition on `field` that `pivot` does not meet, and others may.
    fn miss(
        field: Self::Field,
        filter: &mut Self::Filter,
        pivot: &Self::Facts,
        all: &[Self::Facts],
    );

    /// The same conditions with every value written twice, in the opposite order.
    fn double(filter: &Self::Filter) -> Self::Filter;
}

/// The filters to ask with, or why the host offers none.
pub(super) type Filters<R> = Result<Vec<<R as Resource>::Filter>, String>;

/// A case that compares the answers to the filters that `make` makes out of what is listed,
/// for both values of detail.
pub(super) fn case<R: Fields>(
    clause: &'static Clause,
    content: impl fmt::Display,
    make: impl Fn(&[R::Facts]) -> Filters<R> + Send + Sync + 'static,
) -> Case {
    let make = Arc::new(make);
    Case::new(R::LIST, clause, content, move |target| {
        compare::<R>(target, Arc::clone(&make))
    })
}

async fn compare<R: Fields>(
    target: Stage,
    make: Arc<impl Fn(&[R::Facts]) -> Filters<R> + Send + Sync>,
) -> Verdict {
    // What an earlier case has seen last will do: when it is no longer true, the list after
    // differs from it.
    let mut before = resource::facts_before::<R>(&target).await?;
    for _ in 0..TRIES {
        let verdict = match make(&before) {
            Ok(filters) => answers::<R>(&target, &filters, &before).await?,
            Err(reason) => Err(Objection::Skip(reason)),
        };
        let after = resource::facts_now::<R>(&target).await?;
        if before == after {
            return verdict;
        }
        before = after;
    }
    Err(Objection::Skip(format!(
        "the list of {}s changed between any two of {TRIES} calls",
        R::NOUN
    )))
}

/// Whether both answers to `filters` are what follows from `all`. The outer result is about
/// calls that were refused, whatever the host did meanwhile.
async fn answers<R: Fields>(
    target: &Target,
    filters: &[R::Filter],
    all: &[R::Facts],
) -> Result<Verdict, Objection> {
    let (brief, detailed) = tokio::try_join!(
        R::list(target, filters, false),
        R::list(target, filters, true)
    )?;
    let expected: Vec<&str> = all
        .iter()
        .filter(|facts| filters.is_empty() || filters.iter().any(|f| R::meets(f, facts)))
        .map(R::id_of)
        .collect();
    for (detail, answer) in [(false, brief), (true, detailed)] {
        let mut actual: Vec<&str> = answer.iter().map(R::id).collect();
        actual.sort_unstable();
        if actual != expected {
            return Ok(Err(Objection::fail(
                R::list_text(filters, detail),
                format!("{} {}s {}", expected.len(), R::NOUN, text::list(&expected)),
                difference(&expected, &actual),
            )));
        }
    }
    Ok(Ok(()))
}

/// How a list of ids differs from the expected one. Both are sorted.
fn difference(expected: &[&str], actual: &[&str]) -> String {
    let mut missing = expected.to_vec();
    let mut surplus = Vec::new();
    for id in actual {
        match missing.iter().position(|wanted| wanted == id) {
            Some(at) => drop(missing.remove(at)),
            None => surplus.push(*id),
        }
    }
    let mut text = format!("{}", actual.len());
    if !missing.is_empty() {
        text.push_str(&format!(", without {}", text::list(&missing)));
    }
    if !surplus.is_empty() {
        text.push_str(&format!(", with {}", text::list(&surplus)));
    }
    text
}

/// The cases that are the same for pods and images.
pub(super) fn cases<R: Fields>() -> Vec<Case> {
    let mut cases = Vec::from(plain::<R>());
    for subset in 1..1 << R::FIELDS.len() {
        cases.extend(subset_cases::<R>(subset));
    }
    for (at, &first) in R::FIELDS.iter().enumerate() {
        for &second in &R::FIELDS[at + 1..] {
            cases.extend(pair_cases::<R>(first, second));
        }
    }
    cases.push(case::<R>(&clause::W_8, "duplicates", |all| {
        let (pivot, fields) = richest::<R>(all)?;
        let doubled = R::double(&filter::<R>(&fields, None, pivot, all));
        Ok(vec![doubled.clone(), doubled])
    }));
    cases
}

/// Filters with and without conditions, beside each other.
fn plain<R: Fields>() -> [Case; 5] {
    let none = R::Filter::default;
    [
        case::<R>(R::FILTERS, "no-filter", |_| Ok(vec![])),
        case::<R>(R::FILTERS, "empty-filter", move |_| Ok(vec![none()])),
        case::<R>(R::FILTERS, "miss,empty-filter", move |all| {
            let (pivot, fields) = richest::<R>(all)?;
            let miss = filter::<R>(&fields, fields.last().copied(), pivot, all);
            Ok(vec![miss, none()])
        }),
        case::<R>(R::FILTERS, "miss,hit", |all| {
            let (pivot, fields) = richest::<R>(all)?;
            let miss = filter::<R>(&fields, fields.last().copied(), pivot, all);
            Ok(vec![miss, filter::<R>(&fields, None, pivot, all)])
        }),
        case::<R>(R::FILTERS, "miss,miss", |all| {
            let (pivot, fields) = richest::<R>(all)?;
            let miss = |field| filter::<R>(&fields, field, pivot, all);
            Ok(vec![
                miss(fields.first().copied()),
                miss(fields.last().copied()),
            ])
        }),
    ]
}

/// For a subset of the fields: one case in which a pivot meets them all, and for each field
/// one in which the pivot misses exactly that one.
fn subset_cases<R: Fields>(subset: usize) -> Vec<Case> {
    let bit = |at: usize| subset & (1 << at) != 0;
    let fields = R::FIELDS.iter().enumerate();
    let fields = fields.filter(|(at, _)| bit(*at)).map(|(_, field)| *field);
    let fields: Arc<[R::Field]> = fields.collect();
    let names = names::<R>(&fields);
    let misses = fields.iter().copied().map(Some);
    let cases = std::iter::once(None).chain(misses).map(|miss| {
        let content = match miss {
            None => format!("{names}/hit"),
            Some(field) => format!("{names}/miss:{}", R::name(field)),
        };
        let fields = Arc::clone(&fields);
        case::<R>(R::SUBSETS, content, move |all| {
            // Different subsets try different pivots.
            let pivot = pivot::<R>(&fields, all, subset)?;
            Ok(vec![filter::<R>(&fields, miss, pivot, all)])
        })
    });
    cases.collect()
}

/// For two fields, two filters: each meets a pivot of its own; and each misses the one pivot
/// by one field, which a server that mixes filters up would not notice.
fn pair_cases<R: Fields>(first: R::Field, second: R::Field) -> [Case; 2] {
    let content = format!("or:{},{}", R::name(first), R::name(second));
    let both = [first, second];
    [
        case::<R>(R::SUBSETS, format_args!("{content}/hit"), move |all| {
            let filter = |field, nth| {
                let pivot = pivot::<R>(&[field], all, nth)?;
                Ok::<_, String>(filter::<R>(&[field], None, pivot, all))
            };
            Ok(vec![filter(first, 0)?, filter(second, 1)?])
        }),
        case::<R>(R::SUBSETS, format_args!("{content}/miss"), move |all| {
            let pivot = pivot::<R>(&both, all, 0)?;
            let filter = |miss| filter::<R>(&both, Some(miss), pivot, all);
            Ok(vec![filter(first), filter(second)])
        }),
    ]
}

/// Conditions on `fields` that `pivot` meets, but for the one that it is to `miss`.
fn filter<R: Fields>(
    fields: &[R::Field],
    miss: Option<R::Field>,
    pivot: &R::Facts,
    all: &[R::Facts],
) -> R::Filter {
    let mut filter = R::Filter::default();
    for &field in fields {
        match miss == Some(field) {
            true => R::miss(field, &mut filter, pivot, all),
            false => R::hit(field, &mut filter, pivot, all),
        }
    }
    filter
}

/// The `nth` of those that all of `fields` can pick, counted around. The error says why there
/// is none.
fn pivot<'a, R: Fields>(
    fields: &[R::Field],
    all: &'a [R::Facts],
    nth: usize,
) -> Result<&'a R::Facts, String> {
    let fits =
        |fields: &[R::Field], facts: &R::Facts| fields.iter().all(|f| R::can_pick(*f, facts));
    let pivots: Vec<&R::Facts> = all.iter().filter(|facts| fits(fields, facts)).collect();
    if !pivots.is_empty() {
        return Ok(pivots[nth % pivots.len()]);
    }
    if all.is_empty() {
        return Err(none_listed::<R>());
    }
    // The fewest fields that say it, so that cases with the same reason are told together.
    let singles = fields.iter().map(|field| vec![*field]);
    let pairs = fields.iter().enumerate().flat_map(|(at, first)| {
        let after = &fields[at + 1..];
        after.iter().map(|second| vec![*first, *second])
    });
    let culprits = singles
        .chain(pairs)
        .find(|fields| !all.iter().any(|facts| fits(fields, facts)));
    let culprits = culprits.unwrap_or_else(|| fields.to_vec());
    Err(format!(
        "no {} is listed that {} can pick",
        R::NOUN,
        names::<R>(&culprits)
    ))
}

/// The one that most fields can pick, and these fields.
pub(super) fn richest<R: Fields>(all: &[R::Facts]) -> Result<(&R::Facts, Vec<R::Field>), String> {
    let fields = |facts| {
        let fields = R::FIELDS.iter().copied();
        fields.filter(|field| R::can_pick(*field, facts)).collect()
    };
    all.iter()
        .map(|facts| (facts, fields(facts)))
        .max_by_key(|(_, fields): &(_, Vec<R::Field>)| fields.len())
        .ok_or_else(none_listed::<R>)
}

fn names<R: Fields>(fields: &[R::Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| R::name(*field)).collect();
    names.join("+")
}

/// Why nothing can be filtered.
pub(super) fn none_listed<R: Resource>() -> String {
    format!("no {} is listed", R::NOUN)
}

/// Every value twice, in the opposite order.
pub(super) fn twice<T: Clone>(values: &[T]) -> Vec<T> {
    let reversed = values.iter().rev();
    reversed.clone().chain(reversed).cloned().collect()
}

/// A value beside `value` that is none of `taken`.
pub(super) fn other_than(value: &str, taken: &[String]) -> String {
    let mut other = format!("{value}-not");
    while taken.contains(&other) {
        other.push('x');
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_from_both_sides() {
        assert_eq!(
            difference(&["a", "b"], &["a", "c"]),
            "2, without [b], with [c]"
        );
        assert_eq!(difference(&["a"], &["a", "a"]), "2, with [a]");
        assert_eq!(difference(&["a"], &[]), "0, without [a]");
    }
}
