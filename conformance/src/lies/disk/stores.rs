//! Servers that treat the image store wrongly (IM-5, IM-7, IM-8).

use std::{
    fs::{self, File, TryLockError},
    path::Path,
    time::Instant,
};

use rkt_api::layout::store;
use tonic::Status;

use super::{KEPT, images, pods, wait_while};
use crate::{case::Method, clause, lies::Lie};

/// Servers that do not look after the image store.
pub(super) fn lies() -> Vec<Lie> {
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
