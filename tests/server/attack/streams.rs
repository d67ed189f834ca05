//! 10,000 streams at once, on connections of ordinary clients, and more than may be.

use futures_util::{FutureExt as _, future::join_all};
use rkt_api::api::{
    EventFilter, GetLogsRequest, GetLogsResponse, ListenEventsRequest, ListenEventsResponse,
};
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use super::tally::{Kind, Tally};
use crate::support::{Client, DEADLINE, connect};

/// How many streams the server has at once.
pub const STREAMS_MAX: usize = 10_600;

/// How many streams are tried at once, and kept. The other attackers share the rest, and honest
/// clients have theirs already.
pub const TRIED: usize = 10_000;

/// How many of them a connection has; the server lets it have 1024.
const STREAMS: usize = 500;

/// One in so many follows a journal, the others listen.
const FOLLOWERS: usize = 20;

/// How many streams of a connection are opened at a time.
const AT_A_TIME: usize = 5;

enum Stream {
    Events(Streaming<ListenEventsResponse>),
    Logs(Streaming<GetLogsResponse>),
}

impl Stream {
    /// Whether it has not come to an end.
    fn is_open(&mut self) -> bool {
        match self {
            Self::Events(stream) => is_open(stream),
            Self::Logs(stream) => is_open(stream),
        }
    }
}

fn is_open<T>(stream: &mut Streaming<T>) -> bool {
    loop {
        match stream.message().now_or_never() {
            None => return true,
            Some(Ok(Some(_))) => {}
            Some(_) => return false,
        }
    }
}

/// Streams that are held open.
pub struct Held {
    kind: Kind,
    streams: Vec<Stream>,
}

/// Opens all streams, and then more than may be.
pub async fn hold(url: &str, tally: &Tally, pod: Uuid) -> Held {
    let kind = tally.kind(
        "streams: 10,000 at once",
        &["open to the end"],
        &["refused: ResourceExhausted"],
    );
    let beyond = tally.kind(
        "streams: 1,000 more",
        &["refused: ResourceExhausted"],
        &["served"],
    );
    let connections = (0..TRIED / STREAMS).map(|_| open_all(url, pod));
    let tried = join_all(connections)
        .await
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    assert_eq!(tried.len(), TRIED);
    let streams = served(tried, &kind);
    let more = [open_all(url, pod), open_all(url, pod)];
    let more = served(
        join_all(more)
            .await
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
        &beyond,
    );
    beyond.note_many("served", more.len());
    Held { kind, streams }
}

impl Held {
    /// Lets all streams go, none of which may have come to an end before.
    pub fn let_go(mut self) {
        for stream in &mut self.streams {
            match stream.is_open() {
                true => self.kind.note("open to the end"),
                false => self.kind.note("ended"),
            }
        }
    }
}

/// Those of the streams that are served.
fn served(tried: Vec<Result<Stream, Code>>, kind: &Kind) -> Vec<Stream> {
    let served = tried.into_iter().filter_map(|opened| match opened {
        Ok(stream) => Some(stream),
        Err(code) => {
            kind.note(format!("refused: {code:?}"));
            None
        }
    });
    served.collect()
}

/// Opens as many streams as a connection has.
async fn open_all(url: &str, pod: Uuid) -> Vec<Result<Stream, Code>> {
    let client = connect(url).await;
    let mut all = Vec::new();
    for first in (0..STREAMS).step_by(AT_A_TIME) {
        let opened = (first..first + AT_A_TIME).map(|number| open(client.clone(), pod, number));
        all.extend(join_all(opened).await);
    }
    all
}

async fn open(mut client: Client, pod: Uuid, number: usize) -> Result<Stream, Code> {
    let opening = async {
        if number.is_multiple_of(FOLLOWERS) {
            let request = GetLogsRequest {
                pod_id: pod.to_string(),
                follow: true,
                lines: 1,
                ..GetLogsRequest::default()
            };
            let opened = client.get_logs(request).await?;
            return Ok(Stream::Logs(opened.into_inner()));
        }
        let filter = Some(EventFilter {
            names: vec!["nobody".to_owned()],
            ..EventFilter::default()
        });
        let opened = client.listen_events(ListenEventsRequest { filter }).await?;
        Ok(Stream::Events(opened.into_inner()))
    };
    let opened = timeout(2 * DEADLINE, opening).await;
    opened.map_or(Err(Code::DeadlineExceeded), |opened| {
        opened.map_err(|status: Status| status.code())
    })
}
