//! Pods that move from one phase to the next, and are deleted, while clients ask for them
//! (S-11, S-13): each answer shows each pod once, in a state that it had during the call.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use pretty_assertions::assert_eq;
use rkt_api::api::{InspectPodRequest, PodState};
use rkt_sim::{
    host::Host,
    spec::{Phase, Pod},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    hosts::{self, NO_PROCESS, TempHost, phase_dir},
    json,
    support::{Client, DEADLINE, Server, at_once, eventually},
};

/// How often each pod lives.
const LIVES: usize = 40;

/// What happens to a pod.
#[derive(Clone, Copy)]
enum Act {
    /// It appears in `embryo/`, locked.
    Create,
    Move(Phase),
    Lock,
    Unlock,
    /// Its directory is taken apart and removed.
    Delete,
}

use Act::{Create, Delete, Lock, Move, Unlock};

/// What happens in a life, and the state that follows. `None`: there is no such pod.
type Life = &'static [(Act, Option<&'static str>)];

const FULL: Life = &[
    (Create, Some("POD_STATE_EMBRYO")),
    (Move(Phase::Prepare), Some("POD_STATE_PREPARING")),
    (Move(Phase::Prepared), Some("POD_STATE_PREPARED")),
    (Move(Phase::Run), Some("POD_STATE_RUNNING")),
    (Unlock, Some("POD_STATE_EXITED")),
    (Move(Phase::ExitedGarbage), Some("POD_STATE_GARBAGE")),
    (Lock, Some("POD_STATE_DELETING")),
    (Delete, None),
];

const ABORTED: Life = &[
    (Create, Some("POD_STATE_EMBRYO")),
    (Move(Phase::Prepare), Some("POD_STATE_PREPARING")),
    (Unlock, Some("POD_STATE_ABORTED_PREPARE")),
    (Move(Phase::Garbage), Some("POD_STATE_GARBAGE")),
    (Lock, Some("POD_STATE_DELETING")),
    (Delete, None),
];

/// Not rkt's way, but somebody's `rm -r`.
const CUT_SHORT: Life = &[
    (Create, Some("POD_STATE_EMBRYO")),
    (Move(Phase::Prepare), Some("POD_STATE_PREPARING")),
    (Move(Phase::Run), Some("POD_STATE_RUNNING")),
    (Delete, None),
];

/// A pod that lives again and again.
struct Moving {
    id: String,
    life: Life,
    begun: AtomicUsize,
    done: AtomicUsize,
    /// It lives no more, be it that something went wrong.
    ended: AtomicBool,
}

/// Says at its end, come what may, that a pod lives no more.
struct Mourner<'a>(&'a Moving);

impl Drop for Mourner<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, SeqCst);
    }
}

impl Moving {
    fn new(pod: &Pod, life: Life) -> Self {
        Self {
            id: pod.id.to_string(),
            life,
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        }
    }

    /// Lives [`LIVES`] times in `host`. Between two acts as many answers are waited for as
    /// `pauses` says, in turn.
    fn live(
        &self,
        pod: &Pod,
        host: &Path,
        nursery: &Host,
        answers: &AtomicUsize,
        pauses: &[usize],
    ) {
        let _mourner = Mourner(self);
        let mut pauses = pauses.iter().cycle();
        for _ in 0..LIVES {
            nursery.write_pod(pod).unwrap();
            let mut place = nursery.pod_dir(pod);
            let lock = File::open(&place).unwrap();
            lock.lock().unwrap();
            for (act, _) in self.life {
                self.begun.fetch_add(1, SeqCst);
                self.act(*act, host, &mut place, &lock);
                self.done.fetch_add(1, SeqCst);

                let (start, pause) = (Instant::now(), pauses.next().unwrap());
                let enough = answers.load(SeqCst) + pause;
                // After the last act of all nobody asks any more.
                while answers.load(SeqCst) < enough && !self.has_lived() {
                    assert!(start.elapsed() < DEADLINE, "no more answers");
                    thread::sleep(Duration::from_micros(50));
                }
            }
        }
    }

    fn act(&self, act: Act, host: &Path, place: &mut PathBuf, lock: &File) {
        let mut move_to = |phase| {
            let next = phase_dir(host, phase).join(&self.id);
            fs::rename(&*place, &next).unwrap();
            *place = next;
        };
        match act {
            Create => move_to(Phase::Embryo),
            Move(phase) => move_to(phase),
            // The server may be probing it.
            Lock => eventually("the lock is free", || lock.try_lock().is_ok()),
            Unlock => lock.unlock().unwrap(),
            Delete => fs::remove_dir_all(place).unwrap(),
        }
    }

    fn has_lived(&self) -> bool {
        self.done.load(SeqCst) == LIVES * self.life.len()
    }

    /// The states from the one after `first` acts to the one after `last`.
    fn states(&self, first: usize, last: usize) -> BTreeSet<Option<&'static str>> {
        let state = |acts: usize| match acts {
            0 => None,
            _ => self.life[(acts - 1) % self.life.len()].1,
        };
        (first..=last).map(state).collect()
    }

    fn has_run(&self) -> bool {
        let run = |(act, _): &(Act, _)| matches!(act, Move(Phase::Run));
        self.life.iter().any(run)
    }

    /// Checks what an answer says of the pod, which had these `states` during the call.
    fn check(&self, pod: Option<&Value>, states: &BTreeSet<Option<&'static str>>, what: &str) {
        let state = pod.map(|pod| pod["state"].as_str().unwrap());
        assert!(states.contains(&state), "{what}: {state:?}, not {states:?}");
        let whole = !states.contains(&None) && !states.contains(&Some("POD_STATE_DELETING"));
        if let (Some(pod), true) = (pod, whole) {
            let (pid, apps) = match state {
                Some("POD_STATE_RUNNING" | "POD_STATE_EXITED") => (NO_PROCESS, 2),
                Some("POD_STATE_GARBAGE") if self.has_run() => (NO_PROCESS, 2),
                Some("POD_STATE_GARBAGE" | "POD_STATE_PREPARED") => (0, 2),
                _ => (0, 0),
            };
            assert_eq!(pod["pid"], pid, "{what}: {state:?}");
            assert_eq!(
                pod["apps"].as_array().unwrap().len(),
                apps,
                "{what}: {state:?}"
            );
        }
    }
}

/// Calls the server over and over until all pods have lived.
struct Asker<'a> {
    client: Client,
    moving: &'a [Moving],
    answers: &'a AtomicUsize,
    /// The states that were seen when there could be no other.
    seen: BTreeSet<Option<&'static str>>,
}

impl Asker<'_> {
    async fn ask(&mut self, sound: &[Value]) {
        while !self.moving.iter().all(|pod| pod.ended.load(SeqCst)) {
            self.list(sound).await;
            for at in 0..self.moving.len() {
                let id = self.moving[at].id.clone();
                self.inspect(at, &id).await;
                self.inspect(at, &id[..8]).await;
            }
        }
    }

    async fn list(&mut self, sound: &[Value]) {
        let before: Vec<_> = self.moving.iter().map(|m| m.done.load(SeqCst)).collect();
        let request = json!({"detail": true});
        let answer = json::call(&mut self.client, "ListPods", &request);
        let answer = at_once("ListPods", answer).await.unwrap();
        self.answers.fetch_add(1, SeqCst);
        let mut pods = answer["pods"].as_array().unwrap().clone();
        for (moving, first) in self.moving.iter().zip(before) {
            let states = moving.states(first, moving.begun.load(SeqCst));
            let is_it = |pod: &Value| pod["id"] == moving.id;
            let found: Vec<_> = pods.iter().filter(|pod| is_it(pod)).collect();
            assert!(found.len() < 2, "listed twice: {found:?}");
            moving.check(found.first().copied(), &states, "ListPods");
            see(&mut self.seen, &states);
            pods.retain(|pod| !is_it(pod));
        }
        assert_eq!(pods, sound);
    }

    async fn inspect(&mut self, at: usize, id: &str) {
        let moving = &self.moving[at];
        let first = moving.done.load(SeqCst);
        let request = json!({"id": id});
        let answer = json::call(&mut self.client, "InspectPod", &request);
        let pod = match at_once("InspectPod", answer).await {
            Ok(answer) => Some(answer["pod"].clone()),
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => panic!("InspectPod {id}: {status}"),
        };
        self.answers.fetch_add(1, SeqCst);
        let states = moving.states(first, moving.begun.load(SeqCst));
        moving.check(pod.as_ref(), &states, &format!("InspectPod {id}"));
        see(&mut self.seen, &states);
    }
}

fn see(seen: &mut BTreeSet<Option<&'static str>>, states: &BTreeSet<Option<&'static str>>) {
    if states.len() == 1 {
        seen.extend(states);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pod_is_shown_once_in_a_state_that_it_had() {
    let host = TempHost::create();
    for number in 0x100..0x105 {
        host.write_pod(&hosts::pod(number, Phase::Run)).unwrap();
    }
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let request = json!({"detail": true});
    let sound = json::call(&mut client, "ListPods", &request).await.unwrap();

    let pods = [1, 2, 3].map(|number| hosts::pod(number, Phase::Run));
    let lives = [FULL, ABORTED, CUT_SHORT];
    let moving = [0, 1, 2].map(|at: usize| Moving::new(&pods[at], lives[at]));
    let nursery = Host::create(host.beside("nursery")).unwrap();
    let answers = AtomicUsize::new(0);
    let mut asker = Asker {
        client,
        moving: &moving,
        answers: &answers,
        seen: BTreeSet::new(),
    };
    thread::scope(|scope| {
        // Pauses that make now one act, now many fall within a call.
        let pauses: [&[usize]; 3] = [&[1, 0, 2, 0, 0, 1, 3], &[0, 1, 8, 0, 2], &[2, 0, 7, 0, 0]];
        for ((moving, pod), pauses) in moving.iter().zip(&pods).zip(pauses) {
            let (host, nursery, answers) = (host.dir(), &nursery, &answers);
            scope.spawn(move || moving.live(pod, host, nursery, answers, pauses));
        }
        let sound = sound["pods"].as_array().unwrap();
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(asker.ask(sound));
        });
    });
    // Every state, and none, was once the only one possible.
    assert_eq!(asker.seen.len(), 9, "{:?}", asker.seen);
}

/// A short life, again and again until told to stop: the pod appears in
/// `first`, where its lock is `held` or free, and moves to `second`, where it is the other way
/// round.
fn live_fast(host: &TempHost, [first, second]: [Phase; 2], held: bool, stop: &AtomicBool) {
    let id = hosts::id(1).to_string();
    let nursery = host.beside("nursery");
    let [first, second] = [first, second].map(|phase| host.phase_dir(phase).join(&id));
    let lives = (0..).take_while(|_| !stop.load(SeqCst));
    for number in lives {
        // Most are moved while they are looked at, some stay long enough to be found.
        let stay = || {
            if number % 8 == 0 {
                thread::sleep(Duration::from_micros(100));
            }
        };
        fs::create_dir(&nursery).unwrap();
        let lock = File::open(&nursery).unwrap();
        let hold = || eventually("the lock is free", || lock.try_lock().is_ok());
        if held {
            hold();
        }
        fs::rename(&nursery, &first).unwrap();
        stay();
        fs::rename(&first, &second).unwrap();
        match held {
            true => lock.unlock().unwrap(),
            false => hold(),
        }
        stay();
        fs::remove_dir(&second).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_state_is_made_of_an_old_place_and_a_new_lock() {
    const ROUNDS: usize = 500;

    let host = TempHost::create();
    let server = Server::start(host.dir(), &[]);
    let mut client = server.client().await;
    let lives = [
        ([Phase::Prepare, Phase::Run], true, PodState::AbortedPrepare),
        ([Phase::Run, Phase::ExitedGarbage], false, PodState::Running),
    ];
    for (phases, held, never) in lives {
        let stop = AtomicBool::new(false);
        let mut states = BTreeSet::new();
        thread::scope(|scope| {
            scope.spawn(|| live_fast(&host, phases, held, &stop));
            let ask = async {
                let (start, mut round) = (Instant::now(), 0);
                while round < ROUNDS || (states.len() < 2 && start.elapsed() < DEADLINE) {
                    round += 1;
                    let id = hosts::id(1).to_string();
                    let answer = client.inspect_pod(InspectPodRequest { id });
                    // It is not always there.
                    if let Ok(answer) = at_once("InspectPod", answer).await {
                        states.insert(answer.into_inner().pod.unwrap().state());
                    }
                }
            };
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(ask));
            stop.store(true, SeqCst);
        });
        assert!(!states.contains(&never), "{states:?}");
        assert!(states.len() > 1, "{states:?}");
    }
}
