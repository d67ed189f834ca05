//! Running cases, grouped by the hosts that they need, several at once, each for itself and with
//! a deadline: whatever one of them meets, or does to its server, the run goes on to its end.
//! Results are told in the order of the cases, however they come.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, StreamExt as _, future, stream};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    task::JoinSet,
};

use crate::{
    case::{Case, Failure, Objection, On, Verdict},
    clause::Level,
    descriptors,
    hosts::{self, HostDef},
    known::KnownFailing,
    plan::{self, Group, Turn},
    report::{self, CaseResult, Exchange, ReportError, Reporter, Status, Summary},
    server::StartError,
    setting::{Props, Setting, SettingError},
    source::Source,
    stage::{Director, SceneDef, Stage},
    target::{Target, Unreachable},
};

/// How long one case may take that only asks. The slowest asks for each pod of the host; a
/// server that needs a millisecond for each would have tens of thousands of them.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long one case may take that plays steps, and the scene that it watches.
pub const PLAY_DEADLINE: Duration = Duration::from_secs(180);

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server kept the clause.
    Passed,
    /// It did not.
    Failed(Failure),
    /// The case could not be tried, for this reason.
    Skipped(String),
    /// The case itself failed, with this message: a bug of the suite. Nobody should take that
    /// for a pass, so it counts as failed, whatever the level.
    Broken(String),
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no server to judge.
    #[error(transparent)]
    Target(#[from] SettingError),
    /// Nobody can be told.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// How cases are run.
#[derive(Clone)]
pub struct Options {
    /// What their settings have in common.
    pub props: Arc<Props>,
    /// How many cases are run at once, and how many hosts there are at once, beside scenes.
    pub jobs: NonZeroUsize,
    /// How many scenes are played at once; where it is not said, all for which there are
    /// descriptors.
    pub scenes: Option<NonZeroUsize>,
    /// Which failures are known.
    pub known: KnownFailing,
    /// Whether to keep the calls of cases that pass, too.
    pub keeps_exchanges: bool,
}

/// What a run came to.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The counts.
    pub summary: Summary,
    /// What came of each case, in order.
    pub statuses: Vec<(&'a Case, Status)>,
}

/// What a case came to, before it is told.
struct Ended {
    number: usize,
    outcome: Outcome,
    duration: Duration,
    exchanges: Vec<Exchange>,
    server_output: String,
}

/// Runs `cases` out of `all`, which is what the run is `about`, and tells `reporter` of each.
///
/// # Errors
///
/// When there is no server, which is found out before the first case, or when the reporter
/// cannot write.
pub async fn run<'a>(
    options: &Options,
    about: &report::Run,
    all: &'a [Case],
    cases: &[&'a Case],
    reporter: &mut dyn Reporter,
) -> Result<Judged<'a>, RunError> {
    let unknown = reach(&options.props).await?;
    reporter.started(about)?;

    let (told, results) = mpsc::unbounded_channel();
    let runner = Runner {
        props: &options.props,
        jobs: options.jobs.get(),
        scenes: options.scenes.map(NonZeroUsize::get),
        permits: Semaphore::new(options.jobs.get()),
        keeps_exchanges: options.keeps_exchanges,
        told,
    };
    let work = async move {
        match unknown {
            Some(target) => runner.unknown(&target, cases).await,
            None => {
                let seats = descriptors::seats(&options.props.source);
                runner.groups(plan::groups(cases, seats)).await;
            }
        }
    };
    let told = tell(results, cases, &options.known, reporter);
    let (mut judged, ()) = future::try_join(told, work.map(Ok)).await?;
    judged.summary.stale = options.known.stale(all, &judged.statuses);
    reporter.ended(&judged.summary)?;
    Ok(judged)
}

/// Tells the results in the order of the cases.
async fn tell<'a>(
    mut results: mpsc::UnboundedReceiver<Ended>,
    cases: &[&'a Case],
    known: &KnownFailing,
    reporter: &mut dyn Reporter,
) -> Result<Judged<'a>, ReportError> {
    let mut summary = Summary::default();
    let mut statuses = Vec::with_capacity(cases.len());
    let mut early = BTreeMap::new();
    while let Some(ended) = results.recv().await {
        early.insert(ended.number, ended);
        while let Some(ended) = early.remove(&statuses.len()) {
            let case = cases[statuses.len()];
            let result = CaseResult {
                case,
                outcome: ended.outcome,
                duration: ended.duration,
                exchanges: ended.exchanges,
                server_output: ended.server_output,
                known: known.reason(case).map(str::to_owned),
            };
            reporter.finished(&result)?;
            summary.add(&result);
            statuses.push((case, result.status()));
        }
    }
    Ok(Judged { summary, statuses })
}

/// Makes sure that there is a server: one that never comes up would fail every case, and say
/// nothing by that. On an unknown host this is the one to be judged.
async fn reach(props: &Arc<Props>) -> Result<Option<Target>, SettingError> {
    match &props.source {
        Source::Unknown(address) | Source::Lent { address, .. } => {
            let target = Target::connect(address, props.profile);
            let target = tokio::time::timeout(props.patience, target).await;
            let target = target.unwrap_or_else(|_| Err(Unreachable::silent(address)));
            let target = target.map_err(StartError::from)?;
            Ok(matches!(props.source, Source::Unknown(_)).then_some(target))
        }
        Source::Launch(_) => {
            let setting = Setting::make(props, &hosts::EMPTY).await?;
            setting.close().await;
            Ok(None)
        }
        Source::Here(_) | Source::Described(_) => Ok(None),
    }
}

struct Runner<'a> {
    props: &'a Arc<Props>,
    jobs: usize,
    scenes: Option<usize>,
    permits: Semaphore,
    keeps_exchanges: bool,
    told: mpsc::UnboundedSender<Ended>,
}

impl Runner<'_> {
    /// Cases on a host that nobody has described.
    async fn unknown(&self, target: &Target, cases: &[&Case]) {
        let turns = cases.iter().copied().enumerate();
        let turns = turns.map(|(number, case)| Turn { number, case });
        let each = stream::iter(turns).for_each_concurrent(self.jobs, |turn| async move {
            if !matches!(turn.case.host(), On::Any(_)) {
                let reason = "it needs a host that the suite may make";
                self.tell(turn, Outcome::Skipped(reason.to_owned()));
                return;
            }
            let target = Arc::new(target.handle());
            let stage = Stage::unknown(Arc::clone(&target));
            self.case(turn, stage, &target, None, DEADLINE).await;
        });
        each.await;
    }

    /// Scenes wait most of the time, so they do that at once, beside the other groups.
    async fn groups(&self, groups: Vec<Group<'_>>) {
        if matches!(self.props.source, Source::Lent { .. }) {
            // There is one directory.
            return stream::iter(groups).for_each(|it| self.group(it)).await;
        }
        let is_scene = |group: &Group<'_>| matches!(group, Group::Scene(..));
        let (scenes, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_scene);
        let scenes = stream::iter(scenes).for_each_concurrent(self.scenes, |it| self.group(it));
        let others = stream::iter(others).for_each_concurrent(self.jobs, |it| self.group(it));
        future::join(scenes, others).await;
    }

    async fn group(&self, group: Group<'_>) {
        match group {
            Group::Scene(scene, turns) => self.scene(scene, turns).await,
            Group::Own(host, turn) => self.own(host, turn).await,
            Group::Still(host, turns) => self.still(host, turns).await,
        }
    }

    /// Cases that share a host, each on a handle of its own.
    async fn still(&self, host: &'static HostDef, turns: Vec<Turn<'_>>) {
        let Some(setting) = self.setting(host, &turns).await else {
            return;
        };
        let each = stream::iter(turns).for_each_concurrent(self.jobs, |turn| {
            let setting = &setting;
            async move {
                let _permit = self.permit().await;
                match setting.target().await {
                    Ok(target) => {
                        let target = Arc::new(target);
                        let stage = Stage::known(Arc::clone(&target), Arc::clone(setting));
                        self.case(turn, stage, &target, Some(setting), DEADLINE)
                            .await;
                    }
                    Err(error) => self.tell(turn, no_server(host, &error)),
                }
            }
        });
        each.await;
        close(setting).await;
    }

    /// A case that has a host for itself.
    async fn own(&self, host: &'static HostDef, turn: Turn<'_>) {
        let _permit = self.permit().await;
        let Some(setting) = self.setting(host, &[turn]).await else {
            return;
        };
        match setting.target().await {
            Ok(target) => {
                let target = Arc::new(target);
                let stage = Stage::known(Arc::clone(&target), Arc::clone(&setting));
                self.case(turn, stage, &target, Some(&setting), PLAY_DEADLINE)
                    .await;
            }
            Err(error) => self.tell(turn, no_server(host, &error)),
        }
        close(setting).await;
    }

    /// Cases that watch one run of steps. They need no permit but for descriptors: most of the
    /// time they wait. Each has a connection for itself, so that none of them slows the others.
    async fn scene(&self, scene: &'static SceneDef, turns: Vec<Turn<'_>>) {
        let _seats = descriptors::take_seats(&self.props.source, turns.len()).await;
        let Some(setting) = self.setting(scene.host, &turns).await else {
            return;
        };
        let mut seated = Vec::with_capacity(turns.len());
        for turn in turns {
            match setting.connect().await {
                Ok(target) => seated.push((turn, Arc::new(target))),
                Err(objection) => self.tell(turn, failed_by(objection)),
            }
        }
        let director = Director::new(seated.len());
        let seats: Vec<_> = seated.iter().map(|_| director.seat()).collect();
        let script = async {
            match setting.target().await {
                Ok(target) => {
                    let stage = Stage::known(Arc::new(target), Arc::clone(&setting));
                    outcome((scene.script)(stage, director), PLAY_DEADLINE).await
                }
                Err(error) => no_server(scene.host, &error),
            }
        };
        let cases = seated.iter().zip(seats).map(|((turn, target), seat)| {
            let stage = Stage::known(Arc::clone(target), Arc::clone(&setting)).with_seat(seat);
            self.outcome(*turn, stage, target, Some(&setting), PLAY_DEADLINE)
        });
        let (script, ended) = future::join(script, future::join_all(cases)).await;
        for mut ended in ended {
            // What was not played has not been seen.
            if script != Outcome::Passed && ended.outcome == Outcome::Passed {
                ended.outcome = script.clone();
            }
            self.send(ended);
        }
        close(setting).await;
    }

    /// A host with a server on it; where there is none, the cases are told why.
    async fn setting(&self, host: &'static HostDef, turns: &[Turn<'_>]) -> Option<Arc<Setting>> {
        // On a task of its own: the description of a host may panic.
        let props = Arc::clone(self.props);
        let mut task = JoinSet::new();
        task.spawn(async move { Setting::make(&props, host).await });
        let outcome = match task.join_next().await? {
            Ok(Ok(setting)) => return Some(Arc::new(setting)),
            Ok(Err(SettingError::Server(error))) => no_server(host, &error),
            Ok(Err(error @ SettingError::Host(_))) => Outcome::Skipped(error.to_string()),
            Err(error) => Outcome::Broken(format!("the host {}: {error}", host.name)),
        };
        for turn in turns {
            self.tell(*turn, outcome.clone());
        }
        None
    }

    /// Runs a case and tells of it.
    async fn case(
        &self,
        turn: Turn<'_>,
        stage: Stage,
        target: &Target,
        setting: Option<&Setting>,
        deadline: Duration,
    ) {
        let ended = self.outcome(turn, stage, target, setting, deadline).await;
        self.send(ended);
    }

    /// Runs a case.
    async fn outcome(
        &self,
        turn: Turn<'_>,
        stage: Stage,
        target: &Target,
        setting: Option<&Setting>,
        deadline: Duration,
    ) -> Ended {
        let started = Instant::now();
        let output = setting.map(|setting| (setting.output(), setting.output().position()));
        let mut outcome = outcome(turn.case.check(stage), deadline).await;
        if let (Outcome::Failed(failure), Some(setting)) = (&mut outcome, setting)
            && let Some(obituary) = setting.obituary().await
        {
            failure.actual = format!("{}; {obituary}", failure.actual);
        }
        if turn.case.level() == Level::May {
            outcome = recorded(outcome);
        }
        let is_passed = outcome == Outcome::Passed;
        Ended {
            number: turn.number,
            outcome,
            duration: started.elapsed(),
            exchanges: match is_passed && !self.keeps_exchanges {
                true => Vec::new(),
                false => target.exchanges(),
            },
            server_output: match output {
                Some((output, position)) if !is_passed => output.since(position),
                _ => String::new(),
            },
        }
    }

    /// Tells of a case that was not run.
    fn tell(&self, turn: Turn<'_>, outcome: Outcome) {
        self.send(Ended {
            number: turn.number,
            outcome,
            duration: Duration::ZERO,
            exchanges: Vec::new(),
            server_output: String::new(),
        });
    }

    fn send(&self, ended: Ended) {
        // Nobody listens any more when the report could not be written.
        let _ = self.told.send(ended);
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.permits.acquire().await.ok()
    }
}

/// What cases come to whose server is not there.
fn no_server(host: &HostDef, error: &StartError) -> Outcome {
    let request = format!("a start on the host {}", host.name);
    failed_by(error.objection(request, "a server that answers"))
}

/// Ends the server and removes the host.
async fn close(setting: Arc<Setting>) {
    setting.close().await;
    // Removing takes time, and there is nothing to be done about it where it fails.
    let _ = tokio::task::spawn_blocking(move || drop(setting)).await;
}

/// Checks on a task of its own, where a panic is contained.
async fn outcome(
    check: impl Future<Output = Verdict> + Send + 'static,
    deadline: Duration,
) -> Outcome {
    let mut task = JoinSet::new();
    task.spawn(check);
    match tokio::time::timeout(deadline, task.join_next()).await {
        Ok(Some(Ok(verdict))) => verdict.map_or_else(failed_by, |()| Outcome::Passed),
        Ok(Some(Err(error))) => Outcome::Broken(error.to_string()),
        Ok(None) => Outcome::Broken("it was never begun".to_owned()),
        Err(_) => {
            task.shutdown().await;
            Outcome::Failed(Failure {
                request: "the calls of this case".to_owned(),
                expected: format!("answers within {} s", deadline.as_secs()),
                actual: "none by then".to_owned(),
            })
        }
    }
}

/// What a server does where it is free is no failure, but worth a word.
fn recorded(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(failure) => Outcome::Skipped(format!(
            "the server is free here; it does {} instead of {}",
            failure.actual, failure.expected
        )),
        other => other,
    }
}

fn failed_by(objection: Objection) -> Outcome {
    match objection {
        Objection::Fail(failure) => Outcome::Failed(failure),
        Objection::Skip(reason) => Outcome::Skipped(reason),
        Objection::Bug(why) => Outcome::Broken(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{case::Method, clause};

    fn case(clause: &'static clause::Clause, content: usize) -> Case {
        Case::new(Method::ListPods, clause, content, |_| async { Ok(()) })
    }

    #[tokio::test]
    async fn results_are_told_in_the_order_of_the_cases() {
        struct Names(Vec<String>);

        impl Reporter for Names {
            fn started(&mut self, _run: &report::Run) -> Result<(), ReportError> {
                Ok(())
            }

            fn finished(&mut self, result: &CaseResult<'_>) -> Result<(), ReportError> {
                self.0.push(result.case.name().to_owned());
                Ok(())
            }

            fn ended(&mut self, _summary: &Summary) -> Result<(), ReportError> {
                Ok(())
            }
        }

        let cases: Vec<_> = (0..4).map(|number| case(&clause::P_16, number)).collect();
        let cases: Vec<_> = cases.iter().collect();
        let (told, results) = mpsc::unbounded_channel();
        for number in [2, 0, 3, 1] {
            let outcome = match number {
                3 => Outcome::Skipped("why".to_owned()),
                _ => Outcome::Passed,
            };
            let ended = Ended {
                number,
                outcome,
                duration: Duration::ZERO,
                exchanges: Vec::new(),
                server_output: String::new(),
            };
            told.send(ended).unwrap();
        }
        drop(told);
        let mut names = Names(Vec::new());
        let known = KnownFailing::default();
        let judged = tell(results, &cases, &known, &mut names).await.unwrap();
        let expected: Vec<_> = cases.iter().map(|case| case.name()).collect();
        assert_eq!(names.0, expected);
        assert_eq!((judged.summary.passed, judged.summary.skipped), (3, 1));
        assert_eq!(judged.statuses[3].1, Status::Skipped);
    }

    #[test]
    fn where_a_server_is_free_nothing_fails() {
        let failed = failed_by(Objection::fail("r", "e", "a"));
        assert!(
            matches!(recorded(failed), Outcome::Skipped(why) if why.contains("a instead of e"))
        );
        assert_eq!(recorded(Outcome::Passed), Outcome::Passed);
    }

    #[tokio::test]
    async fn verdicts_become_outcomes() {
        assert_eq!(outcome(async { Ok(()) }, DEADLINE).await, Outcome::Passed);
        let failed = outcome(async { Err(Objection::fail("r", "e", "a")) }, DEADLINE).await;
        assert!(matches!(failed, Outcome::Failed(failure) if failure.expected == "e"));
        let skipped = outcome(async { Err(Objection::skip("why")) }, DEADLINE).await;
        assert_eq!(skipped, Outcome::Skipped("why".to_owned()));
    }

    #[tokio::test]
    async fn a_case_that_panics_is_broken() {
        let broken = outcome(async { panic!("a bug") }, DEADLINE).await;
        assert!(matches!(broken, Outcome::Broken(why) if why.contains("a bug")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_case_that_hangs_fails() {
        let hung = outcome(std::future::pending(), DEADLINE).await;
        assert!(matches!(hung, Outcome::Failed(failure) if failure.expected.contains("60 s")));
    }
}
