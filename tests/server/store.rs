//! An image store that is damaged, locked or may not be read (IM-5, IM-7, IM-8): images are
//! answered as they last were, or not at all, and pods as if nothing were.

use std::{
    env,
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pretty_assertions::assert_eq;
use rkt_api::{
    api::{
        GetInfoRequest, Image as ImageMessage, InspectImageRequest, ListImagesRequest,
        ListPodsRequest,
    },
    layout::store,
};
use rkt_sim::{
    host::Host,
    spec::{Image, Phase},
};
use tonic::{Code, Status};

use crate::{
    broken::Damage,
    hosts::{self, TempHost, serve_unprivileged},
    metrics::{LISTEN, scrape::Metrics},
    support::{Client, Server, at_once},
};

const NAMES: [&str; 5] = ["web", "etcd", "redis", "nginx", "busybox"];

pub fn image(name: &str) -> Image {
    Image {
        annotations: vec![(
            "homepage".to_owned(),
            format!("https://{name}.example.com/"),
        )],
        ..Image::new(format!("example.com/{name}"), "1.0")
    }
}

/// A host with an image of each name, and a pod.
pub fn host() -> TempHost {
    let host = TempHost::create();
    host.write_images(&NAMES.map(image)).unwrap();
    host.write_pod(&hosts::pod(1, Phase::Run)).unwrap();
    host
}

/// The index of a store with the same images and one more, which are put into the store of
/// `host`: only the index is still the old one.
pub fn import_but_for_index(host: &TempHost) -> Vec<u8> {
    let next = Host::create(host.beside("next")).unwrap();
    let names = NAMES.into_iter().chain(["new"]);
    next.write_images(&names.map(image).collect::<Vec<_>>())
        .unwrap();
    let key = image("new").blob_key().unwrap();
    let manifest = Path::new(store::CAS).join(store::image_manifest(&key).unwrap());
    let target = host.dir().join(&manifest);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::copy(next.dir().join(&manifest), target).unwrap();
    fs::read(index(next.dir())).unwrap()
}

pub fn index(dir: &Path) -> PathBuf {
    dir.join(store::DB_DIR).join(store::DB)
}

pub async fn list(client: &mut Client) -> Result<Vec<ImageMessage>, Status> {
    let request = ListImagesRequest {
        detail: true,
        filters: vec![],
    };
    let answer = at_once("ListImages", client.list_images(request)).await?;
    Ok(answer.into_inner().images)
}

async fn inspect(client: &mut Client, id: &str) -> Result<ImageMessage, Status> {
    let id = id.to_owned();
    let answer = client.inspect_image(InspectImageRequest { id });
    let answer = at_once("InspectImage", answer).await?;
    Ok(answer.into_inner().image.unwrap())
}

pub async fn count_pods(client: &mut Client) -> usize {
    let answer = client.list_pods(ListPodsRequest::default());
    let answer = at_once("ListPods", answer).await.unwrap();
    answer.into_inner().pods.len()
}

pub fn base_names(images: &[ImageMessage]) -> Vec<&str> {
    let names = images.iter().map(|image| image.name.as_str());
    names.map(|name| name.rsplit('/').next().unwrap()).collect()
}

/// Two servers on one directory: one has read the index while it was sound, one never has.
struct Pair {
    experienced: (Server, Client),
    fresh: (Server, Client),
    sound: Vec<ImageMessage>,
}

impl Pair {
    /// Starts both, and damages the index in between.
    async fn start(host: &TempHost, damage: impl FnOnce()) -> Self {
        let start = || Server::start(host.dir(), &["--store-lock-timeout=50ms"]);
        let experienced = start();
        let mut client = experienced.client().await;
        let sound = list(&mut client).await.unwrap();
        assert_eq!(sound.len(), NAMES.len());
        damage();
        let fresh = start();
        let fresh_client = fresh.client().await;
        Self {
            experienced: (experienced, client),
            fresh: (fresh, fresh_client),
            sound,
        }
    }

    /// Checks that the one answers with what it last saw, and the other says that it cannot,
    /// naming `file`.
    async fn check(&mut self, file: &str, what: &str) {
        let client = &mut self.experienced.1;
        assert_eq!(list(client).await.unwrap(), self.sound, "{what}");
        let id = &self.sound[0].id;
        assert_eq!(inspect(client, id).await.unwrap(), self.sound[0], "{what}");
        assert_eq!(count_pods(client).await, 1, "{what}");

        let client = &mut self.fresh.1;
        for error in [
            list(client).await.unwrap_err(),
            inspect(client, id).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), Code::Unavailable, "{what}: {error}");
            assert!(error.message().contains(file), "{what}: {error}");
        }
        assert_eq!(count_pods(client).await, 1, "{what}");
    }
}

#[tokio::test]
async fn an_index_that_is_cut_short() {
    let host = host();
    let path = index(host.dir());
    let sound = fs::read(&path).unwrap();
    assert!(sound.len() > 1000);
    // Whoever writes without the lock is seen in the middle of it.
    let cut = |end: usize| {
        let _lock = lock_index(&host);
        fs::write(&path, &sound[..end]).unwrap();
    };
    let mut pair = Pair::start(&host, || cut(32)).await;
    // With these lengths it is an index that was not yet used.
    let unused = [0, 16, 128];
    for end in (0..sound.len())
        .step_by(16)
        .filter(|end| !unused.contains(end))
    {
        cut(end);
        pair.check("index", &format!("cut at {end}")).await;
    }
    // One that had images is never emptied by rkt.
    cut(0);
    let (_, experienced) = &mut pair.experienced;
    assert_eq!(list(experienced).await.unwrap(), pair.sound);
    let (_, fresh) = &mut pair.fresh;
    assert_eq!(list(fresh).await.unwrap(), []);
    for (_, client) in [&mut pair.experienced, &mut pair.fresh] {
        for end in &unused[1..] {
            cut(*end);
            assert_eq!(list(client).await.unwrap(), [], "cut at {end}");
        }
        cut(sound.len());
        assert_eq!(list(client).await.unwrap(), pair.sound);
    }
}

/// A small generator of numbers: SplitMix64.
struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

/// There are no checksums in an index, so that what damage makes of it may well be read. But
/// there is an answer, and what it shows has a manifest.
#[tokio::test]
async fn an_index_with_bytes_changed() {
    const ROUNDS: usize = 400;

    let seed = match env::var("RKT_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => 20_180_416,
    };
    println!("RKT_TEST_SEED={seed} repeats this");
    let mut random = Random(seed);
    let host = host();
    let path = index(host.dir());
    let log = path.with_file_name(store::DB_LOG);
    let sound = fs::read(&path).unwrap();
    let pair = Pair::start(&host, || {
        let _lock = lock_index(&host);
        fs::write(&path, "?").unwrap();
    })
    .await;
    let ((server, mut experienced), (_fresh_server, mut fresh)) = (pair.experienced, pair.fresh);
    for round in 0..ROUNDS {
        let mut bytes = sound.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        fs::write(&path, &bytes).unwrap();
        if round % 4 == 0 {
            let length = random.below(200);
            let bytes: Vec<_> = (0..length).map(|_| random.below(256) as u8).collect();
            fs::write(&log, bytes).unwrap();
        }
        let what = format!("round {round}");
        let images = list(&mut experienced).await;
        let images = images.unwrap_or_else(|status| panic!("{what}: {status}"));
        assert!(
            images.iter().all(|image| !image.manifest.is_empty()),
            "{what}"
        );
        if let Err(status) = list(&mut fresh).await {
            assert_eq!(status.code(), Code::Unavailable, "{what}: {status}");
        }
        assert_eq!(count_pods(&mut experienced).await, 1, "{what}");
    }
    drop(experienced);
    let log = server.end().await;
    let noticed = log.matches("the image index cannot be read").count();
    assert!(noticed > ROUNDS / 10, "{noticed}: {log}");
}

/// IM-8: what stands where the index should be, and is none.
#[tokio::test]
async fn an_index_that_cannot_be_read() {
    for damage in Damage::ALL {
        if matches!(damage, Damage::Missing | Damage::Empty) {
            // An index without images.
            continue;
        }
        let host = host();
        let other = Host::create(host.beside("other")).unwrap();
        other.write_images(&[image("secret")]).unwrap();
        let db = store::DB_DIR;
        let file = format!("{db}/{}", store::DB);
        let mut damaged = None;
        let inflict = || {
            // Else it is seen missing before it is seen damaged.
            let _lock = lock_index(&host);
            damaged = Some(damage.inflict(host.dir(), &file, other.dir()));
        };
        let mut pair = Pair::start(&host, inflict).await;
        for _ in 0..2 {
            pair.check("index", &format!("{damage:?}")).await;
        }
        let [experienced, fresh] = [pair.experienced, pair.fresh];
        for (server, client) in [experienced, fresh] {
            drop(client);
            let log = server.end().await;
            let logged = log.matches("the image index cannot be read").count();
            assert_eq!(logged, 1, "{damage:?}: {log}");
            assert!(!log.contains("secret"), "{damage:?}: {log}");
        }
    }
}

/// IM-8, for an ordinary user.
#[tokio::test]
async fn an_index_that_may_not_be_read() {
    for file in [
        store::DB_DIR.to_owned(),
        format!("{}/{}", store::DB_DIR, store::DB),
    ] {
        let host = host();
        let server = serve_unprivileged(&host, &[]);
        let mut client = server.client().await;
        let sound = list(&mut client).await.unwrap();
        let path = host.dir().join(&file);
        let mode = path.metadata().unwrap().permissions();
        fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
        for _ in 0..2 {
            assert_eq!(list(&mut client).await.unwrap(), sound, "{file}");
            assert_eq!(count_pods(&mut client).await, 1, "{file}");
        }
        fs::set_permissions(&path, mode).unwrap();
        assert_eq!(list(&mut client).await.unwrap(), sound, "{file}");
        drop(client);
        let log = server.end().await;
        let logged = log.matches("the image index cannot be read").count();
        assert_eq!(logged, 1, "{file}: {log}");
    }
}

/// IM-5: images whose manifest is missing or broken.
#[tokio::test]
async fn a_manifest_that_is_damaged() {
    for damage in Damage::ALL {
        let host = host();
        let other = Host::create(host.beside("other")).unwrap();
        other.write_images(&NAMES.map(image)).unwrap();
        let key = image("etcd").blob_key().unwrap();
        let file = Path::new(store::CAS).join(store::image_manifest(&key).unwrap());
        let server = Server::start(host.dir(), &[LISTEN]);
        let mut client = server.client().await;
        let mut sound = list(&mut client).await.unwrap();
        sound.retain(|image| image.id != key);

        let _damaged = damage.inflict(host.dir(), file.to_str().unwrap(), other.dir());
        for _ in 0..2 {
            assert_eq!(list(&mut client).await.unwrap(), sound, "{damage:?}");
            let error = inspect(&mut client, &key).await.unwrap_err();
            assert_eq!(error.code(), Code::DataLoss, "{damage:?}: {error}");
            assert!(error.message().contains(&key), "{damage:?}: {error}");
            let other = &sound[0];
            assert_eq!(inspect(&mut client, &other.id).await.unwrap(), *other);
        }
        let cause = match damage {
            Damage::Missing => "missing",
            Damage::Sparse => "too_large",
            damage if damage.is_odd() => "not_regular",
            _ => "malformed",
        };
        let metrics = Metrics::of(&server);
        let left_out = format!("rkt_api_images_left_out{{cause=\"{cause}\"}}");
        assert_eq!(metrics.value(&left_out), 1.0, "{damage:?}");
        assert_eq!(metrics.sum("rkt_api_images_left_out"), 1.0, "{damage:?}");
        drop(client);
        let log = server.end().await;
        assert_eq!(log.matches(&key).count(), 1, "{damage:?}: {log}");
    }
}

/// The exclusive lock on the index, as rkt's transactions hold it.
fn lock_index(host: &TempHost) -> File {
    let dir = File::open(host.dir().join(store::DB_DIR)).unwrap();
    dir.lock().unwrap();
    dir
}

/// IM-7: a call waits for the lock, and then has what was written under it.
#[tokio::test]
async fn a_call_waits_for_the_lock() {
    let host = host();
    let new_index = import_but_for_index(&host);
    let server = Server::start(host.dir(), &["--store-lock-timeout=1h"]);
    let mut client = server.client().await;
    let old = list(&mut client).await.unwrap();
    assert_eq!(
        base_names(&old),
        ["busybox", "nginx", "redis", "etcd", "web"]
    );

    let lock = lock_index(&host);
    fs::write(index(host.dir()), new_index).unwrap();
    let mut waiting_client = server.client().await;
    let waiting = list(&mut waiting_client);
    tokio::pin!(waiting);
    let soon = Duration::from_millis(200);
    let answer = tokio::time::timeout(soon, &mut waiting).await;
    assert!(answer.is_err(), "{answer:?}");
    // Nobody else waits for it.
    assert_eq!(count_pods(&mut client).await, 1);
    at_once("GetInfo", client.get_info(GetInfoRequest {}))
        .await
        .unwrap();

    lock.unlock().unwrap();
    let new = waiting.await.unwrap();
    assert_eq!(
        base_names(&new),
        ["new", "busybox", "nginx", "redis", "etcd", "web"]
    );
}

/// IM-7: a call does not wait for longer than it may.
#[tokio::test]
async fn a_call_waits_no_longer_than_it_may() {
    const TIMEOUT: Duration = Duration::from_millis(50);

    let host = host();
    let mut lock = None;
    let mut pair = Pair::start(&host, || {
        lock = Some(lock_index(&host));
        // A transaction has begun to write.
        let index = index(host.dir());
        fs::write(&index, fs::read(&index).unwrap()).unwrap();
    })
    .await;
    for _ in 0..3 {
        let start = Instant::now();
        pair.check("index is locked", "locked").await;
        assert!(start.elapsed() >= 4 * TIMEOUT);
    }
    drop(lock);
    let sound = pair.sound;
    for (server, mut client) in [pair.experienced, pair.fresh] {
        assert_eq!(list(&mut client).await.unwrap(), sound);
        drop(client);
        let log = server.end().await;
        let logged = log.matches("the image index is locked").count();
        assert_eq!(logged, 1, "{log}");
    }
}

/// A lock that others share is no obstacle, and the server shares its own.
#[tokio::test]
async fn a_shared_lock_is_no_obstacle() {
    let host = host();
    let server = Server::start(host.dir(), &["--store-lock-timeout=1h"]);
    let mut client = server.client().await;
    let others = File::open(host.dir().join(store::DB_DIR)).unwrap();
    others.lock_shared().unwrap();
    assert_eq!(list(&mut client).await.unwrap().len(), NAMES.len());
    // It has let go of its own.
    others.unlock().unwrap();
    others.try_lock().unwrap();
}
