//! Lists under filters, for pods and images alike: a request is made out of what there is on
//! the host. Which fields there are, and what values hit and miss, is said in `pod_filters`
//! and `image_filters`.
//!
//! Where the host is described, the model says what there is and what the answer has to be.
//! Otherwise the server does: a list of everything, to which a plain evaluation of the filters
//! is applied. A living host can change between two calls, so that comparison stands between
//! two lists of everything, and is tried again when they differ. Where they are the same, so
//! was the host in between: pods and images move on through their lives and never go back.

use std::{fmt, sync::Arc};

use crate::{
    case::{Case, Objection, On, Verdict},
    clause::{self, Clause},
    hosts,
    oracle::{self, Oracle},
    resource::{self, Resource},
    stage::Stage,
    target::Target,
    text,
};

/// How often a comparison is tried while the host keeps changing.
const TRIES: usize = 10;

/// The fields of a filter, by which pods or images can be picked out.
pub(crate) trait Fields: Resource {
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

/// Two cases, one for each value of detail, that compare the answer to the filters that `make`
/// makes out of what there is.
pub(super) fn cases<R: Fields>(
    clause: &'static Clause,
    content: impl fmt::Display,
    make: impl Fn(&[R::Facts]) -> Filters<R> + Send + Sync + 'static,
) -> [Case; 2] {
    let make = Arc::new(make);
    [(true, "detail"), (false, "brief")].map(|(detail, name)| {
        let make = Arc::clone(&make);
        let content = format_args!("{content}/{name}").to_string();
        Case::new(R::LIST, clause, content, move |stage| {
            compare::<R>(stage, detail, Arc::clone(&make))
        })
        .on(On::Any(&hosts::FILTERS))
    })
}

async fn compare<R: Fields>(
    stage: Stage,
    detail: bool,
    make: Arc<impl Fn(&[R::Facts]) -> Filters<R> + Send + Sync>,
) -> Verdict {
    if let Some(oracle) = Oracle::of(&stage).await? {
        let filters = make(&resource::lists_expected::<R>(&stage, &oracle).facts);
        let filters = filters.map_err(Objection::Skip)?;
        return answers_as_expected::<R>(&stage, &oracle, &filters, detail).await;
    }
    // What an earlier case has seen last will do: when it is no longer true, the list after
    // differs from it.
    let mut before = resource::facts_before::<R>(&stage).await?;
    for _ in 0..TRIES {
        let verdict = match make(&before) {
            Ok(filters) => answers_as_listed::<R>(&stage, &filters, detail, &before).await?,
            Err(reason) => Err(Objection::Skip(reason)),
        };
        let after = resource::facts_now::<R>(&stage).await?;
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

/// Whether the answer to `filters` is the model's: the same pods or images, each either as the
/// model has it or, so that one wrong field does not fail every filter, as the server has it
/// without filters.
pub(super) async fn answers_as_expected<R: Resource>(
    stage: &Stage,
    oracle: &Oracle,
    filters: &[R::Filter],
    detail: bool,
) -> Verdict {
    let answer = R::list(stage, filters, detail).await?;
    let expected = oracle.list::<R>(filters, detail);
    let mut ids: Vec<&str> = expected.iter().map(|one| one.message.id()).collect();
    ids.sort_unstable();
    are_those::<R>(filters, detail, &ids, &answer)?;
    for observed in &answer {
        let Some(expected) = expected.iter().find(|e| e.message.id() == observed.id()) else {
            continue;
        };
        let right = oracle.right(expected, observed);
        if *observed == right {
            continue;
        }
        let survey = resource::survey::<R>(stage).await?;
        let mut seen = survey.seen.iter();
        let as_ever = seen.find(|seen| seen.detailed.id() == observed.id());
        let as_ever = as_ever.map(|seen| if detail { &seen.detailed } else { &seen.brief });
        if as_ever != Some(observed) {
            let (expected, actual) = oracle::difference(&right, observed);
            let actual = format!("{actual} ({} {})", R::NOUN, observed.id());
            return Err(Objection::fail(
                R::list_text(filters, detail),
                expected,
                actual,
            ));
        }
    }
    Ok(())
}

/// Whether the answer to `filters` is what follows from `all`. The outer result is about calls
/// that were refused, whatever the host did meanwhile.
async fn answers_as_listed<R: Fields>(
    target: &Target,
    filters: &[R::Filter],
    detail: bool,
    all: &[R::Facts],
) -> Result<Verdict, Objection> {
    let answer = R::list(target, filters, detail).await?;
    let expected: Vec<&str> = all
        .iter()
        .filter(|facts| filters.is_empty() || filters.iter().any(|f| R::meets(f, facts)))
        .map(R::id_of)
        .collect();
    Ok(are_those::<R>(filters, detail, &expected, &answer))
}

/// That the answer is about those with the expected ids, which are in order.
fn are_those<R: Resource>(
    filters: &[R::Filter],
    detail: bool,
    expected: &[&str],
    answer: &[R],
) -> Verdict {
    let mut actual: Vec<&str> = answer.iter().map(R::id).collect();
    actual.sort_unstable();
    match actual == expected {
        true => Ok(()),
        false => Err(Objection::fail(
            R::list_text(filters, detail),
            format!("{} {}s {}", expected.len(), R::NOUN, text::list(expected)),
            difference(expected, &actual),
        )),
    }
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
pub(super) fn common<R: Fields>() -> Vec<Case> {
    let mut cases = plain::<R>();
    for subset in 1..1 << R::FIELDS.len() {
        cases.extend(subset_cases::<R>(subset));
    }
    for (at, &first) in R::FIELDS.iter().enumerate() {
        for &second in &R::FIELDS[at + 1..] {
            cases.extend(pair_cases::<R>(first, second));
        }
    }
    cases
}

/// Filters with and without conditions, beside each other and in any order.
fn plain<R: Fields>() -> Vec<Case> {
    let none = R::Filter::default;
    let mut all: Vec<Case> = Vec::new();
    all.extend(cases::<R>(R::FILTERS, "no-filter", |_| Ok(vec![])));
    all.extend(cases::<R>(R::FILTERS, "empty-filter", move |_| {
        Ok(vec![none()])
    }));
    all.extend(cases::<R>(R::FILTERS, "miss,empty-filter", move |all| {
        let (pivot, fields) = richest::<R>(all)?;
        let miss = filter::<R>(&fields, fields.last().copied(), pivot, all);
        Ok(vec![miss, none()])
    }));
    all.extend(cases::<R>(R::FILTERS, "miss,hit", |all| {
        let (pivot, fields) = richest::<R>(all)?;
        let miss = filter::<R>(&fields, fields.last().copied(), pivot, all);
        Ok(vec![miss, filter::<R>(&fields, None, pivot, all)])
    }));
    all.extend(cases::<R>(R::FILTERS, "miss,miss", |all| {
        let (pivot, fields) = richest::<R>(all)?;
        let miss = |field| filter::<R>(&fields, field, pivot, all);
        Ok(vec![
            miss(fields.first().copied()),
            miss(fields.last().copied()),
        ])
    }));
    all.extend(cases::<R>(&clause::W_8, "order-of-filters", |all| {
        let (pivot, fields) = richest::<R>(all)?;
        let miss = filter::<R>(&fields, fields.last().copied(), pivot, all);
        Ok(vec![filter::<R>(&fields, None, pivot, all), miss])
    }));
    all.extend(cases::<R>(&clause::W_8, "duplicates", |all| {
        let (pivot, fields) = richest::<R>(all)?;
        let doubled = R::double(&filter::<R>(&fields, None, pivot, all));
        Ok(vec![doubled.clone(), doubled])
    }));
    all
}

/// How many fields a subset has at most, if it has not all, for a quick run.
const QUICK_FIELDS: usize = 2;

/// For a subset of the fields: one case in which a pivot meets them all, and for each field
/// one in which the pivot misses exactly that one; each for both values of detail.
fn subset_cases<R: Fields>(subset: usize) -> Vec<Case> {
    let bit = |at: usize| subset & (1 << at) != 0;
    let fields = R::FIELDS.iter().enumerate();
    let fields = fields.filter(|(at, _)| bit(*at)).map(|(_, field)| *field);
    let fields: Arc<[R::Field]> = fields.collect();
    let names = names::<R>(&fields);
    let is_quick = fields.len() <= QUICK_FIELDS || fields.len() == R::FIELDS.len();
    let misses = fields.iter().copied().map(Some);
    let cases = std::iter::once(None).chain(misses).flat_map(|miss| {
        let content = match miss {
            None => format!("{names}/hit"),
            Some(field) => format!("{names}/miss:{}", R::name(field)),
        };
        let fields = Arc::clone(&fields);
        cases::<R>(R::SUBSETS, content, move |all| {
            // Different subsets try different pivots.
            let pivot = pivot::<R>(&fields, all, subset)?;
            Ok(vec![filter::<R>(&fields, miss, pivot, all)])
        })
    });
    cases
        .map(|case| if is_quick { case } else { case.thorough() })
        .collect()
}

/// For two fields, two filters: each meets a pivot of its own; and each misses the one pivot
/// by one field, which a server that mixes filters up would not notice.
fn pair_cases<R: Fields>(first: R::Field, second: R::Field) -> impl Iterator<Item = Case> {
    let content = format!("or:{},{}", R::name(first), R::name(second));
    let both = [first, second];
    let hit = cases::<R>(R::SUBSETS, format_args!("{content}/hit"), move |all| {
        let filter = |field, nth| {
            let pivot = pivot::<R>(&[field], all, nth)?;
            Ok::<_, String>(filter::<R>(&[field], None, pivot, all))
        };
        Ok(vec![filter(first, 0)?, filter(second, 1)?])
    });
    let miss = cases::<R>(R::SUBSETS, format_args!("{content}/miss"), move |all| {
        let pivot = pivot::<R>(&both, all, 0)?;
        let filter = |miss| filter::<R>(&both, Some(miss), pivot, all);
        Ok(vec![filter(first), filter(second)])
    });
    hit.into_iter().chain(miss)
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
pub(super) fn pivot<'a, R: Fields>(
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
    use rkt_api::api::{Image, Pod};

    use super::*;
    use crate::{model::World, profile::Profile};

    #[test]
    fn differences_are_told_from_both_sides() {
        assert_eq!(
            difference(&["a", "b"], &["a", "c"]),
            "2, without [b], with [c]"
        );
        assert_eq!(difference(&["a"], &["a", "a"]), "2, with [a]");
        assert_eq!(difference(&["a"], &[]), "0, without [a]");
    }

    /// For each two fields there has to be something that one of them takes and the other does
    /// not: else a server that passes over the other would not be found out by both. Ids take
    /// only one; `exceptions` are pairs for which there can be no such thing.
    fn assert_decisive<R: Fields>(exceptions: &[(&str, &str)]) {
        let world = World::new(&(hosts::FILTERS.spec)(), 0, 1).unwrap();
        let all = R::expected(&world, Profile::Documented, &[], true);
        let all: Vec<R::Facts> = all.iter().map(|one| one.message.facts()).collect();
        let has_all = |facts: &&R::Facts| R::FIELDS.iter().all(|f| R::can_pick(*f, facts));
        let pivots: Vec<&R::Facts> = all.iter().filter(has_all).collect();
        let mut unseen = Vec::new();
        for &taken in &R::FIELDS[1..] {
            for &missed in R::FIELDS.iter().filter(|field| **field != taken) {
                let is_seen_by = |pivot: &&R::Facts| {
                    let only = |field| filter::<R>(&[field], None, pivot, &all);
                    let (taken, missed) = (only(taken), only(missed));
                    all.iter()
                        .any(|facts| R::meets(&taken, facts) && !R::meets(&missed, facts))
                };
                if !pivots.iter().any(is_seen_by) {
                    unseen.push((R::name(taken), R::name(missed)));
                }
            }
        }
        assert_eq!(unseen, exceptions);
    }

    #[test]
    fn on_the_host_for_filters_every_condition_counts() {
        assert_decisive::<Pod>(&[
            // Only running pods have these.
            ("network_names", "states"),
            ("cgroups", "states"),
            // Who is in the cgroup is above all that are below it.
            ("cgroups", "pod_sub_cgroups"),
            ("pod_sub_cgroups", "states"),
        ]);
        assert_decisive::<Image>(&[
            // Who has the one has what is made of it.
            ("full_names", "prefixes"),
            ("full_names", "base_names"),
            ("full_names", "keywords"),
            ("prefixes", "keywords"),
        ]);
    }
}
