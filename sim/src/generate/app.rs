//! The apps of a pod: their images, how they are run, how they ended, and what they wrote.

use std::collections::BTreeSet;

use rkt_api::formats::journal::Field;
use serde_json::json;

use super::{Clock, Error, Mistake, Stream, images::Images, is_name, stream::Dice, words};
use crate::{
    spec::{App, Image, Isolator, LogEntry, LogLine, Mount, Phase, Pod, Settings},
    spec_file::{AppSpec, Brief, LogSpec, Path, PodSpec},
};

/// The field with what an app has written.
const MESSAGE: &str = "MESSAGE";

/// The longest that an app is silent between two lines that are made up.
const SILENCE_US: i64 = 300_000_000;

/// Makes the apps of one pod.
pub(super) struct Apps<'a> {
    pub(super) stream: &'a Stream,
    pub(super) clock: &'a Clock,
    pub(super) pod: &'a PodSpec,
    /// How many lines an app has written of which nothing is said.
    pub(super) log_lines: u32,
    /// The pod's path in the file.
    pub(super) at: &'a Path,
}

impl Apps<'_> {
    /// The apps. Of the pod, phase and times must be decided.
    pub(super) fn resolve(&self, pod: &Pod, images: &mut Images<'_>) -> Result<Vec<App>, Error> {
        let at = self.at.key("apps");
        let made_up;
        let specs = match &self.pod.apps {
            Some(specs) => specs,
            None => {
                let count = self
                    .stream
                    .of("apps")
                    .weighted(&[(70, 1), (20, 2), (10, 3)]);
                made_up = vec![Brief::<AppSpec>::default(); count.unwrap_or(1)];
                &made_up
            }
        };
        let mut names = BTreeSet::new();
        for (index, spec) in specs.iter().enumerate() {
            let at = at.index(index).key("name");
            let Some(name) = &spec.0.name else { continue };
            if !is_name(name, "-") {
                return Err(Mistake::Name(name.clone()).at(at));
            }
            if !names.insert(name.clone()) {
                let (what, value) = ("apps", name.clone());
                return Err(Mistake::Twice { what, value }.at(at));
            }
        }
        let mut apps = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let maker = Maker {
                apps: self,
                spec: &spec.0,
                stream: self.stream.child("app", index),
                at: at.index(index),
            };
            apps.push(maker.make(pod, index, images, &mut names)?);
        }
        Ok(apps)
    }
}

/// Makes one app.
struct Maker<'a> {
    apps: &'a Apps<'a>,
    spec: &'a AppSpec,
    stream: Stream,
    at: Path,
}

impl Maker<'_> {
    fn make(
        &self,
        pod: &Pod,
        index: usize,
        images: &mut Images<'_>,
        names: &mut BTreeSet<String>,
    ) -> Result<App, Error> {
        let spec = self.spec;
        let is_kubernetes = self.apps.pod.kubernetes.is_some();
        let image = match &spec.image {
            Some(name) => images.called(name, &self.at.key("image"))?,
            None => {
                let mut dice = self.stream.of("image");
                let docker = is_kubernetes || dice.percent(50);
                images.any(&mut dice, docker)?
            }
        };
        let name = match &spec.name {
            Some(name) => name.clone(),
            None => free_name(&image, names),
        };
        let has_run = matches!(pod.phase, Phase::Run | Phase::ExitedGarbage);
        let ran = has_run && pod.started.is_some();
        let exit_code = || ran.then(|| self.exit_code(pod.locked, index)).flatten();
        let exit_code = spec.exit_code.or_else(exit_code);
        let logs = self.logs(pod, ran)?;
        let last_at_us = logs.last_at_us();
        let exited_at_ns = match (exit_code, pod.started) {
            (Some(_), Some(started)) if has_run => Some(self.exited(started.at_ns, last_at_us)?),
            _ => None,
        };
        Ok(App {
            image_id: spec.image_id.clone(),
            annotations: self.annotations(is_kubernetes, &name),
            exit_code,
            exited_at_ns,
            exec: spec.exec.clone(),
            settings: self.settings(&image),
            mounts: self.mounts(&image),
            read_only_root_fs: spec.read_only_root_fs,
            logs: logs.lines,
            entries: logs.entries,
            ..App::new(name, image)
        })
    }

    /// How an app ended, if it did.
    fn exit_code(&self, pod_is_locked: bool, index: usize) -> Option<i32> {
        let mut dice = self.stream.of("exit code");
        if pod_is_locked {
            // The first app keeps the pod running; another one may be done.
            return (index > 0 && dice.percent(20)).then_some(0);
        }
        let codes = [
            (80, 0),
            (8, 1),
            (2, 2),
            (1, 126),
            (2, 127),
            (4, 137),
            (3, 143),
        ];
        dice.weighted(&codes)
    }

    /// When an app of a pod exited that started then and wrote something last at that time.
    fn exited(&self, started_at_ns: i64, last_at_us: Option<i64>) -> Result<i64, Error> {
        let clock = self.apps.clock;
        if let Some(said) = self.spec.exited {
            let at = self.at.key("exited");
            return match clock.ns(said, &at)? {
                early if early < started_at_ns => Err(Mistake::ExitsEarly.at(at)),
                exited_at_ns => Ok(exited_at_ns),
            };
        }
        if let Some(said) = self.apps.pod.exited {
            return clock.ns(said, &self.apps.at.key("exited"));
        }
        let last_at_ns = last_at_us.map(|at_us| at_us.saturating_mul(1000));
        let least_ns = started_at_ns.max(last_at_ns.unwrap_or(started_at_ns));
        let mut dice = self.stream.of("exited");
        Ok(dice.number(least_ns, clock.base_ns()))
    }

    fn annotations(&self, is_kubernetes: bool, name: &str) -> Vec<(String, String)> {
        let mut annotations = Vec::new();
        if is_kubernetes {
            let hash = self.stream.of("hash").number(100_000_000, 4_294_967_296);
            annotations = vec![
                (
                    "rkt.kubernetes.io/container-hash".to_owned(),
                    hash.to_string(),
                ),
                ("io.kubernetes.container.name".to_owned(), name.to_owned()),
            ];
        }
        annotations.extend(self.spec.annotations.0.iter().cloned());
        annotations
    }

    /// How the app is run: as its image says, and what is said or made up beside that.
    fn settings(&self, image: &Image) -> Option<Settings> {
        let spec = self.spec;
        let mut settings = image.settings.clone();
        if let Some(user) = &spec.user {
            settings.user.clone_from(user);
        }
        if let Some(group) = &spec.group {
            settings.group.clone_from(group);
        }
        if spec.working_directory.is_some() {
            settings
                .working_directory
                .clone_from(&spec.working_directory);
        }
        settings
            .environment
            .extend(spec.environment.0.iter().cloned());
        settings.ports.extend(spec.ports.iter().cloned());
        settings
            .mount_points
            .extend(spec.mount_points.iter().cloned());
        let isolators = spec.isolators.clone();
        settings
            .isolators
            .extend(isolators.unwrap_or_else(|| self.isolators()));
        settings
            .user_annotations
            .extend(spec.user_annotations.clone());
        settings.user_labels.extend(spec.user_labels.clone());
        (settings != image.settings).then_some(settings)
    }

    fn isolators(&self) -> Vec<Isolator> {
        let mut dice = self.stream.of("isolators");
        let limited = match self.apps.pod.kubernetes {
            Some(_) => 60,
            None => 15,
        };
        if !dice.percent(limited) {
            return Vec::new();
        }
        let cpu = dice.word(&["100m", "250m", "500m", "1"]);
        let memory = dice.word(&["64M", "128M", "256M", "512M", "1G", "2G"]);
        [("resource/cpu", cpu), ("resource/memory", memory)]
            .map(|(name, limit)| Isolator {
                name: name.to_owned(),
                value: json!({ "limit": limit, "request": limit }),
            })
            .into()
    }

    /// What is mounted: at every place that the image offers, the volume of that name.
    fn mounts(&self, image: &Image) -> Vec<Mount> {
        if let Some(mounts) = &self.spec.mounts {
            return mounts.clone();
        }
        let volumes = self.apps.pod.volumes.as_deref();
        let is_there = |name: &String| match volumes {
            Some(volumes) => volumes.iter().any(|volume| volume.name == *name),
            None => is_name(name, "-"),
        };
        let points = image
            .settings
            .mount_points
            .iter()
            .chain(&self.spec.mount_points);
        let points = points.filter(|point| is_there(&point.name));
        let mount = |point: &crate::spec::MountPoint| Mount {
            volume: point.name.clone(),
            path: point.path.clone(),
        };
        points.map(mount).collect()
    }

    fn logs(&self, pod: &Pod, ran: bool) -> Result<Logs, Error> {
        let mut logs = Logs::default();
        let Some(started) = pod.started else {
            return Ok(logs);
        };
        let mut dice = self.stream.of("logs");
        let mut at_us = started.at_ns.div_euclid(1000) + dice.number(50_000, 400_000);
        let Some(specs) = &self.spec.logs else {
            let count = if ran { self.apps.log_lines } else { 0 };
            let until_us = self.apps.clock.base_ns().div_euclid(1000);
            let pause_us = (until_us - at_us) / i64::from(count.max(1));
            for _ in 0..count {
                logs.lines.push(LogLine {
                    at_us,
                    message: log_line(&mut dice),
                });
                at_us += dice.number(1, pause_us.clamp(2, SILENCE_US));
            }
            return Ok(logs);
        };
        let journal = self.apps.pod.journal.as_ref();
        let may_go_back = journal.is_some_and(|journal| journal.out_of_order);
        for (index, Brief(spec)) in specs.iter().enumerate() {
            let at = self.at.key("logs").index(index);
            let before_us = at_us;
            at_us = match spec.at {
                Some(time) => self.apps.clock.ns(time, &at.key("at"))?.div_euclid(1000),
                None if index == 0 => at_us,
                None => at_us + dice.number(1000, 900_000),
            };
            if index > 0 && at_us < before_us && !may_go_back {
                return Err(Mistake::Backwards.at(at));
            }
            logs.push(at_us, spec, &at)?;
        }
        Ok(logs)
    }
}

/// What an app has written.
#[derive(Default)]
struct Logs {
    lines: Vec<LogLine>,
    entries: Vec<LogEntry>,
}

impl Logs {
    /// Adds what is described at that path.
    fn push(&mut self, at_us: i64, spec: &LogSpec, at: &Path) -> Result<(), Error> {
        let message = spec.message.as_ref().map(|message| message.bytes());
        if let Some(text) = message
            .as_deref()
            .and_then(|bytes| str::from_utf8(bytes).ok())
            && spec.fields.is_empty()
        {
            self.lines.push(LogLine {
                at_us,
                message: text.to_owned(),
            });
            return Ok(());
        }
        let mut fields = Vec::new();
        for (name, value) in &spec.fields {
            let at = at.key("fields");
            let value = value.bytes();
            if name == MESSAGE {
                return Err(Mistake::MessageTwice.at(at));
            }
            let checked = Field::new(name, &value).check();
            checked.map_err(|error| Mistake::Field(error).at(at))?;
            fields.push((name.clone(), value.into_owned()));
        }
        let message = message.map(|message| (MESSAGE.to_owned(), message.into_owned()));
        fields.extend(message);
        self.entries.push(LogEntry {
            after_lines: self.lines.len(),
            at_us,
            fields,
        });
        Ok(())
    }

    /// The latest time of all.
    fn last_at_us(&self) -> Option<i64> {
        let lines = self.lines.iter().map(|line| line.at_us);
        lines
            .chain(self.entries.iter().map(|entry| entry.at_us))
            .max()
    }
}

/// A name for an app of the image that no other app of the pod has.
fn free_name(image: &Image, names: &mut BTreeSet<String>) -> String {
    let base = image.name.rsplit('/').next().unwrap_or_default();
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let words = base
        .split(|c| !is_letter(c))
        .filter(|word| !word.is_empty());
    let base = words.collect::<Vec<_>>().join("-");
    let base = if base.is_empty() { "app" } else { &base };
    // One more than there are names taken is enough to find one that is not.
    let candidates = (2..).map(|n| format!("{base}-{n}"));
    let mut candidates = std::iter::once(base.to_owned()).chain(candidates);
    let name = candidates
        .find(|name| !names.contains(name))
        .unwrap_or_default();
    names.insert(name.clone());
    name
}

/// A line of a log.
pub(crate) fn log_line(dice: &mut Dice) -> String {
    let mut rest = dice.word(words::LOG_LINES);
    let mut line = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        line += before;
        let filled = after.split_once('}').map(|(slot, after)| {
            let value = match slot {
                "n" => dice.magnitude(1, 250).to_string(),
                "hex" => dice.hex(12),
                _ => dice.word(words::PATHS).to_owned(),
            };
            (value, after)
        });
        let (value, after) = filled.unwrap_or_default();
        line += &value;
        rest = after;
    }
    line + rest
}
