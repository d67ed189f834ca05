//! What happens on a host, told naively: by each step, and by how the host was before it.

use std::collections::{BTreeMap, BTreeSet};

use rkt_api::api::{EventFilter, EventType};
use rkt_sim::{
    live::{
        AppState, HostState, PodState,
        step::{Ending, Holder, ImageRef, Step},
    },
    spec::Phase,
};

use super::check::app;

/// What a step of a host's life does: the id that it is told of, and the event in short. Whether
/// anything of it was told before does not matter: the simulator's lives never go back.
pub fn expected(step: &Step, before: &HostState, image: Option<&str>) -> Vec<(String, String)> {
    let names = |apps: &PodState, running: bool| -> Vec<String> {
        let is = |app: &&AppState| !running || is_running(app);
        apps.apps
            .iter()
            .filter(is)
            .map(|app| app.name.clone())
            .collect()
    };
    let Some(id) = step.pod() else {
        let kind = match step {
            Step::Import(_) => "IMAGE_IMPORTED",
            Step::Remove { .. } => "IMAGE_REMOVED",
            _ => return vec![],
        };
        return vec![(image.unwrap().to_owned(), kind.to_owned())];
    };
    let pod = before.pods.get(&id);
    let all: Vec<String> = match step {
        Step::Prepared { .. } => vec!["POD_PREPARED".into()],
        Step::Abort { .. } => vec!["POD_PREPARE_ABORTED".into()],
        Step::Run { .. } => match pod.unwrap().phase {
            Phase::Prepare => vec!["POD_PREPARED".into(), "POD_STARTED".into()],
            _ => vec!["POD_STARTED".into()],
        },
        Step::Start(_) if !pod.unwrap().mutable => {
            let names = names(pod.unwrap(), false);
            names
                .iter()
                .map(|app| format!("APP_STARTED {app}"))
                .collect()
        }
        Step::AppStart { app, .. } => vec![format!("APP_STARTED {app}")],
        Step::AppExit { app, code, .. } => vec![format!("APP_EXITED {app} {code}")],
        Step::Exit { .. } => {
            let names = names(pod.unwrap(), true);
            let apps = names.iter().map(|app| format!("APP_EXITED {app}"));
            apps.chain(["POD_EXITED".into()]).collect()
        }
        Step::Mark { .. } => vec!["POD_GARBAGE_COLLECTED".into()],
        _ => vec![],
    };
    let id = id.to_string();
    all.into_iter().map(|event| (id.clone(), event)).collect()
}

fn is_running(app: &AppState) -> bool {
    app.started && app.exit_code.is_none()
}

/// The image that a step is about.
pub fn image_id(step: &Step) -> Option<String> {
    match step {
        Step::Import(import) => Some(import.to_spec(0).blob_key().unwrap()),
        Step::Remove { image, .. } | Step::Use { image, .. } => match image {
            ImageRef::Id(id) => Some(id.clone()),
            ImageRef::Name(_) => panic!("random steps name images by their ids: {step:?}"),
        },
        _ => None,
    }
}

/// The host after a step; `None` where the step is impossible, as when others that led to it were
/// left out.
pub fn after(host: &HostState, step: &Step) -> Option<HostState> {
    let mut host = host.clone();
    let is_possible = match step.pod() {
        Some(id) => match step {
            Step::Create { .. } => {
                let created = PodState::new(Phase::Embryo);
                host.pods.insert(id, created).is_none()
            }
            Step::Sweep { .. } => host.pods.remove(&id).is_some_and(|pod| is_marked(&pod)),
            _ => go_on(host.pods.get_mut(&id)?, step),
        },
        None => change_store(&mut host.images, step),
    };
    is_possible.then_some(host)
}

/// Does to the pod what a step does, if that is possible.
fn go_on(pod: &mut PodState, step: &Step) -> bool {
    let (phase, locked) = (pod.phase, pod.locked);
    let runs = phase == Phase::Run && locked && pod.started;
    let is = |name: &str, is: fn(&AppState) -> bool| {
        pod.apps.iter().any(|app| app.name == name && is(app))
    };
    match step {
        Step::Lock { .. } if phase != Phase::Run && !locked => pod.locked = true,
        Step::Unlock { .. } if phase != Phase::Run && locked => pod.locked = false,
        Step::Prepare { .. } if phase == Phase::Embryo && locked => pod.phase = Phase::Prepare,
        Step::Write(write) if phase == Phase::Prepare && locked && !pod.written => {
            pod.written = true;
            pod.described = true;
            pod.overlay = write.overlay;
            pod.mutable = write.mutable;
            pod.apps = write.apps.iter().map(|app| new_app(&app.name)).collect();
        }
        Step::Prepared { .. } if phase == Phase::Prepare && locked && pod.written => {
            pod.phase = Phase::Prepared;
            pod.locked = false;
        }
        Step::Abort { .. } if phase == Phase::Prepare && locked => pod.locked = false,
        Step::Run { holder, .. }
            if pod.written && (phase, locked) == (Phase::Prepare, true)
                || (phase, locked) == (Phase::Prepared, false) =>
        {
            pod.phase = Phase::Run;
            pod.locked = true;
            pod.held_by_child = *holder == Holder::Child;
        }
        Step::Start(_) if phase == Phase::Run && locked && !pod.started => {
            pod.started = true;
            for app in &mut pod.apps {
                app.started = !pod.mutable;
            }
        }
        Step::AppAdd { app, .. } if runs && pod.mutable && !is(&app.name, |_| true) => {
            pod.apps.push(new_app(&app.name));
        }
        Step::AppStart { app, .. } if runs && pod.mutable && is(app, |app| !is_running(app)) => {
            set_app(pod, app, None);
        }
        Step::AppExit { app, code, .. } if runs && is(app, is_running) => {
            set_app(pod, app, Some(*code));
        }
        Step::Log { app, .. } if runs && is(app, |app| app.started) => pod.journal = true,
        Step::Rotate { .. } if runs && pod.journal => {}
        Step::Exit { by, .. }
            if phase == Phase::Run && locked && (*by == Ending::Close || pod.held_by_child) =>
        {
            pod.locked = false;
            pod.held_by_child = false;
        }
        Step::Mark { .. } if phase == Phase::Run && !locked => pod.phase = Phase::ExitedGarbage,
        Step::Mark { .. } if matches!(phase, Phase::Prepare | Phase::Prepared) && !locked => {
            pod.phase = Phase::Garbage;
        }
        _ => return false,
    }
    true
}

fn new_app(name: &str) -> AppState {
    AppState {
        name: name.to_owned(),
        started: false,
        exit_code: None,
    }
}

fn set_app(pod: &mut PodState, name: &str, exit_code: Option<i32>) {
    for app in pod.apps.iter_mut().filter(|app| app.name == name) {
        app.started = true;
        app.exit_code = exit_code;
    }
}

fn is_marked(pod: &PodState) -> bool {
    matches!(pod.phase, Phase::ExitedGarbage | Phase::Garbage)
}

/// Does to the store what a step does, if that is possible.
fn change_store(images: &mut BTreeMap<String, String>, step: &Step) -> bool {
    let Some(id) = image_id(step) else {
        return false;
    };
    match step {
        Step::Import(import) => {
            images.insert(id, import.image.name.clone());
            true
        }
        Step::Remove { .. } => images.remove(&id).is_some(),
        _ => images.contains_key(&id),
    }
}

/// Something that has happened, and what listeners can choose it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Of the pod or the image.
    pub id: String,
    /// The event [in short](crate::events::short).
    pub event: String,
    /// The name of the pod, the app or the image.
    pub from: String,
    /// Whether somebody has looked while the host was such that it shows that this has happened.
    pub is_shown: bool,
}

impl Happened {
    /// All that a step does.
    pub fn by(step: &Step, before: &HostState) -> Vec<Self> {
        let image = image_id(step);
        let from = |id: &str, event: &str| match (step, event.split(' ').nth(1)) {
            (Step::Import(import), _) => import.image.name.clone(),
            (Step::Remove { .. }, _) => before.images[id].clone(),
            (_, Some(app)) => app.to_owned(),
            (_, None) => format!("rkt-{id}"),
        };
        let all = expected(step, before, image.as_deref());
        let happened = all.into_iter().map(|(id, event)| Self {
            from: from(&id, &event),
            id,
            event,
            is_shown: false,
        });
        happened.collect()
    }

    /// The event's type.
    pub fn kind(&self) -> EventType {
        let name = self.event.split(' ').next().unwrap();
        EventType::from_str_name(&format!("EVENT_TYPE_{name}")).unwrap()
    }

    /// Whether who listens with `filter` wants to hear of it, the times apart.
    pub fn is_wanted(&self, filter: &EventFilter) -> bool {
        takes(filter, self.kind(), &self.id, &self.from)
    }
}

/// Notes what a look at the host shows of what has happened.
pub fn show(host: &HostState, happened: &mut [Happened]) {
    let mut later = BTreeSet::new();
    for event in happened.iter_mut().rev() {
        let is_last = later.insert((event.id.clone(), app(&event.event).to_owned()));
        event.is_shown |= is_last && is_shown(host, event);
    }
}

/// Whether the host shows that this has happened last to a pod, an app or an image.
fn is_shown(host: &HostState, last: &Happened) -> bool {
    let pod = last.id.parse().ok().and_then(|id| host.pods.get(&id));
    match (pod, app(&last.event)) {
        (None, _) => last.event == "IMAGE_IMPORTED" && host.images.contains_key(&last.id),
        (Some(_), "") => true,
        (Some(pod), name) => {
            let app = pod.apps.iter().find(|app| app.name == name);
            let has_exited = !pod.locked || app.is_some_and(|app| app.exit_code.is_some());
            pod.phase == Phase::Run && has_exited == last.event.starts_with("APP_EXITED")
        }
    }
}

/// Whether a filter takes an event, the times apart (E-6).
pub fn takes(filter: &EventFilter, kind: EventType, id: &str, from: &str) -> bool {
    (filter.types.is_empty() || filter.types.contains(&kind.into()))
        && (filter.ids.is_empty() || filter.ids.iter().any(|wanted| wanted == id))
        && (filter.names.is_empty() || filter.names.iter().any(|wanted| wanted == from))
}
