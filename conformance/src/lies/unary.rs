//! Lies in calls with one answer: in what forms they come, and how each call tells them. The
//! lies are in the modules below.

mod fields;
mod image_filters;
mod images;
mod pod_filters;
mod pods;
mod refusals;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rkt_api::api::{
    GetInfoRequest, GetInfoResponse, Image, ImageFilter, InspectImageRequest, InspectPodRequest,
    ListImagesRequest, ListPodsRequest, Pod, PodFilter, public_api_server::PublicApi,
};
use tonic::{Request, Response, Status};

use super::Lie;
use crate::clause::Clause;

/// What comes of asking for one pod, or image.
pub type Found<T> = Result<Option<T>, Status>;

/// A lie in a call with one answer.
#[derive(Clone, Copy)]
pub enum How {
    /// GetInfo says something else.
    Info(fn(&mut GetInfoResponse)),
    /// GetInfo looks at the data directory first, and fails where it finds none.
    LookFirst,
    /// Another list of pods is asked for.
    AskPods(fn(&mut ListPodsRequest)),
    /// A filter takes other pods.
    PickPods(fn(&PodFilter, &Pod) -> bool),
    /// Every pod is told of otherwise. It comes as it is told, and with everything.
    Pods(fn(&mut Pod, &Pod)),
    /// Every listed pod is told of otherwise; whether with detail is said.
    ListedPods(fn(&mut Pod, &Pod, bool)),
    /// Every listed pod with apps is told with the names and versions of its images.
    NameImages,
    /// Every inspected pod is told of otherwise.
    InspectedPods(fn(&mut Pod)),
    /// Another list of pods is told.
    TellPods(fn(&mut Vec<Pod>)),
    /// A list of pods is not told where one of these is on it.
    FailPods(fn(&Pod) -> bool),
    /// Another answer about one pod is told, with all pods at hand.
    Pod(fn(&str, &[Pod], &mut Found<Pod>)),
    /// Another list of images is asked for.
    AskImages(fn(&mut ListImagesRequest)),
    /// A filter takes other images.
    PickImages(fn(&ImageFilter, &Image) -> bool),
    /// Every image is told of otherwise.
    Images(fn(&mut Image)),
    /// Every listed image is told of otherwise, with all there is to say at hand.
    ListedImages(fn(&mut Image, &Image)),
    /// Every inspected image is told of otherwise.
    InspectedImages(fn(&mut Image)),
    /// Another list of images is told.
    TellImages(fn(&mut Result<Vec<Image>, Status>)),
    /// Another answer about one image is told, with all images at hand.
    Image(fn(&str, &[Image], &mut Found<Image>)),
    /// What was true when the same was asked before is told, about pods.
    StalePods,
    /// The same, about images.
    StaleImages,
}

/// What has been told before, by what was asked.
#[derive(Default)]
pub struct Memory {
    pods: Mutex<BTreeMap<String, Vec<Pod>>>,
    images: Mutex<BTreeMap<String, Vec<Image>>>,
}

/// All lies in calls with one answer.
pub fn all() -> Vec<Lie> {
    [
        fields::lies(),
        pods::lies(),
        pod_filters::lies(),
        images::lies(),
        image_filters::lies(),
        refusals::lies(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) const fn lie(clause: &'static Clause, name: &'static str, how: How) -> Lie {
    let how = super::How::Unary(how);
    Lie { name, clause, how }
}

/// A lie being told.
pub struct Lying<'a, S> {
    pub(super) honest: &'a S,
    pub(super) how: How,
    pub(super) memory: &'a Memory,
}

impl<S: PublicApi> Lying<'_, S> {
    async fn honest_pods(&self, request: ListPodsRequest) -> Result<Vec<Pod>, Status> {
        let answer = self.honest.list_pods(Request::new(request)).await;
        Ok(answer?.into_inner().pods)
    }

    async fn honest_images(&self, request: ListImagesRequest) -> Result<Vec<Image>, Status> {
        let answer = self.honest.list_images(Request::new(request)).await;
        Ok(answer?.into_inner().images)
    }

    /// All pods, with everything.
    async fn all_pods(&self) -> Result<Vec<Pod>, Status> {
        let request = ListPodsRequest {
            detail: true,
            filters: Vec::new(),
        };
        self.honest_pods(request).await
    }

    /// Has the pod's apps tell of their images what they do when the pod is inspected.
    async fn name_images(&self, pod: &mut Pod) {
        let id = pod.id.clone();
        let answer = self
            .honest
            .inspect_pod(Request::new(InspectPodRequest { id }))
            .await;
        let inspected = answer.ok().and_then(|answer| answer.into_inner().pod);
        let inspected = inspected.unwrap_or_default().apps;
        for (app, inspected) in pod.apps.iter_mut().zip(inspected) {
            app.image = inspected.image;
        }
    }

    /// All images, with everything.
    async fn all_images(&self) -> Result<Vec<Image>, Status> {
        let request = ListImagesRequest {
            detail: true,
            filters: Vec::new(),
        };
        self.honest_images(request).await
    }

    pub(super) async fn get_info(
        &self,
        request: GetInfoRequest,
    ) -> Result<GetInfoResponse, Status> {
        let answer = self.honest.get_info(Request::new(request)).await;
        let mut answer = answer.map(Response::into_inner)?;
        match self.how {
            How::Info(tell) => tell(&mut answer),
            How::LookFirst => {
                let info = answer.info.clone().unwrap_or_default();
                let dir = info.global_flags.unwrap_or_default().dir;
                let looked = Path::new(&dir).join("pods").read_dir();
                looked.map_err(|error| Status::unavailable(error.to_string()))?;
            }
            _ => {}
        }
        Ok(answer)
    }

    pub(super) async fn list_pods(&self, mut request: ListPodsRequest) -> Result<Vec<Pod>, Status> {
        match self.how {
            How::AskPods(change) => change(&mut request),
            How::PickPods(picks) if !request.filters.is_empty() => {
                let is_taken = |pod: &Pod| request.filters.iter().any(|filter| picks(filter, pod));
                let mut taken = self.all_pods().await?;
                taken.retain(is_taken);
                request.filters.clear();
                let mut pods = self.honest_pods(request).await?;
                pods.retain(|pod| taken.iter().any(|one| one.id == pod.id));
                return Ok(pods);
            }
            _ => {}
        }
        let (asked, detail) = (format!("{request:?}"), request.detail);
        let mut pods = self.honest_pods(request).await?;
        match self.how {
            How::Pods(_) | How::ListedPods(_) => {
                let all = self.all_pods().await?;
                for pod in &mut pods {
                    let whole = all.iter().find(|one| one.id == pod.id).cloned();
                    let whole = whole.unwrap_or_else(|| pod.clone());
                    match self.how {
                        How::Pods(change) => change(pod, &whole),
                        How::ListedPods(change) => change(pod, &whole, detail),
                        _ => {}
                    }
                }
            }
            How::TellPods(tell) => tell(&mut pods),
            How::FailPods(is_fatal) => {
                if let Some(pod) = self.all_pods().await?.iter().find(|pod| is_fatal(pod)) {
                    return Err(Status::internal(format!("pod {} is broken", pod.id)));
                }
            }
            How::NameImages => {
                for pod in pods.iter_mut().filter(|pod| !pod.apps.is_empty()) {
                    self.name_images(pod).await;
                }
            }
            How::StalePods => return Ok(before(&self.memory.pods, asked, pods)),
            _ => {}
        }
        Ok(pods)
    }

    pub(super) async fn inspect_pod(&self, id: String) -> Found<Pod> {
        let request = Request::new(InspectPodRequest { id: id.clone() });
        let answer = self.honest.inspect_pod(request).await;
        let mut found = answer.map(|answer| answer.into_inner().pod);
        match (self.how, &mut found) {
            (How::Pods(change), Ok(Some(pod))) => {
                let whole = pod.clone();
                change(pod, &whole);
            }
            (How::InspectedPods(change), Ok(Some(pod))) => change(pod),
            (How::Pod(tell), found) => tell(&id, &self.all_pods().await?, found),
            (How::StalePods, Ok(Some(pod))) => {
                let mut told = before(&self.memory.pods, id, vec![pod.clone()]);
                return Ok(told.pop());
            }
            _ => {}
        }
        found
    }

    pub(super) async fn list_images(
        &self,
        mut request: ListImagesRequest,
    ) -> Result<Vec<Image>, Status> {
        match self.how {
            How::AskImages(change) => change(&mut request),
            How::PickImages(picks) if !request.filters.is_empty() => {
                let is_taken =
                    |image: &Image| request.filters.iter().any(|filter| picks(filter, image));
                let mut taken = self.all_images().await?;
                taken.retain(is_taken);
                request.filters.clear();
                let mut images = self.honest_images(request).await?;
                images.retain(|image| taken.iter().any(|one| one.id == image.id));
                return Ok(images);
            }
            _ => {}
        }
        let asked = format!("{request:?}");
        let mut answer = self.honest_images(request).await;
        if let How::TellImages(tell) = self.how {
            tell(&mut answer);
        }
        let mut images = answer?;
        match self.how {
            How::Images(change) => images.iter_mut().for_each(change),
            How::ListedImages(change) => {
                let all = self.all_images().await?;
                for image in &mut images {
                    if let Some(whole) = all.iter().find(|one| one.id == image.id) {
                        change(image, whole);
                    }
                }
            }
            How::StaleImages => return Ok(before(&self.memory.images, asked, images)),
            _ => {}
        }
        Ok(images)
    }

    pub(super) async fn inspect_image(&self, id: String) -> Found<Image> {
        let request = Request::new(InspectImageRequest { id: id.clone() });
        let answer = self.honest.inspect_image(request).await;
        let mut found = answer.map(|answer| answer.into_inner().image);
        match (self.how, &mut found) {
            (How::Images(change) | How::InspectedImages(change), Ok(Some(image))) => change(image),
            (How::Image(tell), found) => {
                let all = self.all_images().await.unwrap_or_default();
                tell(&id, &all, found);
            }
            (How::StaleImages, Ok(Some(image))) => {
                let mut told = before(&self.memory.images, id, vec![image.clone()]);
                return Ok(told.pop());
            }
            _ => {}
        }
        found
    }
}

/// What was told to the same question before, and the first time the truth.
fn before<T: Clone>(
    memory: &Mutex<BTreeMap<String, Vec<T>>>,
    asked: String,
    now: Vec<T>,
) -> Vec<T> {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    memory.insert(asked, now.clone()).unwrap_or(now)
}
