//! ListPods and InspectPod (S-*, P-*, F-P*).

use std::net::IpAddr;

use rkt_api::api::{self, AppState, ListPodsRequest, PodState};
use rkt_sim::spec::{self, Phase};
use tonic::Code;

use super::{
    Expected, Refusal, World,
    brackets::Brackets,
    expected::{ImageNames, PodTimes},
    facts::{App, BaseFormat, Pod},
};
use crate::{
    filters::{PodFacts, pod_meets},
    profile::Profile,
};

/// The answer to ListPods, in order (P-16).
pub fn list(world: &World, profile: Profile, request: &ListPodsRequest) -> Vec<Expected<api::Pod>> {
    let brackets = Brackets::from(profile);
    let is_taken = |facts: &PodFacts| {
        // F-P0
        request.filters.is_empty() || request.filters.iter().any(|f| pod_meets(f, facts))
    };
    world
        .pods()
        .filter_map(|pod| full(world, &brackets, pod))
        .filter(|whole| is_taken(&PodFacts::from(&whole.message)))
        .map(|whole| cut(&brackets, whole, request.detail))
        .collect()
}

/// The answer to InspectPod.
///
/// # Errors
///
/// What W-3 and P-17 refuse.
pub fn inspect(world: &World, profile: Profile, id: &str) -> Result<Expected<api::Pod>, Refusal> {
    let pod = find(world, profile, id)?;
    let whole = full(world, &Brackets::from(profile), pod);
    whole.ok_or_else(|| Refusal::new(Code::NotFound, id))
}

/// The pod that `id` names, or alone begins with (P-17), among those that can be inspected.
///
/// # Errors
///
/// What W-3 refuses.
pub fn find<'a>(world: &'a World, profile: Profile, id: &str) -> Result<&'a Pod, Refusal> {
    let beginning = id.to_ascii_lowercase();
    if !begins_uuid(&beginning) {
        return Err(Refusal::new(Code::InvalidArgument, id));
    }
    let brackets = Brackets::from(profile);
    let fits = |pod: &&Pod| state(&brackets, pod).is_some() && text(pod).starts_with(&beginning);
    let mut fitting = world.pods().filter(fits);
    match (fitting.next(), fitting.next()) {
        (None, _) => Err(Refusal::new(Code::NotFound, id)),
        (Some(pod), None) => Ok(pod),
        (Some(_), Some(_)) => Err(Refusal::new(Code::InvalidArgument, id)),
    }
}

/// S-1 to S-10; `None` for a pod that is not shown.
fn state(brackets: &Brackets, pod: &Pod) -> Option<PodState> {
    let state = match (pod.phase, pod.locked) {
        (Phase::Embryo, _) => PodState::Embryo,
        (Phase::Prepare, true) => PodState::Preparing,
        (Phase::Prepare, false) => PodState::AbortedPrepare,
        (Phase::Prepared, _) => PodState::Prepared,
        (Phase::Run, true) => PodState::Running,
        (Phase::Run, false) => PodState::Exited,
        (Phase::ExitedGarbage, true) if brackets.names_deleting => PodState::Deleting,
        (Phase::ExitedGarbage, true) => PodState::Undefined,
        (Phase::ExitedGarbage, false) => PodState::Garbage,
        (Phase::Garbage, true) => PodState::Deleting,
        (Phase::Garbage, false) => PodState::Garbage,
    };
    let is_shown = match pod.phase {
        Phase::Embryo | Phase::Garbage => brackets.shows_embryo_and_garbage,
        _ => true,
    };
    is_shown.then_some(state)
}

/// What InspectPod shows of the pod, which is also what filters look at.
fn full(world: &World, brackets: &Brackets, pod: &Pod) -> Option<Expected<api::Pod>> {
    let state = state(brackets, pod)?;
    let bare = api::Pod {
        id: text(pod),
        state: state.into(),
        pid: brackets.no_pid,
        ..api::Pod::default()
    };
    let unprepared = matches!(
        state,
        PodState::Embryo | PodState::Preparing | PodState::AbortedPrepare
    );
    // P-1
    if unprepared && !brackets.shows_unprepared {
        return Some(bare.into());
    }
    let described = match &pod.manifest {
        // P-3
        None => bare,
        Some(manifest) => api::Pod {
            manifest: manifest.json.clone(),
            // P-10
            annotations: manifest.annotations.clone(),
            // P-11
            apps: manifest
                .apps
                .iter()
                .map(|of| app(world, brackets, pod, state, of))
                .collect(),
            ..bare
        },
    };
    // P-1 and S-7 of rkt 1.30
    if unprepared || state == PodState::Undefined {
        return Some(described.into());
    }

    let has_run = matches!(pod.phase, Phase::Run | Phase::ExitedGarbage);
    let is_marked = matches!(pod.phase, Phase::ExitedGarbage | Phase::Garbage);
    let is_running = state == PodState::Running;
    let times = PodTimes {
        // P-7
        created_at: pod.created_at_ns.clone(),
        // P-8
        started_at: pod.started_at_ns.clone().filter(|_| has_run),
        // P-9
        gc_marked_at: pod.marked_at_ns.clone().filter(|_| is_marked),
        ..PodTimes::default()
    };
    let earliest = |time: &Option<super::facts::Moment>| time.as_ref().map_or(0, |t| *t.start());
    let message = api::Pod {
        // P-4
        pid: pod.pid.filter(|_| has_run).unwrap_or(brackets.no_pid),
        // P-5
        networks: match is_running || state == PodState::Exited && brackets.keeps_networks {
            true => pod
                .networks
                .iter()
                .flatten()
                .map(|n| network(brackets, n))
                .collect(),
            false => Vec::new(),
        },
        // P-6
        cgroup: match &pod.subcgroup {
            Some(path) if is_running => format!("/{}", path.strip_suffix('\n').unwrap_or(path)),
            _ => String::new(),
        },
        created_at: earliest(&times.created_at),
        started_at: earliest(&times.started_at),
        gc_marked_at: earliest(&times.gc_marked_at),
        ..described
    };
    Some(Expected { message, times })
}

/// What ListPods shows of what InspectPod shows (P-2, P-12 to P-14).
fn cut(brackets: &Brackets, whole: Expected<api::Pod>, detail: bool) -> Expected<api::Pod> {
    let Expected {
        mut message,
        mut times,
    } = whole;
    if !detail {
        message.manifest.clear();
    }
    if !detail && !brackets.lists_apps_always {
        message.apps.clear();
    }
    for app in &mut message.apps {
        if !brackets.lists_app_states {
            app.state = AppState::Undefined.into();
            app.exit_code = 0;
        }
        if !brackets.lists_image_names
            && let Some(image) = &mut app.image
        {
            times.image_names.push(ImageNames {
                name: std::mem::take(&mut image.name),
                version: std::mem::take(&mut image.version),
            });
        }
    }
    Expected { message, times }
}

fn app(world: &World, brackets: &Brackets, pod: &Pod, state: PodState, app: &App) -> api::App {
    let (app_state, exit_code) = app_state(brackets, pod, state, app);
    // P-12
    let of = app.image.as_ref();
    let format = of.map_or(BaseFormat::Appc, |image| image.format);
    let image = api::Image {
        base_format: Some(image_format(world, brackets, format)),
        id: app.image_id.clone(),
        name: of.map(|image| image.name.clone()).unwrap_or_default(),
        version: of.map(|image| image.version.clone()).unwrap_or_default(),
        ..api::Image::default()
    };
    api::App {
        name: app.name.clone(),
        image: Some(image),
        state: app_state.into(),
        exit_code,
        annotations: app.annotations.clone(),
    }
}

/// P-13, P-14
fn app_state(brackets: &Brackets, pod: &Pod, state: PodState, app: &App) -> (AppState, i32) {
    let code = app.exit_code.unwrap_or(0);
    match (state, pod.phase) {
        // S-7 of rkt 1.30
        (PodState::Undefined, _) => (AppState::Undefined, 0),
        (PodState::Running, _) if !brackets.apps_exit_alone => (AppState::Running, code),
        (PodState::Running, _) if app.exit_code.is_none() => (AppState::Running, 0),
        (PodState::Running | PodState::Exited, _) | (_, Phase::ExitedGarbage) => {
            (AppState::Exited, code)
        }
        _ => (AppState::Undefined, 0),
    }
}

/// IM-4, which the images of apps keep, too.
pub(super) fn image_format(
    world: &World,
    brackets: &Brackets,
    format: BaseFormat,
) -> api::ImageFormat {
    let shown = match brackets.tells_docker {
        true => format,
        false => BaseFormat::Appc,
    };
    shown.message(world.appc_version())
}

/// P-5
fn network(brackets: &Brackets, network: &spec::Network) -> api::Network {
    // Go writes an IPv4 address in IPv6's clothes as what it is.
    let ip = network.ip.map(|ip| ip.to_canonical());
    let mut shown = api::Network {
        name: network.name.clone(),
        ..api::Network::default()
    };
    match ip {
        Some(IpAddr::V6(ip)) if brackets.tells_families => shown.ipv6 = ip.to_string(),
        Some(ip) => shown.ipv4 = ip.to_string(),
        None if brackets.tells_families => {}
        None => shown.ipv4 = "<nil>".to_owned(),
    }
    shown
}

fn text(pod: &Pod) -> String {
    pod.id.hyphenated().to_string()
}

/// Whether the text is a lower-case dashed UUID or the beginning of one, at least a character.
fn begins_uuid(text: &str) -> bool {
    let form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    let fits = |(at, form): (char, char)| match form {
        '-' => at == '-',
        _ => matches!(at, '0'..='9' | 'a'..='f'),
    };
    (1..=form.len()).contains(&text.len()) && text.chars().zip(form.chars()).all(fits)
}
