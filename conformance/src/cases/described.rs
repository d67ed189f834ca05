//! Pods and images of a described host, one by one and field by field: each answer about each
//! against the model's. Which fields there are is said in `pod_states` and `image_states`.
//!
//! The hosts stand still, so all answers are asked for once a run and shared by the cases.

use std::{fmt, sync::Arc};

use tonic::Code;

use super::fields::Via;
use crate::{
    case::{Case, Objection, On, Verdict},
    clause::Clause,
    hosts::HostDef,
    model::Expected,
    oracle::Oracle,
    resource::{self, Resource},
    stage::Stage,
    survey::NotInspected,
    text,
};

/// Something that an answer says of a pod or image.
pub(super) struct Aspect<R> {
    clause: &'static Clause,
    /// What of the clause it is, where there are several; the end of the case's name.
    part: &'static str,
    /// The calls whose answers have it.
    vias: &'static [Via],
    is_decided: bool,
    /// What it is, as text.
    pick: fn(&R) -> String,
}

impl<R> Aspect<R> {
    /// What all three calls say.
    pub(super) const fn new(
        clause: &'static Clause,
        part: &'static str,
        pick: fn(&R) -> String,
    ) -> Self {
        Self {
            clause,
            part,
            vias: &[Via::Brief, Via::Detailed, Via::Inspected],
            is_decided: false,
            pick,
        }
    }

    /// It was decided: it counts as SHOULD.
    pub(super) const fn decided(self) -> Self {
        Self {
            is_decided: true,
            ..self
        }
    }

    /// Only these calls say it.
    pub(super) const fn only(self, vias: &'static [Via]) -> Self {
        Self { vias, ..self }
    }
}

/// One pod or image of a described host.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) host: &'static HostDef,
    /// Its name in the names of cases.
    pub(super) label: Arc<str>,
    pub(super) id: Arc<str>,
}

/// A case for each call that says something of the subject.
pub(super) fn cases<R: Resource>(
    subject: &Subject,
    aspect: &'static Aspect<R>,
) -> impl Iterator<Item = Case> {
    aspect.vias.iter().map(move |&via| {
        let of_subject = subject.clone();
        let case = case::<R, _>(subject, via, aspect.clause, aspect.part, move |stage| {
            compare(stage, of_subject.clone(), via, aspect)
        });
        match aspect.is_decided {
            true => case.decided(),
            false => case,
        }
    })
}

/// A case for each call that the subject is there, or, in a dialect without such, is not.
pub(super) fn presence<R: Resource>(
    subject: &Subject,
    clause: &'static Clause,
) -> impl Iterator<Item = Case> {
    [Via::Brief, Via::Detailed, Via::Inspected]
        .into_iter()
        .map(move |via| {
            let of_subject = subject.clone();
            case::<R, _>(subject, via, clause, "there", move |stage| {
                is_there::<R>(stage, of_subject.clone(), via)
            })
        })
}

fn case<R, C>(
    Subject { host, label, .. }: &Subject,
    via: Via,
    clause: &'static Clause,
    part: &str,
    check: impl Fn(Stage) -> C + Send + Sync + 'static,
) -> Case
where
    R: Resource,
    C: Future<Output = Verdict> + Send + 'static,
{
    let (method, ending) = match via {
        Via::Brief => (R::LIST, "/brief"),
        Via::Detailed => (R::LIST, "/detail"),
        Via::Inspected => (R::INSPECT, ""),
    };
    let between = if part.is_empty() { "" } else { "/" };
    let content = format!("{label}{between}{part}{ending}");
    Case::new(method, clause, content, check).on(On::Still(host))
}

async fn compare<R: Resource>(
    stage: Stage,
    subject: Subject,
    via: Via,
    aspect: &Aspect<R>,
) -> Verdict {
    let oracle = Oracle::required(&stage).await?;
    let Some(expected) = expected::<R>(&stage, &oracle, &subject.id, via) else {
        let reason = format!("{}s like this are not shown in this profile", R::NOUN);
        return Err(Objection::Skip(reason));
    };
    let request = request::<R>(via, &subject.id);
    let Some(observed) = observed::<R>(&stage, &subject.id, via).await? else {
        let noun = R::NOUN;
        return Err(Objection::fail(
            request,
            format!("the {noun} {}", subject.id),
            "an answer without it",
        ));
    };
    let right = oracle.right(&expected, &observed);
    let (expected, actual) = ((aspect.pick)(&right), (aspect.pick)(&observed));
    match expected == actual {
        true => Ok(()),
        false => {
            let actual = format!("{actual} ({} {}, {})", R::NOUN, subject.id, subject.label);
            Err(Objection::fail(request, expected, actual))
        }
    }
}

async fn is_there<R: Resource>(stage: Stage, subject: Subject, via: Via) -> Verdict {
    let oracle = Oracle::required(&stage).await?;
    let wanted = expected::<R>(&stage, &oracle, &subject.id, via).is_some();
    let found = observed::<R>(&stage, &subject.id, via).await?.is_some();
    let text = |is_there| match is_there {
        true => format!("an answer with {} ({})", subject.id, subject.label),
        false => format!("none about {} ({})", subject.id, subject.label),
    };
    match wanted == found {
        true => Ok(()),
        false => Err(Objection::fail(
            request::<R>(via, &subject.id),
            text(wanted),
            text(found),
        )),
    }
}

/// What the model answers about the subject; `None` where it does not exist for clients.
fn expected<R: Resource>(
    stage: &Stage,
    oracle: &Oracle,
    id: &str,
    via: Via,
) -> Option<Expected<R>> {
    let lists = resource::lists_expected::<R>(stage, oracle);
    match via {
        Via::Brief => lists.brief.get(id).cloned(),
        Via::Detailed => lists.detailed.get(id).cloned(),
        Via::Inspected => oracle.inspect(id).ok(),
    }
}

/// What the server answers; `None` where it says that there is no such thing.
async fn observed<R: Resource>(stage: &Stage, id: &str, via: Via) -> Result<Option<R>, Objection> {
    let survey = resource::survey::<R>(stage).await?;
    let seen = survey.seen.iter().find(|seen| seen.detailed.id() == id);
    let inspected = match (seen, via) {
        (None, Via::Brief | Via::Detailed) => return Ok(None),
        (Some(seen), Via::Brief) => return Ok(Some(seen.brief.clone())),
        (Some(seen), Via::Detailed) => return Ok(Some(seen.detailed.clone())),
        (Some(seen), Via::Inspected) => seen.inspected.clone(),
        // What is not listed has not been asked for.
        (None, Via::Inspected) => match R::inspect(stage, id).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(NotInspected::Empty),
            Err(status) => Err(NotInspected::Refused(status)),
        },
    };
    let actual = match inspected {
        Ok(found) => return Ok(Some(found)),
        Err(NotInspected::Refused(status)) if status.code() == Code::NotFound => return Ok(None),
        Err(NotInspected::Refused(status)) => text::status(&status),
        Err(NotInspected::Empty) => "OK without it".to_owned(),
    };
    let expected = format!("the {}, or NOT_FOUND", R::NOUN);
    Err(Objection::fail(R::inspect_text(id), expected, actual))
}

fn request<R: Resource>(via: Via, id: &str) -> String {
    match via {
        Via::Brief => R::list_text(&[], false),
        Via::Detailed => R::list_text(&[], true),
        Via::Inspected => R::inspect_text(id),
    }
}

/// A list as text, whatever its order, each member once.
pub(super) fn members<T: fmt::Debug>(list: impl IntoIterator<Item = T>) -> String {
    let mut members: Vec<String> = list.into_iter().map(|one| format!("{one:?}")).collect();
    members.sort_unstable();
    members.dedup();
    format!("{{{}}}", members.join(", "))
}

/// A manifest as text, whatever the order of its members and the blanks between them.
pub(super) fn json(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "no manifest".to_owned();
    }
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(value) => value.to_string(),
        Err(error) => format!(
            "{:?}, which is no JSON: {error}",
            String::from_utf8_lossy(bytes)
        ),
    }
}

/// Whether a time is set.
pub(super) fn is_set(time: i64) -> String {
    if time == 0 { "not set" } else { "set" }.to_owned()
}
