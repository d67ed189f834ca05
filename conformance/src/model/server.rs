//! The model as a server: all seven calls answered out of a world that others move on. Here
//! are the calls, the clock and the streams; what is answered is said in the modules beside.

use std::{future::Future, path::Path, pin::pin, sync::Arc, time::Duration};

use rkt_api::api::{
    Event, EventFilter, GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse,
    GlobalFlags, Info, InspectImageRequest, InspectImageResponse, InspectPodRequest,
    InspectPodResponse, ListImagesRequest, ListImagesResponse, ListPodsRequest, ListPodsResponse,
    ListenEventsRequest, ListenEventsResponse,
    public_api_server::{PublicApi, PublicApiServer},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Response, Status,
    transport::{self, Server, server::TcpIncoming},
};
use uuid::Uuid;

use super::{
    Refusal, Shared, World,
    events::{self, Happening},
    images, logs, pods,
};
use crate::{clock::now_unix_ns, profile::Profile};

/// How many events may wait for a listener (E-14).
const STREAM_BUFFER: usize = 10_000;

/// How many events share a message at most.
const EVENTS_AT_ONCE: usize = 1000;

/// What a response stays under: what gRPC clients receive by default (L-9).
const RESPONSE_LIMIT_BYTES: usize = 4 << 20;

/// How much of an error's message is sent: it travels in a header.
const MESSAGE_LIMIT_BYTES: usize = 1024;

/// How long calls under way may take once the server is to end (SV-2).
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest sleep. Clocks may be set meanwhile.
const NAP: Duration = Duration::from_secs(1);

/// What a server with default flags says of itself (I-1, I-2), for this data directory.
pub fn info(data_dir: &Path) -> Info {
    Info {
        rkt_version: "1.30.0".to_owned(),
        appc_version: "0.8.11".to_owned(),
        api_version: "1.0.0-alpha".to_owned(),
        global_flags: Some(GlobalFlags {
            dir: data_dir.display().to_string(),
            system_config_dir: "/usr/lib/rkt".to_owned(),
            local_config_dir: "/etc/rkt".to_owned(),
            user_config_dir: String::new(),
            insecure_flags: "none".to_owned(),
            trust_keys_from_https: false,
        }),
    }
}

/// Serves `service` on `listener` until `shutdown` is over, and the calls that are under way
/// then, for up to 5 seconds.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    service: impl PublicApi,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), transport::Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async {
        // Nothing is ever sent: the sender is dropped.
        let _ = stopped.await;
    };
    let server = Server::builder().add_service(PublicApiServer::new(service));
    let mut serving = pin!(server.serve_with_incoming_shutdown(incoming, stopped));
    tokio::select! {
        () = shutdown => drop(stop),
        ended = &mut serving => return ended,
    }
    // Who is still connected after that is cut off.
    timeout(DRAIN_TIMEOUT, serving).await.unwrap_or(Ok(()))
}

/// Answers all calls from the model. Clones share everything.
#[derive(Clone)]
pub struct ModelServer(Arc<Parts>);

struct Parts {
    shared: Arc<Shared>,
    profile: Profile,
    info: Info,
    stream_buffer: usize,
    is_ending: watch::Sender<bool>,
}

impl ModelServer {
    /// A server of `shared`'s world in this dialect, that says `info` of itself.
    pub fn new(shared: Arc<Shared>, profile: Profile, info: Info) -> Self {
        Self::with_stream_buffer(shared, profile, info, STREAM_BUFFER)
    }

    /// The same, with room for so many events that wait for a listener (E-14).
    pub fn with_stream_buffer(
        shared: Arc<Shared>,
        profile: Profile,
        info: Info,
        stream_buffer: usize,
    ) -> Self {
        Self(Arc::new(Parts {
            shared,
            profile,
            info,
            stream_buffer,
            is_ending: watch::Sender::new(false),
        }))
    }

    /// A server of the same world in another dialect. The two end together.
    pub fn speaking(&self, profile: Profile) -> Self {
        let Parts {
            shared,
            profile: _,
            info,
            stream_buffer,
            is_ending,
        } = &*self.0;
        Self(Arc::new(Parts {
            shared: Arc::clone(shared),
            profile,
            info: info.clone(),
            stream_buffer: *stream_buffer,
            is_ending: is_ending.clone(),
        }))
    }

    /// Ends all streams with UNAVAILABLE, those to come included (SV-2). Other calls are
    /// answered as before.
    pub fn end(&self) {
        self.0.is_ending.send_replace(true);
    }

    /// Serves on `listener` until `shutdown` is over, then ends in good order (SV-2).
    ///
    /// # Errors
    ///
    /// As [`serve`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), transport::Error> {
        let service = self.clone();
        let shutdown = async {
            shutdown.await;
            self.end();
        };
        serve(service, listener, shutdown).await
    }
}

#[tonic::async_trait]
impl PublicApi for ModelServer {
    async fn get_info(
        &self,
        _request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        let info = Some(self.0.info.clone());
        Ok(Response::new(GetInfoResponse { info }))
    }

    async fn list_pods(
        &self,
        request: Request<ListPodsRequest>,
    ) -> Result<Response<ListPodsResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        let pods = pods::list(&world, profile, request.get_ref()).into_iter();
        let pods = pods.map(|pod| pod.message).collect();
        Ok(Response::new(ListPodsResponse { pods }))
    }

    async fn inspect_pod(
        &self,
        request: Request<InspectPodRequest>,
    ) -> Result<Response<InspectPodResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        let pod = pods::inspect(&world, profile, &request.get_ref().id)?;
        let pod = Some(pod.message);
        Ok(Response::new(InspectPodResponse { pod }))
    }

    async fn list_images(
        &self,
        request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        images::available(&world)?;
        let images = images::list(&world, profile, request.get_ref()).into_iter();
        let images = images.map(|image| image.message).collect();
        Ok(Response::new(ListImagesResponse { images }))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let (world, profile) = (self.0.shared.world(), self.0.profile);
        let image = images::inspect(&world, profile, &request.get_ref().id)?;
        let image = Some(image.message);
        Ok(Response::new(InspectImageResponse { image }))
    }

    type ListenEventsStream = ReceiverStream<Result<ListenEventsResponse, Status>>;

    async fn listen_events(
        &self,
        request: Request<ListenEventsRequest>,
    ) -> Result<Response<Self::ListenEventsStream>, Status> {
        let filter = request.into_inner().filter.unwrap_or_default();
        // E-11: what comes from here on is part of the stream.
        let watching = self.0.watch();
        let listening = Listening::begin(filter, self.0.stream_buffer, &watching.world());
        Ok(stream(watching, |watching, to| listening.go(watching, to)))
    }

    type GetLogsStream = ReceiverStream<Result<GetLogsResponse, Status>>;

    async fn get_logs(
        &self,
        request: Request<GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        let request = request.into_inner();
        let watching = self.0.watch();
        let world = watching.world();
        let profile = self.0.profile;
        let lines = logs::lines(&world, profile, &request)?;
        let called_s = now_unix_ns().div_euclid(1_000_000_000);
        let until_is_over = (1..=called_s).contains(&request.until_time);
        // L-5, L-7
        if !request.follow || until_is_over {
            let mut responses = responses(lines);
            if responses.is_empty() {
                // L-9: known clients wait for one.
                responses.push(GetLogsResponse::default());
            }
            return Ok(stream(watching, |_, to| send_all(responses, to)));
        }
        let (pod, journal) = logs::journal(&world, profile, &request)?;
        let is_waiting = request.since_time > called_s;
        let following = Following {
            profile,
            pod: pod.id,
            // Who waits gets what is there by then as if it had come since (L-7).
            next: if is_waiting { 0 } else { journal.len() },
            request,
        };
        let first = if is_waiting { Vec::new() } else { lines };
        Ok(stream(watching, |watching, to| {
            following.go(first, watching, to)
        }))
    }
}

/// Where a stream's messages go. It is over when the client has hung up.
type To<M> = mpsc::Sender<Result<M, Status>>;

/// Why a stream ends before its time: nobody listens any more.
struct HungUp;

impl<T> From<mpsc::error::SendError<T>> for HungUp {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self
    }
}

/// A response whose messages `fill` sends.
fn stream<M, F>(
    watching: Watching,
    fill: impl FnOnce(Watching, To<M>) -> F,
) -> Response<ReceiverStream<Result<M, Status>>>
where
    M: Send + 'static,
    F: Future<Output = Result<(), HungUp>> + Send + 'static,
{
    // A message that waits is enough: the world keeps the rest.
    let (to, from) = mpsc::channel(1);
    let filling = fill(watching, to);
    tokio::spawn(async {
        // Then there is nobody left to tell.
        let _ = filling.await;
    });
    Response::new(ReceiverStream::new(from))
}

async fn send_all<M>(messages: Vec<M>, to: To<M>) -> Result<(), HungUp> {
    for message in messages {
        to.send(Ok(message)).await?;
    }
    Ok(())
}

impl Parts {
    fn watch(&self) -> Watching {
        Watching {
            worlds: self.shared.subscribe(),
            is_ending: self.is_ending.subscribe(),
        }
    }
}

/// What streams wait for.
struct Watching {
    worlds: watch::Receiver<Arc<World>>,
    is_ending: watch::Receiver<bool>,
}

/// What has come.
#[derive(PartialEq, Eq)]
enum Woken {
    /// The world may be another one, or the time has come.
    Look,
    /// The server ends.
    Ending,
    /// The client has hung up.
    HungUp,
}

impl Watching {
    fn world(&self) -> Arc<World> {
        Arc::clone(&self.worlds.borrow())
    }

    /// The world now. From here on, [`Self::next`] waits for another one.
    fn latest(&mut self) -> Arc<World> {
        Arc::clone(&self.worlds.borrow_and_update())
    }

    /// Waits for another world, for this second to begin, and for everything that ends a stream.
    async fn next<M>(&mut self, to: &To<M>, unix_s: Option<i64>) -> Woken {
        tokio::select! {
            // Without a server its streams end, too.
            _ = self.is_ending.wait_for(|is_ending| *is_ending) => Woken::Ending,
            () = to.closed() => Woken::HungUp,
            changed = self.worlds.changed() => match changed {
                Ok(()) => Woken::Look,
                Err(_) => Woken::Ending,
            },
            () = begin(unix_s) => Woken::Look,
        }
    }
}

/// Waits until the second begins; for ever where there is none.
async fn begin(unix_s: Option<i64>) {
    let Some(unix_s) = unix_s else {
        return std::future::pending().await;
    };
    while !has_begun(unix_s) {
        let left_ns = unix_s
            .saturating_mul(1_000_000_000)
            .saturating_sub(now_unix_ns());
        sleep(Duration::from_nanos(left_ns.unsigned_abs()).min(NAP)).await;
    }
}

fn has_begun(unix_s: i64) -> bool {
    unix_s <= now_unix_ns().div_euclid(1_000_000_000)
}

fn ending() -> Status {
    Status::unavailable("the server ends")
}

/// A stream of events under way.
struct Listening {
    filter: EventFilter,
    span: events::Span,
    /// The number of the first event that came after the call.
    live: usize,
    /// The number of the event to be sent next.
    next: usize,
    buffer: usize,
}

impl Listening {
    /// A stream that is asked for now.
    fn begin(filter: EventFilter, buffer: usize, world: &World) -> Self {
        let span = events::span(&filter, now_unix_ns());
        let live = world.events().len();
        Self {
            filter,
            span,
            live,
            next: if span.replays { 0 } else { live },
            buffer,
        }
    }

    async fn go(
        mut self,
        mut watching: Watching,
        to: To<ListenEventsResponse>,
    ) -> Result<(), HungUp> {
        let Self { span, .. } = self;
        loop {
            let is_over = span.ends_at_once || span.ends_unix_s.is_some_and(has_begun);
            let world = watching.latest();
            let there = world.events();
            if self.waiting(there) > self.buffer {
                let text = "the listener is too slow: it has missed events from here on";
                to.send(Err(Status::resource_exhausted(text))).await?;
                return Ok(());
            }
            if let Some(events) = self.take(there) {
                to.send(Ok(ListenEventsResponse { events })).await?;
                continue;
            }
            if is_over {
                return Ok(());
            }
            match watching.next(&to, span.ends_unix_s).await {
                Woken::Look => {}
                Woken::Ending => {
                    to.send(Err(ending())).await?;
                    return Ok(());
                }
                Woken::HungUp => return Err(HungUp),
            }
        }
    }

    /// How many events wait that came after the call (E-14).
    fn waiting(&self, there: &[Happening]) -> usize {
        let live = there.get(self.next.max(self.live)..).unwrap_or_default();
        live.iter()
            .filter(|happening| self.takes(&happening.event))
            .count()
    }

    /// The next events that the filter takes; `None` when there are none.
    fn take(&mut self, there: &[Happening]) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        let rest = there.get(self.next..).unwrap_or_default();
        for Happening { event, .. } in rest {
            if events.len() == EVENTS_AT_ONCE {
                break;
            }
            self.next += 1;
            if self.takes(event) {
                events.push(event.clone());
            }
        }
        (!events.is_empty()).then_some(events)
    }

    fn takes(&self, event: &Event) -> bool {
        events::takes(&self.filter, event)
    }
}

/// A stream of a pod's lines that are still to come.
struct Following {
    profile: Profile,
    request: GetLogsRequest,
    pod: Uuid,
    /// The number of the entry to be sent next.
    next: usize,
}

impl Following {
    async fn go(
        mut self,
        first: Vec<String>,
        mut watching: Watching,
        to: To<GetLogsResponse>,
    ) -> Result<(), HungUp> {
        for response in responses(first) {
            to.send(Ok(response)).await?;
        }
        let set = |time_s: i64| (time_s > 0).then_some(time_s);
        let (since, until) = (set(self.request.since_time), set(self.request.until_time));
        loop {
            let is_over = until.is_some_and(has_begun);
            let is_waiting = since.is_some_and(|since| !has_begun(since));
            let world = watching.latest();
            if !is_waiting {
                for response in responses(self.take(&world)) {
                    to.send(Ok(response)).await?;
                }
            }
            // L-6
            if is_over || world.pod(self.pod).is_none() {
                return Ok(());
            }
            let wake = match since {
                Some(since) if is_waiting => Some(until.map_or(since, |until| until.min(since))),
                _ => until,
            };
            match watching.next(&to, wake).await {
                Woken::Look => {}
                Woken::Ending => {
                    to.send(Err(ending())).await?;
                    return Ok(());
                }
                Woken::HungUp => return Err(HungUp),
            }
        }
    }

    fn take(&mut self, world: &World) -> Vec<String> {
        let entries = logs::entries(world, self.pod);
        let lines = logs::since(world, self.profile, &self.request, self.pod, self.next);
        self.next = entries.max(self.next);
        lines
    }
}

/// The lines in as few responses as clients take (L-9); none for none.
fn responses(lines: Vec<String>) -> Vec<GetLogsResponse> {
    let mut responses: Vec<GetLogsResponse> = Vec::new();
    let mut size_bytes = RESPONSE_LIMIT_BYTES;
    for line in lines {
        // Its tag, its length, and itself.
        let line_bytes = 1 + prost::length_delimiter_len(line.len()) + line.len();
        size_bytes += line_bytes;
        match responses.last_mut() {
            Some(last) if size_bytes < RESPONSE_LIMIT_BYTES => last.lines.push(line),
            _ => {
                size_bytes = line_bytes;
                responses.push(GetLogsResponse { lines: vec![line] });
            }
        }
    }
    responses
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let names = &refusal.names;
        let mut message = match refusal.code {
            Code::NotFound => format!("there is no \"{names}\""),
            Code::InvalidArgument => format!("\"{names}\" is not what can be asked for"),
            Code::FailedPrecondition => format!("the pod \"{names}\" keeps no journal"),
            Code::Unavailable => "the image store cannot be read".to_owned(),
            _ => format!("\"{names}\" cannot be read"),
        };
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT_BYTES));
        Self::new(refusal.code, message)
    }
}
