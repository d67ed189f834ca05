//! SV-1 to SV-3: where a server listens, how it starts and ends, and that it can always be
//! asked whether it lives. All but the last need a command that starts the server.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::Path,
    time::Duration,
};

use rkt_api::{
    api::{GetLogsRequest, Image, ListImagesRequest, ListPodsRequest},
    layout::store,
};
use rkt_sim::faults::{self, Kind};
use rustix::process::Signal;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use tonic::Code;

use super::{
    ask::{self, after},
    by_hand,
    locks::lock,
};
use crate::{
    case::{Case, Checking, Method, Objection, On, Verdict},
    clause,
    hosts::disk::{RUNNING, SMALL},
    output::Output,
    ports,
    process::Process,
    resource::Resource as _,
    stage::Stage,
    stream::{Carrier, Stream},
    target::{Address, Target},
    text,
};

/// How long a server may take to start or to end. Calls under way have 5 s of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a server says once it answers.
const RUNNING_MESSAGE: &str = "API service running";

/// The exit code of a failed start.
const FAILED_START: i32 = 254;

/// The port that is the default.
const DEFAULT_PORT: u16 = 15441;

/// The default port is one for all cases that need it.
static DEFAULT_PORT_TURN: Mutex<()> = Mutex::const_new(());

pub(super) fn cases() -> Vec<Case> {
    let get_info = |clause, content: &'static str| {
        move |check: fn(Stage) -> Checking| {
            Case::new(Method::GetInfo, clause, content, check).on(On::Still(&SMALL))
        }
    };
    let own = |content: &'static str, check: fn(Stage) -> Checking| {
        Case::new(Method::GetInfo, &clause::SV_3, content, check).on(On::Own(&SMALL))
    };
    vec![
        get_info(&clause::SV_1, "default-address")(|stage| Box::pin(default_address(stage))),
        get_info(&clause::SV_1, "unix-socket")(|stage| Box::pin(unix_socket(stage))),
        get_info(&clause::SV_1, "sockets-of-systemd")(|stage| Box::pin(handed_over(stage, false))),
        get_info(&clause::SV_1, "listen-beside-systemd")(|stage| {
            Box::pin(handed_over(stage, true))
        }),
        get_info(&clause::SV_2, "message")(|stage| Box::pin(message(stage))),
        get_info(&clause::SV_2, "sigterm")(|stage| Box::pin(ends(stage, Signal::TERM))),
        get_info(&clause::SV_2, "sigint")(|stage| Box::pin(ends(stage, Signal::INT))),
        get_info(&clause::SV_2, "address-in-use")(|stage| Box::pin(address_in_use(stage))),
        get_info(&clause::SV_2, "no-data-directory")(|stage| Box::pin(no_data_dir(stage))),
        Case::new(
            Method::ListenEvents,
            &clause::SV_2,
            "streams-end",
            |stage| streams_end(stage, Method::ListenEvents),
        )
        .on(On::Still(&SMALL)),
        Case::new(Method::GetLogs, &clause::SV_2, "streams-end", |stage| {
            streams_end(stage, Method::GetLogs)
        })
        .on(On::Still(&SMALL)),
        // It locks the index of the host.
        Case::new(
            Method::ListImages,
            &clause::SV_2,
            "call-under-way",
            call_under_way,
        )
        .on(On::Own(&SMALL)),
        own("data-directory-away", |stage| {
            Box::pin(data_dir_away(stage))
        }),
        own("store-hangs", |stage| {
            Box::pin(hangs(stage, &["index/fifo", "cas/fifo"]))
        }),
        own("pods-hang", |stage| {
            Box::pin(hangs(stage, &["run-dir/fifo", "pods-dir/fifo"]))
        }),
    ]
}

/// A server that a case has started for itself.
struct Started {
    process: Process,
    target: Target,
    output: Output,
}

/// Starts the command on the host with an address, and waits until it answers there.
async fn start(stage: &Stage) -> Result<Started, Objection> {
    let port = ports::free();
    let port = port.ok_or_else(|| Objection::skip("there is no free port on 127.0.0.1"))?;
    let listen = format!("127.0.0.1:{port}");
    let words = stage.setting()?.command(stage.data_dir()?, &listen)?;
    start_at(stage, &words, &listen).await
}

async fn start_at(stage: &Stage, words: &[String], address: &str) -> Result<Started, Objection> {
    let output = Output::default();
    let mut process = run(words, &output).await?;
    let target = reach(stage, &mut process, &output, address).await?;
    Ok(Started {
        process,
        target,
        output,
    })
}

async fn run(words: &[String], output: &Output) -> Result<Process, Objection> {
    let started = Process::start(words, output).await;
    started.map_err(|error| by_hand::refused(&error))
}

/// Waits until it answers there.
async fn reach(
    stage: &Stage,
    process: &mut Process,
    output: &Output,
    address: &str,
) -> Result<Target, Objection> {
    let parsed: Address = address
        .parse()
        .map_err(|error| Objection::Bug(format!("{address}: {error}")))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let failed = |actual: String| {
            Objection::fail(format!("GetInfo {{}} at {address}"), "an answer", actual)
        };
        match tokio::time::timeout_at(deadline, Target::connect(&parsed, stage.profile())).await {
            Ok(Ok(target)) => return Ok(target),
            Ok(Err(_)) if Instant::now() < deadline => {}
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("none".to_owned())),
        }
        if let Some(end) = process.ended().await {
            let words = output.since(0);
            return Err(failed(format!(
                "the server ended with {end} and wrote {words:?}"
            )));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Waits until it has ended, and says with which code.
async fn exit_code(process: &mut Process) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(end) = process.ended().await {
            return end.code();
        }
        sleep(LOOK_AGAIN).await;
    }
    None
}

fn expect_exit(request: &str, expected: i32, actual: Option<i32>) -> Verdict {
    match actual == Some(expected) {
        true => Ok(()),
        false => Err(Objection::fail(
            request,
            format!("exit code {expected}"),
            actual.map_or("no exit, or one by a signal".to_owned(), |code| {
                format!("exit code {code}")
            }),
        )),
    }
}

/// The command without its address: the word that names it is left out.
async fn default_address(stage: Stage) -> Verdict {
    const BLANK: &str = "{listen}";
    let words = stage.setting()?.command(stage.data_dir()?, BLANK)?;
    let (with, without): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.contains(BLANK));
    let [word] = &with[..] else {
        return Err(Objection::skip(
            "the command names its address more than once",
        ));
    };
    if !word.starts_with('-') || !word.contains('=') {
        let reason = "the command cannot be had without an address: it is no --option={listen}";
        return Err(Objection::skip(reason));
    }
    let _turn = DEFAULT_PORT_TURN.lock().await;
    let ip6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let mut families = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))];
    if TcpListener::bind(ip6).is_ok() {
        families.push((Ipv6Addr::LOCALHOST, DEFAULT_PORT).into());
    }
    if families
        .iter()
        .any(|address| TcpListener::bind(address).is_err())
    {
        return Err(Objection::skip("somebody else listens on the default port"));
    }
    let output = Output::default();
    let mut process = run(&without, &output).await?;
    for address in families {
        reach(&stage, &mut process, &output, &address.to_string()).await?;
    }
    process.end(PATIENCE).await;
    Ok(())
}

async fn unix_socket(stage: Stage) -> Verdict {
    let dir = tempfile::tempdir().map_err(|error| by_hand::refused(&error))?;
    let listen = format!("unix:{}", dir.path().join("api.sock").display());
    let words = stage.setting()?.command(stage.data_dir()?, &listen)?;
    let mut started = start_at(&stage, &words, &listen).await?;
    started.process.end(PATIENCE).await;
    Ok(())
}

/// A socket as systemd hands it over: descriptor 3, and two variables that say so.
async fn handed_over(stage: Stage, is_told_to_listen: bool) -> Verdict {
    const BLANK: &str = "{listen}";
    let setting = stage.setting()?;
    let port = ports::free();
    let port = port.ok_or_else(|| Objection::skip("there is no free port on 127.0.0.1"))?;
    let words = match is_told_to_listen {
        true => setting.command(stage.data_dir()?, &format!("127.0.0.1:{port}"))?,
        false => {
            let words = setting.command(stage.data_dir()?, BLANK)?;
            let blanks = words.iter().filter(|word| word.contains(BLANK));
            if blanks.clone().count() != 1 || blanks.clone().any(|word| !word.contains('=')) {
                let reason = "the command cannot be had without an address";
                return Err(Objection::skip(reason));
            }
            words
                .into_iter()
                .filter(|word| !word.contains(BLANK))
                .collect()
        }
    };
    // The shell puts the socket where it belongs, and becomes the server.
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = listener.map_err(|error| by_hand::refused(&error))?;
    let address = listener
        .local_addr()
        .map_err(|error| by_hand::refused(&error))?;
    let mut all = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    all.extend(words);
    let output = Output::default();
    let process = Process::start_with(&all, OwnedFd::from(listener).into(), &output).await;
    let mut process = process.map_err(|error| by_hand::refused(&error))?;
    if is_told_to_listen {
        let request = "a start with a socket of systemd's and an address";
        let code = exit_code(&mut process).await;
        return match code {
            Some(code) if code != 0 => Ok(()),
            other => Err(Objection::fail(request, "an error", format!("{other:?}"))),
        };
    }
    reach(&stage, &mut process, &output, &address.to_string()).await?;
    process.end(PATIENCE).await;
    Ok(())
}

async fn message(stage: Stage) -> Verdict {
    let mut started = start(&stage).await?;
    let deadline = Instant::now() + ask::PROMPT;
    while !started.output.since(0).contains(RUNNING_MESSAGE) {
        if Instant::now() >= deadline {
            return Err(Objection::fail(
                "a start",
                format!("{RUNNING_MESSAGE:?} on standard error"),
                format!("{:?}", started.output.since(0)),
            ));
        }
        sleep(LOOK_AGAIN).await;
    }
    started.process.end(PATIENCE).await;
    Ok(())
}

/// Ends in good order, with a client connected.
async fn ends(stage: Stage, signal: Signal) -> Verdict {
    let mut started = start(&stage).await?;
    ask::promptly("GetInfo {}", started.target.info()).await??;
    started.process.signal(signal);
    let code = exit_code(&mut started.process).await;
    expect_exit("SIGINT or SIGTERM while it is idle", 0, code)
}

async fn address_in_use(stage: Stage) -> Verdict {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = listener.map_err(|error| by_hand::refused(&error))?;
    let address = listener
        .local_addr()
        .map_err(|error| by_hand::refused(&error))?;
    let words = stage
        .setting()?
        .command(stage.data_dir()?, &address.to_string())?;
    failed_start(&words, "a start at an address that is in use").await
}

async fn no_data_dir(stage: Stage) -> Verdict {
    let dir = tempfile::tempdir().map_err(|error| by_hand::refused(&error))?;
    let words = stage
        .setting()?
        .command(&dir.path().join("no").join("such"), "127.0.0.1:0")?;
    failed_start(&words, "a start on a data directory that is not there").await
}

async fn failed_start(words: &[String], request: &str) -> Verdict {
    let output = Output::default();
    let mut process = run(words, &output).await?;
    let code = exit_code(&mut process).await;
    expect_exit(request, FAILED_START, code)?;
    let said = output.since(0);
    match said.trim().is_empty() || said.trim().lines().count() > 1 {
        true => Err(Objection::fail(
            request,
            "one plain sentence",
            format!("{said:?}"),
        )),
        false => Ok(()),
    }
}

/// A stream that is open at the end is told why.
async fn streams_end(stage: Stage, method: Method) -> Verdict {
    let mut started = start(&stage).await?;
    let request = format!("SIGTERM while a stream of {method} is open");
    let logs = GetLogsRequest {
        pod_id: RUNNING.hyphenated().to_string(),
        follow: true,
        ..GetLogsRequest::default()
    };
    match method {
        Method::GetLogs => {
            let opened = ask::promptly(&request, started.target.logs(logs)).await?;
            let mut stream = ask::no_error(&request, opened)?;
            started.process.signal(Signal::TERM);
            unavailable(&request, &mut stream).await?;
        }
        _ => {
            let opened = ask::promptly(&request, started.target.listen(None)).await?;
            let mut stream = ask::no_error(&request, opened)?;
            started.process.signal(Signal::TERM);
            unavailable(&request, &mut stream).await?;
        }
    }
    expect_exit(&request, 0, exit_code(&mut started.process).await)
}

async fn unavailable<C: Carrier>(request: &str, stream: &mut Stream<C>) -> Verdict {
    let (_, end) = stream.rest(PATIENCE).await;
    let actual = match end {
        Some((status, _)) if status.code() == Code::Unavailable => return Ok(()),
        Some((status, _)) => text::status(&status),
        None => "no end".to_owned(),
    };
    Err(Objection::fail(
        request,
        "that the stream ends with UNAVAILABLE",
        actual,
    ))
}

/// A call that waits for the index when the signal comes is answered. A server that need not
/// wait has answered it before.
async fn call_under_way(stage: Stage) -> Verdict {
    /// How long the call has until it waits; less than it waits.
    const HEAD_START: Duration = Duration::from_millis(300);

    let mut started = start(&stage).await?;
    let request = format!("{}, under way at SIGTERM", Image::list_text(&[], false));
    let held = by_hand::unseen(&stage, |data_dir| {
        let dir = fs::File::open(data_dir.join(store::DB_DIR))?;
        lock(&dir)?;
        Ok(dir)
    })
    .await?;
    let mut client = started.target.client();
    let call = tokio::spawn(async move { client.list_images(ListImagesRequest::default()).await });
    sleep(HEAD_START).await;
    started.process.signal(Signal::TERM);
    sleep(HEAD_START).await;
    by_hand::unseen(&stage, move |_| held.unlock()).await?;
    let answer = ask::promptly(&request, call).await?;
    let answer = answer.map_err(|error| Objection::Bug(error.to_string()))?;
    let images = ask::no_error(&request, answer)?.into_inner().images;
    let world = ask::world(&stage)?;
    let expected = <Image as ask::Modelled>::listed(&world, stage.profile(), &[], false);
    ask::compare(&request, &expected.unwrap_or_default(), &images)?;
    expect_exit(&request, 0, exit_code(&mut started.process).await)
}

/// Nothing is left of the host.
async fn data_dir_away(stage: Stage) -> Verdict {
    let aside = |data_dir: &Path| data_dir.with_extension("aside");
    by_hand::unseen(&stage, move |data_dir| {
        fs::rename(data_dir, aside(data_dir))
    })
    .await?;
    let answered = lives(&stage).await;
    by_hand::unseen(&stage, move |data_dir| {
        fs::rename(aside(data_dir), data_dir)
    })
    .await?;
    answered.map_err(after("the data directory went away"))?;
    ask::about_everything(&stage).await
}

/// Files that block whoever opens them, where other calls have to look.
async fn hangs(stage: Stage, kinds: &[&str]) -> Verdict {
    for name in kinds {
        let kind: Kind = name
            .parse()
            .map_err(|error| Objection::Bug(format!("{error}")))?;
        by_hand::unseen(&stage, move |data_dir| {
            faults::apply(data_dir, kind, None, 0).map_err(std::io::Error::other)
        })
        .await?;
        // Whether and what these answer is for other cases to say.
        let mut pods = stage.client();
        let mut images = stage.client();
        let calls = [
            tokio::spawn(async move { drop(pods.list_pods(ListPodsRequest::default()).await) }),
            tokio::spawn(
                async move { drop(images.list_images(ListImagesRequest::default()).await) },
            ),
        ];
        let answered = lives(&stage).await;
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        answered.map_err(after(kind.sentence()))?;
    }
    Ok(())
}

/// GetInfo answers, several times and on a new connection, too.
async fn lives(stage: &Stage) -> Verdict {
    for _ in 0..3 {
        ask::promptly("GetInfo {}", stage.info()).await??;
    }
    let client = ask::promptly("GetInfo {}", stage.setting()?.connect()).await??;
    ask::promptly("GetInfo {}", client.info()).await??;
    Ok(())
}
