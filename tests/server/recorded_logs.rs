//! The answers that rkt 1.30.0 gave to GetLogs, line by line. Those that the contract overrules
//! are named, each with the reason.

use pretty_assertions::assert_eq;
use rkt_api::api::GetLogsRequest;
use serde_json::Value;

use crate::{golden, journals::message, support::Server};

/// A reason why the contract overrules recorded answers of the host `odd-states`.
struct Overruled {
    clause: &'static str,
    why: &'static str,
    /// How many recorded answers it concerns: about which pod, and what the server answers
    /// instead to a call for everything.
    answers: usize,
    pod_id: &'static str,
    messages: &'static [&'static str],
}

const OVERRULED: [Overruled; 3] = [
    Overruled {
        clause: "L-2",
        why: "an entry without MESSAGE is passed over: rkt failed",
        answers: 1,
        pod_id: "0000001d-1111-4222-8333-444455556666",
        messages: &["one", "three"],
    },
    Overruled {
        clause: "L-8",
        why: "bytes that are no UTF-8 become U+FFFD: rkt sent them as text, which nobody can read",
        answers: 1,
        pod_id: "00000024-1111-4222-8333-444455556666",
        messages: &[
            "bad\u{fffd}\u{fffd}utf8",
            "nul\0inside",
            "cr\r",
            "lf",
            "  lead & trail  ",
            "",
        ],
    },
    Overruled {
        clause: "L-2, L-4",
        why: "files that overlap in time are merged, and every entry after since_time counts: \
              rkt gave one file after the other, and of each what follows the first entry after \
              since_time",
        answers: 8,
        pod_id: "00000025-1111-4222-8333-444455556666",
        messages: &[
            "sys",
            "arch",
            "arch-older",
            "other machine id dir",
            "in root of journal dir",
        ],
    },
];

#[tokio::test]
#[ignore = "needs RKT_GOLDEN_DIR"]
async fn logs_are_those_of_rkt() {
    let mut compared = 0;
    let mut overruled = [0; OVERRULED.len()];
    for name in golden::HOSTS {
        let host = golden::Host::unpack(name);
        let server = Server::start(host.dir(), &["--dialect=rkt-1.30"]);
        let mut client = server.client().await;
        for recorded in host.answers_of("GetLogs") {
            let request = request(&recorded.request);
            let ours = match client.get_logs(request.clone()).await {
                Ok(stream) => Some(responses(stream.into_inner()).await),
                Err(_) => None,
            };
            let messages = recorded.messages.filter(|_| recorded.ok);
            let theirs: Option<Vec<_>> =
                messages.map(|all| all.into_iter().map(|it| it.lines).collect());
            let is_all = request.lines == 0 && request.since_time == 0;
            let reasons = OVERRULED.iter().zip(&mut overruled);
            let reason = reasons
                .filter(|(reason, _)| name == "odd-states" && reason.pod_id == request.pod_id)
                .find(|_| ours != theirs);
            match reason {
                None => assert_eq!(ours, theirs, "{name}: {request:?}"),
                Some((reason, count)) => {
                    *count += 1;
                    if is_all && request.app_name.is_empty() {
                        let lines = ours.unwrap().concat();
                        let ours: Vec<_> = lines.iter().map(|line| message(line)).collect();
                        assert_eq!(ours, reason.messages, "{}: {}", reason.clause, reason.why);
                    }
                }
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 336);
    assert_eq!(overruled, OVERRULED.map(|reason| reason.answers));
}

/// The lines of each response.
async fn responses(
    mut stream: tonic::Streaming<rkt_api::api::GetLogsResponse>,
) -> Vec<Vec<String>> {
    let mut responses = Vec::new();
    while let Some(response) = stream.message().await.unwrap() {
        responses.push(response.lines);
    }
    responses
}

fn request(recorded: &Value) -> GetLogsRequest {
    let text = |field: &str| recorded[field].as_str().unwrap_or_default().to_owned();
    let number = |field: &str| match &recorded[field] {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_i64().unwrap_or(0),
    };
    GetLogsRequest {
        pod_id: text("pod_id"),
        app_name: text("app_name"),
        lines: i32::try_from(number("lines")).unwrap(),
        since_time: number("since_time"),
        until_time: number("until_time"),
        follow: false,
    }
}
