//! Requests of bytes: what fields of known numbers mean (W-2), and that unknown ones mean
//! nothing (W-4).

use rkt_api::api::{Image, Pod, PodFilter};

use super::{
    super::filtering::{Fields, pivot},
    answer,
    filters::Numbered,
    first_id, id_number, request_text, texts,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::FILTERS,
    oracle::Oracle,
    resource,
    stage::Stage,
    text,
    wire::{put_bytes, put_unknown, put_varint},
};

/// The number of the first field that no message has.
const UNKNOWN_FIELD: u64 = 1000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = requests::<Pod>();
    cases.extend(requests::<Image>());
    cases.extend(unknown_fields());
    cases
}

/// W-2: requests by field number mean what they are to.
fn requests<R: Numbered>() -> Vec<Case> {
    let mut cases = Vec::new();
    for &field in R::FIELDS {
        for is_hit in [true, false] {
            let verb = if is_hit { "hit" } else { "miss" };
            let content = format!("request/filters.{}/{verb}", R::name(field));
            let check = move |stage| async move {
                let filter = condition::<R>(&stage, field, is_hit).await?;
                let mut message = Vec::new();
                put_bytes(&mut message, 1, &R::encoded(&filter));
                lists::<R>(&stage, message, &[filter], false).await
            };
            let case = Case::new(R::LIST, &clause::W_2, content, check);
            cases.push(case.on(On::Still(&FILTERS)));
        }
    }
    for detail in [true, false] {
        let content = format!("request/detail:{detail}");
        let check = move |stage| async move {
            let mut message = Vec::new();
            put_varint(&mut message, 2, u64::from(detail));
            lists::<R>(&stage, message, &[], detail).await
        };
        let case = Case::new(R::LIST, &clause::W_2, content, check);
        cases.push(case.on(On::Still(&FILTERS)));
    }
    if R::LIST == Method::ListPods {
        let check = |stage| async move {
            // As proto3 writes repeated numbers, all of them in one field.
            let filter = PodFilter {
                states: vec![4, 6],
                ..PodFilter::default()
            };
            let mut packed = Vec::new();
            put_bytes(&mut packed, 2, &[4, 6]);
            let mut message = Vec::new();
            put_bytes(&mut message, 1, &packed);
            lists::<Pod>(&stage, message, &[filter], false).await
        };
        let content = "request/filters.states/packed";
        let case = Case::new(R::LIST, &clause::W_2, content, check);
        cases.push(case.on(On::Still(&FILTERS)));
    }
    let check = |stage| async move {
        let id = first_id::<R>(&stage).await?;
        let mut message = Vec::new();
        put_bytes(&mut message, 1, id.as_bytes());
        let method = R::INSPECT;
        let request = request_text(method, &message);
        let answer = answer(&stage, method, message).await?;
        let number = id_number::<R>();
        let ids = texts(&answer, &[1, number]);
        match ids.as_deref() {
            Some([found]) if *found == id => Ok(()),
            _ => Err(Objection::fail(
                request,
                format!("{id:?} in the fields 1 and {number}"),
                format!("{ids:?}"),
            )),
        }
    };
    let case = Case::new(R::INSPECT, &clause::W_2, "request/id", check);
    cases.push(case.on(On::Still(&FILTERS)));
    cases
}

/// A filter with one condition, which something on the host meets or misses.
async fn condition<R: Fields>(
    stage: &Stage,
    field: R::Field,
    is_hit: bool,
) -> Result<R::Filter, Objection> {
    let oracle = Oracle::required(stage).await?;
    let all = &resource::lists_expected::<R>(stage, &oracle).facts;
    let pivot = pivot::<R>(&[field], all, 0).map_err(Objection::Skip)?;
    let mut filter = R::Filter::default();
    match is_hit {
        true => R::hit(field, &mut filter, pivot, all),
        false => R::miss(field, &mut filter, pivot, all),
    }
    Ok(filter)
}

/// That a list request of bytes is answered like the same one in words.
async fn lists<R: Numbered>(
    stage: &Stage,
    message: Vec<u8>,
    filters: &[R::Filter],
    detail: bool,
) -> Verdict {
    let oracle = Oracle::required(stage).await?;
    let request = request_text(R::LIST, &message);
    let answer = answer(stage, R::LIST, message).await?;
    let Some(answer) = R::decoded(answer) else {
        return Err(Objection::fail(
            request,
            "a list",
            "what is no such message",
        ));
    };
    let ids = |list: &[R]| {
        let mut ids: Vec<String> = list.iter().map(|one| one.id().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let expected = oracle.list::<R>(filters, detail);
    let expected: Vec<R> = expected.into_iter().map(|one| one.message).collect();
    let with_manifest = |list: &[R]| list.iter().filter(|one| !one.manifest().is_empty()).count();
    let sides = [&expected, &answer].map(|list| (ids(list), with_manifest(list)));
    match sides[0] == sides[1] {
        true => Ok(()),
        false => {
            let words = R::list_text(filters, detail);
            let [expected, actual] = sides.map(|(ids, manifests)| {
                format!("{} {}, {manifests} manifests", ids.len(), text::list(&ids))
            });
            Err(Objection::fail(
                format!("{request}: {words}"),
                expected,
                actual,
            ))
        }
    }
}

/// W-4: what no message has is passed over, wherever it stands.
fn unknown_fields() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.push(Case::new(
        Method::GetInfo,
        &clause::W_4,
        "unknown-fields/request",
        |stage| async move {
            let mut message = Vec::new();
            put_unknown(&mut message, 1);
            let method = Method::GetInfo;
            let request = request_text(method, &message);
            let answer = answer(&stage, method, message).await?;
            match texts(&answer, &[1, 1]).as_deref() {
                Some([_]) => Ok(()),
                other => Err(Objection::fail(request, "info", format!("{other:?}"))),
            }
        },
    ));
    cases.extend(with_unknown::<Pod>());
    cases.extend(with_unknown::<Image>());
    cases
}

/// Where an unknown field stands in a list request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Request,
    Filter,
    Annotation,
}

fn with_unknown<R: Numbered>() -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, name) in [
        (Place::Request, "request"),
        (Place::Filter, "filter"),
        (Place::Annotation, "annotation"),
    ] {
        let check = move |stage| async move {
            let filter = condition::<R>(&stage, R::ANNOTATIONS, true).await?;
            let unknown_in = |message: &mut Vec<u8>, here| {
                if here == place {
                    put_unknown(message, UNKNOWN_FIELD);
                }
            };
            let mut bytes = Vec::new();
            for pair in R::annotations(&filter) {
                let mut of_pair = Vec::new();
                put_bytes(&mut of_pair, 1, pair.key.as_bytes());
                unknown_in(&mut of_pair, Place::Annotation);
                put_bytes(&mut of_pair, 2, pair.value.as_bytes());
                put_bytes(&mut bytes, R::number(R::ANNOTATIONS), &of_pair);
            }
            unknown_in(&mut bytes, Place::Filter);
            let mut message = Vec::new();
            unknown_in(&mut message, Place::Request);
            put_bytes(&mut message, 1, &bytes);
            lists::<R>(&stage, message, &[filter], false).await
        };
        let content = format!("unknown-fields/{name}");
        let case = Case::new(R::LIST, &clause::W_4, content, check);
        cases.push(case.on(On::Still(&FILTERS)));
    }
    let check = |stage| async move {
        // A filter without a condition that anybody knows takes everything.
        let mut bytes = Vec::new();
        put_unknown(&mut bytes, UNKNOWN_FIELD);
        let mut message = Vec::new();
        put_bytes(&mut message, 1, &bytes);
        lists::<R>(&stage, message, &[R::Filter::default()], false).await
    };
    let case = Case::new(R::LIST, &clause::W_4, "unknown-fields/filter-alone", check);
    cases.push(case.on(On::Still(&FILTERS)));
    let check = |stage| async move {
        let id = first_id::<R>(&stage).await?;
        let mut message = Vec::new();
        put_unknown(&mut message, UNKNOWN_FIELD);
        put_bytes(&mut message, 1, id.as_bytes());
        let request = request_text(R::INSPECT, &message);
        let answer = answer(&stage, R::INSPECT, message).await?;
        let found = texts(&answer, &[1, id_number::<R>()]);
        match found.as_deref() {
            Some([found]) if *found == id => Ok(()),
            _ => Err(Objection::fail(
                request,
                format!("{id:?}"),
                format!("{found:?}"),
            )),
        }
    };
    let case = Case::new(R::INSPECT, &clause::W_4, "unknown-fields/request", check);
    cases.push(case.on(On::Still(&FILTERS)));
    cases
}
