//! The wire itself: methods and what they are (W-1), fields by their numbers, in requests and
//! in answers (W-2), and fields that nobody knows (W-4). Numbers are written out here once
//! more, from the published proto: generated messages, ours and the server's, could be wrong
//! alike.

mod answers;
mod filters;
mod requests;

use bytes::Bytes;
use tonic::{Code, Status};

use super::filtering;
use crate::{
    case::{Case, Method, Objection, Verdict},
    clause,
    oracle::Oracle,
    resource::{self, Resource},
    stage::Stage,
    text,
    wire::{self, Value, put_bytes, put_varint},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = methods();
    cases.extend(requests::cases());
    cases.extend(answers::cases());
    cases
}

/// A request of bytes, for the report.
fn request_text(method: Method, message: &[u8]) -> String {
    let digits: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{method} with the message {digits} (hexadecimal)")
}

/// The one message of an answer.
async fn answer(stage: &Stage, method: Method, message: Vec<u8>) -> Result<Bytes, Objection> {
    let request = request_text(method, &message);
    match wire::call(stage, method, message).await {
        Ok(messages) => match <[Bytes; 1]>::try_from(messages) {
            Ok([message]) => Ok(message),
            Err(messages) => Err(Objection::fail(
                request,
                "one message",
                format!("{} messages", messages.len()),
            )),
        },
        Err(status) => Err(Objection::fail(
            request,
            "one message",
            text::status(&status),
        )),
    }
}

/// The texts at the end of a path of field numbers.
fn texts(answer: &Bytes, path: &[u64]) -> Option<Vec<String>> {
    wire::at(answer, path)?.iter().map(Value::text).collect()
}

/// The number of the id in the message.
fn id_number<R: Resource>() -> u64 {
    match R::LIST {
        Method::ListImages => 2,
        _ => 1,
    }
}

/// The id of something on the host.
async fn first_id<R: Resource>(stage: &Stage) -> Result<String, Objection> {
    let oracle = Oracle::required(stage).await?;
    let lists = resource::lists_expected::<R>(stage, &oracle);
    let first = lists.brief.keys().next().cloned();
    first.ok_or_else(|| Objection::Skip(filtering::none_listed::<R>()))
}

/// W-1: which methods there are, and what they answer with.
fn methods() -> Vec<Case> {
    let mut cases: Vec<Case> = [Method::GetInfo, Method::ListPods, Method::ListImages]
        .map(|method| {
            Case::new(
                method,
                &clause::W_1,
                "one-message",
                move |stage| async move { answer(&stage, method, Vec::new()).await.map(drop) },
            )
        })
        .into();
    let mut message = Vec::new();
    put_bytes(&mut message, 1, b"ffffffff-ffff-ffff-ffff-fffffffffff0");
    for method in [Method::InspectPod, Method::InspectImage, Method::GetLogs] {
        let message = message.clone();
        cases.push(Case::new(method, &clause::W_1, "method", move |stage| {
            let message = message.clone();
            async move {
                let request = request_text(method, &message);
                // That there is no such pod or image is not asked here.
                is_method(request, wire::call(&stage, method, message).await)
            }
        }));
    }
    // Up to the first second after the epoch: over before it has begun.
    let mut filter = Vec::new();
    put_varint(&mut filter, 5, 1);
    let mut message = Vec::new();
    put_bytes(&mut message, 1, &filter);
    let method = Method::ListenEvents;
    cases.push(Case::new(method, &clause::W_1, "stream", move |stage| {
        let message = message.clone();
        async move {
            let request = request_text(method, &message);
            match wire::call(&stage, method, message).await {
                Ok(_) => Ok(()),
                Err(status) => {
                    let expected = "a stream that ends with OK";
                    Err(Objection::fail(request, expected, text::status(&status)))
                }
            }
        }
    }));
    cases
}

fn is_method(request: String, answer: Result<Vec<Bytes>, Status>) -> Verdict {
    match answer {
        Err(status) if status.code() == Code::Unimplemented => Err(Objection::fail(
            request,
            "an answer, or an error about the id",
            text::status(&status),
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}
