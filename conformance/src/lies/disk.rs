//! Lies about hosts that change and break: servers that remember what they should look up,
//! stumble over what they should pass over, and leave traces where they should only read.
//! A lie changes an answer of the model's, or does something before it is given.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rkt_api::{
    api::{
        GetInfoRequest, GetInfoResponse, GetLogsRequest, Image, InspectImageRequest,
        InspectImageResponse, InspectPodRequest, InspectPodResponse, ListImagesRequest,
        ListImagesResponse, ListPodsRequest, ListPodsResponse, ListenEventsRequest, Pod, PodState,
        public_api_server::PublicApi,
    },
    layout::{self, Phase, store},
};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::Lie;
use crate::{
    case::Method,
    clause::{self, Clause},
    model::ModelServer,
};

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
    [memory(), listing(), damage(), stores(), traces()]
        .into_iter()
        .flatten()
        .collect()
}

/// Servers that remember.
fn memory() -> Vec<Lie> {
    vec![
        pods("lists-kept-for-100-ms", &clause::S_13, |past, pods| {
            let (made, kept) = past
                .lists
                .entry(past.detail)
                .or_insert_with(|| (Instant::now(), pods.clone()));
            if made.elapsed() >= KEPT {
                (*made, *kept) = (Instant::now(), pods);
            }
            Ok(kept.clone())
        }),
        pods("always-one-list-behind", &clause::S_13, |past, pods| {
            let last = past
                .lists
                .insert(past.detail, (Instant::now(), pods.clone()));
            Ok(last.map_or(pods, |(_, pods)| pods))
        }),
        pods(
            "exits-seen-at-the-second-look",
            &clause::S_13,
            |past, pods| {
                Ok(changed(past, pods, |before, now| {
                    if before.state() == PodState::Running && now.state() == PodState::Exited {
                        now.state = before.state;
                    }
                }))
            },
        ),
        pods(
            "locks-outside-run-seen-once",
            &clause::S_13,
            |past, pods| {
                Ok(changed(past, pods, |before, now| {
                    if before.state() == PodState::Garbage && now.state() == PodState::Deleting {
                        now.state = before.state;
                    }
                }))
            },
        ),
        pod(
            "pods-inspected-once-and-for-all",
            &clause::S_13,
            |past, pod| past.pods.entry(pod.id.clone()).or_insert(pod).clone(),
        ),
        pod("start-times-kept", &clause::S_13, |past, mut pod| {
            let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
            if kept.started_at != 0 && pod.started_at != 0 {
                pod.started_at = kept.started_at;
            }
            *kept = pod.clone();
            pod
        }),
        pod("manifests-kept-by-size", &clause::S_13, |past, mut pod| {
            let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
            if kept.manifest.len() == pod.manifest.len() {
                pod.manifest = kept.manifest.clone();
                pod.annotations = kept.annotations.clone();
            }
            *kept = pod.clone();
            pod
        }),
        pod(
            "networks-kept-while-it-runs",
            &clause::S_13,
            |past, mut pod| {
                let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
                if kept.state == pod.state && !kept.networks.is_empty() {
                    pod.networks = kept.networks.clone();
                }
                *kept = pod.clone();
                pod
            },
        ),
        pod(
            "app-exits-seen-when-the-pod-exits",
            &clause::S_13,
            |past, mut pod| {
                let kept = past.pods.entry(pod.id.clone()).or_insert(pod.clone());
                if kept.state == pod.state && kept.apps.len() == pod.apps.len() {
                    pod.apps = kept.apps.clone();
                }
                *kept = pod.clone();
                pod
            },
        ),
        pods("shared-locks-count", &clause::S_6, |past, mut pods| {
            for pod in &mut pods {
                let dir = pod_dir(&past.data_dir, Phase::Run, &pod.id);
                let dir = File::open(dir).map(|dir| dir.try_lock().map(|()| dir.unlock()));
                let is_held = matches!(dir, Ok(Err(TryLockError::WouldBlock)));
                if pod.state() == PodState::Exited && is_held {
                    pod.state = PodState::Running.into();
                }
            }
            Ok(pods)
        }),
    ]
}

/// Servers that lose pods, and find some that are none.
fn listing() -> Vec<Lie> {
    vec![
        pods(
            "pods-lost-that-were-renamed",
            &clause::S_11,
            |past, pods| {
                let last = past.lists.insert(false, (Instant::now(), pods.clone()));
                let last = last.map(|(_, pods)| pods).unwrap_or_default();
                let was_other = |pod: &Pod| {
                    last.iter()
                        .any(|it| it.id == pod.id && it.state != pod.state)
                };
                Ok(pods.into_iter().filter(|pod| !was_other(pod)).collect())
            },
        ),
        pods(
            "pods-twice-that-were-renamed",
            &clause::S_11,
            |past, pods| {
                let last = past.lists.insert(false, (Instant::now(), pods.clone()));
                let last = last.map(|(_, pods)| pods).unwrap_or_default();
                let is_other = |it: &Pod| {
                    pods.iter()
                        .any(|pod| it.id == pod.id && it.state != pod.state)
                };
                let twice: Vec<Pod> = last.into_iter().filter(is_other).collect();
                Ok(pods.into_iter().chain(twice).collect())
            },
        ),
        pods("states-of-the-call-before", &clause::S_11, |past, pods| {
            Ok(changed(past, pods, |before, now| now.state = before.state))
        }),
        pods("the-last-phase-counts", &clause::S_11, |past, mut pods| {
            for pod in &mut pods {
                let is_in_run = pod_dir(&past.data_dir, Phase::Run, &pod.id).is_dir();
                if pod.state() == PodState::AbortedPrepare && is_in_run {
                    pod.state = PodState::Exited.into();
                }
            }
            Ok(pods)
        }),
        pods("capitals-are-pods", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |name, path| {
                name.chars().any(|c| c.is_ascii_uppercase()) && path.is_dir()
            }))
        }),
        pods("dashes-do-not-matter", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |name, path| {
                !name.contains('-') && path.is_dir()
            }))
        }),
        pods("files-are-pods", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |_, path| path.is_file()))
        }),
        pods("links-are-pods", &clause::S_12, |past, pods| {
            Ok(with_entries(past, pods, |_, path| path.is_symlink()))
        }),
        pods("odd-names-are-errors", &clause::S_12, |past, pods| {
            let is_odd = |(name, _): &(String, PathBuf)| name.parse::<Uuid>().is_err();
            match entries(&past.data_dir).iter().find(|entry| is_odd(entry)) {
                None => Ok(pods),
                Some((name, _)) => Err(Status::internal(format!("{name} is no pod"))),
            }
        }),
    ]
}

/// Servers that stumble over broken pods.
fn damage() -> Vec<Lie> {
    vec![
        pods(
            "a-broken-manifest-breaks-the-list",
            &clause::S_14,
            |past, pods| match pods
                .iter()
                .find(|pod| is_broken(past, pod, layout::pod::MANIFEST))
            {
                None => Ok(pods),
                Some(pod) => Err(Status::internal(format!("the manifest of {}", pod.id))),
            },
        ),
        pods(
            "broken-manifests-hide-pods",
            &clause::P_15,
            |past, mut pods| {
                pods.retain(|pod| !is_broken(past, pod, layout::pod::MANIFEST));
                Ok(pods)
            },
        ),
        pods(
            "broken-networks-hide-pods",
            &clause::P_15,
            |past, mut pods| {
                pods.retain(|pod| !is_broken(past, pod, layout::pod::NET_INFO));
                Ok(pods)
            },
        ),
        // As the historical server did.
        wait_while(
            "waits-for-process-ids",
            &clause::S_14,
            |data_dir, method| {
                method == Method::ListPods
                    && entries(data_dir).iter().any(|(_, path)| {
                        let has = |name| path.join(name).exists();
                        path.parent()
                            .is_some_and(|phase| phase.ends_with(Phase::Run.dir_name()))
                            && path.is_dir()
                            && !has(layout::pod::PID)
                            && !has(layout::pod::PPID)
                    })
            },
        ),
        wait_while("opens-pipes", &clause::S_14, |data_dir, method| {
            use std::os::unix::fs::FileTypeExt as _;
            let is_pipe = |path: PathBuf| {
                fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_fifo())
            };
            method == Method::ListPods
                && entries(data_dir)
                    .iter()
                    .any(|(_, path)| is_pipe(path.join(layout::pod::MANIFEST)))
        }),
    ]
}

/// Servers that do not look after the image store.
fn stores() -> Vec<Lie> {
    vec![
        images(
            "a-broken-image-breaks-the-list",
            &clause::IM_5,
            |past, images| {
                let count = rows(&past.data_dir);
                match images.len() < count {
                    true => Err(Status::internal("a manifest cannot be read")),
                    false => Ok(images),
                }
            },
        ),
        images("images-kept-for-100-ms", &clause::IM_7, |past, images| {
            let (made, kept) = past
                .images
                .get_or_insert_with(|| (Instant::now(), images.clone()));
            if made.elapsed() >= KEPT {
                (*made, *kept) = (Instant::now(), images);
            }
            Ok(kept.clone())
        }),
        images(
            "a-locked-index-is-an-error",
            &clause::IM_7,
            |past, images| match is_index_locked(&past.data_dir) {
                true => Err(Status::unavailable("the index is locked")),
                false => Ok(images),
            },
        ),
        wait_while(
            "waits-for-the-index-for-ever",
            &clause::IM_7,
            |data_dir, method| method == Method::ListImages && is_index_locked(data_dir),
        ),
        wait_while(
            "pods-wait-for-the-index",
            &clause::IM_7,
            |data_dir, method| method == Method::ListPods && is_index_locked(data_dir),
        ),
        images("a-damaged-index-is-empty", &clause::IM_8, |past, images| {
            Ok(match is_index_damaged(&past.data_dir) {
                true => Vec::new(),
                false => images,
            })
        }),
        pods(
            "a-damaged-index-hides-pods",
            &clause::IM_8,
            |past, pods| match is_index_damaged(&past.data_dir) {
                true => Err(Status::unavailable("the index is damaged")),
                false => Ok(pods),
            },
        ),
    ]
}

/// Servers that leave traces, and depend on what they need not.
fn traces() -> Vec<Lie> {
    vec![
        first("marks-what-it-has-read", &clause::W_5, |past, method| {
            if method == Method::ListPods
                && let Ok(pods) = File::open(past.data_dir.join(layout::PODS))
            {
                // Where it fails there is no trace, and no lie.
                let _ = pods.set_modified(std::time::SystemTime::now());
            }
        }),
        first("counts-its-calls-on-disk", &clause::W_5, |past, method| {
            if method == Method::GetInfo {
                let _ = fs::write(past.data_dir.join("calls"), "one more");
            }
        }),
        first("makes-images-private", &clause::W_5, |past, method| {
            use std::os::unix::fs::PermissionsExt as _;
            if method == Method::InspectImage {
                let index = past.data_dir.join(store::DB_DIR).join(store::DB);
                let _ = fs::set_permissions(index, fs::Permissions::from_mode(0o600));
            }
        }),
        first("keeps-pods-locked", &clause::W_5, |past, method| {
            if method == Method::ListPods && past.locks.is_empty() {
                let dirs = entries(&past.data_dir).into_iter();
                let dirs = dirs.filter_map(|(_, path)| File::open(path).ok());
                let locked = dirs.filter(|dir| dir.try_lock_shared().is_ok());
                past.locks = locked.collect();
            }
        }),
        first("keeps-the-index-locked", &clause::W_5, |past, method| {
            if method == Method::ListImages && past.locks.is_empty() {
                let dir = File::open(past.data_dir.join(store::DB_DIR));
                let locked = dir.into_iter().filter(|dir| dir.try_lock_shared().is_ok());
                past.locks = locked.collect();
            }
        }),
        wait_while(
            "lives-only-with-its-data",
            &clause::SV_3,
            |data_dir, method| method == Method::GetInfo && !data_dir.is_dir(),
        ),
        wait_while(
            "lives-only-with-its-store",
            &clause::SV_3,
            |data_dir, method| method == Method::GetInfo && !data_dir.join(store::DB_DIR).is_dir(),
        ),
    ]
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

/// The pods, and more for entries beside them that are taken for some.
fn with_entries(past: &Past, mut pods: Vec<Pod>, is_one: fn(&str, &Path) -> bool) -> Vec<Pod> {
    for (name, path) in entries(&past.data_dir) {
        let is_listed = pods.iter().any(|pod| pod.id == name);
        if !is_listed && name.parse::<Uuid>().is_ok() && is_one(&name, &path) {
            pods.push(Pod {
                id: name,
                state: PodState::Embryo.into(),
                ..Pod::default()
            });
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

/// Whether a pod in `run` has a plain file of this name that is no JSON.
fn is_broken(past: &Past, pod: &Pod, name: &str) -> bool {
    let path = pod_dir(&past.data_dir, Phase::Run, &pod.id).join(name);
    // Never more than a little: some are a GiB of nothing.
    let is_small =
        |path: &Path| fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() < 1 << 16);
    is_small(&path)
        && fs::read(path)
            .is_ok_and(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).is_err())
}

/// How many images have a blob.
fn rows(data_dir: &Path) -> usize {
    let shards = fs::read_dir(data_dir.join(store::BLOBS).join("sha512"));
    let shards = shards.into_iter().flatten().flatten();
    shards
        .map(|shard| fs::read_dir(shard.path()).map_or(0, Iterator::count))
        .sum()
}

fn is_index_locked(data_dir: &Path) -> bool {
    let dir = File::open(data_dir.join(store::DB_DIR));
    let locked = dir.map(|dir| dir.try_lock_shared());
    matches!(locked, Ok(Err(TryLockError::WouldBlock)))
}

/// Whether the index is no plain file that begins as one.
fn is_index_damaged(data_dir: &Path) -> bool {
    use std::io::Read as _;

    let path = data_dir.join(store::DB_DIR).join(store::DB);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    let mut head = [0; 8];
    let read = is_file
        .then(|| File::open(path).ok())
        .flatten()
        .and_then(|mut file| file.read_exact(&mut head).ok());
    read.is_none() || head[..4].iter().all(|byte| *byte == 0) || head[0] > 0x7f
}
