//! S-13 and IM-7 on steps of rkt's: after each of them a call at once. What is asked first
//! after a step differs from case to case, since one call may bring up to date what answers
//! the next.

use rkt_sim::live::step::{
    App, Ending, Holder, ImageName, ImageRef, Import, Network, Process, Start, Step, Transaction,
    Write,
};
use uuid::Uuid;

use super::ask::{self, Ask, after};
use crate::{
    case::{Case, Method, On, Verdict},
    clause,
    hosts::disk::SMALL,
    stage::Stage,
};

/// The pod that the scripts are about.
const POD: Uuid = Uuid::from_u128(0xd83f_47c9_a1eb_465a_bc2e_a532_7f1e_905b);

/// How many calls come at once where several clients ask.
const CROWD: usize = 8;

/// How many pods lose their lock by the death of its holder.
const KILLED: u128 = 10;

/// Part of a pod's life, by name.
struct Script {
    name: &'static str,
    steps: fn() -> Vec<Step>,
}

const SCRIPTS: [Script; 6] = [
    Script {
        name: "prepared-and-run",
        steps: prepared_and_run,
    },
    Script {
        name: "run-at-once",
        steps: run_at_once,
    },
    Script {
        name: "aborted",
        steps: aborted,
    },
    Script {
        name: "expired",
        steps: expired,
    },
    Script {
        name: "mutable",
        steps: mutable,
    },
    Script {
        name: "without-networks",
        steps: without_networks,
    },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for Script { name, steps } in SCRIPTS {
        for ask in [Ask::Brief, Ask::Detail, Ask::Filtered, Ask::Inspect] {
            let method = match ask {
                Ask::Inspect => Method::InspectPod,
                _ => Method::ListPods,
            };
            let content = format!("{name}{}", ask.suffix());
            let case = Case::new(method, &clause::S_13, content, move |stage| async move {
                for step in steps() {
                    stage.play(step.clone()).await?;
                    let answered = ask::about_pod(&stage, ask, POD).await;
                    answered.map_err(after(told(&step)))?;
                }
                ask::about_everything(&stage).await
            });
            let is_usual = matches!(ask, Ask::Detail | Ask::Inspect);
            let case = case.on(On::Own(&SMALL));
            cases.push(if is_usual { case } else { case.thorough() });
        }
    }
    for ask in [Ask::Brief, Ask::Detail, Ask::Inspect] {
        let method = match ask {
            Ask::Inspect => Method::InspectImage,
            _ => Method::ListImages,
        };
        let content = format!("at-once{}", ask.suffix());
        let case = Case::new(method, &clause::IM_7, content, move |stage| {
            store(stage, ask)
        });
        cases.push(case.on(On::Own(&SMALL)));
    }
    cases.push(
        Case::new(Method::ListPods, &clause::S_13, "crowd", crowd)
            .on(On::Own(&SMALL))
            .thorough(),
    );
    cases.push(
        Case::new(Method::InspectPod, &clause::S_13, "killed-holders", killed).on(On::Own(&SMALL)),
    );
    cases
}

/// A step, as reports name it.
pub(super) fn told(step: &Step) -> String {
    match serde_json::to_string(step) {
        Ok(json) => format!("the step {json}"),
        Err(_) => format!("the step {}", step.name()),
    }
}

/// Several clients at once: none of them may be served what was there before.
async fn crowd(stage: Stage) -> Verdict {
    for step in prepared_and_run() {
        stage.play(step.clone()).await?;
        let asks = [Ask::Detail, Ask::Inspect, Ask::Brief, Ask::Filtered];
        let calls = asks.iter().cycle().take(CROWD);
        let calls = calls.map(|ask| ask::about_pod(&stage, *ask, POD));
        for answered in futures_util::future::join_all(calls).await {
            answered.map_err(after(told(&step)))?;
        }
    }
    Ok(())
}

/// A process that is killed lets go of its lock without a word.
async fn killed(stage: Stage) -> Verdict {
    for number in 0..KILLED {
        let pod = Uuid::from_u128(POD.as_u128() + number);
        for step in [
            vec![
                Step::Create { pod },
                Step::Lock { pod },
                Step::Prepare { pod },
                Step::Write(Write::new(pod)),
                Step::Run {
                    pod,
                    holder: Holder::Child,
                },
            ],
            vec![Step::Exit {
                pod,
                by: Ending::Kill,
            }],
        ]
        .concat()
        {
            let is_end = matches!(step, Step::Exit { .. } | Step::Run { .. });
            stage.play(step.clone()).await?;
            if is_end {
                let answered = ask::about_pod(&stage, Ask::Inspect, pod).await;
                answered.map_err(after(told(&step)))?;
            }
        }
    }
    ask::about_all_pods(&stage).await
}

/// The image store. After each of its steps comes one call about each image.
async fn store(stage: Stage, ask: Ask) -> Verdict {
    let name = |version: &str| ImageName::new("example.com/fresh/image", version);
    let import = |version: &str, via| {
        Step::Import(Import {
            size_bytes: Some(4711),
            tree_store_size_bytes: 11,
            via,
            ..Import::new(name(version))
        })
    };
    let used = |version: &str, via| Step::Use {
        image: ImageRef::Name(name(version)),
        via,
    };
    let remove = |version: &str, via| Step::Remove {
        image: ImageRef::Name(name(version)),
        via,
    };
    let (log, rewrite) = (Transaction::Log, Transaction::Rewrite);
    let mut known = Vec::new();
    for step in [
        import("1", log),
        import("2", rewrite),
        used("1", log),
        import("3", log),
        import("4", log),
        used("2", rewrite),
        remove("1", log),
        import("1", log),
        remove("2", rewrite),
        remove("1", rewrite),
        import("2", log),
        remove("3", log),
        remove("2", log),
        remove("4", log),
    ] {
        let record = stage.play(step.clone()).await?;
        known.extend(record.image_id.clone());
        let world = ask::world(&stage)?;
        let answered = async {
            match (ask, record.image_id) {
                (Ask::Inspect, Some(id)) => {
                    ask::inspect::<rkt_api::api::Image>(&stage, &world, &id).await
                }
                _ => {
                    let detail = ask == Ask::Detail;
                    ask::list::<rkt_api::api::Image>(&stage, &world, &[], detail).await
                }
            }
        };
        answered.await.map_err(after(told(&step)))?;
    }
    let world = ask::world(&stage)?;
    for id in known {
        ask::inspect::<rkt_api::api::Image>(&stage, &world, &id).await?;
    }
    ask::about_everything(&stage).await
}

/// Two apps, for overlayfs, prepared first and run afterwards.
fn prepared_and_run() -> Vec<Step> {
    let log = |app: &str, text: &str| Step::Log {
        pod: POD,
        app: app.to_owned(),
        text: text.to_owned(),
    };
    let exit = |app: &str, code| Step::AppExit {
        pod: POD,
        app: app.to_owned(),
        code,
    };
    let mut steps = begin(Write {
        overlay: true,
        annotations: [("example.com/owner".to_owned(), "shop".to_owned())].into(),
        ..write(&["web", "job"])
    });
    steps.extend([
        Step::Prepared { pod: POD },
        Step::Lock { pod: POD },
        Step::Unlock { pod: POD },
        Step::Run {
            pod: POD,
            holder: Holder::Simulator,
        },
        Step::Start(Start {
            networks: Some(vec![
                network("default", "172.16.28.77"),
                network("cluster", "fd00:5e::77"),
            ]),
            process: Some(Process::Pid(5_000_777)),
            ..Start::new(POD)
        }),
        log("web", "listening"),
        exit("job", 3),
        log("web", "one\ntwo"),
        Step::Rotate { pod: POD },
        log("web", "again"),
        exit("web", 137),
        Step::Exit {
            pod: POD,
            by: Ending::Close,
        },
        Step::Mark { pod: POD },
        Step::Lock { pod: POD },
        Step::Unlock { pod: POD },
        Step::Lock { pod: POD },
        Step::Sweep { pod: POD },
    ]);
    steps
}

/// No stop on the way from `prepare` to `run`, and the pod is killed.
fn run_at_once() -> Vec<Step> {
    let mut steps = begin(write(&["web"]));
    steps.extend([
        Step::Run {
            pod: POD,
            holder: Holder::Child,
        },
        Step::Start(Start {
            networks: Some(vec![network("default", "172.16.28.78")]),
            process: Some(Process::Ppid(5_000_778)),
            ..Start::new(POD)
        }),
        Step::Exit {
            pod: POD,
            by: Ending::Kill,
        },
        Step::Mark { pod: POD },
        Step::Sweep { pod: POD },
    ]);
    steps
}

/// Preparing stops half-way.
fn aborted() -> Vec<Step> {
    vec![
        Step::Create { pod: POD },
        Step::Lock { pod: POD },
        Step::Unlock { pod: POD },
        Step::Lock { pod: POD },
        Step::Prepare { pod: POD },
        Step::Abort { pod: POD },
        Step::Lock { pod: POD },
        Step::Unlock { pod: POD },
        Step::Mark { pod: POD },
        Step::Lock { pod: POD },
        Step::Unlock { pod: POD },
        Step::Sweep { pod: POD },
    ]
}

/// Prepared, never run.
fn expired() -> Vec<Step> {
    let mut steps = begin(write(&["web"]));
    steps.extend([
        Step::Prepared { pod: POD },
        Step::Mark { pod: POD },
        Step::Lock { pod: POD },
        Step::Sweep { pod: POD },
    ]);
    steps
}

/// Apps come and go while the pod runs.
fn mutable() -> Vec<Step> {
    let mut steps = begin(Write {
        mutable: true,
        ..write(&[])
    });
    let start = |app: &str| Step::AppStart {
        pod: POD,
        app: app.to_owned(),
    };
    let exit = |app: &str, code| Step::AppExit {
        pod: POD,
        app: app.to_owned(),
        code,
    };
    let add = |name: &str| Step::AppAdd {
        pod: POD,
        app: app(name),
    };
    steps.extend([
        Step::Run {
            pod: POD,
            holder: Holder::Simulator,
        },
        Step::Start(Start {
            process: Some(Process::Pid(5_000_779)),
            ..Start::new(POD)
        }),
        add("web"),
        start("web"),
        add("job"),
        start("job"),
        exit("web", 1),
        start("web"),
        exit("job", 0),
        exit("web", 2),
        Step::Exit {
            pod: POD,
            by: Ending::Close,
        },
        Step::Mark { pod: POD },
        Step::Sweep { pod: POD },
    ]);
    steps
}

/// Host networking.
fn without_networks() -> Vec<Step> {
    let mut steps = begin(write(&["web", "job"]));
    steps.extend([
        Step::Run {
            pod: POD,
            holder: Holder::Simulator,
        },
        Step::Start(Start {
            process: Some(Process::Pid(5_000_780)),
            ..Start::new(POD)
        }),
        Step::Exit {
            pod: POD,
            by: Ending::Close,
        },
        Step::Mark { pod: POD },
        Step::Lock { pod: POD },
    ]);
    steps
}

fn begin(write: Write) -> Vec<Step> {
    vec![
        Step::Create { pod: POD },
        Step::Lock { pod: POD },
        Step::Prepare { pod: POD },
        Step::Write(write),
    ]
}

fn write(apps: &[&str]) -> Write {
    Write {
        apps: apps.iter().map(|name| app(name)).collect(),
        ..Write::new(POD)
    }
}

fn app(name: &str) -> App {
    App::new(
        name,
        ImageName::new(format!("example.com/fresh/{name}"), "1.0"),
    )
}

fn network(name: &str, ip: &str) -> Network {
    Network {
        name: name.to_owned(),
        ip: ip.parse().ok(),
    }
}
