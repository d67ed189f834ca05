//! What a written image store looks like on disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{collections::BTreeSet, fs, io, os::unix::fs::MetadataExt as _, sync::Barrier, thread};

use common::{list, names, times_ns};
use rkt_api::formats::ql::{Database, rkt};
use rkt_sim::{
    example,
    host::Host,
    spec::{App, Image, Phase, Pod, SET_UP_AT_S},
};
use uuid::Uuid;

/// What rkt hashes of the root file system of a small image, by another program.
const TREE_HASH: &str = "sha512-4e1e7630f37f7270ad0c7e93d81bc40796aad8bfbfb4e910a0e42a271533d1f2";

const IMPORTED_AT_S: i64 = 1_530_000_000;

fn images() -> [Image; 2] {
    let authors = ("authors".to_owned(), "A & B <ab@example.com>".to_owned());
    [
        Image {
            imported_at_s: IMPORTED_AT_S,
            size_bytes: Some(44_511_232),
            tree_store_size_bytes: 7,
            ..Image::new("coreos.com/etcd", "v3.3.3")
        },
        Image {
            imported_at_s: IMPORTED_AT_S - 60,
            latest: true,
            annotations: vec![authors],
            ..Image::new("example.com/web", "1")
        },
    ]
}

fn empty_host() -> (tempfile::TempDir, Host) {
    let tmp = tempfile::tempdir().unwrap();
    let host = Host::create(tmp.path().join("rkt")).unwrap();
    (tmp, host)
}

#[test]
fn every_image_has_blob_manifest_and_lock() {
    let (_tmp, host) = empty_host();
    let before = list(host.dir());
    host.write_images(&images()).unwrap();
    let mut after = list(host.dir());
    after.retain(|path, _| !before.contains_key(path));

    let mut expected = vec![
        "0660 cas/db/.34a8b4c1ad933745146fdbfef3073706ee571625".to_owned(),
        "0770 cas/blob/sha512".to_owned(),
        "0770 cas/imageManifest/sha512".to_owned(),
    ];
    for image in images() {
        let key = image.blob_key().unwrap();
        let shard = &key["sha512-".len()..][..2];
        expected.extend([
            format!("0770 cas/blob/sha512/{shard}"),
            format!("0600 cas/blob/sha512/{shard}/{key}"),
            format!("0770 cas/imageManifest/sha512/{shard}"),
            format!("0660 cas/imageManifest/sha512/{shard}/{key}"),
            format!("0660 cas/imagelocks/{key}"),
        ]);
        if image.tree_store_size_bytes > 0 {
            expected.extend(rendered(&image));
        }
    }
    let mut shown = names(&after);
    shown.sort();
    expected.sort();
    assert_eq!(shown, expected);

    let mode = |path: &str| list(host.dir())[path].mode & 0o7777;
    assert_eq!(mode("cas/db/ql.db"), 0o660);
    assert_eq!(mode("cas/blob"), 0o770);
}

/// The names of a rendered image and its lock.
fn rendered(image: &Image) -> Vec<String> {
    let id = image.tree_store_id().unwrap();
    let below = |(mode, name): (&str, &str)| format!("{mode} cas/tree/{id}{name}");
    let mut names = vec![format!("0640 cas/treestorelocks/{id}")];
    let tree = [
        ("0755", ""),
        ("0644", "/hash"),
        ("0644", "/image"),
        ("0644", "/manifest"),
        ("0644", "/rendered"),
        ("0755", "/rootfs"),
        ("0755", "/rootfs/etc"),
        ("0644", "/rootfs/etc/os-release"),
    ];
    names.extend(tree.map(below));
    names
}

#[test]
fn rendered_images_say_what_they_were_made_of() {
    let (_tmp, host) = empty_host();
    let image = Image {
        tree_store_size_bytes: 7,
        imported_at_s: IMPORTED_AT_S,
        ..Image::new("example.com/hello", "1.0.0")
    };
    host.write_images(std::slice::from_ref(&image)).unwrap();
    let key = image.blob_key().unwrap();
    let tree = host
        .dir()
        .join("cas/tree")
        .join(image.tree_store_id().unwrap());
    let read = |name: &str| fs::read_to_string(tree.join(name)).unwrap();
    assert_eq!(read("image"), key);
    assert_eq!(read("rendered"), "");
    let shard = &key["sha512-".len()..][..2];
    let manifest = host
        .dir()
        .join(format!("cas/imageManifest/sha512/{shard}/{key}"));
    assert_eq!(read("manifest"), fs::read_to_string(manifest).unwrap());
    assert_eq!(read("hash"), TREE_HASH);
    let at_s = |name: &str| times_ns(&tree.join(name)).0 / 1_000_000_000;
    assert_eq!(at_s("rendered"), IMPORTED_AT_S);
    assert_eq!(at_s("."), IMPORTED_AT_S);
    assert_eq!(at_s("rootfs/etc"), SET_UP_AT_S);
}

#[test]
fn pods_bring_the_trees_that_they_need() {
    let app = |number: u32| App::new("web", Image::new(format!("example.com/{number}"), "1"));
    let trees = |overlay: bool, phase: Phase, pods: &[u32]| {
        let (_tmp, host) = empty_host();
        for (index, number) in pods.iter().enumerate() {
            let mut pod = Pod::new(Uuid::from_u128(1 + index as u128), phase);
            pod.overlay = overlay;
            pod.apps.push(app(*number));
            host.write_pod(&pod).unwrap();
        }
        let locks = fs::read_dir(host.dir().join("cas/treestorelocks")).unwrap();
        let names = fs::read_dir(host.dir().join("cas/tree")).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let names: BTreeSet<_> = names.map(name).collect();
        assert_eq!(locks.map(name).collect::<BTreeSet<_>>(), names);
        names
            .into_iter()
            .map(|name| name.into_string().unwrap())
            .collect::<BTreeSet<_>>()
    };
    let id = |image: Image| image.tree_store_id().unwrap();
    let stage1 = id(Image::stage1());
    let [one, two] = [1, 2].map(|number| id(app(number).image));
    assert_eq!(trees(true, Phase::Embryo, &[1]), [].into());
    assert_eq!(trees(true, Phase::Prepare, &[1]), [stage1.clone()].into());
    assert_eq!(trees(false, Phase::Run, &[1, 2]), [stage1.clone()].into());
    assert_eq!(
        trees(true, Phase::Prepared, &[1, 2, 1]),
        [stage1, one, two].into()
    );
}

#[test]
fn pods_of_one_image_may_be_written_at_once() {
    const WRITERS: usize = 8;

    let (_tmp, host) = empty_host();
    let ready = Barrier::new(WRITERS);
    for round in 0..10 {
        let image = Image::new("example.com/shared", round.to_string());
        thread::scope(|scope| {
            for number in 0..WRITERS as u64 {
                let (host, ready, image) = (&host, &ready, image.clone());
                scope.spawn(move || {
                    let mut pod = Pod::new(Uuid::from_u64_pair(round, number), Phase::Prepared);
                    pod.apps.push(App::new("app", image));
                    ready.wait();
                    host.write_pod(&pod).unwrap();
                });
            }
        });
    }
}

#[test]
fn large_images_are_zeros_that_take_no_room() {
    let (_tmp, host) = empty_host();
    let small = Image::new("example.com/hello", "1");
    let large = Image {
        content_bytes: 64 << 20,
        ..small.clone()
    };
    host.write_images(&[small.clone(), large.clone()]).unwrap();
    let meta = |image: &Image| {
        let key = image.blob_key().unwrap();
        let shard = &key["sha512-".len()..][..2];
        fs::metadata(host.dir().join(format!("cas/blob/sha512/{shard}/{key}"))).unwrap()
    };
    // One more file: its head, and whole blocks.
    assert_eq!(meta(&large).len(), meta(&small).len() + 512 + (64 << 20));
    let used_bytes = meta(&large).blocks() * 512;
    assert!(used_bytes < 1 << 20, "{used_bytes}");
}

#[test]
fn times_are_those_of_the_imports() {
    let (_tmp, host) = empty_host();
    host.write_images(&images()).unwrap();
    let of = |path: &str| times_ns(&host.dir().join(path)).0 / 1_000_000_000;
    for path in ["cas/db", "cas/db/ql.db", "cas/blob", "cas/imagelocks"] {
        assert_eq!(of(path), IMPORTED_AT_S, "{path}");
    }
    let rendered = images()
        .into_iter()
        .filter(|image| image.tree_store_size_bytes > 0);
    let rendered = rendered.map(|image| image.imported_at_s).max();
    assert_eq!(of("cas/tree"), rendered.unwrap());
    for image in images() {
        let key = image.blob_key().unwrap();
        assert_eq!(of(&format!("cas/imagelocks/{key}")), image.imported_at_s);
    }
}

#[test]
fn manifests_are_those_in_the_images_escaped_as_go_does() {
    let (_tmp, host) = empty_host();
    host.write_images(&images()).unwrap();
    for image in images() {
        let key = image.blob_key().unwrap();
        let read = |kind: &str| {
            let shard = &key["sha512-".len()..][..2];
            fs::read(host.dir().join(format!("cas/{kind}/sha512/{shard}/{key}"))).unwrap()
        };
        let manifest = read("imageManifest");
        let blob = read("blob");
        let mut tar = tar::Archive::new(blob.as_slice());
        let mut first = tar.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(first.path().unwrap().to_str(), Some("manifest"));
        let mut packed = Vec::new();
        io::copy(&mut first, &mut packed).unwrap();
        assert_eq!(packed, manifest);

        let text = String::from_utf8(manifest).unwrap();
        let escaped = r#""value":"A \u0026 B \u003cab@example.com\u003e""#;
        assert_eq!(
            text.contains(escaped),
            !image.annotations.is_empty(),
            "{text}"
        );
    }
}

#[test]
fn the_index_has_a_row_for_every_image() {
    let (_tmp, host) = empty_host();
    host.write_images(&images()).unwrap();
    let index = fs::read(host.dir().join("cas/db/ql.db")).unwrap();
    let index = Database::open(index, None).unwrap();
    assert_eq!(rkt::schema_version(&index).unwrap(), Some(7));
    assert_eq!(rkt::remotes(&index).unwrap().count(), 0);
    let rows: Vec<_> = rkt::images(&index).unwrap().map(Result::unwrap).collect();
    // The row written last comes first.
    let mut images = images();
    images.reverse();
    assert_eq!(rows.len(), images.len());
    for (row, image) in rows.iter().zip(&images) {
        assert_eq!(row.blob_key, image.blob_key().unwrap());
        assert_eq!(row.name, image.name);
        assert_eq!(row.import_time.unix_s, image.imported_at_s);
        assert_eq!(row.latest, image.latest);
        assert_eq!(row.tree_store_size_bytes, image.tree_store_size_bytes);
    }
    assert_eq!(rows[1].size_bytes, 44_511_232);
    let web = &rows[0].blob_key;
    let shard = &web["sha512-".len()..][..2];
    let blob = host.dir().join(format!("cas/blob/sha512/{shard}/{web}"));
    let size_bytes = fs::metadata(blob).unwrap().len();
    assert_eq!(u64::try_from(rows[0].size_bytes), Ok(size_bytes));
}

#[test]
fn images_come_into_an_empty_store() {
    let (_tmp, host) = empty_host();
    let before = list(host.dir());
    host.write_images(&[]).unwrap();
    assert_eq!(list(host.dir()), before);

    host.write_images(&images()).unwrap();
    let written = list(host.dir());
    let again = host.write_images(&[Image::new("example.com/other", "1")]);
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(list(host.dir()), written);
}

#[test]
fn impossible_times_are_errors() {
    let (_tmp, host) = empty_host();
    let never = Image {
        imported_at_s: i64::MAX,
        ..Image::new("example.com/web", "1")
    };
    // Whether the system has such a time or not, nothing panics.
    let _ = host.write_images(&[never]);
}

#[test]
fn the_example_host_is_the_same_everywhere() {
    let written = || {
        let (tmp, host) = empty_host();
        let spec = example::host();
        host.write(&spec).unwrap();
        let held = host.hold_locked(&spec).unwrap();
        assert_eq!(
            held.len(),
            spec.pods.iter().filter(|pod| pod.locked).count()
        );
        let list = list(host.dir());
        drop(tmp);
        list
    };
    assert_eq!(written(), written());
}
