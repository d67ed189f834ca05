//! S-13 on files that are written as rkt does not: in place, renamed over, removed, with size
//! and time as before; and on directories that are exchanged as a whole.

use std::{
    fs::{self, File},
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rkt_api::{api::KeyValue, layout};
use rkt_sim::spec::{Network, Phase};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ask::{self, Ask, after},
    by_hand::{self, change, copy_tree, phase_dir, pod_dir, replace},
};
use crate::{
    case::{Case, Checking, Method, Objection, On, Verdict},
    clause,
    hosts::disk::{EXITED, RUNNING, SMALL},
    model::facts::{Moment, Pod},
    stage::Stage,
};

/// A time that nothing else has: 2018-07-01, nanoseconds since the epoch.
const OTHER_TIME_NS: i64 = 1_530_403_200_123_456_789;

/// A file that answers show something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Pid,
    NetInfo,
    Subcgroup,
    Manifest,
    Status,
    AppManifest,
}

impl Shown {
    const ALL: [Self; 6] = [
        Self::Pid,
        Self::NetInfo,
        Self::Subcgroup,
        Self::Manifest,
        Self::Status,
        Self::AppManifest,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::NetInfo => "net-info",
            Self::Subcgroup => "subcgroup",
            Self::Manifest => "pod-manifest",
            Self::Status => "status",
            Self::AppManifest => "app-manifest",
        }
    }

    /// Its path in the pod's directory.
    fn path(self, pod: &Path) -> io::Result<PathBuf> {
        Ok(pod.join(match self {
            Self::Pid => layout::pod::PID.to_owned(),
            Self::NetInfo => layout::pod::NET_INFO.to_owned(),
            Self::Subcgroup => layout::pod::SUBCGROUP.to_owned(),
            Self::Manifest => layout::pod::MANIFEST.to_owned(),
            Self::Status => layout::pod::app_status(&stage1_root(pod)?, "job"),
            Self::AppManifest => layout::pod::app_image_manifest("web"),
        }))
    }

    /// One of ten contents, all of the same size, made of what is there at first.
    fn content(self, original: &[u8], variant: u8) -> io::Result<Vec<u8>> {
        let digit = variant % 10;
        let marked = |key: &str| -> io::Result<Value> {
            let mut value: Value = serde_json::from_slice(original)?;
            match key {
                "name" => value["name"] = json!(format!("example.com/other/{digit}")),
                _ => {
                    value["annotations"] =
                        json!([{ "name": "example.com/variant", "value": digit.to_string() }]);
                }
            }
            Ok(value)
        };
        Ok(match self {
            Self::Pid => format!("600000{digit}\n").into_bytes(),
            Self::NetInfo => {
                let network = json!([{
                    "netName": "other", "netConf": "", "pluginPath": "bridge", "ifName": "eth0",
                    "ip": format!("172.16.29.{digit}"), "args": "", "mask": "255.255.255.0",
                }]);
                network.to_string().into_bytes()
            }
            Self::Subcgroup => format!("system.slice/other-{digit}.service").into_bytes(),
            Self::Manifest => marked("annotations")?.to_string().into_bytes(),
            Self::Status => format!("{digit}\n").into_bytes(),
            Self::AppManifest => marked("name")?.to_string().into_bytes(),
        })
    }

    /// What it means that the file has this content; `None` for no file. `moment` is when it
    /// was written, unless its time says otherwise.
    fn tell(self, pod: &mut Pod, content: Option<(u8, Vec<u8>)>, moment: Option<Moment>) {
        let digit = content.as_ref().map(|(variant, _)| variant % 10);
        match self {
            Self::Pid => {
                pod.pid = digit.map(|digit| 6_000_000 + i32::from(digit));
                match (digit, moment) {
                    (None, _) => pod.started_at_ns = None,
                    (Some(_), Some(moment)) => pod.started_at_ns = Some(moment),
                    (Some(_), None) => {}
                }
            }
            Self::NetInfo => {
                pod.networks = digit
                    .map(|digit| vec![Network::new("other", Ipv4Addr::new(172, 16, 29, digit))]);
            }
            Self::Subcgroup => {
                pod.subcgroup = digit.map(|digit| format!("system.slice/other-{digit}.service"));
            }
            Self::Manifest => {
                if let (Some(manifest), Some((variant, json))) = (&mut pod.manifest, content) {
                    manifest.annotations = vec![KeyValue {
                        key: "example.com/variant".to_owned(),
                        value: (variant % 10).to_string(),
                    }];
                    manifest.json = Bytes::from(json);
                }
            }
            Self::Status => {
                if let Some(app) = pod.app_mut("job") {
                    app.exit_code = digit.map(i32::from);
                }
            }
            Self::AppManifest => {
                let image = pod.app_mut("web").and_then(|app| app.image.as_mut());
                if let (Some(image), Some(digit)) = (image, digit) {
                    image.name = format!("example.com/other/{digit}");
                }
            }
        }
    }
}

/// The ways in which a file can be changed.
#[derive(Clone, Copy, Debug)]
enum Way {
    InPlace,
    RenamedOver,
    /// Size and modification time are as before.
    Unnoticed,
    /// Through a descriptor that was opened earlier and stays open.
    ThroughAnOpenFile,
    Removed,
    MadeAgain,
}

pub(super) fn cases() -> Vec<Case> {
    let rewritten =
        Shown::ALL.map(|shown| case(shown.name(), move |stage| Box::pin(rewritten(stage, shown))));
    let directories = [
        case("times", |stage| Box::pin(times(stage))),
        case("apps-info-exchanged", |stage| {
            let (dir, shown) = (layout::pod::APPS_INFO, Shown::AppManifest);
            Box::pin(exchanged(stage, RUNNING, dir, shown))
        }),
        case("stage1-exchanged", |stage| {
            let (dir, shown) = (layout::pod::OVERLAY, Shown::Status);
            Box::pin(exchanged(stage, RUNNING, dir, shown))
        }),
        case("pod-exchanged", |stage| {
            Box::pin(exchanged(stage, EXITED, "", Shown::Status))
        }),
        case("phase-away", |stage| {
            Box::pin(away(stage, |data_dir| data_dir.join(phase_dir(Phase::Run))))
        }),
        case("pods-away", |stage| {
            Box::pin(away(stage, |data_dir| data_dir.join(layout::PODS)))
        }),
        case("data-dir-away", |stage| {
            Box::pin(away(stage, Path::to_owned))
        }),
    ];
    rewritten.into_iter().chain(directories).collect()
}

fn case(name: &str, check: impl Fn(Stage) -> Checking + Send + Sync + 'static) -> Case {
    let content = format!("by-hand/{name}");
    Case::new(Method::ListPods, &clause::S_13, content, check).on(On::Own(&SMALL))
}

/// Asks in every way, the fullest first.
async fn look(stage: &Stage, id: Uuid, what: &str) -> Verdict {
    for ask in [Ask::Inspect, Ask::Detail, Ask::Brief] {
        let answered = ask::about_pod(stage, ask, id).await;
        answered.map_err(after(what))?;
    }
    Ok(())
}

/// One file in every way.
async fn rewritten(stage: Stage, shown: Shown) -> Verdict {
    let path = shown
        .path(&stage.data_dir()?.join(pod_dir(Phase::Run, RUNNING)))
        .map_err(|error| by_hand::refused(&error))?;
    let original = by_hand::unseen(&stage, {
        let path = path.clone();
        move |_| fs::read(path)
    })
    .await?;
    // Opened before the server is asked for the first time.
    let kept = by_hand::unseen(&stage, {
        let path = path.clone();
        move |_| File::options().write(true).open(path)
    })
    .await?;
    let mut kept = Some(kept);
    look(&stage, RUNNING, "the start").await?;
    let mut ways = vec![
        Way::ThroughAnOpenFile,
        Way::InPlace,
        Way::Unnoticed,
        Way::RenamedOver,
        Way::Unnoticed,
        Way::InPlace,
    ];
    // What a missing manifest comes to is another clause.
    if !matches!(shown, Shown::Manifest | Shown::AppManifest) {
        ways.extend([Way::Removed, Way::MadeAgain, Way::InPlace]);
    }
    for (variant, way) in (1..).zip(ways) {
        let content = shown.content(&original, variant);
        let content = content.map_err(|error| by_hand::refused(&error))?;
        let (path, written) = (path.clone(), content.clone());
        let kept = kept.take_if(|_| matches!(way, Way::ThroughAnOpenFile));
        let do_it = move |_: &Path| {
            match way {
                Way::InPlace | Way::MadeAgain => fs::write(&path, &written)?,
                Way::RenamedOver => replace(&path, &written)?,
                Way::Removed => fs::remove_file(&path)?,
                Way::Unnoticed => {
                    let modified = fs::metadata(&path)?.modified()?;
                    fs::write(&path, &written)?;
                    File::open(&path)?.set_modified(modified)?;
                }
                Way::ThroughAnOpenFile => {
                    use std::io::Write as _;
                    if let Some(mut file) = kept {
                        file.set_len(0)?;
                        file.write_all(&written)?;
                        return Ok(Some(file));
                    }
                }
            }
            Ok(None)
        };
        // A file that is kept open is closed only after the calls.
        let mut open = None;
        change(&stage, do_it, |world, file, moment| {
            open = file;
            if let Some(pod) = world.pod_mut(RUNNING) {
                let content = (!matches!(way, Way::Removed)).then_some((variant, content));
                let moment = (!matches!(way, Way::Unnoticed)).then_some(moment);
                shown.tell(pod, content, moment);
            }
        })
        .await?;
        look(
            &stage,
            RUNNING,
            &format!("{} was changed: {way:?}", shown.name()),
        )
        .await?;
        drop(open);
    }
    Ok(())
}

/// Modification times that are set, and nothing else.
async fn times(stage: Stage) -> Verdict {
    look(&stage, RUNNING, "the start").await?;
    for name in [layout::pod::CREATED, layout::pod::PID] {
        let set = move |data_dir: &Path| {
            let file = data_dir.join(pod_dir(Phase::Run, RUNNING)).join(name);
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(OTHER_TIME_NS as u64);
            File::open(file)?.set_modified(time)
        };
        change(&stage, set, |world, (), _| {
            if let Some(pod) = world.pod_mut(RUNNING) {
                let moment = Some(OTHER_TIME_NS..=OTHER_TIME_NS);
                match name {
                    layout::pod::CREATED => pod.created_at_ns = moment,
                    _ => pod.started_at_ns = moment,
                }
            }
        })
        .await?;
        look(&stage, RUNNING, &format!("the time of {name} was set")).await?;
    }
    Ok(())
}

/// A directory of the pod, or that itself, is put aside for a copy in which a file differs, and
/// comes back.
async fn exchanged(stage: Stage, id: Uuid, name: &'static str, shown: Shown) -> Verdict {
    look(&stage, id, "the start").await?;
    let before = pod(&stage, id)?;
    let dir = move |data_dir: &Path| match name {
        "" => data_dir.join(pod_dir(Phase::Run, id)),
        name => data_dir.join(pod_dir(Phase::Run, id)).join(name),
    };
    let exchange = move |data_dir: &Path| {
        let (dir, aside) = (dir(data_dir), data_dir.join("aside"));
        fs::rename(&dir, &aside)?;
        copy_tree(&aside, &dir)?;
        let file = shown.path(&data_dir.join(pod_dir(Phase::Run, id)))?;
        let content = shown.content(&fs::read(&file)?, 8)?;
        fs::write(&file, &content)?;
        Ok(content)
    };
    change(&stage, exchange, |world, content, moment| {
        if let Some(pod) = world.pod_mut(id) {
            shown.tell(pod, Some((8, content)), Some(moment));
        }
    })
    .await?;
    look(&stage, id, "the directory was exchanged").await?;
    let put_back = move |data_dir: &Path| {
        let dir = dir(data_dir);
        fs::remove_dir_all(&dir)?;
        fs::rename(data_dir.join("aside"), dir)
    };
    change(&stage, put_back, |world, (), _| world.put(before)).await?;
    look(&stage, id, "the directory came back").await
}

/// A directory goes away and comes back; the pods in it do so, too.
async fn away(stage: Stage, dir: fn(&Path) -> PathBuf) -> Verdict {
    ask::about_all_pods(&stage).await?;
    let parent_of_all = dir(stage.data_dir()?);
    let data_dir = stage.data_dir()?.to_owned();
    let is_in = |pod: &Pod| {
        data_dir
            .join(pod_dir(pod.phase, pod.id))
            .starts_with(&parent_of_all)
    };
    let world = ask::world(&stage)?;
    let pods: Vec<Pod> = world.pods().filter(|pod| is_in(pod)).cloned().collect();
    let aside = |dir: &Path| dir.with_extension("aside");
    let (from, to) = (parent_of_all.clone(), aside(&parent_of_all));
    let gone = pods.iter().map(|pod| pod.id).collect::<Vec<_>>();
    change(
        &stage,
        move |_| fs::rename(from, to),
        |world, (), _| {
            for id in gone {
                world.take(id);
            }
        },
    )
    .await?;
    let looked = async {
        // Whether a host without its directories has no pods or cannot be asked is left open.
        match is_away_answer_fixed(&parent_of_all) {
            true => ask::about_all_pods(&stage)
                .await
                .map_err(after("a directory went away")),
            false => prompt_answer(&stage).await,
        }
    }
    .await;
    let (from, to) = (aside(&parent_of_all), parent_of_all);
    change(
        &stage,
        move |_| fs::rename(from, to),
        |world, (), _| pods.into_iter().for_each(|pod| world.put(pod)),
    )
    .await?;
    looked?;
    ask::about_all_pods(&stage)
        .await
        .map_err(after("the directory came back"))
}

/// Whether the contract says what is answered while this directory is not there: for that of a
/// phase it does, there are no pods in it.
fn is_away_answer_fixed(dir: &Path) -> bool {
    let parent = dir.parent().and_then(Path::file_name);
    parent.is_some_and(|parent| parent == layout::PODS)
}

/// Any answer will do, but no pod that is not there.
async fn prompt_answer(stage: &Stage) -> Verdict {
    use crate::resource::Resource as _;

    let request = rkt_api::api::Pod::list_text(&[], false);
    let answer = ask::promptly(&request, rkt_api::api::Pod::list(stage, &[], false)).await?;
    match answer {
        Ok(pods) if !pods.is_empty() => Err(Objection::fail(
            request,
            "no pods, or an error: their directory is away",
            format!("{} pods", pods.len()),
        )),
        _ => Ok(()),
    }
}

fn pod(stage: &Stage, id: Uuid) -> Result<Pod, Objection> {
    let world = ask::world(stage)?;
    let pod = world.pod(id).cloned();
    pod.ok_or_else(|| Objection::Bug(format!("there is no pod {id}")))
}

/// The root of stage1's file system, in the pod's directory.
fn stage1_root(pod: &Path) -> io::Result<String> {
    if !pod.join(layout::pod::OVERLAY_PREPARED).exists() {
        return Ok(layout::pod::STAGE1_ROOTFS.to_owned());
    }
    let id = fs::read_to_string(pod.join(layout::pod::STAGE1_TREE_STORE_ID))?;
    Ok(layout::pod::stage1_overlay_rootfs(&id))
}
