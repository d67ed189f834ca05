//! Rules about the fields of one message, tried on every answer about every pod or image. The
//! rules themselves are in `pod_fields` and `image_fields`.

use std::{fmt, sync::Arc};

use crate::{
    case::{Case, Method, Objection, Verdict},
    clause::Clause,
    manifest::Manifest,
    profile::Profile,
    resource::{self, Resource},
    stage::Stage,
    survey::Seen,
};

/// By which call a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// Listed without detail.
    Brief,
    /// Listed with detail.
    Detailed,
    /// Inspected.
    Inspected,
}

/// A message, and what is to be known to judge it.
pub(super) struct Shown<'a, R> {
    pub(super) answer: &'a R,
    pub(super) via: Via,
    pub(super) profile: Profile,
    /// The manifest that the server gives of it, by whatever call; an answer without detail
    /// has none of its own.
    pub(super) manifest: Option<Manifest>,
}

/// What a rule says of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The rule does not speak about such a message.
    Silent,
    Right,
    Wrong {
        expected: String,
        actual: String,
    },
}

/// What is wanted of a field is `expected`; it `holds` or not.
pub(super) fn expect(holds: bool, expected: impl fmt::Display, actual: impl fmt::Debug) -> Finding {
    match holds {
        true => Finding::Right,
        false => Finding::Wrong {
            expected: expected.to_string(),
            actual: format!("{actual:?}"),
        },
    }
}

/// That a field is as it has to be.
pub(super) fn expect_eq<T: fmt::Debug + PartialEq>(field: &str, actual: &T, wanted: &T) -> Finding {
    expect(actual == wanted, format_args!("{field} {wanted:?}"), actual)
}

/// That a manifest, where there is one, is JSON of its kind.
pub(super) fn manifest_kind(bytes: &[u8], kind: &str) -> Finding {
    if bytes.is_empty() {
        return Finding::Silent;
    }
    match Manifest::parse(bytes) {
        Ok(manifest) => expect_eq("a manifest of kind", &manifest.kind().as_str(), &kind),
        Err(error) => Finding::Wrong {
            expected: "a manifest as JSON".to_owned(),
            actual: error,
        },
    }
}

/// A rule about the fields of one message.
pub(super) struct Rule<R: 'static> {
    clause: &'static Clause,
    content: &'static str,
    is_decided: bool,
    /// The calls that it judges.
    vias: &'static [Via],
    /// Which messages it is about, for the reason to skip it.
    about: &'static str,
    judge: fn(&Shown<'_, R>) -> Finding,
}

impl<R> Rule<R> {
    /// A rule about the answers of both methods.
    pub(super) const fn new(
        clause: &'static Clause,
        content: &'static str,
        about: &'static str,
        judge: fn(&Shown<'_, R>) -> Finding,
    ) -> Self {
        Self {
            clause,
            content,
            is_decided: false,
            vias: &[Via::Brief, Via::Detailed, Via::Inspected],
            about,
            judge,
        }
    }

    /// The rule was decided: it counts as SHOULD.
    pub(super) const fn decided(self) -> Self {
        Self {
            is_decided: true,
            ..self
        }
    }

    /// The rule judges only answers of these calls.
    pub(super) const fn only(self, vias: &'static [Via]) -> Self {
        Self { vias, ..self }
    }
}

/// For each rule a case for each of the two methods that it judges.
pub(super) fn cases<R: Resource>(rules: &'static [Rule<R>]) -> impl Iterator<Item = Case> {
    let methods = [
        (R::LIST, &[Via::Brief, Via::Detailed][..]),
        (R::INSPECT, &[Via::Inspected][..]),
    ];
    methods.into_iter().flat_map(move |(method, answers)| {
        rules.iter().filter_map(move |rule| {
            let vias = answers.iter().filter(|via| rule.vias.contains(via));
            let vias: Arc<[Via]> = vias.copied().collect();
            (!vias.is_empty()).then(|| case(method, vias, rule))
        })
    })
}

fn case<R: Resource>(method: Method, vias: Arc<[Via]>, rule: &'static Rule<R>) -> Case {
    let case = Case::new(method, rule.clause, rule.content, move |target| {
        apply(target, Arc::clone(&vias), rule)
    });
    match rule.is_decided {
        true => case.decided(),
        false => case,
    }
}

async fn apply<R: Resource>(target: Stage, vias: Arc<[Via]>, rule: &Rule<R>) -> Verdict {
    let survey = resource::survey::<R>(&target).await?;
    let mut spoke = false;
    for seen in &survey.seen {
        for &via in vias.iter() {
            let Some(answer) = seen.via(via) else {
                continue;
            };
            let finding = (rule.judge)(&Shown {
                answer,
                via,
                profile: target.profile(),
                manifest: seen.manifest(),
            });
            match finding {
                Finding::Silent => {}
                Finding::Right => spoke = true,
                Finding::Wrong { expected, actual } => {
                    let actual = format!("{actual} ({} {})", R::NOUN, answer.id());
                    return Err(Objection::fail(request::<R>(via, answer), expected, actual));
                }
            }
        }
    }
    match spoke {
        true => Ok(()),
        false => Err(Objection::skip(format!("there is no {}", rule.about))),
    }
}

fn request<R: Resource>(via: Via, answer: &R) -> String {
    match via {
        Via::Brief => R::list_text(&[], false),
        Via::Detailed => R::list_text(&[], true),
        Via::Inspected => R::inspect_text(answer.id()),
    }
}

impl<R: Resource> Seen<R> {
    fn via(&self, via: Via) -> Option<&R> {
        match via {
            Via::Brief => Some(&self.brief),
            Via::Detailed => Some(&self.detailed),
            Via::Inspected => self.inspected.as_ref().ok(),
        }
    }

    fn manifest(&self) -> Option<Manifest> {
        let answers = self.inspected.as_ref().into_iter().chain([&self.detailed]);
        let mut manifests = answers.map(R::manifest).filter(|bytes| !bytes.is_empty());
        Manifest::parse(manifests.next()?).ok()
    }
}

/// A group of fields in which InspectPod or InspectImage has to agree with the list.
pub(super) struct Agreement<R> {
    pub(super) clause: &'static Clause,
    pub(super) content: &'static str,
    /// The fields as text.
    pub(super) pick: fn(&R) -> String,
}

/// One case for each group, of the inspect method.
pub(super) fn agreements<R: Resource>(
    agreements: &'static [Agreement<R>],
) -> impl Iterator<Item = Case> {
    agreements.iter().map(|agreement| {
        let content = format_args!("as-listed/{}", agreement.content).to_string();
        Case::new(R::INSPECT, agreement.clause, content, move |target| {
            agree(target, agreement)
        })
    })
}

async fn agree<R: Resource>(target: Stage, agreement: &Agreement<R>) -> Verdict {
    let survey = resource::survey::<R>(&target).await?;
    let mut compared = false;
    for seen in &survey.seen {
        let Ok(inspected) = &seen.inspected else {
            continue;
        };
        compared = true;
        let listed = (agreement.pick)(&seen.detailed);
        let inspected = (agreement.pick)(inspected);
        if listed != inspected {
            let id = seen.detailed.id();
            let expected = format!("{listed} as {} with detail has it", R::LIST);
            return Err(Objection::fail(R::inspect_text(id), expected, inspected));
        }
    }
    match compared {
        true => Ok(()),
        false => Err(Objection::skip(none_inspected::<R>())),
    }
}

/// Why nothing can be said of inspected messages.
pub(super) fn none_inspected<R: Resource>() -> String {
    format!("there is no {} that can be inspected", R::NOUN)
}
