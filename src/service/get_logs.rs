//! GetLogs (clauses L): from the journal of a pod to one client's stream.
//!
//! Each stream has a task that reads from its own place on, and no faster than its client does:
//! what waits for a slow one is on the disk. Reading itself goes by short slices on threads
//! where it may block.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use tokio::sync::{
    mpsc::{self, error::SendTimeoutError},
    watch,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use uuid::Uuid;

use super::{
    Parts,
    inspect_pod::resolve,
    log_lines::{self, Lines as EntryLines, Responses},
};
use crate::{
    api::{GetLogsRequest, GetLogsResponse},
    clock::{self, Clock},
    host::{Cause, Depth, LogsError},
    logs::{Back, Follower, Logs, Pass, Query, Slice, Step, has_identifier},
};

/// The stream of a GetLogs call.
pub(super) type Lines = ReceiverStream<Result<GetLogsResponse, Status>>;

/// How long a client that reads nothing has to read that its stream is over.
const LAST_WORD: Duration = Duration::from_secs(10);

/// How long to sleep at most before looking again at a journal that cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(1);

/// Begins the stream of a call.
pub(super) async fn answer(service: &Arc<Parts>, request: GetLogsRequest) -> Result<Lines, Status> {
    let GetLogsRequest {
        pod_id,
        app_name,
        lines,
        follow,
        since_time,
        until_time,
    } = request;
    let lines = usize::try_from(lines)
        .map_err(|_| Status::invalid_argument(format!("{lines} lines are asked for")))?;
    let id = pod(service, &pod_id).await?;
    let names = app_names(service, id).await?;
    let no_pod = || Status::not_found(format!("no pod {pod_id:?}"));
    let names = names.ok_or_else(no_pod)?;

    // W-7
    let set = |time_s: i64| u64::try_from(time_s).ok().filter(|time_s| *time_s > 0);
    let (since_s, until_s) = (set(since_time), set(until_time));
    let view = &service.view;
    let query = match (app_name.as_str(), &names) {
        ("", Some(names)) if view.logs_of_apps_only() => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Query::new(Some(&names), since_s, until_s)
        }
        ("", _) => Query::new(None, since_s, until_s),
        (app, _) => Query::new(Some(&[app]), since_s, until_s),
    };
    let is_of_manifest = names.is_some_and(|names| names.contains(&app_name));
    let is_known = app_name.is_empty() || is_of_manifest || !view.refuses_unknown_apps();

    let shape = Shape {
        zone: service.zone.clone(),
        counts_lines: view.counts_lines(),
    };

    // L-7
    let now = service.streams.clock.unix_time();
    let is_to_come = |at_s: u64| Duration::from_secs(at_s) > now;
    let follow = follow && until_s.is_none_or(is_to_come);
    let waits = follow && since_s.is_some_and(is_to_come);
    // Before anything is opened: then nothing is held on to.
    let renewals = service.logs.renewals();
    let opening = service.logs.off_the_loop(move |logs| {
        // Before anything is read: then no change is missed.
        let tail = follow.then(|| logs.watch(id));
        let sources = logs.files(id)?;
        if !is_known && !has_identifier(&sources, &app_name) {
            return Ok(Opened::UnknownApp(app_name));
        }
        let reading = |pass| Reading::new(pass, lines, shape.clone());
        let Some(tail) = tail else {
            let pass = Pass::through(logs, id, query, sources);
            return Ok(Opened::Once(reading(pass)));
        };
        let mut following = Following {
            changed: tail.subscribe(),
            follower: Follower::new(tail, query),
            shape: shape.clone(),
            since_s,
            until_s,
        };
        following.changed.borrow_and_update();
        let first = match waits {
            true => None,
            false => {
                let (pass, is_gone) = following.follower.pass(logs)?;
                Some((reading(pass), is_gone))
            }
        };
        Ok(Opened::Following(Box::new(following), first))
    });
    let opened = opening.await.map_err(failed)?;
    let mut opened = opened.map_err(|error| refused(error, &pod_id))?;
    if let Opened::UnknownApp(app_name) = opened {
        return Err(Status::not_found(format!(
            "pod {pod_id:?} has no app {app_name:?}"
        )));
    }
    // What is there is what is there now, before the headers go out: the lines to begin with
    // are counted.
    while let Opened::Following(following, Some((mut reading, is_gone))) = opened {
        let counting = service.logs.off_the_loop(move |_| {
            let has_counted = reading.count(Slice::begin());
            (reading, has_counted)
        });
        let (reading, has_counted) = counting.await.map_err(failed)?;
        opened = Opened::Following(following, Some((reading, is_gone)));
        if has_counted {
            break;
        }
    }

    let (sender, receiver) = mpsc::channel(1);
    let stream = Stream {
        logs: Arc::clone(&service.logs),
        id,
        pod_id,
        draining: service.streams.draining.clone(),
        clock: service.streams.clock.clone(),
        sender,
    };
    tokio::spawn(async move {
        match opened {
            Opened::Once(reading) => stream.run(stream.once(reading, renewals)).await,
            Opened::Following(following, first) => {
                stream.run(stream.follow(*following, first, renewals)).await;
            }
            Opened::UnknownApp(_) => {}
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// What comes of looking at the files of a journal for the first time.
enum Opened {
    UnknownApp(String),
    Once(Reading),
    /// With what is there, unless that is to wait; and whether the pod is gone.
    Following(Box<Following>, Option<(Reading, bool)>),
}

/// The id of the pod that is asked for.
async fn pod(service: &Parts, id: &str) -> Result<Uuid, Status> {
    let pod = resolve(service, id).await?;
    pod.ok_or_else(|| Status::not_found(format!("no pod {id:?}")))
}

/// The apps of a pod; `None` where it has no manifest. And `None` where there is no such pod
/// for a client.
async fn app_names(service: &Parts, id: Uuid) -> Result<Option<Option<Vec<String>>>, Status> {
    let pod = service.inventory.pod(id, Depth::Pod).await?;
    let pod = pod.filter(|(pod, _)| service.view.shows(pod.facts.phase));
    Ok(pod.map(|(pod, _)| {
        let manifest = pod.facts.manifest.as_ref()?;
        let apps = manifest.manifest.apps.iter();
        Some(apps.map(|app| app.name.clone()).collect())
    }))
}

/// What lines look like and how they count.
#[derive(Clone, Debug)]
struct Shape {
    zone: TimeZone,
    /// L-3: lines are counted; else entries.
    counts_lines: bool,
}

impl Shape {
    fn count(&self, message: &[u8]) -> usize {
        match self.counts_lines {
            true => log_lines::count(message),
            false => 1,
        }
    }
}

/// A pass on its way into responses.
struct Reading {
    pass: Pass,
    /// Until as many lines have been counted as are asked for.
    back: Option<Back>,
    /// How many lines of the next entry are too many.
    surplus: usize,
    shape: Shape,
    /// What is left of an entry.
    entry: Option<EntryLines>,
    responses: Responses,
}

impl Reading {
    /// Begins with the last so many lines, or with the first one if that is 0.
    fn new(pass: Pass, lines: usize, shape: Shape) -> Self {
        Self {
            back: (lines > 0).then(|| Back::from(&pass, lines)),
            pass,
            surplus: 0,
            shape,
            entry: None,
            responses: Responses::default(),
        }
    }

    /// Finds out where to begin, as far as the slice lasts. `true` when that is known.
    fn count(&mut self, slice: Slice) -> bool {
        let Some(back) = &mut self.back else {
            return true;
        };
        let shape = &self.shape;
        if !back.count(&self.pass, slice, |message| shape.count(message)) {
            return false;
        }
        self.surplus = back.surplus();
        if let Some(back) = self.back.take() {
            self.pass.begin_with(back);
        }
        true
    }

    /// Goes on with the files as they are now, and lets those go that were open.
    fn renew(&mut self, logs: &Logs, id: Uuid) -> Result<(), LogsError> {
        let files = match logs.files(id) {
            // What is no more has nothing more to say.
            Err(LogsError::NoPod | LogsError::NoJournal) => Vec::new(),
            files => files?,
        };
        self.pass.go_on_with(files);
        if let Some(back) = &mut self.back {
            *back = back.anew(&self.pass);
        }
        Ok(())
    }

    /// Reads on until there is a response or the slice is over. `true` at the end.
    fn read(&mut self, slice: Slice) -> bool {
        if !self.count(slice) {
            return false;
        }
        while !self.responses.is_full() {
            if let Some(entry) = &mut self.entry {
                match entry.nth(std::mem::take(&mut self.surplus)) {
                    Some(line) => self.responses.push(line),
                    None => self.entry = None,
                }
                continue;
            }
            match self.pass.next(slice) {
                Step::Entry(found) => self.entry = Some(EntryLines::of(found, &self.shape.zone)),
                Step::Pause => return false,
                Step::End => {
                    self.responses.flush();
                    return true;
                }
            }
        }
        false
    }
}

/// Why a stream ends early.
enum End {
    /// The client has gone.
    Gone,
    Failed(Status),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

/// One client's stream.
struct Stream {
    logs: Arc<Logs>,
    id: Uuid,
    /// The pod, as the client named it.
    pod_id: String,
    draining: watch::Receiver<bool>,
    clock: Clock,
    sender: mpsc::Sender<Result<GetLogsResponse, Status>>,
}

/// What a follower has to know.
struct Following {
    changed: watch::Receiver<()>,
    follower: Follower,
    shape: Shape,
    since_s: Option<u64>,
    until_s: Option<u64>,
}

impl Stream {
    async fn run(&self, streaming: impl Future<Output = Result<(), End>>) {
        if let Err(End::Failed(status)) = streaming.await {
            // The client gets to know, unless it reads not even that; then its buffers are let go
            // of with the stream.
            match self.sender.send_timeout(Err(status), LAST_WORD).await {
                Ok(()) | Err(SendTimeoutError::Closed(_)) => {}
                Err(SendTimeoutError::Timeout(_)) => {
                    tracing::info!("a client does not read its logs, and was left alone");
                }
            }
        }
    }

    /// Sends what is there (L-5), in one response at least (L-9).
    async fn once(&self, reading: Reading, renewals: watch::Receiver<u64>) -> Result<(), End> {
        let (_, responses) = self.send_all(reading, None, renewals).await?;
        match responses {
            0 => self.send(GetLogsResponse::default()).await,
            _ => Ok(()),
        }
    }

    /// Sends what is there, and then what is written (L-6). Without `first` it is not yet
    /// time for anything (L-7).
    async fn follow(
        &self,
        following: Following,
        first: Option<(Reading, bool)>,
        mut renewals: watch::Receiver<u64>,
    ) -> Result<(), End> {
        let Following {
            mut changed,
            mut follower,
            shape,
            since_s,
            until_s,
        } = following;
        let is_over = || self.left(until_s) == Some(Duration::ZERO);
        while first.is_none()
            && let Some(left) = self.left(since_s).filter(|left| !left.is_zero())
        {
            let left = left.min(self.left(until_s).unwrap_or(left));
            self.sleep(left.min(clock::LOOK_AGAIN)).await?;
            if is_over() {
                return Ok(());
            }
        }
        let mut next = first;
        let mut is_last = false;
        loop {
            let (reading, is_gone) = match next.take() {
                Some(first) => first,
                None => {
                    changed.borrow_and_update();
                    let pass = self.off_the_loop(move |logs| {
                        let pass = follower.pass(logs);
                        (follower, pass)
                    });
                    let (now, pass) = pass.await?;
                    follower = now;
                    let (pass, is_gone) = pass.map_err(|error| refused(error, &self.pod_id))?;
                    // What comes now is not cut.
                    (Reading::new(pass, 0, shape.clone()), is_gone)
                }
            };
            // By a receiver of its own: after a renewal in the midst of a pass there has to be
            // another one, which has everything watched again.
            let sending = self.send_all(reading, Some(&mut follower), renewals.clone());
            let (pass, _) = sending.await?;
            follower.end(&pass);
            drop(pass);
            if is_last || is_gone {
                return Ok(());
            }
            loop {
                let left = self.left(until_s).map(|left| left.min(clock::LOOK_AGAIN));
                let unwatched = follower.is_unwatched().then_some(UNWATCHED);
                let sleep = left.into_iter().chain(unwatched).min();
                let sleep = sleep.unwrap_or(Duration::MAX);
                tokio::select! {
                    biased;
                    slept = self.sleep(sleep) => slept?,
                    _ = changed.changed() => break,
                    _ = renewals.changed() => break,
                }
                if is_over() || follower.is_unwatched() {
                    break;
                }
            }
            // What was written just before has to be sent.
            is_last = is_over();
        }
    }

    /// Sends all that there is to read. How far that went, and in how many responses. Nothing is
    /// read before there is room for it; meanwhile the files are let go of if that is asked for.
    async fn send_all(
        &self,
        mut reading: Reading,
        mut follower: Option<&mut Follower>,
        mut renewals: watch::Receiver<u64>,
    ) -> Result<(Pass, usize), End> {
        let mut draining = self.draining.clone();
        let mut responses = 0;
        loop {
            let permit = tokio::select! {
                biased;
                () = async { drop(draining.wait_for(|is_draining| *is_draining).await) } => {
                    return Err(going_down().into());
                }
                _ = renewals.changed() => None,
                permit = self.sender.reserve() => Some(permit.map_err(|_| End::Gone)?),
            };
            let Some(permit) = permit else {
                let follower = follower.as_mut();
                let tail = follower.map(|follower| follower.let_go(&mut reading.pass));
                let id = self.id;
                let renewed = self.off_the_loop(move |logs| {
                    if let Some(tail) = tail {
                        tail.let_go(logs);
                    }
                    reading.renew(logs, id).map(|()| reading)
                });
                let renewed = renewed.await?;
                reading = renewed.map_err(|error| refused(error, &self.pod_id))?;
                continue;
            };
            let read = self.off_the_loop(move |_| {
                let is_end = reading.read(Slice::begin());
                (reading, is_end)
            });
            let is_end;
            (reading, is_end) = read.await?;
            let mut full = reading.responses.take().into_iter();
            if let Some(first) = full.next() {
                responses += 1;
                permit.send(Ok(first));
            } else {
                drop(permit);
            }
            for response in full {
                responses += 1;
                self.send(response).await?;
            }
            if is_end {
                return Ok((reading.pass, responses));
            }
        }
    }

    /// Runs `work` where it may block, unless the client goes.
    async fn off_the_loop<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Logs) -> T + Send + 'static,
    ) -> Result<T, End> {
        tokio::select! {
            biased;
            () = self.sender.closed() => Err(End::Gone),
            done = self.logs.off_the_loop(work) => Ok(done.map_err(failed)?),
        }
    }

    async fn send(&self, response: GetLogsResponse) -> Result<(), End> {
        let mut draining = self.draining.clone();
        tokio::select! {
            biased;
            permit = self.sender.reserve() => {
                permit.map_err(|_| End::Gone)?.send(Ok(response));
                Ok(())
            }
            _ = draining.wait_for(|is_draining| *is_draining) => Err(going_down().into()),
        }
    }

    /// How long it is until that second begins; zero when it has.
    fn left(&self, at_s: Option<u64>) -> Option<Duration> {
        let at = Duration::from_secs(at_s?);
        Some(at.saturating_sub(self.clock.unix_time()))
    }

    /// Sleeps, unless the stream ends before.
    async fn sleep(&self, duration: Duration) -> Result<(), End> {
        let mut draining = self.draining.clone();
        tokio::select! {
            biased;
            _ = draining.wait_for(|is_draining| *is_draining) => Err(going_down().into()),
            () = self.sender.closed() => Err(End::Gone),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }
}

/// What an error of looking at a pod's journal means for a client (W-3).
fn refused(error: LogsError, pod_id: &str) -> Status {
    let message = format!("no logs of pod {pod_id:?}: {error}");
    match error {
        LogsError::NoPod => Status::not_found(message),
        LogsError::NoJournal => Status::failed_precondition(message),
        LogsError::Fault(fault) if matches!(fault.cause, Cause::Unreadable(_)) => {
            Status::unavailable(message)
        }
        LogsError::Fault(_) => Status::failed_precondition(message),
        LogsError::Scan(_) => Status::unavailable(message),
    }
}

fn failed(error: tokio::task::JoinError) -> Status {
    Status::internal(format!("reading failed: {error}"))
}

fn going_down() -> Status {
    Status::unavailable("the server is going down")
}
