//! Which steps can follow on a host: what a player finds out on a disk, for those who play in
//! the model alone. More forgiving than a disk is: whose child holds a lock, and whether the
//! journal that was put away has been followed by another, the model does not know.

use std::collections::BTreeSet;

use rkt_api::layout;
use rkt_sim::{
    live::{
        record::{Action, ActionKind, Record},
        step::{Start, Step},
    },
    spec::Phase,
};
use uuid::Uuid;

use super::{
    World,
    facts::{App, Pod},
};

/// Why a step cannot follow.
#[derive(Debug, thiserror::Error)]
#[error("{step} is impossible: {why}")]
pub struct Impossible {
    step: &'static str,
    why: String,
}

impl World {
    /// What playing the step at this moment, nanoseconds since the epoch, comes to, as the
    /// step with number `seq`. The world is the same until that is [applied](Self::apply).
    ///
    /// # Errors
    ///
    /// When the host is not such that the step could follow.
    pub fn play(&self, step: Step, seq: u64, at_unix_ns: i64) -> Result<Record, Impossible> {
        let impossible = |why| Impossible {
            step: step.name(),
            why,
        };
        let image_id = match step.pod() {
            Some(pod) => self.check_pod(&step, pod).map(|()| None),
            None => self.check_image(&step).map(Some),
        };
        let image_id = image_id.map_err(impossible)?;
        let noted_unix_us = match step {
            Step::Log { .. } | Step::LogEntry { .. } => Some(at_unix_ns.div_euclid(1000)),
            // As the index has it, in whole seconds.
            Step::Import(_) => Some(at_unix_ns.div_euclid(1_000_000_000) * 1_000_000),
            _ => None,
        };
        let actions = match &step {
            // There is no holder but this process.
            Step::Start(Start {
                pod, process: None, ..
            }) => vec![Action {
                action: ActionKind::Write,
                path: format!("{}/{}/{pod}/{}", layout::PODS, Phase::Run, layout::pod::PID),
                to: None,
                pid: Some(std::process::id()),
                at_unix_ns,
            }],
            _ => Vec::new(),
        };
        Ok(Record {
            seq,
            before_unix_ns: at_unix_ns,
            after_unix_ns: at_unix_ns,
            step,
            image_id,
            noted_unix_us,
            actions,
        })
    }

    fn check_pod(&self, step: &Step, id: Uuid) -> Result<(), String> {
        let pod = match (step, self.pod(id)) {
            (Step::Create { .. }, Some(_)) => return Err(format!("pod {id} is there already")),
            (Step::Create { .. }, None) => return Ok(()),
            (_, None) => return Err(format!("there is no pod {id}")),
            (_, Some(pod)) => pod,
        };
        let (phase, locked) = (pod.phase, pod.locked);
        let is_written = pod.manifest.is_some();
        let has_started = pod.started_at_ns.is_some();
        let is_running = phase == Phase::Run && locked && has_started;
        let is_mutable = pod.spec.is_mutable();
        let (needed, fits) = match step {
            Step::Create { .. } | Step::Import(_) | Step::Remove { .. } | Step::Use { .. } => {
                return Ok(());
            }
            Step::Lock { .. } => (
                "an unlocked pod outside run",
                !locked && phase != Phase::Run,
            ),
            Step::Unlock { .. } => ("a locked pod outside run", locked && phase != Phase::Run),
            Step::Prepare { .. } => ("a locked embryo", locked && phase == Phase::Embryo),
            Step::Write(write) => {
                let names: BTreeSet<_> = write.apps.iter().map(|app| &app.name).collect();
                if names.len() < write.apps.len() {
                    return Err("two apps have the same name".to_owned());
                }
                let fits = locked && phase == Phase::Prepare && !is_written;
                ("a locked pod in prepare that is not written", fits)
            }
            Step::Prepared { .. } => {
                let fits = locked && phase == Phase::Prepare && is_written;
                ("a locked pod in prepare that is written", fits)
            }
            Step::Abort { .. } => ("a locked pod in prepare", locked && phase == Phase::Prepare),
            Step::Run { .. } => {
                let fits = phase == Phase::Prepare && locked || phase == Phase::Prepared;
                let needed = "a pod that is written, in prepare and locked or in prepared";
                (needed, fits && is_written)
            }
            Step::Start(_) => {
                let fits = locked && phase == Phase::Run && !has_started;
                ("a locked pod in run that has not started", fits)
            }
            Step::AppAdd { app, .. } => {
                if pod.app(&app.name).is_some() {
                    return Err(format!("there is an app {:?}", app.name));
                }
                ("a mutable pod that runs", is_running && is_mutable)
            }
            Step::AppStart { app, .. } => {
                let fits = |app: &App| is_mutable && !(app.is_started && app.exit_code.is_none());
                let fits = is_running && fits(need_app(pod, app)?);
                ("a mutable pod that runs, and an app that does not", fits)
            }
            Step::AppExit { app, .. } => {
                let fits = |app: &App| app.is_started && app.exit_code.is_none();
                let fits = is_running && fits(need_app(pod, app)?);
                ("a pod and an app that run", fits)
            }
            Step::Log { app, .. } | Step::LogEntry { app, .. } => {
                let fits = is_running && need_app(pod, app)?.is_started;
                ("a pod that runs, and an app that has started", fits)
            }
            Step::Rotate { .. } => {
                let fits = is_running && pod.journal.is_some();
                ("a pod that runs and has a journal", fits)
            }
            Step::Exit { .. } => ("a locked pod in run", locked && phase == Phase::Run),
            Step::Mark { .. } => {
                let fits = matches!(phase, Phase::Prepare | Phase::Prepared | Phase::Run);
                (
                    "an unlocked pod in prepare, prepared or run",
                    !locked && fits,
                )
            }
            Step::Sweep { .. } => {
                let fits = matches!(phase, Phase::ExitedGarbage | Phase::Garbage);
                ("a pod that is marked", fits)
            }
        };
        match fits {
            true => Ok(()),
            false => {
                let lock = if locked { "locked" } else { "unlocked" };
                Err(format!(
                    "it needs {needed}, and pod {id} is in {phase}, {lock}"
                ))
            }
        }
    }

    /// The id of the image that a step is about.
    fn check_image(&self, step: &Step) -> Result<String, String> {
        let cannot = |error: std::io::Error| error.to_string();
        match step {
            Step::Remove { image, .. } | Step::Use { image, .. } => {
                let id = self.image_id(image).map_err(cannot)?;
                match self.images.contains_key(&id) {
                    true => Ok(id),
                    false => Err(format!("there is no image {image} in the store")),
                }
            }
            Step::Import(import) => import.to_spec(0).blob_key().map_err(cannot),
            _ => Err("it is not about an image".to_owned()),
        }
    }
}

fn need_app<'a>(pod: &'a Pod, name: &str) -> Result<&'a App, String> {
    let app = pod.app(name);
    app.ok_or_else(|| format!("the pod has no app {name:?}"))
}
