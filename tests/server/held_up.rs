//! Calls that are held up: those that ask for images wait while somebody writes the image index,
//! for as long as `--store-lock-timeout` says.

use std::{
    fs::{self, File},
    path::Path,
};

use rkt_api::{
    api::{GetInfoRequest, ListImagesRequest},
    layout::store,
};
use tokio::task::JoinHandle;
use tonic::Status;

use crate::support::Client;

/// Writes the image index, and keeps the lock that whoever writes has. A call about images waits
/// for its end.
pub fn lock_index(data_dir: &Path) -> File {
    let lock = File::open(data_dir.join(store::DB_DIR)).unwrap();
    lock.lock().unwrap();
    fs::write(data_dir.join(store::DB_DIR).join(store::DB), "").unwrap();
    lock
}

/// A call that has reached the server and waits for the lock on the image index, and the lock.
pub async fn held_up(client: &Client, data_dir: &Path) -> (File, JoinHandle<Result<(), Status>>) {
    let lock = lock_index(data_dir);
    let mut waiting = client.clone();
    let call = tokio::spawn(async move {
        let images = waiting.list_images(ListImagesRequest::default());
        images.await.map(drop)
    });
    tokio::task::yield_now().await;
    // Requests of one connection are taken up in their order.
    client.clone().get_info(GetInfoRequest {}).await.unwrap();
    (lock, call)
}
