//! Random hosts and random requests, beyond those that cases list: whatever comes out is held
//! against the model, message by message.
//!
//! Everything follows from a seed, so each can be had again. What fails is made smaller, first
//! the request, then the host, as long as it still fails: what is left is told, with the words
//! to try it again.

mod ask;
mod host;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rkt_api::api::{Image, Pod};
use rkt_sim::spec::HostSpec;

use self::ask::{Ask, InspectRequest, ListRequest};
use crate::{
    case::{Case, Failure, Method, Objection, On, Verdict},
    clause::{self, Clause},
    hosts,
    setting::SettingError,
    stage::Stage,
};

/// What stands in the names of random cases, and of no others.
pub(crate) const PART: &str = "/random/";

/// How many requests a random host has to answer.
const REQUESTS: usize = 24;

/// How many hosts are made at most to find a smaller one.
const HOSTS: usize = 48;

/// How long is looked for something smaller: a case has a deadline.
const PATIENCE: Duration = Duration::from_secs(25);

/// Which random hosts to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct RandomArgs {
    /// Instead of the listed cases, try so many random hosts, with random requests to each
    #[arg(long, value_name = "N")]
    pub random: Option<u32>,

    /// Which random host is the first; each has a number of its own
    #[arg(long, value_name = "S", default_value_t = 1, requires = "random")]
    pub seed: u64,
}

impl RandomArgs {
    /// A case for each random host, if any are asked for.
    pub fn cases(&self) -> Option<Vec<Case>> {
        let seeds = (0..self.random?).map(|number| self.seed.wrapping_add(number.into()));
        Some(seeds.map(case).collect())
    }
}

/// The case of a random host that has this name; so what a report names can be run again.
pub fn named(name: &str) -> Option<Case> {
    let (_, seed) = name.rsplit_once(PART)?;
    let case = case(seed.parse().ok()?);
    (case.name() == name).then_some(case)
}

/// The case of a random host. Each asks for another thing than its neighbours.
fn case(seed: u64) -> Case {
    match seed % 4 {
        0 => of::<ListRequest<Pod>>(Method::ListPods, &clause::F_P9, seed),
        1 => of::<ListRequest<Image>>(Method::ListImages, &clause::F_I7, seed),
        2 => of::<InspectRequest<Pod>>(Method::InspectPod, &clause::P_17, seed),
        _ => of::<InspectRequest<Image>>(Method::InspectImage, &clause::IM_6, seed),
    }
}

fn of<A: Ask>(method: Method, clause: &'static Clause, seed: u64) -> Case {
    let content = format!("random/{seed}");
    let check = move |stage| check::<A>(stage, seed);
    Case::new(method, clause, content, check).on(On::Still(&hosts::EMPTY))
}

async fn check<A: Ask>(stage: Stage, seed: u64) -> Verdict {
    let spec = host::random(seed).map_err(|error| Objection::skip(error.to_string()))?;
    let made = beside(&stage, spec.clone()).await?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..REQUESTS {
        let request = A::draw(&made, &mut rng).await?;
        let verdict = request.check(&made).await;
        if let Err(Objection::Fail(failure)) = verdict {
            let found = Found {
                request,
                spec,
                failure,
            };
            return Err(found.smallest(&stage, made).await.objection(seed));
        }
        verdict?;
    }
    Ok(())
}

/// A host made from the description, with a server like that of `stage`.
async fn beside(stage: &Stage, spec: HostSpec) -> Result<Stage, Objection> {
    let setting = stage.setting()?.beside(spec).await;
    let setting = setting.map_err(|error| match error {
        SettingError::Host(_) => Objection::skip(error.to_string()),
        SettingError::Server(error) => error.objection("a start on a random host", "an answer"),
    })?;
    let target = setting.target().await;
    let target = target.map_err(|error| error.objection("GetInfo {}", "an answer"))?;
    Ok(Stage::known(Arc::new(target), Arc::new(setting)))
}

/// A request that a server fails, and the host that it does so on.
struct Found<A> {
    request: A,
    spec: HostSpec,
    failure: Failure,
}

impl<A: Ask> Found<A> {
    /// The smallest that is found before patience ends.
    async fn smallest(mut self, stage: &Stage, made: Stage) -> Self {
        let until = Instant::now() + PATIENCE;
        self.with_smaller_request(&made, until).await;
        drop(made);
        let mut tries = HOSTS;
        // First large parts of the host are left out, in the end single things.
        let mut parts = 2;
        while tries > 0 && Instant::now() < until {
            let mut is_smaller = false;
            for spec in host::without_a_part(&self.spec, parts) {
                if tries == 0 || Instant::now() >= until {
                    break;
                }
                tries -= 1;
                let Ok(made) = beside(stage, spec.clone()).await else {
                    continue;
                };
                if let Err(Objection::Fail(failure)) = self.request.check(&made).await {
                    (self.spec, self.failure) = (spec, failure);
                    self.with_smaller_request(&made, until).await;
                    is_smaller = true;
                    break;
                }
            }
            if !is_smaller && parts >= self.spec.pods.len().max(self.spec.images.len()) {
                break;
            }
            if !is_smaller {
                parts *= 2;
            }
        }
        self
    }

    /// Makes the request smaller as long as it fails on the same host.
    async fn with_smaller_request(&mut self, made: &Stage, until: Instant) {
        'smaller: while Instant::now() < until {
            for request in self.request.smaller() {
                if let Err(Objection::Fail(failure)) = request.check(made).await {
                    (self.request, self.failure) = (request, failure);
                    continue 'smaller;
                }
            }
            return;
        }
    }

    fn objection(self, seed: u64) -> Objection {
        let host = host::in_words(&self.spec);
        let again = format!("again: rkt-conformance run --random 1 --seed {seed}");
        Objection::Fail(Failure {
            request: format!("{}, on a host with {host} ({again})", self.failure.request),
            ..self.failure
        })
    }
}

/// Whether something happens that happens so many times out of a hundred.
fn percent(rng: &mut ChaCha8Rng, chance: u8) -> bool {
    rng.random_range(0..100) < chance
}

/// One of the things; `None` where there are none.
fn pick<'a, T>(rng: &mut ChaCha8Rng, things: &'a [T]) -> Option<&'a T> {
    match things.len() {
        0 => None,
        count => things.get(rng.random_range(0..count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_random_host_is_a_case_with_a_name_of_its_own() {
        let args = RandomArgs {
            random: Some(4),
            seed: u64::MAX,
        };
        let cases = args.cases().unwrap();
        let names: Vec<&str> = cases.iter().map(Case::name).collect();
        let wanted = [
            "InspectImage/IM-6/random/18446744073709551615",
            "ListPods/F-P9/random/0",
            "ListImages/F-I7/random/1",
            "InspectPod/P-17/random/2",
        ];
        assert_eq!(names, wanted);
        for name in names {
            assert_eq!(named(name).unwrap().name(), name);
        }
        assert!(RandomArgs::default().cases().is_none());
    }

    #[test]
    fn other_names_are_no_random_hosts() {
        for name in [
            "",
            "ListPods/F-P9/random/1",
            "ListPods/F-P9/random/x",
            "ListPods/F-P9",
        ] {
            assert!(named(name).is_none(), "{name}");
        }
    }
}
