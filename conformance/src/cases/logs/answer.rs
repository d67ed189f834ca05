//! Calls that end by themselves, and what the model says of them.

use std::{sync::Arc, time::Duration};

use rkt_api::api::GetLogsRequest;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    case::{Method, Objection, Verdict},
    model::{Refusal, World, logs},
    stage::Stage,
    target::Target,
    text,
};

/// How long an answer may take to end: the contract says nothing, and machines are slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often something is asked while things happen, and the time between.
const TRIES: usize = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// An answer of a call that has ended with OK.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// The lines of all responses.
    pub(super) lines: Vec<String>,
    /// For each line, the number of the response that it came in.
    pub(super) messages: Vec<usize>,
    /// How many responses came, empty ones included.
    pub(super) responses: usize,
}

/// A request for all logs of a pod.
pub(super) fn of(pod: Uuid) -> GetLogsRequest {
    GetLogsRequest {
        pod_id: pod.to_string(),
        ..GetLogsRequest::default()
    }
}

/// A request for the logs of an app.
pub(super) fn of_app(pod: Uuid, app: &str) -> GetLogsRequest {
    GetLogsRequest {
        app_name: app.to_owned(),
        ..of(pod)
    }
}

/// A request as reports have it.
pub(super) fn show(request: &GetLogsRequest) -> String {
    text::request(Method::GetLogs, request)
}

/// What the model knows of the stage's host.
pub(super) fn known_world(stage: &Stage) -> Result<Arc<World>, Objection> {
    let world = stage.world();
    world.ok_or_else(|| Objection::skip("nobody has described the host"))
}

/// Calls, and reads to the end.
///
/// # Errors
///
/// The stream does not end.
pub(super) async fn ask(
    target: &Target,
    request: &GetLogsRequest,
) -> Result<Result<Answer, Status>, Objection> {
    let open = || Objection::fail(show(request), "the stream ends", "it is still open");
    let stream = tokio::time::timeout(PATIENCE, target.logs(request.clone())).await;
    let mut stream = match stream.map_err(|_| open())? {
        Ok(stream) => stream,
        Err(status) => return Ok(Err(status)),
    };
    let (items, end) = stream.rest(PATIENCE).await;
    let (status, _) = end.ok_or_else(open)?;
    if status.code() != Code::Ok {
        return Ok(Err(status));
    }
    let responses = stream.messages();
    let items = items.into_iter().map(|line| (line.item, line.message));
    let (lines, messages) = items.unzip();
    Ok(Ok(Answer {
        lines,
        messages,
        responses,
    }))
}

/// What the model says of a call that does not follow.
pub(super) fn due(stage: &Stage, request: &GetLogsRequest) -> Result<Due, Objection> {
    let world = known_world(stage)?;
    Ok(logs::lines(&world, stage.profile(), request))
}

/// Lines, or an error.
pub(super) type Due = Result<Vec<String>, Refusal>;

/// Holds the answer to a call that does not follow against the model's.
pub(super) async fn check(stage: &Stage, request: &GetLogsRequest) -> Verdict {
    let due = due(stage, request)?;
    let answer = ask(stage, request).await?;
    match (&due, &answer) {
        (Ok(due), Ok(answer)) => same(request, due, &answer.lines),
        (Ok(due), Err(status)) => Err(Objection::fail(
            show(request),
            count(due),
            text::status(status),
        )),
        (Err(refusal), Ok(answer)) => Err(Objection::fail(
            show(request),
            text::code(refusal.code),
            format!("OK, with {}", count(&answer.lines)),
        )),
        (Err(refusal), Err(status)) => match is_refused(stage, request, refusal, status)? {
            true => Ok(()),
            false => Err(Objection::fail(
                show(request),
                text::code(refusal.code),
                text::status(status),
            )),
        },
    }
}

/// The same on a host that moves on: what was asked while something happened is asked again.
pub(super) async fn check_meanwhile(stage: &Stage, request: &GetLogsRequest) -> Verdict {
    let mut last = Ok(());
    for _ in 0..TRIES {
        let before = known_world(stage)?;
        last = check(stage, request).await;
        let is_still = Arc::ptr_eq(&before, &known_world(stage)?);
        if last.is_ok() && is_still {
            break;
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    last
}

/// Whether an error is one that the request deserves: it may be wrong in more than one way.
fn is_refused(
    stage: &Stage,
    request: &GetLogsRequest,
    refusal: &Refusal,
    status: &Status,
) -> Result<bool, Objection> {
    let otherwise_right = GetLogsRequest {
        lines: 0,
        ..request.clone()
    };
    let other = due(stage, &otherwise_right)?;
    Ok(refusal.takes(status.code()) || other.is_err_and(|other| other.takes(status.code())))
}

/// That lines are those that are due.
pub(super) fn same(request: &GetLogsRequest, due: &[String], lines: &[String]) -> Verdict {
    if due == lines {
        return Ok(());
    }
    let differs = (0..).find(|&n| due.get(n) != lines.get(n)).unwrap_or(0);
    let name = |all: &[String]| {
        let line = all.get(differs);
        let line = line.map_or("nothing".into(), |line| format!("{:?}", text::short(line)));
        format!("{}; as number {}: {line}", count(all), differs + 1)
    };
    Err(Objection::fail(show(request), name(due), name(lines)))
}

/// How many lines there are, in words.
pub(super) fn count(lines: &[String]) -> String {
    match lines.len() {
        0 => "no lines".to_owned(),
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }
}
