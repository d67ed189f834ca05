//! Facts to messages, in both dialects. This is the one place that knows where rkt 1.30.0's
//! answers differ from the document's; [`Rules`] is the table of it.

use std::net::IpAddr;

use super::Dialect;
use crate::{
    api::{
        App, AppState, Event, EventType, Image, ImageFormat, ImageType, KeyValue, Network, Pod,
        PodState,
    },
    formats::{
        appc::{BaseFormat, NameValue, PodApp},
        netinfo::NetInfo,
    },
    host::{AppFacts, AppImage, Depth, ImageFacts, PodFacts, State},
    inventory::{self, EventKind},
    layout::Phase,
};

/// Turns facts into messages of one dialect.
pub(super) struct View {
    rules: Rules,
    appc_version: String,
}

/// Which call a pod is shown by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PodCall {
    List { detail: bool },
    Inspect,
}

/// Where the dialects differ, each with its clause.
struct Rules {
    /// S-1, S-9, S-10: pods in `embryo/` and `garbage/` exist.
    early_and_garbage_pods: bool,
    /// S-7: DELETING is a state; else such a pod is UNDEFINED and has nothing of its run.
    deleting: bool,
    /// P-1: PREPARING and ABORTED_PREPARE pods have what their manifest says.
    preparing_manifests: bool,
    /// P-2: ListPods has apps whatever `detail` says.
    apps_without_detail: bool,
    /// P-4: what a pod without process has for a pid.
    no_pid: i32,
    /// P-5: EXITED pods are still in their networks.
    exited_networks: bool,
    /// P-5: addresses by family, a missing one left out; else all in `ipv4`, a missing one
    /// as Go prints it.
    address_families: bool,
    /// P-12, IM-4: images say whether they were Docker's.
    base_formats: bool,
    /// P-13, P-14: ListPods has the states and exit codes of apps.
    listed_app_states: bool,
    /// P-13, P-14: an app can have exited in a RUNNING pod, and has an exit code only then;
    /// else it is RUNNING, beside whatever exit code its status file has.
    exits_in_running_pods: bool,
    /// L-1: an unknown app is an error; else it has no lines.
    unknown_apps_refused: bool,
    /// L-2: without a name, logs are those of the apps; else all that is in the journal.
    logs_of_apps_only: bool,
    /// L-3: `lines` counts lines; else entries.
    lines_counted: bool,
}

impl Rules {
    const DOCUMENTED: Self = Self {
        early_and_garbage_pods: true,
        deleting: true,
        preparing_manifests: false,
        apps_without_detail: false,
        no_pid: 0,
        exited_networks: false,
        address_families: true,
        base_formats: true,
        listed_app_states: false,
        exits_in_running_pods: true,
        unknown_apps_refused: true,
        logs_of_apps_only: true,
        lines_counted: true,
    };

    const RKT_1_30: Self = Self {
        early_and_garbage_pods: false,
        deleting: false,
        preparing_manifests: true,
        apps_without_detail: true,
        no_pid: -1,
        exited_networks: true,
        address_families: false,
        base_formats: false,
        listed_app_states: true,
        exits_in_running_pods: false,
        unknown_apps_refused: false,
        logs_of_apps_only: false,
        lines_counted: false,
    };
}

impl View {
    /// A view in `dialect`; `appc_version` is the version of images that were ACIs from the
    /// start.
    pub(super) fn new(dialect: Dialect, appc_version: String) -> Self {
        let rules = match dialect {
            Dialect::Documented => Rules::DOCUMENTED,
            Dialect::Rkt130 => Rules::RKT_1_30,
        };
        Self {
            rules,
            appc_version,
        }
    }

    /// Whether pods in `phase` exist for a client.
    pub(super) fn shows(&self, phase: Phase) -> bool {
        self.rules.early_and_garbage_pods || !matches!(phase, Phase::Embryo | Phase::Garbage)
    }

    /// Whether it is an error to ask for the logs of an app that nobody knows (L-1).
    pub(super) fn refuses_unknown_apps(&self) -> bool {
        self.rules.unknown_apps_refused
    }

    /// Whether the logs of a pod are those of its apps, or all that is in its journal (L-2).
    pub(super) fn logs_of_apps_only(&self) -> bool {
        self.rules.logs_of_apps_only
    }

    /// Whether log lines are counted, or entries (L-3).
    pub(super) fn counts_lines(&self) -> bool {
        self.rules.lines_counted
    }

    /// How much of a pod a call shows.
    pub(super) fn depth(&self, call: PodCall) -> Depth {
        match call {
            PodCall::Inspect => Depth::Statuses,
            PodCall::List { .. } if self.rules.listed_app_states => Depth::Statuses,
            PodCall::List { detail: true } => Depth::Images,
            PodCall::List { detail: false } => Depth::Pod,
        }
    }

    /// The whole pod, with what `call` may not want to see but filters look at. `None` when
    /// there is no such pod for a client. Only [`Self::cut`] looks at `detail`. `cgroup` is the
    /// pod's where that is not among the facts.
    pub(super) fn pod(&self, facts: &PodFacts, cgroup: Option<&str>, call: PodCall) -> Option<Pod> {
        if !self.shows(facts.phase) {
            return None;
        }
        let mut pod = Pod {
            id: facts.id.hyphenated().to_string(),
            pid: self.rules.no_pid,
            state: self.state(facts.state).into(),
            ..Pod::default()
        };
        let unprepared = matches!(
            facts.state,
            State::Embryo | State::Preparing | State::AbortedPrepare
        );
        if unprepared && !self.rules.preparing_manifests {
            return Some(pod);
        }
        self.fill_manifest(&mut pod, facts, call);
        if unprepared || self.is_undefined(facts.state) {
            return Some(pod);
        }
        pod.pid = facts.pid.unwrap_or(self.rules.no_pid);
        pod.created_at = facts.created_at_ns.unwrap_or(0);
        pod.started_at = facts.started_at_ns.unwrap_or(0);
        pod.gc_marked_at = facts.marked_at_ns.unwrap_or(0);
        let cgroup = facts.cgroup.as_deref().or(cgroup);
        pod.cgroup = cgroup.unwrap_or_default().to_owned();
        if facts.state == State::Running
            || (facts.state == State::Exited && self.rules.exited_networks)
        {
            pod.networks = facts.networks.iter().map(|n| self.network(n)).collect();
        }
        Some(pod)
    }

    /// Takes out of a listed pod what `detail` does not ask for (P-2).
    pub(super) fn cut(&self, pod: Pod, call: PodCall) -> Pod {
        match call {
            PodCall::List { detail: false } => Pod {
                manifest: Default::default(),
                apps: match self.rules.apps_without_detail {
                    true => pod.apps,
                    false => Vec::new(),
                },
                ..pod
            },
            PodCall::List { detail: true } | PodCall::Inspect => pod,
        }
    }

    /// S-7: a state that the dialect has no name for.
    fn is_undefined(&self, state: State) -> bool {
        state == State::Deleting && !self.rules.deleting
    }

    /// What a pod's state is called.
    pub(super) fn state(&self, state: State) -> PodState {
        match state {
            _ if self.is_undefined(state) => PodState::Undefined,
            State::Unknown => PodState::Undefined,
            State::Embryo => PodState::Embryo,
            State::Preparing => PodState::Preparing,
            State::AbortedPrepare => PodState::AbortedPrepare,
            State::Prepared => PodState::Prepared,
            State::Running => PodState::Running,
            State::Exited => PodState::Exited,
            State::Deleting => PodState::Deleting,
            State::Garbage => PodState::Garbage,
        }
    }

    fn fill_manifest(&self, pod: &mut Pod, facts: &PodFacts, call: PodCall) {
        let Some(manifest) = &facts.manifest else {
            return;
        };
        pod.manifest = manifest.bytes.clone();
        pod.annotations = key_values(&manifest.manifest.annotations);
        let apps = manifest.manifest.apps.iter().zip(&manifest.apps);
        pod.apps = apps
            .map(|(app, app_facts)| self.app(app, app_facts, facts, call))
            .collect();
    }

    fn app(&self, app: &PodApp, app_facts: &AppFacts, pod: &PodFacts, call: PodCall) -> App {
        let (state, exit_code) = match call {
            PodCall::List { .. } if !self.rules.listed_app_states => (AppState::Undefined, 0),
            _ => self.app_state(app_facts, pod),
        };
        App {
            name: app.name.clone(),
            image: Some(self.app_image(&app.image_id, app_facts.image.as_ref())),
            state: state.into(),
            exit_code,
            annotations: key_values(&app.annotations),
        }
    }

    /// An app's state and exit code (P-13, P-14).
    fn app_state(&self, app: &AppFacts, pod: &PodFacts) -> (AppState, i32) {
        let exit_code = app.status.and_then(|status| status.exit_code).unwrap_or(0);
        match (pod.phase, pod.state) {
            _ if self.is_undefined(pod.state) => (AppState::Undefined, 0),
            (_, State::Running) if !self.rules.exits_in_running_pods => {
                (AppState::Running, exit_code)
            }
            (_, State::Running) if app.status.is_none() => (AppState::Running, 0),
            (_, State::Running | State::Exited) | (Phase::ExitedGarbage, _) => {
                (AppState::Exited, exit_code)
            }
            _ => (AppState::Undefined, 0),
        }
    }

    /// The image of an app (P-12).
    fn app_image(&self, id: &str, image: Option<&AppImage>) -> Image {
        let format = image.map(|image| image.format).unwrap_or_default();
        Image {
            base_format: Some(self.image_format(format)),
            id: id.to_owned(),
            name: image.map(|image| image.name.clone()).unwrap_or_default(),
            version: image.map(|image| image.version.clone()).unwrap_or_default(),
            ..Image::default()
        }
    }

    /// An image of the store, with its manifest.
    pub(super) fn image(&self, facts: &ImageFacts) -> Image {
        let manifest = &facts.manifest;
        Image {
            base_format: Some(self.image_format(manifest.base_format())),
            id: facts.key.clone(),
            name: manifest.name.clone(),
            version: manifest.version().to_owned(),
            import_timestamp: facts.imported_at_s,
            manifest: facts.manifest_bytes.clone(),
            size: facts.size_bytes,
            annotations: key_values(&manifest.annotations),
            labels: key_values(&manifest.labels),
        }
    }

    /// Something that has happened: in both dialects the same, rkt 1.30.0 having had none.
    pub(super) fn event(&self, event: &inventory::Event) -> Event {
        let kind = match event.kind {
            EventKind::PodPrepared => EventType::PodPrepared,
            EventKind::PodPrepareAborted => EventType::PodPrepareAborted,
            EventKind::PodStarted => EventType::PodStarted,
            EventKind::PodExited => EventType::PodExited,
            EventKind::PodGarbageCollected => EventType::PodGarbageCollected,
            EventKind::AppStarted => EventType::AppStarted,
            EventKind::AppExited => EventType::AppExited,
            EventKind::ImageImported => EventType::ImageImported,
            EventKind::ImageRemoved => EventType::ImageRemoved,
        };
        let data = event.data.iter().map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: value.clone(),
        });
        Event {
            r#type: kind.into(),
            id: event.id.clone(),
            from: event.from.clone(),
            time: event.time_s,
            data: data.collect(),
        }
    }

    fn image_format(&self, format: BaseFormat) -> ImageFormat {
        let format = match self.rules.base_formats {
            true => format,
            false => BaseFormat::Appc,
        };
        let (kind, version) = match format {
            BaseFormat::Appc => (ImageType::Appc, self.appc_version.as_str()),
            BaseFormat::DockerV1 => (ImageType::Docker, "1"),
            BaseFormat::DockerV2 => (ImageType::Docker, "2"),
        };
        ImageFormat {
            r#type: kind.into(),
            version: version.to_owned(),
        }
    }

    fn network(&self, network: &NetInfo) -> Network {
        let text = network.address.map(|address| address.to_string());
        let (ipv4, ipv6) = match network.address {
            _ if !self.rules.address_families => {
                (text.unwrap_or_else(|| "<nil>".to_owned()), String::new())
            }
            Some(IpAddr::V6(_)) => (String::new(), text.unwrap_or_default()),
            Some(IpAddr::V4(_)) | None => (text.unwrap_or_default(), String::new()),
        };
        Network {
            name: network.name.clone(),
            ipv4,
            ipv6,
        }
    }
}

fn key_values(pairs: &[NameValue]) -> Vec<KeyValue> {
    let pair = |pair: &NameValue| KeyValue {
        key: pair.name.clone(),
        value: pair.value.clone(),
    };
    pairs.iter().map(pair).collect()
}
