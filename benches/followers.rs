//! How soon lines arrive that are written while their journal is followed: by a thousand who
//! follow one pod, through rotations, and by one on each of a thousand pods. Fails when somebody
//! misses a line, or gets one twice.
//!
//! `cargo bench --bench followers`; figures are kept in `benches/README.md`. `RKT_BENCH_FOLLOWERS`
//! and `RKT_BENCH_LINES` change the numbers.

#[path = "support/process.rs"]
mod process;

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    str::FromStr,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;
use process::Process;
use rkt_api::{
    api::{GetLogsRequest, public_api_client::PublicApiClient},
    formats::journal::{Entry, Field, Ids, Options, State, Writer},
    layout::{self, Phase},
};
use rkt_sim::{
    host::Host,
    spec::{App, Image, Pod},
};
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// From one line to the next.
const PAUSE: Duration = Duration::from_millis(10);

/// How many lines a file gets before it is put away.
const LINES_PER_FILE: u64 = 500;

/// How many followers share a connection.
const FOLLOWERS_PER_CONNECTION: usize = 100;

/// How long a line may take after it was due.
const DEADLINE: Duration = Duration::from_secs(60);

const BOOT: Uuid = Uuid::from_u128(0xb007);

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let value = env::var(name).ok().and_then(|value| value.parse().ok());
    value.unwrap_or(default)
}

fn now_unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.expect("a clock").as_nanos()).expect("a time")
}

fn main() {
    let followers = setting("RKT_BENCH_FOLLOWERS", 1_000);
    let lines = setting("RKT_BENCH_LINES", 2_000);
    println!("{followers} followers of one pod");
    measure(1, followers, lines);
    println!("one follower on each of {followers} pods");
    measure(followers, 1, lines);
}

/// Writes so many lines, to one pod after the other.
fn measure(pods: usize, followers_each: usize, lines: u64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().join("rkt");
    let host = Host::create(&data_dir).expect("a host");
    let ids = (1..=pods).map(|number| Uuid::from_u128(number as u128));
    let journals = ids.clone().map(|id| {
        let mut pod = Pod::new(id, Phase::Run);
        pod.apps = vec![App::new("web", Image::new("example.com/web", "1.2.3"))];
        host.write_pod(&pod).expect("a pod");
        Journal::new(&data_dir, id)
    });
    let mut journals: Vec<_> = journals.collect();
    let server = Process::start(&data_dir, &dir.path().join("api.sock"));
    let runtime = Runtime::new().expect("a runtime");
    tell("before", &server);

    let all: Vec<_> = ids
        .flat_map(|id| std::iter::repeat_n(id, followers_each))
        .collect();
    let lines_each = lines / pods as u64;
    assert!(lines_each > 0, "fewer lines than pods");
    // A pod's turn comes when all others have had theirs.
    let line_timeout = DEADLINE + PAUSE * u32::try_from(pods).expect("a number");
    let following = follow(&server.address, &all, lines_each, line_timeout);
    let mut following = runtime.block_on(following);
    tell("followed", &server);
    let before = server.cpu();
    let start = Instant::now();
    for number in 0..lines_each {
        for (place, journal) in journals.iter_mut().enumerate() {
            journal.write(number);
            let due = PAUSE * u32::try_from(number * pods as u64 + place as u64).expect("a number");
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
    let received = runtime.block_on(async {
        let mut times = Histogram::<u64>::new(3).expect("a histogram");
        while let Some(one) = following.join_next().await {
            times.add(one.expect("a follower")).expect("a histogram");
        }
        times
    });
    let used_s = (server.cpu() - before).as_secs_f64();
    tell("after", &server);
    let ms = |quantile| received.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{} lines received in {:.1} s, none lost; the server used {used_s:.1} s of processor time",
        received.len(),
        start.elapsed().as_secs_f64(),
    );
    println!(
        "from the beginning of writing to receipt: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, \
         max {:.2} ms",
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(1.0),
    );
}

fn tell(when: &str, server: &Process) {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid)).expect("threads");
    println!(
        "{when:9} {:4} MiB resident, {:3} threads, {:5} descriptors, {:5} watches",
        server.resident_bytes() >> 20,
        threads.count(),
        server.descriptors(),
        server.watches(),
    );
}

/// Has each of these pods followed, until so many lines have come, none later than that after the
/// one before. Each gives how long they took, in microseconds.
async fn follow(
    address: &str,
    pods: &[Uuid],
    lines: u64,
    line_timeout: Duration,
) -> JoinSet<Histogram<u64>> {
    let mut following = JoinSet::new();
    for pods in pods.chunks(FOLLOWERS_PER_CONNECTION) {
        let endpoint = Endpoint::from_shared(address.to_owned()).expect("an address");
        let channel = endpoint.connect().await.expect("a connection");
        for pod in pods {
            let request = GetLogsRequest {
                pod_id: pod.to_string(),
                follow: true,
                ..GetLogsRequest::default()
            };
            let mut client: PublicApiClient<Channel> = PublicApiClient::new(channel.clone());
            let stream = client.get_logs(request).await.expect("a stream");
            let mut stream = stream.into_inner();
            following.spawn(async move {
                let mut times = Histogram::new(3).expect("a histogram");
                let mut next = 0;
                while next < lines {
                    let response = timeout(line_timeout, stream.message()).await;
                    let response = response.expect("lines come").expect("a response");
                    let now_ns = now_unix_ns();
                    for line in response.expect("the stream stays open").lines {
                        let (_, message) = line.split_once("MESSAGE=").expect("a message");
                        let (number, at_ns) = message.split_once(' ').expect("a number and a time");
                        assert_eq!(number.parse(), Ok(next), "a line is lost, or came twice");
                        let at_ns: u64 = at_ns.parse().expect("a time");
                        // A clock may be set back meanwhile.
                        let took_us = now_ns.saturating_sub(at_ns) / 1_000;
                        times.record(took_us).expect("a time");
                        next += 1;
                    }
                }
                times
            });
        }
    }
    following
}

/// The journal of a pod.
struct Journal {
    dir: PathBuf,
    writer: Writer,
    file: File,
}

impl Journal {
    fn new(data_dir: &Path, pod: Uuid) -> Self {
        let dir = format!(
            "{}/{}/{pod}/{}/{}",
            layout::PODS,
            Phase::Run,
            layout::pod::journal_dir(layout::pod::STAGE1_ROOTFS),
            pod.simple(),
        );
        let dir = data_dir.join(dir);
        fs::create_dir_all(&dir).expect("a directory");
        let writer = Writer::new(&Options::new(Ids {
            file: Uuid::from_u128(pod.as_u128() << 64),
            machine: pod,
            boot: BOOT,
            seqnum: pod,
        }));
        let writer = writer.expect("a writer");
        let file = begin(&dir, &writer);
        Self { dir, writer, file }
    }

    /// Writes a line that tells its number and when that was, and before it begins another file
    /// if it is time.
    fn write(&mut self, number: u64) {
        if number > 0 && number.is_multiple_of(LINES_PER_FILE) {
            self.rotate(number);
        }
        let at_ns = now_unix_ns();
        let message = format!("{number} {at_ns}");
        let entry = Entry {
            realtime_us: at_ns / 1_000,
            monotonic_us: number,
            boot_id: BOOT,
            fields: &[
                Field::new("MESSAGE", &message),
                Field::new("SYSLOG_IDENTIFIER", "web"),
            ],
        };
        for change in self.writer.append(&entry).expect("room for an entry") {
            change.apply_to(&self.file).expect("room on the disk");
        }
    }

    fn rotate(&mut self, number: u64) {
        let current = self.dir.join(layout::pod::JOURNAL);
        let archived = self.dir.join(format!("system@{number:016x}.journal"));
        fs::rename(current, archived).expect("the file is renamed");
        let file = Uuid::from_u128(self.writer.seqnum_id().as_u128() << 64 | u128::from(number));
        let next = self.writer.successor(file, BOOT);
        let change = self.writer.set_state(State::Archived);
        change.apply_to(&self.file).expect("the file is closed");
        self.writer = Writer::new(&next).expect("a writer");
        self.file = begin(&self.dir, &self.writer);
    }
}

fn begin(dir: &Path, writer: &Writer) -> File {
    let file = File::create_new(dir.join(layout::pod::JOURNAL)).expect("a file");
    for change in writer.whole() {
        change.apply_to(&file).expect("room on the disk");
    }
    file
}
