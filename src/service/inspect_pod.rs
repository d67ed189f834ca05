//! InspectPod (clauses P): one pod, named by its id or the beginning of it (P-17).

use std::ops::RangeInclusive;

use tonic::Status;
use uuid::Uuid;

use super::{Parts, prepared::Items, view::PodCall};
use crate::inventory::Unavailable;

/// How many hexadecimal digits a UUID has.
const DIGITS: usize = 32;

pub(super) async fn answer(service: &Parts, id: &str) -> Result<Items, Status> {
    let call = PodCall::Inspect;
    let view = &service.view;
    let pod = match resolve(service, id).await? {
        Some(uuid) => service.inventory.pod(uuid, view.depth(call)).await?,
        None => None,
    };
    let shown = pod.and_then(|(pod, cgroup)| view.pod(&pod.facts, cgroup.as_deref(), call));
    let shown = shown.ok_or_else(|| Status::not_found(format!("no pod {id:?}")))?;
    Ok(Items::one(&shown))
}

/// The id of the pod that `id` names or is the beginning of. `None` when there is no such
/// pod.
pub(super) async fn resolve(service: &Parts, id: &str) -> Result<Option<Uuid>, Status> {
    let id = id.to_ascii_lowercase();
    if !begins_uuid(&id) {
        return Err(Status::invalid_argument(format!(
            "{id:?} is not the beginning of a pod's UUID"
        )));
    }
    if let Ok(uuid) = Uuid::try_parse(&id) {
        return Ok(Some(uuid));
    }
    let named = with_beginning(service, &id).await?;
    match named[..] {
        [] => Ok(None),
        [uuid] => Ok(Some(uuid)),
        [..] => Err(Status::invalid_argument(format!(
            "{} pods begin with {id:?}",
            named.len()
        ))),
    }
}

async fn with_beginning(service: &Parts, beginning: &str) -> Result<Vec<Uuid>, Unavailable> {
    let Some(ids) = range(beginning) else {
        return Ok(Vec::new());
    };
    let pods = service.inventory.pods_between(ids).await?;
    let facts = pods.iter().map(|pod| &pod.facts);
    let shown = facts.filter(|facts| service.view.shows(facts.phase));
    Ok(shown.map(|facts| facts.id).collect())
}

/// The first and the last UUID that begin with this text, itself the beginning of one.
fn range(beginning: &str) -> Option<RangeInclusive<Uuid>> {
    let begun: String = beginning.split('-').collect();
    let [first, last] = ['0', 'f'].map(|rest| {
        let rest = std::iter::repeat(rest);
        let text: String = begun.chars().chain(rest).take(DIGITS).collect();
        Uuid::try_parse(&text).ok()
    });
    Some(first?..=last?)
}

/// Whether `text` is a UUID in lower case with dashes, or begins one.
fn begins_uuid(text: &str) -> bool {
    const LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;
    const DASHES: [usize; 4] = [8, 13, 18, 23];

    (1..=LENGTH).contains(&text.len())
        && text.bytes().enumerate().all(|(at, byte)| {
            if DASHES.contains(&at) {
                byte == b'-'
            } else {
                matches!(byte, b'0'..=b'9' | b'a'..=b'f')
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_of_uuids_are_told_from_other_text() {
        let uuid = "00000003-1111-4222-8333-44445555666f";
        for length in 1..=uuid.len() {
            let beginning = &uuid[..length];
            assert!(begins_uuid(beginning), "{length}");
            let range = range(beginning).unwrap();
            for end in [range.start(), range.end()] {
                let end = end.hyphenated().to_string();
                assert!(end.starts_with(beginning), "{length}: {end}");
            }
            assert!(range.contains(&Uuid::try_parse(uuid).unwrap()), "{length}");
        }
        for text in [
            "",
            "-",
            "zzz",
            "0000000311114222",
            "00000003_1111",
            "0000-",
            "00000003-1111-4222-8333-44445555666f0",
            "../run/00000003",
            " 0",
            "é",
        ] {
            assert!(!begins_uuid(text), "{text:?}");
        }
    }
}
