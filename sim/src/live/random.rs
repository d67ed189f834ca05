//! Random lives: from a seed and what has come of the host so far, the next step.
//!
//! The same seed on the same host gives the same steps in the same order. Nothing is played
//! here, and time plays no part: how fast the steps come is for `pace`.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use rand::{
    RngExt as _, SeedableRng as _,
    seq::{IndexedRandom as _, IteratorRandom as _},
};
use rand_chacha::ChaCha12Rng;
use rkt_api::layout::Phase;
use uuid::Uuid;

use super::{
    state::{HostState, PodState},
    step::{
        App, Ending, Holder, ImageName, ImageRef, Import, Network, Process, Remote, Start, Step,
        Transaction, Write,
    },
};
use crate::generate::{Dice, log_line};

/// The images that come and go: names, and whether they were Docker's.
const NAMES: [(&str, bool); 12] = [
    ("coreos.com/etcd", false),
    ("coreos.com/flannel", false),
    ("example.com/shop/web", false),
    ("example.com/shop/cart", false),
    ("example.com/tools/backup", false),
    ("example.com/tools/logrotate", false),
    ("quay.io/prometheus/node-exporter", false),
    ("registry-1.docker.io/library/nginx", true),
    ("registry-1.docker.io/library/redis", true),
    ("registry-1.docker.io/library/postgres", true),
    ("registry-1.docker.io/library/memcached", true),
    ("registry-1.docker.io/library/busybox", true),
];

/// The versions that each of them has.
const VERSIONS: [&str; 3] = ["1.0.3", "1.4.0", "2.1.7"];

/// What apps exit with, the usual more often.
const EXIT_CODES: [i32; 8] = [0, 0, 0, 0, 1, 2, 137, 143];

/// The most apps in a pod.
const MAX_APPS: usize = 3;

/// How likely it is that a journal is rotated where a line could have come.
const ROTATE: f64 = 0.05;

/// Makes up the next step of a host's life.
#[derive(Debug)]
pub struct Lives {
    rng: ChaCha12Rng,
    pods_max: usize,
    /// All images that may be imported, by id.
    catalogue: Arc<BTreeMap<String, Import>>,
}

/// What could happen next. The details are made up once it has been chosen.
#[derive(Clone, Debug)]
enum Next {
    Pod(Step),
    Create,
    Write(Uuid),
    Run(Uuid),
    Start(Uuid),
    AppAdd(Uuid),
    AppExit(Uuid, String),
    Log(Uuid, String),
    Exit(Uuid, Ending),
    Import,
    Remove,
    Use,
}

impl Lives {
    /// Lives of at most `pods_max` pods at a time, from a seed.
    ///
    /// # Errors
    ///
    /// When images cannot be made.
    pub fn new(seed: u64, pods_max: usize) -> io::Result<Self> {
        let mut catalogue = BTreeMap::new();
        for (name, is_dockers) in NAMES {
            for version in VERSIONS {
                let import = import(name, version, is_dockers);
                catalogue.insert(import.to_spec(0).blob_key()?, import);
            }
        }
        Ok(Self {
            rng: ChaCha12Rng::seed_from_u64(seed),
            pods_max,
            catalogue: Arc::new(catalogue),
        })
    }

    /// Lives of as many pods from another seed, without making all images again.
    #[must_use]
    pub fn reseeded(&self, seed: u64) -> Self {
        Self {
            rng: ChaCha12Rng::seed_from_u64(seed),
            pods_max: self.pods_max,
            catalogue: Arc::clone(&self.catalogue),
        }
    }

    /// The next step on a host in this state; a player can always play it.
    pub fn next(&mut self, state: &HostState) -> Step {
        let mut weighted = Vec::new();
        let room = self.pods_max.saturating_sub(state.pods.len());
        if room > 0 {
            // The emptier the host, the more pods are made.
            let eagerness = u32::try_from(room.min(20)).unwrap_or(0);
            weighted.push((5 + eagerness, Next::Create));
        }
        for (id, pod) in &state.pods {
            possible(*id, pod, &mut weighted);
        }
        if state.images.len() < self.catalogue.len() {
            weighted.push((3, Next::Import));
        }
        if !state.images.is_empty() {
            weighted.push((2, Next::Remove));
            weighted.push((4, Next::Use));
        }
        let next = self.choose(weighted);
        self.detail(next, state)
    }

    /// Chooses one of them, each as often as it weighs.
    fn choose(&mut self, weighted: Vec<(u32, Next)>) -> Next {
        // There is always something: images can be imported, or else be used.
        let total: u32 = weighted.iter().map(|(weight, _)| *weight).sum();
        let mut rest = self.rng.random_range(0..total.max(1));
        for (weight, next) in weighted {
            match rest.checked_sub(weight) {
                Some(less) => rest = less,
                None => return next,
            }
        }
        Next::Import
    }

    fn detail(&mut self, next: Next, state: &HostState) -> Step {
        match next {
            Next::Pod(step) => step,
            Next::Create => Step::Create { pod: self.uuid() },
            Next::Write(pod) => self.write(pod),
            Next::Run(pod) => Step::Run {
                pod,
                holder: match self.rng.random_bool(0.25) {
                    true => Holder::Child,
                    false => Holder::Simulator,
                },
            },
            Next::Start(pod) => self.start(pod),
            Next::AppAdd(pod) => self.app_add(pod, state),
            Next::AppExit(pod, app) => Step::AppExit {
                pod,
                app,
                code: self.pick(&EXIT_CODES).unwrap_or(0),
            },
            Next::Log(pod, app) => self.log(pod, app, state),
            Next::Exit(pod, by) => Step::Exit { pod, by },
            Next::Import => self.import(state),
            Next::Remove => Step::Remove {
                image: self.stored(state),
                via: self.transaction(),
            },
            Next::Use => Step::Use {
                image: self.stored(state),
                via: self.transaction(),
            },
        }
    }

    fn write(&mut self, pod: Uuid) -> Step {
        let mut apps: Vec<App> = Vec::new();
        for _ in 0..self.rng.random_range(1..=MAX_APPS) {
            let app = self.app();
            if apps.iter().all(|there| there.name != app.name) {
                apps.push(app);
            }
        }
        Step::Write(Write {
            apps,
            overlay: self.rng.random_bool(0.5),
            mutable: self.rng.random_bool(0.2),
            ..Write::new(pod)
        })
    }

    /// An app, named after its image.
    fn app(&mut self) -> App {
        let (name, _) = self.pick(&NAMES).unwrap_or(NAMES[0]);
        let version = self.pick(&VERSIONS).unwrap_or(VERSIONS[0]);
        let base_name = name.rsplit('/').next().unwrap_or(name);
        App::new(base_name, ImageName::new(name, version))
    }

    /// One more app, by a name that no other has.
    fn app_add(&mut self, pod: Uuid, state: &HostState) -> Step {
        let there = state.pods.get(&pod).map(|pod| pod.apps.as_slice());
        let there = there.unwrap_or_default();
        let mut app = self.app();
        if there.iter().any(|other| other.name == app.name) {
            // The number of apps only grows, so nobody had this one before.
            app.name = format!("{}-{}", app.name, there.len());
        }
        Step::AppAdd { pod, app }
    }

    fn start(&mut self, pod: Uuid) -> Step {
        let host = self.rng.random_range(2..=254);
        let ips = [
            ("default", IpAddr::from(Ipv4Addr::new(172, 16, 28, host))),
            (
                "cluster",
                Ipv6Addr::new(0xfd00, 0x5e, 0, 0, 0, 0, 0, host.into()).into(),
            ),
        ];
        let count = self.rng.random_range(0..=ips.len());
        let networks = ips.into_iter().take(count).map(|(name, ip)| Network {
            name: name.to_owned(),
            ip: Some(ip),
        });
        let process = self.rng.random_range(1000..=32_768);
        Step::Start(Start {
            networks: (count > 0).then(|| networks.collect()),
            process: Some(match self.rng.random_bool(0.25) {
                true => Process::Ppid(process),
                false => Process::Pid(process),
            }),
            ..Start::new(pod)
        })
    }

    /// A line, or once in a while the end of the file that lines go into.
    fn log(&mut self, pod: Uuid, app: String, state: &HostState) -> Step {
        let can_rotate = state.pods.get(&pod).is_some_and(|pod| pod.journal);
        if can_rotate && self.rng.random_bool(ROTATE) {
            return Step::Rotate { pod };
        }
        let text = log_line(&mut Dice::from_rng(&mut self.rng));
        Step::Log { pod, app, text }
    }

    fn import(&mut self, state: &HostState) -> Step {
        let missing = self.catalogue.iter();
        let missing = missing.filter(|(id, _)| !state.images.contains_key(*id));
        let chosen = missing.choose(&mut self.rng).map(|(_, import)| import);
        // A store that has them all gets one of them again.
        let chosen = chosen.or_else(|| self.catalogue.values().next()).cloned();
        let mut import = chosen.unwrap_or_else(|| import(NAMES[0].0, VERSIONS[0], false));
        let size_bytes = self.rng.random_range(1 << 20..1 << 28);
        import.size_bytes = Some(size_bytes);
        if self.rng.random_bool(0.5) {
            import.tree_store_size_bytes = size_bytes + size_bytes / 10;
        }
        import.via = self.transaction();
        Step::Import(import)
    }

    /// An image in the store.
    fn stored(&mut self, state: &HostState) -> ImageRef {
        let id = state.images.keys().choose(&mut self.rng);
        ImageRef::Id(id.cloned().unwrap_or_default())
    }

    fn transaction(&mut self) -> Transaction {
        match self.rng.random_bool(0.75) {
            true => Transaction::Log,
            false => Transaction::Rewrite,
        }
    }

    fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.rng.random()).into_uuid()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.choose(&mut self.rng).copied()
    }
}

/// What could happen to a pod next, and how likely that is.
fn possible(pod: Uuid, state: &PodState, weighted: &mut Vec<(u32, Next)>) {
    let mut add = |weight, next| weighted.push((weight, next));
    let step = Next::Pod;
    match (state.phase, state.locked) {
        (Phase::Embryo, false) => add(12, step(Step::Lock { pod })),
        (Phase::Embryo, true) => add(12, step(Step::Prepare { pod })),
        (Phase::Prepare, true) => {
            add(1, step(Step::Abort { pod }));
            if state.written {
                add(8, Next::Run(pod));
                add(4, step(Step::Prepared { pod }));
            } else {
                add(10, Next::Write(pod));
            }
        }
        (Phase::Prepare, false) => add(4, step(Step::Mark { pod })),
        (Phase::Prepared, true) => add(12, step(Step::Unlock { pod })),
        (Phase::Prepared, false) => {
            add(1, step(Step::Mark { pod }));
            if state.written {
                add(4, Next::Run(pod));
            }
        }
        (Phase::Run, true) if !state.started => add(12, Next::Start(pod)),
        (Phase::Run, true) => run(pod, state, weighted),
        (Phase::Run, false) => add(4, step(Step::Mark { pod })),
        (Phase::ExitedGarbage | Phase::Garbage, false) => {
            add(4, step(Step::Sweep { pod }));
            add(1, step(Step::Lock { pod }));
        }
        (Phase::ExitedGarbage | Phase::Garbage, true) => {
            add(8, step(Step::Sweep { pod }));
            add(1, step(Step::Unlock { pod }));
        }
    }
}

/// What could happen to a pod that runs.
fn run(pod: Uuid, state: &PodState, weighted: &mut Vec<(u32, Next)>) {
    let all_have_exited = state.apps.iter().all(|app| app.exit_code.is_some());
    let weight = if all_have_exited { 12 } else { 1 };
    for app in &state.apps {
        let name = app.name.clone();
        match (app.started, app.exit_code) {
            (true, None) => {
                weighted.push((2, Next::AppExit(pod, name.clone())));
                weighted.push((2, Next::Log(pod, name)));
            }
            (_, exit_code) if state.mutable => {
                let weight = if exit_code.is_none() { 8 } else { 1 };
                let app = name;
                weighted.push((weight, Next::Pod(Step::AppStart { pod, app })));
            }
            _ => {}
        }
    }
    if state.mutable && state.described && state.apps.len() <= MAX_APPS {
        weighted.push((2, Next::AppAdd(pod)));
    }
    weighted.push((weight, Next::Exit(pod, Ending::Close)));
    if state.held_by_child {
        weighted.push((weight, Next::Exit(pod, Ending::Kill)));
    }
}

fn import(name: &str, version: &str, is_dockers: bool) -> Import {
    let mut import = Import::new(ImageName::new(name, version));
    let base_name = name.rsplit('/').next().unwrap_or(name);
    if is_dockers {
        import.annotations = [
            (
                "appc.io/docker/registryurl",
                "registry-1.docker.io".to_owned(),
            ),
            ("appc.io/docker/repository", format!("library/{base_name}")),
            ("appc.io/docker/tag", version.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    } else {
        import.remote = Some(Remote {
            url: format!("https://{name}-{version}.aci"),
            etag: format!("\"{base_name}-{version}\""),
        });
    }
    import
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let first = |seed| {
            let mut lives = Lives::new(seed, 10).unwrap();
            let state = HostState::default();
            [(); 20].map(|()| lives.next(&state))
        };
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn another_seed_is_like_new() {
        let state = HostState::default();
        let mut new = Lives::new(2, 10).unwrap();
        let mut reseeded = Lives::new(1, 10).unwrap().reseeded(2);
        assert_eq!(reseeded.next(&state), new.next(&state));
    }

    #[test]
    fn a_host_without_pods_has_images_at_least() {
        let mut lives = Lives::new(0, 0).unwrap();
        let step = lives.next(&HostState::default());
        assert!(matches!(step, Step::Import(_)), "{step:?}");
    }
}
