//! What cannot be answered (W-3, L-1), and how pods and apps are named (P-17, L-1).

use rkt_api::api::GetLogsRequest;
use tonic::Status;
use uuid::Uuid;

use super::answer::{ask, check, count, due, of, of_app, show};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    cases::ids::LONG,
    clause::{self, Clause},
    hosts::logs::{APP, LOST, PLAIN, PLAIN_APPS, RICH, RICH_APPS, STILL, WITHOUT_JOURNAL},
    stage::Stage,
    text,
};

/// An id that no pod has, and that no pod's begins with.
const UNKNOWN: &str = "00000000-1111-2222-3333-444444444444";

pub(super) fn cases() -> Vec<Case> {
    [
        wrong_pods(),
        wrong_lines(),
        without_journal(),
        pods(),
        apps(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn named(pod_id: &str) -> GetLogsRequest {
    GetLogsRequest {
        pod_id: pod_id.to_owned(),
        ..GetLogsRequest::default()
    }
}

fn wrong_pods() -> Vec<Case> {
    let shared = WITHOUT_JOURNAL[0].id.to_string();
    let ids = [
        ("unknown-pod", UNKNOWN),
        ("unknown-beginning", "0000"),
        ("empty-id", ""),
        ("no-id", "nobody"),
        ("too-long-id", &format!("{RICH}0")),
        ("id-without-dashes", &RICH.simple().to_string()),
        ("id-in-braces", &RICH.braced().to_string()),
        ("machine-name", &format!("rkt-{RICH}")),
        ("id-and-blank", &format!("{RICH} ")),
        ("path", "../"),
        ("ambiguous", &shared[..8]),
    ];
    let cases = ids.iter().flat_map(|(name, id)| {
        let clause = match *name {
            "unknown-pod" => &clause::L_1,
            _ => &clause::W_3,
        };
        refused(clause, name, named(id), (*id).to_owned())
    });
    // Nobody can expect all of it in a message.
    let long = refused(&clause::W_3, "huge-id", named(LONG), String::new());
    cases.chain(long).collect()
}

fn wrong_lines() -> Vec<Case> {
    let numbers = [("negative", -1), ("most-negative", i32::MIN)];
    let cases = numbers.iter().flat_map(|(name, lines)| {
        let request = GetLogsRequest {
            lines: *lines,
            ..of_app(PLAIN, PLAIN_APPS[0])
        };
        let name = format!("lines:{name}");
        refused(&clause::W_3, &name, request, lines.to_string())
    });
    cases.map(Case::decided).collect()
}

fn without_journal() -> Vec<Case> {
    let cases = WITHOUT_JOURNAL.iter().flat_map(|it| {
        let name = format!("no-journal:{}", it.name);
        refused(&clause::W_3, &name, of(it.id), it.id.to_string())
    });
    cases.collect()
}

/// That the request, which `content` describes, is refused, following or not, by an error (as
/// the clause says) with the right code and a message that has `names` (as was decided).
fn refused(
    clause: &'static Clause,
    content: &str,
    request: GetLogsRequest,
    names: String,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for (mode, follow) in [("", false), ("/follow", true)] {
        let request = GetLogsRequest {
            follow,
            ..request.clone()
        };
        let case = |part: &str| format!("{content}{mode}/{part}");
        cases.push(asking(clause, case("error"), request.clone(), is_error));
        cases.push(asking(clause, case("code"), request.clone(), is_due).decided());
        if !names.is_empty() {
            let names = names.clone();
            cases.push(
                asking(
                    clause,
                    case("message"),
                    request,
                    move |request, status, _| names_it(request, status, &names),
                )
                .decided(),
            );
        }
    }
    cases
}

/// A case that has a request refused, and looks at the error.
fn asking(
    clause: &'static Clause,
    content: String,
    request: GetLogsRequest,
    judge: impl Fn(&GetLogsRequest, &Status, &Stage) -> Verdict + Clone + Send + Sync + 'static,
) -> Case {
    let check = move |stage: Stage| {
        let (request, judge) = (request.clone(), judge.clone());
        async move {
            let refusal = match due(&stage, &request)? {
                Err(refusal) => refusal,
                Ok(_) => return Err(Objection::Bug("the model answers".to_owned())),
            };
            match ask(&stage, &request).await? {
                Err(status) => judge(&request, &status, &stage),
                Ok(answer) => Err(Objection::fail(
                    show(&request),
                    text::code(refusal.code),
                    format!("OK, with {}", count(&answer.lines)),
                )),
            }
        }
    };
    Case::new(Method::GetLogs, clause, content, check).on(On::Still(&STILL))
}

fn is_error(_: &GetLogsRequest, _: &Status, _: &Stage) -> Verdict {
    Ok(())
}

fn is_due(request: &GetLogsRequest, status: &Status, stage: &Stage) -> Verdict {
    match due(stage, request)? {
        Err(refusal) if !refusal.takes(status.code()) => Err(Objection::fail(
            show(request),
            text::code(refusal.code),
            text::status(status),
        )),
        _ => Ok(()),
    }
}

fn names_it(request: &GetLogsRequest, status: &Status, names: &str) -> Verdict {
    match status.message().contains(names) {
        true => Ok(()),
        false => Err(Objection::fail(
            show(request),
            format!("a message that names {names:?}"),
            text::status(status),
        )),
    }
}

/// Pods by something else than their whole id in lower case.
fn pods() -> Vec<Case> {
    let id = RICH.to_string();
    let names = [
        ("first-digit", id[..1].to_owned()),
        ("two-groups", id[..13].to_owned()),
        ("up-to-a-dash", id[..14].to_owned()),
        ("all-but-one", id[..35].to_owned()),
        ("upper-case", id.to_uppercase()),
        ("upper-case-beginning", id[..6].to_uppercase()),
    ];
    let cases = names.into_iter().map(|(name, pod_id)| {
        let request = GetLogsRequest {
            lines: 3,
            ..named(&pod_id)
        };
        checked(&clause::P_17, name.to_owned(), request).decided()
    });
    let whole = checked(
        &clause::P_17,
        "whole".to_owned(),
        of_app(PLAIN, PLAIN_APPS[0]),
    );
    cases.chain([whole]).collect()
}

/// Apps that the manifest has, or the journal, or neither.
fn apps() -> Vec<Case> {
    let must = |name: &str, pod: Uuid, app: &str| {
        checked(&clause::L_2, format!("app:{name}"), of_app(pod, app))
    };
    let known = |name: &str, pod: Uuid, app: &str| {
        checked(&clause::L_1, format!("app:{name}"), of_app(pod, app)).decided()
    };
    let all = |name: &str, pod: Uuid| checked(&clause::L_2, format!("all:{name}"), of(pod));
    let nobody = of_app(RICH, "nobody");
    vec![
        must("first", PLAIN, PLAIN_APPS[0]),
        must("second", PLAIN, PLAIN_APPS[1]),
        must("other-lines-at-the-same-time", RICH, RICH_APPS[1]),
        must("without-manifest", LOST, APP),
        known("without-lines", RICH, RICH_APPS[2]),
        known("journal-only", RICH, "systemd"),
        known("journal-only-without-manifest", LOST, "systemd"),
        known("unknown", RICH, "nobody"),
        known("unknown-without-manifest", LOST, "nobody"),
        known("upper-case", RICH, "WEB"),
        known("beginning", RICH, "we"),
        known("unit", RICH, "web.service"),
        known("blank", RICH, " "),
        checked(
            &clause::L_1,
            "app:unknown/follow".to_owned(),
            GetLogsRequest {
                follow: true,
                // In the other dialect nothing is due, and then the stream ends.
                until_time: 1,
                ..nobody
            },
        )
        .decided(),
        all("in-turns", PLAIN).decided(),
        all("same-times", RICH).decided(),
        all("without-manifest", LOST).decided(),
    ]
}

/// A case that holds an answer against the model's.
pub(super) fn checked(clause: &'static Clause, content: String, request: GetLogsRequest) -> Case {
    let check = move |stage: Stage| {
        let request = request.clone();
        async move { check(&stage, &request).await }
    };
    Case::new(Method::GetLogs, clause, content, check).on(On::Still(&STILL))
}
