//! What the server takes of a machine: memory, processor time, descriptors, watches, and system
//! calls for each call. No statistics are made: these hardly differ from run to run.
//!
//! `cargo bench --bench process`; figures are kept in `benches/README.md`. System calls are
//! counted where `strace` is installed.

#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/process.rs"]
mod process;
#[path = "support/raw.rs"]
mod raw;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use process::Process;
use prost::Message;
use raw::{Client, INSPECT_POD, LIST_IMAGES, LIST_PODS, Method};
use rkt_api::api::{InspectPodRequest, ListImagesRequest, ListPodsRequest};
use rkt_sim::spec::{Phase, Pod};
use tokio::{runtime::Runtime, sync::oneshot};

const GET_INFO: Method = "/v1alpha.PublicAPI/GetInfo";

const IMAGES: u32 = 1_000;

/// How long an idle server is watched.
const IDLE: Duration = Duration::from_secs(10);

/// Locks that are free are looked at again for a second after the server itself has had the
/// directories open.
const SETTLED: Duration = Duration::from_secs(3);

/// How long who asks for nothing much waits between two calls.
const PAUSE: Duration = Duration::from_millis(5);

/// How many calls are made for one average.
const CALLS: u32 = 200;

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    for (pods, running) in [
        (0, 0),
        (100, 0),
        (1_000, 0),
        (10_000, 0),
        (1_000, 1_000),
        (10_000, 10_000),
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("rkt");
        let host = hosts::write(&data_dir, pods, IMAGES);
        let held = (0..running).map(|number| {
            let pod = Pod::new(hosts::id(number), Phase::Run);
            host.hold(&pod).expect("a lock")
        });
        let _held: Vec<_> = held.collect();
        let server = Process::start(&data_dir, &dir.path().join("api.sock"));
        let client = runtime.block_on(Client::connect(server.address.clone()));
        let call = |method, request: &Bytes| {
            let mut client = client.clone();
            runtime.block_on(client.call(method, request.clone()))
        };
        println!("\n{pods} pods, {running} of them running, {IMAGES} images");
        let (read, is_read) = oneshot::channel();
        let asking = runtime.spawn(ask_for_info(server.address.clone(), is_read));
        read_all(&server, &call);
        // It waits for that.
        let _ = read.send(());
        let (calls, longest) = runtime.block_on(asking).expect("answers");
        println!(
            "{:32} {calls:8} times, {:.1} ms at most",
            "meanwhile GetInfo",
            longest.as_secs_f64() * 1e3
        );
        measure(&server, &call, pods);
        count_system_calls(dir.path(), &server, &call, pods);
    }
}

/// Calls the server.
type Call<'a> = dyn Fn(Method, &Bytes) -> Bytes + 'a;

fn encode(request: &impl Message) -> Bytes {
    request.encode_to_vec().into()
}

fn list(detail: bool) -> Bytes {
    encode(&ListPodsRequest {
        filters: Vec::new(),
        detail,
    })
}

fn inspect(number: u32) -> Bytes {
    encode(&InspectPodRequest {
        id: hosts::id(number).to_string(),
    })
}

fn list_images() -> Bytes {
    encode(&ListImagesRequest {
        filters: Vec::new(),
        detail: true,
    })
}

/// Calls GetInfo until `is_read`. Returns how often, and how long it took at most.
async fn ask_for_info(address: String, mut is_read: oneshot::Receiver<()>) -> (u32, Duration) {
    let mut client = Client::connect(address).await;
    let mut calls = 0;
    let mut longest = Duration::ZERO;
    while is_read.try_recv().is_err() {
        let start = Instant::now();
        client.call(GET_INFO, Bytes::new()).await;
        longest = longest.max(start.elapsed());
        calls += 1;
        tokio::time::sleep(PAUSE).await;
    }
    (calls, longest)
}

fn tell(what: &str, server: &Process) {
    let (resident, cpu) = (server.resident_bytes(), server.cpu());
    let (mib, s) = (resident as f64 / f64::from(1 << 20), cpu.as_secs_f64());
    println!("{what:32} {mib:8.1} MiB resident, {s:6.2} s of processor time until then");
}

/// The first call, for which all pods are read.
fn read_all(server: &Process, call: &Call<'_>) {
    let start = Instant::now();
    call(LIST_PODS, &list(false));
    let elapsed_s = start.elapsed().as_secs_f64();
    tell("first ListPods answered", server);
    println!("{:32} {elapsed_s:8.3} s", "that took");
}

fn measure(server: &Process, call: &Call<'_>, pods: u32) {
    let listed = call(LIST_PODS, &list(true));
    tell("ListPods with detail", server);
    println!("{:32} {:8} bytes", "its answer", listed.len());
    for number in 0..pods {
        call(INSPECT_POD, &inspect(number));
    }
    call(LIST_IMAGES, &list_images());
    tell("all pods inspected, images listed", server);
    thread::sleep(SETTLED);
    let before = server.cpu();
    thread::sleep(IDLE);
    let used_ms = (server.cpu() - before).as_millis();
    println!("{:32} {used_ms:8} ms of processor time", "idle for 10 s");
    let (descriptors, watches) = (server.descriptors(), server.watches());
    println!(
        "{:32} {descriptors:8} open, {watches} watches",
        "descriptors"
    );
}

/// Counts the system calls of some calls by strace(1).
fn count_system_calls(dir: &Path, server: &Process, call: &Call<'_>, pods: u32) {
    let mut calls = vec![
        ("ListPods", LIST_PODS, list(true)),
        ("ListImages", LIST_IMAGES, list_images()),
    ];
    if pods > 0 {
        calls.insert(1, ("InspectPod", INSPECT_POD, inspect(pods / 2)));
    }
    for (name, method, request) in calls {
        let summary = dir.join("strace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-o"]).arg(&summary);
        strace.args(["-p", &server.pid.to_string()]);
        let Ok(mut strace) = strace.stderr(Stdio::null()).spawn() else {
            return println!("no strace, no system calls");
        };
        // It traces all threads when a call has become slower than it was.
        thread::sleep(Duration::from_secs(1));
        for _ in 0..CALLS {
            call(method, &request);
        }
        let interrupt = Command::new("kill")
            .args(["-INT", &strace.id().to_string()])
            .status();
        let ended = interrupt.and_then(|_| strace.wait());
        ended.expect("strace ends");
        let summary = fs::read_to_string(&summary).expect("a summary");
        println!("{name}, {CALLS} times:\n{summary}");
    }
}
