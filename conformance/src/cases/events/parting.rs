//! The end of streams that no filter has asked for: the client hangs up (W-6), or the server
//! ends (SV-2).

use std::{fs, time::Duration};

use rkt_api::api::EventFilter;
use tonic::Code;

use super::listener::Listener;
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::EMPTY,
    stage::Stage,
    text,
};

/// How many clients hang up.
const CLIENTS: usize = 20;

/// How long a client may cost something after it has gone (W-6).
const GONE_WITHIN: Duration = Duration::from_secs(1);

pub(super) fn cases() -> Vec<Case> {
    let hung_up = Case::new(Method::ListenEvents, &clause::W_6, "descriptors", hung_up);
    let ended = Case::new(Method::ListenEvents, &clause::SV_2, "unavailable", ended);
    [hung_up, ended].map(|case| case.on(On::Own(&EMPTY))).into()
}

/// That clients who hang up in the middle of a stream leave no descriptor behind.
async fn hung_up(stage: Stage) -> Verdict {
    let setting = stage.setting()?;
    let pid = setting.server_pid().await?;
    let before = descriptors(pid)?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = setting.connect().await?;
        let listener = Listener::open(&client, EventFilter::default()).await?;
        clients.push((client, listener));
    }
    drop(clients);
    tokio::time::sleep(GONE_WITHIN + stage.slack()).await;
    let after = descriptors(pid)?;
    match after <= before {
        true => Ok(()),
        false => Err(Objection::fail(
            format!("ListenEvents {{}} by {CLIENTS} clients, who hang up"),
            format!("{before} descriptors, as before"),
            format!("{after}"),
        )),
    }
}

/// How many descriptors a process has.
fn descriptors(pid: u32) -> Result<usize, Objection> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    let entries = entries.map_err(|error| Objection::skip(format!("/proc: {error}")))?;
    Ok(entries.count())
}

/// That streams end with UNAVAILABLE when the server does.
async fn ended(stage: Stage) -> Verdict {
    let setting = stage.setting()?;
    setting.server_pid().await?;
    let mut plain = Listener::open(&stage, EventFilter::default()).await?;
    let waiting = EventFilter {
        since_time: i64::MAX,
        ..EventFilter::default()
    };
    let mut waiting = Listener::open(&stage, waiting).await?;
    setting.restart_server().await?;
    for listener in [&mut plain, &mut waiting] {
        listener.ends(stage.slack()).await;
        let end = listener.heard().end;
        let is_right = end
            .as_ref()
            .is_some_and(|(status, _)| status.code() == Code::Unavailable);
        if !is_right {
            return Err(Objection::fail(
                listener.request(),
                "the end with UNAVAILABLE when the server ends",
                end.map_or("none".to_owned(), |(status, _)| text::status(&status)),
            ));
        }
    }
    Ok(())
}
