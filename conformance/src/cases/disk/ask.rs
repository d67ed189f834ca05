//! Calls whose answers have to be the model's to the last field, and to come soon. What
//! happened on the host before is for those to say who ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rkt_api::api::{Image, ListImagesRequest, ListPodsRequest, Pod, PodFilter};
use serde_json::Value;
use tonic::Status;
use uuid::Uuid;

use crate::{
    case::{Objection, Verdict},
    model::{Expected, Refusal, World, expected::Timed, images, pods},
    profile::Profile,
    resource::Resource,
    stage::Stage,
    target::{Target, refused},
    text,
};

/// How soon any answer has to be there. Machines are slow, but a server that waits for what is
/// broken waits for ever.
pub(super) const PROMPT: Duration = Duration::from_secs(10);

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The list without detail.
    Brief,
    /// The list with it.
    Detail,
    /// The list of those in the state that the one in question is in.
    Filtered,
    /// The one in question.
    Inspect,
}

impl Ask {
    /// The end of names of cases that ask so.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brief => "/brief",
            Self::Detail => "/detail",
            Self::Filtered => "/filtered",
            Self::Inspect => "",
        }
    }
}

/// Something that the model has answers about.
pub(super) trait Modelled: Resource + Timed {
    /// Its name in the API's schema.
    const MESSAGE: &str;

    /// The list.
    fn listed(
        world: &World,
        profile: Profile,
        filters: &[Self::Filter],
        detail: bool,
    ) -> Result<Vec<Expected<Self>>, Refusal>;

    /// One of them.
    fn inspected(world: &World, profile: Profile, id: &str) -> Result<Expected<Self>, Refusal>;
}

impl Modelled for Pod {
    const MESSAGE: &str = "v1alpha.Pod";

    fn listed(
        world: &World,
        profile: Profile,
        filters: &[PodFilter],
        detail: bool,
    ) -> Result<Vec<Expected<Self>>, Refusal> {
        let filters = filters.to_vec();
        let request = ListPodsRequest { filters, detail };
        Ok(pods::list(world, profile, &request))
    }

    fn inspected(world: &World, profile: Profile, id: &str) -> Result<Expected<Self>, Refusal> {
        pods::inspect(world, profile, id)
    }
}

impl Modelled for Image {
    const MESSAGE: &str = "v1alpha.Image";

    fn listed(
        world: &World,
        profile: Profile,
        filters: &[Self::Filter],
        detail: bool,
    ) -> Result<Vec<Expected<Self>>, Refusal> {
        images::available(world)?;
        let filters = filters.to_vec();
        let request = ListImagesRequest { filters, detail };
        Ok(images::list(world, profile, &request))
    }

    fn inspected(world: &World, profile: Profile, id: &str) -> Result<Expected<Self>, Refusal> {
        images::inspect(world, profile, id)
    }
}

/// Asks for the pod in question, or for all, in this way.
pub(super) async fn about_pod(stage: &Stage, ask: Ask, id: Uuid) -> Verdict {
    let world = world(stage)?;
    match ask {
        Ask::Brief => list::<Pod>(stage, &world, &[], false).await,
        Ask::Detail => list::<Pod>(stage, &world, &[], true).await,
        Ask::Filtered => {
            let id = id.hyphenated().to_string();
            let state = Pod::inspected(&world, stage.profile(), &id).map(|pod| pod.message.state);
            let filter = PodFilter {
                states: vec![state.unwrap_or_default()],
                ids: vec![id],
                ..PodFilter::default()
            };
            list::<Pod>(stage, &world, &[filter], false).await
        }
        Ask::Inspect => inspect::<Pod>(stage, &world, &id.hyphenated().to_string()).await,
    }
}

/// Asks for every pod and every image, in every way.
pub(super) async fn about_everything(stage: &Stage) -> Verdict {
    about_all_pods(stage).await?;
    let world = world(stage)?;
    for detail in [false, true] {
        list::<Image>(stage, &world, &[], detail).await?;
    }
    for image in world.images() {
        inspect::<Image>(stage, &world, &image.id).await?;
    }
    Ok(())
}

/// Asks for every pod, in every way.
pub(super) async fn about_all_pods(stage: &Stage) -> Verdict {
    let world = world(stage)?;
    for detail in [false, true] {
        list::<Pod>(stage, &world, &[], detail).await?;
    }
    for pod in world.pods() {
        inspect::<Pod>(stage, &world, &pod.id.hyphenated().to_string()).await?;
    }
    Ok(())
}

/// The model's picture of the host.
///
/// # Errors
///
/// The case is skipped where there is none.
pub(super) fn world(stage: &Stage) -> Result<std::sync::Arc<World>, Objection> {
    Ok(stage.setting()?.world())
}

/// Lists them, and compares each with the model's.
pub(super) async fn list<R: Modelled>(
    target: &Target,
    world: &World,
    filters: &[R::Filter],
    detail: bool,
) -> Verdict {
    let request = R::list_text(filters, detail);
    let listed = promptly(&request, R::list(target, filters, detail)).await??;
    let expected = R::listed(world, target.profile(), filters, detail);
    // The answer is one: an error would have come by then.
    let expected = expected.map_err(|refusal| {
        Objection::fail(&request, text::code(refusal.code), "an answer".to_owned())
    })?;
    compare(&request, &expected, &listed)
}

/// Inspects one, and compares it with the model's.
pub(super) async fn inspect<R: Modelled>(target: &Target, world: &World, id: &str) -> Verdict {
    let request = R::inspect_text(id);
    let answer = promptly(&request, R::inspect(target, id)).await?;
    match (R::inspected(world, target.profile(), id), answer) {
        (Ok(expected), Ok(Some(seen))) => differ(&request, &expected, &seen),
        (Ok(expected), Ok(None)) => Err(Objection::fail(
            request,
            json(&expected.message),
            "an answer without it",
        )),
        (Ok(_), Err(status)) => Err(refused(request, &status)),
        (Err(refusal), Err(status)) if refusal.takes(status.code()) => Ok(()),
        (Err(refusal), Err(status)) => Err(Objection::fail(
            request,
            text::code(refusal.code),
            text::status(&status),
        )),
        (Err(refusal), Ok(_)) => Err(Objection::fail(
            request,
            text::code(refusal.code),
            "an answer",
        )),
    }
}

/// Whether these are the pods or images that are expected, each once, in whatever order.
pub(super) fn compare<R: Modelled>(
    request: &str,
    expected: &[Expected<R>],
    listed: &[R],
) -> Verdict {
    let mut seen = BTreeMap::new();
    for one in listed {
        if seen.insert(one.id(), one).is_some() {
            let twice = format!("{} {} twice", R::NOUN, one.id());
            return Err(Objection::fail(request, "each once", twice));
        }
    }
    for one in expected {
        let id = one.message.id();
        match seen.remove(id) {
            Some(seen) => differ(request, one, seen)?,
            None => {
                let expected = format!("{} among others", json(&one.message));
                let actual = format!("an answer without {} {id}", R::NOUN);
                return Err(Objection::fail(request, expected, actual));
            }
        }
    }
    match seen.keys().next() {
        None => Ok(()),
        Some(id) => Err(Objection::fail(
            request,
            format!("an answer without {} {id}", R::NOUN),
            json(seen[id]),
        )),
    }
}

/// Says in which fields they differ, if they do.
fn differ<R: Modelled>(request: &str, expected: &Expected<R>, seen: &R) -> Verdict {
    let right = expected.seen_as(seen);
    if right == *seen {
        return Ok(());
    }
    let (right, seen) = (fields(&right), fields(seen));
    let names: BTreeSet<&String> = right.keys().chain(seen.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| right.get(*name) != seen.get(*name));
    let differing: Vec<&String> = differing.collect();
    let shown = |of: &BTreeMap<String, Value>| {
        let shown = differing.iter().map(|name| match of.get(*name) {
            Some(value) => format!("{name} {value}"),
            None => format!("no {name}"),
        });
        text::short(&shown.collect::<Vec<_>>().join(", ")).into_owned()
    };
    Err(Objection::fail(
        request,
        shown(&right),
        format!("{} ({} {})", shown(&seen), R::NOUN, expected.message.id()),
    ))
}

fn fields<R: Modelled>(message: &R) -> BTreeMap<String, Value> {
    serde_json::from_str(&json(message)).unwrap_or_default()
}

fn json<R: Modelled>(message: &R) -> String {
    let json = text::json(R::MESSAGE, &message.encode_to_vec());
    json.unwrap_or_else(|| format!("{message:?}"))
}

/// Waits for an answer, but not for ever.
pub(super) async fn promptly<T>(
    request: &str,
    call: impl Future<Output = T>,
) -> Result<T, Objection> {
    within(PROMPT, request, call).await
}

/// Waits for an answer so long.
pub(super) async fn within<T>(
    patience: Duration,
    request: &str,
    call: impl Future<Output = T>,
) -> Result<T, Objection> {
    let answer = tokio::time::timeout(patience, call).await;
    answer.map_err(|_| {
        let expected = format!("an answer within {} ms", patience.as_millis());
        Objection::fail(request, expected, "none by then")
    })
}

/// The same objection, with what was done before.
pub(super) fn after(what: impl std::fmt::Display) -> impl FnOnce(Objection) -> Objection {
    move |objection| match objection {
        Objection::Fail(mut failure) => {
            failure.request = format!("{}, right after {what}", failure.request);
            Objection::Fail(failure)
        }
        other => other,
    }
}

/// An error where there should be an answer.
pub(super) fn no_error<T>(request: &str, answer: Result<T, Status>) -> Result<T, Objection> {
    answer.map_err(|status| refused(request.to_owned(), &status))
}
