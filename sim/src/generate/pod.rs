//! The pods of a host: those that are listed, and those that are only counted.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use super::{
    Clock, Error, Mistake, Stream, app::Apps, image::one_of, images::Images, is_name, words,
};
use crate::{
    spec::{
        App, ExposedPort, MUTABLE_ANNOTATION, Network, Phase, Pod, Process, Started, Volume,
        VolumeKind,
    },
    spec_file::{
        Brief, Given, KubernetesSpec, NetworkSpec, Networks, Path, PodSpec, SpecFile, State, Style,
    },
};

const NS_PER_S: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// Makes all pods.
pub(super) struct Pods<'a> {
    pub(super) file: &'a SpecFile,
    pub(super) stream: &'a Stream,
    pub(super) clock: &'a Clock,
}

impl Pods<'_> {
    /// The listed pods in their order, then the counted ones.
    pub(super) fn resolve(&self, images: &mut Images<'_>) -> Result<Vec<Pod>, Error> {
        let mut pods = Vec::new();
        let mut ids = BTreeSet::new();
        for (index, spec) in self.file.pods.iter().enumerate() {
            let at = Path::default().key("pods").index(index);
            let name = spec.id.map_or("pod".to_owned(), |id| format!("pod {id}"));
            let nth = if spec.id.is_some() { 0 } else { index };
            let stream = self.stream.child(&name, nth);
            let pod = self.pod(spec, &stream, Number::Listed(index), &at);
            let pod = pod.resolve(images)?;
            if !ids.insert(pod.id) {
                let (what, value) = ("pods", pod.id.to_string());
                return Err(Mistake::Twice { what, value }.at(at.key("id")));
            }
            pods.push(pod);
        }
        let style = self.file.generate.style.unwrap_or_default();
        for index in 0..self.file.generate.pods.unwrap_or(0) as usize {
            let at = Path::default().key("generate").key("pods");
            let stream = self.stream.child("counted pod", index);
            let spec = made_up(&stream, style);
            let pod = self.pod(&spec, &stream, Number::Counted(index), &at);
            let pod = pod.resolve(images)?;
            // A listed pod may have, by design, the id that would have been this one's.
            if ids.insert(pod.id) {
                pods.push(pod);
            }
        }
        Ok(pods)
    }

    fn pod<'a>(
        &'a self,
        spec: &'a PodSpec,
        stream: &'a Stream,
        number: Number,
        at: &'a Path,
    ) -> Maker<'a> {
        Maker {
            log_lines: self.file.generate.log_lines.unwrap_or(0),
            stream,
            clock: self.clock,
            spec,
            number,
            at,
        }
    }
}

/// A pod that nothing is said of, on a host of some style.
fn made_up(stream: &Stream, style: Style) -> PodSpec {
    use State as S;

    let usual = |state| (state, None);
    let never_ran = |state| (state, Some(crate::spec_file::PhaseName::Garbage));
    let (kubernetes, states): (u8, &[_]) = match style {
        Style::Mixed => (
            30,
            &[
                (52, usual(S::Running)),
                (20, usual(S::Exited)),
                (6, usual(S::Prepared)),
                (8, usual(S::Garbage)),
                (4, never_ran(S::Garbage)),
                (3, usual(S::AbortedPrepare)),
                (3, usual(S::Preparing)),
                (2, usual(S::Deleting)),
                (1, never_ran(S::Deleting)),
                (1, usual(S::Embryo)),
            ],
        ),
        Style::Kubernetes => (
            100,
            &[
                (78, usual(S::Running)),
                (18, usual(S::Exited)),
                (4, usual(S::Garbage)),
            ],
        ),
        Style::Jobs => (
            0,
            &[
                (8, usual(S::Running)),
                (66, usual(S::Exited)),
                (4, usual(S::Prepared)),
                (14, usual(S::Garbage)),
                (3, never_ran(S::Garbage)),
                (3, usual(S::AbortedPrepare)),
                (1, usual(S::Preparing)),
                (1, usual(S::Deleting)),
            ],
        ),
    };
    let mut dice = stream.of("state");
    let (state, phase) = dice.weighted(states).unwrap_or((S::Running, None));
    PodSpec {
        state: Some(state),
        phase,
        kubernetes: dice.percent(kubernetes).then(KubernetesSpec::default),
        ..PodSpec::default()
    }
}

/// Which of the pods it is: what differs from pod to pod goes by that.
#[derive(Clone, Copy)]
enum Number {
    Listed(usize),
    Counted(usize),
}

/// Makes one pod.
struct Maker<'a> {
    stream: &'a Stream,
    clock: &'a Clock,
    spec: &'a PodSpec,
    number: Number,
    at: &'a Path,
    log_lines: u32,
}

impl Maker<'_> {
    fn resolve(&self, images: &mut Images<'_>) -> Result<Pod, Error> {
        let spec = self.spec;
        let (phase, locked) = self.phase()?;
        let id = || uuid::Builder::from_random_bytes(self.stream.of("id").bytes()).into_uuid();
        let mut pod = Pod::new(spec.id.unwrap_or_else(id), phase);
        pod.locked = locked;
        pod.manifest = spec.manifest;
        pod.overlay = spec
            .overlay
            .unwrap_or_else(|| self.stream.of("overlay").percent(80));
        self.times(&mut pod)?;
        let apps = Apps {
            stream: self.stream,
            clock: self.clock,
            pod: spec,
            log_lines: self.log_lines,
            at: self.at,
        };
        pod.apps = apps.resolve(&pod, images)?;
        pod.exited_at_ns = self.exited(&pod)?;
        pod.annotations = self.annotations(&pod);
        pod.subcgroup = self.subcgroup(pod.id);
        pod.networks = self.networks();
        pod.volumes = self.volumes(&pod.apps)?;
        pod.ports = self.ports(&pod)?;
        pod.isolators.clone_from(&spec.isolators);
        pod.user_annotations.clone_from(&spec.user_annotations);
        pod.user_labels.clone_from(&spec.user_labels);
        if let Some(journal) = &spec.journal {
            pod.journal = super::journal::journal(journal, &self.at.key("journal"))?;
        }
        self.check_mounts(&pod)?;
        Ok(pod)
    }

    fn phase(&self) -> Result<(Phase, bool), Error> {
        let spec = self.spec;
        let state = match (spec.state, spec.phase) {
            (Some(state), _) => state,
            (None, None) => State::Running,
            (None, Some(phase)) => return Ok((phase.into(), spec.locked.unwrap_or(false))),
        };
        let (usual_phase, usual_lock) = state.usual();
        let phase = spec.phase.map_or(usual_phase, Phase::from);
        let locked = spec.locked.unwrap_or(usual_lock);
        let is = State::of(phase, locked);
        // Without a state nothing can contradict it: who says `locked: false` of a pod and no
        // more means one that has exited.
        if is == state || spec.state.is_none() {
            return Ok((phase, locked));
        }
        let said = state;
        let mistake = Mistake::State {
            said,
            is,
            phase,
            locked,
        };
        Err(mistake.at(self.at.key("state")))
    }

    fn times(&self, pod: &mut Pod) -> Result<(), Error> {
        let spec = self.spec;
        let mut dice = self.stream.of("times");
        // How long ago it was made, at the least and the most, in seconds.
        let (least, most) = match State::of(pod.phase, pod.locked) {
            State::Embryo | State::Preparing => (1, 20),
            State::Prepared | State::AbortedPrepare => (300, 12 * 3600),
            State::Running => (300, 25 * DAY_S),
            State::Exited => (600, 5 * DAY_S),
            State::Deleting | State::Garbage => (3600, 7 * DAY_S),
        };
        let age_ns = dice.magnitude(least, most) * NS_PER_S - dice.number(0, NS_PER_S);
        let startup_ns = dice.number(NS_PER_S * 2 / 5, 4 * NS_PER_S);
        let started = match spec.started.as_ref() {
            Given::Value(time) => Some(self.clock.ns(*time, &self.at.key("started"))?),
            _ => None,
        };
        pod.created_at_ns = match (spec.created, started) {
            (Some(time), _) => self.clock.ns(time, &self.at.key("created"))?,
            (None, Some(started)) => started - startup_ns,
            (None, None) => self.clock.base_ns() - age_ns,
        };
        let start = spec.started != Given::Nothing;
        if spec.pid.is_some() && spec.ppid.is_some() {
            return Err(Mistake::TwoProcesses.at(self.at.key("ppid")));
        }
        if !start && (spec.pid.is_some() || spec.ppid.is_some()) {
            let key = if spec.pid.is_some() { "pid" } else { "ppid" };
            return Err(Mistake::NotStarted.at(self.at.key(key)));
        }
        pod.started = start.then(|| Started {
            process: self.process(),
            at_ns: started.unwrap_or(pod.created_at_ns + startup_ns),
        });
        Ok(())
    }

    /// When a pod exited that has: with its last app.
    fn exited(&self, pod: &Pod) -> Result<Option<i64>, Error> {
        let has_run = matches!(pod.phase, Phase::Run | Phase::ExitedGarbage);
        let started = pod.started.filter(|_| has_run && !pod.locked);
        let (Some(started), at) = (started, self.at.key("exited")) else {
            return Ok(None);
        };
        let said = self.spec.exited;
        let said = said.map(|time| self.clock.ns(time, &at)).transpose()?;
        if said.is_some_and(|said| said < started.at_ns) {
            return Err(Mistake::ExitsEarly.at(at));
        }
        let apps = pod.apps.iter().filter_map(|app| app.exited_at_ns);
        Ok(said.or(apps.max()))
    }

    fn process(&self) -> Process {
        let spec = self.spec;
        match (spec.pid, spec.ppid) {
            (Some(pid), _) => Process::Pid(pid),
            (None, Some(ppid)) => Process::Ppid(ppid),
            (None, None) => {
                // Each has a range of its own, so that no two are the same.
                const RANGE: i64 = 16;
                let (first, index) = match self.number {
                    Number::Listed(index) => (1000, index),
                    Number::Counted(index) => (40_000, index),
                };
                let index = i64::try_from(index).unwrap_or_default();
                let pid = first + index * RANGE + self.stream.of("pid").number(0, RANGE);
                let pid = i32::try_from(pid).unwrap_or(i32::MAX);
                if spec.kubernetes.is_some() {
                    Process::Ppid(pid)
                } else {
                    Process::Pid(pid)
                }
            }
        }
    }

    fn annotations(&self, pod: &Pod) -> Vec<(String, String)> {
        let spec = self.spec;
        let own = spec.annotations.get(MUTABLE_ANNOTATION).is_some();
        // Kubernetes wrote its manifests itself.
        let usual = (!own && spec.kubernetes.is_none()).then_some(false);
        let mutable = spec.mutable.or_else(|| usual);
        let mutable = mutable.map(|is| (MUTABLE_ANNOTATION.to_owned(), is.to_string()));
        let mut annotations: Vec<_> = mutable.into_iter().collect();
        if let Some(kubernetes) = &spec.kubernetes {
            annotations.extend(self.kubernetes(kubernetes, pod));
        }
        let mut dice = self.stream.of("annotations");
        if matches!(self.number, Number::Counted(_)) && dice.percent(30) {
            annotations.extend(one_of(&mut dice, words::ANNOTATIONS));
        }
        annotations.extend(spec.annotations.0.iter().cloned());
        annotations
    }

    fn kubernetes(&self, spec: &KubernetesSpec, pod: &Pod) -> [(String, String); 6] {
        // Without vowels, so that no words come out of it.
        const LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";

        let mut dice = self.stream.of("kubernetes");
        let uid = uuid::Builder::from_random_bytes(dice.bytes()).into_uuid();
        let base = pod.apps.last().map_or("pod", |app| app.name.as_str());
        let set = dice.number(100_000_000, 4_000_000_000);
        let name = format!("{base}-{set}-{}", dice.text(LETTERS, 5));
        let namespace = dice.word(words::NAMESPACES);
        let restarts = if dice.percent(15) {
            dice.small(1, 9)
        } else {
            0
        };
        [
            ("rkt.kubernetes.io/managed-by-kubelet", "true".to_owned()),
            (
                "io.kubernetes.pod.uid",
                spec.uid.clone().unwrap_or(uid.to_string()),
            ),
            ("io.kubernetes.pod.name", spec.name.clone().unwrap_or(name)),
            (
                "io.kubernetes.pod.namespace",
                spec.namespace.clone().unwrap_or(namespace.to_owned()),
            ),
            (
                "rkt.kubernetes.io/restart-count",
                spec.restart_count.unwrap_or(restarts.into()).to_string(),
            ),
            (
                "rkt.kubernetes.io/termination-message-path",
                "/dev/termination-log".to_owned(),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    fn subcgroup(&self, id: Uuid) -> Option<String> {
        let made_up = || match self.spec.kubernetes {
            Some(_) => format!("system.slice/k8s_{id}.service"),
            None => {
                let id = id.to_string().replace('-', r"\x2d");
                format!(r"machine.slice/machine-rkt\x2d{id}.scope")
            }
        };
        let cgroup = self.spec.cgroup.clone().or_else(|| Some(made_up()));
        cgroup.map(|cgroup| cgroup.strip_prefix('/').unwrap_or(&cgroup).to_owned())
    }

    fn networks(&self) -> Option<Vec<Network>> {
        let network = |(index, spec): (usize, &Brief<NetworkSpec>)| Network {
            name: spec.0.name.clone(),
            ip: spec.0.ip.or_else(|| Some(self.ipv4(index))),
        };
        let mut dice = self.stream.of("networks");
        match (&self.spec.networks, &self.spec.kubernetes) {
            (Some(Networks::Host), _) => None,
            (Some(Networks::Own(own)), _) => Some(own.iter().enumerate().map(network).collect()),
            (None, _) if dice.percent(8) => None,
            (None, Some(_)) => Some(vec![Network::new("rkt.kubernetes.io", self.ipv4(1))]),
            (None, None) => {
                let mut networks = vec![Network::new("default", self.ipv4(0))];
                if dice.percent(15) {
                    let name = dice.word(words::NETWORKS);
                    let bytes = dice.bytes();
                    let mut ip = [0; 16];
                    ip[..8].copy_from_slice(&[0xfd, 0, 0x5e, 0, 0, 0, 0, 0]);
                    ip[8..].copy_from_slice(&bytes[8..]);
                    networks.push(Network::new(name, Ipv6Addr::from(ip)));
                }
                Some(networks)
            }
        }
    }

    /// The pod's address in its nth network. No two pods have the same.
    fn ipv4(&self, nth: usize) -> IpAddr {
        // Addresses in a network of 256 that pods can have.
        const HOSTS: usize = 250;
        let (start, index) = match self.number {
            Number::Listed(index) => (28, index),
            Number::Counted(index) => (0x1_00, index),
        };
        let network = start + index / HOSTS;
        let byte = |n: usize| u8::try_from(n % 256).unwrap_or_default();
        let host = byte(2 + index % HOSTS);
        let (a, b) = if nth == 0 { (172, 16) } else { (10, 2 + nth) };
        Ipv4Addr::new(a, byte(b + network / 256), byte(network), host).into()
    }

    /// The volumes: those that are listed, else what the apps mount.
    fn volumes(&self, apps: &[App]) -> Result<Vec<Volume>, Error> {
        let at = self.at.key("volumes");
        if let Some(volumes) = &self.spec.volumes {
            let mut names = BTreeSet::new();
            for (index, volume) in volumes.iter().enumerate() {
                let at = at.index(index).key("name");
                if !is_name(&volume.name, "-") {
                    return Err(Mistake::Name(volume.name.clone()).at(at));
                }
                if !names.insert(&volume.name) {
                    let (what, value) = ("volumes", volume.name.clone());
                    return Err(Mistake::Twice { what, value }.at(at));
                }
            }
            return Ok(volumes.clone());
        }
        let mounts = apps.iter().flat_map(|app| &app.mounts);
        let names: BTreeSet<_> = mounts.map(|mount| &mount.volume).collect();
        let volume = |(index, name): (usize, &String)| {
            let host = self.stream.child("volume", index).of("kind").percent(40);
            Volume {
                name: name.clone(),
                kind: if host {
                    VolumeKind::Host
                } else {
                    VolumeKind::Empty
                },
                source: host.then(|| format!("/srv/{name}")),
                read_only: None,
                recursive: None,
                mode: (!host).then(|| "0755".to_owned()),
                uid: (!host).then_some(0),
                gid: (!host).then_some(0),
            }
        };
        Ok(names.into_iter().enumerate().map(volume).collect())
    }

    fn ports(&self, pod: &Pod) -> Result<Vec<ExposedPort>, Error> {
        if let Some(ports) = &self.spec.ports {
            for (index, port) in ports.iter().enumerate() {
                if !is_name(&port.name, "-") {
                    let at = self.at.key("ports").index(index).key("name");
                    return Err(Mistake::Name(port.name.clone()).at(at));
                }
            }
            return Ok(ports.clone());
        }
        let mut dice = self.stream.of("ports");
        let settings = pod.apps.iter().map(|app| {
            let own = app.settings.as_ref();
            own.unwrap_or(&app.image.settings)
        });
        let port = settings.flat_map(|settings| &settings.ports).next();
        let exposed = pod.networks.is_some() && self.spec.kubernetes.is_none() && dice.percent(30);
        let port = port.filter(|_| exposed).map(|port| ExposedPort {
            name: port.name.clone(),
            host_port: dice.small(20_000, 32_000),
            host_ip: None,
            pod_port: None,
        });
        Ok(port.into_iter().collect())
    }

    fn check_mounts(&self, pod: &Pod) -> Result<(), Error> {
        let names: BTreeSet<_> = pod.volumes.iter().map(|volume| &volume.name).collect();
        for (app, index) in pod.apps.iter().zip(0..) {
            for (mount, nth) in app.mounts.iter().zip(0..) {
                if !names.contains(&mount.volume) {
                    let at = self.at.key("apps").index(index).key("mounts").index(nth);
                    return Err(Mistake::NoVolume(mount.volume.clone()).at(at.key("volume")));
                }
            }
        }
        Ok(())
    }
}
