//! Pods and images as far as they are alike: both are listed, inspected and filtered. So what
//! is checked of both alike is written once, against [`Resource`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use prost::Message;
use rkt_api::api::{
    Image, ImageFilter, InspectImageRequest, InspectPodRequest, ListImagesRequest, ListPodsRequest,
    Pod, PodFilter,
};
use tokio::sync::OnceCell;
use tonic::Status;

use crate::{
    case::{Method, Objection},
    filters::{self, ImageFacts, PodFacts},
    model::{self, Expected, Refusal, World, expected::Timed},
    oracle::{Formats, Oracle},
    profile::Profile,
    stage::Stage,
    survey::Survey,
    target::{Target, refused},
    text,
};

/// Something that is listed, inspected and filtered.
pub(crate) trait Resource:
    Message + Clone + Default + PartialEq + Timed<Times: Send + Sync> + Formats + 'static
{
    /// What it is called.
    const NOUN: &str;
    /// The message's name in the proto.
    const TYPE: &str;
    /// The method that lists all.
    const LIST: Method;
    /// The method that answers one.
    const INSPECT: Method;

    /// A condition on it.
    type Filter: Clone + Default + Send + Sync + 'static;
    /// What conditions look at.
    type Facts: Clone + PartialEq + Send + Sync + 'static;

    /// Its id.
    fn id(&self) -> &str;

    /// The manifest's bytes.
    fn manifest(&self) -> &Bytes;

    /// What conditions look at. Only an answer with detail has it all.
    fn facts(&self) -> Self::Facts;

    /// Its id, from the facts.
    fn id_of(facts: &Self::Facts) -> &str;

    /// Whether the contract has it meet the condition.
    fn meets(filter: &Self::Filter, facts: &Self::Facts) -> bool;

    /// The list that the model answers with, in the contract's order.
    fn expected(
        world: &World,
        profile: Profile,
        filters: &[Self::Filter],
        detail: bool,
    ) -> Vec<Expected<Self>>;

    /// What the model answers about one.
    ///
    /// # Errors
    ///
    /// The refusal that it answers with instead.
    fn expected_one(world: &World, profile: Profile, id: &str) -> Result<Expected<Self>, Refusal>;

    /// What the target remembers of them.
    fn memory(target: &Target) -> &Memory<Self>;

    /// The list request as text.
    fn list_text(filters: &[Self::Filter], detail: bool) -> String;

    /// The inspect request as text.
    fn inspect_text(id: &str) -> String;

    /// Lists them. An error is the server's fault: lists have nothing to refuse.
    fn list(
        target: &Target,
        filters: &[Self::Filter],
        detail: bool,
    ) -> impl Future<Output = Result<Vec<Self>, Objection>> + Send;

    /// Inspects one. `None` is an answer without the message that it is about.
    fn inspect(
        target: &Target,
        id: &str,
    ) -> impl Future<Output = Result<Option<Self>, Status>> + Send;
}

/// What has been learned of a target's pods or images, shared by cases so that not each has to
/// ask anew.
pub(crate) struct Memory<R: Resource> {
    survey: OnceCell<Arc<Survey<R>>>,
    facts: Mutex<Option<Arc<Vec<R::Facts>>>>,
    /// What the model last had to say.
    expected: Mutex<Option<Arc<Lists<R>>>>,
    appc_version: OnceCell<Arc<str>>,
}

impl<R: Resource> Default for Memory<R> {
    fn default() -> Self {
        Self {
            survey: OnceCell::new(),
            facts: Mutex::default(),
            expected: Mutex::default(),
            appc_version: OnceCell::new(),
        }
    }
}

/// Every answer about every pod or image, taken once a run.
pub(crate) async fn survey<R: Resource>(target: &Target) -> Result<Arc<Survey<R>>, Objection> {
    let survey = &R::memory(target).survey;
    let survey = survey.get_or_try_init(|| async { Survey::take(target).await.map(Arc::new) });
    survey.await.cloned()
}

/// The facts about all of them at this moment, by id.
pub(crate) async fn facts_now<R: Resource>(
    target: &Target,
) -> Result<Arc<Vec<R::Facts>>, Objection> {
    let listed = R::list(target, &[], true).await?;
    let mut facts: Vec<R::Facts> = listed.iter().map(R::facts).collect();
    facts.sort_by(|a, b| R::id_of(a).cmp(R::id_of(b)));
    let facts = Arc::new(facts);
    *lock(&R::memory(target).facts) = Some(Arc::clone(&facts));
    Ok(facts)
}

/// The facts as they were last seen, by this case or an earlier one.
pub(crate) async fn facts_before<R: Resource>(
    target: &Target,
) -> Result<Arc<Vec<R::Facts>>, Objection> {
    let known = lock(&R::memory(target).facts).clone();
    match known {
        Some(facts) => Ok(facts),
        None => facts_now::<R>(target).await,
    }
}

/// What the model says of all pods or images.
pub(crate) struct Lists<R: Resource> {
    /// The world that it says this of.
    world: Arc<World>,
    /// Listed without detail, by id.
    pub(crate) brief: BTreeMap<String, Expected<R>>,
    /// Listed with detail, by id.
    pub(crate) detailed: BTreeMap<String, Expected<R>>,
    /// The facts about them, by id.
    pub(crate) facts: Vec<R::Facts>,
}

/// What the model says of all of them, worked out once for each world.
pub(crate) fn lists_expected<R: Resource>(target: &Target, oracle: &Oracle) -> Arc<Lists<R>> {
    let mut known = lock(&R::memory(target).expected);
    match &*known {
        Some(lists) if Arc::ptr_eq(&lists.world, oracle.world()) => Arc::clone(lists),
        _ => {
            let list = |detail| {
                let all = oracle.list::<R>(&[], detail).into_iter();
                all.map(|one| (one.message.id().to_owned(), one))
            };
            let detailed: BTreeMap<String, Expected<R>> = list(true).collect();
            let lists = Arc::new(Lists {
                world: Arc::clone(oracle.world()),
                brief: list(false).collect(),
                facts: detailed.values().map(|one| one.message.facts()).collect(),
                detailed,
            });
            *known = Some(Arc::clone(&lists));
            lists
        }
    }
}

/// The appc version that the server gives, asked for once a run.
pub(crate) async fn appc_version(stage: &Stage) -> Result<Arc<str>, Objection> {
    let version = &Image::memory(stage).appc_version;
    let version = version.get_or_try_init(|| async {
        let info = stage.info().await?.info.unwrap_or_default();
        Ok(info.appc_version.into())
    });
    version.await.cloned()
}

/// What the mutex guards stays whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Resource for Pod {
    const NOUN: &str = "pod";
    const TYPE: &str = "Pod";
    const LIST: Method = Method::ListPods;
    const INSPECT: Method = Method::InspectPod;

    type Filter = PodFilter;
    type Facts = PodFacts;

    fn id(&self) -> &str {
        &self.id
    }

    fn manifest(&self) -> &Bytes {
        &self.manifest
    }

    fn facts(&self) -> PodFacts {
        self.into()
    }

    fn id_of(facts: &PodFacts) -> &str {
        &facts.id
    }

    fn meets(filter: &PodFilter, facts: &PodFacts) -> bool {
        filters::pod_meets(filter, facts)
    }

    fn expected(
        world: &World,
        profile: Profile,
        filters: &[PodFilter],
        detail: bool,
    ) -> Vec<Expected<Self>> {
        model::pods::list(world, profile, &list_pods(filters, detail))
    }

    fn expected_one(world: &World, profile: Profile, id: &str) -> Result<Expected<Self>, Refusal> {
        model::pods::inspect(world, profile, id)
    }

    fn memory(target: &Target) -> &Memory<Self> {
        &target.pods
    }

    fn list_text(filters: &[PodFilter], detail: bool) -> String {
        text::request(Self::LIST, &list_pods(filters, detail))
    }

    fn inspect_text(id: &str) -> String {
        text::request(Self::INSPECT, &InspectPodRequest { id: id.to_owned() })
    }

    async fn list(
        target: &Target,
        filters: &[PodFilter],
        detail: bool,
    ) -> Result<Vec<Self>, Objection> {
        let answer = target.client().list_pods(list_pods(filters, detail)).await;
        let answer = answer.map_err(|status| refused(Self::list_text(filters, detail), &status))?;
        Ok(answer.into_inner().pods)
    }

    async fn inspect(target: &Target, id: &str) -> Result<Option<Self>, Status> {
        let request = InspectPodRequest { id: id.to_owned() };
        let answer = target.client().inspect_pod(request).await?;
        Ok(answer.into_inner().pod)
    }
}

fn list_pods(filters: &[PodFilter], detail: bool) -> ListPodsRequest {
    ListPodsRequest {
        filters: filters.to_vec(),
        detail,
    }
}

impl Resource for Image {
    const NOUN: &str = "image";
    const TYPE: &str = "Image";
    const LIST: Method = Method::ListImages;
    const INSPECT: Method = Method::InspectImage;

    type Filter = ImageFilter;
    type Facts = ImageFacts;

    fn id(&self) -> &str {
        &self.id
    }

    fn manifest(&self) -> &Bytes {
        &self.manifest
    }

    fn facts(&self) -> ImageFacts {
        self.into()
    }

    fn id_of(facts: &ImageFacts) -> &str {
        &facts.id
    }

    fn meets(filter: &ImageFilter, facts: &ImageFacts) -> bool {
        filters::image_meets(filter, facts)
    }

    fn expected(
        world: &World,
        profile: Profile,
        filters: &[ImageFilter],
        detail: bool,
    ) -> Vec<Expected<Self>> {
        model::images::list(world, profile, &list_images(filters, detail))
    }

    fn expected_one(world: &World, profile: Profile, id: &str) -> Result<Expected<Self>, Refusal> {
        model::images::inspect(world, profile, id)
    }

    fn memory(target: &Target) -> &Memory<Self> {
        &target.images
    }

    fn list_text(filters: &[ImageFilter], detail: bool) -> String {
        text::request(Self::LIST, &list_images(filters, detail))
    }

    fn inspect_text(id: &str) -> String {
        text::request(Self::INSPECT, &InspectImageRequest { id: id.to_owned() })
    }

    async fn list(
        target: &Target,
        filters: &[ImageFilter],
        detail: bool,
    ) -> Result<Vec<Self>, Objection> {
        let request = list_images(filters, detail);
        let answer = target.client().list_images(request).await;
        let answer = answer.map_err(|status| refused(Self::list_text(filters, detail), &status))?;
        Ok(answer.into_inner().images)
    }

    async fn inspect(target: &Target, id: &str) -> Result<Option<Self>, Status> {
        let request = InspectImageRequest { id: id.to_owned() };
        let answer = target.client().inspect_image(request).await?;
        Ok(answer.into_inner().image)
    }
}

fn list_images(filters: &[ImageFilter], detail: bool) -> ListImagesRequest {
    ListImagesRequest {
        filters: filters.to_vec(),
        detail,
    }
}
