//! A stream that follows a pod's logs, and what it is to have.

use std::{sync::Arc, time::Duration};

use rkt_api::api::{GetLogsRequest, GetLogsResponse};
use tonic::Code;
use uuid::Uuid;

use super::answer::{count, known_world, same, show};
use crate::{
    case::{Objection, Verdict},
    cases::streams::{EARLY, Heard, LATE, Lateness, Reader, SECOND_NS, nanos},
    clock,
    model::{World, logs},
    stage::Stage,
    target::{Target, refused},
    text,
};

/// How long response headers may take where it is not their time that is judged.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long what is there may take to come: the contract says nothing, and some is much.
const THERE_WITHIN: Duration = Duration::from_secs(20);

/// How long after it was written a line may come, and a stream end that has nothing to wait for,
/// where the contract only says "as" and "after".
const COMES_WITHIN: Duration = Duration::from_secs(5);

/// A stream that is being read. Dropping it hangs up.
pub(super) struct Follower {
    request: GetLogsRequest,
    /// Just before the call, nanoseconds since the epoch.
    called_unix_ns: i64,
    /// Just after the headers came.
    answered_unix_ns: i64,
    /// What there was just before the call, and just after the headers came.
    worlds: [Arc<World>; 2],
    reader: Reader<GetLogsResponse>,
    /// How late the suite is when `until_time` comes.
    lateness: Lateness,
}

/// What a stream's end is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is still open.
    None,
    /// It has ended with OK between these moments, nanoseconds since the epoch.
    Between(i64, i64),
    /// It has ended with OK by then, or not: nothing can come any more, so nobody has a use for
    /// either.
    Any(i64),
}

impl Follower {
    /// Calls, with `follow` set, and begins to read.
    ///
    /// # Errors
    ///
    /// The server refuses, or does not answer.
    pub(super) async fn open(stage: &Stage, request: GetLogsRequest) -> Result<Self, Objection> {
        Self::open_on(stage, stage, request).await
    }

    /// The same on another connection.
    pub(super) async fn open_on(
        stage: &Stage,
        target: &Target,
        request: GetLogsRequest,
    ) -> Result<Self, Objection> {
        let request = GetLogsRequest {
            follow: true,
            ..request
        };
        let before = known_world(stage)?;
        let called_unix_ns = clock::now_unix_ns();
        let headers = tokio::time::timeout(HEADERS_TIMEOUT, target.logs(request.clone()));
        let stream = match headers.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(status)) => return Err(refused(show(&request), &status)),
            Err(_) => {
                let none = format!("none after {} s", HEADERS_TIMEOUT.as_secs());
                return Err(Objection::fail(show(&request), "response headers", none));
            }
        };
        let until_unix_ns = match request.until_time {
            until if until > 0 => until.saturating_mul(SECOND_NS),
            _ => i64::MAX,
        };
        Ok(Self {
            lateness: Lateness::at(until_unix_ns),
            request,
            called_unix_ns,
            answered_unix_ns: clock::now_unix_ns(),
            worlds: [before, known_world(stage)?],
            reader: Reader::begin(stream),
        })
    }

    /// The request as text.
    pub(super) fn request(&self) -> String {
        show(&self.request)
    }

    /// The pod that is followed, where it is named by its whole id.
    pub(super) fn pod(&self) -> Option<Uuid> {
        Uuid::parse_str(&self.request.pod_id).ok()
    }

    /// What has come so far.
    pub(super) fn heard(&self) -> Heard<String> {
        self.reader.heard()
    }

    /// The lines that were there when it was called.
    pub(super) fn there(&self, stage: &Stage) -> Vec<String> {
        let lines = logs::lines(&self.worlds[0], stage.profile(), &self.request);
        // A stream that was opened has been refused by nobody.
        lines.unwrap_or_default()
    }

    /// How many lines there were, `lines` aside, just before the call and just after the headers
    /// came.
    pub(super) fn there_around(&self, stage: &Stage) -> [usize; 2] {
        let all = GetLogsRequest {
            lines: 0,
            ..self.request.clone()
        };
        self.worlds.each_ref().map(|world| {
            let lines = logs::lines(world, stage.profile(), &all);
            lines.map_or(0, |lines| lines.len())
        })
    }

    /// Waits for a line that is to be the last.
    pub(super) async fn hears_last(&mut self, stage: &Stage, last: Option<&String>) {
        let patience = COMES_WITHIN + stage.slack();
        let has_last = |heard: &Heard<String>| heard.items.last().map(|it| &it.item) == last;
        self.reader.hears(patience, has_last).await;
    }

    /// Waits for what was there when it was called.
    pub(super) async fn first(&mut self, stage: &Stage) -> Verdict {
        let due = self.there(stage);
        self.comes_to(&due, THERE_WITHIN).await
    }

    /// Waits for everything that is there now.
    pub(super) async fn catches_up(&mut self, stage: &Stage) -> Verdict {
        let now = known_world(stage)?;
        let due = self.due(&self.worlds[0], &now, stage);
        self.comes_to(&due, COMES_WITHIN + stage.slack()).await
    }

    async fn comes_to(&mut self, due: &[String], patience: Duration) -> Verdict {
        let comes = self.reader.hears(patience, |heard| {
            heard.items.len() >= due.len() || heard.end.is_some()
        });
        if comes.await {
            return Ok(());
        }
        let heard = self.heard();
        let lines: Vec<_> = heard.items.into_iter().map(|it| it.item).collect();
        same(&self.request, due, &lines)
    }

    /// Waits for the end.
    pub(super) async fn ends(&mut self, stage: &Stage) -> Verdict {
        let patience = COMES_WITHIN + stage.slack();
        match self.reader.hears(patience, |it| it.end.is_some()).await {
            true => Ok(()),
            false => Err(Objection::fail(
                self.request(),
                "the stream ends",
                "it is still open",
            )),
        }
    }

    /// Holds what came against what there was at the call and has been written since.
    pub(super) fn judge(&self, stage: &Stage) -> Verdict {
        self.judge_gone(stage, i64::MIN)
    }

    /// The same where the pod may have been deleted, but not before that moment.
    pub(super) fn judge_gone(&self, stage: &Stage, gone_unix_ns: i64) -> Verdict {
        let now_unix_ns = clock::now_unix_ns();
        let heard = self.heard();
        let now = known_world(stage)?;
        let lines: Vec<_> = heard.items.iter().map(|it| it.item.clone()).collect();
        let mut verdict = Ok(());
        for base in self.bases() {
            let due = self.due(&base, &now, stage);
            verdict = same(&self.request, &due, &lines);
            if verdict.is_ok() {
                break;
            }
        }
        verdict?;
        self.judge_end(&heard, self.end(&now, stage, now_unix_ns, gone_unix_ns))
    }

    /// What there can have been when the server looked: what was written while the call was
    /// under way was there already or not.
    fn bases(&self) -> Vec<Arc<World>> {
        let [before, after] = &self.worlds;
        let [Some(least), Some(most)] = self.worlds.each_ref().map(|it| self.entries(it)) else {
            return vec![Arc::clone(before)];
        };
        let further = (least + 1..=most).map(|entries| {
            let mut world = World::clone(after);
            let pod = self.pod().and_then(|pod| world.pod_mut(pod));
            if let Some(journal) = pod.and_then(|pod| pod.journal.as_mut()) {
                journal.truncate(entries);
            }
            Arc::new(world)
        });
        [Arc::clone(before)].into_iter().chain(further).collect()
    }

    fn entries(&self, world: &World) -> Option<usize> {
        let journal = world.pod(self.pod()?)?.journal.as_ref()?;
        Some(journal.len())
    }

    /// What is due of a stream that began in `base`.
    fn due(&self, base: &World, now: &World, stage: &Stage) -> Vec<String> {
        let profile = stage.profile();
        let there = logs::lines(base, profile, &self.request);
        let mut lines = there.unwrap_or_default();
        if !self.is_over_at_once() {
            let new = logs::appended(base, now, profile, &self.request);
            lines.extend(new.unwrap_or_default());
        }
        lines
    }

    /// L-7
    fn is_over_at_once(&self) -> bool {
        let called_s = self.called_unix_ns.div_euclid(SECOND_NS);
        (1..=called_s).contains(&self.request.until_time)
    }

    fn end(&self, now: &World, stage: &Stage, now_unix_ns: i64, gone_unix_ns: i64) -> End {
        let soon = nanos(COMES_WITHIN + stage.slack());
        if self.is_over_at_once() {
            return End::Between(self.called_unix_ns, self.answered_unix_ns + soon);
        }
        let GetLogsRequest {
            since_time,
            until_time,
            ..
        } = self.request;
        let until_ns = until_time.saturating_mul(SECOND_NS);
        // The end takes a few steps to come, each of which can be as late.
        let lateness = nanos(LATE + stage.slack()) + 3 * self.lateness.ns();
        let latest = until_ns.saturating_add(lateness);
        if until_time > 0 && since_time >= until_time {
            return End::Any(latest);
        }
        if until_time > 0 && until_ns <= now_unix_ns {
            return End::Between(until_ns - nanos(EARLY), latest);
        }
        match self.pod().is_some_and(|pod| now.pod(pod).is_none()) {
            true => End::Between(gone_unix_ns.saturating_sub(nanos(EARLY)), i64::MAX),
            false => End::None,
        }
    }

    fn judge_end(&self, heard: &Heard<String>, end: End) -> Verdict {
        let is_right = match (end, &heard.end) {
            (End::None | End::Any(_), None) => true,
            (End::None, Some(_)) | (End::Between(..), None) => false,
            (End::Between(from, to), Some((status, at))) => {
                status.code() == Code::Ok && (from..=to).contains(at)
            }
            (End::Any(to), Some((status, at))) => status.code() == Code::Ok && *at <= to,
        };
        if is_right {
            return Ok(());
        }
        let expected = match end {
            End::None => "the stream stays open".to_owned(),
            End::Between(from, to) => format!("the end with OK {}", self.span(from, to)),
            End::Any(to) => format!("OK, if an end at all, {}", self.span(i64::MIN, to)),
        };
        let actual = match &heard.end {
            None => "it is still open".to_owned(),
            Some((status, at)) => format!(
                "the end {:.3} s after the call with {}",
                self.after_call_s(*at),
                text::status(status)
            ),
        };
        let lines: Vec<_> = heard.items.iter().map(|it| it.item.clone()).collect();
        let actual = format!("{actual}, after {}", count(&lines));
        Err(Objection::fail(self.request(), expected, actual))
    }

    fn span(&self, from: i64, to: i64) -> String {
        let [from, to] = [from, to].map(|at| self.after_call_s(at));
        format!("from {from:.3} s to {to:.3} s after the call")
    }

    fn after_call_s(&self, at_unix_ns: i64) -> f64 {
        at_unix_ns.saturating_sub(self.called_unix_ns) as f64 / SECOND_NS as f64
    }
}
