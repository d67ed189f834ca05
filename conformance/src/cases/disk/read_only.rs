//! W-5: no call changes anything below the data directory, and none keeps a lock.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rkt_api::{
    api::{GetLogsRequest, Image, ListImagesRequest, ListPodsRequest, Pod},
    layout::store,
};
use rkt_sim::spec::Phase;

use super::{
    ask::{self, no_error},
    by_hand::{self, pod_dir},
};
use crate::{
    case::{Case, Checking, Method, Objection, On, Verdict},
    clause,
    hosts::disk::{ABORTED, EXITED, MARKED, NEVER_RAN, RUNNING, SMALL},
    resource::Resource as _,
    stage::Stage,
    target::Target,
    text,
};

/// How long calls go on while somebody else needs the locks.
const CALLS: Duration = Duration::from_millis(600);

/// How long a server may take to let go of a lock when it has answered: it does so before, and
/// may only be at a probe of its own.
const RELEASE: Duration = Duration::from_secs(2);

pub(super) fn cases() -> Vec<Case> {
    let methods = [
        Method::GetInfo,
        Method::ListPods,
        Method::InspectPod,
        Method::ListImages,
        Method::InspectImage,
        Method::ListenEvents,
        Method::GetLogs,
    ];
    let mut cases: Vec<Case> = methods
        .into_iter()
        .map(|method| {
            Case::new(method, &clause::W_5, "unchanged", move |stage| async move {
                unchanged(stage, method).await
            })
            .on(On::Own(&SMALL))
        })
        .collect();
    for (method, check) in [
        (Method::ListPods, pod_locks as fn(Stage) -> Checking),
        (Method::ListImages, index_lock),
    ] {
        let case = Case::new(method, &clause::W_5, "locks", check);
        cases.push(case.on(On::Own(&SMALL)).decided());
    }
    cases
}

/// What a file is, but for what its contents are when it was last read.
#[derive(PartialEq, Eq, Debug)]
struct Look {
    inode: u64,
    mode: u32,
    links: u64,
    owner: (u32, u32),
    size_bytes: u64,
    modified_ns: (i64, i64),
    changed_ns: (i64, i64),
    content: u64,
}

/// Everything below the data directory.
type Tree = BTreeMap<PathBuf, Look>;

async fn unchanged(stage: Stage, method: Method) -> Verdict {
    let before = tree(&stage).await?;
    call(&stage, method).await?;
    let after = tree(&stage).await?;
    let request = format!("calls of {method}");
    let paths = before.keys().chain(after.keys());
    let changed = paths.filter(|path| before.get(*path) != after.get(*path));
    match changed.into_iter().next() {
        None => Ok(()),
        Some(path) => Err(Objection::fail(
            request,
            format!("that {} stays {:?}", path.display(), before.get(path)),
            format!("{:?}", after.get(path)),
        )),
    }
}

async fn tree(stage: &Stage) -> Result<Tree, Objection> {
    by_hand::unseen(stage, |data_dir| {
        let mut tree = Tree::new();
        add(data_dir, &mut tree)?;
        Ok(tree)
    })
    .await
}

fn add(path: &Path, tree: &mut Tree) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let mut hasher = DefaultHasher::new();
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            add(&entry?.path(), tree)?;
        }
    } else if found.is_file() {
        fs::read(path)?.hash(&mut hasher);
    } else if found.is_symlink() {
        fs::read_link(path)?.hash(&mut hasher);
    }
    let look = Look {
        inode: found.ino(),
        mode: found.mode(),
        links: found.nlink(),
        owner: (found.uid(), found.gid()),
        size_bytes: found.size(),
        modified_ns: (found.mtime(), found.mtime_nsec()),
        changed_ns: (found.ctime(), found.ctime_nsec()),
        content: hasher.finish(),
    };
    tree.insert(path.to_owned(), look);
    Ok(())
}

/// Calls the method in every way that is answered, and in one that is refused.
async fn call(stage: &Stage, method: Method) -> Verdict {
    let world = ask::world(stage)?;
    let pods = || world.pods().map(|pod| pod.id.hyphenated().to_string());
    let request = format!("a call of {method}");
    match method {
        Method::GetInfo => drop(stage.info().await?),
        Method::ListPods => {
            for detail in [false, true] {
                ask::list::<Pod>(stage, &world, &[], detail).await?;
            }
        }
        Method::InspectPod => {
            for id in pods() {
                ask::inspect::<Pod>(stage, &world, &id).await?;
            }
            ask::inspect::<Pod>(stage, &world, "no-such-pod").await?;
        }
        Method::ListImages => {
            for detail in [false, true] {
                ask::list::<Image>(stage, &world, &[], detail).await?;
            }
        }
        Method::InspectImage => {
            for image in world.images() {
                ask::inspect::<Image>(stage, &world, &image.id).await?;
            }
            ask::inspect::<Image>(stage, &world, "sha512-none").await?;
        }
        Method::ListenEvents => {
            let opened = ask::promptly(&request, stage.listen(None)).await?;
            let mut stream = no_error(&request, opened)?;
            // Nothing happens meanwhile.
            stream.rest(stage.slack()).await;
        }
        Method::GetLogs => {
            for (pod_id, follow) in pods().flat_map(|id| [(id.clone(), false), (id, true)]) {
                let logs = GetLogsRequest {
                    pod_id,
                    follow,
                    ..GetLogsRequest::default()
                };
                // Not every pod keeps a journal.
                if let Ok(mut stream) = ask::promptly(&request, stage.logs(logs)).await? {
                    let patience = if follow {
                        stage.slack() / 5
                    } else {
                        ask::PROMPT
                    };
                    stream.rest(patience).await;
                }
            }
        }
    }
    Ok(())
}

/// rkt needs the locks of pods at any time: to run them, to mark and sweep them.
fn pod_locks(stage: Stage) -> Checking {
    Box::pin(async move {
        let unlocked = [
            (Phase::Prepare, ABORTED),
            (Phase::Run, EXITED),
            (Phase::ExitedGarbage, MARKED),
            (Phase::Garbage, NEVER_RAN),
        ];
        let dirs = unlocked.map(|(phase, id)| pod_dir(phase, id)).to_vec();
        let request = Pod::list_text(&[], true);
        free(&stage, dirs, &request, |client| async move {
            let listed = ListPodsRequest {
                detail: true,
                ..ListPodsRequest::default()
            };
            let answered = client.client().list_pods(listed).await;
            answered.map(drop).map_err(|status| text::status(&status))
        })
        .await
    })
}

/// rkt needs the lock of the index to bring in an image, and to read one.
fn index_lock(stage: Stage) -> Checking {
    Box::pin(async move {
        let request = Image::list_text(&[], true);
        let dirs = vec![PathBuf::from(store::DB_DIR)];
        free(&stage, dirs, &request, |client| async move {
            let listed = ListImagesRequest {
                detail: true,
                ..ListImagesRequest::default()
            };
            let answered = client.client().list_images(listed).await;
            answered.map(drop).map_err(|status| text::status(&status))
        })
        .await
    })
}

/// Calls on several connections, with streams open beside them, while somebody else takes the
/// locks again and again without waiting; and once more when all calls have been answered.
async fn free<C>(
    stage: &Stage,
    dirs: Vec<PathBuf>,
    request: &str,
    call: impl Fn(std::sync::Arc<Target>) -> C,
) -> Verdict
where
    C: Future<Output = Result<(), String>>,
{
    let events = ask::promptly(request, stage.listen(None)).await?;
    let logs = GetLogsRequest {
        pod_id: RUNNING.hyphenated().to_string(),
        follow: true,
        ..GetLogsRequest::default()
    };
    let logs = ask::promptly(request, stage.logs(logs)).await?;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(std::sync::Arc::new(stage.setting()?.connect().await?));
    }
    let deadline = tokio::time::Instant::now() + CALLS;
    let calls = clients.iter().map(|client| async {
        while tokio::time::Instant::now() < deadline {
            ask::promptly(request, call(std::sync::Arc::clone(client)))
                .await?
                .map_err(|status| Objection::fail(request, "an answer", status))?;
        }
        Ok::<_, Objection>(())
    });
    let calls = futures_util::future::try_join_all(calls);
    let taken = by_hand::unseen(stage, {
        let dirs = dirs.clone();
        move |data_dir| {
            let deadline = Instant::now() + CALLS;
            while Instant::now() < deadline {
                if let Some(kept) = take_each(data_dir, &dirs)? {
                    return Ok(Some(kept));
                }
            }
            Ok(None)
        }
    });
    let (called, kept) = futures_util::future::join(calls, taken).await;
    called?;
    let kept = match kept? {
        Some(kept) => Some((kept, "while it is called")),
        None => {
            let taken = by_hand::unseen(stage, move |data_dir| take_each(data_dir, &dirs));
            taken.await?.map(|kept| (kept, "after it was called"))
        }
    };
    drop((events, logs));
    match kept {
        None => Ok(()),
        Some((kept, when)) => Err(Objection::fail(
            format!("{request}, {when}"),
            "that locks are only probed and let go at once",
            format!(
                "{} stays locked for {} s",
                kept.display(),
                RELEASE.as_secs()
            ),
        )),
    }
}

/// Takes each lock for an instant. Says which one cannot be had.
fn take_each(data_dir: &Path, dirs: &[PathBuf]) -> io::Result<Option<PathBuf>> {
    for dir in dirs {
        let file = File::open(data_dir.join(dir))?;
        let deadline = Instant::now() + RELEASE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(TryLockError::WouldBlock) => return Ok(Some(dir.clone())),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        file.unlock()?;
    }
    Ok(None)
}
