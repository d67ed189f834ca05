//! Streams while somebody sets the clock back and forth: nothing is lost, nothing comes twice, and
//! they begin and end when the clock says so, or the server goes down.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, time::Duration};

use pretty_assertions::assert_eq;
use prometheus_client::metrics::counter::Counter;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt as _};
use uuid::Uuid;

use super::*;
use crate::{
    api::{EventFilter, GetLogsResponse, ListenEventsResponse},
    clock::HandSet,
    formats::journal::{Entry, Field, Ids, Options, State, Writer},
    layout::{self, Phase},
};

/// When all begins, in seconds since the epoch.
const NOON_S: i64 = 1_500_000_000;
const HOUR_S: i64 = 3600;

/// How long a test waits for what must happen. Only a failing test waits as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// A service that goes by a clock that is set by hand.
struct Host {
    data_dir: tempfile::TempDir,
    service: Service,
    hand: HandSet,
    drain: watch::Sender<bool>,
}

impl Host {
    fn create() -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let dir = data_dir.path().to_owned();
        fs::create_dir_all(dir.join(layout::PODS).join(Phase::Prepared.dir_name())).unwrap();
        let hand = HandSet::at(NOON_S);
        let (drain, draining) = watch::channel(false);
        let inventory = Inventory::new(dir.clone(), true, 100, DEADLINE, 100, 100, hand.clock());
        let streams = StreamLimits {
            buffer: 100,
            draining,
            clock: hand.clock(),
            counters: StreamCounters::default(),
        };
        let requests = RequestLimits {
            filters: 10,
            values: 10,
            refused: Counter::default(),
        };
        let service = Service::new(
            Info::default(),
            Dialect::Documented,
            Arc::new(inventory),
            Arc::new(Logs::new(dir, true)),
            TimeZone::UTC,
            streams,
            requests,
        );
        Self {
            data_dir,
            service,
            hand,
            drain,
        }
    }

    /// Sets the clock to so many seconds after noon.
    fn set(&self, after_noon_s: i64) {
        self.hand.set(NOON_S + after_noon_s);
    }

    /// Has the pod of that number be prepared now.
    async fn prepare(&self, number: u128) {
        let prepared = layout::PODS.to_owned() + "/" + Phase::Prepared.dir_name();
        let id = Uuid::from_u128(number).hyphenated().to_string();
        fs::create_dir(self.data_dir.path().join(prepared).join(id)).unwrap();
        self.service.0.inventory.history().await.unwrap();
    }

    /// Listens from and to so many seconds after noon.
    async fn listen(&self, since_s: Option<i64>, until_s: Option<i64>) -> listen_events::Events {
        // What was there before makes no events.
        self.service.0.inventory.history().await.unwrap();
        let time = |after_noon_s: Option<i64>| after_noon_s.map_or(0, |s| NOON_S + s);
        let filter = EventFilter {
            since_time: time(since_s),
            until_time: time(until_s),
            ..EventFilter::default()
        };
        let events = listen_events::answer(&self.service.0, filter, Connection::default());
        events.await.unwrap()
    }

    /// A pod with a journal of lines of these times, in seconds after noon.
    fn write_journal(&self, times_s: &[i64]) -> Uuid {
        let id = Uuid::from_u128(0x5eed);
        let options = Options::new(Ids {
            file: Uuid::from_u128(1),
            machine: id,
            boot: Uuid::from_u128(2),
            seqnum: Uuid::from_u128(3),
        });
        let mut writer = Writer::new(&options).unwrap();
        for time_s in times_s {
            let message = format!("line {time_s}");
            let entry = Entry {
                realtime_us: u64::try_from(NOON_S + time_s).unwrap() * 1_000_000 + 1,
                monotonic_us: 1,
                boot_id: Uuid::from_u128(2),
                fields: &[Field::new("MESSAGE", &message)],
            };
            writer.append(&entry).map(drop).unwrap();
        }
        let dir = format!(
            "{}/{}/{}/{}",
            layout::PODS,
            Phase::Prepared,
            id.hyphenated(),
            layout::pod::journal_dir(layout::pod::STAGE1_ROOTFS)
        );
        let dir = self.data_dir.path().join(dir);
        fs::create_dir_all(&dir).unwrap();
        let file = writer.finish(State::Archived);
        fs::write(dir.join(layout::pod::JOURNAL), file).unwrap();
        id
    }

    /// Follows the logs of a pod, from and to so many seconds after noon.
    async fn follow(&self, id: Uuid, since_s: Option<i64>, until_s: i64) -> get_logs::Lines {
        let request = GetLogsRequest {
            pod_id: id.to_string(),
            follow: true,
            since_time: since_s.map_or(0, |s| NOON_S + s),
            until_time: NOON_S + until_s,
            ..GetLogsRequest::default()
        };
        get_logs::answer(&self.service.0, request).await.unwrap()
    }
}

/// The next message of a stream; `None` when it has ended in good order.
async fn next<T>(stream: &mut (impl Stream<Item = Result<T, Status>> + Unpin)) -> Option<T> {
    let message = timeout(DEADLINE, stream.next()).await.unwrap();
    message.transpose().unwrap()
}

/// The next so many events: the number of the pod, and the time in seconds after noon.
async fn hear(events: &mut listen_events::Events, count: usize) -> Vec<(u128, i64)> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let ListenEventsResponse { events } = next(events).await.unwrap();
        heard.extend(events.into_iter().map(|event| {
            let id: Uuid = event.id.parse().unwrap();
            (id.as_u128(), event.time - NOON_S)
        }));
    }
    heard
}

/// The next lines, without their times.
async fn lines(stream: &mut get_logs::Lines) -> Vec<String> {
    let GetLogsResponse { lines } = next(stream).await.unwrap();
    let message = |line: &String| line.split_once("MESSAGE=").unwrap().1.to_owned();
    lines.iter().map(message).collect()
}

/// E-4, E-12
#[tokio::test]
async fn in_one_stream_times_never_decrease() {
    let host = Host::create();
    let mut all = host.listen(None, None).await;
    let mut since = host.listen(Some(-1), None).await;
    for (number, after_s) in [(1, 0), (2, -HOUR_S), (3, HOUR_S), (4, 10), (5, HOUR_S + 1)] {
        host.set(after_s);
        host.prepare(number).await;
    }
    let told = [(1, 0), (2, 0), (3, HOUR_S), (4, HOUR_S), (5, HOUR_S + 1)];
    assert_eq!(hear(&mut all, 5).await, told);
    assert_eq!(hear(&mut since, 5).await, told);
    // Who comes later hears it all the same.
    let mut past = host.listen(Some(-1), Some(2 * HOUR_S)).await;
    assert_eq!(hear(&mut past, 5).await, told);
}

/// E-4, E-9
#[tokio::test]
async fn a_new_stream_goes_by_the_clock_that_was_set_back() {
    let host = Host::create();
    let mut old = host.listen(None, None).await;
    host.set(HOUR_S);
    host.prepare(1).await;
    host.set(0);
    let mut new = host.listen(None, Some(60)).await;
    host.set(7);
    host.prepare(2).await;
    assert_eq!(hear(&mut new, 1).await, [(2, 7)]);
    assert_eq!(hear(&mut old, 2).await, [(1, HOUR_S), (2, HOUR_S)]);
    host.set(60);
    assert!(next(&mut new).await.is_none());
}

/// E-7: nothing has happened by which a listener would know that the clock was set back.
#[tokio::test]
async fn what_comes_after_the_call_is_after_the_past() {
    let host = Host::create();
    let mut events = host.listen(Some(-1), None).await;
    host.set(-HOUR_S);
    host.prepare(1).await;
    assert_eq!(hear(&mut events, 1).await, [(1, 0)]);
}

/// E-8
#[tokio::test]
async fn the_future_begins_by_the_clock() {
    let host = Host::create();
    host.set(2 * HOUR_S);
    host.prepare(1).await;
    host.set(0);
    // Later than that, the server has told of something already.
    let mut events = host.listen(Some(HOUR_S), None).await;
    for (number, after_s) in [(2, 0), (3, -HOUR_S), (4, HOUR_S), (5, HOUR_S + 1)] {
        host.set(after_s);
        host.prepare(number).await;
    }
    assert_eq!(hear(&mut events, 1).await, [(5, HOUR_S + 1)]);
    // It has begun.
    host.set(0);
    host.prepare(6).await;
    assert_eq!(hear(&mut events, 1).await, [(6, HOUR_S + 1)]);
}

/// E-9, E-10
#[tokio::test]
async fn listening_ends_by_the_clock() {
    let host = Host::create();
    let mut events = host.listen(None, Some(HOUR_S)).await;
    for (number, after_s) in [(1, HOUR_S - 1), (2, -HOUR_S)] {
        host.set(after_s);
        host.prepare(number).await;
        assert_eq!(hear(&mut events, 1).await, [(number, HOUR_S - 1)]);
    }
    // Nothing else happens.
    host.set(2 * HOUR_S);
    assert!(next(&mut events).await.is_none());
}

/// E-12
#[tokio::test]
async fn what_happened_before_the_end_is_told() {
    let host = Host::create();
    let mut events = host.listen(None, None).await;
    // Told one by one, of which the channel takes but the first.
    for number in 1..=3 {
        host.prepare(number).await;
        tokio::task::yield_now().await;
    }
    host.drain.send_replace(true);
    assert_eq!(hear(&mut events, 3).await, [(1, 0), (2, 0), (3, 0)]);
    let end = timeout(DEADLINE, events.next()).await.unwrap().unwrap();
    assert_eq!(end.unwrap_err().code(), tonic::Code::Unavailable);
}

/// L-4, L-6, L-11
#[tokio::test]
async fn following_ends_by_the_clock() {
    let host = Host::create();
    let id = host.write_journal(&[-5, 5, 2 * HOUR_S]);
    let mut stream = host.follow(id, None, HOUR_S).await;
    assert_eq!(lines(&mut stream).await, ["line -5", "line 5"]);
    host.set(-HOUR_S);
    let mut back = host.follow(id, None, 0).await;
    assert_eq!(lines(&mut back).await, ["line -5"]);
    host.set(2 * HOUR_S);
    assert!(next(&mut stream).await.is_none());
    assert!(next(&mut back).await.is_none());
}

/// L-7, L-11
#[tokio::test]
async fn following_begins_by_the_clock() {
    let host = Host::create();
    let id = host.write_journal(&[-5, HOUR_S + 5, 3 * HOUR_S]);
    let mut stream = host.follow(id, Some(HOUR_S), 2 * HOUR_S).await;
    let mut never = host.follow(id, Some(HOUR_S), 60).await;
    host.set(60);
    assert!(next(&mut never).await.is_none());
    host.set(HOUR_S);
    assert_eq!(lines(&mut stream).await, [format!("line {}", HOUR_S + 5)]);
    host.set(2 * HOUR_S);
    assert!(next(&mut stream).await.is_none());
}
