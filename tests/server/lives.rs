//! Random lives of a host, and everyone who listens to it: whatever happens, whoever joins when
//! and asks for what, each event is told exactly once and in order (E-4, E-6 to E-9, E-11 to E-13).
//!
//! A model ([`model`]) says naively what each step of a life does; it knows nothing of how the
//! server finds out. A life is made step by step after the model, and then played on a real host
//! with a real server; at its end all that listeners have heard is compared ([`check`]). A life
//! that fails is made shorter for as long as it fails, and printed; its steps are such as
//! `rkt-sim live --script` plays.
//!
//! `RKT_TEST_LIVES` sets how many hosts live (6 of each kind unless it is set), `RKT_TEST_SEED`
//! which.

mod check;
mod model;

use std::{
    collections::BTreeSet,
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::{LazyLock, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use pretty_assertions::assert_eq;
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    strategy::Union,
    test_runner::RngSeed,
};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use rkt_api::api::{Event, EventFilter, EventType};
use rkt_sim::live::{HostState, Player, random::Lives, step::Step};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use tonic::Code;

use crate::{
    events::{Listener, look},
    fresh::setting,
    support::{Client, DEADLINE, Server, at_once},
};
use check::{Sight, check};
pub use check::{of_pods, told};
pub use model::expected;
use model::{Happened, after, show, takes};

/// How many pods a host has at most: few, so that they come far.
const PODS_MAX: usize = 5;

/// How many transitions there are in a life.
const LENGTH: usize = 200;

/// How long a life that fails is made shorter.
const SHRINKING: Duration = Duration::from_secs(600);

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: setting("RKT_TEST_LIVES", 6),
        rng_seed: RngSeed::Fixed(setting("RKT_TEST_SEED", 1_468)),
        // The time is the limit. The greatest number would stand for another one.
        max_shrink_iters: u32::MAX - 1,
        max_shrink_time: SHRINKING.as_millis() as u32,
        // A life takes its time, and what fails may hang on that.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn everyone_hears_everything_once_and_in_order(sequential LENGTH => Live<Watched>);

    #[test]
    fn what_happens_in_a_rush_is_told(sequential LENGTH => Live<InARush>);

    #[test]
    fn where_the_queue_overflows_nothing_comes_twice_or_out_of_order(
        sequential LENGTH => Live<Overflowing>
    );
}

/// How a host lives, and how the server follows.
trait Kind: Clone + 'static {
    const SIGHT: Sight;
    /// Flags of the server.
    const ARGS: &[&str] = &[];
}

/// The server looks after every step, so that nothing of it has to be implied, and even the order
/// of several pods is known.
#[derive(Clone)]
struct Watched;

impl Kind for Watched {
    const SIGHT: Sight = Sight::EveryStep;
}

/// Nobody waits for anybody: steps are found several at once, also while the server starts and
/// while listeners join.
#[derive(Clone)]
struct InARush;

impl Kind for InARush {
    const SIGHT: Sight = Sight::EveryChange;
}

/// The same where the server loses changes, because too many wait for it.
#[derive(Clone)]
struct Overflowing;

impl Kind for Overflowing {
    const SIGHT: Sight = Sight::Some;
    const ARGS: &[&str] = &["--changes-max=2"];
}

/// What can be done to a host and its server.
#[derive(Clone)]
enum Transition {
    /// The host goes on.
    Live(Step),
    /// The server starts. What has happened until then is told nobody.
    Serve,
    /// Somebody listens.
    Join(Wish),
    /// Somebody hangs up: of those who listen, the one that has this place.
    Leave(usize),
    /// All steps are waited for, and somebody asks for everything.
    Look,
    /// The server is told to begin anew, which costs it nothing that it could not find out again.
    Hangup,
    /// Nothing happens until the next second begins.
    Wait,
}

impl fmt::Debug for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // As scripts have it.
            Self::Live(step) => f.write_str(&serde_json::to_string(step).unwrap()),
            Self::Serve => f.write_str("Serve"),
            Self::Join(wish) => write!(f, "Join({wish:?})"),
            Self::Leave(place) => write!(f, "Leave({place})"),
            Self::Look => f.write_str("Look"),
            Self::Hangup => f.write_str("Hangup"),
            Self::Wait => f.write_str("Wait"),
        }
    }
}

/// What a listener asks for. Times are seconds from the moment at which it asks.
#[derive(Clone, Debug)]
struct Wish {
    types: Vec<EventType>,
    ids: Vec<String>,
    names: Vec<String>,
    since_s: Option<i64>,
    until_s: Option<i64>,
}

/// Since before all events.
const EVER_S: i64 = i64::MIN;

impl Wish {
    /// Wishes for some of what has happened, and for the like.
    fn any(happened: &[Happened]) -> impl Strategy<Value = Self> + use<> {
        let some = |all: Vec<String>| match all.len() {
            0 => Just(vec![]).boxed(),
            most => prop_oneof![
                3 => Just(vec![]),
                2 => subsequence(all, 1..=most.min(8)),
            ]
            .boxed(),
        };
        let distinct = |of: fn(&Happened) -> &String| -> Vec<String> {
            let all: BTreeSet<_> = happened.iter().map(of).collect();
            all.into_iter().cloned().collect()
        };
        let types: Vec<_> = (1..=9)
            .filter_map(|kind| EventType::try_from(kind).ok())
            .collect();
        let time_s =
            |now_s: Vec<i64>| prop_oneof![3 => Just(None), 1 => select(now_s).prop_map(Some)];
        (
            prop_oneof![3 => Just(vec![]), 2 => subsequence(types, 1..=3)],
            some(distinct(|event| &event.id)),
            some(distinct(|event| &event.from)),
            time_s(vec![EVER_S, EVER_S, -2, -1, 0, 1]),
            time_s(vec![-1, -1, 0, 0, 1]),
        )
            .prop_map(|(types, ids, names, since_s, until_s)| Self {
                types,
                ids,
                names,
                since_s,
                until_s,
            })
    }

    fn filter(&self, now_s: i64) -> EventFilter {
        let time =
            |from_now_s: Option<i64>| from_now_s.map_or(0, |s| now_s.saturating_add(s).max(1));
        EventFilter {
            types: self.types.iter().map(|kind| (*kind).into()).collect(),
            ids: self.ids.clone(),
            names: self.names.clone(),
            since_time: time(self.since_s),
            until_time: time(self.until_s),
        }
    }
}

/// What is known of a life without playing it.
#[derive(Clone)]
struct Model<K> {
    host: HostState,
    happened: Vec<Happened>,
    is_served: bool,
    /// How many listeners there are.
    listeners: usize,
    kind: PhantomData<K>,
}

impl<K> Model<K> {
    /// Somebody looks.
    fn show(&mut self) {
        show(&self.host, &mut self.happened);
    }
}

impl<K> fmt::Debug for Model<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Shown before a life begins: then there is nothing.
        f.write_str("Model")
    }
}

impl<K: Kind> ReferenceStateMachine for Model<K> {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self {
            host: HostState::default(),
            happened: Vec::new(),
            is_served: false,
            listeners: 0,
            kind: PhantomData,
        })
        .boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Transition> {
        static LIVES: LazyLock<Lives> = LazyLock::new(|| Lives::new(0, PODS_MAX).unwrap());

        let host = model.host.clone();
        // No seed is simpler than others.
        let seed = any::<u64>().no_shrink();
        let step = seed.prop_map(move |seed| Transition::Live(LIVES.reseeded(seed).next(&host)));
        if !model.is_served {
            return prop_oneof![20 => step, 1 => Just(Transition::Serve)].boxed();
        }
        let wish = Wish::any(&model.happened).prop_map(Transition::Join);
        // Each second that is waited for is one more that the test takes.
        let mut all = vec![
            (400, step.boxed()),
            (20, wish.boxed()),
            (1, Just(Transition::Wait).boxed()),
        ];
        if model.listeners > 0 {
            let leave = (0..model.listeners).prop_map(Transition::Leave);
            all.push((6, leave.boxed()));
        }
        if K::SIGHT != Sight::EveryStep {
            all.push((20, Just(Transition::Look).boxed()));
        }
        // Whoever comes and goes while watches are renewed is not seen.
        if K::SIGHT != Sight::EveryChange {
            all.push((6, Just(Transition::Hangup).boxed()));
        }
        Union::new_weighted(all).boxed()
    }

    fn preconditions(model: &Self, transition: &Transition) -> bool {
        match transition {
            Transition::Live(step) => after(&model.host, step).is_some(),
            Transition::Serve => !model.is_served,
            Transition::Leave(place) => *place < model.listeners,
            Transition::Join(_) | Transition::Look | Transition::Hangup => model.is_served,
            Transition::Wait => true,
        }
    }

    fn apply(mut model: Self, transition: &Transition) -> Self {
        match transition {
            Transition::Live(step) => {
                model.happened.extend(Happened::by(step, &model.host));
                model.host = after(&model.host, step).unwrap();
            }
            Transition::Serve => model.is_served = true,
            Transition::Join(_) => model.listeners += 1,
            Transition::Leave(_) => model.listeners -= 1,
            Transition::Look => model.show(),
            Transition::Hangup | Transition::Wait => {}
        }
        model
    }
}

/// A player that plays what it is told to while others do something else.
struct Playing {
    player: JoinHandle<Player>,
    steps: mpsc::Sender<Step>,
    played: mpsc::Receiver<()>,
    /// How many steps were not waited for.
    waiting: usize,
}

impl Playing {
    fn begin(dir: &Path) -> Self {
        let mut player = Player::open(dir).unwrap();
        let (steps, to_play) = mpsc::channel();
        let (done, played) = mpsc::channel();
        let player = thread::spawn(move || {
            for step in to_play {
                player.play(&step).unwrap();
                // Nobody waits when a test has failed.
                let _ = done.send(());
            }
            player
        });
        Self {
            player,
            steps,
            played,
            waiting: 0,
        }
    }

    fn play(&mut self, step: Step) {
        self.steps.send(step).unwrap();
        self.waiting += 1;
    }

    /// Waits until all steps were played.
    fn catch_up(&mut self) {
        for _ in 0..std::mem::take(&mut self.waiting) {
            self.played.recv_timeout(DEADLINE).unwrap();
        }
    }

    fn end(self) -> Player {
        drop(self.steps);
        self.player.join().unwrap()
    }
}

/// One who listens.
struct Member {
    filter: EventFilter,
    /// How many events must not be told it, as they were known before it joined, unless it wants to
    /// know the past.
    known: usize,
    /// How many events had happened of which it need not be told.
    early: usize,
    /// Whether it is told of what had happened before it joined, as far as it asks for that.
    wants_past: bool,
}

impl Member {
    fn takes(&self, event: &Event) -> bool {
        let EventFilter {
            since_time,
            until_time,
            ..
        } = self.filter;
        takes(&self.filter, event.r#type(), &event.id, &event.from)
            && (since_time == 0 || event.time > since_time)
            && (until_time == 0 || event.time < until_time)
    }

    /// Checks what it has heard, against what somebody has heard who wanted to know everything, and
    /// against what has happened.
    fn check(&self, sight: Sight, heard: &[Event], everything: &[Event], model: &Model<impl Kind>) {
        let why = format!("{:?}", self.filter);
        assert!(heard.is_sorted_by_key(|event| event.time), "{why}");
        let wanted = everything.iter().filter(|event| self.takes(event));
        let wanted: Vec<_> = wanted.cloned().collect();
        // Who joins while something happens may hear of it or not.
        let from = match self.wants_past || sight == Sight::EveryStep {
            true => 0,
            false => wanted.len().saturating_sub(heard.len()),
        };
        assert_eq!(heard, &wanted[from..], "{why}");

        let asks_for_times = self.filter.since_time > 1 || self.filter.until_time > 0;
        // Where ends are not known, one kind of event may stand for another.
        let asks_for_types = sight == Sight::Some && !self.filter.types.is_empty();
        if asks_for_times || asks_for_types {
            return;
        }
        let wanted = |happened: &[Happened]| -> Vec<Happened> {
            let wanted = happened
                .iter()
                .filter(|event| event.is_wanted(&self.filter));
            wanted.cloned().collect()
        };
        let early = wanted(&model.happened[self.known..self.early]).len();
        let happened = wanted(&model.happened[self.known..]);
        check(sight, &told(heard), &happened, early, &why);
    }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn unix_time_s() -> i64 {
    unix_time().as_secs() as i64
}

/// A server, and those who listen to it.
struct Served {
    server: Server,
    client: Client,
    /// How many events had happened when it started.
    before: usize,
    /// How many had happened when it was last asked for everything.
    known: usize,
    /// One who wants to know everything.
    first: (Member, Listener),
    others: Vec<(Member, Listener)>,
}

impl Served {
    async fn start(dir: &Path, args: &[&str], before: usize) -> Self {
        let server = Server::start(dir, args);
        let mut client = server.client().await;
        let filter = EventFilter {
            since_time: 1,
            ..EventFilter::default()
        };
        let listener = Listener::open(&mut client, filter.clone()).await;
        let first = Member {
            filter,
            known: 0,
            early: before,
            wants_past: true,
        };
        Self {
            server,
            client,
            before,
            known: 0,
            first: (first, listener),
            others: Vec::new(),
        }
    }

    /// Somebody joins when so many events have happened.
    async fn join(&mut self, wish: &Wish, happened: usize) {
        loop {
            let filter = wish.filter(unix_time_s());
            let listener = Listener::open(&mut self.client, filter.clone()).await;
            let until_s = wish.until_s;
            // What was to lie ahead must still do so, or nobody knows what the server saw.
            if until_s.is_some_and(|s| s > 0) && unix_time_s() >= filter.until_time {
                continue;
            }
            let wants_past = wish.since_s.is_some() || until_s.is_some_and(|s| s <= 0);
            let (known, early) = match wants_past {
                true => (0, self.before),
                false => (self.known, happened),
            };
            let member = Member {
                filter,
                known,
                early,
                wants_past,
            };
            self.others.push((member, listener));
            return;
        }
    }

    /// Ends the server. Gives what each has heard; first the one who wants to know everything.
    async fn end(self) -> Vec<(Member, Vec<Event>)> {
        let others = self.others.into_iter();
        let (timed, others): (Vec<_>, Vec<_>) =
            others.partition(|(member, _)| member.filter.until_time > 0);
        let timed = timed.into_iter().map(async |(member, listener)| {
            let (heard, end) = listener.hear_out().await;
            assert!(end.is_ok(), "{:?}: {end:?}", member.filter);
            (member, heard)
        });
        let timed = join_all(timed).await;
        let others = [self.first].into_iter().chain(others);
        let others = others.map(async |(member, listener)| {
            let (heard, end) = listener.hear_out().await;
            assert_eq!(end.unwrap_err().code(), Code::Unavailable);
            (member, heard)
        });
        let (_, mut heard) = tokio::join!(self.server.end(), join_all(others));
        heard.extend(timed);
        heard
    }
}

/// A life that is lived.
struct Live<K> {
    // In the order in which they are to go.
    served: Option<Served>,
    runtime: Runtime,
    playing: Playing,
    temp: TempDir,
    kind: PhantomData<K>,
}

impl<K: Kind> Live<K> {
    /// Waits until all steps were played, by which so many events have happened, and asks for
    /// everything.
    fn look(&mut self, happened: usize) {
        self.playing.catch_up();
        if let Some(served) = &mut self.served {
            let look = at_once("all pods and images", look(&mut served.client));
            self.runtime.block_on(look);
            served.known = happened;
        }
    }
}

impl<K: Kind> StateMachineTest for Live<K> {
    type SystemUnderTest = Self;
    type Reference = Model<K>;

    fn init_test(_: &Model<K>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        Self {
            served: None,
            runtime: runtime.unwrap(),
            playing: Playing::begin(&data_dir(&temp)),
            temp,
            kind: PhantomData,
        }
    }

    fn apply(mut life: Self, model: &Model<K>, transition: Transition) -> Self {
        let happened = model.happened.len();
        match (transition, &mut life.served) {
            (Transition::Live(step), _) => {
                life.playing.play(step);
                if K::SIGHT == Sight::EveryStep {
                    life.look(happened);
                }
            }
            (Transition::Serve, served) => {
                let dir = data_dir(&life.temp);
                let start = Served::start(&dir, K::ARGS, happened);
                *served = Some(life.runtime.block_on(start));
            }
            (Transition::Join(wish), Some(served)) => {
                life.runtime.block_on(served.join(&wish, happened));
            }
            (Transition::Leave(place), Some(served)) => drop(served.others.remove(place)),
            (Transition::Hangup, Some(served)) => served.server.signal(Signal::HUP),
            (Transition::Look, _) => life.look(happened),
            (Transition::Wait, _) => {
                let gone = Duration::from_nanos(unix_time().subsec_nanos().into());
                thread::sleep(Duration::from_secs(1) - gone);
            }
            (transition, None) => panic!("nobody serves: {transition:?}"),
        }
        life
    }

    fn teardown(mut life: Self, mut model: Model<K>) {
        life.look(model.happened.len());
        model.show();
        let Some(served) = life.served else {
            return;
        };
        // Held on to until the server has ended: without it locks are let go.
        let player = life.playing.end();
        assert_eq!(player.state(), &model.host);
        let heard = life.runtime.block_on(served.end());
        let (first, everything) = &heard[0];
        for (member, its) in &heard {
            let from = match K::SIGHT {
                // It is known what had been told before it joined.
                Sight::EveryStep => member.early - first.early,
                Sight::EveryChange | Sight::Some => 0,
            };
            member.check(K::SIGHT, its, &everything[from..], &model);
        }
    }
}

fn data_dir(temp: &TempDir) -> PathBuf {
    temp.path().join("rkt")
}
