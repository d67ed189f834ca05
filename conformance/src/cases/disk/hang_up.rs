//! W-6: clients that hang up, in the middle of whatever they were at, cost nothing afterwards.

use std::{fs, time::Duration};

use rkt_api::api::{GetLogsRequest, ListPodsRequest, Pod};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{ask, by_hand};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::disk::{RUNNING, SMALL},
    resource::Resource as _,
    stage::Stage,
    target::Target,
};

/// How many clients there are at once.
const CLIENTS: usize = 16;

/// How many streams each of them has, or calls that it gives up.
const STREAMS: usize = 8;

/// When everything of a client has to be gone (W-6).
const GONE: Duration = Duration::from_secs(1);

/// How often to look whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// With what a client begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The empty settings that follow, and a frame of headers that says it has 64 bytes.
const BEGUN: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x40\x01\x04\0\0\0\x01\x83\x86";

/// What clients were at.
#[derive(Clone, Copy)]
enum At {
    Events,
    Logs,
    Calls,
    HalfSent,
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, method, name) in [
        (At::Events, Method::ListenEvents, "streams"),
        (At::Logs, Method::GetLogs, "streams"),
        (At::Calls, Method::ListPods, "calls-given-up"),
        (At::HalfSent, Method::GetInfo, "half-sent"),
    ] {
        let answers = Case::new(method, &clause::W_6, name, move |stage| async move {
            hang_up(&stage, at).await?;
            let world = ask::world(&stage)?;
            let client = stage.setting()?.connect().await?;
            ask::list::<Pod>(&client, &world, &[], true).await?;
            ask::list::<Pod>(&stage, &world, &[], true).await
        });
        let content = format!("{name}/descriptors");
        let descriptors = Case::new(method, &clause::W_6, content, move |stage| {
            descriptors(stage, at)
        });
        cases.extend([answers, descriptors]);
    }
    cases
        .into_iter()
        .map(|case| case.on(On::Own(&SMALL)))
        .collect()
}

/// Clients come, and go without a word.
async fn hang_up(stage: &Stage, at: At) -> Verdict {
    match at {
        At::HalfSent => return half_sent(stage).await,
        At::Events | At::Logs | At::Calls => {}
    }
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = stage.setting()?.connect().await?;
        let streams = futures_util::future::join_all((0..STREAMS).map(|_| begin(&client, at)));
        let begun = ask::promptly("several calls at once", streams).await?;
        clients.push((client, begun));
    }
    drop(clients);
    Ok(())
}

/// What keeps a call open that has begun.
type Begun = Option<Box<dyn std::any::Any + Send>>;

async fn begin(client: &Target, at: At) -> Begun {
    match at {
        At::Events => Some(Box::new(client.listen(None).await.ok()?)),
        At::Logs => {
            let logs = GetLogsRequest {
                pod_id: RUNNING.hyphenated().to_string(),
                follow: true,
                ..GetLogsRequest::default()
            };
            Some(Box::new(client.logs(logs).await.ok()?))
        }
        At::Calls => {
            let request = ListPodsRequest {
                detail: true,
                ..ListPodsRequest::default()
            };
            let mut client = client.client();
            // It is sent, and nobody waits for the answer.
            let _ = timeout(Duration::from_micros(300), client.list_pods(request)).await;
            None
        }
        At::HalfSent => None,
    }
}

/// Connections on which a request never comes to its end. Every other one is reset.
async fn half_sent(stage: &Stage) -> Verdict {
    let address = stage.setting()?.address().await.to_string();
    let whole = [PREFACE, BEGUN].concat();
    let mut open = Vec::new();
    for number in 0..2 * CLIENTS {
        let connected = ask::promptly("a connection", TcpStream::connect(&address)).await?;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) if number == 0 => return Err(by_hand::refused(&error)),
            Err(error) => {
                let expected = "a server that takes connections";
                return Err(Objection::fail("a connection", expected, error.to_string()));
            }
        };
        let sent = &whole[..whole.len() * number / (2 * CLIENTS - 1)];
        // The server may have had enough of it.
        let _ = connection.write_all(sent).await;
        if number % 2 == 0 {
            let _ = connection.set_zero_linger();
        }
        open.push(connection);
    }
    // While they are there, others are answered.
    ask::promptly("GetInfo {}", stage.info()).await??;
    drop(open);
    Ok(())
}

/// The server has as many descriptors as before once the clients are gone.
async fn descriptors(stage: Stage, at: At) -> Verdict {
    let pid = stage.setting()?.server_pid().await?;
    // What the server opens once and for all it opens for the first client.
    hang_up(&stage, at).await?;
    let world = ask::world(&stage)?;
    ask::list::<Pod>(&stage, &world, &[], true).await?;
    let before = settled(pid).await?;
    hang_up(&stage, at).await?;
    let deadline = Instant::now() + GONE + stage.slack();
    loop {
        let now = count(pid)?;
        if now <= before {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Objection::fail(
                format!(
                    "{CLIENTS} clients, which have hung up; {}",
                    Pod::list_text(&[], true)
                ),
                format!("{before} open descriptors of the server, as before"),
                format!("{now} after {} ms", (GONE + stage.slack()).as_millis()),
            ));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The number of descriptors once it has stayed the same for as long as W-6 allows.
async fn settled(pid: u32) -> Result<usize, Objection> {
    let mut last = count(pid)?;
    let mut since = Instant::now();
    let deadline = since + 5 * GONE;
    while since.elapsed() < GONE && Instant::now() < deadline {
        sleep(LOOK_AGAIN).await;
        let now = count(pid)?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(last)
}

/// How many descriptors a process has open.
fn count(pid: u32) -> Result<usize, Objection> {
    let listed = fs::read_dir(format!("/proc/{pid}/fd"));
    listed
        .map(Iterator::count)
        .map_err(|error| Objection::skip(format!("/proc/{pid}/fd cannot be read: {error}")))
}
