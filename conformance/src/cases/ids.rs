//! Naming a pod or image to InspectPod or InspectImage: by its id, by the beginning of it, and
//! by what is none (W-3, P-17, IM-6).

use std::{fmt, sync::Arc};

use tonic::{Code, Status};

use super::fields::none_inspected;
use crate::{
    case::{Case, Objection, Verdict},
    clause::{self, Clause},
    resource::{self, Resource},
    stage::Stage,
    survey::NotInspected,
    target::Target,
    text,
};

/// How many beginnings are tried: enough for every shape, few enough for a host with many.
const SAMPLE: usize = 16;

/// How often it is tried while the ids keep changing.
const TRIES: usize = 10;

/// No id, and too long to come back whole: what an error says travels in a header, and clients
/// take 8 or 16 KiB of those.
pub(super) const LONG: &str = match std::str::from_utf8(&[b'0'; 32 << 10]) {
    Ok(text) => text,
    Err(_) => panic!("digits are ASCII"),
};

/// That `id`, which `content` describes, is refused (MUST) with `code` (SHOULD).
pub(super) fn refused<R: Resource>(content: &str, id: &'static str, code: Code) -> [Case; 2] {
    let wanted = text::code(code);
    [
        Case::new(R::INSPECT, &clause::W_3, format_args!("{content}/error"), {
            let wanted = wanted.clone();
            move |target| {
                let wanted = wanted.clone();
                async move { refusal::<R>(&target, id, &wanted).await.map(drop) }
            }
        }),
        Case::new(
            R::INSPECT,
            &clause::W_3,
            format_args!("{content}/code"),
            move |target| {
                let wanted = wanted.clone();
                async move {
                    let status = refusal::<R>(&target, id, &wanted).await?;
                    match status.code() == code {
                        true => Ok(()),
                        false => Err(Objection::fail(
                            R::inspect_text(id),
                            wanted,
                            text::status(&status),
                        )),
                    }
                }
            },
        )
        .decided(),
    ]
}

/// That the error for the unknown `id` names it.
pub(super) fn refused_by_name<R: Resource>(content: &str, id: &'static str) -> Case {
    let content = format!("{content}/message");
    Case::new(
        R::INSPECT,
        &clause::W_3,
        content,
        move |target| async move {
            let status = refusal::<R>(&target, id, "NOT_FOUND").await?;
            match status.message().contains(id) {
                true => Ok(()),
                false => Err(Objection::fail(
                    R::inspect_text(id),
                    format!("a message that names {id:?}"),
                    text::status(&status),
                )),
            }
        },
    )
    .decided()
}

async fn refusal<R: Resource>(
    target: &Target,
    id: &str,
    wanted: &str,
) -> Result<Status, Objection> {
    let actual = match R::inspect(target, id).await {
        Err(status) => return Ok(status),
        Ok(Some(answer)) => format!("OK with {} {:?}", R::NOUN, answer.id()),
        Ok(None) => format!("OK without a {}", R::NOUN),
    };
    Err(Objection::fail(R::inspect_text(id), wanted, actual))
}

/// That an answer with OK has the message that it is about.
pub(super) fn present<R: Resource>() -> Case {
    Case::new(R::INSPECT, &clause::W_3, R::NOUN, |target| async move {
        each_inspected::<R>(&target, |seen, _| match seen {
            Err(NotInspected::Empty) => Err("OK without it".to_owned()),
            Ok(_) | Err(NotInspected::Refused(_)) => Ok(()),
        })
        .await
    })
}

/// That everything listed is answered, by its id and as itself.
pub(super) fn full<R: Resource>(clause: &'static Clause) -> Case {
    Case::new(R::INSPECT, clause, "full-id", |target| async move {
        each_inspected::<R>(&target, |seen, id| match seen {
            Ok(found) if found.id() == id => Ok(()),
            Ok(found) => Err(format!("{} {:?}", R::NOUN, found.id())),
            Err(NotInspected::Refused(status)) => Err(text::status(status)),
            // That is another clause's.
            Err(NotInspected::Empty) => Ok(()),
        })
        .await
    })
}

async fn each_inspected<R: Resource>(
    target: &Target,
    judge: impl Fn(&Result<R, NotInspected>, &str) -> Result<(), String>,
) -> Verdict {
    let survey = resource::survey::<R>(target).await?;
    for seen in &survey.seen {
        let id = seen.detailed.id();
        judge(&seen.inspected, id).map_err(|actual| {
            let expected = format!("the {} {id:?}, which is listed", R::NOUN);
            Objection::fail(R::inspect_text(id), expected, actual)
        })?;
    }
    match survey.seen.is_empty() {
        true => Err(Objection::skip(none_inspected::<R>())),
        false => Ok(()),
    }
}

/// An id to ask for, and the one that has to come; none where it has to be refused.
type Question = (String, Option<String>);

/// A case that asks for what `questions` makes of the ids that are listed. It gives the reason
/// where it can make none.
pub(super) fn asked<R: Resource>(
    clause: &'static Clause,
    content: impl fmt::Display,
    questions: impl Fn(&[String]) -> Result<Vec<Question>, String> + Send + Sync + 'static,
) -> Case {
    let questions = Arc::new(questions);
    Case::new(R::INSPECT, clause, content, move |target| {
        ask::<R>(target, Arc::clone(&questions))
    })
    .decided()
}

async fn ask<R: Resource>(
    target: Stage,
    questions: Arc<impl Fn(&[String]) -> Result<Vec<Question>, String> + Send + Sync>,
) -> Verdict {
    let mut before = ids::<R>(&target).await?;
    for _ in 0..TRIES {
        let verdict = match questions(&before) {
            Ok(questions) => answers::<R>(&target, questions).await,
            Err(reason) => Err(Objection::Skip(reason)),
        };
        let after = ids::<R>(&target).await?;
        if before == after {
            return verdict;
        }
        before = after;
    }
    let noun = R::NOUN;
    Err(Objection::Skip(format!(
        "{noun}s came and went between any two of {TRIES} calls"
    )))
}

async fn answers<R: Resource>(target: &Target, questions: Vec<Question>) -> Verdict {
    for (id, wanted) in questions {
        let expected = match &wanted {
            Some(wanted) => format!("{} {wanted:?}", R::NOUN),
            None => text::code(Code::InvalidArgument),
        };
        let actual = match R::inspect(target, &id).await {
            Ok(Some(found)) if Some(found.id()) == wanted.as_deref() => continue,
            Err(status) if wanted.is_none() && status.code() == Code::InvalidArgument => continue,
            Ok(Some(found)) => format!("{} {:?}", R::NOUN, found.id()),
            Ok(None) => "OK without it".to_owned(),
            Err(status) => text::status(&status),
        };
        return Err(Objection::fail(R::inspect_text(&id), expected, actual));
    }
    Ok(())
}

/// The ids of all that is listed, in order.
async fn ids<R: Resource>(target: &Target) -> Result<Vec<String>, Objection> {
    let facts = resource::facts_now::<R>(target).await?;
    Ok(facts
        .iter()
        .map(|facts| R::id_of(facts).to_owned())
        .collect())
}

/// The shortest beginnings, of at least `min` characters, that only one of `ids` has.
pub(super) fn shortest(ids: &[String], min: usize) -> Result<Vec<Question>, String> {
    let questions = ids.iter().filter_map(|id| {
        let others = ids.iter().filter(|other| *other != id);
        let shared = others.map(|other| common(id, other)).max().unwrap_or(0);
        let length = (shared + 1).max(min);
        let beginning: String = id.chars().take(length).collect();
        (length < id.chars().count()).then(|| (beginning, Some(id.clone())))
    });
    or_none(
        questions.take(SAMPLE).collect(),
        "has a beginning of its own",
    )
}

/// Ids that lack only their last character, where no other begins like that.
pub(super) fn almost_full(ids: &[String]) -> Result<Vec<Question>, String> {
    let questions = ids.iter().filter_map(|id| {
        let mut beginning = id.clone();
        beginning.pop()?;
        let begin_so = ids.iter().filter(|other| other.starts_with(&beginning));
        (begin_so.count() == 1).then(|| (beginning, Some(id.clone())))
    });
    or_none(
        questions.take(SAMPLE).collect(),
        "has a beginning of its own",
    )
}

/// The longest beginning, of at least `min` characters, that two of `ids` have.
pub(super) fn ambiguous(ids: &[String], min: usize) -> Result<Vec<Question>, String> {
    // In order, the one that shares most with an id stands beside it.
    let shared = ids
        .windows(2)
        .map(|pair| (common(&pair[0], &pair[1]), &pair[0]));
    let longest = shared.max().filter(|(length, _)| *length >= min);
    let question = longest.map(|(length, id)| (id.chars().take(length).collect(), None));
    or_none(question.into_iter().collect(), "begins like another")
}

/// Ids in upper case, where that changes them.
pub(super) fn upper_case(ids: &[String]) -> Result<Vec<Question>, String> {
    let questions = ids.iter().filter_map(|id| {
        let upper = id.to_ascii_uppercase();
        (upper != *id).then(|| (upper, Some(id.clone())))
    });
    or_none(questions.take(SAMPLE).collect(), "has a letter in it")
}

fn or_none(questions: Vec<Question>, what: &str) -> Result<Vec<Question>, String> {
    match questions.is_empty() {
        true => Err(format!("no id that is listed {what}")),
        false => Ok(questions),
    }
}

/// How many characters `a` and `b` begin with in common.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn asked(questions: Result<Vec<Question>, String>) -> Vec<(String, String)> {
        let questions = questions.unwrap().into_iter();
        questions
            .map(|(id, wanted)| (id, wanted.unwrap_or_default()))
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pair = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn beginnings_are_as_short_as_can_be() {
        let ids = ids(&["1234", "1256", "2345"]);
        let wanted = [("123", "1234"), ("125", "1256"), ("2", "2345")];
        assert_eq!(asked(shortest(&ids, 1)), pairs(&wanted));
        let wanted = [("123", "1234"), ("125", "1256"), ("234", "2345")];
        assert_eq!(asked(shortest(&ids, 3)), pairs(&wanted));
        assert_eq!(asked(almost_full(&ids)), pairs(&wanted));
        assert!(shortest(&[], 1).is_err());
    }

    #[test]
    fn ambiguous_beginnings_are_as_long_as_can_be() {
        let ids = ids(&["1234", "1256", "2345"]);
        assert_eq!(asked(ambiguous(&ids, 1)), pairs(&[("12", "")]));
        assert!(ambiguous(&ids, 3).is_err());
        assert!(ambiguous(&ids[..1], 1).is_err());
    }

    #[test]
    fn digits_have_no_upper_case() {
        let ids = ids(&["12", "1a"]);
        assert_eq!(asked(upper_case(&ids)), pairs(&[("1A", "1a")]));
        assert!(upper_case(&ids[..1]).is_err());
    }
}
