//! Lies about hosts that change and break: servers that remember what they should look up,
//! stumble over what they should pass over, and leave traces where they should only read.
//! A lie changes an answer of the model's, or does something before it is given.

mod damage;
mod memory;
mod stores;
mod traces;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rkt_api::{
    api::{
        GetInfoRequest, GetInfoResponse, GetLogsRequest, Image, InspectImageRequest,
        InspectImageResponse, InspectPodRequest, InspectPodResponse, ListImagesRequest,
        ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest, Pod,
        public_api_server::PublicApi,
    },
    layout::{self, Phase},
};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use super::Lie;
use crate::{case::Method, clause::Clause, model::ModelServer};

/// How long answers are kept by those who keep them.
const KEPT: Duration = Duration::from_millis(100);

/// What a liar does.
#[derive(Clone, Copy)]
pub enum How {
    /// It makes something else of a list of pods.
    Pods(fn(&mut Past, Vec<Pod>) -> Result<Vec<Pod>, Status>),
    /// It makes something else of an inspected pod.
    Pod(fn(&mut Past, Pod) -> Pod),
    /// It makes something else of a list of images.
    Images(fn(&mut Past, Vec<Image>) -> Result<Vec<Image>, Status>),
    /// It does something before any call.
    First(fn(&mut Past, Method)),
    /// It waits before any call for as long as this says so.
    WaitWhile(fn(&Path, Method) -> bool),
}

/// What a liar remembers, from one call to the next.
#[derive(Default)]
pub struct Past {
    data_dir: PathBuf,
    /// Whether the call is one for detail.
    detail: bool,
    /// The last lists of pods, without detail and with it, and when they were made.
    lists: BTreeMap<bool, (Instant, Vec<Pod>)>,
    /// The pods that were inspected.
    pods: BTreeMap<String, Pod>,
    images: Option<(Instant, Vec<Image>)>,
    locks: Vec<File>,
}

/// A server that lies in one way. Clones share what it remembers.
#[derive(Clone)]
pub struct Liar {
    honest: ModelServer,
    how: How,
    past: Arc<Mutex<Past>>,
}

impl Liar {
    /// `honest`, lying.
    pub fn new(honest: ModelServer, how: How) -> Self {
        Self {
            honest,
            how,
            past: Arc::default(),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

impl Liar {
    /// What the liar remembers, after what it does before this call.
    async fn before(&self, method: Method) -> tokio::sync::MutexGuard<'_, Past> {
        let mut past = self.past.lock().await;
        if past.data_dir.as_os_str().is_empty()
            && let Ok(info) = self.honest.get_info(Request::new(GetInfoRequest {})).await
        {
            let flags = info.into_inner().info.and_then(|info| info.global_flags);
            past.data_dir = flags.map(|flags| flags.dir.into()).unwrap_or_default();
        }
        match self.how {
            How::First(act) => act(&mut past, method),
            How::WaitWhile(waits) => {
                let data_dir = past.data_dir.clone();
                drop(past);
                while waits(&data_dir, method) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                return self.past.lock().await;
            }
            How::Pods(_) | How::Pod(_) | How::Images(_) => {}
        }
        past
    }
}

#[tonic::async_trait]
impl PublicApi for Liar {
    async fn get_info(&self, request: Request<GetInfoRequest>) -> Answer<GetInfoResponse> {
        drop(self.before(Method::GetInfo).await);
        self.honest.get_info(request).await
    }

    async fn list_pods(&self, request: Request<ListPodsRequest>) -> Answer<ListPodsResponse> {
        let mut past = self.before(Method::ListPods).await;
        past.detail = request.get_ref().detail;
        // Lists under filters are not worth a lie.
        let is_whole = request.get_ref().filters.is_empty();
        let mut answer = self.honest.list_pods(request).await?.into_inner();
        if let (How::Pods(lie), true) = (self.how, is_whole) {
            answer.pods = lie(&mut past, answer.pods)?;
        }
        Ok(Response::new(answer))
    }

    async fn inspect_pod(&self, request: Request<InspectPodRequest>) -> Answer<InspectPodResponse> {
        let mut past = self.before(Method::InspectPod).await;
        let mut answer = self.honest.inspect_pod(request).await?.into_inner();
        if let How::Pod(lie) = self.how {
            answer.pod = answer.pod.map(|pod| lie(&mut past, pod));
        }
        Ok(Response::new(answer))
    }

    async fn list_images(&self, request: Request<ListImagesRequest>) -> Answer<ListImagesResponse> {
        let mut past = self.before(Method::ListImages).await;
        let mut answer = self.honest.list_images(request).await?.into_inner();
        if let How::Images(lie) = self.how {
            answer.images = lie(&mut past, answer.images)?;
        }
        Ok(Response::new(answer))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Answer<InspectImageResponse> {
        drop(self.before(Method::InspectImage).await);
        self.honest.inspect_image(request).await
    }

    type ListenEventsStream = <ModelServer as PublicApi>::ListenEventsStream;

    async fn listen_events(
        &self,
        request: Request<ListenEventsRequest>,
    ) -> Answer<Self::ListenEventsStream> {
        drop(self.before(Method::ListenEvents).await);
        self.honest.listen_events(request).await
    }

    type GetLogsStream = <ModelServer as PublicApi>::GetLogsStream;

    async fn get_logs(&self, request: Request<GetLogsRequest>) -> Answer<Self::GetLogsStream> {
        drop(self.before(Method::GetLogs).await);
        self.honest.get_logs(request).await
    }
}

const fn pods(
    name: &'static str,
    clause: &'static Clause,
    lie: fn(&mut Past, Vec<Pod>) -> Result<Vec<Pod>, Status>,
) -> Lie {
    let how = super::How::Disk(How::Pods(lie));
    Lie { name, clause, how }
}

const fn pod(name: &'static str, clause: &'static Clause, lie: fn(&mut Past, Pod) -> Pod) -> Lie {
    let how = super::How::Disk(How::Pod(lie));
    Lie { name, clause, how }
}

const fn images(
    name: &'static str,
    clause: &'static Clause,
    lie: fn(&mut Past, Vec<Image>) -> Result<Vec<Image>, Status>,
) -> Lie {
    let how = super::How::Disk(How::Images(lie));
    Lie { name, clause, how }
}

const fn first(name: &'static str, clause: &'static Clause, act: fn(&mut Past, Method)) -> Lie {
    let how = super::How::Disk(How::First(act));
    Lie { name, clause, how }
}

const fn wait_while(
    name: &'static str,
    clause: &'static Clause,
    waits: fn(&Path, Method) -> bool,
) -> Lie {
    let how = super::How::Disk(How::WaitWhile(waits));
    Lie { name, clause, how }
}

/// All lies about hosts that change and break.
pub fn all() -> Vec<Lie> {
    [
        memory::lies(),
        damage::lies(),
        stores::lies(),
        traces::lies(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Changes pods by what they were in the last list of the same kind.
fn changed(past: &mut Past, pods: Vec<Pod>, change: fn(&Pod, &mut Pod)) -> Vec<Pod> {
    let last = past
        .lists
        .insert(past.detail, (Instant::now(), pods.clone()));
    let last = last.map(|(_, pods)| pods).unwrap_or_default();
    let mut pods = pods;
    for pod in &mut pods {
        if let Some(before) = last.iter().find(|before| before.id == pod.id) {
            change(before, pod);
        }
    }
    pods
}

/// Everything in the directories of the phases, as far as its name is text.
fn entries(data_dir: &Path) -> Vec<(String, PathBuf)> {
    let mut entries = Vec::new();
    for phase in Phase::ALL {
        let dir = data_dir.join(layout::PODS).join(phase.dir_name());
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if let Ok(name) = entry.file_name().into_string() {
                entries.push((name, entry.path()));
            }
        }
    }
    entries
}

fn pod_dir(data_dir: &Path, phase: Phase, id: &str) -> PathBuf {
    data_dir.join(layout::PODS).join(phase.dir_name()).join(id)
}
