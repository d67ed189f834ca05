//! InspectPod and InspectImage by every form of an id, against the model: whole ids, every
//! beginning of one, and what is none (W-3, P-17, IM-6).

use rkt_api::api::{Image, Pod};

use crate::{
    case::{Case, Objection, On, Verdict},
    clause::{self, Clause},
    hosts::{FILTERS, HostDef, IMAGES, STATES, images, states},
    oracle::Oracle,
    resource::Resource,
    stage::Stage,
    text,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = pods();
    cases.extend(images());
    cases
}

/// What is no UUID, nor the beginning of one. The empty id and `no-uuid` have cases of their
/// own, for any host.
const NO_UUIDS: &[(&str, &str)] = &[
    ("blank", " "),
    ("dash", "-"),
    ("no-digit", "g"),
    ("no-digit-later", "0123456g"),
    ("newline", "0\n"),
    ("nul", "0\0"),
    ("not-ascii", "é"),
    ("path", "../run"),
    ("wildcard", "*"),
    ("dash-too-early", "0123456-"),
    ("dash-too-late", "012345678-"),
    ("no-dashes", "0123456789abcdef"),
    ("braces", "{01234567-0123-0123-0123-0123456789ab}"),
    ("urn", "urn:uuid:01234567-0123-0123-0123-0123456789ab"),
    ("too-long", "01234567-0123-0123-0123-0123456789abc"),
    ("blank-after", "01234567-0123-0123-0123-0123456789ab "),
];

fn pods() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |clause, content: String, host, id: String| {
        cases.push(case::<Pod>(clause, content, host, id));
    };
    for (content, id) in NO_UUIDS {
        add(
            &clause::W_3,
            format!("no-uuid/{content}"),
            &STATES,
            (*id).to_owned(),
        );
    }
    let clause = &clause::P_17;
    for (label, pod) in states::pods() {
        let id = pod.id.to_string();
        // One is tried at every length, the others where many begin alike.
        let lengths = match label.as_str() {
            "running/plain" => 1..=id.len(),
            label if label.ends_with("/plain") || label.ends_with("/manifest") => 1..=4,
            _ => continue,
        };
        for length in lengths {
            let content = format!("beginning/{label}/{length:02}");
            add(clause, content, &STATES, id[..length].to_owned());
        }
        let half = id[..18].to_uppercase() + &id[18..];
        add(clause, format!("mixed-case/{label}"), &STATES, half);
    }
    // On this host the ids begin alike, and differ in the last character again.
    for (content, id) in [
        ("all", "a0c300"),
        ("all-in-upper-case", "A0C300"),
        ("one", "a0c3001e-1111-4222-8333-44445555001"),
        ("one-in-upper-case", "A0C3001E-1"),
        ("ten", "a0c3001"),
        ("none", "a0c30099-"),
        ("hidden-by-rkt", "a0c30024"),
    ] {
        add(clause, format!("alike/{content}"), &FILTERS, id.to_owned());
    }
    cases
}

/// What is no image's id, nor the beginning of one.
const NO_KEYS: &[(&str, &str)] = &[
    ("blank", " "),
    ("name", "example.com/plain"),
    ("no-digit", "sha512-0g"),
    ("upper-case-prefix", "SHA512-00"),
    ("other-hash", "sha256-0123"),
    ("colon", "sha512:0123"),
    ("wildcard", "sha512-*"),
    ("path", "../sha512-00"),
    ("not-ascii", "sha512-é"),
    ("nul", "sha512-00\0"),
];

fn images() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |clause, content: String, id: String| {
        cases.push(case::<Image>(clause, content, &IMAGES, id));
    };
    for (content, id) in NO_KEYS {
        add(&clause::W_3, format!("no-key/{content}"), (*id).to_owned());
    }
    let clause = &clause::IM_6;
    for (label, image) in images::images() {
        let Ok(id) = image.blob_key() else {
            continue;
        };
        let shortest = "sha512-00".len();
        let lengths = match label {
            "plain" => shortest..=id.len(),
            _ => shortest..=shortest + 2,
        };
        for length in lengths {
            add(
                clause,
                format!("beginning/{label}/{length:02}"),
                id[..length].to_owned(),
            );
        }
        if label == "plain" {
            add(clause, "without-prefix".to_owned(), id[7..].to_owned());
            add(
                clause,
                "upper-case".to_owned(),
                format!("sha512-{}", id[7..].to_uppercase()),
            );
            add(clause, "longer".to_owned(), format!("{id}0"));
        }
    }
    cases
}

fn case<R: Resource>(
    clause: &'static Clause,
    content: String,
    host: &'static HostDef,
    id: String,
) -> Case {
    let check = move |stage| {
        let id = id.clone();
        async move { inspected_as_expected::<R>(&stage, &id).await }
    };
    Case::new(R::INSPECT, clause, content, check)
        .on(On::Still(host))
        .decided()
}

/// That the answer to an id is the model's: the same pod or image, or an error with the right
/// code that names what was asked for.
pub(crate) async fn inspected_as_expected<R: Resource>(stage: &Stage, id: &str) -> Verdict {
    let oracle = Oracle::required(stage).await?;
    let expected = oracle.inspect::<R>(id);
    let answer = R::inspect(stage, id).await;
    let noun = R::NOUN;
    let (expected, actual) = match (expected, answer) {
        (Ok(expected), Ok(Some(found))) => {
            let right = oracle.right(&expected, &found);
            if found == right {
                return Ok(());
            }
            crate::oracle::difference(&right, &found)
        }
        (Err(refusal), Err(status)) => {
            // What is no plain text may be quoted in any way.
            let is_plain = id.chars().all(|letter| letter.is_ascii_graphic());
            // Nor does it matter in which letter case.
            let message = status.message().to_lowercase();
            let is_named = !is_plain || message.contains(&refusal.names.to_lowercase());
            if refusal.takes(status.code()) && is_named {
                return Ok(());
            }
            let expected = format!("{}, naming {:?}", text::code(refusal.code), refusal.names);
            (expected, text::status(&status))
        }
        (expected, answer) => {
            let expected = match expected {
                Ok(expected) => format!("the {noun} {}", expected.message.id()),
                Err(refusal) => text::code(refusal.code),
            };
            let actual = match answer {
                Ok(Some(found)) => format!("the {noun} {}", found.id()),
                Ok(None) => "OK without it".to_owned(),
                Err(status) => text::status(&status),
            };
            (expected, actual)
        }
    };
    Err(Objection::fail(R::inspect_text(id), expected, actual))
}
