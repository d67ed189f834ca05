//! What the contract wants a server to answer about a host that was described: each rule
//! written out, as plainly as it can be, by its clause. Nothing here comes from the server.

use std::{fs, net::IpAddr, os::unix::fs::MetadataExt as _};

use rkt_api::{
    api::{self, AppState, ImageFormat, ImageType, KeyValue, PodState},
    server::Dialect,
};
use rkt_sim::{
    host::Host,
    spec::{App, Image, Network, Phase, Pod, Process},
};

/// The largest process id that Linux gives out.
const PID_MAX: i32 = 1 << 22;

/// S-1 to S-10: directory and lock, the state as documented, and that of rkt 1.30.0; `None`
/// where the pod is neither listed nor found.
const STATES: [(Phase, bool, PodState, Option<PodState>); 12] = {
    use PodState::*;
    [
        (Phase::Embryo, true, Embryo, None),
        (Phase::Embryo, false, Embryo, None),
        (Phase::Prepare, true, Preparing, Some(Preparing)),
        (Phase::Prepare, false, AbortedPrepare, Some(AbortedPrepare)),
        (Phase::Prepared, true, Prepared, Some(Prepared)),
        (Phase::Prepared, false, Prepared, Some(Prepared)),
        (Phase::Run, true, Running, Some(Running)),
        (Phase::Run, false, Exited, Some(Exited)),
        (Phase::ExitedGarbage, true, Deleting, Some(Undefined)),
        (Phase::ExitedGarbage, false, Garbage, Some(Garbage)),
        (Phase::Garbage, true, Deleting, None),
        (Phase::Garbage, false, Garbage, None),
    ]
};

/// What is expected of a server that serves `host` in `dialect`.
pub struct Expected<'a> {
    pub host: &'a Host,
    pub dialect: Dialect,
}

impl Expected<'_> {
    fn is_rkt(&self) -> bool {
        self.dialect == Dialect::Rkt130
    }

    /// A pod as ListPods gives it; `None` where it does not. P-2.
    pub fn listed(&self, pod: &Pod, detail: bool) -> Option<api::Pod> {
        let mut listed = self.inspected(pod)?;
        if !self.is_rkt() {
            // P-13, P-14.
            for app in &mut listed.apps {
                app.state = AppState::Undefined.into();
                app.exit_code = 0;
            }
        }
        if !detail {
            listed.manifest.clear();
            if !self.is_rkt() {
                listed.apps.clear();
            }
        }
        Some(listed)
    }

    /// A pod as InspectPod gives it; `None` where there is no such pod. Its cgroup is empty
    /// unless the description fixes it: see [`fixes_cgroup`].
    pub fn inspected(&self, pod: &Pod) -> Option<api::Pod> {
        let state = self.state(pod)?;
        let is_early = matches!(
            state,
            PodState::Embryo | PodState::Preparing | PodState::AbortedPrepare
        );
        let mut expected = api::Pod {
            id: pod.id.to_string(),
            state: state.into(),
            // P-4.
            pid: if self.is_rkt() { -1 } else { 0 },
            ..api::Pod::default()
        };

        // P-1, P-3, P-10, P-11.
        if is_prepared(pod) && (!is_early || self.is_rkt()) {
            let manifest = fs::read(self.host.pod_dir(pod).join("pod")).unwrap();
            let apps = pod.apps.iter();
            expected.manifest = manifest.into();
            expected.annotations = key_values(&pod.annotations);
            expected.apps = apps.map(|app| self.app(app, pod, state)).collect();
        }
        // P-1, S-7.
        if is_early || state == PodState::Undefined {
            return Some(expected);
        }

        // P-7.
        if is_prepared(pod) {
            expected.created_at = pod.created_at_ns;
        }
        // P-4, P-8.
        if let (Phase::Run | Phase::ExitedGarbage, Some(started)) = (pod.phase, pod.started) {
            let (Process::Pid(pid) | Process::Ppid(pid)) = started.process;
            expected.pid = pid;
            expected.started_at = started.at_ns;
        }
        // P-9.
        if matches!(pod.phase, Phase::ExitedGarbage | Phase::Garbage) {
            let dir = fs::metadata(self.host.pod_dir(pod)).unwrap();
            expected.gc_marked_at = dir.ctime() * 1_000_000_000 + dir.ctime_nsec();
        }
        // P-5.
        if state == PodState::Running || (state == PodState::Exited && self.is_rkt()) {
            let networks = pod.networks.iter().flatten();
            expected.networks = networks.map(|network| self.network(network)).collect();
        }
        // P-6.
        if let (PodState::Running, Some(subcgroup)) = (state, &pod.subcgroup) {
            expected.cgroup = format!("/{}", subcgroup.trim_end_matches('\n'));
        }
        Some(expected)
    }

    fn state(&self, pod: &Pod) -> Option<PodState> {
        let mut states = STATES.into_iter();
        let (_, _, documented, rkt) = states
            .find(|(phase, locked, ..)| (*phase, *locked) == (pod.phase, pod.locked))
            .unwrap();
        if self.is_rkt() { rkt } else { Some(documented) }
    }

    fn app(&self, app: &App, pod: &Pod, state: PodState) -> api::App {
        // P-13.
        let has_exited = app.exit_code.is_some() && !self.is_rkt();
        let app_state = match (state, pod.phase) {
            (PodState::Undefined, _) => AppState::Undefined,
            (PodState::Running, _) if has_exited => AppState::Exited,
            (PodState::Running, _) => AppState::Running,
            (_, Phase::Run | Phase::ExitedGarbage) => AppState::Exited,
            _ => AppState::Undefined,
        };
        // P-14.
        let exit_code = match app_state {
            AppState::Exited => app.exit_code.unwrap_or(0),
            AppState::Running if self.is_rkt() => app.exit_code.unwrap_or(0),
            AppState::Running | AppState::Undefined => 0,
        };
        // P-12.
        let id = app.image_id.clone();
        let image = api::Image {
            id: id.unwrap_or_else(|| app.image.blob_key().unwrap()),
            name: app.image.name.clone(),
            version: version(&app.image),
            base_format: Some(self.base_format(&app.image)),
            ..api::Image::default()
        };
        api::App {
            name: app.name.clone(),
            image: Some(image),
            state: app_state.into(),
            exit_code,
            annotations: key_values(&app.annotations),
        }
    }

    /// P-5.
    fn network(&self, network: &Network) -> api::Network {
        let mut expected = api::Network {
            name: network.name.clone(),
            ..api::Network::default()
        };
        // An IPv4 address in the clothes of IPv6 is one.
        match network.ip.map(|ip| ip.to_canonical()) {
            None if self.is_rkt() => expected.ipv4 = "<nil>".to_owned(),
            None => {}
            Some(IpAddr::V6(ip)) if !self.is_rkt() => expected.ipv6 = ip.to_string(),
            Some(ip) => expected.ipv4 = ip.to_string(),
        }
        expected
    }

    /// An image of the store, with detail. IM-1 to IM-4.
    pub fn image(&self, image: &Image) -> api::Image {
        let key = image.blob_key().unwrap();
        let file = |folder: &str| {
            let digits = key.strip_prefix("sha512-").unwrap();
            let path = format!("cas/{folder}/sha512/{}/{key}", &digits[..2]);
            fs::read(self.host.dir().join(path)).unwrap()
        };
        let size_bytes = image.size_bytes;
        let size_bytes = size_bytes.unwrap_or_else(|| file("blob").len().try_into().unwrap());
        api::Image {
            base_format: Some(self.base_format(image)),
            name: image.name.clone(),
            version: version(image),
            import_timestamp: image.imported_at_s,
            manifest: file("imageManifest").into(),
            size: size_bytes + image.tree_store_size_bytes,
            annotations: key_values(&image.annotations),
            labels: key_values(&image.labels),
            id: key,
        }
    }

    /// IM-4.
    fn base_format(&self, image: &Image) -> ImageFormat {
        let value = |wanted: &str| {
            let mut annotations = image.annotations.iter();
            let found = annotations.find(|(name, _)| name == wanted);
            found.map_or("", |(_, value)| value)
        };
        let mut annotations = image.annotations.iter();
        let is_dockers = annotations.any(|(name, _)| name.starts_with("appc.io/docker/"));
        let (kind, version) = if self.is_rkt() || !is_dockers {
            (ImageType::Appc, "0.8.11")
        } else if value("appc.io/docker/imageid").starts_with("sha256:") {
            (ImageType::Docker, "2")
        } else {
            (ImageType::Docker, "1")
        };
        ImageFormat {
            r#type: kind.into(),
            version: version.to_owned(),
        }
    }
}

/// Whether a pod was prepared to the end, so that it has a manifest.
pub fn is_prepared(pod: &Pod) -> bool {
    let usual = !matches!(pod.phase, Phase::Embryo | Phase::Prepare);
    pod.manifest.unwrap_or(usual)
}

/// Whether the description says which cgroup a pod shows: where none is noted it is that of a
/// process, which may be another one on every machine (P-6).
pub fn fixes_cgroup(pod: &Pod) -> bool {
    let process = pod.started.map(|started| started.process);
    let may_exist = process.is_some_and(|process| {
        let (Process::Pid(pid) | Process::Ppid(pid)) = process;
        pid <= PID_MAX
    });
    pod.subcgroup.is_some() || !may_exist
}

/// IM-1.
fn version(image: &Image) -> String {
    let mut labels = image.labels.iter();
    let version = labels.find(|(name, _)| name == "version");
    version.map_or("latest", |(_, version)| version).to_owned()
}

/// P-10, IM-2.
fn key_values(pairs: &[(String, String)]) -> Vec<KeyValue> {
    let pair = |(name, value): &(String, String)| KeyValue {
        key: name.clone(),
        value: value.clone(),
    };
    pairs.iter().map(pair).collect()
}
