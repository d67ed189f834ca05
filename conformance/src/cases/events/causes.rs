//! What makes events, and what makes none (E-1): how often each was due, said here once more,
//! in so many words, and not taken from the model.

use rkt_api::api::EventType;
use uuid::Uuid;

use super::{
    judge::{show, show_one},
    scenes::LIVES,
    script::{self, ABORTED, CALM, DIRECT, EMBRYO, MUTABLE, PROBED, STILLBORN, UNSTARTED, UNUSED},
    whole_scene,
};
use crate::{
    case::{Case, Method, Objection, On, Verdict},
    clause,
    hosts::events as old,
    stage::Stage,
};

/// How often an event of one type is due from one subject.
#[derive(Clone, Copy)]
struct Due {
    /// What the case is called.
    name: &'static str,
    r#type: EventType,
    subject: Subject,
    times: usize,
    /// Whether the document says so itself.
    must: bool,
}

#[derive(Clone, Copy)]
enum Subject {
    Pod(Uuid),
    App(Uuid, &'static str),
    Image((&'static str, &'static str)),
    Fetched,
}

impl Subject {
    fn id(self) -> String {
        match self {
            Self::Pod(pod) | Self::App(pod, _) => pod.to_string(),
            Self::Image(image) => script::image_id(image),
            Self::Fetched => script::fetched_id(),
        }
    }
}

/// What the document says.
const fn must(name: &'static str, r#type: EventType, subject: Subject) -> Due {
    Due {
        name,
        r#type,
        subject,
        times: 1,
        must: true,
    }
}

/// What the contract decided.
const fn decided(name: &'static str, r#type: EventType, subject: Subject, times: usize) -> Due {
    Due {
        name,
        r#type,
        subject,
        times,
        must: false,
    }
}

const DUE: [Due; 43] = {
    use EventType::*;
    use Subject::*;
    [
        must("pod-prepared:waits", PodPrepared, Pod(CALM)),
        must("pod-prepared:runs-at-once", PodPrepared, Pod(DIRECT)),
        decided("pod-prepared:old", PodPrepared, Pod(old::PREPARING), 1),
        decided("pod-prepared:not-aborted", PodPrepared, Pod(ABORTED), 0),
        decided(
            "pod-prepared:not-before",
            PodPrepared,
            Pod(old::PREPARED),
            0,
        ),
        must(
            "pod-prepare-aborted:written",
            PodPrepareAborted,
            Pod(ABORTED),
        ),
        must(
            "pod-prepare-aborted:unwritten",
            PodPrepareAborted,
            Pod(STILLBORN),
        ),
        decided(
            "pod-prepare-aborted:not-prepared",
            PodPrepareAborted,
            Pod(CALM),
            0,
        ),
        decided(
            "pod-prepare-aborted:not-before",
            PodPrepareAborted,
            Pod(old::ABORTED),
            0,
        ),
        decided(
            "pod-prepare-aborted:not-embryo",
            PodPrepareAborted,
            Pod(EMBRYO),
            0,
        ),
        must("pod-started:waited", PodStarted, Pod(CALM)),
        must("pod-started:at-once", PodStarted, Pod(DIRECT)),
        decided("pod-started:old", PodStarted, Pod(old::PREPARED), 1),
        decided(
            "pod-started:without-apps-starting",
            PodStarted,
            Pod(UNSTARTED),
            1,
        ),
        decided("pod-started:not-prepared", PodStarted, Pod(UNUSED), 0),
        decided("pod-started:not-before", PodStarted, Pod(old::RUNNING), 0),
        must("pod-exited:closed", PodExited, Pod(CALM)),
        must("pod-exited:killed", PodExited, Pod(DIRECT)),
        decided("pod-exited:old", PodExited, Pod(old::RUNNING), 1),
        decided(
            "pod-exited:without-apps-starting",
            PodExited,
            Pod(UNSTARTED),
            1,
        ),
        decided("pod-exited:not-before", PodExited, Pod(old::EXITED), 0),
        decided("pod-exited:not-locked-elsewhere", PodExited, Pod(PROBED), 1),
        must(
            "pod-garbage-collected:exited",
            PodGarbageCollected,
            Pod(CALM),
        ),
        decided(
            "pod-garbage-collected:prepared",
            PodGarbageCollected,
            Pod(UNUSED),
            1,
        ),
        decided(
            "pod-garbage-collected:aborted",
            PodGarbageCollected,
            Pod(ABORTED),
            1,
        ),
        decided(
            "pod-garbage-collected:old",
            PodGarbageCollected,
            Pod(old::EXITED),
            1,
        ),
        decided(
            "pod-garbage-collected:not-swept",
            PodGarbageCollected,
            Pod(old::GARBAGE),
            0,
        ),
        must("app-started:pid", AppStarted, App(CALM, "web")),
        must("app-started:ppid", AppStarted, App(DIRECT, "helper")),
        decided("app-started:anew", AppStarted, App(MUTABLE, "first"), 2),
        decided("app-started:added", AppStarted, App(MUTABLE, "late"), 1),
        decided(
            "app-started:not-without-pid",
            AppStarted,
            App(UNSTARTED, "main"),
            0,
        ),
        must("app-exited:status", AppExited, App(CALM, "log")),
        decided(
            "app-exited:with-the-pod",
            AppExited,
            App(DIRECT, "helper"),
            1,
        ),
        decided("app-exited:anew", AppExited, App(MUTABLE, "first"), 2),
        decided(
            "app-exited:not-before",
            AppExited,
            App(old::RUNNING, old::RUNNING_APPS[0]),
            0,
        ),
        must("image-imported:first", ImageImported, Fetched),
        decided(
            "image-imported:over-itself",
            ImageImported,
            Image(script::STORE),
            2,
        ),
        decided(
            "image-imported:after-removal",
            ImageImported,
            Image(script::WEB),
            2,
        ),
        decided(
            "image-imported:not-used",
            ImageImported,
            Image(old::USED),
            0,
        ),
        must("image-removed:in-place", ImageRemoved, Image(script::WEB)),
        must(
            "image-removed:index-anew",
            ImageRemoved,
            Image(old::DROPPED),
        ),
        decided(
            "image-removed:not-used",
            ImageRemoved,
            Image(script::STORE),
            0,
        ),
    ]
};

pub(super) fn cases() -> Vec<Case> {
    let counted = DUE.into_iter().map(|due| {
        let check = move |stage| count(stage, due);
        let case = Case::new(Method::ListenEvents, &clause::E_1, due.name, check);
        match due.must {
            true => case,
            false => case.decided(),
        }
    });
    let known = Case::new(
        Method::ListenEvents,
        &clause::E_1,
        "known-types",
        known_types,
    );
    let cases = counted.chain([known]);
    cases.map(|case| case.on(On::Scene(&LIVES))).collect()
}

/// That an event is told as often as it is due.
async fn count(stage: Stage, due: Due) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let id = due.subject.id();
    let own = scene.heard.plain().filter(|event| event.id == id);
    let own = own.filter(|event| match due.subject {
        Subject::App(_, name) => event.from == name,
        _ => true,
    });
    let own: Vec<_> = own.filter(|event| event.r#type() == due.r#type).collect();
    if own.len() == due.times {
        return Ok(());
    }
    let all = scene.heard.plain().filter(|event| event.id == id);
    Err(Objection::fail(
        scene.listener.request(),
        format!("{} {} of {id}", due.times, due.r#type.as_str_name()),
        format!("{}; of {id} at all: {}", own.len(), show(all)),
    ))
}

/// That no event is of a type that is never sent.
async fn known_types(stage: Stage) -> Verdict {
    let scene = whole_scene(&stage).await?;
    let is_known = |r#type: i32| match EventType::try_from(r#type) {
        Ok(EventType::Undefined) | Err(_) => false,
        Ok(_) => true,
    };
    match scene.heard.plain().find(|event| !is_known(event.r#type)) {
        None => Ok(()),
        Some(event) => Err(Objection::fail(
            scene.listener.request(),
            "events of the nine types",
            show_one(event),
        )),
    }
}
